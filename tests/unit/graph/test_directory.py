"""What a directory says of itself, over a real socket (SR-16, SR-18)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from ostiary.adapters.graph.directory import GraphTenantDirectory
from ostiary.core.kernel.errors import OstiaryError, ProviderContractBroken, TemporarilyUnavailable
from ostiary.core.kernel.secret import Secret

TENANT = "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918"
ADMINISTRATOR = "158c047a-c907-4556-b7ef-446551a6b5f7"
ORGANIZATION = {
    "value": [
        {
            "id": TENANT.upper(),
            "displayName": "Harbour & Vale",
            "verifiedDomains": [
                {"name": "harbourvale.onmicrosoft.com", "isDefault": False},
                {"name": "HarbourVale.example", "isDefault": True},
                {"isDefault": False},
                "odd",
            ],
        }
    ]
}


@dataclass
class Graph:
    """Answers both questions as it is told."""

    url: str = ""
    organization: tuple[int, Any] = (200, ORGANIZATION)
    roles: tuple[int, Any] = (200, {"value": []})
    asked: list[tuple[str, str | None, str | None]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        headers = request.headers
        self.asked.append((request.path, headers.get("Authorization"), headers.get("ConsistencyLevel")))
        status, body = self.organization if request.path.endswith("/organization") else self.roles
        if isinstance(body, str):
            return web.Response(status=status, text=body, headers={"Location": "https://evil.example/"})
        return web.json_response(body, status=status)


@pytest_asyncio.fixture
async def graph() -> AsyncIterator[Graph]:
    found = Graph()
    app = web.Application()
    app.router.add_get("/{path:.*}", found.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


async def read(graph: Graph) -> Any:
    async with aiohttp.ClientSession() as session:
        directory = GraphTenantDirectory(session, host_url=graph.url)
        return await directory.read(access_token=Secret("the-token"))


async def test_name_domains_and_roles_are_read_with_the_persons_own_token(graph: Graph) -> None:
    graph.roles = (200, {"value": [{"id": "x", "roleTemplateId": ADMINISTRATOR.upper()}]})
    facts = await read(graph)
    assert facts.tenant_id == TENANT
    assert facts.display_name == "Harbour & Vale"
    assert facts.verified_domains == ("harbourvale.example", "harbourvale.onmicrosoft.com")
    assert facts.role_template_ids == {ADMINISTRATOR}
    assert not facts.has_unnamed_roles
    assert {authorization for _, authorization, _ in graph.asked} == {"Bearer the-token"}
    # Graph takes a cast only with this header.
    assert graph.asked[-1][2] == "eventual"


async def test_a_role_that_graph_does_not_name_is_noted_as_such(graph: Graph) -> None:
    graph.roles = (200, {"value": [{"id": "x", "roleTemplateId": None}]})
    facts = await read(graph)
    assert facts.role_template_ids == frozenset()
    assert facts.has_unnamed_roles


@pytest.mark.parametrize(
    "roles",
    [(403, {"error": {"code": "Authorization_RequestDenied"}}), (500, "x"), (200, "<html>"), (200, {})],
)
async def test_unreadable_roles_leave_the_rest_readable(graph: Graph, roles: tuple[int, Any]) -> None:
    graph.roles = roles
    facts = await read(graph)
    assert facts.tenant_id == TENANT
    assert facts.role_template_ids == frozenset()
    assert not facts.has_unnamed_roles


@pytest.mark.parametrize(
    ("organization", "kind"),
    [
        ((200, {"value": []}), ProviderContractBroken),
        ((200, {"value": [{}, {}]}), ProviderContractBroken),
        ((200, {"value": [{"id": None}]}), ProviderContractBroken),
        ((200, "<html>"), ProviderContractBroken),
        ((200, "x" * 3_000_000), ProviderContractBroken),
        ((503, "busy"), TemporarilyUnavailable),
    ],
)
async def test_a_directory_that_cannot_be_read_says_so(
    graph: Graph, organization: tuple[int, Any], kind: type[OstiaryError]
) -> None:
    graph.organization = organization
    with pytest.raises(kind):
        await read(graph)


async def test_a_redirect_is_not_followed_with_the_token(graph: Graph) -> None:
    graph.organization = (302, "elsewhere")
    with pytest.raises(OstiaryError):
        await read(graph)
    assert [path for path, _, _ in graph.asked] == ["/v1.0/organization"]
