"""A world with EWS in front of it, and a client that checks every answer against Microsoft's schemas."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from random import Random

import httpx
import pytest
import uvicorn
from lxml import etree
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from ews_conformance import Check, find_check
from m365_emulator import ews
from m365_emulator.entra.tokens import issue_access_token
from m365_emulator.ews.soap import Node
from m365_emulator.world.keys import KeyRing
from m365_emulator.world.mailbox import Mailbox, generate
from m365_emulator.world.tenants import User
from m365_emulator.world.world import World

VENDOR_APP = "4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa"
TOM = "tom.ellis@harbourvale.example"
DANA = "dana.okafor@harbourvale.example"
AUDIENCE = "https://outlook.office365.com"
NAMES = {
    "s": "http://schemas.xmlsoap.org/soap/envelope/",
    "m": "http://schemas.microsoft.com/exchange/services/2006/messages",
    "t": "http://schemas.microsoft.com/exchange/services/2006/types",
    "e": "http://schemas.microsoft.com/exchange/services/2006/errors",
}


@pytest.fixture(scope="session")
def violations() -> Check:
    """Return Microsoft's schema check; without the schemas nothing is found (`test_soap.py` says so)."""
    return find_check() or (lambda envelope: [])


class EWSClient:
    """Sends operations as one person and checks every answer against the published schema."""

    def __init__(self, world: World, http: httpx.Client, violations: Check) -> None:
        self.world = world
        self.http = http
        self.violations = violations

    def user(self, address: str = TOM) -> User:
        found = self.world.find_user(address)
        assert found is not None
        return found

    def mailbox(self, address: str = TOM) -> Mailbox:
        found = self.world.find_mailbox(address)
        assert found is not None
        return found

    def token(
        self, address: str | None = TOM, *, tenant_domain: str = "harbourvale.example", **changes: object
    ) -> str:
        user = self.world.find_user(address) if address else None
        tenant = user.tenant if user else self.world.find_tenant(tenant_domain)
        assert tenant is not None
        options: dict[str, object] = {
            "tenant": tenant,
            "app": self.world.apps[VENDOR_APP],
            "audience": AUDIENCE,
            "authentication": "1",
            "user": user,
            "scopes": ["EWS.AccessAsUser.All"] if user else None,
            "roles": None if user else ["full_access_as_app"],
        }
        token, _ = issue_access_token(self.world, **(options | changes))  # type: ignore[arg-type]
        return token

    def post(
        self,
        body: str,
        *,
        as_user: str | None = TOM,
        header: str = "",
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, bytes, dict[str, str]]:
        namespaces = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMES.items() if prefix != "e")
        envelope = (
            f'<?xml version="1.0" encoding="utf-8"?><s:Envelope {namespaces}><s:Header>'
            f'<t:RequestServerVersion Version="Exchange2016"/>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>'
        )
        bearer = token if token is not None else self.token(as_user)
        response = self.http.post(
            "/EWS/Exchange.asmx",
            content=envelope.encode(),
            headers={
                "Authorization": f"Bearer {bearer}",
                "Content-Type": "text/xml; charset=utf-8",
                **(headers or {}),
            },
        )
        if response.content:
            assert self.violations(response.content) == [], response.text
        return response.status_code, response.content, dict(response.headers)

    def call(self, body: str, **options: object) -> Node:
        """Return the operation's response element; HTTP 200 is demanded."""
        status, content, _ = self.post(body, **options)  # type: ignore[arg-type]
        assert status == 200, content.decode()
        root = etree.fromstring(content)
        assert root.find(".//t:ServerVersionInfo", NAMES) is not None
        found = root.find("s:Body", NAMES)
        assert found is not None
        return found[0]

    def fault(self, body: str, **options: object) -> Node:
        """Return the fault of a request that must fail as a whole."""
        status, content, _ = self.post(body, **options)  # type: ignore[arg-type]
        assert status == 500, content.decode()
        root = etree.fromstring(content)
        assert root.find(".//t:ServerVersionInfo", NAMES) is not None
        found = root.find("s:Body/s:Fault", NAMES)
        assert found is not None
        return found

    def fault_code(self, body: str, **options: object) -> str:
        return self.fault(body, **options).findtext("detail/e:ResponseCode", "", NAMES)

    @staticmethod
    def codes(response: Node) -> list[str]:
        return [node.text or "" for node in response.iterfind(".//m:ResponseCode", NAMES)]

    @staticmethod
    def all(response: Node, path: str) -> list[Node]:
        return list(response.iterfind(path, NAMES))

    @staticmethod
    def one(response: Node, path: str) -> Node:
        found = response.find(path, NAMES)
        assert found is not None, etree.tostring(response, pretty_print=True).decode()
        return found

    @staticmethod
    def text(response: Node, path: str) -> str:
        return response.findtext(path, "", NAMES)

    def find_ids(self, folder: str = "inbox", extra: str = "", **options: object) -> list[str]:
        response = self.call(
            '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>'
            f'{extra}<m:ParentFolderIds><t:DistinguishedFolderId Id="{folder}"/></m:ParentFolderIds></m:FindItem>',
            **options,
        )
        assert set(self.codes(response)) == {"NoError"}, self.codes(response)
        return [node.get("Id") or "" for node in self.all(response, ".//t:ItemId")]

    def get_item(
        self, item_id: str, shape: str = "<t:BaseShape>AllProperties</t:BaseShape>", **options: object
    ) -> Node:
        response = self.call(
            f'<m:GetItem><m:ItemShape>{shape}</m:ItemShape><m:ItemIds><t:ItemId Id="{item_id}"/></m:ItemIds></m:GetItem>',
            **options,
        )
        assert self.codes(response) == ["NoError"], self.codes(response)
        return self.one(response, ".//m:Items")[0]

    def advance(self, **amount: float) -> None:
        self.world.clock.advance(timedelta(**amount))


class Server:
    """One HTTP server on a free port of this machine, in front of whichever app a test puts in."""

    def __init__(self) -> None:
        self.app: ASGIApp = Starlette()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(
            uvicorn.Config(self._dispatch, log_level="warning", lifespan="off", interface="asgi3")
        )
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(timeout=10)
        self._socket.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    running = Server()
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def keyring() -> KeyRing:
    """Signing keys for every world, because making them takes longer than a test."""
    return KeyRing()


@pytest.fixture
def world(keyring: KeyRing) -> World:
    """A world in which Tom has mail and a calendar."""
    built = World(seed=7, keyring=keyring)
    mailbox = built.find_mailbox(TOM)
    assert mailbox is not None
    if not mailbox.well_known("inbox").items:
        generate.fill(mailbox, Random(7), messages=60, events=20)
    return built


@pytest.fixture
def client(world: World, server: Server, violations: Check) -> Iterator[EWSClient]:
    server.app = Starlette(routes=ews.routes(world))
    with httpx.Client(base_url=server.base_url, timeout=20) as http:
        yield EWSClient(world, http, violations)
