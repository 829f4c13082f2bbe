"""The handshake that proves that a notification URL belongs to the caller."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import UUID

import aiohttp
from yarl import URL

from m365_emulator.graph.errors import bad_request

if TYPE_CHECKING:
    from m365_emulator.world.world import World

SECONDS = 10
"""Source: Graph, receive change notifications through webhooks: answer within 10 seconds."""
_MOST_BYTES = 4096


async def shake_hands(url: str, world: World) -> None:
    """Post a token to a URL and expect it back as plain text.

    Raises:
        GraphError: It did not come back as it should; the message says how.
    """
    request_id = UUID(bytes=world.rng.randbytes(16), version=4)
    token = f"Validation: Testing client application reachability for subscription Request-Id: {request_id}"
    joined = f"{url}{'&' if '?' in url else '?'}validationToken={quote(token, safe='')}"
    try:
        status, kind, text = await asyncio.wait_for(_post(joined), SECONDS)
    except TimeoutError as error:
        raise _failed("Subscription validation request timed out.") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise _failed("The notification URL could not be reached.") from error
    if status != 200:
        raise _failed(f"HTTP status code is '{status}'. Expected: 'OK'.")
    if kind != "text/plain":
        raise _failed(f"The content type of the answer is '{kind[:50]}'. Expected: 'text/plain'.")
    if text != token:
        raise _failed("Response must exactly match validationToken query parameter.")


async def _post(url: str) -> tuple[int, str, str]:
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    # Receivers under test have self-made certificates, so they are not verified here.
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(
            URL(url, encoded=True), data=b"", headers=headers, ssl=False, allow_redirects=False
        ) as answer,
    ):
        raw = await answer.content.read(_MOST_BYTES)
        return answer.status, answer.content_type, raw.decode("utf-8", "replace")


def _failed(why: str) -> Exception:
    return bad_request(f"Subscription validation request failed. {why}", "ValidationError")
