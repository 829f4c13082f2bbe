"""Where the person signs in to, and what may stop them there before any question of consent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from m365_emulator.entra import pages
from m365_emulator.entra.authorization import Refused, Stopped
from m365_emulator.entra.errors import EntraError
from m365_emulator.entra.grant_types.call import policy_claims
from m365_emulator.entra.step import Step
from m365_emulator.world.tenants import GLOBAL_ADMINISTRATOR, Tenant, User

if TYPE_CHECKING:
    pass


def resolve_identity(step: Step, home: User) -> tuple[Tenant, User]:
    """Return the tenant signed in to and who the person is there.

    Raises:
        Refused, Stopped: The person is nobody in that tenant (50020) or uses a personal account.
    """
    world, authority = step.world, step.request.authority
    tenant = authority.tenant or home.tenant
    if tenant.policies.personal_accounts_only:
        raise Stopped(EntraError(500208, f"Account: '{home.upn}'."), offers_other_account=True)
    if tenant.policies.wrong_account and home.tenant is tenant:
        home = _swapped(step, home, tenant)
        tenant = authority.tenant or home.tenant
    if home.tenant is tenant:
        return tenant, home
    guest = world.guest_in(tenant, home)
    if guest is not None:
        return tenant, guest
    error = EntraError(50020, f"User account '{home.upn}', tenant '{tenant.display_name}'.")
    if step.request.is_for_tenant:
        raise Refused(error)
    raise Stopped(error, offers_other_account=True)


def _swapped(step: Step, home: User, tenant: Tenant) -> User:
    """Return somebody else, for scenarios that pretend the person picked the wrong account."""
    if tenant.policies.wrong_account == "other_person":
        others = [
            user for user in tenant.users if user.licensed and user is not home and user.account_enabled
        ]
        return others[-1] if others else home
    apps_home = step.request.app.home_tenant_id
    for other in reversed(step.world.tenants):
        if other is tenant or other.id == apps_home:
            continue
        admins = [user for user in other.users if GLOBAL_ADMINISTRATOR in user.roles]
        if admins:
            return admins[0]
    return home


def check_policies(step: Step, tenant: Tenant, user: User, home: User) -> Response | None:
    """Apply the tenant's policies; returns the page of a second step when one is needed.

    Raises:
        Refused, Stopped: A policy ends the flow.
    """
    policies, app = tenant.policies, step.request.app
    step.http.state.tenant_id = tenant.id
    if policies.sign_in_error is not None:
        raise Stopped(
            EntraError(policies.sign_in_error, "(Told so by the controls.)"), offers_other_account=True
        )
    if policies.outage:
        raise Refused(EntraError(90033))
    if policies.unknown_failure:
        raise Refused(EntraError(9999999))
    if policies.tenant_restrictions:
        raise Stopped(EntraError(500021, f"Tenant: '{tenant.display_name}'."))
    if policies.cross_tenant_access_blocked:
        raise Refused(EntraError(500212))
    if not user.account_enabled:
        raise Stopped(EntraError(50057, f"Account: '{user.upn}'."), offers_other_account=True)
    principal = tenant.service_principals.get(app.app_id)
    if app.is_disabled or policies.app_disabled or (principal and not principal.account_enabled):
        raise Stopped(EntraError(7000112, f"Application: '{app.app_id}' ({app.display_name})."))
    if policies.sign_in_blocked or policies.allowed_locations_only:
        raise Stopped(EntraError(53003, claims=policy_claims(tenant)))
    if policies.compliant_device_required:
        raise Stopped(EntraError(53000))
    if (policies.mfa_required or user.mfa_required or _asks_for_mfa(step)) and not step.flow.passed_mfa:
        if step.is_silent:
            raise Refused(EntraError(50076, error="interaction_required"))
        return pages.second_step_page(step.world, step.flow, home, tenant)
    return None


def _asks_for_mfa(step: Step) -> bool:
    """Say whether the client passes on a challenge that names the tenant's policy."""
    return "capolids" in step.request.params.get("claims", "") and not step.flow.passed_mfa
