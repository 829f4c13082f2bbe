"""The table of operations: which method and path does what, and which permission it needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from .access import Permission
from .call import Call, Reply

Handler = Callable[[Call], Reply | Awaitable[Reply]]
H = TypeVar("H", bound=Handler)
MAILBOX = "{mailbox}"


@dataclass(frozen=True, slots=True)
class Operation:
    """One row: `template` starts with {mailbox} for paths below /me and /users/{id}."""

    method: str
    template: str
    permission: Permission
    handler: Handler
    needs_mailbox: bool = True
    basic: Permission | None = None
    """If given: what the full `permission` would be; a token with less gets the basic properties only."""


@dataclass(slots=True)
class _Node:
    literals: dict[str, _Node] = field(default_factory=dict)
    place: _Node | None = None
    place_name: str = ""
    operations: dict[str, Operation] = field(default_factory=dict)


class OperationTable:
    """Finds the operation for a method and path segments."""

    def __init__(self) -> None:
        self._root = _Node()
        self.all: list[Operation] = []

    def add(self, operation: Operation) -> None:
        """Add a row; two rows for the same method and path are a mistake."""
        node = self._root
        for part in operation.template.strip("/").split("/"):
            if part.startswith("{") and part != MAILBOX:
                if node.place is None:
                    node.place, node.place_name = _Node(), part[1:-1]
                node = node.place
            else:
                node = node.literals.setdefault(part.lower(), _Node())
        if operation.method in node.operations:
            raise ValueError(f"{operation.method} {operation.template} is there twice")
        node.operations[operation.method] = operation
        self.all.append(operation)

    def find(self, segments: list[str]) -> tuple[dict[str, Operation], dict[str, str]] | None:
        """Return the operations of a path by method, and the values of its places; None if no row fits."""
        return _walk(self._root, segments, 0, {})


def _walk(
    node: _Node, segments: list[str], at: int, values: dict[str, str]
) -> tuple[dict[str, Operation], dict[str, str]] | None:
    if at == len(segments):
        return (node.operations, values) if node.operations else None
    literal = node.literals.get(segments[at].lower())
    if literal is not None:
        found = _walk(literal, segments, at + 1, values)
        if found is not None:
            return found
    if node.place is not None:
        return _walk(node.place, segments, at + 1, {**values, node.place_name: segments[at]})
    return None


class Operations:
    """Collects the rows of one module: `@operations.get("/{mailbox}/messages", MAIL_READ)`."""

    def __init__(self) -> None:
        self.rows: list[Operation] = []

    def _add(
        self,
        method: str,
        template: str,
        permission: Permission,
        *,
        needs_mailbox: bool = True,
        basic: Permission | None = None,
    ) -> Callable[[H], H]:
        def register(handler: H) -> H:
            self.rows.append(Operation(method, template, permission, handler, needs_mailbox, basic))
            return handler

        return register

    def get(
        self,
        template: str,
        permission: Permission,
        *,
        needs_mailbox: bool = True,
        basic: Permission | None = None,
    ) -> Callable[[H], H]:
        """Register a reading operation."""
        return self._add("GET", template, permission, needs_mailbox=needs_mailbox, basic=basic)

    def post(self, template: str, permission: Permission, *, needs_mailbox: bool = True) -> Callable[[H], H]:
        """Register a POST operation."""
        return self._add("POST", template, permission, needs_mailbox=needs_mailbox)

    def patch(self, template: str, permission: Permission, *, needs_mailbox: bool = True) -> Callable[[H], H]:
        """Register a PATCH operation."""
        return self._add("PATCH", template, permission, needs_mailbox=needs_mailbox)

    def put(self, template: str, permission: Permission, *, needs_mailbox: bool = True) -> Callable[[H], H]:
        """Register a PUT operation."""
        return self._add("PUT", template, permission, needs_mailbox=needs_mailbox)

    def delete(
        self, template: str, permission: Permission, *, needs_mailbox: bool = True
    ) -> Callable[[H], H]:
        """Register a DELETE operation."""
        return self._add("DELETE", template, permission, needs_mailbox=needs_mailbox)
