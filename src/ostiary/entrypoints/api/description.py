"""What every operation of the API has in common and its route need not repeat: ids, failures, examples of lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ostiary.entrypoints.api.problems import problem_responses

_METHODS: Final = frozenset({"get", "put", "post", "patch", "delete"})

_PARAMETERS: Final[dict[str, tuple[str, str | None]]] = {
    "organization_id": ("A customer of yours.", "org_7zq4m1c9x2t8v5w0y3k6r1d4fh"),
    "member_id": ("A person of this customer.", "mem_1c9x2t8v5w0y3k6r1d4fh7zq4m"),
    "connection_id": ("A connected mailbox.", "cnn_9x2t8v5w0y3k6r1d4fh7zq4m1c"),
    "session_id": ("A connect session.", "cs_6r1d4fh7zq4m1c9x2t8v5w0y3k"),
    "tenant_key": (
        "A Microsoft tenant, by the `id` of the list of tenants.",
        "ten_5w0y3k6r1d4fh7zq4m1c9x2t8v",
    ),
    "link_id": ("An admin consent link.", "lnk_6r1d4fh7zq4m1c9x2t8v5w0y3k"),
    "key_id": ("An API key, by its `id`: never the key itself.", "key_0y3k6r1d4fh7zq4m1c9x2t8v5w"),
    "endpoint_id": ("A webhook endpoint.", "whe_2t8v5w0y3k6r1d4fh7zq4m1c9x"),
    "delivery_id": ("One delivery to one endpoint.", "whd_2t8v5w0y3k6r1d4fh7zq4m1c9x8v5w0y"),
    "message_id": (
        "A message, by the id that lists and changes tell.",
        "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A",
    ),
    "event_id": ("An event, by the id that lists and changes tell.", "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0B"),
    "attachment_id": ("A file of this message.", "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0C"),
    "if-none-match": ("The `ETag` of what you have; `304` while it is unchanged.", None),
}
"""By name: what it is and, for a part of the path, an example."""

_EVERYWHERE: Final = (429, 500, 503)


def complete(document: dict[str, Any]) -> None:
    """Add what routes leave out: what ids mean, the failures that any call can have, an example of each list."""
    for operation in _operations(document):
        for parameter in operation.get("parameters", ()):
            _describe(parameter)
        for status, response in problem_responses(*_EVERYWHERE).items():
            operation["responses"].setdefault(str(status), response)
    _give_lists_examples(document["components"]["schemas"])


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in document["paths"].values():
        for method, operation in item.items():
            if method in _METHODS:
                yield operation


def _describe(parameter: dict[str, Any]) -> None:
    meaning, example = _PARAMETERS.get(parameter["name"].lower(), (None, None))
    if meaning is not None:
        parameter.setdefault("description", meaning)
    if example is not None and parameter["in"] == "path":
        parameter.setdefault("example", example)


def _give_lists_examples(schemas: dict[str, Any]) -> None:
    for schema in schemas.values():
        fields = schema.get("properties", {})
        if "examples" in schema or not {"items"} <= set(fields) <= {"items", "next_cursor"}:
            continue
        item = fields["items"]["items"]["$ref"].rpartition("/")[2]
        end = {"next_cursor": None} if "next_cursor" in fields else {}
        schema["examples"] = [{"items": [example], **end} for example in schemas[item].get("examples", ())]
