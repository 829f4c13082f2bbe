"""Tries calls of the API as its description allows and forbids them, and judges each answer by that description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]
SECONDS = 30
"""Longest wait for one answer, on a busy machine."""


def closed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description with every shape closed: an answer with a field it does not declare breaks it.

    The published one is open, so that a client does not break when we add a field.
    """
    copied = deepcopy(dict(document))
    waiting: list[Any] = [copied]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if isinstance(node.get("properties"), dict) and "type" in node:
                node.setdefault("additionalProperties", False)
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return copied


Judge = Callable[[str, str, int], None]
"""Gets method, path and status of each answer; raises where the caller ought to have got another one."""


@dataclass
class Fuzzer:
    """Calls every operation of a description as one caller."""

    document: Mapping[str, Any]
    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    known: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Values that exist, by the name of the parameter: most calls take them."""
    judge: Judge = lambda method, path, status: None
    answered: dict[int, int] = field(default_factory=dict[int, int])
    """How many answers had which status."""

    def operations(self) -> list[Any]:
        """All of them, those that read before those that change."""
        order = {"GET": 0, "PUT": 1, "PATCH": 2, "POST": 3, "DELETE": 4}
        schema = schemathesis.openapi.from_dict(closed(self.document))
        found = [result.ok() for result in schema.get_all_operations()]
        return sorted(found, key=lambda each: (order[each.method.upper()], each.path))

    def try_out(self, operation: Any, *, times: int, start: int | None = None) -> None:
        """Call one operation. Without ``start`` it is the same calls each time.

        Raises:
            schemathesis.FailureGroup: An answer breaks the description.
        """

        @given(case=operation.as_strategy(), data=st.data())
        @settings(
            max_examples=times,
            deadline=None,
            derandomize=start is None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def run(case: Any, data: st.DataObject) -> None:
            if self.known and data.draw(st.integers(0, 3)):
                self._take_known(case, data)
            answer = case.call_and_validate(
                base_url=self.base_url, headers=dict(self.headers), checks=CHECKS, timeout=SECONDS
            )
            self.answered[answer.status_code] = self.answered.get(answer.status_code, 0) + 1
            self.judge(operation.method.upper(), operation.path, answer.status_code)

        (run if start is None else seed(start)(run))()

    def _take_known(self, case: Any, data: st.DataObject) -> None:
        for values in (case.path_parameters, case.query):
            if not isinstance(values, dict):
                continue
            for name in values:
                if name in self.known:
                    values[name] = data.draw(st.sampled_from(self.known[name]))
        if "If-Match" in (case.headers or {}):
            # A version that nobody has ends every call before it does anything.
            del case.headers["If-Match"]
