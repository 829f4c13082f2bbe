"""``ostiary audit``: who did what."""

from __future__ import annotations

import asyncio
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ostiary.bootstrap import Services
from ostiary.core.audit.chain import ChainedRecord
from ostiary.core.audit.model import AuditRecord
from ostiary.core.audit.verification import Report
from ostiary.entrypoints.cli.audit_export import (
    CSVRecords,
    checkpoint_document,
    read_checkpoints,
    record_document,
)
from ostiary.entrypoints.cli.outcome import ExitCode
from ostiary.entrypoints.cli.plain_text import one_line
from ostiary.entrypoints.cli.runtime import run_with_services

audit = typer.Typer(help="The audit log.", no_args_is_help=True)

_LOOK_EVERY_SECONDS: Final = 2.0


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(audit, name="audit")


@audit.command("tail", epilog="Next: ostiary explain")
def tail(
    organization: Annotated[str | None, typer.Option("--org", help="Only this customer.")] = None,
    count: Annotated[int, typer.Option("-n", "--lines", help="Records to begin with.", min=0, max=1000)] = 20,
    what: Annotated[str | None, typer.Option(help="Beginning of the verb, such as consent.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
) -> None:
    """Show the newest records, oldest of them first.

    Examples:

        ostiary audit tail --org hv

        ostiary audit tail --follow --json
    """

    async def use(services: Services) -> None:
        own = None if organization is None else (await services.organizations.resolve(organization)).id
        page = await services.audit.list_records(organization_id=own, what_prefix=what, limit=max(count, 1))
        last = page.items[0].id if page.items else None
        for record in reversed(page.items[:count]):
            _show(record, as_json)
        while follow:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            for record in await services.audit.newer_than(last, organization_id=own):
                last = record.id
                if what is None or record.what.startswith(what):
                    _show(record, as_json)

    run_with_services(use, as_json=as_json)


class ExportFormat(StrEnum):
    """How records are written."""

    JSON = "jsonl"
    CSV = "csv"


@audit.command("verify", epilog="Next: ostiary audit export")
def verify(
    known: Annotated[
        Path | None,
        typer.Option(
            help="An earlier export as JSON lines: its checkpoints must still fit.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Check that no record was changed, removed, moved or cut off.

    Exit code 0: everything fits. 1: something was tampered with, and the output says where.

    Examples:

        ostiary audit verify

        ostiary audit verify --known last-month.jsonl
    """

    async def use(services: Services) -> Report:
        kept = [] if known is None else read_checkpoints(known.read_text("utf-8").splitlines())
        return await services.audit.keeping.verify(known=kept)

    report = run_with_services(use, as_json=as_json)
    if as_json:
        print(json.dumps(_report_document(report), ensure_ascii=False))
    else:
        _show_report(report)
    if not report.is_intact:
        raise typer.Exit(ExitCode.FAILED)


@audit.command("export", epilog="Next: ostiary audit verify --known FILE")
def export(
    organization: Annotated[str | None, typer.Option("--org", help="Only this customer.")] = None,
    form: Annotated[
        ExportFormat, typer.Option("--format", help="jsonl has proofs; csv opens in a spreadsheet.")
    ] = (ExportFormat.JSON),
) -> None:
    """Write the audit log with its chain to standard output.

    Examples:

        ostiary audit export --org hv > audit.jsonl

        ostiary audit export --format csv > audit.csv
    """

    async def use(services: Services) -> None:
        chains = [] if organization is None else [(await services.organizations.resolve(organization)).id]
        table = CSVRecords(sys.stdout) if form is ExportFormat.CSV else None
        if table is None:
            print(json.dumps({"type": "key", "ed25519": services.audit.keeping.public_key.hex()}))
        async for entry in services.audit.keeping.export(chains):
            if isinstance(entry, ChainedRecord):
                if table is None:
                    print(json.dumps(record_document(entry)))
                else:
                    table.write(entry)
            elif table is None:
                print(json.dumps(checkpoint_document(entry)))

    run_with_services(use)


def _show_report(report: Report) -> None:
    counted = f"{report.records} records in {report.chains} chains, {report.checkpoints} checkpoints"
    if report.is_intact:
        erased = f", {report.erased} with personal details erased on record" if report.erased else ""
        print(f"✓ The audit log is intact: {counted}{erased}.")
        return
    print(f"✗ The audit log does not fit: {counted}.", file=sys.stderr)
    for finding in report.findings:
        where = finding.chain if finding.position is None else f"{finding.chain} {finding.position}"
        print(f"  {one_line(where)}: {finding.problem}", file=sys.stderr)


def _report_document(report: Report) -> dict[str, Any]:
    return {
        "ok": report.is_intact,
        "chains": report.chains,
        "records": report.records,
        "checkpoints": report.checkpoints,
        "erased": report.erased,
        "findings": [
            {"chain": finding.chain, "position": finding.position, "problem": finding.problem}
            for finding in report.findings
        ],
    }


def _show(record: AuditRecord, as_json: bool) -> None:
    if as_json:
        print(json.dumps(_document(record), ensure_ascii=False), flush=True)
        return
    outcome = "" if record.outcome == "done" else f" [{record.outcome}]"
    who = record.actor.name or record.actor.kind.value
    reference = f"  {record.reference}" if record.reference else ""
    print(
        f"{record.at:%Y-%m-%d %H:%M:%S}  {one_line(who)}: {one_line(record.sentence)}{outcome}{reference}",
        flush=True,
    )


def _document(record: AuditRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "at": record.at.isoformat(),
        "what": record.what,
        "sentence": record.sentence,
        "outcome": record.outcome,
        "actor": {
            "kind": record.actor.kind.value,
            "id": record.actor.id,
            "name": record.actor.name,
            "ip": record.actor.ip,
        },
        "organization_id": record.organization_id,
        "object_id": record.object_id,
        "ref": record.reference,
        "reason": record.reason,
        "detail": dict(record.detail),
    }
