"""Microsoft's admin consent workflow: people ask, reviewers decide, the app hears nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from m365_emulator.entra.consent import Permissions, may_consent_for_tenant
from m365_emulator.world.apps import AppRegistration
from m365_emulator.world.grants import ConsentRecord, record_consent
from m365_emulator.world.ids import stable_guid
from m365_emulator.world.tenants import ConsentRequest, Tenant, User

if TYPE_CHECKING:
    from m365_emulator.world.world import World

Decision = Literal["approve", "deny", "block"]


class NotAReviewer(PermissionError):
    """The person may not decide, or not approve these permissions; ask another reviewer."""


def ask_reviewers(
    world: World, tenant: Tenant, user: User, app: AppRegistration, permissions: Permissions, reason: str
) -> ConsentRequest:
    """Record a request; a person who asks again updates the waiting one."""
    scopes = [f"{resource}/{name}" for resource, names in permissions.delegated.items() for name in names]
    for known in tenant.consent_requests:
        if (known.app_id, known.requested_by_oid, known.decision) == (app.app_id, user.oid, "waiting"):
            known.reason, known.scopes = reason[:500], scopes
            return known
    request = ConsentRequest(
        id=stable_guid("consent request", tenant.id, app.app_id, user.oid, str(len(tenant.consent_requests))),
        app_id=app.app_id,
        requested_by_oid=user.oid,
        reason=reason[:500],
        scopes=scopes,
        created_at=world.clock.now(),
    )
    tenant.consent_requests.append(request)
    return request


def decide_request(
    world: World, tenant: Tenant, request: ConsentRequest, reviewer: User, decision: Decision
) -> None:
    """Let a reviewer decide; approval grants the permissions for the whole tenant.

    Raises:
        NotAReviewer: Not listed as a reviewer, or approves without the role for it.
    """
    if reviewer.oid not in tenant.reviewer_oids:
        raise NotAReviewer(f"{reviewer.upn} is not a reviewer in {tenant.display_name}.")
    delegated: dict[str, list[str]] = {}
    for scope in request.scopes:
        resource, _, name = scope.partition("/")
        delegated.setdefault(resource, []).append(name)
    app = world.apps[request.app_id]
    if decision == "approve":
        if not may_consent_for_tenant(tenant, reviewer, Permissions(delegated, {})):
            raise NotAReviewer(f"{reviewer.upn} may deny or block, but holds no role that can approve.")
        record_consent(
            tenant, app, ConsentRecord(delegated, {}), now=world.clock.now(), for_user=None, replaces=False
        )
    request.decision = {"approve": "approved", "deny": "denied", "block": "blocked"}[decision]  # type: ignore[assignment]
    request.decided_by_oid, request.decided_at = reviewer.oid, world.clock.now()
