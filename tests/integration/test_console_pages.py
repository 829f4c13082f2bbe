"""The console's pages and buttons on the real application and database."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from lxml import html

from ostiary.bootstrap import Services, application
from ostiary.core.access.model import Permission
from ostiary.core.audit.model import SYSTEM
from ostiary.core.connections.model import ConnectionStatus
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.secret import Secret
from ostiary.core.organizations.model import MemberRole
from ostiary.core.tenants.model import BindingState
from ostiary.entrypoints.web.app import create_app
from ostiary.entrypoints.worker.licences import pause_without_licence
from ostiary.settings import Settings

from .console_world import OPERATOR_PAGES, Customer, console_pages, make_customer

SITE = "http://localhost:8080"
OpenAs = Callable[[Secret | None], AbstractAsyncContextManager["Person"]]


class Person:
    """Somebody with a browser: opens pages and sends the forms on them."""

    def __init__(self, client: httpx.AsyncClient, session: Secret | None) -> None:
        self._client = client
        self._session = session

    async def open(self, path: str, **headers: str) -> httpx.Response:
        return await self._client.get(path, headers=self._headers() | headers)

    async def send(self, path: str, data: dict[str, Any] | None = None) -> httpx.Response:
        """Send a form as our own page would."""
        page = await self.open("/console/sign-in")
        token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
        assert token is not None
        return await self._client.post(
            path,
            data={"csrf_token": token[1], **(data or {})},
            headers=self._headers() | {"Sec-Fetch-Site": "same-origin"},
        )

    async def upload(self, path: str, data: bytes) -> httpx.Response:
        """Choose a file on one of our forms and send it."""
        page = await self.open(path)
        token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
        assert token is not None
        return await self._client.post(
            path,
            data={"csrf_token": token[1]},
            files={"file": ("people.csv", data, "text/csv")},
            headers=self._headers() | {"Sec-Fetch-Site": "same-origin"},
        )

    def _headers(self) -> dict[str, str]:
        # Browsers send secure cookies to http://localhost; httpx does not.
        kept = {cookie.name: cookie.value for cookie in self._client.cookies.jar}
        if self._session is not None:
            kept["__Host-ostiary-session"] = self._session.reveal()
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in kept.items())} if kept else {}


@pytest_asyncio.fixture
async def running(settings: Settings, clock: MovableClock) -> AsyncIterator[Services]:
    async with application(settings, clock=clock) as services:
        yield services


@pytest.fixture
def web(running: Services) -> FastAPI:
    return create_app(running)


@pytest.fixture
def open_as(web: FastAPI) -> OpenAs:
    @asynccontextmanager
    async def opened(session: Secret | None) -> AsyncIterator[Person]:
        transport = httpx.ASGITransport(web, client=("192.0.2.7", 5000))
        async with httpx.AsyncClient(transport=transport, base_url=SITE) as client:
            yield Person(client, session)

    return opened


@pytest_asyncio.fixture
async def harbour(running: Services) -> Customer:
    return await make_customer(running, "hv", "Harbour & Vale", "Dana Okafor")


@pytest_asyncio.fixture
async def other(running: Services) -> Customer:
    return await make_customer(running, "other-company", "Other Company", "Other Admin")


@pytest_asyncio.fixture
async def operator(running: Services) -> Secret:
    link = await running.access.ensure_first_operator()
    assert link is not None
    return (await running.access.use_operator_link(link, replaces=None, actor=SYSTEM)).secret


async def test_every_page_renders_for_the_admin_and_shows_nothing_of_another_organization(
    open_as: OpenAs, harbour: Customer, other: Customer
) -> None:
    async with open_as(harbour.session) as dana:
        for path in console_pages(harbour):
            answer = await dana.open(path)
            assert answer.status_code == 200, path
            page = html.fromstring(answer.text)
            assert len(page.xpath("//h1")) == 1, path
            text = page.text_content()
            assert "Harbour & Vale" in text or path == "/console/account", path
            for trace in other.traces:
                assert trace not in text, (path, trace)


async def test_an_import_saves_nothing_until_apply(
    open_as: OpenAs, running: Services, harbour: Customer
) -> None:
    path = "/console/members/import"
    data = 'email,name,id,licence\nnew@hv.example,"New <b>One</b>, Ltd",n1,yes\nu1@hv.example,Renamed,u1,\n'

    async def names() -> set[str]:
        page = await running.organizations.list_members(organization_id=harbour.organization.id, limit=200)
        return {member.display_name for member in page.items}

    before = await names()
    async with open_as(harbour.session) as dana:
        shown = await dana.upload(path, data.encode())
        assert shown.status_code == 200, shown.text
        assert "1 added, 1 changed" in shown.text
        assert "New &lt;b&gt;One" in shown.text
        assert await names() == before
        [form] = [form for form in html.fromstring(shown.text).forms if form.get("action").endswith("/apply")]
        fields = {name: value for name, value in form.form_values() if name != "csrf_token"}
        answer = await dana.send(f"{path}/apply", fields | {"fingerprint": "0" * 64})
        assert answer.status_code == 409
        assert await names() == before
        assert (await dana.send(f"{path}/apply", fields)).status_code == 303
        assert await names() - before == {"New <b>One</b>, Ltd", "Renamed"}

        wrong = await dana.upload(path, b"email,name\n=1+1,Nobody\n")
        assert "begins like a spreadsheet formula" in wrong.text
        assert "Apply</button>" not in wrong.text
        assert (await dana.upload(path, b"\xff\xfe")).status_code == 400
        assert (await dana.upload(path, b"x" * (600 * 1024))).status_code == 400
        assert (await dana.upload(path, b"x" * (2 * 1024 * 1024))).status_code == 413


async def test_objects_of_another_organization_look_like_missing_ones(
    open_as: OpenAs, harbour: Customer, other: Customer
) -> None:
    connection = other.connections[0].id
    reading = [
        (f"/console/approval/{other.bound.id}", "/console/approval/ten_none"),
        (f"/console/requests/{other.request.id}", "/console/requests/apr_none"),
        (f"/console/members/{other.people[0].id}", "/console/members/mem_none"),
        (f"/console/connections/{connection}", "/console/connections/cnn_none"),
        (f"/console/connections/{connection}/disconnect", "/console/connections/cnn_none/disconnect"),
    ]
    changing = [
        (f"/console/approval/{other.pending.id}/confirm", "/console/approval/ten_none/confirm"),
        (f"/console/approval/{other.bound.id}/check", "/console/approval/ten_none/check"),
        (f"/console/members/{other.people[0].id}/invite", "/console/members/mem_none/invite"),
        (f"/console/connections/{connection}/check", "/console/connections/cnn_none/check"),
        (f"/console/connections/{connection}/ask", "/console/connections/cnn_none/ask"),
        (f"/console/connections/{connection}/resume", "/console/connections/cnn_none/resume"),
        (f"/console/connections/{connection}/disconnect", "/console/connections/cnn_none/disconnect"),
    ]
    async with open_as(harbour.session) as dana:
        for foreign, missing in reading:
            assert _alike(await dana.open(foreign), await dana.open(missing)), foreign
        for foreign, missing in changing:
            assert _alike(await dana.send(foreign), await dana.send(missing)), foreign


async def test_nobody_gets_in_without_a_session(web: FastAPI, open_as: OpenAs, harbour: Customer) -> None:
    """Every console and operator route, read from the route table itself."""
    checked = 0
    async with open_as(None) as stranger:
        for (method, path), permission in web.state.permissions.items():
            if permission is Permission.PUBLIC or not path.startswith(("/console", "/operator")):
                continue
            filled = re.sub(r"\{[^}]+\}", "x", path)
            answer = await (stranger.open(filled) if method == "GET" else stranger.send(filled))
            assert answer.status_code == 303, (method, path)
            assert answer.headers["location"].startswith("/console/sign-in"), (method, path)
            checked += 1
    assert checked > 30


async def test_admin_is_not_let_into_the_operators_rooms(
    web: FastAPI, open_as: OpenAs, harbour: Customer
) -> None:
    async with open_as(harbour.session) as dana:
        for (method, path), permission in web.state.permissions.items():
            if permission in {Permission.OPERATOR_READ, Permission.OPERATOR_MANAGE}:
                filled = re.sub(r"\{[^}]+\}", "x", path)
                answer = await (dana.open(filled) if method == "GET" else dana.send(filled))
                assert answer.status_code == 403, (method, path)
        log = (await dana.open("/console/audit?what=access&outcome=refused")).text
        assert "Dana Okafor asked for something that needs operator.read." in log


_WITHOUT_A_FORM = ("/csp-report", "/notifications/graph/{segment}")
"""Posts that no page of ours sends: browsers and Microsoft do, and neither acts for anybody."""


async def test_every_form_route_refuses_a_post_without_the_token(
    web: FastAPI, open_as: OpenAs, harbour: Customer
) -> None:
    checked = 0
    async with open_as(harbour.session) as dana:
        for (method, path), permission in web.state.permissions.items():
            if method != "POST" or permission.value.startswith("api.") or path in _WITHOUT_A_FORM:
                continue
            filled = re.sub(r"\{[^}]+\}", "x", path)
            answer = await dana._client.post(
                filled, headers=dana._headers() | {"Sec-Fetch-Site": "same-origin"}
            )
            # A missing field may be noticed first; what must never happen is that it goes on.
            assert answer.status_code in {400, 403}, (path, answer.status_code)
            checked += 1
    assert checked > 20


async def test_operator_sees_all_customers_and_looks_into_one_without_changing_it(
    open_as: OpenAs, harbour: Customer, other: Customer, operator: Secret, running: Services
) -> None:
    async with open_as(operator) as vik:
        for path in OPERATOR_PAGES:
            assert (await vik.open(path)).status_code == 200, path
        listed = (await vik.open("/operator/customers")).text
        assert "Harbour &amp; Vale" in listed
        assert "Other Company" in listed
        assert (await vik.open("/console")).headers["location"] == "/operator"
        refused = await vik.send(f"/operator/customers/{harbour.organization.id}/view", {"reason": " "})
        assert refused.status_code == 400
        begun = await vik.send(
            f"/operator/customers/{harbour.organization.id}/view", {"reason": "Ticket 4711"}
        )
        assert begun.headers["location"] == "/console"
        for path in console_pages(harbour):
            answer = await vik.open(path)
            if path.endswith(("/new", "/import", "/disconnect", "/erase")):
                assert answer.status_code == 403, path
                continue
            assert answer.status_code == 200, path
            if path != "/console/account":
                assert "You can’t change anything" in answer.text, path
        for path in ("/console/approval/links", f"/console/members/{harbour.people[0].id}/invite"):
            assert (await vik.send(path)).status_code == 403
        await vik.send("/operator/stop-viewing")
        assert (await vik.open("/console")).headers["location"] == "/operator"
    async with open_as(harbour.session) as dana:
        log = (await dana.open("/console/audit?what=operator")).text
        assert "Ticket 4711" in log


async def test_reference_is_found_however_it_was_read_out(
    open_as: OpenAs, harbour: Customer, operator: Secret
) -> None:
    reference = harbour.connections[1].reference
    spoken = reference.replace("-", "").lower().replace("1", "l").replace("0", "o")
    async with open_as(operator) as vik:
        page = (await vik.open(f"/operator/reference?ref={spoken}")).text
        assert reference in page
        assert "sign_in_needed" in page
        assert "Harbour &amp; Vale" in page
        assert "is no reference" in (await vik.open("/operator/reference?ref=hello")).text


async def test_licences_are_given_and_taken_and_the_mailbox_is_paused(
    open_as: OpenAs, harbour: Customer, running: Services
) -> None:
    without, connected = harbour.people[7], harbour.people[0]
    async with open_as(harbour.session) as dana:
        answer = await dana.send("/console/members/licences", {"action": "give", "member": [without.id]})
        assert answer.status_code == 303
        answer = await dana.send("/console/members/licences", {"action": "take", "member": [connected.id]})
        assert answer.status_code == 303
        nobody = await dana.send("/console/members/licences", {"action": "take"})
        assert nobody.status_code == 409
        assert "Choose at least one person" in nobody.text
    own = harbour.organization.id
    assert (await running.organizations.get_member(without.id, organization_id=own)).licensed
    assert await pause_without_licence(running, organization_id=own, member_id=connected.id) == 1
    (connection,) = await running.connections.list_for_member(connected.id, organization_id=own)
    assert connection.status is ConnectionStatus.PAUSED
    async with open_as(harbour.session) as dana:
        refused = await dana.send(f"/console/connections/{connection.id}/resume")
        assert refused.status_code == 409
        await dana.send("/console/members/licences", {"action": "give", "member": [connected.id]})
        assert (await dana.send(f"/console/connections/{connection.id}/resume")).status_code == 303
    (connection,) = await running.connections.list_for_member(connected.id, organization_id=own)
    assert connection.status is ConnectionStatus.CONNECTED


async def test_licence_given_back_in_time_pauses_nothing(running: Services, harbour: Customer) -> None:
    own = harbour.organization.id
    assert await pause_without_licence(running, organization_id=own, member_id=harbour.people[0].id) == 0
    assert await pause_without_licence(running, organization_id=own, member_id="mem_gone") == 0


async def test_seat_limit_is_said_in_words_and_the_choice_is_kept(open_as: OpenAs, running: Services) -> None:
    small, _ = await running.organizations.create(
        external_id="small", name="Small", seat_count=1, actor=SYSTEM
    )
    customer = await _admin_of(running, small.id)
    async with open_as(customer) as admin:
        ids = []
        for number in range(2):
            made = await admin.send(
                "/console/members/new", {"display_name": f"P {number}", "email": f"p{number}@small.example"}
            )
            ids.append(made.headers["location"].rpartition("/")[2])
        answer = await admin.send("/console/members/licences", {"action": "give", "member": ids})
        assert answer.status_code == 409
        assert "Nothing was changed" in answer.text
        page = html.fromstring(answer.text)
        assert len(page.xpath("//input[@name='member'][@checked]")) == 2


async def test_invitation_is_shown_once_and_only_for_licensed_people(
    open_as: OpenAs, harbour: Customer
) -> None:
    async with open_as(harbour.session) as dana:
        made = await dana.send(f"/console/members/{harbour.people[6].id}/invite")
        found = re.search(rf"{SITE}/connect/s/([\w-]{{43}})", made.text)
        assert found is not None
        assert made.headers["cache-control"] == "no-store"
        assert found[1] not in (await dana.open(f"/console/members/{harbour.people[6].id}")).text
        refused = await dana.send(f"/console/members/{harbour.people[7].id}/invite")
        assert refused.status_code == 409
        assert "/connect/s/" not in refused.text


async def test_approval_link_comes_with_its_message_and_can_be_withdrawn(
    open_as: OpenAs, harbour: Customer, running: Services
) -> None:
    async with open_as(harbour.session) as dana:
        made = await dana.send(
            "/console/approval/links",
            {"name": "Priya Nair", "email": "priya.nair@harbourvale.example", "reason": "Customer meetings"},
        )
        assert made.status_code == 200
        url = re.search(rf"{SITE}/admin-consent/l/[\w-]{{43}}", made.text)
        assert url is not None
        text = html.fromstring(made.text).text_content()
        for words in (
            "Subject: Please approve Larkspur for Microsoft 365",
            "Hello Priya Nair,",
            f"{url[0]} (works for 3 days)",
            "1 person is waiting.",
            "Customer meetings",
            "Thank you, Dana Okafor",
        ):
            assert words in text
        assert url[0] not in (await dana.open("/console/approval")).text
        live = await running.consent.links.live(harbour.organization.id)
        (made_now,) = [link for link in live if link.sent_to == "priya.nair@harbourvale.example"]
        await dana.send(f"/console/approval/links/{made_now.id}/withdraw")
        left = await running.consent.links.live(harbour.organization.id)
        assert made_now.id not in {link.id for link in left}
        assert len(left) == len(live) - 1


async def test_check_that_microsoft_does_not_answer_changes_nothing_and_says_so(
    open_as: OpenAs, harbour: Customer, running: Services, clock: MovableClock
) -> None:
    clock.advance(timedelta(minutes=3))
    path = f"/console/approval/{harbour.bound.id}"
    async with open_as(harbour.session) as dana:
        answer = await dana.send(f"{path}/check")
        assert answer.headers["location"] == f"{path}?unanswered=1"
        assert "nothing could be checked" in (await dana.open(answer.headers["location"])).text
    (consent,) = await running.consent.consents_of(harbour.organization.id)
    assert consent == harbour.consent


async def test_tenant_is_confirmed_only_after_a_fresh_sign_in(
    open_as: OpenAs, harbour: Customer, running: Services, clock: MovableClock
) -> None:
    path = f"/console/approval/{harbour.pending.id}"
    clock.advance(timedelta(minutes=6))
    async with open_as(harbour.session) as dana:
        stale = await dana.send(f"{path}/confirm")
        assert stale.status_code == 403
        assert "Confirm it’s you" in stale.text
        asked = await dana.open(f"{path}?confirm=1")
        assert "Confirm it’s you." in asked.text
        assert "form-action 'self' http://127.0.0.1:9;" in asked.headers["content-security-policy"]
        to_microsoft = await dana.send(
            "/console/sign-in", {"next_path": f"{path}?confirm=1", "fresh": "true"}
        )
        assert "prompt=login" in to_microsoft.headers["location"]
    tenant = await running.tenants.get(harbour.pending.id, organization_id=harbour.organization.id)
    assert tenant.binding is BindingState.PENDING
    elsewhere = await _admin_of(running, harbour.organization.id)
    async with open_as(elsewhere) as somebody:
        refused = await somebody.send(f"{path}/confirm")
        assert refused.headers["location"] == f"{path}?confirm=1"
        assert "Only somebody of this directory can confirm it." in (await somebody.open(path)).text
    tenant = await running.tenants.get(harbour.pending.id, organization_id=harbour.organization.id)
    assert tenant.binding is BindingState.PENDING
    fresh = await _admin_of(
        running, harbour.organization.id, number=2, home_tenant_id=harbour.pending.tenant_id
    )
    async with open_as(fresh) as dana:
        assert (await dana.send(f"{path}/confirm")).headers["location"] == path
    tenant = await running.tenants.get(harbour.pending.id, organization_id=harbour.organization.id)
    assert tenant.binding is BindingState.BOUND


async def test_disconnect_needs_the_address_and_gives_a_receipt(
    open_as: OpenAs, harbour: Customer, running: Services
) -> None:
    connection = harbour.connections[0]
    path = f"/console/connections/{connection.id}/disconnect"
    async with open_as(harbour.session) as dana:
        wrong = await dana.send(path, {"address": "somebody@else.example"})
        assert wrong.status_code == 400
        assert "<title>Error: " in wrong.text
        same = await running.connections.get(connection.id, organization_id=harbour.organization.id)
        assert same.status is ConnectionStatus.CONNECTED
        done = await dana.send(path, {"address": connection.address.upper()})
        assert done.status_code == 200
        assert "is disconnected" in done.text
        assert "Backups" in done.text
        assert (await dana.open(path)).status_code == 409
    after = await running.connections.get(connection.id, organization_id=harbour.organization.id)
    assert after.status is ConnectionStatus.DISCONNECTED


async def test_person_is_added_with_errors_in_place(open_as: OpenAs, harbour: Customer) -> None:
    async with open_as(harbour.session) as dana:
        wrong = await dana.send("/console/members/new", {"display_name": "New Person", "email": "nobody"})
        assert wrong.status_code == 400
        page = html.fromstring(wrong.text)
        (link,) = page.xpath("//div[@role='alert']//a")
        assert link.get("href") == "#email"
        assert page.xpath("//input[@id='display_name']/@value") == ["New Person"]
        good = await dana.send(
            "/console/members/new", {"display_name": "New Person", "email": "New@hv.example"}
        )
        assert good.status_code == 303
        assert "New Person" in (await dana.open(good.headers["location"])).text


async def test_empty_organization_is_told_how_to_begin(open_as: OpenAs, running: Services) -> None:
    empty, _ = await running.organizations.create(external_id="empty", name="Empty", actor=SYSTEM)
    session = await _admin_of(running, empty.id)
    expected = {
        "/console": "Nobody has approved the app yet",
        "/console/approval": "No tenant yet. It appears when the first person connects or an administrator approves.",
        "/console/requests": "No one is waiting for approval.",
        "/console/connections": "No connections yet. 0 people have a licence.",
        "/console/audit?ref=CN-0000-0000": "Nothing recorded for these filters.",
        "/console/members?q=zzz": "Nobody fits these filters.",
    }
    async with open_as(session) as admin:
        for path, words in expected.items():
            assert words in html.fromstring((await admin.open(path)).text).text_content(), path


async def test_link_from_a_mail_is_opened_by_a_page_of_our_own(open_as: OpenAs) -> None:
    # The strict cookie does not come along with a navigation from another site.
    async with open_as(None) as person:
        answer = await person.open("/console/members?show=all", **{"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 200
        (link,) = html.fromstring(answer.text).xpath("//a[@data-follow]/@href")
        assert link == "/console/members?show=all"
        plain = await person.open("/console/members?show=all")
        assert plain.headers["location"] == "/console/sign-in?next=%2Fconsole%2Fmembers%3Fshow%3Dall"


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/admin-consent", "/console/sign-in", "/consoleevil"]
)
async def test_welcome_page_leads_into_the_console_and_nowhere_else(open_as: OpenAs, target: str) -> None:
    async with open_as(None) as person:
        answer = await person.open(f"/console/welcome?next={target}")
        (link,) = html.fromstring(answer.text).xpath("//a[@data-follow]/@href")
        assert link == "/console"


async def test_operator_link_is_used_by_the_button_and_not_by_opening_it(
    open_as: OpenAs, running: Services
) -> None:
    secret = await running.access.ensure_first_operator()
    assert secret is not None
    async with open_as(None) as vik:
        for _ in range(2):
            moved = await vik.open(f"/console/link/{secret.reveal()}")
            assert moved.headers["location"] == "/console/link"
            page = await vik.open("/console/link")
            assert "Sign in as an operator" in page.text
            assert secret.reveal() not in page.text
        entered = await vik.send("/console/link")
        assert entered.headers["location"] == "/operator"
        cookie = next(line for line in entered.headers.get_list("set-cookie") if "ostiary-session" in line)
        assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
        assert (await vik.open("/operator")).status_code == 200
        out = await vik.send("/console/sign-out")
        assert out.headers["location"] == "/console/signed-out"
        assert '"cookies"' in out.headers["clear-site-data"]
        assert (await vik.open("/operator")).status_code == 303
        again = await vik.open(f"/console/link/{secret.reveal()}")
        assert (await vik.open(again.headers["location"])).status_code == 404


async def test_theme_is_kept(open_as: OpenAs) -> None:
    async with open_as(None) as person:
        answer = await person.send("/theme", {"theme": "dark", "back": "//evil.example"})
        assert answer.headers["location"] == "/"
        assert 'data-theme="dark"' in (await person.open("/console/sign-in")).text


def _alike(one: httpx.Response, another: httpx.Response) -> bool:
    def shape(answer: httpx.Response) -> tuple[int, str]:
        return answer.status_code, answer.text.replace(answer.headers["x-request-id"], "RQ")

    assert one.status_code == 404
    return shape(one) == shape(another)


async def _admin_of(
    running: Services, organization_id: str, *, number: int = 1, home_tenant_id: str | None = None
) -> Secret:
    """Return a session that began just now."""
    from ostiary.core.access.model import Role
    from ostiary.core.access.sessions import begin_session

    admin, _ = await running.organizations.add_member(
        organization_id=organization_id,
        external_id=f"fresh-admin-{number}",
        email=f"fresh{number}@admin.example",
        display_name="Fresh Admin",
        role=MemberRole.ORGANIZATION_ADMIN,
        actor=SYSTEM,
    )
    async with running.transactions() as transaction:
        signed_in = await begin_session(
            transaction,
            role=Role.ORGANIZATION_ADMIN,
            subject_id=admin.id,
            name=admin.display_name,
            organization_id=organization_id,
            entropy=running.entropy,
            now=running.clock.now(),
            replaces=None,
            authenticated_at=running.clock.now(),
            home_tenant_id=home_tenant_id,
        )
    return signed_in.secret
