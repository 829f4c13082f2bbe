"""What a mailbox needs of the world around it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .held import HeldMessage
    from .store import Mailbox


class Clock(Protocol):
    """Tells the world's time, aware UTC."""

    def now(self) -> datetime: ...


class MailboxWorld(Protocol):
    """What a mailbox needs of the world around it."""

    @property
    def clock(self) -> Any: ...

    @property
    def held(self) -> list[HeldMessage]: ...

    def find_mailbox(self, address_or_guid: str) -> Mailbox | None: ...

    def find_tenant(self, id_or_domain: str) -> Any: ...

    def find_user(self, address_or_oid: str) -> Any: ...


class MailboxOwner(Protocol):
    """What a mailbox needs of the user it belongs to."""

    @property
    def oid(self) -> str: ...
    @property
    def upn(self) -> str: ...
    @property
    def mail(self) -> str | None: ...
    @property
    def display_name(self) -> str: ...
