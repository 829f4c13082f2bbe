"""Microsoft Graph v1.0: mail, calendar and the mailbox probe, on one client of our own."""
