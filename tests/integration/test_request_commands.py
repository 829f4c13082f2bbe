"""``ostiary requests remind`` and ``cancel``: what an operator does for people who wait."""

from __future__ import annotations

import pytest

from ostiary.bootstrap import Services, application
from ostiary.core.approvals.model import ApprovalRequest, ApprovalRequestState
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.secret import Secret
from ostiary.entrypoints.cli.outcome import ExitCode
from ostiary.settings import Settings

from .test_customer_commands import Command, ostiary

__all__ = ["ostiary"]

PRIYA = "priya.nair@harbourvale.example"


async def ask(services: Services) -> ApprovalRequest:
    """Tom of Harbour & Vale asks his administrator; the message is not mailed."""
    organization = await services.organizations.resolve("hv")
    async with services.transactions() as tx:
        member = await tx.members.find_by_email(
            "tom.ellis@harbourvale.example", organization_id=organization.id
        )
    assert member is not None
    return await services.approvals.ask(
        organization_id=organization.id,
        member_id=member.id,
        method=AccessMethod.GRAPH,
        mail=True,
        calendar=True,
        browser_secret=Secret("b" * 43),
        actor=SYSTEM,
        administrator_email=PRIYA,
        by_mail=False,
    )


async def customer(ostiary: Command) -> None:
    await ostiary.json("org", "create", "hv", "Harbour & Vale")
    await ostiary.json("members", "add", "--org", "hv", "tom.ellis@harbourvale.example", "Tom Ellis")


async def test_reminding_counts_down_and_ends(
    ostiary: Command, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await customer(ostiary)
    async with application(settings) as services:
        request = await ask(services)
    monkeypatch.setenv("OSTIARY_SMTP_URL", "smtp://127.0.0.1:9")
    monkeypatch.setenv("OSTIARY_MAIL_FROM", "connect@larkspur.example")
    words = ("requests", "remind", request.reference.lower(), "--org", "hv")
    first = (await ostiary.json(*words))["request"]
    assert (first["state"], first["by_mail"], first["reminders_sent"]) == ("sent", True, 0)
    assert [(await ostiary.json(*words))["request"]["reminders_sent"] for _ in range(2)] == [1, 2]
    code, _, err = await ostiary(*words)
    assert code == ExitCode.NOT_ALLOWED
    assert "Both reminders were sent." in err


async def test_without_a_mail_server_reminding_says_so_and_sends_nothing(
    ostiary: Command, settings: Settings
) -> None:
    await customer(ostiary)
    async with application(settings) as services:
        request = await ask(services)
    code, out, err = await ostiary("requests", "remind", request.id, "--org", "hv")
    assert code == ExitCode.WRONG_USAGE
    assert "OSTIARY_SMTP_URL is not set" in err
    assert "on its way" not in out


async def test_cancelling_ends_a_request_once_and_for_everybody(ostiary: Command, settings: Settings) -> None:
    await customer(ostiary)
    async with application(settings) as services:
        request = await ask(services)
    words = ("requests", "cancel", request.reference, "--org", "hv")
    code, out, _ = await ostiary(*words)
    assert (code, "cancelled" in out) == (ExitCode.DONE, True)
    assert (await ostiary(*words))[0] != ExitCode.DONE
    (row,) = (await ostiary.json("requests", "list", "--org", "hv", "--all"))["requests"]
    assert row["state"] == ApprovalRequestState.CANCELLED.value


async def test_a_request_of_another_customer_is_not_found(ostiary: Command, settings: Settings) -> None:
    await customer(ostiary)
    await ostiary.json("org", "create", "other", "Other Company")
    async with application(settings) as services:
        request = await ask(services)
    for command in ("remind", "cancel"):
        code, _, err = await ostiary("requests", command, request.reference, "--org", "other")
        assert code == ExitCode.NOT_FOUND
        assert "no request of this customer" in err
