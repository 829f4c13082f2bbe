"""A wire between the service and the emulator that notes every secret that crosses it: the test's own ground truth."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, parse_qsl, urlsplit

import aiohttp
from aiohttp import web

_FROM_ANSWERS = ("access_token", "refresh_token", "id_token")
_FROM_FORMS = ("code", "code_verifier", "refresh_token", "client_secret", "client_assertion")
_HOP_HEADERS = {"transfer-encoding", "content-length", "connection", "content-encoding", "keep-alive"}


@dataclass
class TokenTap:
    """What crossed the wire. ``url`` stands for Microsoft's hosts."""

    target: str
    url: str = ""
    secrets: dict[str, set[str]] = field(default_factory=dict)
    """By kind, such as ``refresh_token``."""
    codes_redeemed: Counter[str] = field(default_factory=Counter)
    """How often Microsoft took each authorization code."""
    refreshes: Counter[str] = field(default_factory=Counter)
    """How often Microsoft answered a refresh, by the directory in the address."""
    refresh_tokens_used: Counter[str] = field(default_factory=Counter)

    def note(self, kind: str, value: str) -> None:
        if len(value) >= 16:
            self.secrets.setdefault(kind, set()).add(value)

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        is_token_call = request.path.endswith("/oauth2/v2.0/token")
        form = dict(parse_qsl(body.decode())) if is_token_call else {}
        for name in _FROM_FORMS:
            if name in form:
                self.note(name, form[name])
        async with self._session.request(
            request.method,
            f"{self.target}{request.raw_path}",
            data=body,
            headers={
                name: value for name, value in request.headers.items() if name.lower() not in _HOP_HEADERS
            },
            allow_redirects=False,
        ) as answer:
            content = await answer.read()
            if is_token_call and answer.status == 200:
                self._note_tokens(request.path, form, json.loads(content))
            for name, values in parse_qs(urlsplit(answer.headers.get("Location", "")).query).items():
                if name in {"code", "state"}:
                    self.note(name, values[0])
            reply = web.Response(status=answer.status, body=content)
            for name, value in answer.headers.items():
                if name.lower() not in _HOP_HEADERS:
                    reply.headers.add(name, value)
            return reply

    def _note_tokens(self, path: str, form: dict[str, str], answer: dict[str, str]) -> None:
        for name in _FROM_ANSWERS:
            if name in answer:
                self.note(name, answer[name])
        if form.get("grant_type") == "authorization_code":
            self.codes_redeemed[form["code"]] += 1
        if form.get("grant_type") == "refresh_token":
            self.refreshes[path.split("/")[1]] += 1
            self.refresh_tokens_used[form["refresh_token"]] += 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[TokenTap]:
        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self.pass_on)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        async with aiohttp.ClientSession(auto_decompress=True) as self._session:
            await site.start()
            port = runner.addresses[0][1]
            self.url = f"http://127.0.0.1:{port}"
            try:
                yield self
            finally:
                await runner.cleanup()
