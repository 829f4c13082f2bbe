"""Subscriptions: pull, streaming and push."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue

import pytest
from lxml import etree

from m365_emulator.ews.state import state_of
from m365_emulator.world.mailbox import DeleteMode, Message, Recipient
from m365_emulator.world.mailbox.drafting import create_draft
from m365_emulator.world.snapshot import dump, restore

DANA = Recipient("Dana Okafor", "dana.okafor@harbourvale.example")
EVENTS = "".join(
    f"<t:EventType>{name}</t:EventType>"
    for name in (
        "CopiedEvent",
        "CreatedEvent",
        "DeletedEvent",
        "ModifiedEvent",
        "MovedEvent",
        "NewMailEvent",
        "FreeBusyChangedEvent",
    )
)
INBOX = '<t:FolderIds><t:DistinguishedFolderId Id="inbox"/></t:FolderIds>'


def subscribe(
    kind: str, tail: str, *, folders: str = INBOX, attributes: str = "", events: str = EVENTS
) -> str:
    return (
        f"<m:Subscribe><m:{kind}SubscriptionRequest{attributes}>{folders}<t:EventTypes>{events}</t:EventTypes>{tail}"
        f"</m:{kind}SubscriptionRequest></m:Subscribe>"
    )


def pull(client, **options) -> tuple[str, str]:
    response = client.call(subscribe("Pull", "<t:Timeout>10</t:Timeout>", **options))
    assert client.codes(response) == ["NoError"]
    return client.text(response, ".//m:SubscriptionId"), client.text(response, ".//m:Watermark")


def get_events(client, subscription: str, watermark: str, **options):
    return client.call(
        f"<m:GetEvents><m:SubscriptionId>{subscription}</m:SubscriptionId><m:Watermark>{watermark}</m:Watermark></m:GetEvents>",
        **options,
    )


def kinds(response) -> list[str]:
    return [
        etree.QName(node).localname
        for node in response.iter()
        if isinstance(node.tag, str) and node.tag.endswith("Event")
    ]


def test_each_change_of_a_watched_folder_is_told_as_its_own_event(client):
    mailbox = client.mailbox()
    inbox = mailbox.well_known("inbox")
    first, second, third = list(inbox.items.values())[:3]
    subscription, watermark = pull(client)
    create_draft(mailbox, Message(subject="n", to=(DANA,)), inbox)
    mailbox.update(first, {"is_read": not first.is_read})
    mailbox.copy(first, inbox)
    mailbox.move(second, mailbox.well_known("archive"))
    mailbox.delete(third, DeleteMode.HARD)
    response = get_events(client, subscription, watermark)
    assert kinds(response) == ["CreatedEvent", "ModifiedEvent", "CopiedEvent", "MovedEvent", "DeletedEvent"]
    moved = client.one(response, ".//t:MovedEvent")
    assert client.one(moved, "t:ParentFolderId").get("Id") == mailbox.ids.folder_ews_id(
        mailbox.well_known("archive").number
    )
    assert client.one(moved, "t:OldParentFolderId").get("Id") == mailbox.ids.folder_ews_id(inbox.number)
    assert client.one(moved, "t:ItemId").get("Id") == mailbox.ids.ews_id(second.folder.number, second.entry)


def test_delivery_is_told_as_created_and_as_new_mail(client):
    subscription, watermark = pull(client)
    client.call(
        '<m:CreateItem MessageDisposition="SendAndSaveCopy"><m:Items><t:Message><t:Subject>Hello</t:Subject><t:ToRecipients>'
        "<t:Mailbox><t:EmailAddress>tom.ellis@harbourvale.example</t:EmailAddress></t:Mailbox></t:ToRecipients></t:Message>"
        "</m:Items></m:CreateItem>",
        as_user=DANA.address,
    )
    assert kinds(get_events(client, subscription, watermark)) == ["CreatedEvent", "NewMailEvent"]


def test_a_move_between_watched_folders_is_told_once(client):
    subscription, watermark = pull(client, folders="", attributes=' SubscribeToAllFolders="true"')
    mailbox = client.mailbox()
    mailbox.move(next(iter(mailbox.well_known("inbox").items.values())), mailbox.well_known("archive"))
    assert kinds(get_events(client, subscription, watermark)) == ["MovedEvent"]


def test_only_the_events_asked_for_are_told(client):
    subscription, watermark = pull(client, events="<t:EventType>DeletedEvent</t:EventType>")
    mailbox = client.mailbox()
    first, second = list(mailbox.well_known("inbox").items.values())[:2]
    mailbox.update(first, {"subject": "x"})
    mailbox.delete(second, DeleteMode.HARD)
    assert kinds(get_events(client, subscription, watermark)) == ["DeletedEvent"]


def test_quiet_is_told_with_a_status_event_and_watermarks_move_on(client):
    subscription, watermark = pull(client)
    quiet = get_events(client, subscription, watermark)
    assert kinds(quiet) == ["StatusEvent"]
    create_draft(client.mailbox(), Message(subject="n", to=(DANA,)), client.mailbox().well_known("inbox"))
    told = get_events(client, subscription, client.text(quiet, ".//t:StatusEvent/t:Watermark"))
    assert kinds(told) == ["CreatedEvent"]
    assert kinds(get_events(client, subscription, client.text(told, ".//t:CreatedEvent/t:Watermark"))) == [
        "StatusEvent"
    ]
    assert kinds(get_events(client, subscription, watermark)) == ["CreatedEvent"], (
        "an old watermark tells it again"
    )


def test_folders_made_inside_a_watched_folder_are_told(client):
    subscription, watermark = pull(client)
    mailbox = client.mailbox()
    folder = mailbox.create_folder(mailbox.well_known("inbox"), "Watched")
    response = get_events(client, subscription, watermark)
    assert client.one(response, ".//t:CreatedEvent/t:FolderId").get("Id") == mailbox.ids.folder_ews_id(
        folder.number
    )


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (subscribe("Pull", "<t:Timeout>10</t:Timeout>", folders=""), "ErrorInvalidSubscriptionRequest"),
        (
            subscribe("Pull", "<t:Timeout>10</t:Timeout>", attributes=' SubscribeToAllFolders="true"'),
            "ErrorInvalidSubscriptionRequest",
        ),
        (
            subscribe("Pull", "<t:Watermark>bm90IG9uZQ==</t:Watermark><t:Timeout>10</t:Timeout>"),
            "ErrorInvalidWatermark",
        ),
        (
            subscribe("Push", "<t:StatusFrequency>1</t:StatusFrequency><t:URL>ftp://x.example/</t:URL>"),
            "ErrorInvalidPushSubscriptionUrl",
        ),
    ],
)
def test_wrong_subscriptions_are_refused(client, body, code):
    assert client.codes(client.call(body)) == [code]


def test_subscriptions_end_when_unsubscribed_expired_or_lost(client):
    subscription, watermark = pull(client)
    end = f"<m:Unsubscribe><m:SubscriptionId>{subscription}</m:SubscriptionId></m:Unsubscribe>"
    assert client.codes(client.call(end)) == ["NoError"]
    assert client.codes(client.call(end)) == ["ErrorSubscriptionNotFound"]
    subscription, watermark = pull(client)
    client.advance(minutes=11)
    assert client.codes(get_events(client, subscription, watermark)) == ["ErrorSubscriptionNotFound"]
    subscription, watermark = pull(client)
    assert state_of(client.world).subscriptions.lose_all() == 1
    assert client.codes(get_events(client, subscription, watermark)) == ["ErrorSubscriptionNotFound"]


def test_the_log_forgetting_is_told_as_event_not_found(client):
    subscription, watermark = pull(client)
    mailbox = client.mailbox()
    create_draft(mailbox, Message(subject="n", to=(DANA,)))
    mailbox.log.forget(mailbox.change_number)
    assert client.codes(get_events(client, subscription, watermark)) == ["ErrorEventNotFound"]


def test_twenty_subscriptions_are_the_limit(client):
    for _ in range(20):
        pull(client)
    response = client.call(subscribe("Pull", "<t:Timeout>10</t:Timeout>"))
    assert client.codes(response) == ["ErrorExceededSubscriptionCount"]


class Stream:
    """Reads a streaming answer in a thread, one envelope after another."""

    def __init__(self, client, subscription: str, minutes: int = 1) -> None:
        self.client = client
        self.envelopes: Queue[etree._Element | None] = Queue()
        self._body = (
            f"<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>{subscription}</t:SubscriptionId></m:SubscriptionIds>"
            f"<m:ConnectionTimeout>{minutes}</m:ConnectionTimeout></m:GetStreamingEvents>"
        )
        self._token = client.token()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        envelope = (
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
            'xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types" '
            'xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages">'
            f"<s:Body>{self._body}</s:Body></s:Envelope>"
        )
        headers = {"Authorization": f"Bearer {self._token}"}
        with self.client.http.stream(
            "POST", "/EWS/Exchange.asmx", content=envelope, headers=headers
        ) as response:
            waiting = b""
            for chunk in response.iter_bytes():
                waiting += chunk
                while b"</s:Envelope>" in waiting:
                    whole, _, waiting = waiting.partition(b"</s:Envelope>")
                    document = whole + b"</s:Envelope>"
                    assert self.client.violations(document) == []
                    self.envelopes.put(etree.fromstring(document))
        self.envelopes.put(None)

    def next(self):
        return self.envelopes.get(timeout=10)

    def status(self) -> str:
        return self.next().findtext(".//{*}ConnectionStatus", "")


def streaming(client) -> str:
    response = client.call(subscribe("Streaming", ""))
    assert client.codes(response) == ["NoError"]
    assert response.find(".//{*}Watermark") is None
    return client.text(response, ".//m:SubscriptionId")


def test_a_stream_opens_at_once_tells_events_and_closes_in_its_time(client):
    stream = Stream(client, streaming(client))
    assert stream.status() == "OK"
    create_draft(client.mailbox(), Message(subject="n", to=(DANA,)), client.mailbox().well_known("inbox"))
    assert kinds(stream.next()) == ["CreatedEvent"]
    client.advance(minutes=2)
    assert stream.status() == "Closed"
    assert stream.next() is None


def test_what_happened_between_two_connections_is_told_by_the_second(client):
    subscription = streaming(client)
    first = Stream(client, subscription)
    assert first.status() == "OK"
    client.advance(minutes=2)
    assert first.status() == "Closed"
    create_draft(client.mailbox(), Message(subject="n", to=(DANA,)), client.mailbox().well_known("inbox"))
    second = Stream(client, subscription)
    assert second.status() == "OK"
    assert kinds(second.next()) == ["CreatedEvent"]
    client.advance(minutes=2)
    assert second.status() == "Closed"


def test_a_newer_connection_takes_over(client):
    subscription = streaming(client)
    first = Stream(client, subscription)
    assert first.status() == "OK"
    second = Stream(client, subscription)
    assert second.status() == "OK"
    assert first.next().findtext(".//{*}ResponseCode") == "ErrorNewEventStreamConnectionOpened"
    client.advance(minutes=2)
    assert second.status() == "Closed"


def test_a_lost_subscription_ends_its_stream_with_an_error(client):
    subscription = streaming(client)
    stream = Stream(client, subscription)
    assert stream.status() == "OK"
    state_of(client.world).subscriptions.lose_all()
    ended = stream.next()
    assert ended.findtext(".//{*}ResponseCode") == "ErrorSubscriptionNotFound"
    assert ended.findtext(".//{*}ErrorSubscriptionIds/{*}SubscriptionId") == subscription
    assert stream.next() is None


def test_wrong_ids_are_listed_at_once(client):
    subscription, _ = pull(client)
    response = client.call(
        f"<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>{subscription}</t:SubscriptionId></m:SubscriptionIds>"
        "<m:ConnectionTimeout>1</m:ConnectionTimeout></m:GetStreamingEvents>"
    )
    assert client.codes(response) == ["ErrorInvalidSubscription"]
    assert client.text(response, ".//m:ErrorSubscriptionIds/t:SubscriptionId") == subscription


class Receiver:
    """A web server that collects pushed notifications and answers them."""

    def __init__(self) -> None:
        self.received: Queue[bytes] = Queue()
        self.answer = "OK"
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.received.put(self.rfile.read(int(self.headers["Content-Length"])))
                body = (
                    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><SendNotificationResult '
                    'xmlns="http://schemas.microsoft.com/exchange/services/2006/messages">'
                    f"<SubscriptionStatus>{receiver.answer}</SubscriptionStatus></SendNotificationResult></s:Body></s:Envelope>"
                ).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/notify"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def next(self, client):
        content = self.received.get(timeout=10)
        assert client.violations(content) == []
        return etree.fromstring(content)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.server.shutdown()
    running.server.server_close()
    running.thread.join(timeout=5)


def test_pushes_begin_with_a_status_tell_events_and_stop_when_told_to(client, receiver):
    response = client.call(
        subscribe("Push", f"<t:StatusFrequency>1</t:StatusFrequency><t:URL>{receiver.url}</t:URL>")
    )
    assert client.codes(response) == ["NoError"]
    assert kinds(receiver.next(client)) == ["StatusEvent"]
    create_draft(client.mailbox(), Message(subject="n", to=(DANA,)), client.mailbox().well_known("inbox"))
    told = receiver.next(client)
    assert kinds(told) == ["CreatedEvent"]
    assert told.findtext(".//{*}SubscriptionId") == client.text(response, ".//m:SubscriptionId")
    client.advance(minutes=2)
    receiver.answer = "Unsubscribe"
    assert kinds(receiver.next(client)) == ["StatusEvent"], "silence is broken once per status frequency"
    create_draft(client.mailbox(), Message(subject="n", to=(DANA,)), client.mailbox().well_known("inbox"))
    with pytest.raises(Empty):
        receiver.received.get(timeout=1)


def test_subscriptions_outlive_a_snapshot(client, receiver):
    subscription, watermark = pull(client)
    client.call(subscribe("Push", f"<t:StatusFrequency>1</t:StatusFrequency><t:URL>{receiver.url}</t:URL>"))
    assert kinds(receiver.next(client)) == ["StatusEvent"]
    stream = Stream(client, streaming(client))
    assert stream.status() == "OK"
    restore(client.world, dump(client.world))
    assert stream.next().findtext(".//{*}ResponseCode") == "ErrorSubscriptionNotFound", "the old stream ends"
    assert kinds(get_events(client, subscription, watermark)) == ["StatusEvent"]
    assert kinds(receiver.next(client)) == ["StatusEvent"], "pushing goes on with the next request"
    create_draft(client.mailbox(), Message(subject="n", to=(DANA,)), client.mailbox().well_known("inbox"))
    assert kinds(receiver.next(client)) == ["CreatedEvent"]
    assert kinds(get_events(client, subscription, watermark)) == ["CreatedEvent"]


def test_a_reset_ends_every_subscription(client, receiver):
    client.call(subscribe("Push", f"<t:StatusFrequency>1</t:StatusFrequency><t:URL>{receiver.url}</t:URL>"))
    assert kinds(receiver.next(client)) == ["StatusEvent"]
    stream = Stream(client, streaming(client))
    assert stream.status() == "OK"
    old = client.mailbox()
    client.world.reset()
    assert stream.next().findtext(".//{*}ResponseCode") == "ErrorSubscriptionNotFound"
    create_draft(old, Message(subject="n", to=(DANA,)), old.well_known("inbox"))
    with pytest.raises(Empty):
        receiver.received.get(timeout=1)


def draft(client, subject: str) -> None:
    create_draft(client.mailbox(), Message(subject=subject, to=(DANA,)), client.mailbox().well_known("inbox"))


def test_faults_drop_and_double_what_a_stream_tells(client):
    stream = Stream(client, streaming(client))
    assert stream.status() == "OK"
    client.world.faults.add(route="ews/*/streaming", notification="drop", count=1)
    draft(client, "dropped")
    wait_until(lambda: not_left(client))
    client.world.faults.add(route="ews/tom.ellis@*", notification="double", count=1)
    draft(client, "doubled")
    first, second = stream.next(), stream.next()
    ids = [one.find(".//{*}ItemId").get("Id") for one in (first, second)]
    assert ids[0] == ids[1]
    client.advance(minutes=2)
    assert stream.status() == "Closed"


def test_faults_shuffle_and_delay_what_is_pushed(client, receiver):
    client.call(subscribe("Push", f"<t:StatusFrequency>10</t:StatusFrequency><t:URL>{receiver.url}</t:URL>"))
    assert kinds(receiver.next(client)) == ["StatusEvent"]
    client.world.faults.add(route="ews/*/push", notification="shuffle", count=1)
    draft(client, "held back")
    wait_until(lambda: not_left(client))
    draft(client, "told first")
    assert [subject_of(client, receiver.next(client)) for _ in range(2)] == ["told first", "held back"]
    client.world.faults.add(route="ews/*/push", notification="late", late_seconds=0.2, count=1)
    draft(client, "late")
    assert subject_of(client, receiver.next(client)) == "late"


def not_left(client) -> bool:
    """Return whether every fault has happened."""
    return all(rule.count == 0 for rule in client.world.faults)


def wait_until(condition) -> None:
    for _ in range(100):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("It did not happen within five seconds.")


def subject_of(client, notification) -> str:
    item_id = notification.find(".//{*}ItemId").get("Id")
    return client.text(client.get_item(item_id), "t:Subject")
