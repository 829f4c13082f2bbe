"""The emulated world: tenants, people, apps, mailboxes, one clock.

Owns every fact that Entra ID, Microsoft Graph and EWS answer from, and nothing
about how they answer. `entra`, `graph`, `ews` and `control` call it.
"""
