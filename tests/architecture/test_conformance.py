"""The check of recorded exchanges notices what it is there to notice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .. import conformance

ENVELOPE = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"'
    ' xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><s:Body>{}</s:Body></s:Envelope>'
)
GET_FOLDER = (
    "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>"
    '<m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>'
)
UPSIDE_DOWN = (
    '<m:GetFolder><m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds>'
    "<m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape></m:GetFolder>"
)


@pytest.fixture(autouse=True)
def checkers() -> None:
    if conformance.find_checker("graph_schema") is None or conformance.find_checker("ews_schema") is None:
        pytest.skip("Microsoft's schemas are not here (set M365_CONFORMANCE to their folder)")


def exchange(path: str, **changes: Any) -> dict[str, Any]:
    return {
        "method": "GET",
        "path": path,
        "status": 200,
        "fault": None,
        "request_body": "",
        "response_headers": {"content-type": "application/json"},
        "response_body": "{}",
    } | changes


def wrong_in(tmp_path: Path, *exchanges: dict[str, Any]) -> list[str]:
    record = tmp_path / "exchanges"
    record.write_text("".join(json.dumps(each) + "\n" for each in exchanges))
    return conformance.violations(record)


def test_good_exchanges_pass(tmp_path: Path) -> None:
    good = exchange("/v1.0/me", response_body='{"id": "1", "displayName": "Tom Ellis"}')
    asked = exchange("/EWS/Exchange.asmx", method="POST", request_body=ENVELOPE.format(GET_FOLDER))
    assert wrong_in(tmp_path, good, asked) == []


def test_unknown_property_in_an_answer_is_found(tmp_path: Path) -> None:
    (found,) = wrong_in(tmp_path, exchange("/v1.0/me/mailFolders", response_body='{"colour": "red"}'))
    assert "colour" in found


def test_wrong_order_in_a_request_is_found(tmp_path: Path) -> None:
    asked = exchange("/EWS/Exchange.asmx", method="POST", request_body=ENVELOPE.format(UPSIDE_DOWN))
    assert "FolderShape" in "".join(wrong_in(tmp_path, asked))


def test_path_without_a_known_type_is_not_passed_over(tmp_path: Path) -> None:
    (found,) = wrong_in(tmp_path, exchange("/v1.0/me/novelties", response_body='{"value": []}'))
    assert "no type is known" in found


def test_wrong_property_in_a_request_is_found(tmp_path: Path) -> None:
    asked = exchange("/v1.0/me/mailFolders", method="POST", status=201, request_body='{"colour": "red"}')
    assert "colour" in "".join(wrong_in(tmp_path, asked))
    changed = exchange("/v1.0/me/messages/AAk", method="PATCH", request_body='{"isRead": "yes"}')
    assert "isRead" in "".join(wrong_in(tmp_path, changed))


def test_parameters_of_actions_are_checked_by_their_own_type(tmp_path: Path) -> None:
    good = '{"message": {"subject": "a"}, "comment": "b"}'
    path = "/v1.0/me/messages/AAk/createReply"
    assert wrong_in(tmp_path, exchange(path, method="POST", status=201, request_body=good)) == []
    bad = good.replace('"a"', "1")
    (found,) = wrong_in(tmp_path, exchange(path, method="POST", status=201, request_body=bad))
    assert "subject" in found


def test_parts_of_a_batch_are_checked_one_by_one(tmp_path: Path) -> None:
    asked = json.dumps(
        {"requests": [{"id": "1", "method": "GET", "url": "/me/mailFolders/inbox?$select=id"}]}
    )
    answer = json.dumps({"responses": [{"id": "1", "status": 200, "body": {"colour": "red"}}]})
    batch = exchange("/v1.0/$batch", method="POST", request_body=asked, response_body=answer)
    (found,) = wrong_in(tmp_path, batch)
    assert "colour" in found


def test_injected_faults_are_left_out(tmp_path: Path) -> None:
    garbage = exchange("/v1.0/me", fault="garbage", response_body="not json at all")
    assert wrong_in(tmp_path, garbage) == []
