"""Autodiscover in its three forms: V2 (JSON), SOAP GetUserSettings, and POX (plain XML)."""
