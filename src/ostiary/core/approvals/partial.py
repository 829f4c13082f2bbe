"""An approval that is enough for one of email and calendar: those who wait for that one need not wait (UX §7)."""

from __future__ import annotations

from ostiary.core.approvals.model import ApprovalRequest
from ostiary.core.approvals.ports import ApprovalTransaction
from ostiary.core.approvals.post import ApprovalPost
from ostiary.core.audit.model import Actor
from ostiary.core.consent.features import Feature, feature_to_leave_out, grantable_features
from ostiary.core.consent.model import ConsentAttempt, ConsentState
from ostiary.core.consent.permissions import missing_permissions
from ostiary.core.kernel.errors import Conflict, NotFound
from ostiary.core.kernel.secret import Secret
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.notices.model import NoticeKind
from ostiary.core.signin.derivation import secret_hash


class PartialApprovals:
    """What an administrator may decide about an approval in which something is missing."""

    def __init__(self, *, transactions: Transactions[ApprovalTransaction], post: ApprovalPost) -> None:
        self._transactions = transactions
        self._post = post

    async def go_on_without(self, reference: str, *, browser_secret: Secret, actor: Actor) -> Feature:
        """Leave out what was not approved, and tell those who wait for the other that they can connect it.

        The request stays open: somebody may still wait for the rest. Saying so twice tells nobody twice.

        Raises:
            NotFound: Not an attempt of this browser.
            Conflict: Nothing is missing any more, or so much that nothing can be connected.
        """
        async with self._transactions() as tx:
            attempt = await tx.consent_attempts.find_by_reference(reference)
            if attempt is None or attempt.browser_hash != secret_hash(browser_secret):
                raise NotFound("There is no such attempt.")
            left_out = feature_lacking(attempt)
            if left_out is None or attempt.organization_id is None:
                raise Conflict("There is nothing to leave out.")
            request = await tx.approval_requests.find_open(
                organization_id=attempt.organization_id, method=attempt.method, for_update=True
            )
            if request is not None:
                await self._post.tell_waiters(
                    tx,
                    request,
                    NoticeKind.CAN_CONNECT,
                    {"only": left_out.other.label, "without": left_out.label},
                    once="/partly",
                    wants=left_out.other,
                )
            await tx.audit.record(
                "consent.went_on_without",
                f"The IT administrator goes on without {left_out.label}.",
                actor=actor,
                organization_id=attempt.organization_id,
                object_id=attempt.id,
                reference=attempt.reference,
            )
        return left_out


def feature_lacking(attempt: ConsentAttempt) -> Feature | None:
    """The one of email and calendar that an approval is not enough for; None when both or neither can be had."""
    if attempt.state is not ConsentState.PARTIAL:
        return None
    missing = missing_permissions(attempt.method, attempt.granted_scopes)
    return feature_to_leave_out((permission.name for permission in missing), frozenset(Feature))


async def feature_left_out(tx: ApprovalTransaction, request: ApprovalRequest) -> Feature | None:
    """What people who wait may go on without, because an administrator approved only a part."""
    if not request.is_open:
        return None
    for consent in await tx.consents.list_for_organization(request.organization_id):
        fits = consent.method is request.method and request.tenant_id in {None, consent.tenant_id}
        if fits and consent.state is ConsentState.PARTIAL:
            usable = grantable_features(consent.method, consent.granted_scopes)
            if len(usable) == 1:
                return next(iter(usable)).other
    return None
