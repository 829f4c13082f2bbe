"""The oracle: what is really in a mailbox, read from the emulator without a line of the product."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

from ...conftest import APP_SECRET
from ..connect_world import APP_ID, HARBOUR

SCOPE = "https://graph.microsoft.com/Mail.ReadWrite https://graph.microsoft.com/Calendars.ReadWrite"


@dataclass
class Truth:
    """One person's mailbox at Microsoft, as that person sees it. Also writes, as the person's own programs do."""

    http: httpx.AsyncClient
    url: str
    address: str
    immutable: bool = True
    tenant_id: str = HARBOUR
    _token: str = field(default="", repr=False)

    async def ask(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        if not self._token:
            await self.sign_in()
        url = path if path.startswith("http") else f"{self.url}/v1.0/me{path}"
        headers = {"Authorization": f"Bearer {self._token}"}
        if self.immutable:
            headers["Prefer"] = 'IdType="ImmutableId"'
        answer = await self.http.request(
            method, url, json=body, params=query or None, headers=headers, timeout=30
        )
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def sign_in(self) -> None:
        answer = await self.http.post(
            f"{self.url}/{self.tenant_id}/oauth2/v2.0/token",
            data={
                "grant_type": "password",
                "client_id": APP_ID,
                "client_secret": APP_SECRET,
                "username": self.address,
                "password": "emulator",
                "scope": SCOPE,
            },
        )
        answer.raise_for_status()
        self._token = answer.json()["access_token"]

    async def every(self, path: str, **query: str) -> list[Any]:
        found: list[Any] = []
        answer = await self.ask("GET", path, None, **query)
        while True:
            found += answer["value"]
            link = answer.get("@odata.nextLink")
            if link is None:
                return found
            answer = await self.ask("GET", link)

    async def folders(self) -> list[str]:
        """Ids of every mail folder, however deep."""
        found: list[str] = []
        waiting = ["/mailFolders"]
        while waiting:
            for folder in await self.every(waiting.pop(), **{"$top": "100"}):
                found.append(folder["id"])
                if folder["childFolderCount"]:
                    waiting.append(f"/mailFolders/{quote(folder['id'])}/childFolders")
        return found

    async def messages(self) -> dict[str, tuple[str, str]]:
        """Every message: id to version and folder."""
        found: dict[str, tuple[str, str]] = {}
        for folder in await self.folders():
            path = f"/mailFolders/{quote(folder)}/messages"
            for message in await self.every(path, **{"$top": "500", "$select": "id,changeKey"}):
                found[message["id"]] = (message["changeKey"], folder)
        return found

    async def events(self) -> dict[str, str]:
        """Every single event and series: id to version."""
        found: dict[str, str] = {}
        for calendar in await self.every("/calendars", **{"$top": "50"}):
            path = f"/calendars/{quote(calendar['id'])}/events"
            for event in await self.every(path, **{"$top": "500", "$select": "id,changeKey,type"}):
                found[event["id"]] = event["changeKey"]
        return found

    async def folder(self, name: str) -> str:
        return str((await self.ask("GET", f"/mailFolders/{name}"))["id"])

    async def received_at(self, message_id: str) -> datetime:
        found = await self.ask(
            "GET", f"/messages/{quote(message_id)}", None, **{"$select": "receivedDateTime"}
        )
        return datetime.fromisoformat(found["receivedDateTime"])

    # -- writing -------------------------------------------------------------------------------------------------

    async def write(self, subject: str, *, folder: str = "inbox") -> str:
        body = {"subject": subject, "body": {"contentType": "text", "content": subject}}
        made = await self.ask("POST", f"/mailFolders/{quote(folder)}/messages", body)
        return str(made["id"])

    async def mark_read(self, message_id: str, *, read: bool) -> None:
        await self.ask("PATCH", f"/messages/{quote(message_id)}", {"isRead": read})

    async def move(self, message_id: str, folder: str) -> str:
        moved = await self.ask("POST", f"/messages/{quote(message_id)}/move", {"destinationId": folder})
        return str(moved["id"]) if moved is not None else ""

    async def delete(self, message_id: str) -> None:
        await self.ask("DELETE", f"/messages/{quote(message_id)}")

    async def purge(self, message_id: str) -> None:
        await self.ask("POST", f"/messages/{quote(message_id)}/permanentDelete")

    async def book(self, subject: str, *, start: str = "2026-12-01T10:00:00", recurrence: Any = None) -> str:
        day, _, time = start.partition("T")
        end = f"{day}T{int(time[:2]) + 1:02}{time[2:]}"
        body: dict[str, Any] = {
            "subject": subject,
            "start": {"dateTime": start, "timeZone": "UTC"},
            "end": {"dateTime": end, "timeZone": "UTC"},
        }
        if recurrence is not None:
            body["recurrence"] = recurrence
        return str((await self.ask("POST", "/events", body))["id"])
