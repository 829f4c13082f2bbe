"""exchangelib, unmodified: delegated and impersonating, at our own address and under Microsoft's host names."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import dns.message
import dns.rdatatype
import dns.rrset
import pytest
from exchangelib import (
    DELEGATE,
    IMPERSONATION,
    Account,
    CalendarItem,
    Configuration,
    EWSDate,
    EWSDateTime,
    EWSTimeZone,
    ExtendedProperty,
    FaultTolerance,
    FileAttachment,
    Folder,
    HTMLBody,
    Identity,
    ItemAttachment,
    Mailbox,
    Message,
    OofSettings,
)
from exchangelib.autodiscover import Autodiscovery, clear_cache
from exchangelib.autodiscover.protocol import AutodiscoverProtocol
from exchangelib.credentials import OAuth2AuthorizationCodeCredentials, OAuth2Credentials
from exchangelib.errors import (
    ErrorAccessDenied,
    ErrorInvalidSyncStateData,
    ErrorItemNotFound,
    ErrorServerBusy,
    ErrorSubscriptionNotFound,
    MalformedResponseError,
    UnauthorizedError,
)
from exchangelib.folders import Calendar, Messages
from exchangelib.items import (
    SEND_ONLY_TO_ALL,
    SEND_TO_ALL_AND_SAVE_COPY,
    MeetingCancellation,
    MeetingRequest,
    MeetingResponse,
)
from exchangelib.protocol import CachingProtocol, close_connections
from exchangelib.recurrence import Recurrence, WeeklyPattern

from browsing import Browser
from m365_emulator.ews.state import state_of
from m365_emulator.pytest_plugin import RunningEmulator
from m365_emulator.world.mailbox import Message as StoredMessage
from m365_emulator.world.mailbox.drafting import create_draft
from sample import (
    BACKGROUND_ID,
    BACKGROUND_SECRET,
    CLIENT_ID,
    CLIENT_SECRET,
    DANA,
    EWS,
    EWS_SCOPE,
    HARBOUR,
    TOM,
    App,
)

pytestmark = pytest.mark.clients
ZONE = EWSTimeZone("Europe/London")
Open = Callable[..., Account]


@pytest.fixture(autouse=True)
def fresh_connections() -> Iterator[None]:
    """Start and end without connections: exchangelib keeps them for the whole process."""
    CachingProtocol.clear_cache()
    yield
    close_connections()
    CachingProtocol.clear_cache()


@pytest.fixture(params=["own origin", "stand-in"])
def way_in(
    request: pytest.FixtureRequest, m365_emulator: RunningEmulator, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The base URL of EWS; under Microsoft's host names everything goes through the stand-in proxy."""
    # The service is as strict as the real one for these tests.
    state_of(m365_emulator.world).strict_schema = True
    if request.param == "own origin":
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", m365_emulator.ca)
        return m365_emulator.https_url
    for name, value in m365_emulator.stand_in_environment().items():
        monkeypatch.setenv(name, value)
    return "https://outlook.office365.com"


def exchange_token(browser: Browser, app: App, address: str) -> dict[str, Any]:
    """Sign a person in and return the answer with a token for Exchange."""
    signed_in = app.tokens_for(browser, address, scope=EWS_SCOPE)
    answer = app.refresh(signed_in["refresh_token"], scope=EWS)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def delegated(way_in: str, browser: Browser, app: App) -> Open:
    """Open a mailbox with the token of its owner."""
    approved: list[bool] = []

    def open_account(address: str = TOM, **options: Any) -> Account:
        if not approved:
            app.approve(browser, scope=EWS_SCOPE)
            approved.append(True)
        token = exchange_token(browser, app, address)
        credentials = OAuth2AuthorizationCodeCredentials(
            access_token={"access_token": token["access_token"], "token_type": "Bearer"}
        )
        return _account(way_in, credentials, address, DELEGATE, **options)

    return open_account


@pytest.fixture
def impersonating(way_in: str, m365_emulator: RunningEmulator) -> Open:
    """Open any mailbox as an application, by client secret."""
    login = m365_emulator.https_url if "localhost" in way_in else "https://login.microsoftonline.com"

    class Credentials(OAuth2Credentials):
        @property
        def token_url(self) -> str:
            return f"{login}/{self.tenant_id}/oauth2/v2.0/token"

    def open_account(address: str = TOM, **options: Any) -> Account:
        credentials = Credentials(
            client_id=BACKGROUND_ID,
            client_secret=BACKGROUND_SECRET,
            tenant_id=HARBOUR,
            identity=Identity(primary_smtp_address=address),
        )
        return _account(way_in, credentials, address, IMPERSONATION, **options)

    return open_account


def _account(way_in: str, credentials: Any, address: str, access_type: str, **options: Any) -> Account:
    config = Configuration(credentials=credentials, service_endpoint=f"{way_in}/EWS/Exchange.asmx", **options)
    return Account(address, config=config, autodiscover=False, access_type=access_type, default_timezone=ZONE)


@pytest.fixture
def open_account(way_in: str, delegated: Open, impersonating: Open) -> Open:
    """Open a mailbox with a user's token at our own address, and by impersonation under Microsoft's host names.

    The other two pairs are opened by the tests that name `delegated` or `impersonating` themselves.
    """
    return delegated if "localhost" in way_in else impersonating


@pytest.fixture
def account(open_account: Open) -> Account:
    return open_account()


def at(day: int, hour: int = 10, minute: int = 0) -> EWSDateTime:
    """A moment of January 2027, wall-clock time in London."""
    return EWSDateTime(2027, 1, day, hour, minute, tzinfo=ZONE)


def series(account: Account, subject: str = "Review", **more: Any) -> CalendarItem:
    """An unsaved meeting on Mondays and Fridays, six times."""
    return CalendarItem(
        account=account,
        folder=account.calendar,
        subject=subject,
        start=at(4),
        end=at(4, 11),
        recurrence=Recurrence(
            pattern=WeeklyPattern(interval=1, weekdays=[1, 5]), start=at(4).date(), number=6
        ),
        **more,
    )


def month(account: Account, subject: str = "Review") -> list[CalendarItem]:
    found = account.calendar.view(start=at(1, 0), end=at(31, 0))
    return sorted((item for item in found if item.subject == subject), key=lambda item: item.start)


def test_the_version_is_found_and_folders_form_a_tree(account: Account) -> None:
    assert account.version.build.major_version == 15
    assert account.inbox.absolute == "/root/Top of Information Store/Inbox"
    names = {folder.name for folder in account.root.walk()}
    assert {"Inbox", "Sent Items", "Deleted Items", "Calendar", "Drafts"} <= names
    assert isinstance(account.root / "Top of Information Store" / "Calendar", Calendar)
    assert account.inbox.total_count == account.inbox.all().count()


def test_queries_restrict_order_and_page(account: Account) -> None:
    for subject in ("Alpha order", "beta ORDER", "Gamma note"):
        Message(account=account, folder=account.drafts, subject=subject, categories=[subject[:5]]).save()
    found = account.drafts.filter(subject__icontains="order").order_by("subject")
    assert [item.subject for item in found] == ["Alpha order", "beta ORDER"]
    assert account.drafts.filter(subject__contains="ORDER").count() == 1
    assert account.drafts.filter(subject__startswith="Gamma", is_read=False).count() == 1
    assert account.drafts.filter(categories__contains=["Gamma"]).get().subject == "Gamma note"
    assert not account.drafts.filter(subject="Delta").exists()
    assert {item.subject for item in account.drafts.exclude(subject__icontains="order")} >= {"Gamma note"}
    both = account.drafts.filter("subject:gamma")
    assert [item.subject for item in both] == ["Gamma note"]
    everything = account.inbox.all().order_by("-datetime_received").only("subject", "datetime_received")
    everything.page_size = 3
    times = [item.datetime_received for item in everything]
    assert len(times) == account.inbox.total_count
    assert times == sorted(times, reverse=True)


def test_messages_are_created_changed_moved_copied_and_deleted(account: Account) -> None:
    message = Message(
        account=account,
        folder=account.drafts,
        subject="Quote 7",
        body=HTMLBody("<p>Hello <b>Dana</b></p>"),
        to_recipients=[Mailbox(name="Dana Okafor", email_address=DANA)],
        cc_recipients=[TOM],
        importance="High",
        categories=["Offers"],
    ).save()
    first_key = message.changekey
    message.subject = "Quote 8"
    message.save(update_fields=["subject"])
    assert message.changekey != first_key
    read = account.drafts.get(id=message.id, changekey=message.changekey)
    assert (read.subject, read.importance, read.categories) == ("Quote 8", "High", ["Offers"])
    assert read.body == "<p>Hello <b>Dana</b></p>"
    assert [one.email_address for one in read.to_recipients] == [DANA]
    assert read.is_draft

    old_id = read.id
    read.move(account.inbox)
    assert read.id != old_id
    with pytest.raises(ErrorItemNotFound):
        account.drafts.get(id=old_id)
    copied_id, _ = read.copy(account.drafts)
    assert account.drafts.get(id=copied_id).subject == "Quote 8"
    read.move_to_trash()
    assert account.trash.filter(subject="Quote 8").exists()
    for item in account.trash.filter(subject="Quote 8"):
        item.delete()
    assert not account.trash.filter(subject="Quote 8").exists()


def test_mail_travels_with_its_attachments(account: Account, open_account: Open) -> None:
    message = Message(account=account, folder=account.drafts, subject="Figures", to_recipients=[DANA]).save()
    inner = Message(account=account, folder=account.drafts, subject="Inner", body="inside")
    message.attach(FileAttachment(name="figures.csv", content=b"a;b\r\n1;2\r\n", content_type="text/csv"))
    message.attach(ItemAttachment(name="Inner", item=inner))
    message.refresh()
    assert message.has_attachments
    message.send()
    assert account.sent.filter(subject="Figures").exists()

    dana = open_account(DANA)
    arrived = dana.inbox.get(subject="Figures")
    assert arrived.sender.email_address == TOM
    assert not arrived.is_read
    by_name = {part.name: part for part in arrived.attachments}
    assert by_name["figures.csv"].content == b"a;b\r\n1;2\r\n"
    assert by_name["Inner"].item.subject == "Inner"
    with by_name["figures.csv"].fp as stream:
        assert stream.read() == b"a;b\r\n1;2\r\n"
    arrived.detach(by_name["figures.csv"])
    arrived.refresh()
    assert [part.name for part in arrived.attachments] == ["Inner"]

    arrived.reply(subject="RE: Figures", body="Thank you")
    answer = account.inbox.get(subject="RE: Figures")
    assert "Thank you" in answer.body
    assert answer.in_reply_to == arrived.message_id
    answer.forward(subject="FW: Figures", body="See below", to_recipients=[DANA])
    assert dana.inbox.filter(subject="FW: Figures").exists()
    Message(account=account, subject="No copy", to_recipients=[DANA]).send(save_copy=False)
    assert not account.sent.filter(subject="No copy").exists()
    assert dana.inbox.filter(subject="No copy").exists()


class OrderNumber(ExtendedProperty):
    property_set_id = "3f2a1c44-0b6d-4e57-9a1f-8d7c5e6b4a30"
    property_name = "orderNumber"
    property_type = "String"


def test_extended_properties_are_stored_and_searched(account: Account) -> None:
    Message.register("order_number", OrderNumber)
    try:
        Message(account=account, folder=account.drafts, subject="Tagged", order_number="4711").save()
        assert account.drafts.get(order_number="4711").subject == "Tagged"
        assert account.drafts.get(subject="Tagged").order_number == "4711"
    finally:
        Message.deregister("order_number")


def test_folders_are_created_renamed_emptied_and_deleted(account: Account) -> None:
    folder = Messages(parent=account.inbox, name="Work").save()
    account.inbox.all()[0].copy(folder)
    assert folder.all().count() == 1
    folder.name = "Jobs"
    folder.save()
    folder.refresh()
    assert folder.name == "Jobs"
    Folder(parent=folder, name="Old").save()
    account.root.clear_cache()
    assert (account.inbox / "Jobs" / "Old").name == "Old"
    folder.empty(delete_sub_folders=True)
    assert folder.all().count() == 0
    folder.delete()
    account.root.clear_cache()
    assert "Jobs" not in {child.name for child in account.inbox.children}


def test_sync_tells_each_change_once(account: Account) -> None:
    folder = Messages(parent=account.inbox, name="Synced").save()
    messages = [Message(account=account, folder=folder, subject=f"S{n}").save() for n in range(4)]
    first = list(folder.sync_items(max_changes_returned=2))
    assert sorted(item.subject for kind, item in first if kind == "create") == ["S0", "S1", "S2", "S3"]
    messages[0].subject = "S0 changed"
    messages[0].save(update_fields=["subject"])
    messages[1].is_read = False
    messages[1].save(update_fields=["is_read"])
    messages[2].delete()
    Message(account=account, folder=folder, subject="S4").save()
    changes = dict(folder.sync_items())
    assert set(changes) == {"update", "read_flag_change", "delete", "create"}
    assert changes["update"].subject == "S0 changed"
    assert changes["read_flag_change"] == (changes["read_flag_change"][0], False)
    assert list(folder.sync_items()) == []
    folder.item_sync_state = "bm90IGEgc3RhdGU="
    with pytest.raises(ErrorInvalidSyncStateData):
        list(folder.sync_items())

    list(account.root.sync_hierarchy())
    Folder(parent=folder, name="Later").save()
    assert [item.name for kind, item in account.root.sync_hierarchy() if kind == "create"] == ["Later"]


def test_a_calendar_shows_series_their_exceptions_and_what_was_deleted(account: Account) -> None:
    meeting = series(account).save()
    assert [item.start for item in month(account)] == [at(day) for day in (4, 8, 11, 15, 18, 22)]
    assert {item.type for item in month(account)} == {"Occurrence"}

    second, third = month(account)[1:3]
    second.start, second.end = at(8, 14), at(8, 15)
    second.save(update_fields=["start", "end"])
    third.delete()
    master = account.calendar.get(id=meeting.id)
    assert master.type == "RecurringMaster"
    assert (master.recurrence.pattern.interval, master.recurrence.pattern.weekdays) == (1, [1, 5])
    assert master.recurrence.boundary.number == 6
    assert [one.original_start for one in master.modified_occurrences] == [at(8)]
    assert [one.start for one in master.deleted_occurrences] == [at(11)]
    assert master.first_occurrence.start == at(4)
    assert master.last_occurrence.start == at(22)
    assert [item.start for item in month(account)] == [at(4), at(8, 14), at(15), at(18), at(22)]

    fourth = master.occurrence(index=4)
    fourth.refresh()
    assert fourth.start == at(15)
    again = fourth.recurring_master()
    again.refresh()
    assert again.subject == "Review"


def test_all_day_events_keep_their_days(account: Account) -> None:
    event = CalendarItem(
        account=account,
        folder=account.calendar,
        subject="Trade fair",
        start=EWSDate(2027, 1, 12),
        end=EWSDate(2027, 1, 13),
        is_all_day=True,
    ).save()
    event.refresh()
    assert (event.start, event.end) == (EWSDate(2027, 1, 12), EWSDate(2027, 1, 13))


def test_meetings_travel_with_answers_updates_and_cancellations(account: Account, open_account: Open) -> None:
    meeting = series(account, required_attendees=[DANA], location="Room Harbour")
    meeting.save(send_meeting_invitations=SEND_TO_ALL_AND_SAVE_COPY)
    dana = open_account(DANA)
    request = dana.inbox.get(subject="Review")
    assert isinstance(request, MeetingRequest)
    assert request.location == "Room Harbour"
    request.accept(body="I will be there", message_disposition="SendAndSaveCopy")
    answer = account.inbox.get(subject="Accepted: Review")
    assert isinstance(answer, MeetingResponse)
    meeting.refresh()
    assert [one.response_type for one in meeting.required_attendees] == ["Accept"]
    assert {item.my_response_type for item in month(dana)} == {"Accept"}

    meeting.location = "Room Vale"
    meeting.save(update_fields=["location"], send_meeting_invitations=SEND_ONLY_TO_ALL)
    assert {item.location for item in month(dana)} == {"Room Vale"}

    month(account)[0].delete(send_meeting_cancellations=SEND_TO_ALL_AND_SAVE_COPY)
    assert [item.start for item in month(dana)] == [at(day) for day in (8, 11, 15, 18, 22)]

    meeting.refresh()
    meeting.cancel()
    cancellations = [
        item
        for item in dana.inbox.filter(subject="Canceled: Review")
        if isinstance(item, MeetingCancellation)
    ]
    assert cancellations
    assert {item.is_cancelled for item in month(dana, "Canceled: Review")} == {True}


def test_free_and_busy_times_are_seen(account: Account) -> None:
    day = EWSDateTime(2027, 7, 5, tzinfo=ZONE)
    CalendarItem(
        account=account,
        folder=account.calendar,
        subject="Summer",
        start=day + timedelta(hours=10),
        end=day + timedelta(hours=12),
        legacy_free_busy_status="OOF",
    ).save()
    mine, nobody = account.protocol.get_free_busy_info(
        accounts=[(account, "Organizer", False), ("nobody@harbourvale.example", "Required", False)],
        start=day + timedelta(hours=8),
        end=day + timedelta(hours=14),
        merged_free_busy_interval=60,
        requested_view="DetailedMerged",
    )
    assert mine.merged == "003300"
    assert mine.calendar_events[0].start == day + timedelta(hours=10)
    assert mine.calendar_events[0].details.subject == "Summer"
    assert isinstance(nobody, Exception)


def test_names_zones_and_automatic_replies(account: Account) -> None:
    assert account.version, (
        "the version is asked for first, or the library stumbles over its own absence of one"
    )
    (found,) = account.protocol.resolve_names(["dana"], return_full_contact_data=True)
    assert found[0].email_address == DANA
    zones = list(account.protocol.get_timezones(return_full_timezone_data=True))
    assert "W. Europe Standard Time" in {zone.id for zone in zones}
    account.oof_settings = OofSettings(
        state="Enabled", internal_reply="Back on Monday", external_reply="Away"
    )
    assert account.oof_settings.internal_reply == "Back on Monday"


def test_pull_notifications(account: Account) -> None:
    subscription, watermark = account.inbox.subscribe_to_pull()
    Message(account=account, subject="To myself", to_recipients=[TOM]).send()
    events = [
        event
        for notification in account.inbox.get_events(subscription, watermark)
        for event in notification.events
    ]
    assert [type(event).__name__ for event in events] == ["CreatedEvent", "NewMailEvent"]
    assert account.inbox.get(id=events[1].item_id.id).subject == "To myself"
    account.inbox.unsubscribe(subscription)
    with pytest.raises(ErrorSubscriptionNotFound):
        list(account.inbox.get_events(subscription, events[-1].watermark))


def test_streaming_notifications(account: Account, m365_emulator: RunningEmulator) -> None:
    subscription = account.inbox.subscribe_to_streaming()
    assert account.affinity_cookie

    def later() -> None:
        # Not through the account: its one connection is taken by the stream.
        mailbox = m365_emulator.world.find_mailbox(TOM)
        create_draft(mailbox, StoredMessage(subject="Meanwhile"), mailbox.well_known("inbox"))
        m365_emulator.advance(120)

    worker = threading.Timer(0.5, later)
    worker.start()
    seen = [
        type(event).__name__
        for notification in account.inbox.get_streaming_events(subscription, connection_timeout=1)
        for event in notification.events
    ]
    worker.join()
    assert seen == ["CreatedEvent"]
    account.inbox.unsubscribe(subscription)


def test_an_application_reaches_every_mailbox_and_a_user_only_the_own_one(
    delegated: Open, impersonating: Open
) -> None:
    assert impersonating(TOM).inbox.id != impersonating(DANA).inbox.id
    tom = delegated(TOM)
    dana = Account(DANA, config=tom.protocol.config, autodiscover=False, access_type=DELEGATE)
    with pytest.raises(ErrorAccessDenied):
        dana.root  # noqa: B018 - reading the property makes the call


def test_full_access_opens_a_shared_mailbox(delegated: Open, m365_emulator: RunningEmulator) -> None:
    world = m365_emulator.world
    world.find_mailbox(DANA).permissions.full_access.add(world.find_user(TOM).oid)
    tom = delegated(TOM)
    dana = Account(DANA, config=tom.protocol.config, autodiscover=False, access_type=DELEGATE)
    assert dana.inbox.total_count == world.find_mailbox(DANA).well_known("inbox").total_count


def test_a_blocked_organization_and_an_expired_token_look_like_the_real_ones(
    delegated: Open, m365_emulator: RunningEmulator
) -> None:
    account = delegated()
    assert account.inbox.name == "Inbox"
    m365_emulator.set_scenario(HARBOUR, "ews_off")
    with pytest.raises(MalformedResponseError, match="403"):
        account.inbox.refresh()
    m365_emulator.reset()
    m365_emulator.advance(3 * 3600)
    with pytest.raises(UnauthorizedError):
        account.inbox.refresh()


def test_throttling_says_how_long_to_wait(delegated: Open, m365_emulator: RunningEmulator) -> None:
    account = delegated()
    assert account.inbox.name == "Inbox"
    state_of(m365_emulator.world).throttle.requests = 0
    with pytest.raises(ErrorServerBusy) as raised:
        account.inbox.refresh()
    assert raised.value.back_off == pytest.approx(300, abs=1)


def test_a_patient_client_waits_as_long_as_it_is_told(
    impersonating: Open, m365_emulator: RunningEmulator
) -> None:
    account = impersonating(retry_policy=FaultTolerance(max_wait=30))
    assert account.inbox.name == "Inbox"
    throttle = state_of(m365_emulator.world).throttle
    throttle.requests, throttle.window = 1, timedelta(seconds=1)
    account.inbox.refresh()
    account.inbox.refresh()


def test_a_refresh_token_keeps_a_client_signed_in(
    way_in: str, browser: Browser, app: App, m365_emulator: RunningEmulator
) -> None:
    login = m365_emulator.https_url if "localhost" in way_in else "https://login.microsoftonline.com"

    class Credentials(OAuth2AuthorizationCodeCredentials):
        @property
        def token_url(self) -> str:
            return f"{login}/organizations/oauth2/v2.0/token"

    app.approve(browser, scope=EWS_SCOPE)
    token = exchange_token(browser, app, TOM)
    credentials = Credentials(
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        access_token={
            "access_token": token["access_token"],
            "refresh_token": token["refresh_token"],
            "token_type": "Bearer",
            "expires_in": "-30",
        },
    )
    account = _account(way_in, credentials, TOM, DELEGATE)
    assert account.inbox.name == "Inbox"
    assert credentials.access_token["access_token"] != token["access_token"]


def test_soap_autodiscover_leads_to_the_endpoint(delegated: Open, way_in: str) -> None:
    account = delegated()
    config = Configuration(
        credentials=account.protocol.credentials,
        service_endpoint=f"{way_in}/autodiscover/autodiscover.svc",
        auth_type="OAuth 2.0",
    )
    found = AutodiscoverProtocol(config=config).get_user_settings(user=TOM)
    assert found.ews_url == f"{way_in}/EWS/Exchange.asmx"
    assert found.autodiscover_smtp_address == TOM
    assert found.version.build.major_version == 15


class NameServer:
    """A DNS server that says 127.0.0.1 to every question for an address and nothing to any other."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                question, sender = self._socket.recvfrom(4096)
            except OSError:
                return
            if not question:
                return
            answer = dns.message.make_response(dns.message.from_wire(question))
            asked = answer.question[0]
            if asked.rdtype == dns.rdatatype.A:
                answer.answer.append(dns.rrset.from_text(asked.name, 60, "IN", "A", "127.0.0.1"))
            self._socket.sendto(answer.to_wire(), sender)

    def stop(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(timeout=5)
        self._socket.close()


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    running = NameServer()
    # exchangelib asks a name server of its own before it connects; these are its public settings for that.
    monkeypatch.setitem(Autodiscovery.DNS_RESOLVER_KWARGS, "configure", False)
    monkeypatch.setitem(Autodiscovery.DNS_RESOLVER_ATTRS, "nameservers", ["127.0.0.1"])
    monkeypatch.setitem(Autodiscovery.DNS_RESOLVER_ATTRS, "port", running.port)
    clear_cache()
    yield running
    clear_cache()
    running.stop()


def test_autodiscover_finds_the_mailbox_from_its_address_alone(
    m365_emulator: RunningEmulator,
    monkeypatch: pytest.MonkeyPatch,
    browser: Browser,
    app: App,
    name_server: NameServer,
) -> None:
    for name, value in m365_emulator.stand_in_environment().items():
        monkeypatch.setenv(name, value)
    app.approve(browser, scope=EWS_SCOPE)
    token = exchange_token(browser, app, TOM)
    credentials = OAuth2AuthorizationCodeCredentials(
        access_token={"access_token": token["access_token"], "token_type": "Bearer"}
    )
    account = Account(TOM, credentials=credentials, autodiscover=True, access_type=DELEGATE)
    assert account.protocol.service_endpoint == "https://outlook.office365.com/EWS/Exchange.asmx"
    assert account.inbox.name == "Inbox"
