"""Faults to inject: which requests they hit, how often, and what they do."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

NotificationFault = Literal["drop", "double", "late", "shuffle"]


@dataclass(slots=True)
class Fault:
    """One rule. All given conditions must match; all given actions happen.

    A fault with `notification` set hits change notifications that the emulator
    sends; any other fault hits requests that it receives.
    """

    id: str
    route: str = "*"
    """Glob over `METHOD /path`, for example `GET /v1.0/*/messages*`; no method means any."""
    tenant: str | None = None
    """Tenant id or domain."""
    mailbox: str | None = None
    """Address or object id found in the path, the anchor header or the token."""
    probability: float = 1.0
    seed: int = 1
    count: int | None = None
    """How many times it still fires; None means without end."""

    status: int | None = None
    body: str | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    latency_ms: int = 0
    drip_bytes_per_second: int | None = None
    truncate_after_bytes: int | None = None
    garbage: bool = False
    reset: bool = False
    resources_only: bool = False
    """Leaves Entra alone and hits only Graph and EWS."""

    notification: NotificationFault | None = None
    late_seconds: float = 5.0
    fired: int = 0
    _rng: random.Random | None = field(default=None, repr=False)

    def fires(self) -> bool:
        """Throw the dice and count down; True when the fault happens now."""
        if self.count is not None and self.count <= 0:
            return False
        if self._rng is None:
            self._rng = random.Random(self.seed)  # noqa: S311 - repeatable on purpose
        if self.probability < 1.0 and self._rng.random() >= self.probability:
            return False
        if self.count is not None:
            self.count -= 1
        self.fired += 1
        return True

    def matches_route(self, method: str, path: str) -> bool:
        """Compare the glob, any case."""
        pattern = self.route.lower()
        target = path.lower()
        if " " in pattern:
            target = f"{method.lower()} {target}"
        return fnmatchcase(target, pattern)

    def matches_place(self, tenant_names: set[str], mailbox_names: set[str]) -> bool:
        """Say whether the tenant and mailbox conditions hold; names are lower case."""
        if self.tenant and self.tenant.lower() not in tenant_names:
            return False
        return not self.mailbox or self.mailbox.lower() in mailbox_names

    def as_dict(self) -> dict[str, Any]:
        """Return the rule for a JSON answer."""
        return {name: getattr(self, name) for name in FAULT_FIELDS}


FAULT_FIELDS = (
    "id", "route", "tenant", "mailbox", "probability", "seed", "count", "status", "body", "headers", "latency_ms",
    "drip_bytes_per_second", "truncate_after_bytes", "garbage", "reset", "resources_only", "notification",
    "late_seconds", "fired",
)  # fmt: skip


class Faults:
    """The rules in force, oldest first; the first one that fires wins."""

    def __init__(self) -> None:
        self._rules: list[Fault] = []
        self._next = 1

    def __iter__(self) -> Any:
        return iter(list(self._rules))

    def __len__(self) -> int:
        return len(self._rules)

    def add(self, **conditions_and_actions: Any) -> Fault:
        """Add a rule from the fields of `Fault` (without `id`) and return it.

        Raises:
            ValueError: A field is unknown or of the wrong kind; fix the rule.
        """
        unknown = set(conditions_and_actions) - (set(FAULT_FIELDS) - {"id", "fired"})
        if unknown:
            raise ValueError(f"Unknown fault field: {', '.join(sorted(unknown))}.")
        fault = Fault(id=f"fault-{self._next}", **conditions_and_actions)
        _check(fault)
        self._next += 1
        self._rules.append(fault)
        return fault

    def remove(self, fault_id: str) -> bool:
        """Remove one rule; False when there is none with this id."""
        before = len(self._rules)
        self._rules = [rule for rule in self._rules if rule.id != fault_id]
        return len(self._rules) < before

    def clear(self) -> None:
        """Remove every rule."""
        self._rules.clear()

    def for_request(
        self, method: str, path: str, tenant_names: set[str], mailbox_names: set[str], *, is_resource: bool
    ) -> Fault | None:
        """Return the rule that hits this request, if one fires; `is_resource` means Graph or EWS."""
        for rule in self._rules:
            if (
                rule.notification is None
                and (is_resource or not rule.resources_only)
                and rule.matches_route(method, path)
                and rule.matches_place(tenant_names, mailbox_names)
                and rule.fires()
            ):
                return rule
        return None

    def for_notification(
        self, resource: str, tenant_names: set[str], mailbox_names: set[str]
    ) -> Fault | None:
        """Return the rule that hits a change notification about `resource`, if one fires.

        The sender then drops it, sends it twice, holds it back for `late_seconds`,
        or holds it until the next one has gone (`shuffle`).
        """
        for rule in self._rules:
            if (
                rule.notification is not None
                and fnmatchcase(resource.lower(), rule.route.lower())
                and rule.matches_place(tenant_names, mailbox_names)
                and rule.fires()
            ):
                return rule
        return None


def _is_kind(value: object, kinds: type | tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def _check(fault: Fault) -> None:
    numbers: tuple[tuple[str, object, type | tuple[type, ...]], ...] = (
        ("probability", fault.probability, (int, float)),
        ("seed", fault.seed, int),
        ("count", fault.count, (int, type(None))),
        ("status", fault.status, (int, type(None))),
        ("latency_ms", fault.latency_ms, int),
        ("drip_bytes_per_second", fault.drip_bytes_per_second, (int, type(None))),
        ("truncate_after_bytes", fault.truncate_after_bytes, (int, type(None))),
        ("late_seconds", fault.late_seconds, (int, float)),
        ("route", fault.route, str),
        ("tenant", fault.tenant, (str, type(None))),
        ("mailbox", fault.mailbox, (str, type(None))),
        ("body", fault.body, (str, type(None))),
        ("headers", fault.headers, dict),
    )
    for name, value, kinds in numbers:
        if not _is_kind(value, kinds):
            raise ValueError(f"Fault field {name} has the wrong type.")
    if not 0 <= fault.probability <= 1:
        raise ValueError("Fault field probability must be between 0 and 1.")
    if fault.status is not None and not 200 <= fault.status <= 599:
        raise ValueError("Fault field status must be an HTTP status from 200 to 599.")
    if fault.drip_bytes_per_second is not None and fault.drip_bytes_per_second < 1:
        raise ValueError("Fault field drip_bytes_per_second must be at least 1.")
    if fault.notification not in (None, "drop", "double", "late", "shuffle"):
        raise ValueError("Fault field notification must be drop, double, late or shuffle.")
