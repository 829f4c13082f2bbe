"""A browser without JavaScript: follows links and redirects, fills forms, keeps cookies."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
from lxml import html


@dataclass
class Form:
    """One form of a page."""

    action: str
    fields: dict[str, str]
    buttons: list[tuple[str, str]]


@dataclass
class Page:
    """What the browser shows."""

    url: str
    status: int
    text: str

    @property
    def tree(self) -> html.HtmlElement:
        return html.fromstring(self.text)

    @property
    def heading(self) -> str:
        """The page's H1; empty where the app would take over."""
        return self.tree.xpath("string(//h1)").strip() if self.text else ""

    def text_of(self, element_id: str) -> str:
        return self.tree.xpath(f"string(//*[@id='{element_id}'])").strip()

    def link(self, element_id: str) -> str:
        return self.tree.xpath(f"string(//a[@id='{element_id}']/@href)")

    def form(self, action: str) -> Form:
        """The form that posts to `action`."""
        found = self.tree.xpath(f"//form[@action='{action}']")
        assert found, f"no form for {action} on {self.heading}"
        element = found[0]
        fields = {
            item.get("name"): item.get("value", "")
            for item in element.xpath(".//input[@name][not(@type='checkbox')]")
        }
        buttons = [(b.get("name", ""), b.get("value", "")) for b in element.xpath(".//button")]
        return Form(action, fields, buttons)


@dataclass
class Browser:
    """Stops in front of addresses outside `base`, which is where an app would take over."""

    base: str
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(verify=False, timeout=20, trust_env=False)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def _follow(self, response: httpx.Response) -> Page:
        while response.status_code in (301, 302, 303, 307):
            target = urljoin(str(response.url), response.headers["location"])
            if urlsplit(target).netloc != urlsplit(self.base).netloc:
                return Page(target, 302, "")
            response = self.client.get(target)
        return Page(str(response.url), response.status_code, response.text)

    def open(self, url: str) -> Page:
        return self._follow(self.client.get(urljoin(self.base, url)))

    def press(self, page: Page, action: str, name: str, value: str, **fields: str) -> Page:
        """Press a button of the form that posts to `action`."""
        form = page.form(action)
        assert (name, value) in form.buttons, f"no button {name}={value} on {page.heading}: {form.buttons}"
        body = {**form.fields, **fields, name: value}
        return self._follow(self.client.post(urljoin(page.url, action), data=body))

    def submit(self, page: Page, action: str, **fields: str) -> Page:
        """Send the form that posts to `action`, as its only button would."""
        return self._follow(
            self.client.post(urljoin(page.url, action), data={**page.form(action).fields, **fields})
        )

    def sign_in(self, page: Page, upn: str) -> Page:
        """Pick an account (or type its address when it is not listed), and give the password when asked."""
        if ("account", upn) in page.form("/pick").buttons:
            page = self.press(page, "/pick", "account", upn)
        else:
            page = self.press(page, "/pick", "account", "other")
            page = self.press(page, "/pick", "decision", "next", address=upn)
        if page.heading == "Password":
            page = self.press(page, "/password", "decision", "next")
        return page


def query_of(url: str) -> dict[str, str]:
    """The query (or fragment) of an address, single values."""
    parts = urlsplit(url)
    return {
        name: values[0]
        for name, values in parse_qs(parts.query or parts.fragment, keep_blank_values=True).items()
    }
