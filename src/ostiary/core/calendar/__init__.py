"""Unified calendar over Graph and EWS: reading, writing, answering, splitting series, free times, in one shape.

Content passes through and is not stored. Called by the API and the CLI with a connection.
"""
