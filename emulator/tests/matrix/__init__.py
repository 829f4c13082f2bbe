"""The same message and the same meeting, written and read through each client library."""
