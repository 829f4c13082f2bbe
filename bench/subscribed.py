"""Connections that Microsoft tells about, made without Microsoft: rows as the product writes them."""

from __future__ import annotations

import json
import secrets
import uuid
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text
from stage import ORGANIZATION_ID, TENANT_ID, address_of

from ostiary.bootstrap import Services
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.ids import new_id
from ostiary.core.organizations.model import Member, MemberRole
from ostiary.core.sync.model import Source
from ostiary.core.sync.subscriptions import Subscription, SubscriptionState, state_hash


@dataclass(frozen=True, slots=True)
class Subscribed:
    """One subscription, as whoever posts for it knows it."""

    url: str
    microsoft_id: str
    client_state: str
    connection: Connection
    tenant_id: str = TENANT_ID

    def post(self, item_id: str) -> str:
        """Return the body of a post that tells of one message.

        Source: graph.md §8, change notification payload.
        """
        resource = f"Users/{self.connection.object_id}/Messages/{item_id}"
        notice = {
            "subscriptionId": self.microsoft_id,
            "subscriptionExpirationDateTime": "2026-12-31T00:00:00Z",
            "changeType": "created",
            "resource": resource,
            "resourceData": {
                "@odata.type": "#Microsoft.Graph.Message",
                "@odata.id": resource,
                "@odata.etag": 'W/"CQAAABYAAAC4Ry0C"',
                "id": item_id,
            },
            "clientState": self.client_state,
            "tenantId": self.tenant_id,
        }
        return json.dumps({"value": [notice]})


async def subscribe(
    services: Services, connection: Connection, *, tenant_id: str | None = None
) -> Subscribed:
    """Store a live subscription for a connection's mail, by default of the connection's own tenant."""
    tenant_id = tenant_id or connection.tenant_id
    now = services.clock.now()
    client_state = secrets.token_urlsafe(32)
    subscription = Subscription(
        id=new_id("sub", services.entropy),
        connection_id=connection.id,
        organization_id=connection.organization_id,
        tenant_id=tenant_id,
        source=Source.MAIL,
        client_state_hash=state_hash(client_state),
        state=SubscriptionState.LIVE,
        created_at=now,
        microsoft_id=str(uuid.uuid4()),
        expires_at=now + timedelta(days=6),
        renew_at=now + timedelta(days=3),
    )
    async with services.transactions() as tx:
        await tx.subscriptions.add(subscription)
        # Or the worker would find that Microsoft does not know it, and make another one in its place.
        await tx._connection.execute(
            text("UPDATE sync_states SET subscriptions_audited_at = :now WHERE connection_id = :id"),
            {"now": now, "id": connection.id},
        )
    # The one place that knows how addresses are made.
    url = services.notifications._paths.url(subscription.id)
    assert subscription.microsoft_id is not None
    return Subscribed(url, subscription.microsoft_id, client_state, connection, tenant_id)


async def add_row(services: Services, number: int) -> Connection:
    """Store a connection that looks connected, followed, without any sign-in."""
    now = services.clock.now()
    connection = Connection(
        id=new_id("con", services.entropy),
        organization_id=ORGANIZATION_ID,
        member_id=f"mem_{number}",
        cloud="global",
        tenant_id=TENANT_ID,
        object_id=str(uuid.uuid4()),
        method=AccessMethod.GRAPH,
        registration_id="main",
        mail=True,
        calendar=True,
        status=ConnectionStatus.CONNECTED,
        reference=f"CX-{number:06}",
        address=address_of(number),
        display_name=f"Person {number}",
        created_at=now,
        changed_at=now,
        connected_at=now,
        token_version=1,
    )
    member = Member(
        connection.member_id, ORGANIZATION_ID, f"u{number}", connection.address, connection.display_name,
        MemberRole.MEMBER, True, now,
    )  # fmt: skip
    async with services.transactions() as tx:
        await tx.members.add(member)
        await tx.connections.add(connection)
        await tx.sync.ensure(
            connection_id=connection.id,
            organization_id=ORGANIZATION_ID,
            source=Source.MAIL,
            method=AccessMethod.GRAPH,
            backfill_since=None,
            now=now,
        )
    return connection
