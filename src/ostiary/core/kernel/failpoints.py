"""Named moments at which tests kill, hang or fail a process, to see what is left (RR-8, RR-10).

In a running service nothing listens, and passing such a moment costs one comparison. Only tests install a handler;
see :mod:`ostiary.failpoint_folder` for the one that processes of their own get.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum


class Failpoint(StrEnum):
    """One moment each; the name says what has just happened.

    Every one of them is killed at by a row of ``tests/kill``, or a test there fails.
    """

    CONSENT_RECEIVED = "consent.received"
    CONSENT_STATE_CONSUMED = "consent.state_consumed"
    CONSENT_ID_TOKEN_VERIFIED = "consent.id_token_verified"
    CONSENT_EVIDENCE_FETCHED = "consent.evidence_fetched"
    CONSENT_BINDING_WRITTEN = "consent.binding_written"
    """Everything is written, nothing is committed."""
    CONSENT_BINDING_COMMITTED = "consent.binding_committed"
    CONSENT_RESPONSE_SENT = "consent.response_sent"

    CONNECT_STATE_CONSUMED = "connect.state_consumed"
    CONNECT_RESPONSE_IN_MEMORY = "connect.response_in_memory"
    CONNECT_STORED_UNCONFIRMED = "connect.stored_unconfirmed"
    CONNECT_REDIRECTED = "connect.redirected"
    CONNECT_EVENT_QUEUED = "connect.event_queued"
    """The connection is marked as usable and its event is queued, nothing is committed."""
    CONNECT_CONFIRMED = "connect.confirmed"

    TOKEN_REQUEST_SENT = "token.request_sent"
    """Microsoft has decided on a code or refresh token; of the answer nothing was read."""
    TOKEN_RESPONSE_READ = "token.response_read"
    """The answer is in memory, its ID token not verified."""

    REFRESH_LEASE_TAKEN = "refresh.lease_taken"
    REFRESH_RESPONSE_IN_MEMORY = "refresh.response_in_memory"
    REFRESH_STORED = "refresh.stored"
    REFRESH_LEASE_RELEASED = "refresh.lease_released"

    DISCONNECT_UNSUBSCRIBE_SENT = "disconnect.unsubscribe_sent"
    """Microsoft was asked to tell us no more of the mailbox; nothing here says so."""
    DISCONNECT_LEFT = "disconnect.left"
    """Microsoft tells us no more of the mailbox, or had the time to be asked; the tokens are still there."""
    DISCONNECT_MARKED = "disconnect.marked"
    """Tokens are deleted and the connection is marked, nothing is committed."""
    DISCONNECT_PURGED = "disconnect.purged"
    DISCONNECT_RECEIPT_SENT = "disconnect.receipt_sent"

    ERASE_MARKED = "erase.marked"
    """The tokens are gone, the organization is frozen, and the job that ends the erasure is queued."""
    ERASE_KEYS_SHREDDED = "erase.keys_shredded"
    ERASE_ROWS_DELETED = "erase.rows_deleted"
    """Every row is deleted, nothing is committed."""
    ERASE_PURGED = "erase.purged"

    REWRAP_BATCH_READ = "rewrap.batch_read"
    REWRAP_WRAPPED = "rewrap.wrapped"
    REWRAP_COMMITTED = "rewrap.committed"

    INGEST_BODY_READ = "ingest.body_read"
    INGEST_WRITTEN = "ingest.written"
    """What a post says is written, nothing is committed."""
    INGEST_COMMITTED = "ingest.committed"
    INGEST_ANSWER_SENT = "ingest.answer_sent"

    FOLLOW_CLAIMED = "follow.claimed"
    FOLLOW_PAGE_FETCHED = "follow.page_fetched"
    FOLLOW_PAGE_WRITTEN = "follow.page_written"
    """Projection, events and cursor are written, nothing is committed."""
    FOLLOW_PAGE_COMMITTED = "follow.page_committed"
    FOLLOW_CONTENT_READ = "follow.content_read"
    """What notices named was asked of Microsoft, nothing of it is applied."""
    FOLLOW_RESET = "follow.reset"
    """Microsoft forgot the cursor, and the folder is marked to be listed anew."""
    FOLLOW_APPLIED = "follow.applied"
    """Everything is applied and told, the claim is not handed back."""
    FOLLOW_DONE = "follow.done"

    SEND_BEGUN = "send.begun"
    """The act is on record; Microsoft was asked for nothing yet."""
    SEND_DRAFT_STAMPED = "send.draft_stamped"
    """A draft with the act's stamp lies in the mailbox; no row says which one."""
    SEND_DRAFT_RECORDED = "send.draft_recorded"
    """It is on record which draft is handed over now."""
    SEND_ANSWER_IN_MEMORY = "send.answer_in_memory"
    """Microsoft took the draft; nothing here says so."""
    SEND_ANSWER_STORED = "send.answer_stored"
    """The act is on record as done; the caller has no answer."""

    DELIVERY_QUEUED = "delivery.queued"
    """Deliveries are written beside their events, nothing is committed."""
    DELIVERY_CLAIMED = "delivery.claimed"
    DELIVERY_ANSWERED = "delivery.answered"
    """The endpoint has answered, nothing of that is stored."""
    DELIVERY_MARKED = "delivery.marked"

    SUBSCRIPTION_CREATE_SENT = "subscription.create_sent"
    """Microsoft was asked for one and asks back whether the address is ours."""
    SUBSCRIPTION_CREATED = "subscription.created"
    """Microsoft made it, its id is in memory."""
    SUBSCRIPTION_RENEWED = "subscription.renewed"
    """Microsoft gave it a new end, which is in memory."""
    SUBSCRIPTION_SAVED = "subscription.saved"


Handler = Callable[[Failpoint], Awaitable[None]]

_handler: Handler | None = None


async def hit(point: Failpoint) -> None:
    """Say that this moment has come. Does nothing unless a test installed a handler."""
    if _handler is not None:
        await _handler(point)


def install(handler: Handler | None) -> None:
    """Let ``handler`` act at every failpoint of this process; None makes them inert again. For tests alone."""
    # One for the process on purpose: passing it through every service would make the product pay for its tests.
    global _handler
    _handler = handler
