"""The webmail view shows words and links, and nothing of a mail that could load or run."""

from __future__ import annotations

from m365_emulator.control.readable import Piece, readable


def test_addresses_in_plain_text_become_links_without_the_full_stop() -> None:
    assert readable("Open https://a.example/l/x_y.\nThanks", is_html=False) == [
        Piece("Open "),
        Piece("https://a.example/l/x_y", "https://a.example/l/x_y"),
        Piece(".\nThanks"),
    ]


def test_html_reads_as_paragraphs_with_its_links() -> None:
    body = (
        "<html><head><style>p{}</style></head><body><p>Hello &amp; welcome</p>"
        "<p><a href='https://a.example/?a=1&amp;b=2'>here</a> now</p></body></html>"
    )
    pieces = readable(body, is_html=True)
    assert Piece("here", "https://a.example/?a=1&b=2") in pieces
    text = "".join(piece.words for piece in pieces)
    assert text.split() == ["Hello", "&", "welcome", "here", "now"]


def test_only_web_addresses_become_links_and_scripts_are_silent() -> None:
    body = (
        "<p><a href='javascript:alert(1)'>x</a><script>alert(2)</script><img src='https://t.example/p'></p>"
    )
    pieces = readable(body, is_html=True)
    assert [piece.url for piece in pieces if piece.url] == []
    assert "alert" not in "".join(piece.words for piece in pieces)
