"""``ostiary doctor``: is this instance fit to work, and if not, what to do."""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated, Final

import aiohttp
import typer

from ostiary import __version__
from ostiary.bootstrap import (
    application,
    bypassing_login,
    credential_facts,
    database_url,
    microsoft_hosts,
    schema_state,
    weak_durability,
)
from ostiary.core.kernel.errors import OstiaryError
from ostiary.core.kernel.reach import Duty, declared, instance_wide
from ostiary.core.signin.credentials import ALARM_DAYS, newest
from ostiary.core.signin.model import FlowKind, RedirectAddresses
from ostiary.core.sync.subscriptions import PATH
from ostiary.entrypoints.cli.doctor_services import examine_services
from ostiary.entrypoints.cli.finding import Finding
from ostiary.entrypoints.cli.outcome import ExitCode
from ostiary.entrypoints.cli.runtime import read_settings
from ostiary.logs import configure_logging
from ostiary.settings import Profile, Settings

MOST_SKEW: Final = timedelta(seconds=30)
"""SR-105: more than this is an alarm; at 60 s tokens are refused."""

_REACH_SECONDS: Final = 10.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", epilog="Next: ostiary serve")(doctor)


def doctor(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Check settings, database, keys, mail, Microsoft's hosts, clock, permissions and changes; list redirect addresses.

    Examples:

        ostiary doctor

        ostiary doctor --json
    """
    settings = read_settings()
    configure_logging(level="ERROR", log_format="text")
    findings = asyncio.run(_examine(settings))
    addresses = redirect_addresses(settings)
    if as_json:
        document = {
            "ok": all(each.ok for each in findings),
            "checks": [asdict(each) for each in findings],
            "redirect_addresses": addresses,
        }
        print(json.dumps(document, ensure_ascii=False))
    else:
        for each in findings:
            print(f"{'✓' if each.ok else '✗'} {each.name:<12} {each.words}")
            if each.advice:
                print(f"  {'':<12} {each.advice}")
        print("\nRedirect addresses to register at Microsoft (platform Web):")
        for address in addresses:
            print(f"  {address}")
    if not all(each.ok for each in findings):
        raise typer.Exit(ExitCode.FAILED)


def redirect_addresses(settings: Settings) -> list[str]:
    """Return every address Microsoft may send a browser back to."""
    addresses = RedirectAddresses(settings.public_url, settings.effective_console_url)
    registrations = ["main"] if settings.ews_app_client_id is None else ["main", "ews"]
    kinds = (FlowKind.ADMIN_CONSENT, FlowKind.CONNECT, FlowKind.CONSOLE, FlowKind.TRUST)
    return [addresses.redirect_uri(kind, name) for name in registrations for kind in kinds]


async def _examine(settings: Settings) -> list[Finding]:
    findings = [
        _settings(settings),
        _credential(settings),
        await _schema(settings),
        await _durability(settings),
        await _login(settings),
    ]
    hosts = microsoft_hosts(settings)
    reached = await asyncio.gather(*(_reach(name, url, settings) for name, url in hosts.items()))
    findings += [finding for finding, _ in reached]
    findings.append(await _notifications(settings))
    findings.append(_clock([at for _, at in reached if at is not None]))
    findings += await _services(settings)
    return findings


def _settings(settings: Settings) -> Finding:
    if settings.profile is Profile.DEVELOPMENT:
        return Finding(
            "settings", True, f"version {__version__}, development profile", "Not for real customers."
        )
    return Finding("settings", True, f"version {__version__}, production profile")


def _credential(settings: Settings) -> Finding:
    try:
        facts = newest(credential_facts(settings))
    except OstiaryError as error:
        return Finding("credential", False, error.message)
    now = datetime.now(UTC)
    words = ", ".join(
        fact.kind if fact.expires_at is None else f"{fact.kind} until {fact.expires_at:%Y-%m-%d}"
        for fact in facts
    )
    alarms = [alarm for alarm in (fact.alarm(now) for fact in facts) if alarm is not None]
    if alarms:
        advice = "Add a new certificate at Microsoft, then set it beside the one it replaces."
        return Finding("credential", min(alarms) > min(ALARM_DAYS), words, advice)
    if any(fact.kind == "secret" for fact in facts):
        return Finding("credential", True, words, "A certificate is safer: set OSTIARY_APP_CERTIFICATE_FILE.")
    return Finding("credential", True, words)


async def _schema(settings: Settings) -> Finding:
    try:
        async with database_url(settings) as url:
            state = await asyncio.to_thread(schema_state, url)
    except Exception as error:
        return Finding(
            "database", False, _first_line(error), "Check OSTIARY_DATABASE_URL and that PostgreSQL runs."
        )
    if state.is_current:
        return Finding("database", True, f"schema {state.current}")
    if state.is_newer:
        return Finding("database", True, f"schema {state.current}, of a newer version; this one works on it")
    return Finding(
        "database", False, f"schema {state.current or 'nothing'}, needs {state.head}", "Run: ostiary migrate"
    )


async def _durability(settings: Settings) -> Finding:
    try:
        async with database_url(settings) as url:
            weak = await weak_durability(url)
    except Exception as error:
        return Finding("durability", False, _first_line(error), "Mend the database line first.")
    if weak:
        advice = (
            f"Run: {' '.join(f'ALTER SYSTEM SET {name} = on;' for name in weak)} SELECT pg_reload_conf();"
        )
        return Finding(
            "durability", False, f"{', '.join(weak)} off: a power cut loses what was saved", advice
        )
    return Finding("durability", True, "fsync, synchronous_commit and full_page_writes are on")


async def _login(settings: Settings) -> Finding:
    try:
        async with database_url(settings) as url:
            why = await bypassing_login(url)
    except Exception as error:
        return Finding("login", False, _first_line(error), "Mend the database line first.")
    if why is None:
        return Finding("login", True, "the database's row-level security holds")
    # A developer's own server may be used as it is; production refuses to start.
    is_fatal = settings.profile is Profile.PRODUCTION
    advice = "Log in as a role of its own: docs/howto/production.md, step 1."
    return Finding("login", not is_fatal, f"row-level security does not hold: {why}", advice)


async def _services(settings: Settings) -> list[Finding]:
    try:
        with declared(instance_wide(Duty.COMMAND)):
            async with application(settings) as services:
                return await examine_services(services)
    except OstiaryError as error:
        words = error.message
    except Exception as error:
        words = _first_line(error)
    return [Finding("service", False, words, "Put right what is marked ✗ above, then run this again.")]


async def _reach(name: str, url: str, settings: Settings) -> tuple[Finding, datetime | None]:
    """Ask the host for anything: an answer of any status proves DNS, routing and TLS."""
    try:
        trust = ssl.create_default_context()
        if settings.ca_file is not None:
            trust.load_verify_locations(cafile=str(settings.ca_file))
        timeout = aiohttp.ClientTimeout(total=_REACH_SECONDS)
        connector = aiohttp.TCPConnector(ssl=trust)
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False, connector=connector) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            date = response.headers.get("date")
            at = parsedate_to_datetime(date).astimezone(UTC) if date else None
            return Finding(name, True, f"{url} answers"), at
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        words = f"{url} does not answer: {_first_line(error)}"
        return Finding(name, False, words, "Outgoing HTTPS to this host has to be allowed."), None


async def _notifications(settings: Settings) -> Finding:
    """Ask our own public address. That Microsoft gets there, too, only a subscription proves."""
    if settings.change_detection == "poll":
        words = f"poll only: mailboxes are read every {settings.poll_seconds} s"
        return Finding("notifications", True, words)
    url = f"{settings.public_url.rstrip('/')}{PATH}/"
    found, _ = await _reach("notifications", url, settings)
    if found.ok:
        return found
    # A developer looks before anything is served.
    is_fatal = settings.profile is Profile.PRODUCTION
    advice = "Run `ostiary serve` behind this address, or set OSTIARY_CHANGE_DETECTION=poll."
    return Finding("notifications", not is_fatal, found.words, advice)


def _clock(told: list[datetime]) -> Finding:
    if not told:
        return Finding("clock", True, "nobody to compare with")
    skew = max(abs(datetime.now(UTC) - at) for at in told)
    words = f"{skew.total_seconds():.0f} s from Microsoft's"
    return Finding(
        "clock", skew <= MOST_SKEW, words, "" if skew <= MOST_SKEW else "Let NTP set this machine's clock."
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
