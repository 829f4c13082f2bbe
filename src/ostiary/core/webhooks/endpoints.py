"""The vendor's endpoints: add, prove, change, rotate, disable, delete."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ostiary.core.audit.model import Actor
from ostiary.core.feed.model import FeedEventType
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import Conflict, InvalidRequest
from ostiary.core.kernel.ids import new_id
from ostiary.core.kernel.secret import Secret
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.webhooks.destination import EgressRules, check_url
from ostiary.core.webhooks.fanout import message_body
from ostiary.core.webhooks.model import (
    OLD_SECRET_LIFE,
    VERIFY_TYPE,
    Answer,
    DeliveryState,
    DisabledBecause,
    EndpointStatus,
    WebhookEndpoint,
    printable,
)
from ostiary.core.webhooks.ports import WebhookPost, WebhookTransaction
from ostiary.core.webhooks.signature import SigningSecrets

MOST_ENDPOINTS: Final = 50
LONGEST_DESCRIPTION: Final = 200


class EndpointNotProven(Conflict):
    """The endpoint did not answer the challenge as it should; the message says what it did."""

    code = "endpoint_not_proven"


@dataclass(frozen=True, slots=True)
class Issued:
    """An endpoint with a secret that is shown once."""

    endpoint: WebhookEndpoint
    secret: Secret


class WebhookEndpoints:
    """Use cases of endpoints. They are the vendor's: whether the caller may is decided before."""

    def __init__(
        self,
        *,
        transactions: Transactions[WebhookTransaction],
        clock: Clock,
        entropy: Entropy,
        secrets: SigningSecrets,
        rules: EgressRules,
        post: WebhookPost,
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy
        self._secrets = secrets
        self._rules = rules
        self._post = post

    async def add(
        self,
        url: str,
        *,
        description: str = "",
        organization_id: str | None = None,
        types: Sequence[FeedEventType] = (),
        actor: Actor,
    ) -> Issued:
        """Add an endpoint. It gets no event before :meth:`prove`.

        Raises:
            InvalidRequest: The address is not one we may call, or the description is too long.
            NotFound: No such organization.
            Conflict: The address has an endpoint with the same choice, or there are too many.
        """
        check_url(url, self._rules)
        _check_description(description)
        endpoint = WebhookEndpoint(
            id=new_id("whe", self._entropy),
            url=url,
            description=description,
            organization_id=organization_id,
            types=tuple(dict.fromkeys(types)),
            status=EndpointStatus.UNPROVEN,
            disabled_because=None,
            created_at=self._clock.now(),
            secret_number=1,
            old_secret_until=None,
            failing_since=None,
        )
        async with self._transactions() as tx:
            if organization_id is not None:
                await tx.organizations.get(organization_id)
            others = await tx.webhooks.list_endpoints()
            if len(others) >= MOST_ENDPOINTS:
                raise Conflict(f"There are {MOST_ENDPOINTS} endpoints already; delete one first.")
            if any(other.url == url and other.organization_id == organization_id for other in others):
                raise Conflict("This address has an endpoint already.")
            await tx.webhooks.add(endpoint)
            await tx.audit.record(
                "webhook.added",
                "A webhook endpoint was added.",
                actor=actor,
                organization_id=organization_id,
                object_id=endpoint.id,
            )
        return Issued(endpoint, self._secrets.secret(endpoint.id, endpoint.secret_number))

    async def get(self, endpoint_id: str) -> WebhookEndpoint:
        """Raises NotFound."""
        async with self._transactions() as tx:
            return await tx.webhooks.get(endpoint_id)

    async def list_all(self) -> tuple[WebhookEndpoint, ...]:
        """Return all endpoints, oldest first; there are at most :data:`MOST_ENDPOINTS`."""
        async with self._transactions() as tx:
            return await tx.webhooks.list_endpoints()

    async def counts(self) -> Mapping[str, Mapping[DeliveryState, int]]:
        """Return how many deliveries each endpoint has in each state."""
        async with self._transactions() as tx:
            return await tx.webhooks.counts()

    async def change(
        self,
        endpoint_id: str,
        *,
        url: str | None = None,
        description: str | None = None,
        types: Sequence[FeedEventType] | None = None,
        actor: Actor,
    ) -> WebhookEndpoint:
        """Change what is given. Another address has to be proven again before events go there.

        Raises:
            NotFound, InvalidRequest: As :meth:`add`.
        """
        if url is not None:
            check_url(url, self._rules)
        if description is not None:
            _check_description(description)
        async with self._transactions() as tx:
            endpoint = await tx.webhooks.get(endpoint_id, for_update=True)
            changed = replace(
                endpoint,
                url=endpoint.url if url is None else url,
                description=endpoint.description if description is None else description,
                types=endpoint.types if types is None else tuple(dict.fromkeys(types)),
            )
            if changed.url != endpoint.url:
                changed = replace(
                    changed, status=EndpointStatus.UNPROVEN, disabled_because=None, failing_since=None
                )
            if changed != endpoint:
                await tx.webhooks.save(changed)
                await _record(tx, "webhook.changed", "A webhook endpoint was changed.", changed, actor)
        return changed

    async def prove(self, endpoint_id: str, *, actor: Actor) -> WebhookEndpoint:
        """Send the signed challenge; an endpoint that repeats it is ours, and gets events from now on (SR-82).

        Raises:
            NotFound: No such endpoint.
            EndpointNotProven: It did not answer, or not with the challenge; says what happened.
        """
        endpoint = await self.get(endpoint_id)
        check_url(endpoint.url, self._rules)
        challenge = self._entropy.token_bytes(24).hex()
        answer = await self._ask(endpoint, challenge)
        if not answer.is_success:
            raise EndpointNotProven(
                answer.trouble
                or f"The endpoint answered with status {answer.status}: {printable(answer.text) or 'nothing'}"
            )
        if not hmac.compare_digest(_repeated(answer.text).encode(), challenge.encode()):
            raise EndpointNotProven(
                'The endpoint has to answer with {"challenge": "…"}, the value of data.challenge in the message.'
            )
        async with self._transactions() as tx:
            current = await tx.webhooks.get(endpoint_id, for_update=True)
            if current.url != endpoint.url:
                raise EndpointNotProven("The address was changed meanwhile; prove the new one.")
            proven = replace(current, status=EndpointStatus.ACTIVE, disabled_because=None, failing_since=None)
            await tx.webhooks.save(proven)
            await _record(
                tx, "webhook.proven", "A webhook endpoint proved that it is the vendor’s.", proven, actor
            )
        return proven

    async def rotate_secret(self, endpoint_id: str, *, actor: Actor) -> Issued:
        """Give a new secret. For 24 hours messages are signed with the old one, too.

        Raises:
            NotFound: No such endpoint.
        """
        async with self._transactions() as tx:
            endpoint = await tx.webhooks.get(endpoint_id, for_update=True)
            rotated = replace(
                endpoint,
                secret_number=endpoint.secret_number + 1,
                old_secret_until=self._clock.now() + OLD_SECRET_LIFE,
            )
            await tx.webhooks.save(rotated)
            await _record(tx, "webhook.secret_rotated", "A signing secret was rotated.", rotated, actor)
        return Issued(rotated, self._secrets.secret(rotated.id, rotated.secret_number))

    async def disable(self, endpoint_id: str, *, actor: Actor) -> WebhookEndpoint:
        """Stop sending. What happens meanwhile waits. Raises NotFound."""
        async with self._transactions() as tx:
            endpoint = await tx.webhooks.get(endpoint_id, for_update=True)
            if endpoint.status is EndpointStatus.DISABLED:
                return endpoint
            disabled = replace(
                endpoint, status=EndpointStatus.DISABLED, disabled_because=DisabledBecause.BY_HAND
            )
            await tx.webhooks.save(disabled)
            await _record(tx, "webhook.disabled", "A webhook endpoint was disabled.", disabled, actor)
        return disabled

    async def delete(self, endpoint_id: str, *, actor: Actor) -> None:
        """Delete an endpoint and everything that was to go there. Raises NotFound."""
        async with self._transactions() as tx:
            endpoint = await tx.webhooks.get(endpoint_id, for_update=True)
            await tx.webhooks.delete(endpoint_id)
            await _record(tx, "webhook.deleted", "A webhook endpoint was deleted.", endpoint, actor)

    async def _ask(self, endpoint: WebhookEndpoint, challenge: str) -> Answer:
        now = self._clock.now()
        message_id = new_id("evt", self._entropy)
        body = message_body(
            message_id, VERIFY_TYPE, now, {"endpoint_id": endpoint.id, "challenge": challenge}
        ).encode()
        headers = self._secrets.headers(
            endpoint.id, [endpoint.secret_number], message_id=message_id, at=now, body=body
        )
        return await self._post.post(endpoint.url, headers, body)


async def _record(
    tx: WebhookTransaction, what: str, sentence: str, endpoint: WebhookEndpoint, actor: Actor
) -> None:
    await tx.audit.record(
        what, sentence, actor=actor, organization_id=endpoint.organization_id, object_id=endpoint.id
    )


def _check_description(text: str) -> None:
    if len(text) > LONGEST_DESCRIPTION or not text.isprintable():
        raise InvalidRequest(
            f"A description is one line of at most {LONGEST_DESCRIPTION} characters.", field="description"
        )


def _repeated(text: str) -> str:
    try:
        answer = json.loads(text)
    except ValueError:
        return ""
    challenge = answer.get("challenge") if isinstance(answer, dict) else None
    return challenge if isinstance(challenge, str) else ""
