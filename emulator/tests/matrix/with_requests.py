"""The matrix by hand: plain HTTP and JSON."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx

from matrix.model import ATTACHMENT, HTML, Mail, Meeting, bold_part
from sample import BACKGROUND_ID, BACKGROUND_SECRET, HARBOUR, TOM


class PlainClient:
    """Acts by client credentials, at the emulator's own address."""

    def __init__(self, base_url: str) -> None:
        self._http = httpx.Client(base_url=base_url, timeout=20, trust_env=False)
        answer = self._http.post(
            f"/{HARBOUR}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": BACKGROUND_ID,
                "client_secret": BACKGROUND_SECRET,
                "scope": "https://graph.microsoft.com/.default",
            },
        )
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    async def write_mail(self, mail: Mail) -> None:
        self._post(
            "messages",
            {
                "subject": mail.subject,
                "body": {"contentType": "html", "content": HTML},
                "toRecipients": [_recipient(address) for address in mail.to],
                "ccRecipients": [_recipient(address) for address in mail.cc],
                "importance": mail.importance,
                "categories": list(mail.categories),
                "attachments": [
                    {
                        "@odata.type": "#microsoft.graph.fileAttachment",
                        "name": "parts.csv",
                        "contentType": "text/csv",
                        "contentBytes": base64.b64encode(ATTACHMENT).decode(),
                    }
                ],
            },
        )

    async def read_mail(self, subject: str) -> Mail:
        found = self._get(
            "mailFolders/drafts/messages", {"$filter": f"subject eq '{subject}'", "$expand": "attachments"}
        )[0]
        return Mail(
            subject=found["subject"],
            bold=bold_part(found["body"]["content"]),
            to=tuple(one["emailAddress"]["address"] for one in found["toRecipients"]),
            cc=tuple(one["emailAddress"]["address"] for one in found["ccRecipients"]),
            importance=found["importance"],
            categories=tuple(found["categories"]),
            attachments=tuple(
                (part["name"], base64.b64decode(part["contentBytes"])) for part in found["attachments"]
            ),
        )

    async def write_meeting(self, meeting: Meeting) -> None:
        day = meeting.starts[0].date().isoformat()
        self._post(
            "events",
            {
                "subject": meeting.subject,
                "location": {"displayName": meeting.location},
                "start": {"dateTime": f"{day}T10:00:00", "timeZone": "GMT Standard Time"},
                "end": {"dateTime": f"{day}T10:{meeting.minutes}:00", "timeZone": "GMT Standard Time"},
                "attendees": [{**_recipient(address), "type": "required"} for address in meeting.attendees],
                "recurrence": {
                    "pattern": {
                        "type": "weekly",
                        "interval": meeting.interval,
                        "daysOfWeek": list(meeting.days),
                        "firstDayOfWeek": "sunday",
                    },
                    "range": {"type": "numbered", "startDate": day, "numberOfOccurrences": meeting.count},
                },
            },
        )

    async def read_meeting(self, subject: str) -> Meeting:
        master = self._get("events", {"$filter": f"subject eq '{subject}'"})[0]
        window = {
            "startDateTime": "2027-03-01T00:00:00Z",
            "endDateTime": "2027-05-01T00:00:00Z",
            "$top": "500",
        }
        shown = [one for one in self._get("calendarView", window) if one["subject"] == subject]
        pattern = master["recurrence"]["pattern"]
        return Meeting(
            subject=master["subject"],
            starts=tuple(sorted(_moment(one["start"]) for one in shown)),
            minutes=int((_moment(master["end"]) - _moment(master["start"])).total_seconds()) // 60,
            location=master["location"]["displayName"],
            organizer=master["organizer"]["emailAddress"]["address"],
            attendees=tuple(one["emailAddress"]["address"] for one in master["attendees"]),
            days=tuple(sorted(pattern["daysOfWeek"])),
            interval=pattern["interval"],
            count=master["recurrence"]["range"]["numberOfOccurrences"],
        )

    def translate(self, ids: list[str], source: str, target: str) -> dict[str, str]:
        """Translate Exchange ids and return the targets by their sources."""
        answer = self._http.post(
            f"/v1.0/users/{TOM}/translateExchangeIds",
            json={"inputIds": ids, "sourceIdType": source, "targetIdType": target},
        )
        assert answer.status_code == 200, answer.text
        return {one["sourceId"]: one["targetId"] for one in answer.json()["value"]}

    def subject_of(self, message_id: str) -> str:
        """Return the subject of a message, found by either kind of Graph id."""
        answer = self._http.get(f"/v1.0/users/{TOM}/messages/{quote(message_id, safe='')}?$select=subject")
        assert answer.status_code == 200, answer.text
        return answer.json()["subject"]

    async def close(self) -> None:
        self._http.close()

    def _post(self, path: str, body: dict[str, Any]) -> None:
        answer = self._http.post(f"/v1.0/users/{TOM}/{path}", json=body)
        assert answer.status_code == 201, answer.text

    def _get(self, path: str, query: dict[str, str]) -> list[dict[str, Any]]:
        answer = self._http.get(f"/v1.0/users/{TOM}/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()["value"]


def _recipient(address: str) -> dict[str, Any]:
    return {"emailAddress": {"address": address}}


def _moment(value: dict[str, str]) -> datetime:
    assert value["timeZone"] == "UTC"
    return datetime.fromisoformat(value["dateTime"][:19]).replace(tzinfo=UTC)
