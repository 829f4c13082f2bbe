"""Subscriptions to change notifications at Graph."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from ostiary.adapters.graph.client import GraphClient
from ostiary.adapters.graph.codec.json_shape import JSONObject, moment, required_text, text, values
from ostiary.adapters.graph.ids import path_segment
from ostiary.core.connections.model import MailboxAccess
from ostiary.core.kernel.errors import NotFound, ProviderContractBroken
from ostiary.core.kernel.secret import Secret
from ostiary.core.sync.model import Source
from ostiary.core.sync.subscriptions import RESOURCES, RemoteSubscription

_MOST_PAGES: Final = 50


class GraphSubscriptions:
    """``SubscriptionGateway`` over Graph. Notifications carry no content: nothing is subscribed with resource data."""

    def __init__(self, client: GraphClient) -> None:
        self._client = client

    async def create(
        self,
        mailbox: MailboxAccess,
        *,
        source: Source,
        url: str,
        client_state: Secret,
        expires_at: datetime,
    ) -> RemoteSubscription:
        """Create one; Graph calls ``url`` twice before it answers.

        Source: Graph, create subscription.
        """
        answer = await self._client.change(
            mailbox,
            "POST",
            "/subscriptions",
            {
                "changeType": "created,updated,deleted",
                "notificationUrl": url,
                "lifecycleNotificationUrl": url,
                "resource": RESOURCES[source],
                "expirationDateTime": _wire(expires_at),
                "clientState": client_state.reveal(),
                "latestSupportedTlsVersion": "v1_2",
            },
        )
        return _remote(answer)

    async def renew(
        self, mailbox: MailboxAccess, microsoft_id: str, *, expires_at: datetime
    ) -> RemoteSubscription:
        """Give it another end; this also answers ``reauthorizationRequired``.

        Source: Graph, update subscription; lifecycle notifications.
        """
        path = f"/subscriptions/{path_segment(microsoft_id)}"
        answer = await self._client.change(mailbox, "PATCH", path, {"expirationDateTime": _wire(expires_at)})
        return _remote(answer)

    async def remove(self, mailbox: MailboxAccess, microsoft_id: str) -> None:
        """End it.

        Source: Graph, delete subscription.
        """
        try:
            await self._client.change(mailbox, "DELETE", f"/subscriptions/{path_segment(microsoft_id)}")
        except NotFound:
            return

    async def list_own(self, mailbox: MailboxAccess) -> tuple[RemoteSubscription, ...]:
        """All of this app for this person.

        Source: Graph, list subscriptions.
        """
        found: list[RemoteSubscription] = []
        answer = await self._client.get(mailbox, "/subscriptions")
        for _ in range(_MOST_PAGES):
            found += [_remote(entity) for entity in values(answer)]
            link = self._client.next_link(answer)
            if link is None:
                break
            answer = await self._client.get_next(mailbox, link)
        return tuple(found)


def _remote(entity: JSONObject) -> RemoteSubscription:
    expires_at = moment(entity, "expirationDateTime")
    if expires_at is None:
        raise ProviderContractBroken("Microsoft gave an answer we do not understand (expirationDateTime).")
    return RemoteSubscription(
        microsoft_id=required_text(entity, "id"),
        notification_url=text(entity, "notificationUrl"),
        expires_at=expires_at,
    )


def _wire(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
