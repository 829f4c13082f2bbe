"""What cleaning keeps and what it takes away; that it harms nobody is tried in a real browser."""

from __future__ import annotations

import time

import pytest

from ostiary.core.mail.safe_html import MOST_HTML_CHARACTERS, make_safe, safe_text
from ostiary.core.mail.tame_html import MOST_DEPTH, tame


@pytest.mark.parametrize(
    "kept",
    [
        "<p>Hello <b>Tom</b>, <i>see</i> below.</p>",
        "<table><tbody><tr><td>1</td><td>2</td></tr></tbody></table>",
        "<h1>Title</h1><ul><li>a</li><li>b</li></ul>",
        '<p style="color: red; font-size: 12px; border: 1px solid rgb(1, 2, 3)">x</p>',
        '<td bgcolor="#ffffff" width="600"></td>',
        '<p dir="rtl" lang="he">x</p>',
    ],
)
def test_ordinary_mail_stays_as_it_is(kept: str) -> None:
    wrapped = kept if not kept.startswith("<td") else f"<table><tbody><tr>{kept}</tr></tbody></table>"
    assert make_safe(wrapped).html == wrapped


def test_links_lead_out_by_a_click_and_tell_nothing() -> None:
    safe = make_safe(
        '<a href=" https://larkspur.example/?a=1&amp;b=2" onclick="x()" target="_self">x</a>'
    ).html

    assert 'href="https://larkspur.example/?a=1&amp;b=2"' in safe
    assert 'rel="noopener noreferrer nofollow"' in safe
    assert 'target="_blank"' in safe
    assert "onclick" not in safe


@pytest.mark.parametrize(
    "address",
    ["javascript:x()", "jav\tascript:x()", "data:text/html,x", "//evil.example", "/relative", "cid:x", ""],
)
def test_other_addresses_are_taken_off(address: str) -> None:
    assert "href" not in make_safe(f'<a href="{address}">x</a>').html


def test_remote_pictures_are_off_and_counted() -> None:
    safe = make_safe(
        '<img src="https://tracker.example/1.gif"><img src="data:image/png;base64,AAAA"><img src="cid:other">'
        '<img src="CID:logo@1" alt="Logo">',
        content_ids={"<logo@1>"},
    )

    assert safe.blocked_images_count == 2  # A picture in the address itself comes from nowhere else.
    assert safe.html.count("src=") == 1
    assert '<img src="cid:logo@1" alt="Logo">' in safe.html


@pytest.mark.parametrize(
    "style",
    [
        "background: url(https://tracker.example/1.gif)",
        "background-image: url(x)",
        "color: expression(x())",
        "color: re\\64",
        "position: fixed; inset: 0",
        "width: calc(1px + attr(data-x px))",
        "--x: url(x)",
        "color: red} * {color: blue",
    ],
)
def test_styles_that_load_cover_or_compute_are_taken_off(style: str) -> None:
    assert "style" not in make_safe(f"<p style='{style}'>x</p>").html


def test_what_stands_beside_a_bad_style_stays() -> None:
    safe = make_safe('<p style="color: red; background: url(x); font-weight: bold">x</p>')
    assert safe.html == '<p style="color: red; font-weight: bold">x</p>'


def test_inside_of_code_goes_with_it() -> None:
    hostile = "<p>a</p><script>let x</script><style>p{}</style><svg><text>t</text></svg><textarea>u</textarea><!-- c -->"
    assert make_safe(hostile).html == "<p>a</p>"


def test_plain_text_becomes_what_it_says() -> None:
    assert safe_text("1 < 2\n<b>&amp;").html.endswith("1 &lt; 2\n&lt;b&gt;&amp;amp;</pre>")


@pytest.mark.parametrize(
    "bomb",
    [
        "<div>" * 200_000,
        "<b><i>" * 80_000,
        "".join(f"<font color=c{number}>" for number in range(60_000)) + "<p>" * 60_000,
        "<table>" * 100_000 + "<td>x",
        "<!--" * 200_000,
        "<" * 200_000,
        "&" * 1_000_000,
        "<a href='" * 100_000,
        "<p style='" + "color:red;" * 100_000 + "'>x",
        "<p " + " ".join(f"a{number}" for number in range(100_000)) + ">x",
    ],
    ids=[
        "div",
        "bold",
        "fonts",
        "tables",
        "comments",
        "angles",
        "ampersands",
        "quotes",
        "style",
        "attributes",
    ],
)
def test_bombs_cost_little(bomb: str) -> None:
    """Nesting without end takes a parser quadratic time, minutes for a megabyte; here it is seconds on a busy machine."""
    began = time.process_time()
    make_safe(bomb)
    assert time.process_time() - began < 20


def test_tamed_markup_nests_no_deeper_than_allowed() -> None:
    markup, left_out = tame("<div>" * 20_000 + "deep")

    assert left_out
    assert markup.count("<div>") == markup.count("</div>") == MOST_DEPTH
    assert "deep" in markup


def test_long_ordinary_mail_is_tamed_without_loss() -> None:
    row = '<tr><td width="50%" style="color: red">a &amp; b</td><td><b>c</b><br>d &lt; e</td></tr>'
    mail = f"<table><tbody>{row * 4000}</tbody></table>"

    safe = make_safe(mail)

    assert not safe.is_cut
    assert safe.html == mail


def test_endless_mail_is_cut_and_says_so() -> None:
    safe = make_safe("x" * (MOST_HTML_CHARACTERS + 1))
    assert safe.is_cut
    assert len(safe.html) == MOST_HTML_CHARACTERS
