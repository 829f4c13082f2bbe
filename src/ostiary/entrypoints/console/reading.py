"""How far a mailbox has been read, and whether anything can be missing, as connection pages say it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from ostiary.core.access.model import Permission
from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.governor.model import MailboxKey
from ostiary.core.kernel.errors import NotFound
from ostiary.core.kernel.ids import parse_reference
from ostiary.core.reasons.catalogue import find_reason
from ostiary.core.reasons.explain import Explanation, explain
from ostiary.core.reasons.model import Where
from ostiary.core.sync.coverage import CoverageAnswer, Gap, GapReason
from ostiary.core.sync.model import Progress, Source, Stage
from ostiary.entrypoints.web.context import organization_id, services
from ostiary.entrypoints.web.permissions import requires
from ostiary.entrypoints.web.templates import plural, written_hour, written_moment

router = APIRouter(include_in_schema=False)

COVERAGE_DAYS: Final = 7

_LABELS: Final = {Source.MAIL: "Email", Source.CALENDAR: "Calendar"}
_GAP_WORDS: Final = {
    GapReason.NOT_CONNECTED: "It wasn’t connected then.",
    GapReason.FIRST_READING: "The first reading isn’t done yet.",
    GapReason.NOT_READ_YET: "Not read yet. Nothing is lost: the next reading covers it.",
    GapReason.STALLED: "It can’t be read at the moment. Nothing is lost: the next reading that works covers it.",
}
_SLOWED_DOWN: Final = "slowed_down"


@dataclass(frozen=True, slots=True)
class SourceReading:
    """How far email or calendar has been read."""

    id: str
    label: str
    sentence: str
    is_first: bool
    """The first reading runs."""
    folders_done: int
    folders_total: int


@dataclass(frozen=True, slots=True)
class Hole:
    """A stretch of time about which something cannot be said (yet)."""

    label: str
    start: datetime
    end: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a connection page says of reading."""

    sources: tuple[SourceReading, ...]
    catching_up: Explanation | None
    holes: tuple[Hole, ...]
    covered_since: datetime | None
    """Nothing is missing since then; None while there are holes, or nothing is followed."""
    covered_until: datetime | None
    is_live: bool
    """It changes by the minute: worth looking again."""

    @property
    def shape(self) -> str:
        """Changes when the page has to be drawn anew, and not with every count."""
        stages = "".join("f" if each.is_first else "l" for each in self.sources)
        return f"{stages}{'r' if self.catching_up else ''}"


async def read_progress(request: Request, connection: Connection) -> Reading | None:
    """Return what is known of a connection's reading; None once it is disconnected."""
    if connection.status is ConnectionStatus.DISCONNECTED:
        return None
    at = services(request)
    now = at.clock.now()
    progress = await at.sync.progress(connection.id)
    coverage = await at.sync.coverage(connection.id, start=now - timedelta(days=COVERAGE_DAYS), end=now)
    resting = await at.governor.resting_seconds(
        MailboxKey(connection.method, connection.tenant_id, connection.object_id)
    )
    holes, since = _missing(coverage, progress)
    read_until = [each.covered_until for each in progress]
    until = min((moment for moment in read_until if moment is not None), default=None)
    is_reading = any(each.stage is Stage.INITIAL and each.stalled_reason is None for each in progress)
    return Reading(
        sources=tuple(_source(each) for each in progress),
        catching_up=_catching_up(connection, progress, now) if resting or _is_slowed(progress) else None,
        holes=holes,
        covered_since=None if holes or None in read_until or until is None else since,
        covered_until=until,
        is_live=is_reading or resting > 0,
    )


@router.get("/console/connections/{connection_id}/reading", dependencies=[requires(Permission.CONSOLE_READ)])
async def tell_admin(request: Request, connection_id: str, shown: str = "") -> Response:
    """Tell the connection page's script how far reading is."""
    connection = await services(request).connections.get(
        connection_id, organization_id=organization_id(request)
    )
    return await _tell(request, connection, shown)


@router.get("/operator/reading", dependencies=[requires(Permission.OPERATOR_READ)])
async def tell_operator(request: Request, ref: str = "", shown: str = "") -> Response:
    """Tell the script of an operator's reference page the same."""
    reference = parse_reference(ref)
    async with services(request).transactions() as transaction:
        connection = reference and await transaction.connections.find_by_reference(reference)
    if not connection:
        raise NotFound("There is no such connection.")
    return await _tell(request, connection, shown)


async def _tell(request: Request, connection: Connection, shown: str) -> Response:
    reading = await read_progress(request, connection)
    if reading is None or reading.shape != shown:
        return JSONResponse({"reload": True})
    facts: dict[str, str | int | bool] = {
        "as_of": written_hour(services(request).clock.now()),
        "done": not reading.is_live,
    }
    for each in reading.sources:
        facts[each.id] = each.sentence
        facts[f"{each.id}_folders"] = each.folders_done
    return JSONResponse(facts)


def _source(progress: Progress) -> SourceReading:
    is_mail = progress.source is Source.MAIL
    folders = plural(progress.folders_total, "folder" if is_mail else "calendar")
    items = plural(progress.items_counted, "message" if is_mail else "event")
    if progress.stage is Stage.INITIAL:
        what = "the mailbox" if is_mail else "the calendar"
        sentence = f"Reading {what}: {progress.folders_done:,} of {folders}, {items}"
    elif progress.covered_until is None:
        sentence = f"Read: {folders}, {items}"
    else:
        sentence = f"Read up to {written_moment(progress.covered_until)}: {folders}, {items}"
    return SourceReading(
        id=progress.source.value,
        label=_LABELS[progress.source],
        sentence=sentence,
        is_first=progress.stage is Stage.INITIAL,
        folders_done=progress.folders_done,
        folders_total=progress.folders_total,
    )


def _is_slowed(progress: tuple[Progress, ...]) -> bool:
    return any(each.stalled_reason == _SLOWED_DOWN for each in progress)


def _catching_up(connection: Connection, progress: tuple[Progress, ...], now: datetime) -> Explanation:
    read_until = min((each.covered_until or each.started_at for each in progress), default=now)
    minutes = max(1, math.ceil((now - read_until) / timedelta(minutes=1)))
    return explain(
        _SLOWED_DOWN, where=Where.HEALTH, values={"n": f"{minutes:,}", "account": connection.address}
    )


def _missing(
    coverage: CoverageAnswer, progress: tuple[Progress, ...]
) -> tuple[tuple[Hole, ...], datetime | None]:
    """Return what may be missing, and since when nothing is where there are no holes.

    What came before a source was first followed is no hole, and neither is what came since the last reading: that one
    is named beside it.
    """
    since = coverage.start
    holes: list[Hole] = []
    began = {each.source: each.started_at for each in progress}
    for gap in coverage.gaps:
        if gap.reason is GapReason.NOT_READ_YET:
            continue
        if (
            gap.reason is GapReason.NOT_CONNECTED
            and gap.start == coverage.start
            and gap.end == began[gap.source]
        ):
            since = max(since, gap.end)
            continue
        holes.append(Hole(_LABELS[gap.source], gap.start, gap.end, _why(gap)))
    holes += [
        Hole(
            _LABELS[each.source],
            each.start,
            each.end,
            "Read again and compared. Nothing that stands is missing; what came and went in between is not told.",
        )
        for each in coverage.stretches
        if each.reason is not None
    ]
    return tuple(sorted(holes, key=lambda hole: (hole.start, hole.label))), since


def _why(gap: Gap) -> str:
    words = _GAP_WORDS[gap.reason]
    known = None if gap.detail is None else find_reason(gap.detail)
    if known is None:
        return words
    return f"{explain(known.id, where=Where.HEALTH, values={}).headline}. {words}"
