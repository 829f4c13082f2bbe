"""Mail over the API: every call once, over both methods, as a product would use it."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from structlog.testing import capture_logs

from ostiary.core.access.model import Permission
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.access_method import AccessMethod

from .conftest import COLLEAGUE, Office


async def newest(office: Office) -> dict[str, Any]:
    page = await office.api.get(f"{office.path}/messages", params={"limit": "1"})
    (message,) = page.json()["items"]
    return dict(message)


async def test_reading_searching_and_showing(office: Office) -> None:
    message = await newest(office)
    path = f"{office.path}/messages/{message['id']}"

    tree = (await office.api.get(f"{office.path}/folder-tree")).json()["items"]
    assert ["Inbox"] in [each["path"] for each in tree]
    assert {each["well_known"] for each in tree} >= {"inbox", "drafts", "sent", "deleted"}

    by_sender = await office.api.get(
        f"{office.path}/messages", params={"from": message["sender"]["address"], "limit": "100"}
    )
    assert message["id"] in [each["id"] for each in by_sender.json()["items"]]
    everywhere = await office.api.get(
        f"{office.path}/messages",
        params={"folder": "all", "q": message["subject"].split()[0], "since": "2026-01-01T00:00:00Z"},
    )
    assert everywhere.status_code == 200, everywhere.text
    text = (await office.api.get(path, params={"body": "text"})).json()
    assert (text["html"], bool(text["text"])) == (None, True)
    safe = (await office.api.get(f"{path}/safe-html")).json()
    assert safe["html"]
    assert "<script" not in safe["html"]
    thread = (await office.api.get(f"{path}/thread")).json()["items"]
    assert message["id"] in [each["id"] for each in thread]
    mime = await office.api.get(f"{path}/mime")
    assert mime.headers["content-disposition"] == 'attachment; filename="message.eml"'
    assert b"\r\nSubject: " in b"\r\n" + mime.content

    backwards = await office.api.get(
        f"{office.path}/messages",
        params={"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
    )
    assert (backwards.status_code, backwards.json()["errors"]) == (400, [{"field": "until"}])

    answer = (await office.api.get(f"{office.path}/capabilities")).json()
    is_graph = office.connection.method is AccessMethod.GRAPH
    assert answer["method"] == office.connection.method.value
    assert answer["mail"]["stable_message_ids"] is is_graph
    assert answer["mail"]["html_is_sanitized_by_provider"] is is_graph
    assert answer["mail"]["search_order"] == ("newest_first" if is_graph else "by_folder")


async def test_marking_and_filing(office: Office) -> None:
    message = await newest(office)
    path = f"{office.path}/messages/{message['id']}"
    whole = await office.api.get(path)

    marked = await office.api.patch(
        path,
        json={"is_read": True, "flag": "flagged", "categories": ["Customers"]},
        headers={"If-Match": whole.headers["etag"]},
    )
    assert marked.status_code == 200, marked.text
    assert (marked.json()["is_read"], marked.json()["flag"], marked.json()["categories"]) == (
        True,
        "flagged",
        ["Customers"],
    )
    stale = await office.api.patch(path, json={"is_read": False}, headers={"If-Match": whole.headers["etag"]})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_changed")
    fresh = await office.api.get(path)
    assert fresh.headers["etag"] == marked.headers["etag"]
    content = await office.api.patch(path, json={"subject": "Rewritten"})
    assert (content.status_code, content.json()["code"]) == (409, "not_a_draft")

    copied = await office.api.post(f"{path}/copy", json={"folder": "archive"})
    assert copied.status_code == 201, copied.text
    moved = await office.api.post(f"{path}/move", json={"folder": "archive"})
    assert moved.status_code == 200, moved.text
    archive = await office.api.get(f"{office.path}/messages", params={"folder": "archive"})
    ids = {each["id"] for each in archive.json()["items"]}
    assert {copied.json()["id"], moved.json()["id"]} <= ids
    for each in ids:
        gone = await office.api.delete(f"{office.path}/messages/{each}", params={"for_good": "true"})
        assert (gone.status_code, gone.content) == (204, b"")
    archive = await office.api.get(f"{office.path}/messages", params={"folder": "archive"})
    assert archive.json()["items"] == []


async def test_answer_with_an_inline_picture_and_a_large_file(office: Office) -> None:
    message = await newest(office)
    subject = f"Re: {uuid.uuid4().hex[:8]}"
    draft = await office.api.post(
        f"{office.path}/drafts",
        json={
            "subject": subject,
            "to": [{"address": COLLEAGUE, "name": "Dana Okafor"}],
            "html": '<p>See <img src="cid:chart@1"></p>',
            "answers": {"message_id": message["id"], "kind": "reply_all"},
        },
    )
    assert draft.status_code == 201, draft.text
    files = f"{office.path}/messages/{draft.json()['id']}/attachments"
    picture = await office.api.post(
        files,
        params={"name": "chart.png", "content_type": "image/png", "inline": "true", "content_id": "chart@1"},
        content=b"\x89PNG",
    )
    assert picture.status_code == 201, picture.text
    large = bytes(range(256)) * (5 * 4096)
    added = await office.api.post(files, params={"name": "Größe <1>.bin"}, content=large)
    assert added.status_code == 201, added.text

    loaded = await office.api.get(f"{files}/{added.json()['id']}", headers={"Accept-Encoding": "gzip"})
    assert loaded.content == large
    assert loaded.headers["content-type"] == "application/octet-stream"
    assert loaded.headers["content-disposition"].startswith("attachment;")
    assert loaded.headers["x-content-type-options"] == "nosniff"
    safe = (await office.api.get(f"{office.path}/messages/{draft.json()['id']}/safe-html")).json()
    assert 'src="cid:chart@1"' in safe["html"]

    removed = await office.api.delete(f"{files}/{added.json()['id']}")
    assert removed.status_code == 204
    sent = await office.api.post(f"{office.path}/messages/{draft.json()['id']}/send", json={})
    assert sent.status_code == 202, sent.text
    assert office.arrived_count(subject) == 1


@pytest.mark.parametrize("office", [AccessMethod.GRAPH], indirect=True)
async def test_upload_says_its_length_and_keeps_to_it(office: Office) -> None:
    draft = (await office.api.post(f"{office.path}/drafts", json={"subject": "Files"})).json()
    files = f"{office.path}/messages/{draft['id']}/attachments"

    async def unsaid() -> Any:
        yield b"abc"

    without = await office.api.post(files, params={"name": "a.bin"}, content=unsaid())
    assert (without.status_code, without.json()["errors"]) == (400, [{"field": "Content-Length"}])
    assert await status_of_upload(office, files, 150 * 1024**2 + 1) == 413
    assert (await office.api.get(f"{office.path}/messages/{draft['id']}")).json()["attachments"] == []


async def test_download_that_microsoft_cuts_short_is_broken_off_and_no_bug(office: Office) -> None:
    draft = (await office.api.post(f"{office.path}/drafts", json={"subject": "Files"})).json()
    files = f"{office.path}/messages/{draft['id']}/attachments"
    large = bytes(range(256)) * 4096
    added = await office.api.post(files, params={"name": "a.bin"}, content=large)
    assert added.status_code == 201, added.text
    office.link.cuts_after_bytes = 600_000

    with capture_logs() as lines, pytest.raises(httpx.RemoteProtocolError):
        await office.api.get(f"{files}/{added.json()['id']}")

    events = [line["event"] for line in lines]
    assert events.count("download_cut_short") == 1
    assert "unexpected_failure" not in events
    assert b"ostiary_downloads_cut_short_total 1.0" in office.company.app.metrics.render()


async def status_of_upload(office: Office, path: str, announced: int) -> int:
    """Announce a body, send none of it, and read how that is answered."""
    site = urlsplit(str(office.api.base_url))
    reader, writer = await asyncio.open_connection(site.hostname, site.port)
    head = (
        f"POST {path}?name=a.bin HTTP/1.1\r\nHost: {site.netloc}\r\nContent-Length: {announced}\r\n"
        f"Authorization: {office.api.headers['Authorization']}\r\n\r\n"
    )
    writer.write(head.encode())
    line = await asyncio.wait_for(reader.readline(), 20)
    writer.close()
    return int(line.split()[1])


@pytest.mark.parametrize("office", [AccessMethod.GRAPH], indirect=True)
async def test_key_that_may_only_read_changes_nothing(office: Office) -> None:
    message = await newest(office)
    path = f"{office.path}/messages/{message['id']}"
    _, key = await office.company.app.access.create_api_key(
        name="Reader", permissions=[Permission.API_MAILBOX_READ], actor=SYSTEM
    )
    office.api.headers["Authorization"] = f"Bearer {key.reveal()}"

    answers = [
        await office.api.post(f"{office.path}/send", json={"to": [{"address": COLLEAGUE}]}),
        await office.api.post(f"{office.path}/drafts", json={}),
        await office.api.patch(path, json={"is_read": True}),
        await office.api.delete(path),
        await office.api.post(f"{path}/move", json={"folder": "deleted"}),
        await office.api.post(f"{path}/attachments", params={"name": "a"}, content=b"x"),
    ]

    assert {each.status_code for each in answers} == {403}
    assert (await office.api.get(path)).status_code == 200
