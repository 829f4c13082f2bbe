"""What a caller sees when something goes wrong."""

from __future__ import annotations

import httpx
import pytest


async def test_bug_shows_a_reference_and_nothing_of_the_inside(
    browser: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await browser.get("/fails/bug")
    assert answer.status_code == 500
    for secret in ("hunter2", "secret.py", "RuntimeError", "Traceback", "fails"):
        assert secret not in answer.text
    assert answer.headers["x-request-id"] in answer.text


async def test_failure_page_says_what_changed_who_can_fix_it_and_what_next(
    browser: httpx.AsyncClient,
) -> None:
    answer = await browser.get("/fails/missing")
    assert answer.status_code == 404
    for words in (
        "Nothing has changed.",
        "There is no such thing.",
        "Who can fix it",
        "Do this next",
        "CN-5H2R-9WTB",
        "help@larkspur.example",
    ):
        assert words in answer.text
    assert '<h1 tabindex="-1" autofocus>' in answer.text


async def test_program_gets_problem_details(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/v1/fails/away")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "30"
    assert answer.json() == {
        "type": "about:blank",
        "title": "This doesn’t work at the moment",
        "status": 503,
        "detail": "Microsoft isn’t answering.",
        "code": "temporarily_unavailable",
        "reason": "microsoft_down",
        "request_id": answer.headers["x-request-id"],
    }


async def test_program_that_meets_a_bug_gets_problem_details_too(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/v1/fails/bug")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "hunter2" not in answer.text


async def test_throttling_of_microsoft_is_passed_on_with_its_waiting_time(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/v1/fails/throttled")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")


@pytest.mark.parametrize(
    ("path", "content_type"), [("/none", "text/html"), ("/v1/none", "application/problem+json")]
)
async def test_unknown_address_is_answered_in_the_callers_own_form(
    browser: httpx.AsyncClient, path: str, content_type: str
) -> None:
    answer = await browser.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith(content_type)


async def test_address_is_not_repeated_in_the_page(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/none<script>alert(1)</script>?q=<b>secret-value</b>")
    assert "alert(1)" not in answer.text
    assert "secret-value" not in answer.text
