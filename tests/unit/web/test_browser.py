"""The anti-forgery check and the browser's own cookie."""

from __future__ import annotations

import re

import httpx
import pytest

from .conftest import SITE, AppMaker, browser_of

SAME = {"Sec-Fetch-Site": "same-origin"}


async def _token(browser: httpx.AsyncClient) -> str:
    found = re.search(r'value="([^"]+)"', (await browser.get("/form")).text)
    assert found is not None
    return found[1]


async def test_form_of_our_own_page_is_taken(browser: httpx.AsyncClient) -> None:
    token = await _token(browser)
    answer = await browser.post("/form", data={"csrf_token": token, "word": "hello"}, headers=SAME)
    assert answer.status_code == 200
    assert answer.json()["word"] == "hello"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://connect.larkspur.example"},
        {"Sec-Fetch-Site": "cross-site", "Origin": SITE},
    ],
)
async def test_form_sent_from_elsewhere_is_refused_even_with_the_token(
    browser: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    token = await _token(browser)
    answer = await browser.post("/form", data={"csrf_token": token}, headers=headers)
    assert answer.status_code == 403


async def test_older_browser_is_told_apart_by_its_origin(browser: httpx.AsyncClient) -> None:
    token = await _token(browser)
    answer = await browser.post("/form", data={"csrf_token": token}, headers={"Origin": SITE})
    assert answer.status_code == 200


async def test_token_of_another_browser_is_refused(make_app: AppMaker) -> None:
    app = make_app()
    async with browser_of(app) as mine, browser_of(app) as theirs:
        foreign = await _token(theirs)
        await _token(mine)
        answer = await mine.post("/form", data={"csrf_token": foreign}, headers=SAME)
    assert answer.status_code == 403


@pytest.mark.parametrize("data", [{}, {"csrf_token": ""}, {"csrf_token": "AAAA"}, {"csrf_token": "ä"}])
async def test_missing_or_broken_token_is_refused(browser: httpx.AsyncClient, data: dict[str, str]) -> None:
    await _token(browser)
    assert (await browser.post("/form", data=data, headers=SAME)).status_code == 403


async def test_doubled_token_is_refused(browser: httpx.AsyncClient) -> None:
    token = await _token(browser)
    answer = await browser.post("/form", data={"csrf_token": [token, token]}, headers=SAME)
    assert answer.status_code == 403


async def test_token_without_the_cookie_is_refused(browser: httpx.AsyncClient) -> None:
    token = await _token(browser)
    browser.cookies.clear()
    assert (await browser.post("/form", data={"csrf_token": token}, headers=SAME)).status_code == 403


async def test_token_looks_different_each_time_so_that_compression_tells_nothing(
    browser: httpx.AsyncClient,
) -> None:
    assert await _token(browser) != await _token(browser)


async def test_cookie_is_bound_to_this_host_and_hidden_from_scripts(browser: httpx.AsyncClient) -> None:
    (header,) = (await browser.get("/form")).headers.get_list("set-cookie")
    assert header.startswith("__Host-ostiary-browser=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(header.split("; "))
    assert "Domain" not in header
    # Known from now on: not set again.
    assert "set-cookie" not in (await browser.get("/form")).headers


async def test_planted_second_cookie_is_refused(browser: httpx.AsyncClient) -> None:
    token = await _token(browser)
    own = browser.cookies["__Host-ostiary-browser"]
    browser.cookies.clear()
    answer = await browser.post(
        "/form",
        data={"csrf_token": token},
        headers={**SAME, "Cookie": f"__Host-ostiary-browser={own}; __Host-ostiary-browser={'x' * 43}"},
    )
    assert answer.status_code == 400


async def test_cookie_that_we_did_not_make_is_replaced(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/form", headers={"Cookie": "__Host-ostiary-browser=short"})
    assert "__Host-ostiary-browser=" in answer.headers["set-cookie"]


async def test_machines_may_post_where_the_route_says_so(browser: httpx.AsyncClient) -> None:
    assert (await browser.post("/hook", content=b"abc")).json() == {"length": 3}
