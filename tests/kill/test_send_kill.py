"""SIGKILL of the service at each step of a send: repeated with its key, exactly one message arrives (RR-8)."""

from __future__ import annotations

import uuid

import httpx
import pytest
from lxml import html

from ostiary.core.kernel.failpoints import Failpoint
from ostiary.core.kernel.idempotency import RUNNING_FOR

from ..conftest import Emulator
from .conftest import KILLS, steps
from .oracle import Oracle
from .people import Crowd
from .processes import Served

SENDING = (
    Failpoint.SEND_BEGUN,
    Failpoint.SEND_DRAFT_STAMPED,
    Failpoint.SEND_DRAFT_RECORDED,
    Failpoint.SEND_ANSWER_IN_MEMORY,
    Failpoint.SEND_ANSWER_STORED,
)
SAMPLE = (Failpoint.SEND_DRAFT_STAMPED, Failpoint.SEND_ANSWER_IN_MEMORY)
ON_RECORD = {
    Failpoint.SEND_BEGUN: "preparing",
    Failpoint.SEND_DRAFT_STAMPED: "preparing",
    Failpoint.SEND_DRAFT_RECORDED: "sending",
    Failpoint.SEND_ANSWER_IN_MEMORY: "sending",
    Failpoint.SEND_ANSWER_STORED: "sent",
}
"""What the database must say of the act by then, or a repetition might make a second draft."""


async def arrived_count(crowd: Crowd, emulator: Emulator, address: str, subject: str) -> int:
    """How often a message lies in an inbox, as the emulator itself shows it."""
    page = await crowd.client.get(f"{emulator.url}/mailboxes/{address}")
    return [str(each) for each in html.fromstring(page.text).xpath("//tbody//a/text()")].count(subject)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("point", steps(SENDING, SAMPLE))
async def test_killed_at_a_step_of_a_send_one_message_arrives_once_the_call_is_repeated(
    point: Failpoint, crowd: Crowd, served: Served, oracle: Oracle, running_emulator: Emulator
) -> None:
    customer = await crowd.customer(approved=True)
    connection_id = await crowd.connected(customer)
    path = f"/v1/connections/{connection_id}"
    state = "SELECT state FROM mail_sends WHERE connection_id = :c ORDER BY created_at DESC LIMIT 1"
    for _ in range(KILLS or 1):
        subject, key = f"Offer {uuid.uuid4().hex[:8]}", {"Idempotency-Key": uuid.uuid4().hex}
        mail = {"subject": subject, "to": [{"address": customer.admin}], "text": "Hello."}
        served.folder.arm(point)
        with pytest.raises(httpx.TransportError):
            await crowd.api.post(f"{path}/send", json=mail, headers=key)
        await served.died()
        await served.start()
        assert await oracle.value(state, c=connection_id) == ON_RECORD[point]

        # Nobody knows yet that the first call is dead, and two must not run at once.
        early = await crowd.api.post(f"{path}/send", json=mail, headers=key)
        assert (early.status_code, early.json()["code"]) == (409, "idempotent_call_running")
        await oracle.change(
            "UPDATE idempotency_keys SET claimed_at = claimed_at - make_interval(secs => :s) WHERE key = :k",
            s=RUNNING_FOR.total_seconds(),
            k=key["Idempotency-Key"],
        )
        repeated = await crowd.api.post(f"{path}/send", json=mail, headers=key)

        assert (repeated.status_code, repeated.json()["delivery"]) == (202, "sent"), repeated.text
        assert await arrived_count(crowd, running_emulator, customer.admin, subject) == 1
        drafts = await crowd.api.get(f"{path}/messages", params={"folder": "drafts"})
        assert subject not in [each["subject"] for each in drafts.json()["items"]]
        assert await oracle.value(state, c=connection_id) == "sent"
