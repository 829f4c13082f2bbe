"""Cookies that a neighbouring site cannot plant or alter (SR-53)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fastapi import Request, Response

from ostiary.core.kernel.errors import InvalidRequest
from ostiary.entrypoints.web.cookies import cookie_header, drop_cookie, read_cookie, set_cookie
from ostiary.entrypoints.web.permissions import SESSION_COOKIE


def request_with(*headers: str) -> Request:
    return Request({"type": "http", "headers": [(b"cookie", header.encode()) for header in headers]})


@pytest.mark.parametrize(
    "headers",
    [
        (f"{SESSION_COOKIE}=one; {SESSION_COOKIE}=two",),
        (f"{SESSION_COOKIE}=one; {SESSION_COOKIE}=one",),
        (f"{SESSION_COOKIE}=one", f"{SESSION_COOKIE}=two"),
        (f"{SESSION_COOKIE}=;{SESSION_COOKIE} = two",),
    ],
)
def test_two_cookies_of_one_name_are_refused_in_one_header_or_two(headers: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequest):
        read_cookie(request_with(*headers), SESSION_COOKIE)


@pytest.mark.parametrize(
    "header",
    [
        "ostiary-session=planted",
        "__Secure-ostiary-session=planted",
        "__host-ostiary-session=planted",
        f"x{SESSION_COOKIE}=planted",
        f"other={SESSION_COOKIE}",
        SESSION_COOKIE,
    ],
)
def test_a_cookie_without_the_whole_name_counts_for_nothing(header: str) -> None:
    assert read_cookie(request_with(header), SESSION_COOKIE) is None


def test_only_cookies_that_belong_to_this_host_alone_are_set() -> None:
    with pytest.raises(ValueError, match="prefix"):
        cookie_header("ostiary-session", "value", life=None)


def test_a_cookie_is_for_the_whole_host_over_https_and_for_no_script() -> None:
    response = Response()
    set_cookie(response, SESSION_COOKIE, "value", life=timedelta(hours=12), same_site="Strict")
    assert response.headers["set-cookie"] == (
        f"{SESSION_COOKIE}=value; Path=/; Max-Age=43200; Secure; HttpOnly; SameSite=Strict"
    )
    assert "Domain" not in response.headers["set-cookie"]


def test_a_dropped_cookie_ends_at_once() -> None:
    response = Response()
    drop_cookie(response, SESSION_COOKIE)
    assert "Max-Age=0" in response.headers["set-cookie"]
