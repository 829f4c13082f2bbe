"""The client library of Ostiary."""
