"""The check that all other Graph tests lean on: it is here, and it finds what is wrong."""

from __future__ import annotations

import pytest
from graph_client import GraphClient

from graph_conformance import WHY_NOT, find_check


def test_metadata_check_is_here_and_finds_what_is_wrong(client: GraphClient) -> None:
    check = find_check()
    if check is None:
        pytest.skip(WHY_NOT)
    message = client.get("/me/messages?$top=1")["value"][0]
    assert check(message, "message") == []
    assert check(message | {"isRead": "yes"}, "message")
    assert check(message | {"receivedDateTime": "yesterday"}, "message")
