"""A mailbox probe that answers from memory; for tests."""

from __future__ import annotations

from ostiary.core.connections.model import MailboxAccess, MailboxFacts
from ostiary.core.kernel.errors import MailboxMissing, OstiaryError


class MemoryMailboxProbe:
    """Knows mailboxes by object id. Asks for a token like a real one, and fails as it is told to."""

    def __init__(self) -> None:
        self._mailboxes: dict[str, MailboxFacts] = {}
        self._failures: list[OstiaryError] = []
        self._broken: dict[str, OstiaryError] = {}
        self.tokens_seen: list[str] = []
        """Access tokens in the order they were used."""

    def add(self, facts: MailboxFacts, *, object_id: str) -> None:
        """Let the account with ``object_id`` have this mailbox."""
        self._mailboxes[object_id] = facts

    def remove(self, object_id: str) -> None:
        """Take the mailbox away again."""
        self._mailboxes.pop(object_id, None)

    def fail_next(self, *errors: OstiaryError) -> None:
        """Raise these at the next calls, in order."""
        self._failures.extend(errors)

    def fail_part(self, part: str, error: OstiaryError | None) -> None:
        """Raise ``error`` whenever ``mail`` or ``calendar`` is asked for; None: it works again."""
        if error is None:
            self._broken.pop(part, None)
        else:
            self._broken[part] = error

    async def probe(self, mailbox: MailboxAccess, *, mail: bool, calendar: bool) -> MailboxFacts:
        token = await mailbox.access_token(False)
        self.tokens_seen.append(token.reveal())
        if self._failures:
            raise self._failures.pop(0)
        for part, asked in (("mail", mail), ("calendar", calendar)):
            if asked and part in self._broken:
                raise self._broken[part]
        facts = self._mailboxes.get(mailbox.object_id)
        if facts is None:
            raise MailboxMissing("There is no such mailbox.", reason="mailbox_missing")
        return facts
