"""The HTTP API ``/v1``: JSON in and out, problem details on failure, one API key per caller.

Each module holds the routes of one noun and exposes them as ``router``. Shapes are explicit on both sides:
unknown fields of a request are refused, and an answer holds only what its shape names (SR-70).
"""
