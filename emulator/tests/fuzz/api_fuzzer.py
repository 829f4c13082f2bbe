"""Sends what schemathesis makes of our own OpenAPI description to a running emulator, and judges the answers.

Half of the requests fit the description, half break it. Places in paths and some fields are then filled with things
that really exist, so that requests come further than the first look-up.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import hypothesis
import requests
import schemathesis
from requests import RequestException
from schemathesis import APIOperation, Case, GenerationMode

from m365_emulator.entra.tokens import issue_access_token
from m365_emulator.graph import operation_table
from m365_emulator.openapi import document
from m365_emulator.pytest_plugin import RunningEmulator
from m365_emulator.world.world import World
from sample import (
    BACKGROUND_ID,
    BACKGROUND_SECRET,
    CLIENT_ID,
    CLIENT_SECRET,
    DANA,
    DESKTOP_ID,
    GRAPH_SCOPE,
    HARBOUR,
    PRIYA,
    REDIRECT_URI,
    TOM,
)

ANSWER_SECONDS = 20
REQUESTS_PER_WORLD = 400
"""After so many requests the world is built anew, so that there is something left to break."""
QUIET = hypothesis.settings(
    database=None,
    deadline=None,
    phases=[hypothesis.Phase.generate],
    suppress_health_check=list(hypothesis.HealthCheck),
)
_FLOW = re.compile(r'name="flow" value="([^"]+)"')
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
Judge = Callable[[Case, requests.Response], str | None]


@dataclass
class Report:
    """What a run sent and met."""

    side: str
    requests: int = 0
    operations: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    slowest: tuple[float, str] = (0.0, "")
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        statuses = ", ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        return (
            f"{self.side}: {self.requests} requests to {self.operations} operations ({statuses});"
            f" {len(self.failures)} failures; slowest {self.slowest[0]:.2f} s, {self.slowest[1]}"
        )


class Fuzzer:
    """Fuzzes one side of one emulator."""

    def __init__(self, emulator: RunningEmulator, side: str, seed: int) -> None:
        self.emulator, self.side = emulator, side
        self.rng = Random(f"{side} {seed}")
        self.seed = seed
        self.report = Report(side)
        self.session = requests.Session()
        self.session.trust_env = False
        self.prepare: Callable[[Case], dict[str, str]] = {
            "graph": self._prepare_graph,
            "entra": self._prepare_entra,
            "control": self._prepare_control,
        }[side]
        self.judge: Judge = {"graph": judge_graph, "entra": judge_entra, "control": judge_control}[side]
        self.flows: deque[str] = deque(maxlen=20)
        self.codes: deque[str] = deque(maxlen=20)
        self._tokens: list[str] = []
        self.renew()

    @property
    def world(self) -> World:
        return self.emulator.world

    def renew(self) -> None:
        """Begin with a fresh world."""
        self.emulator.reset()
        self._tokens = [_token(self.world, TOM), _token(self.world, DANA), _token(self.world, None)]

    def operations(self, *, only_me: bool) -> list[APIOperation[Any, Any, Any, Any]]:
        schema = schemathesis.openapi.from_dict(document(self.side))
        found = [result.ok() for result in schema.get_all_operations()]
        return [one for one in found if not only_me or not one.path.startswith("/v1.0/users/{user}/")]

    def run(self, *, rounds: int | None = None, seconds: float | None = None, examples: int = 4) -> Report:
        """Go through all operations again and again, for so many rounds or so long."""
        operations = self.operations(only_me=seconds is None)
        self.report.operations = len(operations)
        ends_at = time.monotonic() + seconds if seconds is not None else None
        number = 0
        while rounds is None or number < rounds:
            for index, operation in enumerate(self.rng.sample(operations, len(operations))):
                if (ends_at is not None and time.monotonic() > ends_at) or len(self.report.failures) >= 20:
                    return self.report
                self._try(operation, MODES[(number + index) % 2], examples)
            number += 1
        return self.report

    def _try(self, operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, examples: int) -> None:
        @hypothesis.seed(self.rng.getrandbits(32))
        @hypothesis.settings(QUIET, max_examples=examples)
        @hypothesis.given(operation.as_strategy(generation_mode=mode))
        def send(case: Case) -> None:
            self._send(case)

        # Unsatisfiable: nothing of the operation can be broken.
        with contextlib.suppress(hypothesis.errors.Unsatisfiable):
            send()

    def _send(self, case: Case) -> None:
        if self.report.requests % REQUESTS_PER_WORLD == REQUESTS_PER_WORLD - 1:
            self.renew()
        headers = self.prepare(case)
        # Schemathesis makes up an Authorization of its own, which would win.
        made_up = {name: value for name, value in case.headers.items() if name.lower() != "authorization"}
        case.headers = made_up | headers
        name = f"{case.method} {case.path}"
        started = time.monotonic()
        self.report.requests += 1
        try:
            arguments = case.as_transport_kwargs(base_url=self.emulator.http_url)
            response = self.session.request(
                **{**arguments, "timeout": ANSWER_SECONDS, "allow_redirects": False}
            )
        except (RequestException, UnicodeError, ValueError) as error:
            if isinstance(error, requests.Timeout | requests.ConnectionError):
                self.report.failures.append(f"{name}: no answer: {error}")
            return
        took = time.monotonic() - started
        self.report.slowest = max(self.report.slowest, (took, name))
        self.report.statuses[response.status_code] += 1
        complaint = self.judge(case, response)
        if complaint is not None:
            sent = f"{response.request.url} {(response.request.body or b'')[:600]!r}"
            self.report.failures.append(f"{name}: {complaint}\n  {sent}\n  {response.text[:300]}")
        self._learn(response)

    def _learn(self, response: requests.Response) -> None:
        """Keep sealed forms and codes, so that later requests can go on where this one ended."""
        if self.side != "entra":
            return
        if found := _FLOW.search(response.text):
            self.flows.append(found[1])
        for value in parse_qs(urlsplit(response.headers.get("location", "")).query).get("code", []):
            self.codes.append(value)

    # -- things that exist ---------------------------------------------------------------------------------------------

    def _prepare_graph(self, case: Case) -> dict[str, str]:
        mailbox = self.world.find_mailbox(TOM)
        assert mailbox is not None
        for name in case.path_parameters or {}:
            if self.rng.random() < 0.7:
                case.path_parameters[name] = self._graph_thing(name, mailbox)
        for name in list(case.query or {}):
            # With every option at once hardly anything gets past the first that is wrong.
            if self.rng.random() < 0.7:
                del case.query[name]
        token = self.rng.choice(self._tokens) if self.rng.random() < 0.95 else "x"
        return {"Authorization": f"Bearer {token}"}

    def _graph_thing(self, name: str, mailbox: Any) -> str:
        mail, events = mailbox.all_mail(), list(mailbox.calendar.items.values())
        item = self.rng.choice(mail if name in ("message", "attachment") else events or mail)
        match name:
            case "user":
                return self.rng.choice((TOM, DANA, PRIYA))
            case "folder":
                return self.rng.choice(("inbox", "drafts", "sentitems", "archive"))
            case "calendar" | "group":
                return "calendar"
            case "principal":
                tenant = self.world.tenants[0]
                return next(iter(tenant.service_principals.values())).id
            case _:
                return mailbox.ids.rest_id(item.folder.number, item.entry)

    def _prepare_entra(self, case: Case) -> dict[str, str]:
        known = {
            "client_id": (CLIENT_ID, BACKGROUND_ID, DESKTOP_ID),
            "client_secret": (CLIENT_SECRET, BACKGROUND_SECRET),
            "redirect_uri": (REDIRECT_URI,),
            "scope": (GRAPH_SCOPE, "https://graph.microsoft.com/.default", "openid"),
            "resource": ("https://graph.microsoft.com",),
            "response_type": ("code",),
            "account": (TOM, PRIYA),
            "username": (TOM, DANA),
            "password": ("emulator",),
            "flow": tuple(self.flows),
            "code": tuple(self.codes),
            "assertion": tuple(self._tokens),
        }
        if "tenant" in (case.path_parameters or {}) and self.rng.random() < 0.8:
            case.path_parameters["tenant"] = self.rng.choice(
                ("common", "organizations", "harbourvale.example", HARBOUR)
            )
        for fields in (case.query, case.body):
            if isinstance(fields, dict):
                for name, values in known.items():
                    if values and self.rng.random() < 0.6 and (name in fields or self.rng.random() < 0.5):
                        fields[name] = self.rng.choice(values)
        return {"Authorization": f"Bearer {self.rng.choice(self._tokens)}"}

    def _prepare_control(self, case: Case) -> dict[str, str]:
        known = {
            "tenant": ("harbourvale.example", HARBOUR, "hv-labs.example"),
            "user": (TOM, DANA, PRIYA),
            "app_id": (CLIENT_ID, BACKGROUND_ID),
            "fault": ("fault-1", "fault-2"),
        }
        for name in case.path_parameters or {}:
            if name == "name":
                # Each snapshot holds a whole world.
                case.path_parameters[name] = self.rng.choice(("one", "two"))
            elif name in known and self.rng.random() < 0.8:
                case.path_parameters[name] = self.rng.choice(known[name])
        if isinstance(case.body, dict):
            if isinstance(case.body.get("messages"), int):
                case.body["messages"] %= 20
            if isinstance(case.body.get("hold_seconds"), int | float):
                case.body["hold_seconds"] = 0
        return {}


def _token(world: World, address: str | None) -> str:
    """A token with every permission that Graph knows."""
    permissions = [row.permission for row in operation_table().all]
    user = world.find_user(address) if address else None
    tenant = world.find_tenant(HARBOUR)
    assert tenant is not None
    token, _ = issue_access_token(
        world,
        tenant=tenant,
        app=world.apps[BACKGROUND_ID],
        audience="https://graph.microsoft.com",
        authentication="1",
        user=user,
        scopes=sorted(set().union(*(one.own for one in permissions))) if user else None,
        roles=None if user else sorted(set().union(*(one.application for one in permissions))),
    )
    return token


def judge_graph(case: Case, response: requests.Response) -> str | None:
    """Demand Graph's own error body, and no failure of the server."""
    if response.status_code >= 500:
        return f"answered {response.status_code}"
    if response.status_code >= 400 and case.method != "HEAD":
        error = _json(response).get("error")
        if not isinstance(error, dict) or not error.get("code") or "message" not in error:
            return "the error is none of Graph"
    return None


def judge_entra(case: Case, response: requests.Response) -> str | None:
    """Demand no failure of the server, and a numbered error where JSON is answered."""
    if response.status_code >= 500:
        return f"answered {response.status_code}"
    is_json = response.headers.get("content-type", "").startswith("application/json")
    if response.status_code >= 400 and is_json and case.path.endswith("/token"):
        body = _json(response)
        if not body.get("error") or "AADSTS" not in str(body.get("error_description")):
            return "the error has no AADSTS number"
    return None


def judge_control(case: Case, response: requests.Response) -> str | None:
    """Demand a documented status, and words with each refusal."""
    if response.status_code not in (200, 400, 404):
        return f"answered {response.status_code}"
    is_routed = response.headers.get("content-type", "").startswith("application/json")
    if response.status_code == 400 and not (is_routed and _json(response).get("error")):
        return "no words with the refusal"
    return None


def _json(response: requests.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
