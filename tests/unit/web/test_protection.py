"""Headers, hosts, forwarded addresses, body sizes: what every request and answer passes."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import httpx
import pytest

from ostiary.entrypoints.web.headers import content_security_policy

from .conftest import CONSOLE, SITE, AppMaker, browser_of


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/form"),
        ("POST", "/form"),
        ("GET", "/no-such-page"),
        ("DELETE", "/form"),
        ("GET", "/fails/bug"),
        ("GET", "/v1/fails/missing"),
        ("GET", "/static/none.css"),
    ],
)
async def test_every_answer_carries_the_headers(browser: httpx.AsyncClient, method: str, path: str) -> None:
    headers = (await browser.request(method, path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["x-frame-options"] == "DENY"
    assert "camera=()" in headers["permissions-policy"]
    assert "max-age=31536000; includeSubDomains" in headers["strict-transport-security"]
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-request-id"].startswith("RQ-")
    assert "server" not in headers


async def test_pages_run_nothing_inline_and_lead_forms_nowhere_else(browser: httpx.AsyncClient) -> None:
    policy = (await browser.get("/form")).headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "form-action 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy


def test_sign_in_host_is_named_where_a_form_leads_there() -> None:
    policy = content_security_policy(["https://login.microsoftonline.com"])
    assert "form-action 'self' https://login.microsoftonline.com;" in policy


@pytest.mark.parametrize(
    "host", ["evil.example", "connect.larkspur.example:8443", "", "connect.larkspur.example.evil.example"]
)
async def test_foreign_host_is_refused(browser: httpx.AsyncClient, host: str) -> None:
    answer = await browser.get("/form", headers={"Host": host})
    assert answer.status_code == 421
    assert host not in answer.text or not host


async def test_console_is_not_served_by_the_public_host_and_the_other_way_round(make_app: AppMaker) -> None:
    app = make_app(console_url=CONSOLE)
    async with browser_of(app) as public, browser_of(app, base_url=CONSOLE) as console:
        assert (await public.get("/console/page")).status_code == 421
        assert (await console.get("/console/page")).status_code == 200
        assert (await public.get("/form")).status_code == 200
        assert (await console.get("/form")).status_code == 421
        assert (await console.get("/")).headers["location"] == "/console"
        assert (await console.get(app.state.static.address("app.css"))).status_code == 200


async def test_strangers_forwarded_headers_count_for_nothing(browser: httpx.AsyncClient) -> None:
    answer = await browser.get(
        "/ip",
        headers={
            "X-Forwarded-For": "192.0.2.1",
            "X-Forwarded-Proto": "http",
            "X-Forwarded-Host": "evil.example",
        },
    )
    assert answer.json() == {"ip": "203.0.113.5", "scheme": "https"}


async def test_known_proxy_tells_the_client_and_a_written_chain_does_not(make_app: AppMaker) -> None:
    app = make_app(trusted_proxies=("10.0.0.0/8",))
    async with browser_of(app, peer="10.1.2.3") as behind_proxy:
        answer = await behind_proxy.get(
            "/ip", headers={"X-Forwarded-For": "6.6.6.6, 192.0.2.44, 10.9.9.9", "X-Forwarded-Proto": "https"}
        )
        # What the visitor wrote (6.6.6.6) stands left of what our proxies saw.
        assert answer.json()["ip"] == "192.0.2.44"
        junk = await behind_proxy.get("/ip", headers={"X-Forwarded-For": "<script>"})
        assert junk.json()["ip"] == "10.1.2.3"


async def test_proxy_on_plain_http_tells_the_scheme_people_use(make_app: AppMaker) -> None:
    app = make_app(trusted_proxies=("10.1.2.3",))
    async with browser_of(app, base_url="http://connect.larkspur.example", peer="10.1.2.3") as behind_proxy:
        assert (await behind_proxy.get("/ip")).status_code == 421
        answer = await behind_proxy.get("/ip", headers={"X-Forwarded-Proto": "https"})
        assert answer.json()["scheme"] == "https"


async def test_announced_large_body_is_refused_before_it_is_read(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/hook", content=b"x" * (64 * 1024 + 1))
    assert answer.status_code == 413


@pytest.mark.parametrize("path", ["/hook", "/form", "/theme"])
async def test_streamed_large_body_is_cut_off(browser: httpx.AsyncClient, path: str) -> None:
    async def drip() -> AsyncIterator[bytes]:
        for _ in range(70):
            yield b"y" * 1024

    answer = await browser.post(
        path, content=drip(), headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == 413


async def test_method_override_is_ignored(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/ip", headers={"X-HTTP-Method-Override": "GET"})
    assert answer.status_code == 405
    assert (await browser.request("TRACE", "/ip")).status_code == 405


async def test_static_file_is_kept_for_good_under_the_name_of_its_content(make_app: AppMaker) -> None:
    app = make_app()
    address = app.state.static.address("app.css")
    async with browser_of(app) as browser:
        answer = await browser.get(address)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["content-type"].startswith("text/css")
        plain = await browser.get(address, headers={"Accept-Encoding": "identity"})
        assert plain.content == answer.content
        assert (await browser.get("/static/app.css")).status_code == 404
    # One origin for everything, and nothing heavier than a page may weigh (UX §15).
    files = app.state.static
    sizes = {
        name: len(files.get(files.address(name).rpartition("/")[2]).content)
        for name in ("copy.js", "live.js", "console.js")
    }
    # No page loads more than two of them, and none more than 3 KB.
    for pair in itertools.combinations(sizes, 2):
        assert sum(sizes[name] for name in pair) <= 3072, pair
    assert SITE not in answer.text
