"""What people's own tokens show of an approval: taken back, cut down, or there again (SR-13, SR-47)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Protocol

from ostiary.core.audit.model import SYSTEM
from ostiary.core.audit.ports import AuditTrail
from ostiary.core.consent.announcing import announce
from ostiary.core.consent.machine import move
from ostiary.core.consent.model import Consent, ConsentState
from ostiary.core.consent.ports import ConsentStore
from ostiary.core.feed.ports import Feed
from ostiary.core.kernel.access_method import AccessMethod


class ConsentRecord(Protocol):
    """What of a transaction is needed to write a consent down."""

    @property
    def consents(self) -> ConsentStore: ...
    @property
    def audit(self) -> AuditTrail: ...
    @property
    def feed(self) -> Feed: ...


async def note_drift(
    tx: ConsentRecord,
    *,
    cloud: str,
    tenant_id: str,
    method: AccessMethod,
    to: ConsentState,
    reason: str | None,
    seen_at: datetime,
) -> Consent | None:
    """Write down what a person's token showed; None when the record says so already or knows better.

    Args:
        to: ``WITHDRAWN``, ``PARTIAL`` or ``VERIFIED``.
        reason: Why, as a reason id; None for ``VERIFIED``.
        seen_at: When Microsoft said so. An approval verified since then is newer and stays.
    """
    consent = await tx.consents.find(cloud=cloud, tenant_id=tenant_id, method=method)
    if consent is None or consent.verified_at is None or consent.state is to:
        return None
    newest = max(filter(None, (consent.verified_at, consent.changed_at)))
    if newest > seen_at:
        return None
    back = to is ConsentState.VERIFIED
    changed = replace(
        consent,
        state=move(consent.state, to),
        reason=reason,
        changed_at=seen_at,
        checked_at=seen_at,
        verified_at=seen_at if back else consent.verified_at,
        verified_how="token_scope" if back else consent.verified_how,
    )
    await tx.consents.save(changed)
    await announce(tx.feed, consent, changed)
    what, sentence = _WORDS[to]
    await tx.audit.record(
        what,
        sentence.format(method=method.label),
        actor=SYSTEM,
        organization_id=consent.organization_id,
        object_id=consent.id,
        reference=consent.reference,
        reason=reason,
        detail={"seen_by": "token"},
    )
    return changed


_WORDS = {
    ConsentState.WITHDRAWN: ("consent.withdrawn", "The approval of {method} was withdrawn at Microsoft."),
    ConsentState.PARTIAL: ("consent.partial", "Permissions of {method} were taken away at Microsoft."),
    ConsentState.VERIFIED: ("consent.back", "The approval of {method} is there again."),
}
