"""Strangers' text on a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.entrypoints.cli.documents import document_of
from ostiary.entrypoints.cli.plain_text import many_lines, one_line, text_of_html


@given(st.text())
def test_nothing_a_terminal_obeys_gets_through(text: str) -> None:
    assert one_line(text).isprintable()
    assert all(line.isprintable() for line in many_lines(text).split("\n"))
    assert all(line.isprintable() for line in text_of_html(text).split("\n"))


def test_escape_sequences_lose_their_escape() -> None:
    assert "\x1b" not in one_line("\x1b]0;owned\x07Invoice")
    assert one_line("a\r\nb\tc") == "a b c"


@pytest.mark.parametrize(("text", "shown"), [("short", "short"), ("exactly ten", "exactly t…")])
def test_long_text_is_cut_with_a_sign(text: str, shown: str) -> None:
    assert one_line(text, 10) == shown


def test_html_reads_as_a_person_would_read_it() -> None:
    html = (
        "<html><head><title>x</title><style>p{}</style></head><body><p>Hello&nbsp;Tom,</p>\n\n"
        "<p>one<br>two &lt;3</p><script>alert(1)</script><ul><li>a</li><li>b</li></ul></body></html>"
    )

    lines = [line for line in text_of_html(html).split("\n") if line]

    assert [line.split() for line in lines] == [["Hello", "Tom,"], ["one"], ["two", "<3"], ["a"], ["b"]]


class Word(StrEnum):
    BUSY = "busy"


@dataclass(frozen=True)
class Inner:
    at: datetime


@dataclass(frozen=True)
class Outer:
    word: Word
    inner: tuple[Inner, ...]
    headers: dict[str, tuple[str, ...]]
    nothing: None = None


def test_models_become_plain_values() -> None:
    at = datetime(2026, 11, 24, 13, tzinfo=timezone(timedelta(hours=1)))

    assert document_of(Outer(Word.BUSY, (Inner(at),), {"a": ("b", "c")})) == {
        "word": "busy",
        "inner": [{"at": "2026-11-24T12:00:00Z"}],
        "headers": {"a": ["b", "c"]},
        "nothing": None,
    }
    assert document_of(at.astimezone(UTC)) == "2026-11-24T12:00:00Z"
