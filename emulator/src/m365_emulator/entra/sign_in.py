"""Carry one sign-in or consent from its request to its end, one page at a time.

Every page posts back here; the request, the person and the policies are judged
anew each time, so a scenario chosen half-way takes effect at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from m365_emulator.entra import pages
from m365_emulator.entra.accounts import PERSONAL_DOMAINS, ask_address, choose_account, no_such_account
from m365_emulator.entra.answers import base_url, correlation_id
from m365_emulator.entra.authorization import (
    AuthorizationRequest,
    Refused,
    Stopped,
    check_protocol,
    parse_request,
    send_error_back,
)
from m365_emulator.entra.consent import (
    Ask,
    ConsentDecision,
    decide,
    decide_for_tenant,
    is_assigned,
)
from m365_emulator.entra.errors import EntraError
from m365_emulator.entra.finish import decline_device, finish
from m365_emulator.entra.flow import Flow
from m365_emulator.entra.gates import check_policies, resolve_identity
from m365_emulator.entra.reviews import ask_reviewers
from m365_emulator.entra.scopes import ScopeRequest
from m365_emulator.entra.session import Session
from m365_emulator.entra.step import Step
from m365_emulator.entra.tokens import SignIn
from m365_emulator.world.grants import ConsentRecord, record_consent
from m365_emulator.world.resources import EXCHANGE
from m365_emulator.world.seed.builder import add_tenant
from m365_emulator.world.tenants import Tenant, User

if TYPE_CHECKING:
    from m365_emulator.world.world import World


def run(world: World, http: Request, flow: Flow) -> Response:
    """Show the next page of the flow, or send the browser back."""
    return guarded(world, http, flow, advance)


def guarded(world: World, http: Request, flow: Flow, do: Callable[[Step], Response]) -> Response:
    """Check the request, call `do` with the step, and turn refusals into pages and redirects."""
    session = Session.of(world, http)
    try:
        request = parse_request(world, flow.kind, flow.segment, flow.params, base_url(http))
    except Stopped as stopped:
        return pages.stopped_page(world, http, flow, stopped, None)
    http.state.app_id = request.app.app_id
    try:
        scopes = check_protocol(world, request)
        step = Step(world, http, flow, request, scopes, session)
        response = do(step)
    except Stopped as stopped:
        if request.prompt == "none":
            refused = Refused(stopped.error)
            response = _refuse(world, http, request, refused)
        else:
            response = pages.stopped_page(world, http, flow, stopped, request.authority.tenant)
    except Refused as refused:
        response = _refuse(world, http, request, refused)
    session.save(response, secure=http.url.scheme == "https")
    return response


def _refuse(world: World, http: Request, request: AuthorizationRequest, refused: Refused) -> Response:
    if request.kind == "device":
        return decline_device(world, request)
    return send_error_back(
        world, request, refused.error, subcode=refused.subcode, correlation=correlation_id(http)
    )


def advance(step: Step) -> Response:
    """Go as far as possible without a page, then show that page."""
    page = choose_account(step)
    if page is not None:
        return page
    home = step.world.find_user(step.flow.oid)
    if home is None:
        return pages.address_page(
            step.world, step.flow, step.request, message=no_such_account(step.flow.address)
        )
    page = _prove(step, home)
    if page is not None:
        return page
    tenant, user = resolve_identity(step, home)
    page = check_policies(step, tenant, user, home)
    if page is not None:
        return page
    return _consent(step, tenant, user, home)


def choose(step: Step, form: dict[str, str]) -> Response:
    """Take the answer of the account picker or of the address page."""
    flow, account = step.flow, form.get("account", "")
    if form.get("add_tenant"):
        _add_tenant(step, form["add_tenant"])
        return _take_address(step, form.get("address", ""))
    if account == "other":
        return pages.address_page(step.world, flow, step.request)
    if account == "back":
        return pages.pick_page(step.world, flow, step.request, step.session)
    if account:
        return _take_address(step, account)
    return _take_address(step, form.get("address", ""))


def _add_tenant(step: Step, domain: str) -> None:
    domain = domain.lower().strip()[:253]
    if domain and step.world.find_tenant(domain) is None and domain not in PERSONAL_DOMAINS:
        add_tenant(step.world, domain)


def _take_address(step: Step, address: str) -> Response:
    flow = step.flow
    flow.address = address.strip()[:256]
    found = step.world.find_user(flow.address) if flow.address else None
    home = step.world.home_of(found) if found else None
    if home is None:
        return ask_address(step, flow.address)
    flow.oid, flow.is_chosen = home.oid, True
    return advance(step)


# -- proof -----------------------------------------------------------------------------------------------------------


def _prove(step: Step, home: User) -> Response | None:
    flow, session = step.flow, step.session
    if flow.is_proved:
        return None
    known = session.find(home)
    max_age = step.request.params.get("max_age", "")
    if known is not None and max_age.isdigit():
        age = (step.world.clock.now() - known.signed_in_at).total_seconds()
        known = known if age <= int(max_age) else None
    if known is not None and step.request.prompt != "login":
        flow.is_proved, flow.passed_mfa = True, known.passed_mfa
        return None
    if step.is_silent:
        raise Refused(EntraError(50058))
    return pages.password_page(step.world, flow, step.request, home)


def take_password(step: Step, form: dict[str, str]) -> Response:
    """Take the answer of the password page."""
    flow = step.flow
    home = step.world.find_user(flow.oid) if flow.oid else None
    if home is None or form.get("decision") == "back":
        flow.oid, flow.is_chosen = "", False
        return pages.pick_page(step.world, flow, step.request, step.session)
    tenant = step.request.authority.tenant or home.tenant
    if tenant.policies.wrong_password:
        message = "AADSTS50126: That address or password is not right. (A scenario says so.)"
        return pages.password_page(step.world, flow, step.request, home, message)
    if not home.account_enabled:
        raise Stopped(EntraError(50057, f"Account: '{home.upn}'."), offers_other_account=True)
    if home.password_expired:
        raise Stopped(EntraError(50055, f"Account: '{home.upn}'."), offers_other_account=True)
    step.session.sign_in(home)
    flow.is_proved, flow.passed_mfa = True, False
    return advance(step)


def take_second_step(step: Step, form: dict[str, str]) -> Response:
    """Take the answer of the second step."""
    home = step.world.find_user(step.flow.oid) if step.flow.oid else None
    if home is None or not step.flow.is_proved:
        return advance(step)
    if form.get("decision") != "approve":
        raise Stopped(EntraError(50074), offers_other_account=True)
    step.session.sign_in(home, passed_mfa=True)
    step.flow.passed_mfa = True
    return advance(step)


# -- consent ---------------------------------------------------------------------------------------------------------


def decision_for(step: Step, tenant: Tenant, user: User) -> ConsentDecision:
    """Return what this request has to ask in this tenant."""
    if step.request.is_for_tenant:
        return decide_for_tenant(tenant, user, step.request.app, step.scopes)
    scopes = step.scopes or ScopeRequest("")
    forced = step.request.prompt == "consent"
    return decide(step.world, tenant, user, step.request.app, scopes, forced=forced)


def _consent(step: Step, tenant: Tenant, user: User, home: User) -> Response:
    decision = decision_for(step, tenant, user)
    if EXCHANGE in decision.permissions.delegated and not tenant.policies.exchange_subscribed:
        raise Stopped(EntraError(650052, "Service: 'Office 365 Exchange Online'."))
    if decision.ask is Ask.NOTHING:
        return _finish(step, tenant, user, home)
    if step.is_silent:
        raise Refused(EntraError(65001, error="consent_required"))
    if decision.ask is Ask.ADMIN_APPROVAL:
        return pages.approval_page(step.world, step.flow, step.request, user, tenant, decision)
    return pages.consent_page(step.world, step.flow, step.request, user, tenant, decision)


def _proved_identity(step: Step) -> tuple[Tenant, User, User] | None:
    home = step.world.find_user(step.flow.oid) if step.flow.oid else None
    if home is None or not step.flow.is_proved:
        return None
    tenant, user = resolve_identity(step, home)
    return tenant, user, home


def take_consent(step: Step, form: dict[str, str]) -> Response:
    """Take the answer of the permissions page."""
    known = _proved_identity(step)
    if known is None:
        return advance(step)
    tenant, user, home = known
    if form.get("decision") != "accept" or tenant.policies.decline_consent:
        raise Refused(EntraError(65004))
    page = check_policies(step, tenant, user, home)
    if page is not None:
        return page
    decision = decision_for(step, tenant, user)
    if decision.ask is Ask.ADMIN_APPROVAL:
        return pages.approval_page(step.world, step.flow, step.request, user, tenant, decision)
    if decision.ask is not Ask.NOTHING:
        for_everybody = decision.ask is Ask.ORGANIZATION or (
            decision.ask is Ask.PERSON_OR_ORGANIZATION and bool(form.get("for_organization"))
        )
        record_consent(
            tenant,
            step.request.app,
            ConsentRecord(decision.permissions.delegated, decision.permissions.application),
            now=step.world.clock.now(),
            for_user=None if for_everybody else user,
            replaces=step.request.is_for_tenant and tenant.policies.reconsent_drops_earlier_grants,
        )
    return _finish(step, tenant, user, home)


def take_approval_request(step: Step, form: dict[str, str]) -> Response:
    """Take the answer of "Approval required"."""
    known = _proved_identity(step)
    if known is None:
        return advance(step)
    tenant, user, _ = known
    decision = decision_for(step, tenant, user)
    if form.get("decision") != "request" or decision.ask is not Ask.ADMIN_APPROVAL:
        return leave(step)
    reason = form.get("justification", "").strip()
    if not reason:
        message = "Say why you need this app."
        return pages.approval_page(step.world, step.flow, step.request, user, tenant, decision, message)
    ask_reviewers(step.world, tenant, user, step.request.app, decision.permissions, reason)
    return pages.request_sent_page(step.world, step.flow, step.request, user, tenant)


def leave(step: Step) -> Response:
    """Take "Return to the app without granting": `access_denied` with `error_subcode=cancel`."""
    known = _proved_identity(step)
    decision = decision_for(step, known[0], known[1]) if known else None
    if decision is not None and decision.is_risky:
        raise Refused(EntraError(decision.code))
    raise Refused(EntraError(0, error="access_denied"), subcode="cancel")


def _finish(step: Step, tenant: Tenant, user: User, home: User) -> Response:
    request = step.request
    if not request.is_for_tenant and not is_assigned(tenant, user, request.app):
        raise Stopped(
            EntraError(50105, f"Account '{user.upn}', application '{request.app.display_name}'."),
            offers_other_account=True,
        )
    account = step.session.find(home) or step.session.sign_in(home, passed_mfa=step.flow.passed_mfa)
    sign_in = SignIn(tenant, user, account.signed_in_at, step.flow.passed_mfa, account.session_id)
    return finish(step.world, request, step.scopes, sign_in)
