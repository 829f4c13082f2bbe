"""Ostiary: admin consent, connect, tokens, mail and calendar for Microsoft 365."""

__version__ = "0.1.0"
