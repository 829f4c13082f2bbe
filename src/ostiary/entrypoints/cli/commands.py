"""Every command, in the order of ``ostiary --help``, with the module that brings it."""

from __future__ import annotations

from typing import Final

from ostiary.entrypoints.cli.on_demand import Entry

COMMANDS: Final[tuple[Entry, ...]] = (
    Entry(
        "demo",
        ("demo",),
        "Try everything on this machine with no Microsoft account: service, workers, PostgreSQL and emulator.",
    ),
    Entry(
        "serve",
        ("serve",),
        "Serve the approval and connect pages, the console and the API until SIGTERM or Ctrl-C.",
    ),
    Entry(
        "worker",
        ("worker",),
        "Run background jobs until SIGTERM or Ctrl-C; run as many of these as you like.",
    ),
    Entry(
        "sender",
        ("sender",),
        "Send webhooks until SIGTERM or Ctrl-C, without access to any saved sign-in; run as many as you like.",
    ),
    Entry("migrate", ("migrate",), "Bring the database to this version's schema."),
    Entry(
        "doctor",
        ("doctor",),
        "Check settings, database, keys, mail, Microsoft's hosts, clock, permissions and changes; "
        "list redirect addresses.",
    ),
    Entry(
        "explain",
        ("explain",),
        "Say what a reason, a Microsoft error number or a person's reference means, who can fix it, and how.",
    ),
    Entry(
        "evidence",
        ("evidence",),
        "Write what an IT administrator asks for before approving: permissions, data flow, hosts, retention, cryptography.",
    ),
    Entry("freeze", ("freeze",), "Stop all use of tokens, in every process, within a minute."),
    Entry("unfreeze", ("freeze",), "Let tokens be used again."),
    Entry(
        "erase",
        ("erase",),
        "Destroy the tokens and delete all data of a customer, or of one person, for good.",
    ),
    Entry("export", ("erase",), "Write everything stored about a customer, or about one person, as JSON."),
    Entry("incidents", ("incidents",), "List troubles of connections and approvals, newest first."),
    Entry("retention", ("retention",), "Report what is kept by age, for how long, and the oldest of it."),
    Entry("restored", ("restored",), "Say that the database was put back from a backup."),
    Entry(
        "unused-permissions",
        ("unused_permissions",),
        "List permissions that connections hold and have not used for a while.",
    ),
    Entry("keys", ("keys",), "Key-encryption keys: make, rotate, re-wrap, look."),
    Entry("org", ("organizations",), "Customers: add them, list them."),
    Entry("members", ("members",), "People of a customer and their licences."),
    Entry("link", ("links",), "Links with which an IT administrator approves."),
    Entry("connect-session", ("connections",), "Let a member connect their mailbox."),
    Entry(
        "connections",
        ("connections", "coverage", "connections_many"),
        "Connected mailboxes and how they are.",
    ),
    Entry("mail", ("mail",), "Mail of a connected mailbox."),
    Entry("calendar", ("calendar",), "Calendar of a connected mailbox."),
    Entry("changes", ("changes",), "What happened to a mailbox, a calendar, a connection or a customer."),
    Entry("webhooks", ("webhooks",), "Addresses of yours that get events, and what was sent to them."),
    Entry("approval", ("approval",), "Microsoft approval of a customer."),
    Entry("requests", ("approval",), "Approval requests of a customer."),
    Entry("audit", ("audit",), "The audit log."),
    Entry("operator", ("operators",), "Operators: the vendor's own staff."),
    Entry("api-key", ("operators",), "Keys for the API."),
)
