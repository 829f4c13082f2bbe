"""How far a piece of work may reach: whose rows it sees, and which secrets its kind of work may open.

Whoever starts work declares its reach: a route after it knows its caller, a worker, a command. It travels with the
work, into the tasks it starts, and the database enforces it (SR-40, SR-64). Work that declared nothing reaches
nothing. A reach is narrowed as soon as it is known whose request it is, and widened only where :func:`everybody`
says why.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final


class Duty(StrEnum):
    """What kind of work runs. It decides which secrets may be opened, and the database role."""

    PAGES = "pages"
    """Pages and console: may store a sign-in that came just now, and open none."""
    RECORDS = "records"
    """API calls about customers, people and connections."""
    MAILBOX = "mailbox"
    """API calls that use a mailbox, and *Check now*."""
    WORKER = "worker"
    COMMAND = "command"
    """What an operator does at a shell of the machine."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose rows a piece of work sees, and what kind of work it is."""

    duty: Duty
    organization_id: str | None = None
    """The one organization it is confined to."""
    is_instance_wide: bool = False
    """Every organization, and what belongs to none."""

    def __post_init__(self) -> None:
        if self.is_instance_wide and self.organization_id is not None:
            raise ValueError("a reach is confined to an organization or instance-wide, not both")


NOTHING: Final = Reach(Duty.PAGES)
"""The reach of work that declared none: no organization's rows, and no secrets."""

_reach: Final[ContextVar[Reach]] = ContextVar("ostiary_reach", default=NOTHING)


def current_reach() -> Reach:
    """Return what the work that asks may reach."""
    return _reach.get()


def instance_wide(duty: Duty) -> Reach:
    """Return the reach of the vendor's own work: every organization."""
    return Reach(duty, is_instance_wide=True)


def declare(reach: Reach) -> None:
    """Set the reach of the work that goes on from here; for the edge where work begins."""
    _reach.set(reach)


@contextmanager
def declared(reach: Reach) -> Generator[None]:
    """Set the reach inside the block, tasks started there included."""
    before = _reach.set(reach)
    try:
        yield
    finally:
        _reach.reset(before)


def confine(organization_id: str) -> None:
    """Narrow the rest of the work to one organization, now that it is known whose it is.

    Work that is confined to another organization already loses every row instead: it has no business there.
    """
    _reach.set(_narrowed(organization_id))


@contextmanager
def confined(organization_id: str) -> Generator[None]:
    """Narrow the block to one organization, as :func:`confine` does."""
    with declared(_narrowed(organization_id)):
        yield


@contextmanager
def everybody(why: str) -> Generator[None]:
    """Look beyond the own organization inside the block; a test lists each place and its reason.

    Args:
        why: What has to hold across organizations, such as "one mailbox belongs to one member".
    """
    if not why:
        raise ValueError("say what has to hold across organizations")
    with declared(instance_wide(current_reach().duty)):
        yield


def _narrowed(organization_id: str) -> Reach:
    reach = current_reach()
    if reach.is_instance_wide or reach.organization_id == organization_id:
        return replace(reach, organization_id=organization_id, is_instance_wide=False)
    return replace(reach, organization_id=None)
