"""Which account a flow is for: session, hint, picker, or a typed address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from m365_emulator.entra import pages
from m365_emulator.entra.authorization import Refused, Stopped
from m365_emulator.entra.errors import EntraError
from m365_emulator.entra.seal import unseal
from m365_emulator.entra.session import SignedIn
from m365_emulator.entra.step import Step
from m365_emulator.world.tenants import User

if TYPE_CHECKING:
    pass


PERSONAL_DOMAINS = frozenset({"outlook.com", "hotmail.com", "live.com", "msn.com", "gmail.com"})
"""Addresses here belong to personal accounts."""


def choose_account(step: Step) -> Response | None:
    """Set the flow's account, or return the page that asks for it."""
    flow, request, session = step.flow, step.request, step.session
    if flow.oid:
        return None
    usable = [account for account in session.accounts if _fits(step, account)]
    if step.is_silent:
        return _choose_silently(step, usable)
    if request.is_for_tenant or request.prompt == "select_account":
        return pages.pick_page(step.world, flow, request, session)
    hint = request.params.get("login_hint", "")
    if hint:
        hinted = _hinted(step, hint)
        if hinted is None:
            flow.address = hint[:256]
            return ask_address(step, hint)
        flow.oid = hinted.oid
        return None
    if len(usable) == 1:
        flow.oid = usable[0].oid
        return None
    return pages.pick_page(step.world, flow, request, session)


def _choose_silently(step: Step, usable: list[SignedIn]) -> None:
    hint = step.request.params.get("login_hint", "")
    hinted = _hinted(step, hint) if hint else None
    if hinted is not None:
        usable = [account for account in usable if account.oid == hinted.oid]
    if not usable:
        raise Refused(EntraError(50058))
    if len(usable) > 1:
        raise Refused(EntraError(16000))
    step.flow.oid = usable[0].oid


def _fits(step: Step, account: SignedIn) -> bool:
    home = step.world.find_user(account.oid)
    tenant = step.request.authority.tenant
    if home is None:
        return False
    domain = step.request.params.get("domain_hint", "").lower()
    if domain not in ("", "organizations", "consumers") and domain not in home.tenant.domains:
        return False
    return tenant is None or home.tenant is tenant or step.world.guest_in(tenant, home) is not None


def _hinted(step: Step, hint: str) -> User | None:
    if hint.startswith("O."):
        content = unseal(step.world, "login hint", hint[2:])
        found = step.world.find_user(content["oid"]) if content else None
    else:
        found = step.world.find_user(hint)
    return step.world.home_of(found) if found else None


def ask_address(step: Step, address: str) -> Response:
    """Return the page for an address that leads to nobody; raises Stopped for personal accounts."""
    domain = address.rpartition("@")[2].lower()
    if not address:
        return pages.address_page(step.world, step.flow, step.request, message="Enter an address.")
    if domain in PERSONAL_DOMAINS:
        raise Stopped(EntraError(500208, f"Account: '{address[:120]}'."), offers_other_account=True)
    if "@" in address and step.world.find_tenant(domain) is None:
        return pages.address_page(
            step.world,
            step.flow,
            step.request,
            message=f"The emulator has no tenant called {domain}.",
            unknown_domain=domain,
        )
    return pages.address_page(step.world, step.flow, step.request, message=no_such_account(address))


def no_such_account(address: str) -> str:
    """Return the words for an address that is nobody's."""
    return f"There is no account {address[:120]}." if address else "Enter an address."
