"""The control API, the plain pages and the request log."""

from __future__ import annotations

from typing import Any

import pytest

from browsing import Browser
from m365_emulator.pytest_plugin import RunningEmulator
from sample import CLIENT_SECRET, DANA, HARBOUR, HTTP, TOM, App


def test_reset_forgets_every_change(m365_emulator: RunningEmulator, browser: Browser, app: App) -> None:
    app.approve(browser)
    m365_emulator.control("PATCH", f"/users/{TOM}", {"licensed": False, "roles": ["Global Administrator"]})
    m365_emulator.advance(1_000)

    m365_emulator.control("POST", "/reset", {})

    assert m365_emulator.control("GET", f"/users/{TOM}")["licensed"] is True
    assert m365_emulator.control("GET", f"/users/{TOM}")["roles"] == []
    assert m365_emulator.control("GET", "/clock")["offset_seconds"] < 60


def test_people_can_be_added_changed_and_removed(m365_emulator: RunningEmulator) -> None:
    made = m365_emulator.control(
        "POST", "/users", {"name": "Sales Nine", "address": "sales.nine@harbourvale.example"}
    )
    assert made["tenant"] == "harbourvale.example"
    with pytest.raises(ValueError, match="taken"):
        m365_emulator.control(
            "POST", "/users", {"name": "Again", "address": "sales.nine@harbourvale.example"}
        )
    changed = m365_emulator.control("PATCH", f"/users/{made['oid']}", {"mailbox_location": "on_premises"})
    assert changed["mailbox_location"] == "on_premises"
    assert m365_emulator.control("DELETE", f"/users/{made['oid']}")["deleted"] is True
    assert (
        m365_emulator.control("POST", f"/tenants/{HARBOUR}/guests", {"address": "labs.one@hv-labs.example"})[
            "user_type"
        ]
        == "Guest"
    )


@pytest.mark.parametrize(
    ("method", "path", "body", "complaint"),
    [
        ("PATCH", f"/users/{TOM}", {"hair": "red"}, "Unknown field: hair"),
        ("PATCH", f"/users/{TOM}", {"licensed": "yes"}, "wrong type"),
        ("PATCH", f"/users/{TOM}", {"roles": ["King"]}, "Unknown directory role"),
        ("PATCH", "/users/nobody@nowhere.example", {}, "There is no user"),
        ("PATCH", f"/tenants/{HARBOUR}/policies", {"user_consent": "perhaps"}, "cannot be"),
        ("PATCH", "/tenants/nowhere.example/policies", {}, "There is no tenant"),
        ("PUT", f"/tenants/{HARBOUR}/scenario", {"id": "earthquake"}, "There is no scenario"),
        ("POST", "/clock", {"set": "tomorrow"}, "cannot be moved"),
        ("POST", "/clock", {"advance_seconds": 1e300}, "cannot be moved"),
        ("POST", "/persist", {}, "without --data"),
        ("POST", "/snapshots/none/restore", {}, "no such snapshot"),
        ("GET", "/requests?status=many", None, "must be numbers"),
    ],
)
def test_wrong_orders_are_refused_in_words(
    m365_emulator: RunningEmulator, method: str, path: str, body: dict[str, Any] | None, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        m365_emulator.control(method, path, body)


def test_other_sites_cannot_give_orders(m365_emulator: RunningEmulator) -> None:
    url = m365_emulator.http_url
    evil = {"origin": "https://evil.example"}

    empty = HTTP.post(f"{url}/control/reset", headers=evil)
    form = HTTP.post(f"{url}/control/reset", data={"seed": "2"})
    pretend = HTTP.post(
        f"{url}/control/pretend", data={"tenant": HARBOUR, "scenario": "declined"}, headers=evil
    )
    away = HTTP.post(f"{url}/control/pretend", data={"tenant": HARBOUR, "back_to": "//evil.example/"})

    assert (empty.status_code, form.status_code) == (400, 400)
    assert pretend.headers["location"] == "/"
    assert away.headers["location"] == "/"
    assert m365_emulator.control("GET", f"/tenants/{HARBOUR}")["scenario"] is None


def test_log_names_tenant_app_and_status_and_masks_secrets(
    m365_emulator: RunningEmulator, browser: Browser, app: App
) -> None:
    app.approve(browser)
    app.tokens_for(browser, TOM)
    entry = m365_emulator.control("GET", "/requests?path=/token&status=200")["requests"][0]
    detail = m365_emulator.control("GET", f"/requests/{entry['number']}")

    assert entry["app_id"] == app.client_id
    assert "grant_type=authorization_code" in entry["request_body"]
    assert CLIENT_SECRET not in str(detail)
    assert detail["text"].startswith("POST /organizations/oauth2/v2.0/token HTTP/1.1\nhost: ")
    page = browser.open(f"/requests/{entry['number']}")
    assert CLIENT_SECRET not in page.text
    m365_emulator.control("DELETE", "/requests")
    assert m365_emulator.control("GET", "/requests")["requests"] == []


def test_snapshots_by_name(m365_emulator: RunningEmulator) -> None:
    m365_emulator.control("POST", "/snapshots/before", {})
    m365_emulator.control("DELETE", f"/users/{DANA}")

    m365_emulator.control("POST", "/snapshots/before/restore", {})

    assert m365_emulator.control("GET", f"/users/{DANA}")["deleted"] is False
    assert m365_emulator.control("DELETE", "/snapshots/before") == {"snapshots": {}}


def test_start_page_lists_tenants_people_and_mailboxes(browser: Browser) -> None:
    page = browser.open("/")

    assert "Harbour &amp; Vale" in page.text
    assert "mailbox on premises" in page.text
    assert "no licence" in page.text
    mailbox = browser.open(f"/mailboxes/{TOM}")
    assert mailbox.heading == "Tom Ellis: Inbox"
    item = browser.open(mailbox.tree.xpath("//table//a/@href")[0])
    assert item.status == 200
    assert browser.open(f"/mailboxes/{TOM}/calendar").status == 200
    assert browser.open("/mailboxes/nobody@nowhere.example").status == 404
    assert browser.open(f"/mailboxes/{TOM}/items/99999999").status == 404


def test_mail_content_is_shown_as_text_only(m365_emulator: RunningEmulator, browser: Browser) -> None:
    mailbox = m365_emulator.world.find_mailbox(TOM)
    assert mailbox is not None
    item = mailbox.all_mail()[0]
    mailbox.update(item, {"subject": "<script>alert(1)</script>"})

    page = browser.open(f"/mailboxes/{TOM}/items/{item.identity}")

    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text


def test_stylesheet_is_served_and_nothing_else(m365_emulator: RunningEmulator) -> None:
    base = m365_emulator.http_url

    assert HTTP.get(f"{base}/static/app.css").headers["content-type"].startswith("text/css")
    for name in ("..%2Fpage.py", "%2e%2e/page.py", "nothing.css", "app.py"):
        assert HTTP.get(f"{base}/static/{name}").status_code in (400, 404)


def test_a_running_emulator_takes_another_seed_file_or_refuses_it_whole(
    m365_emulator: RunningEmulator,
) -> None:
    seed = (
        "tenants: [{name: Sent, domains: [sent.example], people: [{name: One, address: one@sent.example}]}]"
    )
    source = m365_emulator.world.source
    try:
        with pytest.raises(ValueError, match="Unknown key"):
            m365_emulator.control("POST", "/reset", {"yaml": "tenant: []"})
        assert m365_emulator.control("GET", f"/users/{TOM}")["upn"] == TOM

        answer = m365_emulator.control("POST", "/reset", {"yaml": seed})

        assert [tenant["display_name"] for tenant in answer["tenants"]] == ["Sent"]
    finally:
        m365_emulator.world.source = source
