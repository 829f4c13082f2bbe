"""Failure scenarios by reason id: one word that makes one tenant fail in one way.

A scenario is a set of policy changes (and sometimes an act, such as withdrawing
grants). What it replaced is kept as plain data, so it can be cleared again and
survives a snapshot.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from m365_emulator.world.grants import remove_grants
from m365_emulator.world.tenants import Tenant

if TYPE_CHECKING:
    from m365_emulator.world.world import World

EWS_ENDS_AT = datetime(2027, 4, 1, tzinfo=UTC)
"""EWS is shut down for every organization. Source: Exchange team, EWS retirement plan."""

LONGEST_PROPAGATION_SECONDS = 1_800
"""Reported consent propagation reaches half an hour; `not_confirmed` uses all of it."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One reason id and how it is brought about."""

    id: str
    title: str
    """Completes the sentence "Pretend that …"."""
    policies: dict[str, Any] = field(default_factory=dict[str, Any])
    act: Callable[[World, Tenant], None] | None = None
    faults: tuple[dict[str, Any], ...] = ()
    hides_grants: bool = False
    """Earlier approvals are out of sight, so that the consent pages appear."""


@dataclass(slots=True)
class ActiveScenario:
    """What a scenario replaced, to be put back when it is cleared."""

    id: str
    saved_policies: Any
    saved_grants: list[Any]
    saved_roles: list[Any]
    hid_grants: bool
    saved_sessions_valid_from: datetime | None
    moved_clock: bool
    fault_ids: list[str]


def _revoke(world: World, tenant: Tenant) -> None:
    tenant.sessions_valid_from = world.clock.now()


def _withdraw(_: World, tenant: Tenant) -> None:
    remove_grants(tenant)


def _to_the_end_of_ews(world: World, _: Tenant) -> None:
    world.clock.set(EWS_ENDS_AT)


def _graph_error(code: str, message: str) -> str:
    return json.dumps({"error": {"code": code, "message": message}})


_GRAPH_ANSWER: dict[str, Any] = {
    "route": "/v1.0/*",
    "resources_only": True,
    "headers": {"content-type": "application/json", "retry-after": "10"},
}
_EWS_ANSWER: dict[str, Any] = {
    "route": "/ews/*",
    "resources_only": True,
    "body": "",
    "headers": {"content-type": "text/html; charset=utf-8", "retry-after": "10"},
}
_ALL = (
    Scenario(
        "declined",
        "the person presses Cancel whatever they click",
        {"decline_consent": True},
        hides_grants=True,
    ),
    Scenario(
        "not_admin",
        "this account isn’t an administrator",
        {"roles_inactive": True, "user_consent": "blocked", "admin_consent_workflow": False},
        hides_grants=True,
    ),
    Scenario(
        "not_admin.workflow",
        "this account isn’t an administrator, and approval can be requested",
        {"roles_inactive": True, "user_consent": "blocked", "admin_consent_workflow": True},
        hides_grants=True,
    ),
    Scenario(
        "wrong_tenant", "the account belongs to another organization", {"wrong_account": "other_tenant"}
    ),
    Scenario("personal_account", "the account is a personal one", {"personal_accounts_only": True}),
    Scenario("app_blocked", "the network or tenant blocks the app", {"tenant_restrictions": True}),
    Scenario(
        "app_blocked.cross_tenant",
        "a cross-tenant access policy blocks the app",
        {"cross_tenant_access_blocked": True},
    ),
    Scenario(
        "unverified_publisher",
        "the publisher isn’t verified",
        {"publisher_unverified": True, "user_consent": "open", "risky_app_step_up": True},
        hides_grants=True,
    ),
    Scenario("app_disabled", "the app is switched off in this tenant", {"app_disabled": True}),
    Scenario("not_assigned", "the person isn’t assigned to the app", {"assignment_required": True}),
    Scenario("sign_in_policy", "a sign-in policy blocks it", {"sign_in_blocked": True}),
    Scenario("sign_in_policy.mfa", "a second step is required", {"mfa_required": True}),
    Scenario("sign_in_policy.device", "a managed device is required", {"compliant_device_required": True}),
    Scenario("sign_in_policy.location", "the location isn’t allowed", {"allowed_locations_only": True}),
    Scenario("sign_in_policy.frequency", "sign-ins last one minute", {"sign_in_frequency_seconds": 60}),
    Scenario("ews_off", "EWS is off for the tenant", {"ews_enabled": False}),
    Scenario(
        "ews_not_listed",
        "the app isn’t on the EWS allow list",
        {"ews_enabled": True, "ews_allowed_app_ids": []},
    ),
    Scenario("ews_ended", "EWS has ended for good", faults=({**_EWS_ANSWER, "status": 403, "headers": {}},)),
    Scenario("ews_ended.clock", "it is 1 April 2027", act=_to_the_end_of_ews),
    Scenario("mailbox_missing", "nobody here has a mailbox", {"mailboxes_missing": True}),
    Scenario(
        "account_mismatch", "the person picks somebody else’s account", {"wrong_account": "other_person"}
    ),
    Scenario(
        "missing_permission",
        "fewer permissions are recorded than were accepted",
        {"withheld_scopes": ["Calendars.ReadWrite", "EWS.AccessAsUser.All"]},
        hides_grants=True,
    ),
    Scenario(
        "not_confirmed",
        "the approval takes half an hour to spread",
        {"consent_propagation_seconds": LONGEST_PROPAGATION_SECONDS},
        hides_grants=True,
    ),
    Scenario("session_lost", "the way back loses its state", {"omit_state": True}),
    Scenario(
        "microsoft_down",
        "Microsoft is down",
        {"outage": True},
        faults=(
            {
                **_GRAPH_ANSWER,
                "status": 503,
                "body": _graph_error("serviceNotAvailable", "The service is unavailable."),
            },
            {**_EWS_ANSWER, "status": 503},
        ),
    ),
    Scenario("our_fault", "the app’s client secret has expired", {"client_secret_expired": True}),
    Scenario(
        "consent_withdrawn", "an administrator withdraws the approval", act=_withdraw, hides_grants=True
    ),
    Scenario("sign_in_needed", "everybody was signed out everywhere", act=_revoke),
    Scenario(
        "slowed_down",
        "Microsoft asks to slow down",
        faults=(
            {
                **_GRAPH_ANSWER,
                "status": 429,
                "body": _graph_error(
                    "ApplicationThrottled", "Application is over its MailboxConcurrency limit."
                ),
            },
            {**_EWS_ANSWER, "status": 503},
        ),
    ),
    Scenario("unknown", "it fails for no reason given", {"unknown_failure": True}),
    Scenario("slow", "every answer takes 10 seconds", faults=({"route": "*", "latency_ms": 10_000},)),
    Scenario("wrong_password", "the password is wrong", {"wrong_password": True}),
    Scenario(
        "ews_listed", "EWS is on and every app is listed", {"ews_enabled": True, "ews_allowed_app_ids": ["*"]}
    ),
)

SCENARIOS: dict[str, Scenario] = {scenario.id: scenario for scenario in _ALL}
"""By id. A dot separates a reason from its variant."""


class UnknownScenario(LookupError):
    """There is no scenario with this id; list them."""


def set_scenario(world: World, tenant: Tenant, scenario_id: str) -> None:
    """Put one scenario in force for a tenant, replacing the one before.

    Raises:
        UnknownScenario: The id is not one of `SCENARIOS`; nothing is changed.
    """
    scenario = SCENARIOS.get(scenario_id)
    if scenario is None:
        raise UnknownScenario(scenario_id)
    clear_scenario(world, tenant)
    active = ActiveScenario(
        id=scenario.id,
        saved_policies=copy.deepcopy(tenant.policies),
        saved_grants=list(tenant.grants),
        saved_roles=list(tenant.app_role_assignments),
        hid_grants=scenario.hides_grants,
        saved_sessions_valid_from=tenant.sessions_valid_from,
        moved_clock=scenario.act is _to_the_end_of_ews,
        fault_ids=[],
    )
    for name, value in scenario.policies.items():
        setattr(tenant.policies, name, copy.copy(value))
    if scenario.id == "ews_listed":
        tenant.policies.ews_allowed_app_ids = list(world.apps)
    if scenario.hides_grants:
        remove_grants(tenant)
    if scenario.act is not None:
        scenario.act(world, tenant)
    for rule in scenario.faults:
        fault = world.faults.add(**{**copy.deepcopy(rule), "tenant": tenant.id})
        active.fault_ids.append(fault.id)
    tenant.scenario = scenario.id
    world.active_scenarios[tenant.id] = active


def clear_scenario(world: World, tenant: Tenant) -> None:
    """Put back what the scenario of this tenant replaced; nothing happens without one.

    Grants that were hidden come back beside those made meanwhile. A moved clock
    goes back to the machine's time.
    """
    active = world.active_scenarios.pop(tenant.id, None)
    tenant.scenario = None
    if active is None:
        return
    tenant.policies = active.saved_policies
    if active.hid_grants:
        _merge_back(tenant, active)
    if active.id == "sign_in_needed":
        tenant.sessions_valid_from = active.saved_sessions_valid_from
    if active.moved_clock:
        world.clock.reset()
    for fault_id in active.fault_ids:
        world.faults.remove(fault_id)


def _merge_back(tenant: Tenant, active: ActiveScenario) -> None:
    made = {(g.client_app_id, g.resource_app_id, g.principal_oid): g for g in tenant.grants}
    for grant in active.saved_grants:
        newer = made.get((grant.client_app_id, grant.resource_app_id, grant.principal_oid))
        if newer is None:
            tenant.grants.append(grant)
        else:
            newer.scopes |= grant.scopes
    held = {assignment.id for assignment in tenant.app_role_assignments}
    tenant.app_role_assignments += [role for role in active.saved_roles if role.id not in held]
