"""Change notifications over real HTTP: handshake, posts, lifecycle, encrypted data."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import queue
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.x509.oid import NameOID
from graph_client import DANA, TOM, GraphClient

from m365_emulator.pytest_plugin import RunningEmulator


class Receiver:
    """An HTTP server that answers handshakes and keeps what is posted to it."""

    def __init__(self) -> None:
        self.posts: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.statuses: list[int] = []
        self.echo: Callable[[str], tuple[int, str, str]] = lambda token: (200, "text/plain", token)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                token = parse_qs(parts.query).get("validationToken")
                if token is not None:
                    status, kind, text = receiver.echo(token[0])
                    self.send_response(status)
                    self.send_header("Content-Type", kind)
                    self.end_headers()
                    self.wfile.write(text.encode())
                    return
                status = receiver.statuses.pop(0) if receiver.statuses else 202
                receiver.posts.put((parts.path, json.loads(body)))
                self.send_response(status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def next(self, seconds: float = 10) -> tuple[str, Any]:
        return self.posts.get(timeout=seconds)

    def notifications(self, count: int) -> list[Any]:
        found: list[Any] = []
        while len(found) < count:
            found.extend(self.next()[1]["value"])
        return found

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    running = Receiver()
    yield running
    running.stop()


@pytest.fixture
def online(
    m365_emulator: RunningEmulator, violations: Callable[[Any, str], list[str]]
) -> Iterator[GraphClient]:
    """A client of the running emulator, over real HTTP."""
    with httpx.Client(base_url=m365_emulator.http_url, timeout=20, trust_env=False) as http:
        yield GraphClient(m365_emulator.world, http, violations)  # type: ignore[arg-type]


def wish(client: GraphClient, receiver: Receiver, **values: Any) -> dict[str, Any]:
    expires = client.world.clock.now() + timedelta(days=2)
    return {
        "changeType": "created,updated,deleted",
        "notificationUrl": f"{receiver.url}/changes",
        "resource": "/me/mailFolders('inbox')/messages",
        "expirationDateTime": expires.isoformat(),
        "clientState": "secret-7",
    } | values


def write(client: GraphClient, to: str = DANA, subject: str = "News") -> None:
    message = {"subject": subject, "toRecipients": [{"emailAddress": {"address": to}}]}
    client.post("/me/sendMail", {"message": message}, status=202, as_user=TOM)


def test_subscription_is_made_after_the_handshake_and_kept_until_deleted(
    online: GraphClient, receiver: Receiver
) -> None:
    created = online.post("/subscriptions", wish(online, receiver))
    assert created["changeType"] == "created,updated,deleted"
    assert online.get(f"/subscriptions/{created['id']}")["clientState"] == "secret-7"
    assert [one["id"] for one in online.get("/subscriptions")["value"]] == [created["id"]]
    assert online.get("/subscriptions", as_user=TOM)["value"] == []
    online.delete(f"/subscriptions/{created['id']}")
    assert online.refused("GET", f"/subscriptions/{created['id']}") == (404, "ResourceNotFound")


def test_new_changed_and_deleted_mail_is_notified(online: GraphClient, receiver: Receiver) -> None:
    created = online.post("/subscriptions", wish(online, receiver))
    write(online)
    path, body = receiver.next()
    assert path == "/changes"
    [note] = body["value"]
    message = online.get("/me/mailFolders/inbox/messages?$top=1")["value"][0]
    assert note["resourceData"] == {
        "@odata.type": "#Microsoft.Graph.Message",
        "@odata.id": f"Users/{online.user().oid}/Messages/{message['id']}",
        "@odata.etag": message["@odata.etag"],
        "id": message["id"],
    }
    assert (note["changeType"], note["clientState"], note["subscriptionId"]) == (
        "created",
        "secret-7",
        created["id"],
    )
    assert note["tenantId"] == online.user().tenant.id
    online.patch(f"/me/messages/{message['id']}", {"isRead": True})
    assert receiver.notifications(1)[0]["changeType"] == "updated"
    online.delete(f"/me/messages/{message['id']}")
    gone = receiver.notifications(1)[0]
    assert (gone["changeType"], gone["resourceData"]["id"]) == ("deleted", message["id"])


def test_ids_are_immutable_if_the_subscription_asked_for_it(online: GraphClient, receiver: Receiver) -> None:
    online.post(
        "/subscriptions",
        wish(online, receiver, resource="me/messages"),
        headers={"Prefer": 'IdType="ImmutableId"'},
    )
    write(online)
    first = receiver.notifications(1)[0]
    assert first["resourceData"]["id"].startswith("AAkA")
    online.post(f"/me/messages/{first['resourceData']['id']}/move", {"destinationId": "archive"})
    moved = receiver.notifications(1)[0]
    assert (moved["changeType"], moved["resourceData"]["id"]) == ("updated", first["resourceData"]["id"])


def test_filter_turns_entering_into_created_and_leaving_into_deleted(
    online: GraphClient, receiver: Receiver
) -> None:
    online.post(
        "/subscriptions", wish(online, receiver, resource="/me/messages?$filter=importance eq 'high'")
    )
    message = online.get("/me/mailFolders/inbox/messages?$top=1&$filter=importance eq 'normal'")["value"][0]
    for importance in ("high", "low"):
        online.patch(f"/me/messages/{message['id']}", {"importance": importance})
    assert [one["changeType"] for one in receiver.notifications(2)] == ["created", "deleted"]


def test_events_are_notified_on_their_own_subscription(online: GraphClient, receiver: Receiver) -> None:
    online.post(
        "/subscriptions", wish(online, receiver, resource=f"users/{DANA}/events", changeType="created")
    )
    body = {
        "subject": "x",
        "start": {"dateTime": "2027-01-01T10:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2027-01-01T11:00:00", "timeZone": "UTC"},
    }
    made = online.post("/me/events", body)
    note = receiver.notifications(1)[0]
    assert note["resourceData"]["@odata.type"] == "#Microsoft.Graph.Event"
    assert note["resourceData"]["id"] == made["id"]


def test_change_over_ews_is_notified_over_graph(
    online: GraphClient, receiver: Receiver, m365_emulator: RunningEmulator
) -> None:
    online.post("/subscriptions", wish(online, receiver, changeType="updated"))
    message = online.get("/me/mailFolders/inbox/messages?$top=1&$filter=isRead eq false")["value"][0]
    token = online.token(DANA, ["EWS.AccessAsUser.All"], audience="https://outlook.office365.com")
    ews_id = message["id"].translate(str.maketrans("-_", "/+"))
    envelope = f"""<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"
      xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"
      xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">
      <s:Body><m:UpdateItem ConflictResolution="AlwaysOverwrite" MessageDisposition="SaveOnly"><m:ItemChanges><t:ItemChange>
      <t:ItemId Id="{ews_id}"/>
      <t:Updates><t:SetItemField><t:FieldURI FieldURI="message:IsRead"/><t:Message><t:IsRead>true</t:IsRead>
      </t:Message></t:SetItemField></t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem></s:Body></s:Envelope>"""
    answer = httpx.post(
        f"{m365_emulator.http_url}/EWS/Exchange.asmx",
        content=envelope,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "text/xml"},
        trust_env=False,
    )
    assert "NoError" in answer.text
    assert receiver.notifications(1)[0]["resourceData"]["id"] == message["id"]


@pytest.mark.parametrize(
    "echo",
    [
        lambda token: (200, "text/plain", "something else"),
        lambda token: (202, "text/plain", token),
        lambda token: (200, "text/html", token),
        lambda token: (500, "text/plain", ""),
    ],
)
def test_wrong_answer_to_the_handshake_refuses_the_subscription(
    online: GraphClient, receiver: Receiver, echo: Any
) -> None:
    receiver.echo = echo
    assert online.refused("POST", "/subscriptions", json=wish(online, receiver)) == (400, "ValidationError")
    assert online.get("/subscriptions")["value"] == []


def test_url_that_nobody_answers_refuses_the_subscription(online: GraphClient, receiver: Receiver) -> None:
    body = wish(online, receiver, notificationUrl="http://127.0.0.1:9/x")
    assert online.refused("POST", "/subscriptions", json=body) == (400, "ValidationError")


@pytest.mark.parametrize(
    ("values", "status", "code"),
    [
        ({"resource": "/me/contacts"}, 400, "ExtensionError"),
        ({"resource": ""}, 400, "InvalidRequest"),
        ({"changeType": "moved"}, 400, "InvalidRequest"),
        ({"expirationDateTime": None}, 400, "InvalidRequest"),
        ({"expirationDateTime": "2001-01-01T00:00:00Z"}, 400, "InvalidRequest"),
        ({"expirationDateTime": "2100-01-01T00:00:00Z"}, 400, "ExtensionError"),
        ({"clientState": "x" * 129}, 400, "InvalidRequest"),
        ({"notificationUrl": "ftp://example.com"}, 400, "InvalidRequest"),
        ({"resource": f"/users/{TOM}/messages"}, 403, "ErrorAccessDenied"),
        ({"resource": "/me/messages?$top=5"}, 400, "InvalidRequest"),
        ({"includeResourceData": True, "resource": "/me/messages"}, 400, "InvalidRequest"),
        ({"includeResourceData": True, "resource": "/me/messages?$select=subject"}, 400, "ExtensionError"),
        ({"includeResourceData": True, "resource": "/me/messages?$select=body"}, 400, "InvalidRequest"),
    ],
)
def test_wrong_wish_is_refused(
    online: GraphClient, receiver: Receiver, values: dict[str, Any], status: int, code: str
) -> None:
    assert online.refused("POST", "/subscriptions", json=wish(online, receiver, **values)) == (status, code)


def test_same_wish_twice_is_409(online: GraphClient, receiver: Receiver) -> None:
    online.post("/subscriptions", wish(online, receiver))
    assert online.refused("POST", "/subscriptions", json=wish(online, receiver)) == (409, "Conflict")


def test_short_life_is_raised_and_renewal_moves_the_end(online: GraphClient, receiver: Receiver) -> None:
    now = online.world.clock.now()
    created = online.post(
        "/subscriptions", wish(online, receiver, expirationDateTime=(now + timedelta(minutes=5)).isoformat())
    )
    end = datetime.fromisoformat(created["expirationDateTime"])
    assert timedelta(minutes=44) < end - now < timedelta(minutes=46)
    later = (now + timedelta(days=6)).replace(microsecond=0)
    renewed = online.patch(f"/subscriptions/{created['id']}", {"expirationDateTime": later.isoformat()})
    assert datetime.fromisoformat(renewed["expirationDateTime"]) == later


def test_expired_subscription_is_gone_and_silent(
    online: GraphClient, receiver: Receiver, m365_emulator: RunningEmulator
) -> None:
    created = online.post("/subscriptions", wish(online, receiver))
    m365_emulator.advance(3 * 24 * 3600)
    online._tokens.clear()
    assert online.refused("GET", f"/subscriptions/{created['id']}")[0] == 404
    write(online)
    with pytest.raises(queue.Empty):
        receiver.next(0.5)


def test_refused_post_is_sent_again(online: GraphClient, receiver: Receiver) -> None:
    receiver.statuses = [503]
    online.post("/subscriptions", wish(online, receiver))
    write(online)
    first, second = receiver.next(), receiver.next()
    assert first == second


@pytest.mark.parametrize(("fault", "count"), [("drop", 0), ("double", 2)])
def test_faults_drop_and_double_notifications(
    online: GraphClient, receiver: Receiver, m365_emulator: RunningEmulator, fault: str, count: int
) -> None:
    online.post("/subscriptions", wish(online, receiver, changeType="created"))
    m365_emulator.control("POST", "/faults", {"notification": fault, "count": 1})
    write(online, subject="hurt")
    write(online, subject="whole")
    found = receiver.notifications(count + 1)
    assert len({one["resourceData"]["id"] for one in found}) == (2 if count else 1)


def test_faults_shuffle_and_delay_notifications(
    online: GraphClient, receiver: Receiver, m365_emulator: RunningEmulator
) -> None:
    online.post("/subscriptions", wish(online, receiver, changeType="updated"))
    first, second, third = online.get("/me/mailFolders/inbox/messages?$top=3")["value"]
    for fault, earlier, later in (("shuffle", second, first), ("late", third, first)):
        m365_emulator.control("POST", "/faults", {"notification": fault, "count": 1, "late_seconds": 0.7})
        for message in (later, earlier):
            online.patch(f"/me/messages/{message['id']}", {"categories": [fault]})
        order = [one["resourceData"]["id"] for one in receiver.notifications(2)]
        assert order == [earlier["id"], later["id"]]


def test_lifecycle_notification_is_sent_on_demand(
    online: GraphClient, receiver: Receiver, m365_emulator: RunningEmulator
) -> None:
    created = online.post(
        "/subscriptions", wish(online, receiver, lifecycleNotificationUrl=f"{receiver.url}/lifecycle")
    )
    m365_emulator.control("POST", f"/subscriptions/{created['id']}/lifecycle", {"event": "missed"})
    path, body = receiver.next()
    assert (path, body["value"][0]["lifecycleEvent"]) == ("/lifecycle", "missed")


def test_mailbox_takes_only_so_many_subscriptions(
    online: GraphClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("m365_emulator.graph.subscriptions.requests.MAX_PER_MAILBOX", 1)
    online.post("/subscriptions", wish(online, receiver))
    body = wish(online, receiver, changeType="created")
    assert online.refused("POST", "/subscriptions", json=body) == (403, "Forbidden")


def test_renewal_is_asked_for_before_the_end_and_removal_is_told(
    online: GraphClient, receiver: Receiver, m365_emulator: RunningEmulator
) -> None:
    created = online.post(
        "/subscriptions", wish(online, receiver, lifecycleNotificationUrl=f"{receiver.url}/lifecycle")
    )
    m365_emulator.advance(1.8 * 24 * 3600)
    path, body = receiver.next()
    assert path == "/lifecycle"
    assert (body["value"][0]["lifecycleEvent"], body["value"][0]["clientState"]) == (
        "reauthorizationRequired",
        "secret-7",
    )
    online._tokens.clear()
    online.post(f"/subscriptions/{created['id']}/reauthorize", status=204)
    online.user(DANA).licensed = False
    assert receiver.next()[1]["value"][0]["lifecycleEvent"] == "subscriptionRemoved"


def test_rich_notification_opens_with_the_private_key_and_names_its_sender(
    online: GraphClient, receiver: Receiver, m365_emulator: RunningEmulator
) -> None:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
        .not_valid_before(now).not_valid_after(now + timedelta(days=9)).sign(key, hashes.SHA256())
    )  # fmt: skip
    encoded = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()
    body = wish(
        online,
        receiver,
        resource="/me/mailFolders/inbox/messages?$select=subject,from",
        includeResourceData=True,
        encryptionCertificate=encoded,
        encryptionCertificateId="key-1",
        expirationDateTime=(online.world.clock.now() + timedelta(hours=20)).isoformat(),
    )
    assert (
        online.refused(
            "POST",
            "/subscriptions",
            json=body | {"expirationDateTime": wish(online, receiver)["expirationDateTime"]},
        )[0]
        == 400
    )
    online.post("/subscriptions", body)
    write(online, subject="Sealed")
    _, posted = receiver.next()
    sealed = posted["value"][0]["encryptedContent"]
    secret = key.decrypt(
        base64.b64decode(sealed["dataKey"]),
        rsa_padding.OAEP(rsa_padding.MGF1(hashes.SHA1()), hashes.SHA1(), None),
    )
    data = base64.b64decode(sealed["data"])
    assert base64.b64decode(sealed["dataSignature"]) == hmac.new(secret, data, hashlib.sha256).digest()
    decryptor = Cipher(algorithms.AES(secret), modes.CBC(secret[:16])).decryptor()
    unpadder = padding.PKCS7(128).unpadder()
    plain = json.loads(unpadder.update(decryptor.update(data) + decryptor.finalize()) + unpadder.finalize())
    assert plain["subject"] == "Sealed"
    assert sealed["encryptionCertificateId"] == "key-1"
    [token] = posted["validationTokens"]
    keys = httpx.get(f"{m365_emulator.http_url}/common/discovery/v2.0/keys", trust_env=False).json()
    used = next(one for one in keys["keys"] if one["kid"] == jwt.get_unverified_header(token)["kid"])
    claims = jwt.decode(
        token, jwt.PyJWK(used | {"alg": "RS256"}), ["RS256"], audience="4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa"
    )
    assert claims["appid"] == "0bf30f3b-4a52-48df-9a82-234910c4a086"
    assert claims["iss"] == f"https://sts.windows.net/{online.user().tenant.id}/"


def test_subscription_survives_a_snapshot(
    online: GraphClient, receiver: Receiver, m365_emulator: RunningEmulator
) -> None:
    online.post(
        "/subscriptions",
        wish(online, receiver, resource="/me/messages?$filter=subject eq 'Kept'", changeType="created"),
    )
    m365_emulator.control("POST", "/snapshots/before")
    m365_emulator.reset()
    m365_emulator.control("POST", "/snapshots/before/restore")
    assert len(online.get("/subscriptions")["value"]) == 1
    write(online, subject="Other")
    write(online, subject="Kept")
    assert len(receiver.notifications(1)) == 1


def test_sent_notifications_are_shown_by_the_control_api(
    online: GraphClient, receiver: Receiver, m365_emulator: RunningEmulator
) -> None:
    online.post("/subscriptions", wish(online, receiver))
    write(online)
    receiver.next()
    sent: list[Any] = []
    while not sent:
        sent = m365_emulator.control("GET", "/notifications")["notifications"]
    assert sent[0]["status"] == 202
    assert sent[0]["url"] == f"{receiver.url}/changes"
