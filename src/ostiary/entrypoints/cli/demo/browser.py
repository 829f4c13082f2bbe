"""A browser without a screen: cookies, redirects, links and forms of plain HTML, as a person without scripts has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import urljoin, urlsplit

import aiohttp
import lxml.html
from yarl import URL

CALL_SECONDS: Final = 30.0
MOST_REDIRECTS: Final = 12
MOST_PAGE_BYTES: Final = 2 * 1024 * 1024


class PageWrong(Exception):
    """The page is not the one a person would expect here."""


class _Stopped(Exception):
    """A redirect was not followed."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


@dataclass(frozen=True, slots=True)
class Page:
    """What the browser shows."""

    url: str
    status: int
    document: lxml.html.HtmlElement = field(repr=False)

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def heading(self) -> str:
        """Text of the one H1."""
        found = self.document.xpath("//h1")
        return " ".join(found[0].text_content().split()) if found else ""

    @property
    def text(self) -> str:
        """All words, blanks folded."""
        body = self.document.find("body")
        return " ".join((self.document if body is None else body).text_content().split())

    @property
    def buttons(self) -> list[str]:
        """Labels of the buttons that send a form."""
        return [_label(button) for button in self.document.xpath("//form//button")]


class Browser:
    """One person's browser. Use as a context manager."""

    def __init__(self, *, secure_origins: list[str]) -> None:
        """``secure_origins``: plain-HTTP addresses that get secure cookies all the same, as browsers do for localhost."""
        self._stop_at: str | None = None
        self._jar = aiohttp.CookieJar(
            unsafe=True, treat_as_secure_origin=[URL(each) for each in secure_origins]
        )
        self._session = aiohttp.ClientSession(
            cookie_jar=self._jar, timeout=aiohttp.ClientTimeout(total=CALL_SECONDS), trust_env=False
        )
        self.page = Page("about:blank", 0, lxml.html.fromstring("<html><body></body></html>"))
        self.history: list[str] = []
        """Every address asked for, redirects included."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def open(self, url: str) -> Page:
        """Type an address."""
        return await self._go("GET", url, None)

    async def reload(self) -> Page:
        """Ask for the same page again."""
        return await self._go("GET", self.page.url, None)

    async def follow(self, words: str) -> Page:
        """Click the link with these words.

        Raises:
            PageWrong: There is no such link.
        """
        for link in self.page.document.xpath("//a[@href]"):
            if _label(link) == words:
                return await self._go("GET", urljoin(self.page.url, link.get("href")), None)
        raise PageWrong(f"“{self.page.heading}” has no link “{words}”")

    async def press(self, words: str, **values: str) -> Page:
        """Fill in fields and press the button with these words, or that contains an element with them.

        Args:
            values: By field name. A tick box is set with ``on`` and cleared with an empty text.

        Raises:
            PageWrong: There is no such button or field.
        """
        button = self._button(words)
        form = next(button.iterancestors("form"))
        fields = _fields(form)
        for name, value in values.items():
            if not form.xpath(f".//*[@name='{name}']"):
                raise PageWrong(f"the form of “{words}” has no field {name}")
            fields = [(key, old) for key, old in fields if key != name]
            if value:
                fields.append((name, value))
        name = button.get("name")
        if name:
            fields.append((name, button.get("value", "")))
        target = button.get("formaction") or form.get("action") or self.page.url
        method = (button.get("formmethod") or form.get("method") or "get").upper()
        return await self._go(method, urljoin(self.page.url, target), fields)

    async def stop_before_leaving(self, words: str, *, host: str) -> str:
        """Press a button, but do not follow the redirect to ``host``; return where it would have led."""
        self._stop_at = host
        try:
            await self.press(words)
        except _Stopped as stopped:
            return stopped.url
        finally:
            self._stop_at = None
        raise PageWrong(f"“{words}” did not lead to {host}")

    def cookies(self) -> list[tuple[str, str, str]]:
        """Return (address, name, value) of every cookie, for :meth:`set_cookies` of another visit."""
        return [(f"http://{each['domain']}", each.key, each.value) for each in self._jar]

    def set_cookies(self, cookies: list[tuple[str, str, str]]) -> None:
        """Come back as the visitor who had these cookies."""
        for address, name, value in cookies:
            self._jar.update_cookies({name: value}, URL(address))

    def _button(self, words: str) -> lxml.html.HtmlElement:
        buttons = self.page.document.xpath("//form//button")
        for button in buttons:
            if _label(button) == words:
                return button
        for button in buttons:
            if words in _label(button):
                return button
        labels = ", ".join(f"“{label}”" for label in self.page.buttons) or "none"
        raise PageWrong(f"“{self.page.heading}” has no button “{words}”; it has: {labels}")

    async def _go(self, method: str, url: str, fields: list[tuple[str, str]] | None) -> Page:
        headers = {"Accept": "text/html", "User-Agent": "ostiary-demo"}
        for _ in range(MOST_REDIRECTS):
            if method == "POST":
                # Browsers say where a form comes from; our pages insist on it.
                headers["Origin"] = str(URL(self.page.url).origin())
            self.history.append(url)
            target = URL(url)
            if method == "GET" and fields:
                target = target.with_query(fields)
            async with self._session.request(
                method,
                target,
                data=aiohttp.FormData(fields) if method == "POST" and fields else None,
                headers=headers,
                allow_redirects=False,
            ) as answer:
                if answer.status in (301, 302, 303, 307, 308):
                    url = urljoin(url, answer.headers["Location"])
                    if self._stop_at is not None and url.startswith(self._stop_at):
                        raise _Stopped(url)
                    method, fields = "GET", None
                    headers.pop("Origin", None)
                    continue
                content = await answer.content.read(MOST_PAGE_BYTES)
                text = content.decode("utf-8", "replace") or "<html><body></body></html>"
                self.page = Page(url, answer.status, lxml.html.document_fromstring(text))
                return self.page
        raise PageWrong("the redirects go on for ever")


def _fields(form: lxml.html.HtmlElement) -> list[tuple[str, str]]:
    """Return what the form would send as it stands, without its buttons."""
    found: list[tuple[str, str]] = []
    for element in form.xpath(".//input[@name] | .//textarea[@name] | .//select[@name]"):
        name, kind = element.get("name"), element.get("type", "text")
        if element.get("disabled") is not None or kind in ("submit", "button", "image", "reset", "file"):
            continue
        if kind in ("checkbox", "radio"):
            if element.get("checked") is not None:
                found.append((name, element.get("value", "on")))
        elif element.tag == "textarea":
            found.append((name, element.text or ""))
        elif element.tag == "select":
            chosen = element.xpath(".//option[@selected]") or element.xpath(".//option")
            if chosen:
                found.append((name, chosen[0].get("value", "")))
        else:
            found.append((name, element.get("value", "")))
    return found


def _label(element: lxml.html.HtmlElement) -> str:
    return " ".join(element.text_content().split())
