"""A world with Graph in front of it, and a client that checks every answer against Microsoft's metadata."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from random import Random
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from graph_conformance import Check, find_check, type_of
from m365_emulator import graph
from m365_emulator.entra.tokens import issue_access_token
from m365_emulator.world.mailbox import Mailbox, generate
from m365_emulator.world.tenants import User
from m365_emulator.world.world import World

VENDOR_APP = "4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa"
PRIYA = "priya.nair@harbourvale.example"
TOM = "tom.ellis@harbourvale.example"
DANA = "dana.okafor@harbourvale.example"
EVERYTHING = [
    "User.Read",
    "User.ReadBasic.All",
    "Mail.ReadWrite",
    "Mail.Send",
    "Calendars.ReadWrite",
    "Calendars.Read.Shared",
    "MailboxSettings.ReadWrite",
]


@pytest.fixture(scope="session")
def violations() -> Check:
    """Return Microsoft's metadata check; where the metadata is not here, one that finds nothing."""
    return find_check() or (lambda value, type_name: [])


class InProcess:
    """Requests to an ASGI app on an event loop of its own, no socket between."""

    def __init__(self, app: Any) -> None:
        self.runner = asyncio.Runner()
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=True), base_url="http://testserver"
        )

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        return self.runner.run(self._http.request(method, url, **options))

    def get(self, url: str, **options: Any) -> httpx.Response:
        return self.request("GET", url, **options)

    def put(self, url: str, **options: Any) -> httpx.Response:
        return self.request("PUT", url, **options)

    def together(self, requests: list[tuple[str, str, dict[str, str]]]) -> list[httpx.Response]:
        """Make several requests at once."""

        async def run() -> list[httpx.Response]:
            made = (self._http.request(method, url, headers=headers) for method, url, headers in requests)
            return list(await asyncio.gather(*made))

        return self.runner.run(run())

    def close(self) -> None:
        self.runner.run(self._http.aclose())
        self.runner.close()


class GraphClient:
    """Calls Graph as one person (or as an app) and checks each answer against the metadata."""

    def __init__(self, world: World, http: InProcess, violations: Check) -> None:
        self.world = world
        self.http = http
        self._violations = violations
        self._tokens: dict[tuple[Any, ...], str] = {}

    def user(self, address: str = DANA) -> User:
        found = self.world.find_user(address)
        assert found is not None
        return found

    def mailbox(self, address: str = DANA) -> Mailbox:
        found = self.world.find_mailbox(address)
        assert found is not None
        return found

    def token(
        self,
        address: str | None = DANA,
        scopes: list[str] | None = None,
        roles: list[str] | None = None,
        **changes: Any,
    ) -> str:
        key = (address, tuple(scopes or ()), tuple(roles or ()), tuple(changes.items()))
        if key not in self._tokens:
            user = self.world.find_user(address) if address else None
            tenant = user.tenant if user else self.world.find_tenant("harbourvale.example")
            assert tenant is not None
            options: dict[str, Any] = {
                "tenant": tenant,
                "app": self.world.apps[VENDOR_APP],
                "audience": "https://graph.microsoft.com",
                "authentication": "1",
                "user": user,
                "scopes": (scopes if scopes is not None else EVERYTHING) if user else None,
                "roles": roles,
            }
            self._tokens[key] = issue_access_token(self.world, **(options | changes))[0]
        return self._tokens[key]

    def send(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        as_user: str | None = DANA,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request below /v1.0 (or to a whole URL) and check what comes back."""
        url = path if path.startswith("http") else f"/v1.0{path}"
        bearer = token if token is not None else self.token(as_user)
        sent = {"Authorization": f"Bearer {bearer}"} | (headers or {})
        response = self.http.request(method, url, json=json, content=content, headers=sent)
        self.check(path, response)
        return response

    def check(self, path: str, response: httpx.Response) -> None:
        """Fail if the answer does not fit Microsoft's metadata, or is an error of the server."""
        assert response.status_code != 500, response.text
        if (
            not response.headers.get("content-type", "").startswith("application/json")
            or not response.content
        ):
            return
        body = response.json()
        if response.status_code >= 400:
            assert set(body) == {"error"}, body
            assert body["error"]["code"], body
            assert body["error"]["message"], body
            assert body["error"]["innerError"]["request-id"] == response.headers["request-id"]
            return
        kind = type_of(path.removeprefix("http://testserver/v1.0"))
        if kind is not None:
            assert self._violations(body, kind) == [], body

    def get(self, path: str, **options: Any) -> Any:
        """Return the JSON of a successful GET."""
        response = self.send("GET", path, **options)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, json: Any = None, *, status: int = 201, **options: Any) -> Any:
        """Return the JSON of a successful POST (None if it has none)."""
        response = self.send("POST", path, json=json, **options)
        assert response.status_code == status, response.text
        return response.json() if response.content else None

    def patch(self, path: str, json: Any, **options: Any) -> Any:
        """Return the JSON of a successful PATCH."""
        response = self.send("PATCH", path, json=json, **options)
        assert response.status_code == 200, response.text
        return response.json()

    def delete(self, path: str, **options: Any) -> None:
        """Delete something that is there."""
        response = self.send("DELETE", path, **options)
        assert response.status_code == 204, response.text

    def refused(self, method: str, path: str, **options: Any) -> tuple[int, str]:
        """Return status and code of a request that must be refused."""
        response = self.send(method, path, **options)
        assert response.status_code >= 400, response.text
        return response.status_code, response.json()["error"]["code"]

    def pages(self, path: str, **options: Any) -> tuple[list[Any], str | None]:
        """Return everything behind a first page, and the delta link at the end if there is one."""
        found: list[Any] = []
        while True:
            body = self.get(path, **options)
            found.extend(body["value"])
            if "@odata.nextLink" not in body:
                return found, body.get("@odata.deltaLink")
            path = body["@odata.nextLink"]


@pytest.fixture
def world() -> World:
    """A world in which Dana has mail and a calendar."""
    built = World(seed=7)
    mailbox = built.find_mailbox(DANA)
    assert mailbox is not None
    if not mailbox.well_known("inbox").items:
        generate.fill(mailbox, Random(7), messages=60, events=20)
    return built


@pytest.fixture
def client(world: World, violations: Check) -> Iterator[GraphClient]:
    """A client in front of that world."""
    http = InProcess(Starlette(routes=graph.routes(world)))
    yield GraphClient(world, http, violations)
    http.close()
