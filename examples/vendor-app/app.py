"""Larkspur: a pretend product whose users connect their Microsoft 365 mailbox through Ostiary.

Its own sign-in is a list of people to choose from; the rest is what a real product does. See README.md.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Annotated, Any

import aiohttp
from fastapi import FastAPI, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

COOKIE = "larkspur-session"
USERS = {  # Larkspur's own id of a person → (its own id of their company, name). Ostiary knows both as external_id.
    "tom.ellis": ("hv", "Tom Ellis"),
    "sales.one": ("hv", "Sales One"),
    "labs.one": ("hv-labs", "Labs One"),
}


@dataclass
class Visit:
    """One browser that is signed in to Larkspur, and the connect session that was made for it."""

    user: str
    pending: str | None = None


visits: dict[str, Visit] = {}
connections: dict[str, str] = {}  # user → connection id. A real product keeps this in its database.


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Keep one HTTP client; the key stays on the server and never reaches a browser."""
    headers = {"Authorization": f"Bearer {os.environ['OSTIARY_API_KEY']}"}
    base, timeout = os.environ["OSTIARY_URL"], aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(base, headers=headers, timeout=timeout) as app.state.ostiary:
        yield


app = FastAPI(lifespan=lifespan, openapi_url=None)


class Refused(Exception):
    """Ostiary did not do it; the message is for the person, and the reference for support."""


@app.exception_handler(Refused)
async def explain(_: Request, error: Refused) -> Response:
    body = f"<p role=alert>{escape(str(error))}</p><p><a href=/email>Back</a></p>"
    return page("That didn’t work", body, 502)


async def call(method: str, path: str, **options: Any) -> dict[str, Any]:
    async with app.state.ostiary.request(method, f"/v1{path}", **options) as answer:
        body = await answer.json(content_type=None)
        if answer.status >= 400:
            raise Refused(f"{body.get('detail') or body['title']} ({body.get('ref') or body['request_id']})")
        return body


async def items(path: str, **query: str) -> list[dict[str, Any]]:
    return (await call("GET", path, params=query))["items"]


async def find(path: str, external_id: str) -> str:
    """Return Ostiary's id for one of ours. A real product stores it when it adds the customer or person."""
    for item in await items(path, search=external_id):
        if item["external_id"] == external_id:
            return item["id"]
    raise Refused(f"Ostiary does not know {external_id}.")


def page(title: str, body: str, status: int = 200) -> HTMLResponse:
    top = f"<!doctype html><html lang=en><meta charset=utf-8><title>{title} – Larkspur</title>"
    return HTMLResponse(f"{top}<main><h1>{title}</h1>{body}</main></html>", status)


@app.get("/")
async def choose_user() -> Response:
    buttons = [f"<p><button name=user value={key}>{name}</button></p>" for key, (_, name) in USERS.items()]
    return page("Sign in", f"<form method=post action=/sign-in>{''.join(buttons)}</form>")


@app.post("/sign-in")
async def sign_in(user: Annotated[str, Form()]) -> Response:
    answer = RedirectResponse("/email" if user in USERS else "/", 303)
    if user in USERS:
        visits[value := secrets.token_urlsafe(32)] = Visit(user)
        answer.set_cookie(COOKIE, value, httponly=True, samesite="lax")
    return answer


@app.get("/email")
async def show_mailbox(request: Request) -> Response:
    visit = visits.get(request.cookies.get(COOKIE, ""))
    if visit is None:
        return RedirectResponse("/", 303)
    name, connection = escape(USERS[visit.user][1]), connections.get(visit.user)
    if connection is None:
        button = "<form method=post action=/email/connect><button>Connect email and calendar</button></form>"
        return page("Email and calendar", f"<p>{name}, your mailbox is not connected.</p>{button}")
    path, today = f"/connections/{connection}", datetime.now(UTC).date()
    window = {"from": f"{today}T00:00:00Z", "to": f"{today + timedelta(days=1)}T00:00:00Z"}
    address = escape((await call("GET", path))["address"])
    mail = [escape(each["subject"]) for each in await items(f"{path}/messages", folder="inbox", limit="5")]
    day = [f"{e['starts_at'][11:16]} {escape(e['subject'])}" for e in await items(f"{path}/events", **window)]
    body = f"<p>{name}, <b>{address}</b> is connected.</p><h2>Newest messages</h2>{listed(mail)}"
    return page("Email and calendar", f"{body}<h2>Today (UTC)</h2>{listed(day)}")


def listed(lines: list[str]) -> str:
    return f"<ul>{''.join(f'<li>{line}</li>' for line in lines or ['Nothing'])}</ul>"


@app.post("/email/connect")
async def connect(request: Request) -> Response:
    """Make a connect session for the person who is signed in here, and send their browser there."""
    visit = visits.get(request.cookies.get(COOKIE, ""))
    if visit is None:
        return RedirectResponse("/", 303)
    organization = await find("/organizations", USERS[visit.user][0])
    member = await find(f"/organizations/{organization}/members", visit.user)
    back = str(request.url_for("returned"))
    wanted = {"organization_id": organization, "member_id": member, "return_url": back}
    session = await call("POST", "/connect-sessions", json=wanted)
    visit.pending = session["id"]
    return RedirectResponse(session["url"], 303)


@app.get("/email/connected")
async def returned(request: Request, connect_session: str, completion_code: str = "") -> Response:
    """Confirm only what this very browser's user started: otherwise a link passed on would connect a stranger."""
    visit = visits.get(request.cookies.get(COOKIE, ""))
    if visit is None or visit.pending != connect_session or not completion_code:
        return page("Nothing was connected", "<p>You did not start this here.</p>", 403)
    visit.pending = None
    completion = {"completion_code": completion_code}
    confirmed = await call("POST", f"/connect-sessions/{connect_session}/confirm", json=completion)
    connections[visit.user] = confirmed["id"]
    return RedirectResponse("/email", 303)
