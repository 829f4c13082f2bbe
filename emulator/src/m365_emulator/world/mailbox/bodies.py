"""Turning bodies from HTML to text and back, and the preview made of them."""

from __future__ import annotations

import html
import re
from functools import lru_cache

from .item import Body

_DROPPED = re.compile(r"<(script|style|head|title)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_BREAKS = re.compile(r"<(?:br|/p|/div|/tr|/li|/h[1-6]|hr)\b[^>]*>", re.IGNORECASE)
_TAGS = re.compile(r"<[^>]*>")
_SPACES = re.compile(r"[ \t]+")
_MANY_LINES = re.compile(r"(?:\r?\n\s*){3,}")
_UNSAFE = re.compile(
    r"<(script|object|iframe|embed|form)\b.*?</\1\s*>|<(?:script|object|iframe|embed|base|link)\b[^>]*>",
    re.IGNORECASE | re.DOTALL,
)
_UNSAFE_ATTRIBUTES = re.compile(
    r"\son\w+\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s>]+)"
    r"|\s(?:href|src)\s*=\s*(?:\"\s*javascript:[^\"]*\"|'\s*javascript:[^']*'|javascript:[^\s>]*)",
    re.IGNORECASE,
)
PREVIEW_CHARACTERS = 255
"""Source: Graph message resource, bodyPreview."""


def to_text(body: Body) -> str:
    """Return a body as plain text."""
    if not body.is_html:
        return body.content
    text = _DROPPED.sub("", body.content)
    text = _SPACES.sub(" ", text.replace("\r", "").replace("\n", " "))
    text = _TAGS.sub("", _BREAKS.sub("\n", text))
    lines = (line.strip() for line in html.unescape(text).split("\n"))
    return _MANY_LINES.sub("\r\n\r\n", "\r\n".join(lines)).strip() + "\r\n"


def to_html(body: Body) -> str:
    """Return a body as HTML; text is wrapped as Exchange wraps it."""
    if body.is_html:
        return body.content
    escaped = html.escape(body.content, quote=False).replace("\r\n", "\n").replace("\n", "<br>\r\n")
    return (
        '<html><head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8"></head><body>'
        f'<div class="PlainText">{escaped}</div></body></html>'
    )


def without_scripts(content: str) -> str:
    """Return HTML without the parts that Graph takes out on read (scripts, frames, event handlers)."""
    return _UNSAFE_ATTRIBUTES.sub("", _UNSAFE.sub("", content))


@lru_cache(maxsize=4096)
def preview(body: Body) -> str:
    """Return the first 255 characters of the text."""
    content = body.content
    if body.is_html:
        # Only the beginning is needed; four kilobytes of markup hold more than 255 characters of text.
        start = content.lower().find("<body")
        content = to_text(Body(content[max(start, 0) : max(start, 0) + 4096], is_html=True))
    return _MANY_LINES.sub("\r\n\r\n", content.strip())[:PREVIEW_CHARACTERS]
