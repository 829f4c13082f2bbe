"""How a mail looks: the same words twice, nothing remote in it, and no header that begins another."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default

import pytest

from ostiary.adapters.smtp.mailer import MailServer
from ostiary.adapters.smtp.mime import build, html, plain_text
from ostiary.core.kernel.errors import InvalidRequest, Misconfigured
from ostiary.core.kernel.secret import Secret
from ostiary.core.notices.model import Correspondent, Link, Message, OutgoingMail, Text

SENDER = Correspondent("connect@larkspur.example", "Larkspur")
LINK = "https://connect.larkspur.example/admin-consent/l/abcdefghijklmnop"
MESSAGE = Message(
    "Please approve Larkspur",
    (Text("Hello Priya & co,\n<b>second line</b>"), Link(Secret(LINK), "(works for 3 days)")),
)


def mail(**changes: object) -> OutgoingMail:
    values: dict[str, object] = {
        "id": "ntc_1",
        "to": Correspondent("priya.nair@harbourvale.example", "Priya Nair"),
        "message": MESSAGE,
        "reply_to": Correspondent("tom.ellis@harbourvale.example", "Tom Ellis"),
    }
    return OutgoingMail(**(values | changes))  # type: ignore[arg-type]


def test_both_looks_say_the_same_and_show_the_link_in_full() -> None:
    assert f"{LINK} (works for 3 days)" in plain_text(MESSAGE)
    page = html(MESSAGE)
    assert f'<a href="{LINK}"' in page
    assert f">{LINK}</a> (works for 3 days)" in page


def test_html_escapes_what_people_wrote_and_loads_nothing() -> None:
    page = html(MESSAGE)
    assert "Hello Priya &amp; co,<br>&lt;b&gt;second line&lt;/b&gt;" in page
    assert not any(word in page.lower() for word in ("<img", "<script", "<link", "src=", "url(", "<table"))


def test_headers_name_sender_recipient_and_whom_to_answer() -> None:
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    read = message_from_bytes(build(mail(), sender=SENDER, now=now).as_bytes(), policy=default)
    assert str(read["From"]) == "Larkspur <connect@larkspur.example>"
    assert str(read["To"]) == "Priya Nair <priya.nair@harbourvale.example>"
    assert str(read["Reply-To"]) == "Tom Ellis <tom.ellis@harbourvale.example>"
    assert read["Message-ID"] == "<ntc_1@larkspur.example>"
    assert read["Date"] == "Tue, 24 Nov 2026 12:00:00 +0000"
    assert [part.get_content_type() for part in read.iter_parts()] == ["text/plain", "text/html"]


@pytest.mark.parametrize("bad", ["x\r\nBcc: victim@example.com", "x\ny", "x\ry", "x\0y"])
def test_line_breaks_and_nul_never_reach_a_header(bad: str) -> None:
    """SR-92."""
    for changes in (
        {"to": Correspondent(bad + "@harbourvale.example")},
        {"to": Correspondent("priya.nair@harbourvale.example", bad)},
        {"reply_to": Correspondent("tom.ellis@harbourvale.example", bad)},
        {"message": Message(bad, ())},
        {"id": bad},
    ):
        with pytest.raises(InvalidRequest):
            mail(**changes)


def test_an_address_that_is_none_is_refused_not_sent() -> None:
    with pytest.raises(InvalidRequest):
        build(mail(to=Correspondent("no address")), sender=SENDER, now=datetime.now(UTC))


def test_address_of_the_server_is_read_with_its_secret_parts() -> None:
    server = MailServer.parse(Secret("smtp://user%40x:p%3Ass@mail.example:2525"))
    assert (server.host, server.port, server.username, server.implicit_tls) == (
        "mail.example",
        2525,
        "user@x",
        False,
    )
    assert server.password == Secret("p:ss")
    assert MailServer.parse(Secret("smtps://mail.example")).port == 465
    assert MailServer.parse(Secret("smtp://mail.example")).port == 587


def test_only_this_machine_may_be_talked_to_without_encryption() -> None:
    local = ("localhost", "127.0.0.1", "[::1]")
    assert all(MailServer.parse(Secret(f"smtp://{host}:25")).is_local for host in local)
    assert not MailServer.parse(Secret("smtp://localhost.evil.example:25")).is_local


@pytest.mark.parametrize("bad", ["http://mail.example", "smtp://", "mail.example:25", "smtp://u:pw@h:port"])
def test_what_is_no_mail_server_is_refused_without_repeating_it(bad: str) -> None:
    with pytest.raises(Misconfigured) as refusal:
        MailServer.parse(Secret(bad))
    assert "pw" not in str(refusal.value.message).replace("user:password", "")
