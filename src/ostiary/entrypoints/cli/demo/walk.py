"""What the steps of ``ostiary demo --check`` share: browsers, the API, the emulator's controls, what they found so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, cast

import aiohttp

from ostiary.bootstrap import Services
from ostiary.entrypoints.cli.demo.browser import Browser
from ostiary.entrypoints.cli.demo.instance import DemoInstance
from ostiary.entrypoints.cli.demo.receiver import Receiver

CALL_SECONDS: Final = 30.0
_PASSWORD_PAGE: Final = "Password"
_ACCOUNT_PAGE: Final = "Pick an account"


class StepFailed(Exception):
    """Something was not as it must be; the message says what."""


def expect(condition: object, words: str) -> None:
    """Fail the step with ``words`` unless ``condition`` holds."""
    if not condition:
        raise StepFailed(words)


class Restartable(Protocol):
    """The part of a running demo that steps use."""

    @property
    def instance(self) -> DemoInstance: ...
    async def restart_service(self) -> None: ...


@dataclass(slots=True)
class Walk:
    """One run of the check."""

    demo: Restartable
    services: Services
    """On the same database as the service's process; used where a vendor would use a page of its own."""
    http: aiohttp.ClientSession
    receiver: Receiver
    """The vendor's webhook endpoint."""
    api_key: str = ""
    connections: dict[str, str] = field(default_factory=dict[str, str])
    """Connection id by access method."""
    seen: dict[str, Any] = field(default_factory=dict[str, Any])
    """What an earlier step saw and a later one compares with."""

    @property
    def public_url(self) -> str:
        return self.demo.instance.public_url

    def browser(self) -> Browser:
        """Return somebody's fresh browser."""
        return Browser(secure_origins=[self.public_url, self.demo.instance.emulator_url])

    async def api(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        status: int = 200,
        json: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Call our API as the vendor's server does.

        Raises:
            StepFailed: Another status than expected.
        """
        headers = {"Authorization": f"Bearer {self.api_key}"}
        async with self.http.request(
            method, f"{self.public_url}{path}", params=query, json=json, headers=headers
        ) as answer:
            text = await answer.text()
            expect(answer.status == status, f"{method} {path} answered {answer.status}: {text[:300]}")
            return cast("dict[str, Any]", await answer.json(content_type=None)) if text else {}

    async def control(self, method: str, path: str, json: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Steer the emulator."""
        url = f"{self.demo.instance.emulator_url}/control{path}"
        async with self.http.request(method, url, json=json if method != "GET" else None) as answer:
            text = await answer.text()
            expect(
                answer.status == 200,
                f"the emulator answered {answer.status} to {method} {path}: {text[:300]}",
            )
            return cast("dict[str, Any]", await answer.json(content_type=None))

    async def emulator_requests(self, path: str) -> list[dict[str, Any]]:
        """Return what was asked of the emulator since its log was cleared, newest first."""
        found = await self.control("GET", f"/requests?path={path}&limit=500")
        return cast("list[dict[str, Any]]", found["requests"])


async def sign_in(browser: Browser, address: str) -> None:
    """Get through the emulator's account and password pages."""
    if browser.page.heading == _ACCOUNT_PAGE:
        await browser.press(address)
    if browser.page.heading == _PASSWORD_PAGE:
        await browser.press("Sign in")
