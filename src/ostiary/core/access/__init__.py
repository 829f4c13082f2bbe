"""Who may do what: operators, organization admins, API keys, console sessions, roles (SR-52, SR-60 to SR-62)."""
