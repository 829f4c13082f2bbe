"""Microsoft 365 on one machine: Entra ID, Graph mail and calendar, EWS."""
