"""``ostiary approval`` and ``ostiary requests``: how far a customer's approval is, and who waits for it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ostiary.bootstrap import Services
from ostiary.core.approvals.model import ApprovalRequest, ApprovalRequestState
from ostiary.core.approvals.reminders import REMINDER_WORKING_DAYS
from ostiary.core.consent.model import EWS_ENDS_ON, Consent, ConsentState
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import NotFound
from ostiary.core.kernel.ids import parse_reference
from ostiary.core.tenants.model import BindingState, Tenant
from ostiary.entrypoints.cli.answers import (
    JSONOption,
    OrganizationOption,
    advise,
    command_line_actor,
    print_json,
)
from ostiary.entrypoints.cli.runtime import run_with_services
from ostiary.entrypoints.cli.table import print_table

RequestArgument = Annotated[str, typer.Argument(help="Reference (AR-…) or id of the request.")]

approval = typer.Typer(help="Microsoft approval of a customer.", no_args_is_help=True)
requests = typer.Typer(help="Approval requests of a customer.", no_args_is_help=True)

_OPEN = (ApprovalRequestState.WAITING, ApprovalRequestState.SENT, ApprovalRequestState.STARTED)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(approval, name="approval")
    app.add_typer(requests, name="requests")


@approval.command("status", epilog="Next: ostiary link create")
def status(
    organization: OrganizationOption,
    tenant: Annotated[str | None, typer.Argument(help="A domain or id; all tenants when left out.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Ask Microsoft first.")] = False,
    as_json: JSONOption = False,
) -> None:
    """Show what each tenant of a customer approved.

    Examples:

        ostiary approval status --org hv

        ostiary approval status --org hv harbourvale.example --check
    """

    async def use(services: Services) -> tuple[list[Tenant], tuple[Consent, ...], int]:
        found = await services.organizations.resolve(organization)
        tenants = [
            each
            for each in await services.tenants.list_for(found.id)
            if tenant is None or tenant.lower() in {each.id, each.tenant_id, *each.domains}
        ]
        if tenant is not None and not tenants:
            raise NotFound(f"{tenant} is no tenant of this customer.")
        if check:
            for each in tenants:
                if not await services.consent.watch.check_tenant(cloud=each.cloud, tenant_id=each.tenant_id):
                    advise(
                        f"Microsoft did not answer about {each.primary_domain}; its state is the last known."
                    )
        consents = await services.consent.consents_of(found.id)
        async with services.transactions() as transaction:
            waiting = await transaction.approval_requests.count_waiting(found.id)
        return tenants, consents, waiting

    tenants, consents, waiting = run_with_services(use, as_json=as_json)
    states = {(each.tenant_id, each.method): each for each in consents}
    if as_json:
        print_json(
            {
                "ok": True,
                "waiting": waiting,
                "tenants": [
                    {
                        "tenant_id": each.tenant_id,
                        "domain": each.primary_domain,
                        "binding": each.binding,
                        **{
                            method: _document(states.get((each.tenant_id, method))) for method in AccessMethod
                        },
                    }
                    for each in tenants
                ],
            }
        )
        return
    if tenants:
        print_table(
            ("TENANT", "GRAPH", "EWS", "BELONGS"),
            [
                (
                    each.primary_domain,
                    _words(states.get((each.tenant_id, AccessMethod.GRAPH))),
                    _words(states.get((each.tenant_id, AccessMethod.EWS))),
                    "yes" if each.binding is BindingState.BOUND else "to be confirmed",
                )
                for each in tenants
            ],
        )
    else:
        advise("No tenant yet. It appears when the first person connects or an administrator approves.")
    print(f"{waiting} waiting")


@requests.command("list", epilog="Next: ostiary link create")
def list_requests(
    organization: OrganizationOption,
    everything: Annotated[bool, typer.Option("--all", help="Answered ones, too.")] = False,
    as_json: JSONOption = False,
) -> None:
    """List who asked for the approval.

    Examples:

        ostiary requests list --org hv

        ostiary requests list --org hv --all --json
    """

    async def use(services: Services) -> tuple[ApprovalRequest, ...]:
        found = await services.organizations.resolve(organization)
        return await services.approvals.list_for(found.id, states=None if everything else _OPEN)

    rows = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "requests": [_request_document(each) for each in rows]})
        return
    if not rows:
        advise("No one is waiting for approval.")
        return
    print_table(
        ("REFERENCE", "ASKED BY", "METHOD", "STATE", "WHEN", "SENT TO"),
        [
            (
                each.reference,
                each.asked_by_name,
                each.method.value,
                each.state.value,
                f"{each.created_at:%Y-%m-%d %H:%M}",
                each.sent_to or "-",
            )
            for each in rows
        ],
    )


@requests.command("remind", epilog="Next: ostiary requests list")
def remind(request: RequestArgument, organization: OrganizationOption, as_json: JSONOption = False) -> None:
    """Mail a reminder to the administrator now, in place of the next planned one.

    Examples:

        ostiary requests remind AR-5H2R-9WTB --org hv
    """

    async def use(services: Services) -> ApprovalRequest:
        found = await _find_request(services, organization, request)
        return await services.approvals.remind_administrator(
            found.id, organization_id=found.organization_id, actor=command_line_actor()
        )

    reminded = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "request": _request_document(reminded)})
        return
    print(f"{reminded.reference}: a mail to {reminded.sent_to} is on its way.")
    left = len(REMINDER_WORKING_DAYS) - reminded.reminders_sent
    advise("No reminder is left after this one." if left <= 0 else f"{left} more can follow, never more.")


@requests.command("cancel", epilog="Next: ostiary requests list --all")
def cancel(request: RequestArgument, organization: OrganizationOption, as_json: JSONOption = False) -> None:
    """End a request for everybody who waits for it.

    Examples:

        ostiary requests cancel AR-5H2R-9WTB --org hv
    """

    async def use(services: Services) -> ApprovalRequest:
        found = await _find_request(services, organization, request)
        await services.approvals.cancel_for(
            found.id, organization_id=found.organization_id, actor=command_line_actor()
        )
        return await _find_request(services, organization, request)

    ended = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "request": _request_document(ended)})
        return
    print(f"{ended.reference}: cancelled. The people who waited see it on their page.")


async def _find_request(services: Services, organization: str, key: str) -> ApprovalRequest:
    customer = await services.organizations.resolve(organization)
    reference = parse_reference(key)
    for each in await services.approvals.list_for(customer.id):
        if key == each.id or (reference is not None and reference == each.reference):
            return each
    raise NotFound(f"{key} is no request of this customer. List them: ostiary requests list --all")


def _words(consent: Consent | None) -> str:
    if consent is None or consent.state is ConsentState.NONE:
        return "not asked"
    if consent.state is ConsentState.VERIFIED and consent.verified_at is not None:
        ends = f", ends {EWS_ENDS_ON.day} {EWS_ENDS_ON:%b %Y}" if consent.method is AccessMethod.EWS else ""
        return f"approved {consent.verified_at.day} {consent.verified_at:%b %Y}{ends}"
    return consent.state.value + (f" ({consent.reason})" if consent.reason else "")


def _document(consent: Consent | None) -> dict[str, Any]:
    if consent is None:
        return {"state": ConsentState.NONE.value}
    return {
        "state": consent.state.value,
        "reason": consent.reason,
        "ref": consent.reference,
        "verified_at": consent.verified_at.isoformat() if consent.verified_at else None,
        "checked_at": consent.checked_at.isoformat() if consent.checked_at else None,
    }


def _request_document(request: ApprovalRequest) -> dict[str, Any]:
    return {
        "id": request.id,
        "ref": request.reference,
        "method": request.method.value,
        "state": request.state.value,
        "asked_by": request.asked_by_name,
        "reason": request.reason,
        "sent_to": request.sent_to,
        "created_at": request.created_at.isoformat(),
        "sent_at": request.sent_at.isoformat() if request.sent_at else None,
        "by_mail": request.by_mail,
        "reminders_sent": request.reminders_sent,
    }
