"""HTML of a stranger, made safe to show: an allow-list decides, and nothing is loaded from anywhere (SR-93).

What comes out runs no script, sends no request while it is shown, and leads out only by a click. It belongs into a
sandboxed frame all the same: two walls are better than one.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import nh3

from ostiary.core.mail.tame_html import tame

MOST_HTML_CHARACTERS: Final = 8 * 1024 * 1024
"""More is not cleaned but cut: nobody reads it, and it only costs."""

_TAGS: Final = frozenset(
    (
        "a",
        "abbr",
        "address",
        "article",
        "aside",
        "b",
        "bdi",
        "bdo",
        "blockquote",
        "br",
        "caption",
        "center",
        "cite",
        "code",
        "col",
        "colgroup",
        "dd",
        "del",
        "dfn",
        "div",
        "dl",
        "dt",
        "em",
        "figcaption",
        "figure",
        "font",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "i",
        "img",
        "ins",
        "kbd",
        "li",
        "main",
        "mark",
        "ol",
        "p",
        "pre",
        "q",
        "s",
        "samp",
        "section",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "time",
        "tr",
        "tt",
        "u",
        "ul",
        "var",
        "wbr",
    )
)
_TEXT_THAT_GOES_TOO: Final = frozenset(
    (
        "script",
        "style",
        "title",
        "head",
        "template",
        "noscript",
        "iframe",
        "object",
        "embed",
        "applet",
        "svg",
        "math",
        "textarea",
        "select",
        "option",
        "noembed",
        "noframes",
        "xmp",
        "plaintext",
        "audio",
        "video",
        "canvas",
        "portal",
    )
)
"""Elements whose inside is code or meant for no reader."""
_ANYWHERE: Final = frozenset({"dir", "lang", "title", "align", "valign", "style"})
_ATTRIBUTES: Final[dict[str, set[str]]] = {
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "font": {"color", "face", "size"},
    "table": {"border", "cellpadding", "cellspacing", "width", "bgcolor"},
    "td": {"colspan", "rowspan", "width", "height", "bgcolor", "nowrap"},
    "th": {"colspan", "rowspan", "width", "height", "bgcolor", "nowrap", "scope"},
    "tr": {"bgcolor", "height"},
    "col": {"span", "width"},
    "colgroup": {"span", "width"},
    "ol": {"start", "type"},
    "ul": {"type"},
    "li": {"value"},
    "hr": {"size", "width", "noshade"},
    "time": {"datetime"},
}
_LINK: Final = re.compile(r"(?:https?://|mailto:|tel:)", re.IGNORECASE)
_CONTENT_ID: Final = re.compile(r"cid:([\x21-\x7e]{1,255})", re.IGNORECASE)
_PLAIN_VALUE: Final = re.compile(r"[\w#%.,:;/+ -]{0,200}", re.ASCII)
"""Numbers, colours, names of fonts: what a plain attribute may hold."""

_STYLES: Final = frozenset(
    (
        "background-color",
        "border",
        "border-bottom",
        "border-bottom-color",
        "border-bottom-style",
        "border-bottom-width",
        "border-collapse",
        "border-color",
        "border-left",
        "border-left-color",
        "border-left-style",
        "border-left-width",
        "border-radius",
        "border-right",
        "border-right-color",
        "border-right-style",
        "border-right-width",
        "border-spacing",
        "border-style",
        "border-top",
        "border-top-color",
        "border-top-style",
        "border-top-width",
        "border-width",
        "color",
        "direction",
        "display",
        "font",
        "font-family",
        "font-size",
        "font-style",
        "font-variant",
        "font-weight",
        "height",
        "letter-spacing",
        "line-height",
        "list-style-type",
        "margin",
        "margin-bottom",
        "margin-left",
        "margin-right",
        "margin-top",
        "max-width",
        "min-width",
        "padding",
        "padding-bottom",
        "padding-left",
        "padding-right",
        "padding-top",
        "table-layout",
        "text-align",
        "text-decoration",
        "text-indent",
        "text-transform",
        "vertical-align",
        "white-space",
        "width",
        "word-break",
        "word-spacing",
        "word-wrap",
    )
)
_STYLE_VALUE: Final = re.compile(
    r"(?:[\w#%.,'\" !+-]|\b(?:rgba?|hsla?)\([\d.,%/ ]{1,60}\)){1,200}", re.ASCII | re.IGNORECASE
)
"""No backslash, no comment, and of functions only colours: nothing that could name an address."""


@dataclass(frozen=True, slots=True)
class SafeHTML:
    """A fragment for the inside of a page's body."""

    html: str
    blocked_images_count: int
    """Pictures that would have been loaded from elsewhere: tracking pixels among them."""
    is_cut: bool = False
    """Whether something was left out because the message is too long or nested without end."""


class _Cleaner:
    """One cleaning; counts what it leaves out."""

    def __init__(self, content_ids: Collection[str]) -> None:
        self._content_ids = {_bare(each) for each in content_ids}
        self.blocked_images_count = 0

    def attribute(self, tag: str, name: str, value: str) -> str | None:
        """Return the value to keep, or None to drop the attribute."""
        if name == "style":
            return _safe_style(value)
        if tag == "a" and name == "href":
            address = _without_blanks(value)
            return address if _LINK.match(address) else None
        if tag == "img" and name == "src":
            return self._picture(value)
        if name in ("alt", "title"):
            return value
        return value if _PLAIN_VALUE.fullmatch(value) else None

    def _picture(self, value: str) -> str | None:
        match = _CONTENT_ID.fullmatch(value.strip())
        if match is not None and _bare(match[1]) in self._content_ids:
            return f"cid:{_bare(match[1])}"
        self.blocked_images_count += 1
        return None


def make_safe(markup: str, *, content_ids: Collection[str] = ()) -> SafeHTML:
    """Return ``markup`` with everything taken out that runs, loads or pretends.

    Args:
        content_ids: Ids of the message's own inline attachments; only pictures that name one keep their ``cid:``
            source, which no browser loads by itself.
    """
    tamed, left_out = tame(markup[:MOST_HTML_CHARACTERS].replace("\x00", ""))
    cleaner = _Cleaner(content_ids)
    cleaned = nh3.clean(
        tamed,
        tags=set(_TAGS),
        clean_content_tags=set(_TEXT_THAT_GOES_TOO),
        attributes={"*": set(_ANYWHERE), **_ATTRIBUTES},
        attribute_filter=cleaner.attribute,
        strip_comments=True,
        # Addresses are judged by the filter above; this second list holds whatever it may ever let through.
        url_schemes={"http", "https", "mailto", "tel", "cid"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    is_cut = left_out or len(markup) > MOST_HTML_CHARACTERS
    return SafeHTML(cleaned, cleaner.blocked_images_count, is_cut)


def safe_text(text: str) -> SafeHTML:
    """Return plain text as HTML that shows it as it is."""
    is_cut = len(text) > MOST_HTML_CHARACTERS
    shown = html.escape(text[:MOST_HTML_CHARACTERS].replace("\x00", ""))
    return SafeHTML(f'<pre style="white-space: pre-wrap">{shown}</pre>', 0, is_cut)


def _safe_style(value: str) -> str | None:
    kept: list[str] = []
    # A value with any of these is not taken apart at all: browsers and we might disagree where it ends.
    if any(mark in value for mark in ("\\", "/*", "<", "@", "{", "&")):
        return None
    for declaration in value.split(";")[:100]:
        name, colon, content = declaration.partition(":")
        name, content = name.strip().lower(), content.strip()
        if colon and name in _STYLES and _STYLE_VALUE.fullmatch(content):
            kept.append(f"{name}: {content}")
    return "; ".join(kept) or None


def _without_blanks(address: str) -> str:
    """Return an address as browsers read it: without blanks around it and without line breaks or tabs in it."""
    return re.sub(r"[\t\r\n]", "", address).strip("".join(map(chr, range(33))))


def _bare(content_id: str) -> str:
    return content_id.strip("<>")
