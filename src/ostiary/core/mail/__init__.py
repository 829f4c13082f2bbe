"""Unified mail: folders and messages in one shape, over Graph and EWS.

Content passes through and is not stored. Called by the API and the CLI with a connection.
"""
