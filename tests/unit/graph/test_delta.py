"""Pages of Graph's delta queries: where they lead, and what their entries say."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary.adapters.graph.client import GraphClient
from ostiary.adapters.graph.codec import changes
from ostiary.adapters.graph.delta import links
from ostiary.core.kernel.errors import ProviderContractBroken
from ostiary.core.sync.model import ItemKind

HOST = "https://graph.microsoft.com"


class NoNetwork:
    """A session that must not be used."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"nothing may be sent ({name})")


@pytest.fixture
def client() -> GraphClient:
    return GraphClient(NoNetwork(), host_url=HOST)  # type: ignore[arg-type]


def test_each_page_has_one_link(client: GraphClient) -> None:
    following = f"{HOST}/v1.0/me/messages/delta?$skiptoken=a"
    assert links(client, {"@odata.nextLink": following}) == (following, False)
    ended = f"{HOST}/v1.0/me/messages/delta?$deltatoken=b"
    assert links(client, {"@odata.deltaLink": ended}) == (ended, True)
    with pytest.raises(ProviderContractBroken):
        links(client, {"value": []})


@pytest.mark.parametrize("name", ["@odata.nextLink", "@odata.deltaLink"])
@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/v1.0/me/messages/delta?$skiptoken=a",
        "http://graph.microsoft.com/v1.0/me",
        "https://graph.microsoft.com@evil.example/v1.0/me",
        "https://graph.microsoft.com/beta/me",
        "https://graph.microsoft.com/v1.0/../beta/me",
        "//evil.example/v1.0/me",
        42,
    ],
)
def test_links_to_other_hosts_are_refused_before_anything_is_sent(
    client: GraphClient, name: str, link: Any
) -> None:
    with pytest.raises(ProviderContractBroken):
        links(client, {name: link})


def test_versions_come_from_the_change_key_or_the_etag() -> None:
    assert changes.version({"changeKey": "CQAA"}) == "CQAA"
    assert changes.version({"@odata.etag": 'W/"CQAB"'}) == "CQAB"
    assert changes.version({"@odata.etag": "CQAB"}) is None
    assert changes.version({}) is None
    with pytest.raises(ProviderContractBroken):
        changes.message({"id": "m"})


def test_sparse_occurrences_point_at_their_series() -> None:
    found = changes.event(
        {
            "id": "o",
            "type": "occurrence",
            "seriesMasterId": "s",
            "start": {"dateTime": "2026-12-01T10:00:00.0000000", "timeZone": "UTC"},
        },
        folder_id="c",
    )
    assert (found.kind, found.series_id, found.folder_id, found.version) == (
        ItemKind.OCCURRENCE,
        "s",
        "c",
        "",
    )
    assert found.starts_at is not None
    assert changes.event({"id": "e", "type": "seriesMaster", "changeKey": "k"}).kind is ItemKind.SERIES
