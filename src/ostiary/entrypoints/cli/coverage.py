"""``ostiary connections coverage`` and ``sync``: how far a mailbox has been read, and whether anything can be missing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.sync.coverage import CoverageAnswer, GapReason
from ostiary.core.sync.model import Progress, Stage
from ostiary.entrypoints.cli.answers import JSONOption, advise, print_json
from ostiary.entrypoints.cli.connections import OptionalOrganization, Which, connections, find_connection
from ostiary.entrypoints.cli.outcome import ExitCode
from ostiary.entrypoints.cli.progress import progress as shown_progress
from ostiary.entrypoints.cli.runtime import run_with_services
from ostiary.entrypoints.cli.table import print_table

if TYPE_CHECKING:
    from ostiary.bootstrap import Services

WATCH_SECONDS: Final = 0.5
_WORDS: Final = {
    GapReason.NOT_CONNECTED: "not followed then",
    GapReason.FIRST_READING: "the first reading is not done",
    GapReason.NOT_READ_YET: "not read yet; the next reading covers it",
    GapReason.STALLED: "cannot be read at the moment; the next reading that works covers it",
}


def register(app: typer.Typer) -> None:
    """Add the commands to those of connections."""
    del app
    connections.command("coverage", epilog="Next: ostiary connections sync CONNECTION")(coverage)
    connections.command("sync", epilog="Next: ostiary connections coverage CONNECTION")(sync)


def coverage(
    which: Which,
    start: Annotated[
        str | None,
        typer.Option("--from", help="First moment, such as 2026-11-24T09:00Z. Default: a day ago."),
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last moment. Default: now.")] = None,
    organization: OptionalOrganization = None,
    as_json: JSONOption = False,
) -> None:
    """Say whether anything that happened between two moments can be missing from the feed. Exit code 0 only if not.

    Examples:

        ostiary connections coverage tom.ellis@harbourvale.example

        ostiary connections coverage CO-9D1M-7VHE --from 2026-11-24T09:00Z --to 2026-11-24T17:00Z --json
    """

    async def use(services: Services) -> CoverageAnswer:
        found = await find_connection(services, which, organization=organization)
        now = services.clock.now()
        return await services.sync.coverage(
            found.id,
            start=now - timedelta(days=1) if start is None else _moment(start, "--from"),
            end=now if end is None else _moment(end, "--to"),
        )

    answer = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": answer.is_complete, "coverage": _document(answer)})
    else:
        _print(answer)
    raise typer.Exit(ExitCode.DONE if answer.is_complete else ExitCode.FAILED)


def sync(
    which: Which,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay until the first reading is done. Ctrl-C ends watching only.")
    ] = False,
    organization: OptionalOrganization = None,
    as_json: JSONOption = False,
) -> None:
    """Show how far a mailbox and its calendars have been read.

    Examples:

        ostiary connections sync tom.ellis@harbourvale.example --watch

        ostiary connections sync CO-9D1M-7VHE --json
    """

    async def use(services: Services) -> tuple[Progress, ...]:
        found = await find_connection(services, which, organization=organization)
        return (
            await _watched(services, found.id, as_json) if watch else await services.sync.progress(found.id)
        )

    progress = run_with_services(use, as_json=as_json)
    if as_json:
        print_json({"ok": True, "sources": [_progress_document(each) for each in progress]})
        return
    if not progress:
        print("This connection is not followed.")
        return
    print_table(
        ("SOURCE", "OVER", "STAGE", "FOLDERS", "ITEMS", "COMPLETE UNTIL", "HELD UP BY"),
        [
            (
                each.source.value,
                each.method.value,
                each.stage.value,
                f"{each.folders_done}/{each.folders_total}",
                f"{each.items_counted}/{each.items_total}",
                _at(each.covered_until),
                each.stalled_reason or "",
            )
            for each in progress
        ],
    )


async def _watched(services: Services, connection_id: str, as_json: bool) -> tuple[Progress, ...]:
    """Return the progress once every source is followed, or none can be read at the moment."""
    seen = await services.sync.progress(connection_id)
    with shown_progress("read", sum(each.items_total for each in seen), quiet=as_json) as advance:
        while any(each.stage is Stage.INITIAL and each.stalled_reason is None for each in seen):
            advance(sum(each.items_counted for each in seen))
            await asyncio.sleep(WATCH_SECONDS)
            seen = await services.sync.progress(connection_id)
        advance(sum(each.items_counted for each in seen))
    return seen


def _print(answer: CoverageAnswer) -> None:
    if answer.is_complete:
        print(f"✓ Nothing is missing between {_at(answer.start)} and {_at(answer.end)}.")
    elif not answer.gaps:
        print("✗ This connection is not followed.")
    else:
        print(f"✗ Not everything between {_at(answer.start)} and {_at(answer.end)} is proven.")
        print_table(
            ("SOURCE", "FROM", "TO", "WHY"),
            [
                (
                    gap.source.value,
                    _at(gap.start),
                    _at(gap.end),
                    f"{_WORDS[gap.reason]}{f' ({gap.detail})' if gap.detail else ''}",
                )
                for gap in answer.gaps
            ],
        )
    for stretch in answer.stretches:
        if stretch.reason is not None:
            advise(
                f"{stretch.source.value} was read anew and compared between {_at(stretch.start)} and "
                f"{_at(stretch.end)} ({stretch.reason}): what came and went in between is not told."
            )


def _document(answer: CoverageAnswer) -> dict[str, object]:
    return {
        "from": answer.start.isoformat(),
        "to": answer.end.isoformat(),
        "is_complete": answer.is_complete,
        "stretches": [
            {
                "source": each.source.value,
                "start": each.start.isoformat(),
                "end": each.end.isoformat(),
                "how": each.how.value,
                "reason": each.reason,
            }
            for each in answer.stretches
        ],
        "gaps": [
            {
                "source": each.source.value,
                "start": each.start.isoformat(),
                "end": each.end.isoformat(),
                "reason": each.reason.value,
                "detail": each.detail,
            }
            for each in answer.gaps
        ],
    }


def _progress_document(each: Progress) -> dict[str, object]:
    return {
        "source": each.source.value,
        "method": each.method.value,
        "stage": each.stage.value,
        "folders_done": each.folders_done,
        "folders_total": each.folders_total,
        "items_counted": each.items_counted,
        "items_total": each.items_total,
        "covered_until": None if each.covered_until is None else each.covered_until.isoformat(),
        "stalled_reason": each.stalled_reason,
    }


def _moment(text: str, option: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"{option} takes a time such as 2026-11-24T09:00Z.", field=option) from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def _at(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
