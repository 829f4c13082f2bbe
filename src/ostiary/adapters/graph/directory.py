"""What a directory says of itself and of the person whose token we hold: ``/organization`` and own roles."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import Final, cast

import aiohttp
import orjson

from ostiary.adapters.graph.errors import translate
from ostiary.core.kernel.errors import OstiaryError, ProviderContractBroken, TemporarilyUnavailable
from ostiary.core.kernel.secret import Secret
from ostiary.core.tenants.ports import DirectoryFacts

CALL_SECONDS: Final = 10.0
"""A person waits for this page."""
_MOST_BODY_BYTES: Final = 2 * 1024 * 1024
_MOST_ROLES: Final = 200
_MOST_DOMAINS: Final = 1000
_ORGANIZATION: Final = "/v1.0/organization?$select=id,displayName,verifiedDomains"
_ROLES: Final = "/v1.0/me/memberOf/microsoft.graph.directoryRole?$count=true&$select=id,roleTemplateId"
_INDEXED: Final = {"ConsistencyLevel": "eventual"}
"""Graph wants this header and ``$count`` beside a cast. Source: Graph, list a user's direct memberships."""


class GraphTenantDirectory:
    """Reads ``DirectoryFacts`` over Graph."""

    def __init__(self, session: aiohttp.ClientSession, *, host_url: str) -> None:
        """``host_url`` is the cloud's Graph host, without a version."""
        self._session = session
        self._host_url = host_url.rstrip("/")

    async def read(self, *, access_token: Secret) -> DirectoryFacts:
        """Return the facts; roles stay empty when Graph will not list them.

        With ``User.Read`` alone Graph often names the person's roles by object id only, their templates null.

        Source: Graph, get organization; list a user's direct memberships, "limited information returned for
        inaccessible member objects".
        """
        organizations = _items(await self._get(_ORGANIZATION, access_token))
        if len(organizations) != 1:
            raise ProviderContractBroken("Microsoft listed no directory for this person.")
        found = organizations[0]
        tenant_id, name = found.get("id"), found.get("displayName")
        if not isinstance(tenant_id, str):
            raise ProviderContractBroken("Microsoft's directory has no id.")
        roles = await self._roles(access_token)
        return DirectoryFacts(
            tenant_id=tenant_id.lower(),
            display_name=name[:200] if isinstance(name, str) else "",
            verified_domains=_domains(found.get("verifiedDomains")),
            role_template_ids=frozenset(template for template in roles if template),
            has_unnamed_roles=None in roles,
        )

    async def _roles(self, access_token: Secret) -> tuple[str | None, ...]:
        """Return the template id of each role the person holds, None for a role whose template is hidden."""
        try:
            roles = _items(await self._get(_ROLES, access_token, headers=_INDEXED))
        except OstiaryError:
            # The directory's own facts still count without the roles.
            return ()
        ids = (role.get("roleTemplateId") for role in roles[:_MOST_ROLES])
        return tuple(value.lower() if isinstance(value, str) else None for value in ids)

    async def _get(
        self, path: str, access_token: Secret, *, headers: Mapping[str, str] | None = None
    ) -> Mapping[str, object]:
        sent = {
            **(headers or {}),
            "Authorization": f"Bearer {access_token.reveal()}",
            "Accept": "application/json",
            "client-request-id": str(uuid.uuid4()),
        }
        try:
            async with (
                asyncio.timeout(CALL_SECONDS),
                self._session.get(
                    f"{self._host_url}{path}",
                    headers=sent,
                    # A redirect must not carry the bearer token elsewhere (SR-45).
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=CALL_SECONDS, connect=5),
                ) as response,
            ):
                status, answered = response.status, dict(response.headers)
                content = await _bounded(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TemporarilyUnavailable(
                "Microsoft isn’t answering properly.", reason="microsoft_down"
            ) from error
        body = _object(content)
        if status != 200:
            error = body.get("error")
            code = cast("Mapping[str, object]", error).get("code") if isinstance(error, dict) else None
            raise translate(status, code if isinstance(code, str) else None, answered)
        return body


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for part in response.content.iter_any():
        content += part
        if len(content) > _MOST_BODY_BYTES:
            raise ProviderContractBroken("Microsoft gave an answer larger than we take.")
    return bytes(content)


def _object(content: bytes) -> Mapping[str, object]:
    try:
        body: object = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return cast("Mapping[str, object]", body) if isinstance(body, dict) else {}


def _items(body: Mapping[str, object]) -> list[Mapping[str, object]]:
    listed = body.get("value")
    if not isinstance(listed, list):
        raise ProviderContractBroken("Microsoft's list is unreadable.")
    items = cast("list[object]", listed)
    return [cast("Mapping[str, object]", item) for item in items if isinstance(item, dict)]


def _domains(listed: object) -> tuple[str, ...]:
    """Return verified domains, the default one first: people recognise their organization by it."""
    if not isinstance(listed, list):
        return ()
    found: list[tuple[bool, str]] = []
    for item in cast("list[object]", listed)[:_MOST_DOMAINS]:
        if isinstance(item, dict):
            domain = cast("Mapping[str, object]", item)
            name = domain.get("name")
            if isinstance(name, str):
                found.append((domain.get("isDefault") is not True, name.lower()))
    return tuple(name for _, name in sorted(found, key=lambda pair: pair[0]))
