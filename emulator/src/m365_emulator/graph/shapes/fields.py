"""Rendering an object by a table of its properties, whole or as $select asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from m365_emulator.graph.call import Call
from m365_emulator.graph.errors import access_denied, bad_request

Field = Callable[[Call, Any], Any]


class Shape:
    """How one type is written.

    Args:
        type_name: The type's name, for error messages.
        fields: Every property and how to get it, in the order Graph writes them.
        on_request: Properties that are written only if $select names them.
        content: Properties that a token with basic permissions does not see.
        navigation: Names that $select may hold although they are links, not properties.
    """

    def __init__(
        self,
        type_name: str,
        fields: Mapping[str, Field],
        *,
        on_request: Sequence[str] = (),
        content: Sequence[str] = (),
        navigation: Sequence[str] = (),
    ) -> None:
        self.type_name = type_name
        self.fields = dict(fields)
        self._on_request = frozenset(on_request)
        self._content = frozenset(content)
        self._navigation = frozenset(name.lower() for name in navigation)
        self._by_lower = {name.lower(): name for name in self.fields}
        self._all = tuple((name, get) for name, get in self.fields.items() if name not in self._on_request)
        self._basic = tuple((name, get) for name, get in self._all if name not in self._content)

    def selection(self, call: Call, select: Sequence[str] | None = None) -> tuple[tuple[str, Field], ...]:
        """Return the properties to write for a call.

        Raises:
            GraphError: $select names something unknown, or content that the token may not see.
        """
        wanted = select if select is not None else call.options.select
        if not wanted or "*" in wanted:
            return self._basic if call.basic_only else self._all
        names = {"id"}
        for name in wanted:
            known = self._by_lower.get(name.split("/")[0].lower())
            if known is None:
                if name.lower() in self._navigation or name.startswith("@"):
                    continue
                raise bad_request(
                    f"Could not find a property named '{name[:80]}' on type '{self.type_name}'.",
                    "RequestBroker--ParseUri",
                )
            if call.basic_only and known in self._content:
                raise access_denied()
            names.add(known)
        return tuple((name, get) for name, get in self.fields.items() if name in names)

    def check(self, call: Call) -> None:
        """Raise as `selection` would, before anything is done."""
        self.selection(call)
