"""Only the code flow, and nobody is ever asked to paste an address or a code (SR-24)."""

from __future__ import annotations

import re
from pathlib import Path

import ostiary

SOURCE = Path(ostiary.__path__[0])
_FORBIDDEN = re.compile(
    r"device_code|devicecode|grant_type\W+password|\bid_token token\b|form_post|response_type\W+token"
)


def test_the_only_flows_are_code_refresh_and_our_own_credential() -> None:
    grants: set[str] = set()
    responses: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        text = path.read_text("utf-8")
        assert not _FORBIDDEN.search(text), path.name
        grants |= set(re.findall(r"[\"']grant_type[\"']:\s*[\"'](\w+)[\"']", text))
        responses |= set(re.findall(r"[\"']response_type[\"']:\s*[\"'](\w+)[\"']", text))
    assert grants == {"authorization_code", "refresh_token", "client_credentials"}
    assert responses == {"code"}


def test_no_page_has_a_field_for_a_password_an_address_or_a_code() -> None:
    pages = [*SOURCE.rglob("templates/**/*.html")]
    assert len(pages) > 30
    for page in pages:
        text = page.read_text("utf-8")
        for field in re.findall(r"<input[^>]*>", text):
            assert not re.search(r"type=\"(password|url)\"|autocomplete=\"one-time-code\"", field), page.name
        for asked in re.findall(r"<(?:label|button|h1|h2)[^>]*>([^<]*paste[^<]*)<", text, re.IGNORECASE):
            assert re.search(r"never", asked, re.IGNORECASE), page.name


def test_the_pages_of_administrators_and_of_people_stopped_say_so() -> None:
    words = {
        "admin_consent.html": "never ask you to paste",
        "microsoft_page.html": "Never paste a web address",
        "genuine.html": "paste",
    }
    for name, expected in words.items():
        (page,) = SOURCE.rglob(f"templates/site/{name}")
        assert expected.lower() in page.read_text("utf-8").lower(), name
