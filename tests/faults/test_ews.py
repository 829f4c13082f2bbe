"""What Exchange and the way to it can do to mailboxes that are followed over EWS."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from .conftest import ROUNDS
from .following import RunningFeed
from .test_hostile_answers import ANSWERS, MOST_RISE, cut, memory, saying

TURN = timedelta(seconds=61)
"""Without a stream mailboxes are read once a minute."""

SOAP = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"'
    ' xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"><s:Body>{}</s:Body></s:Envelope>'
)
BUSY = SOAP.format(
    "<s:Fault><faultcode>t:ErrorServerBusy</faultcode><faultstring>Not now.</faultstring><detail>"
    '<e:ResponseCode xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">ErrorServerBusy'
    '</e:ResponseCode><t:MessageXml><t:Value Name="BackOffMilliseconds">90000</t:Value></t:MessageXml>'
    "</detail></s:Fault>"
)
INVALID_STATE = SOAP.format(
    "<m:SyncFolderItemsResponse><m:ResponseMessages><m:SyncFolderItemsResponseMessage ResponseClass='Error'>"
    "<m:MessageText>The sync state is invalid.</m:MessageText>"
    "<m:ResponseCode>ErrorInvalidSyncStateData</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>"
    "</m:SyncFolderItemsResponseMessage></m:ResponseMessages></m:SyncFolderItemsResponse>"
)
HOSTILE = {
    **{name: ANSWERS[name] for name in ANSWERS if name not in {"same-key-twice", "a-list", "deep-nesting"}},
    "deep-nesting": saying(b"<a>" * 100_000 + b"</a>" * 100_000, kind="text/xml"),
    "entities": saying(
        b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]><a>&c;</a>', kind="text/xml"
    ),
}


def asks(request: web.Request, operation: bytes) -> bool:
    return request.path.endswith("/Exchange.asmx") and operation in (request._read_bytes or b"")


def reading(request: web.Request) -> bool:
    return asks(request, b"<m:SyncFolderItems")


async def cursors(feed: RunningFeed) -> list[dict[tuple[str, str], str | None]]:
    """Where the folders stand; the tree of folders is asked for by another operation, which goes on."""
    return [
        {key: cursor for key, cursor in (await feed.oracle.cursors(each.connection_id)).items() if key[1]}
        for each in feed.both
    ]


async def test_people_write_and_all_of_it_is_told(ews_feed: RunningFeed) -> None:
    for _ in range(ROUNDS):
        await ews_feed.under(steps=3, by=TURN)
        await ews_feed.require_converged()


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_no_honest_server_says_is_refused_within_caps(ews_feed: RunningFeed, name: str) -> None:
    feed = ews_feed
    for _ in range(ROUNDS):
        before, seen, rise = await cursors(feed), feed.wire.poisoned, memory("VmRSS")
        with feed.wire.poison(HOSTILE[name], where=reading):
            await feed.write(2)
            await feed.step(by=TURN)
            assert feed.wire.poisoned > seen
            assert await cursors(feed) == before
        assert memory("VmRSS") - rise < MOST_RISE
        await feed.require_converged()


async def test_a_server_that_is_busy_is_left_alone_for_as_long_as_it_says(ews_feed: RunningFeed) -> None:
    feed = ews_feed

    async def busy(_: web.Request, __: bytes) -> web.StreamResponse:
        return web.Response(status=500, text=BUSY, content_type="text/xml")

    for _ in range(ROUNDS):
        before, seen = await cursors(feed), feed.wire.poisoned
        with feed.wire.poison(busy, where=reading):
            await feed.write()
            await feed.step(by=TURN)
            told = feed.wire.poisoned
            assert told > seen
            await feed.step(by=timedelta(seconds=60))
            assert feed.wire.poisoned == told, "asked again before it may"
        assert await cursors(feed) == before
        await feed.require_converged()


async def test_a_sync_state_that_is_refused_leads_to_a_comparison_without_false_deletes(
    ews_feed: RunningFeed,
) -> None:
    feed = ews_feed
    for _ in range(ROUNDS):
        refused: Counter[bytes] = Counter()
        told = {each.connection_id: len(await feed.oracle.feed(each.connection_id)) for each in feed.both}

        async def refuse(request: web.Request, _: bytes, refused: Counter[bytes] = refused) -> Any:
            asked = request._read_bytes or b""
            refused[asked] += 1
            if b"<m:SyncState>" not in asked or refused[asked] > 1:
                return None
            return web.Response(text=INVALID_STATE, content_type="text/xml")

        with feed.wire.poison(refuse, where=reading):
            await feed.write()
            await feed.settle()
        assert refused
        await feed.require_converged()
        for each in feed.both:
            real = await each.mailbox.messages()
            for event in (await feed.oracle.feed(each.connection_id))[told[each.connection_id] :]:
                if event["type"] == "message.deleted":
                    assert event["data"]["message_id"] not in real, "called deleted, and it is there"


async def closed(request: web.Request, _: bytes) -> web.StreamResponse:
    cut(request)
    return web.Response()


async def cut_in_the_middle(request: web.Request, _: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/xml"})
    await response.prepare(request)
    await response.write(SOAP.encode()[:80])
    cut(request)
    return response


STREAMS = {
    "closed": closed,
    "cut-in-the-middle": cut_in_the_middle,
    "garbage": saying(bytes(range(256)) + b"</Envelope>", kind="text/xml"),
}


@pytest.mark.parametrize("name", STREAMS)
async def test_where_a_stream_says_nothing_true_polling_takes_over(ews_feed: RunningFeed, name: str) -> None:
    feed = ews_feed
    for _ in range(ROUNDS):
        seen = feed.wire.poisoned
        with feed.wire.poison(
            STREAMS[name], where=lambda request: asks(request, b"<m:GetStreamingEvents"), is_asked=False
        ):
            await feed.services.streams.look()
            async with asyncio.timeout(20):
                while feed.wire.poisoned < seen + len(feed.both):
                    await asyncio.sleep(0.02)
            await feed.under(steps=2, by=TURN)
            for each in feed.both:
                mail = await feed.oracle.projection(each.connection_id, "mail")
                assert mail == await each.mailbox.messages()
            await feed.services.streams.close()
        await feed.require_converged()
