"""Origins and paths that are our own."""

from __future__ import annotations

import pytest

from ostiary.entrypoints.web.addresses import local_path, origin

ELSEWHERE = [
    "https://evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/%0d%0a\r\nSet-Cookie: a=b",
    " /console",
    "javascript:alert(1)",
    "data:text/html,x",
    "console",
    "",
    "/console\\..\\evil",
    "/console with blank",
    "/" + "a" * 600,
]


@pytest.mark.parametrize("text", ELSEWHERE)
def test_address_that_leads_elsewhere_is_no_local_path(text: str) -> None:
    assert local_path(text) is None


@pytest.mark.parametrize("text", ["/", "/console", "/console/members?show=all&q=a%20b", "/a#b"])
def test_own_path_stays_as_it_is(text: str) -> None:
    assert local_path(text) == text


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://connect.larkspur.example/", "https://connect.larkspur.example"),
        ("https://Connect.Larkspur.Example:443/x", "https://connect.larkspur.example"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        ("https://user@evil.example", ""),
        ("https://host:notaport", ""),
        ("not an address", ""),
    ],
)
def test_origin_is_written_as_browsers_write_it(address: str, expected: str) -> None:
    assert origin(address) == expected
