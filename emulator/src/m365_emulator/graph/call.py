"""One request to Graph and its answer, as the operations see them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from .errors import GraphError, bad_request

if TYPE_CHECKING:
    from m365_emulator.entra.tokens import AccessToken
    from m365_emulator.world.mailbox import Item, Mailbox, ObjectKey
    from m365_emulator.world.mailbox.item import Attachment
    from m365_emulator.world.world import World

    from .access import Target
    from .odata.options import QueryOptions
    from .prefer import Preferences

JSON_TYPE = (
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
)
MAX_JSON_BYTES = 4 * 1024 * 1024
"""Source: Graph, request size limit of 4 MB."""


@dataclass(slots=True)
class Reply:
    """An answer: JSON value (already a dict or list), raw bytes, or nothing."""

    status: int = 200
    json: Any = None
    content: bytes | None = None
    content_type: str = JSON_TYPE
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def body(self) -> bytes:
        """Return the bytes of the body."""
        if self.content is not None:
            return self.content
        return b"" if self.json is None else orjson.dumps(self.json)


@dataclass(slots=True)
class Call:
    """One request, checked and taken apart.

    `base_url` is scheme and host the caller used; every URL in the answer is built on it. `arguments` are the values
    of the path template's places, `parameters` those of a function call at the end of the path.
    """

    world: World
    method: str
    base_url: str
    path: str
    options: QueryOptions
    headers: dict[str, str]
    content: bytes
    token: AccessToken
    preferences: Preferences
    arguments: dict[str, str]
    parameters: dict[str, str]
    user_name: str | None = None
    target: Target | None = None
    basic_only: bool = False
    """The token allows only properties without content (Mail.ReadBasic, Calendars.ReadBasic)."""

    @property
    def mailbox(self) -> Mailbox:
        """The mailbox the path names; operations outside mailboxes do not ask for it."""
        if self.target is None:
            raise bad_request("Resource not found for the segment.")
        return self.target.mailbox

    @property
    def root(self) -> str:
        """The root of this version of the service, no slash at the end."""
        return f"{self.base_url}/v1.0"

    @property
    def url(self) -> str:
        """The URL of the request without its query."""
        return f"{self.root}{self.path}"

    def context(self, rest: str) -> str:
        """Return the `@odata.context` of something below the mailbox's user."""
        name = self.target.user.oid if self.target else ""
        selected = f"({','.join(self.options.select)})" if self.options.select else ""
        return f"{self.root}/$metadata#users('{name}')/{rest}{selected}"

    def id_of(self, item: Item, attachment: Attachment | None = None) -> str:
        """Return an item's (or its attachment's) id, of the kind the caller prefers."""
        occurrence = getattr(item, "original_start", None)
        key = attachment.key if attachment else None
        ids = self.mailbox.ids
        if self.preferences.immutable_ids:
            return ids.immutable_id(item.identity, occurrence=occurrence, attachment=key)
        return ids.rest_id(item.folder.number, item.entry, occurrence=occurrence, attachment=key)

    def key(self, name: str) -> ObjectKey:
        """Return the keys in an id that stands in the path; raises MalformedId."""
        return self.mailbox.ids.read_rest(self.arguments[name])

    def json(self) -> dict[str, Any]:
        """Return the JSON object of the body.

        Raises:
            GraphError: It is too large, no JSON, or no object.
        """
        if len(self.content) > MAX_JSON_BYTES:
            raise too_large()
        if not self.content.strip():
            return {}
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type and media_type != "application/json" and not media_type.endswith("+json"):
            raise GraphError(
                415,
                "RequestBroker--UnsupportedMediaType",
                "The content type of the request is not supported.",
            )
        try:
            value = orjson.loads(self.content)
        except orjson.JSONDecodeError as error:
            raise bad_request(
                "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid "
                "JSON format."
            ) from error
        if not isinstance(value, dict):
            raise GraphError(400, "UnableToDeserializePostBody", "were unable to deserialize ")
        return value

    def if_match(self) -> str | None:
        """Return the change key in If-Match; None if there is none or it matches anything."""
        header = self.headers.get("if-match", "").strip()
        if not header or header == "*":
            return None
        return header.removeprefix("W/").strip('"')


def too_large() -> GraphError:
    """Return the 413 for a body over the limit."""
    return GraphError(413, "RequestEntityTooLarge", "The request is too large.")
