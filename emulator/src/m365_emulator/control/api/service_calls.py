"""How Graph and EWS behave: limits, strictness, subscriptions, how far back change logs reach."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from m365_emulator.control.api.call import BadRequest, Body, NotFound, named_user, text_of
from m365_emulator.ews.state import state_of
from m365_emulator.graph import throttle
from m365_emulator.graph.subscriptions import notifier

if TYPE_CHECKING:
    from m365_emulator.world.world import World

LONGEST_SECONDS = 366 * 86_400
MOST = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Number:
    """One setting that is a number, where it is kept, and between what it lies.

    Durations are kept as `timedelta` and told in seconds.
    """

    attribute: str
    least: float
    most: float
    is_whole: bool = True
    is_duration: bool = False
    may_be_null: bool = False

    def check(self, name: str, value: object) -> None:
        """Raise BadRequest unless the value fits."""
        if value is None and self.may_be_null:
            return
        kinds = int if self.is_whole else (int, float)
        if (
            isinstance(value, bool)
            or not isinstance(value, kinds)
            or not self.least <= float(value) <= self.most
        ):
            kind = "a whole number" if self.is_whole else "a number"
            null = " or null" if self.may_be_null else ""
            raise BadRequest(f"'{name}' must be {kind} from {self.least:g} to {self.most:g}{null}.")

    def read(self, holder: object) -> Any:
        """Return the value as JSON has it."""
        value = getattr(holder, self.attribute)
        return value.total_seconds() if self.is_duration else value

    def write(self, holder: object, value: Any) -> None:
        """Keep a checked value."""
        setattr(holder, self.attribute, timedelta(seconds=value) if self.is_duration else value)


def _seconds(attribute: str) -> _Number:
    return _Number(attribute, 0.001, LONGEST_SECONDS, is_whole=False, is_duration=True)


_GRAPH = {
    "concurrent": _Number("concurrent", 0, MOST),
    "requests": _Number("requests", 0, MOST),
    "window_seconds": _seconds("window"),
    "upload_bytes": _Number("upload_bytes", 0, MOST),
    "upload_window_seconds": _seconds("upload_window"),
    "hold_seconds": _Number("hold_seconds", 0, 60, is_whole=False),
}
_EWS = {
    "requests": _Number("requests", 0, MOST, may_be_null=True),
    "window_seconds": _seconds("window"),
}


def graph(world: World, request: Request, body: Body) -> Body:
    limits = throttle.of(world).limits
    return {name: number.read(limits) for name, number in _GRAPH.items()}


def change_graph(world: World, request: Request, body: Body) -> Body:
    _check(body, _GRAPH)
    limits = throttle.of(world).limits
    for name, value in body.items():
        _GRAPH[name].write(limits, value)
    return graph(world, request, body)


def ews(world: World, request: Request, body: Body) -> Body:
    state = state_of(world)
    numbers = {name: number.read(state.throttle) for name, number in _EWS.items()}
    return {"strict_schema": state.strict_schema, **numbers}


def change_ews(world: World, request: Request, body: Body) -> Body:
    state = state_of(world)
    numbers = {name: value for name, value in body.items() if name != "strict_schema"}
    strict = body.get("strict_schema", state.strict_schema)
    if not isinstance(strict, bool):
        raise BadRequest("'strict_schema' must be true or false.")
    _check(numbers, _EWS)
    state.strict_schema = strict
    for name, value in numbers.items():
        _EWS[name].write(state.throttle, value)
    return ews(world, request, body)


def _check(body: Body, known: dict[str, _Number]) -> None:
    if unknown := set(body) - set(known):
        raise BadRequest(f"Unknown setting: {', '.join(sorted(unknown))}.")
    for name, value in body.items():
        known[name].check(name, value)


def subscriptions(world: World, request: Request, body: Body) -> Body:
    return {
        "graph": [
            {
                "id": one.id,
                "app_id": one.token.app_id,
                "resource": one.resource,
                "change_types": list(one.change_types),
                "notification_url": one.notification_url,
                "lifecycle_url": one.lifecycle_url,
                "expires_at": one.expires_at.isoformat(),
            }
            for one in notifier.of(world).all()
        ],
        "ews": [
            {
                "id": one.id,
                "app_id": one.app_id,
                "kind": one.kind,
                "mailbox": one.mailbox.guid,
                "url": one.url or None,
            }
            for one in state_of(world).subscriptions.all()
        ],
    }


def send_lifecycle(world: World, request: Request, body: Body) -> Body:
    wanted, event = request.path_params["subscription"], text_of(body, "event")
    sender = notifier.of(world)
    found = sender.find(wanted)
    if found is None:
        raise NotFound(f"There is no Graph subscription {wanted}.")
    try:
        is_sent = sender.send_lifecycle(wanted, event)
    except ValueError as error:
        raise BadRequest(str(error)) from None
    if not is_sent:
        raise BadRequest("The subscription has no lifecycleNotificationUrl.")
    return {"id": found.id, "event": event}


def lose_subscriptions(world: World, request: Request, body: Body) -> Body:
    return {"lost": state_of(world).subscriptions.lose_all()}


def forget_changes(world: World, request: Request, body: Body) -> Body:
    user = named_user(world, request)
    mailbox = world.mailbox_of(user)
    if mailbox is None:
        raise NotFound(f"{user.upn} has no mailbox.")
    age = body.get("older_than_seconds", 0)
    _Number("", 0, LONGEST_SECONDS, is_whole=False).check("older_than_seconds", age)
    if age:
        mailbox.log.forget_before(world.clock.now() - timedelta(seconds=age))
    else:
        mailbox.log.forget(mailbox.change_number)
    return {
        "mailbox": mailbox.guid,
        "change_number": mailbox.change_number,
        "remembers_from": mailbox.log.floor,
    }
