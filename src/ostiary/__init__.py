"""Ostiary: admin consent, connect, tokens, mail and calendar for Microsoft 365."""
