"""Values that calls of the API may name, in a world where a mailbox is connected."""

from __future__ import annotations

import httpx

from ostiary.bootstrap import Services
from ostiary.core.access.model import API_PERMISSIONS
from ostiary.core.audit.model import SYSTEM


async def known_values(
    app: Services, client: httpx.AsyncClient, site: str, connection_id: str, key: str
) -> dict[str, tuple[str, ...]]:
    """Return ids that exist, by the name of the parameter."""
    headers = {"Authorization": f"Bearer {key}"}
    mailbox = f"{site}/v1/connections/{connection_id}"

    async def ids(address: str, **query: str) -> tuple[str, ...]:
        answer = await client.get(address, params=query, headers=headers)
        answer.raise_for_status()
        # Those that belong to no series first: what is done to one of a series depends on the others.
        items = sorted(answer.json()["items"], key=lambda each: each.get("series_id") is not None)
        return tuple(each["id"] for each in items)

    made = await client.post(
        f"{site}/v1/webhook-endpoints",
        headers=headers,
        json={"url": "https://hooks.larkspur.example/in", "types": ["message.created"]},
    )
    made.raise_for_status()
    spare, _ = await app.access.create_api_key(name="Spare", permissions=API_PERMISSIONS, actor=SYSTEM)
    links = await app.consent.links.create(organization_id="org_1", asked_by_name="Dana", actor=SYSTEM)
    session = await app.connections.sessions.create(organization_id="org_1", member_id="mem_1", actor=SYSTEM)
    window = {"from": "2026-11-20T00:00:00Z", "to": "2026-12-20T00:00:00Z"}
    return {
        "organization_id": ("org_1",),
        "member_id": ("mem_1", "mem_2"),
        "connection_id": (connection_id,),
        "tenant_key": ("ten_1",),
        "key_id": (spare.id,),
        "endpoint_id": await ids(f"{site}/v1/webhook-endpoints"),
        "link_id": (links.link.id,),
        "session_id": (session.session.id,),
        "message_id": await ids(f"{mailbox}/messages", folder="all"),
        "event_id": await ids(f"{mailbox}/events", **window),
        "folder": (*await ids(f"{mailbox}/folders"), "inbox", "drafts", "all"),
        "from": (window["from"],),
        "to": (window["to"],),
    }
