"""The catalogue of everything that can stop a person: one table for pages, mails, API, CLI and retries (UX §7).

A reason id is the same word everywhere: page, e-mail, audit log, API, CLI, emulator scenario.
"""
