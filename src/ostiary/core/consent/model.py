"""Consents, attempts to get one, and the links that invite an IT administrator. Pure rules, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import ProviderDetail

LINK_LIFE: Final = timedelta(hours=72)
"""SR-67: a link for an IT administrator lasts three days."""

EWS_ENDS_ON: Final = date(2027, 4, 1)
"""Microsoft switches EWS off for every organization (ews.md §9)."""

UNFINISHED_AFTER: Final = timedelta(minutes=10)
"""An attempt without an answer is then shown as unfinished, never as failed (UX §1)."""

DECLINE_REASON_LIMIT: Final = 280
"""Characters of the note an IT administrator may leave when declining."""

VERIFICATION_WINDOW: Final = timedelta(minutes=30)
"""How long Microsoft may take to pass an approval on before we say it did not happen (SR-14)."""


class ConsentState(StrEnum):
    """State of the consent of one tenant for one access method (DESIGN §3)."""

    NONE = "none"
    ASKED = "asked"
    STARTED = "started"
    RETURNED = "returned"
    VERIFYING = "verifying"
    VERIFIED = "verified"
    PARTIAL = "partial"
    CONTRADICTED = "contradicted"
    REFUSED = "refused"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Consent:
    """Our record of what one tenant approved for one access method."""

    id: str
    cloud: str
    tenant_id: str
    organization_id: str
    method: AccessMethod
    state: ConsentState
    reference: str
    """Of the attempt that led to this state."""
    granted_scopes: tuple[str, ...] = ()
    approved_by_object_id: str | None = None
    approved_by_username: str | None = None
    approved_by_name: str | None = None
    verified_at: datetime | None = None
    verified_how: str | None = None
    """Such as ``token_scope``: the back-channel fact it rests on (SR-13)."""
    checked_at: datetime | None = None
    changed_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ConsentAttempt:
    """One walk from our approval page to Microsoft and back; what its pages are rendered from."""

    id: str
    reference: str
    method: AccessMethod
    state: ConsentState
    created_at: datetime
    updated_at: datetime
    browser_hash: bytes
    """Only the browser that started the attempt may see its pages."""
    registration_id: str
    cloud: str
    requested_scopes: tuple[str, ...]
    organization_id: str | None = None
    link_id: str | None = None
    expected_tenant_id: str | None = None
    claimed_tenant_id: str | None = None
    """``tenant`` of the redirect: a hint, proves nothing (SR-12)."""
    claimed_scopes: tuple[str, ...] = ()
    """``scope`` of the redirect: tells a short grant from a slow one, and nothing more (SR-12)."""
    tenant_id: str | None = None
    """From the verified ID token."""
    tenant_name: str | None = None
    tenant_domains: tuple[str, ...] = ()
    """What the directory says of itself, once read."""
    account: str | None = None
    """Who signed in, for people to read: on the failure page and the record."""
    account_name: str | None = None
    account_object_id: str | None = None
    has_consenting_role: bool = False
    """The person's role was read with their own token and may approve apps (SR-18)."""
    granted_scopes: tuple[str, ...] = ()
    """``scope`` of the token endpoint: the evidence (SR-13)."""
    ews_reachable: bool | None = None
    """Whether EWS answered with the administrator's own token; None when it was not asked."""
    forward_link_id: str | None = None
    """Fresh link for the message to somebody who may approve; made when the attempt failed."""
    told_count: int = 0
    """People who were waiting when the approval was verified."""
    reason: str | None = None
    reason_variant: str | None = None
    """Special case of the reason, such as ``guest``; its words are in the catalogue."""
    provider: ProviderDetail | None = None
    returned_at: datetime | None = None
    verified_at: datetime | None = None
    check_count: int = 0
    next_check_at: datetime | None = None

    def is_unfinished(self, now: datetime) -> bool:
        """Whether Microsoft never sent the browser back: most failures stop on its own pages (UX §1)."""
        return self.state is ConsentState.STARTED and now - self.created_at >= UNFINISHED_AFTER


@dataclass(frozen=True, slots=True)
class AdminConsentLink:
    """An invitation for an IT administrator: a row, not a self-contained token (SR-67)."""

    id: str
    reference: str
    organization_id: str
    secret_hash: bytes
    created_at: datetime
    expires_at: datetime
    asked_by_name: str
    asked_by_member_id: str | None = None
    expected_tenant_id: str | None = None
    sent_to: str | None = None
    browser_hash: bytes | None = None
    """The first browser that started it; no other may go on with it."""
    used_at: datetime | None = None
    """Once confirmed, not once opened (UX §17)."""
    withdrawn_at: datetime | None = None
    declined_at: datetime | None = None
    decline_reason: str | None = None
    made_by_browser_hash: bytes | None = None
    """Set for a link made on our pages to be passed on: only that browser may read it again."""

    def is_usable(self, now: datetime, browser_hash: bytes | None) -> bool:
        """Whether the link still works in this browser. Why not is nobody's business (SR-69).

        The browser that used it up may go on until it expires: to approve the other method, or to look again.
        """
        bound_here = self.browser_hash is not None and self.browser_hash == browser_hash
        free = self.browser_hash is None and self.used_at is None
        return (
            now < self.expires_at
            and self.withdrawn_at is None
            and self.declined_at is None
            and (free or bound_here)
        )
