"""``ostiary retention``: how long leftovers are kept, how many there are, and whether the nightly job keeps up."""

from __future__ import annotations

import typer

from ostiary.bootstrap import Services
from ostiary.core.connections.retention import ClassReport
from ostiary.entrypoints.cli.answers import JSONOption, advise, print_json
from ostiary.entrypoints.cli.outcome import ExitCode
from ostiary.entrypoints.cli.runtime import run_with_services
from ostiary.entrypoints.cli.table import print_table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("retention", epilog="Next: ostiary audit tail")(report)


def report(as_json: JSONOption = False) -> None:
    """Report what is kept by age, for how long, and the oldest of it. Fails when something is older than it should be.

    Examples:

        ostiary retention

        ostiary retention --json
    """

    async def use(services: Services) -> tuple[ClassReport, ...]:
        return await services.retention.report()

    lines = run_with_services(use, as_json=as_json)
    late = [each for each in lines if each.is_late]
    if as_json:
        print_json(
            {
                "ok": not late,
                "classes": [
                    {
                        "class": each.leftover.value,
                        "kept_days": each.kept_for.days,
                        "records": each.count.records,
                        "finished": each.count.finished,
                        "oldest_at": None
                        if each.count.oldest_at is None
                        else each.count.oldest_at.isoformat(),
                        "late": each.is_late,
                    }
                    for each in lines
                ],
            }
        )
    else:
        print_table(
            ("WHAT", "KEPT FOR", "RECORDS", "FINISHED", "OLDEST FINISHED", ""),
            [
                (
                    each.leftover.value.replace("_", " "),
                    f"{each.kept_for.days} days",
                    str(each.count.records),
                    str(each.count.finished),
                    "-" if each.count.oldest_at is None else f"{each.count.oldest_at:%Y-%m-%d}",
                    "late" if each.is_late else "",
                )
                for each in lines
            ],
        )
    if late:
        advise("Something is older than it should be: is a worker running?")
        raise typer.Exit(ExitCode.FAILED)
