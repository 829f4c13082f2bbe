"""Over the API and the wire: a message arrives exactly once, when answers are lost and when a process dies."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from ostiary.bootstrap import application
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.mail_address import MailAddress
from ostiary.core.mail.drafts import MessageContent

from .conftest import COLLEAGUE, Office

SENDS = {AccessMethod.GRAPH: "/send", AccessMethod.EWS: "<m:SendItem"}
CREATES = {AccessMethod.GRAPH: "POST /v1.0/me/messages", AccessMethod.EWS: "<m:CreateItem"}


def mail(subject: str) -> dict[str, Any]:
    return {"subject": subject, "to": [{"address": COLLEAGUE}], "text": "Hello Dana."}


def some_subject() -> str:
    return f"Offer {uuid.uuid4().hex[:8]}"


async def test_key_makes_a_send_happen_once(office: Office) -> None:
    subject, key = some_subject(), {"Idempotency-Key": uuid.uuid4().hex}

    first = await office.api.post(f"{office.path}/send", json=mail(subject), headers=key)
    second = await office.api.post(f"{office.path}/send", json=mail(subject), headers=key)

    assert (first.status_code, second.status_code) == (202, 202), first.text
    assert first.json() == second.json()
    assert first.json()["delivery"] == "sent"
    assert (first.json()["message_id"] is None) == (office.connection.method is AccessMethod.EWS)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert office.arrived_count(subject) == 1


async def test_lost_answer_of_a_send_is_found_out(office: Office) -> None:
    subject = some_subject()
    office.link.lose(SENDS[office.connection.method])

    answer = await office.api.post(
        f"{office.path}/send", json=mail(subject), headers={"Idempotency-Key": uuid.uuid4().hex}
    )

    assert office.link.lost.is_set()
    assert answer.status_code == 202, answer.text
    assert office.link.passed_count == 1
    assert office.arrived_count(subject) == 1


async def test_lost_answer_of_the_draft_makes_no_second_message(office: Office) -> None:
    subject, key = some_subject(), {"Idempotency-Key": uuid.uuid4().hex}
    office.link.lose(CREATES[office.connection.method])
    failed = await office.api.post(f"{office.path}/send", json=mail(subject), headers=key)
    assert (failed.status_code, failed.json()["code"]) == (503, "temporarily_unavailable")

    repeated = await office.api.post(f"{office.path}/send", json=mail(subject), headers=key)

    assert repeated.status_code == 202
    assert office.arrived_count(subject) == 1
    drafts = await office.api.get(f"{office.path}/messages", params={"folder": "drafts", "limit": "100"})
    assert subject not in [each["subject"] for each in drafts.json()["items"]]


@pytest.mark.parametrize("office", [AccessMethod.GRAPH], indirect=True)
async def test_lost_answer_of_a_draft_that_is_kept_makes_no_second_one(office: Office) -> None:
    subject, key = some_subject(), {"Idempotency-Key": uuid.uuid4().hex}
    office.link.lose(CREATES[office.connection.method])
    failed = await office.api.post(f"{office.path}/drafts", json=mail(subject), headers=key)
    repeated = await office.api.post(f"{office.path}/drafts", json=mail(subject), headers=key)

    assert (failed.status_code, repeated.status_code) == (503, 201)
    drafts = await office.api.get(f"{office.path}/messages", params={"folder": "drafts", "limit": "100"})
    assert [each["subject"] for each in drafts.json()["items"]].count(subject) == 1


async def test_process_that_dies_in_between_leaves_one_message(
    office: Office, emulator_settings: Any
) -> None:
    """The send is done and its answer never comes; the process ends. Another one is asked the same."""
    subject = some_subject()
    office.link.lose(SENDS[office.connection.method], hangs=True)
    act = {
        "organization_id": "org_1",
        "act_key": ("key_1", "/send", uuid.uuid4().hex),
    }
    content = MessageContent(subject=subject, to=(MailAddress(COLLEAGUE),), text="Hello Dana.")
    async with application(emulator_settings, clock=office.company.app.clock) as doomed:
        dying = asyncio.create_task(doomed.mail_sending.send(office.connection.id, content, **act))
        await asyncio.wait_for(office.link.lost.wait(), 30)
        dying.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await dying
    assert office.arrived_count(subject) == 1

    outcome = await office.company.app.mail_sending.send(office.connection.id, content, **act)

    assert outcome.internet_message_id is not None
    assert office.link.passed_count == 1
    assert office.arrived_count(subject) == 1


@pytest.mark.parametrize("office", [AccessMethod.EWS], indirect=True)
async def test_draft_with_a_file_is_sent_once_and_not_again(office: Office) -> None:
    subject = some_subject()
    draft = (await office.api.post(f"{office.path}/drafts", json=mail(subject))).json()
    attached = await office.api.post(
        f"{office.path}/messages/{draft['id']}/attachments",
        params={"name": "offer.pdf", "content_type": "application/pdf"},
        content=b"%PDF-1.7 not really",
    )
    assert attached.status_code == 201, attached.text

    sent = await office.api.post(f"{office.path}/messages/{draft['id']}/send", json={})
    again = await office.api.post(f"{office.path}/messages/{draft['id']}/send", json={})

    assert sent.status_code == 202, sent.text
    assert again.status_code in (404, 409)
    assert office.arrived_count(subject) == 1


@pytest.mark.parametrize("office", [AccessMethod.GRAPH], indirect=True)
async def test_copy_and_upload_whose_answer_was_lost_are_told_as_unknown_and_done_once(
    office: Office,
) -> None:
    draft = (await office.api.post(f"{office.path}/drafts", json=mail(subject := some_subject()))).json()
    path = f"{office.path}/messages/{draft['id']}"

    async def outcome(call: str, **request: Any) -> list[tuple[int, str]]:
        key = {"Idempotency-Key": uuid.uuid4().hex}
        answers = [await office.api.post(f"{path}/{call}", headers=key, **request) for _ in range(3)]
        return [(each.status_code, each.json()["code"]) for each in answers]

    unknown = (409, "idempotent_outcome_unknown")
    lost = [(503, "temporarily_unavailable"), unknown, unknown]
    office.link.lose("/attachments")
    assert await outcome("attachments", params={"name": "a.txt"}, content=b"abc") == lost
    office.link.lose("/copy")
    assert await outcome("copy", json={"folder": "archive"}) == lost

    attached = (await office.api.get(path)).json()["attachments"]
    archived = await office.api.get(f"{office.path}/messages", params={"folder": "archive"})
    assert [each["name"] for each in attached] == ["a.txt"]
    assert [each["subject"] for each in archived.json()["items"]].count(subject) == 1


@pytest.mark.parametrize("office", [AccessMethod.EWS], indirect=True)
async def test_message_to_nobody_says_what_is_missing(office: Office) -> None:
    answer = await office.api.post(f"{office.path}/send", json={"subject": some_subject(), "to": []})

    assert answer.status_code == 400, answer.text
    assert "recipient" in answer.json()["detail"]


@pytest.mark.parametrize("office", [AccessMethod.GRAPH], indirect=True)
async def test_what_cannot_be_sent_is_refused_before_microsoft(office: Office) -> None:
    office.link.lose("/me/messages", times=0)
    dana = [{"address": COLLEAGUE}]
    for body in (
        {"to": [{"address": "a@b.example\r\nBcc: x@y.example"}]},
        {"to": [{"address": "no address"}]},
        {"subject": "a\r\nBcc: x@y.example", "to": dana},
        {"text": "a", "html": "b", "to": dana},
        {"to": dana, "send_at": "2020-01-01T00:00:00Z"},
        {"to": dana, "unknown": 1},
    ):
        answer = await office.api.post(f"{office.path}/send", json=body)
        assert answer.status_code == 400, answer.text

    assert office.link.passed_count == 0


async def test_scheduled_send_whose_answer_was_lost_arrives_once_and_at_its_time(
    office: Office, move_time: Callable[[timedelta], None]
) -> None:
    subject, key = some_subject(), {"Idempotency-Key": uuid.uuid4().hex}
    body = mail(subject) | {"send_at": "2026-11-24T14:00:00Z"}
    office.link.lose(SENDS[office.connection.method])

    first = await office.api.post(f"{office.path}/send", json=body, headers=key)
    second = await office.api.post(f"{office.path}/send", json=body, headers=key)

    assert office.link.lost.is_set()
    assert (first.status_code, second.status_code) == (202, 202), first.text
    assert first.json()["delivery"] == "scheduled"
    assert office.arrived_count(subject) == 0
    move_time(timedelta(hours=3))
    assert office.arrived_count(subject) == 1


async def test_scheduled_send_to_no_address_is_refused_before_it_is_handed_over(office: Office) -> None:
    subject = some_subject()
    body = mail(subject) | {"to": [{"address": "nobody"}], "send_at": "2026-11-24T14:00:00Z"}
    office.link.lose(CREATES[office.connection.method], times=0)

    answer = await office.api.post(f"{office.path}/send", json=body)

    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["field"].startswith("to.0")
    assert office.link.passed_count == 0
