"""The guard of a route: who is let in, who is turned away how, and what the rest may reach (SR-57, SR-62, SR-64)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI, Request
from pydantic import SecretStr

from ostiary.core.access.model import (
    API_PERMISSIONS,
    CONSOLE_PERMISSIONS,
    OPERATOR_PERMISSIONS,
    Permission,
    Principal,
    Role,
)
from ostiary.core.kernel.errors import PermissionDenied, RateLimited
from ostiary.core.kernel.reach import Duty, Reach, current_reach, instance_wide
from ostiary.core.kernel.secret import Secret
from ostiary.entrypoints.web.errors import SignInNeeded, StepUpNeeded
from ostiary.entrypoints.web.permissions import (
    SESSION_COOKIE,
    Requirement,
    RouteWithoutPermission,
    fresh_acts,
    permission_table,
    requires,
)

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
KEY = "ost_key_1_secret"
DANA = Principal(
    Role.ORGANIZATION_ADMIN, "mem_dana", "Dana Okafor", CONSOLE_PERMISSIONS, "org_hv", authenticated_at=NOW
)
VIK = Principal(Role.OPERATOR, "opr_vik", "Vik", OPERATOR_PERMISSIONS, authenticated_at=NOW)
LARKSPUR = Principal(Role.API_KEY, "key_1", "Larkspur", API_PERMISSIONS)


@dataclass
class PretendAccess:
    """Knows one session and one key."""

    person: Principal = DANA
    key: Principal = LARKSPUR
    denials: list[tuple[str, Permission]] = field(default_factory=list)
    asked_from: list[str | None] = field(default_factory=list)

    async def find_session(self, secret: Secret) -> Principal | None:
        return self.person if secret.reveal() == "a session" else None

    async def authenticate_api_key(self, text: Secret, *, ip: str | None) -> Principal | None:
        self.asked_from.append(ip)
        return self.key if text.reveal() == KEY else None

    async def record_denial(self, caller: Principal, permission: Permission, *, actor: Any) -> None:
        assert actor.id == caller.id
        self.denials.append((caller.id, permission))


@dataclass
class Counter:
    """Counts what is counted, and stops when it is told to."""

    counted: list[Any] = field(default_factory=list)
    stops: bool = False

    async def count(self, key_id: str, *, name: str) -> None:
        self.counted.append((key_id, name))

    async def spend(self, act: Any, *subjects: str) -> None:
        self.counted.extend(subjects)
        if self.stops:
            raise RateLimited("Too many tries.", retry_after_seconds=1)


@dataclass
class Site:
    """What the guard finds in the process."""

    access: PretendAccess = field(default_factory=PretendAccess)
    bulk_reads: Counter = field(default_factory=Counter)
    rate_limits: Counter = field(default_factory=Counter)
    metrics_token: str | None = None
    clock: Any = field(default_factory=lambda: SimpleNamespace(now=lambda: NOW))

    @property
    def settings(self) -> Any:
        return SimpleNamespace(metrics_token=self.metrics_token and SecretStr(self.metrics_token))

    def request(
        self,
        method: str = "GET",
        *,
        headers: Sequence[tuple[str, str]] = (),
        cookie: str | None = None,
        bearer: str | None = None,
        ip: str = "192.0.2.7",
        body: bytes = b"",
    ) -> Request:
        app = FastAPI()
        app.state.services = self
        found = list(headers)
        if cookie is not None:
            found.append(("cookie", f"{SESSION_COOKIE}={cookie}"))
        if bearer is not None:
            found.append(("authorization", f"Bearer {bearer}"))
        if body:
            found.append(("content-type", "application/x-www-form-urlencoded"))

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        return Request(
            {
                "type": "http",
                "method": method,
                "path": "/console/members",
                "query_string": b"",
                "headers": [(name.encode(), value.encode()) for name, value in found],
                "app": app,
                "state": {"client_ip": ip, "request_id": "RQ-1"},
            },
            receive,
        )


@pytest.fixture
def site() -> Site:
    return Site()


def guard(permission: Permission, **options: Any) -> Requirement:
    found = requires(permission, **options).dependency
    assert isinstance(found, Requirement)
    return found


async def test_a_public_page_asks_nobody_and_may_reach_pages(site: Site) -> None:
    request = site.request()
    await guard(Permission.PUBLIC)(request)
    assert not hasattr(request.state, "principal")
    assert current_reach() == instance_wide(Duty.PAGES)


@pytest.mark.parametrize("cookie", [None, "another session"])
async def test_without_a_session_the_console_asks_to_sign_in(site: Site, cookie: str | None) -> None:
    with pytest.raises(SignInNeeded) as needed:
        await guard(Permission.CONSOLE_READ)(site.request(cookie=cookie, bearer=KEY))
    assert needed.value.area == "console"


async def test_an_organization_admin_reaches_the_own_organization_alone(site: Site) -> None:
    request = site.request(cookie="a session")
    await guard(Permission.CONSOLE_READ)(request)
    assert request.state.principal is DANA
    assert current_reach() == Reach(Duty.PAGES, "org_hv")


async def test_an_operator_reaches_every_organization(site: Site) -> None:
    site.access.person = VIK
    await guard(Permission.OPERATOR_READ)(site.request(cookie="a session"))
    assert current_reach() == instance_wide(Duty.PAGES)


async def test_who_lacks_the_permission_is_turned_away_on_record(site: Site) -> None:
    with pytest.raises(PermissionDenied):
        await guard(Permission.OPERATOR_READ)(site.request(cookie="a session"))
    assert site.access.denials == [("mem_dana", Permission.OPERATOR_READ)]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("authorization", "")],
        [("authorization", "Bearer")],
        [("authorization", "Bearer  ")],
        [("authorization", f"Basic {KEY}")],
        [("authorization", KEY)],
        [("authorization", f"Bearer {KEY}"), ("authorization", f"Bearer {KEY}")],
    ],
)
async def test_what_is_no_bearer_key_is_no_guess(site: Site, headers: list[tuple[str, str]]) -> None:
    with pytest.raises(SignInNeeded) as needed:
        await guard(Permission.API_READ)(site.request(headers=headers, cookie="a session"))
    assert needed.value.area == "api"
    assert (site.access.asked_from, site.rate_limits.counted) == ([], [])


async def test_a_wrong_key_counts_as_a_guess_of_its_address(site: Site) -> None:
    with pytest.raises(SignInNeeded):
        await guard(Permission.API_READ)(site.request(bearer="ost_wrong"))
    assert site.access.asked_from == ["192.0.2.7"]
    (counted,) = site.rate_limits.counted
    assert "192.0.2.7" in counted
    site.rate_limits.stops = True
    with pytest.raises(RateLimited):
        await guard(Permission.API_READ)(site.request(bearer="ost_wrong"))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_key_is_the_caller_whatever_the_case_of_the_scheme(site: Site, scheme: str) -> None:
    request = site.request(headers=[("authorization", f"{scheme}  {KEY} ")])
    await guard(Permission.API_READ)(request)
    assert request.state.principal is LARKSPUR
    assert current_reach() == instance_wide(Duty.RECORDS)
    assert site.rate_limits.counted == []


@pytest.mark.parametrize(
    ("permission", "options", "duty", "counted"),
    [
        (Permission.API_MAILBOX_READ, {}, Duty.MAILBOX, 1),
        (Permission.API_MAILBOX_READ, {"only_ids": True}, Duty.RECORDS, 0),
        (Permission.API_MAILBOX_WRITE, {}, Duty.MAILBOX, 0),
        (Permission.API_MANAGE, {"uses_mailbox": True}, Duty.MAILBOX, 0),
        (Permission.API_MANAGE, {}, Duty.RECORDS, 0),
    ],
)
async def test_only_what_opens_a_mailbox_may_and_only_reads_are_counted(
    site: Site, permission: Permission, options: dict[str, bool], duty: Duty, counted: int
) -> None:
    await guard(permission, **options)(site.request(bearer=KEY))
    assert current_reach() == instance_wide(duty)
    assert site.bulk_reads.counted == [("key_1", "Larkspur")] * counted


async def test_an_act_of_the_console_needs_its_own_form_and_one_of_the_api_does_not(site: Site) -> None:
    foreign = [("sec-fetch-site", "cross-site")]
    with pytest.raises(PermissionDenied):
        await guard(Permission.CONSOLE_MANAGE)(site.request("POST", cookie="a session", headers=foreign))
    await guard(Permission.API_MANAGE)(site.request("POST", bearer=KEY, headers=foreign))
    for method in ("GET", "HEAD", "OPTIONS"):
        await guard(Permission.CONSOLE_MANAGE)(site.request(method, cookie="a session", headers=foreign))
    await guard(Permission.CONSOLE_MANAGE, form=False)(
        site.request("POST", cookie="a session", headers=foreign)
    )
    with pytest.raises(PermissionDenied):
        await guard(Permission.API_MANAGE, form=True)(site.request("POST", bearer=KEY, headers=foreign))


async def test_a_sensitive_act_waits_for_a_fresh_proof_and_keeps_its_form(site: Site) -> None:
    act = guard(Permission.CONSOLE_MANAGE, fresh=True, form=False)
    site.clock = SimpleNamespace(now=lambda: NOW + timedelta(minutes=5))
    await act(site.request("POST", cookie="a session", body=b"role=member"))
    site.clock = SimpleNamespace(now=lambda: NOW + timedelta(minutes=5, seconds=1))
    with pytest.raises(StepUpNeeded) as needed:
        await act(site.request("POST", cookie="a session", body=b"role=member"))
    held = needed.value.held
    assert (held.caller_id, held.path, held.fields) == (
        "mem_dana",
        "/console/members",
        (("role", "member"),),
    )


@pytest.mark.parametrize(
    ("token", "bearer", "ip", "let_in", "guesses"),
    [
        (None, None, "127.0.0.1", True, 0),
        (None, None, "::1", True, 0),
        (None, None, "192.0.2.7", False, 0),
        (None, "the token", "127.0.0.1", False, 0),
        ("the token", "the token", "192.0.2.7", True, 0),
        ("the token", "another", "192.0.2.7", False, 1),
        ("the token", None, "127.0.0.1", False, 0),
        (None, KEY, "192.0.2.7", True, 0),
        ("the token", KEY, "192.0.2.7", True, 0),
        ("the token", KEY + "x", "192.0.2.7", False, 1),
    ],
)
async def test_figures_are_for_the_token_a_key_or_this_machine(
    token: str | None, bearer: str | None, ip: str, let_in: bool, guesses: int
) -> None:
    site = Site(metrics_token=token)
    request = site.request(bearer=bearer, ip=ip)
    if let_in:
        await guard(Permission.METRICS_READ)(request)
    else:
        with pytest.raises(SignInNeeded) as needed:
            await guard(Permission.METRICS_READ)(request)
        assert needed.value.area == "api"
    assert len(site.rate_limits.counted) == guesses


async def _page() -> dict[str, str]:
    return {}


def test_acts_that_need_a_fresh_proof_are_listed_with_every_method() -> None:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    manage = Permission.CONSOLE_MANAGE
    app.add_api_route("/plain", _page, methods=["POST"], dependencies=[requires(manage)])
    app.add_api_route("/grave", _page, methods=["POST", "PUT"], dependencies=[requires(manage, fresh=True)])
    assert fresh_acts(app) == {("POST", "/grave"), ("PUT", "/grave")}
    assert set(permission_table(app)) == {("POST", "/plain"), ("POST", "/grave"), ("PUT", "/grave")}


def test_reading_figures_changes_nothing() -> None:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_api_route("/metrics", _page, methods=["POST"], dependencies=[requires(Permission.METRICS_READ)])
    with pytest.raises(RouteWithoutPermission, match="changes things"):
        permission_table(app)
