"""Commands that steer a running emulator through its control API."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Annotated, Any

import typer

from m365_emulator.cli.common import app, fail

DEFAULT_URL = "http://127.0.0.1:8025"
CONTROL_SECONDS = 30
URLOption = Annotated[
    str, typer.Option("--url", envvar="M365_EMULATOR_URL", help="Base URL of the running emulator.")
]


def call_control(url: str, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Call the control API and return its JSON; ends the command with the emulator's words when it refuses."""
    request = urllib.request.Request(  # noqa: S310 - the address is the operator's own
        url.rstrip("/") + path,
        method=method,
        data=json.dumps(body).encode() if body is not None else None,
        headers={"content-type": "application/json"},
    )
    # Proxy variables may point at the emulator's own proxy, which knows no loopback hosts.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=CONTROL_SECONDS) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        try:
            text = json.load(error)["error"]
        except (ValueError, KeyError):
            text = f"The emulator answered {error.code}."
        fail(text)
    except OSError as error:
        fail(f"No emulator answers at {url}: {getattr(error, 'reason', error)}.")


def show(answer: dict[str, Any]) -> None:
    """Print an answer for people and for `jq`."""
    print(json.dumps(answer, indent=2))


scenario_app = typer.Typer(help="Make one tenant fail in one way, by reason id.", no_args_is_help=True)
app.add_typer(scenario_app, name="scenario")


@scenario_app.command("list")
def scenario_list(url: URLOption = DEFAULT_URL) -> None:
    """List the reason ids and what each pretends."""
    answer = call_control(url, "GET", "/control/scenarios")
    for item in answer["scenarios"]:
        print(f"{item['id']:28} {item['title']}")
    for tenant, scenario in answer["active"].items():
        print(f"active in {tenant}: {scenario}")


@scenario_app.command("set")
def scenario_set(tenant: str, scenario: str, url: URLOption = DEFAULT_URL) -> None:
    """Put a scenario in force for a tenant (id or domain)."""
    call_control(url, "PUT", f"/control/tenants/{urllib.parse.quote(tenant)}/scenario", {"id": scenario})
    print(f"{tenant}: {scenario}")


@scenario_app.command("clear")
def scenario_clear(tenant: str, url: URLOption = DEFAULT_URL) -> None:
    """Let everything work again in a tenant."""
    call_control(url, "DELETE", f"/control/tenants/{urllib.parse.quote(tenant)}/scenario")
    print(f"{tenant}: everything works")


@app.command()
def clock(
    advance: Annotated[str | None, typer.Option(help="Seconds, or a number with s, m, h or d.")] = None,
    to: Annotated[str | None, typer.Option(help="RFC 3339 time to jump to.")] = None,
    reset: Annotated[bool, typer.Option(help="Back to the machine's time.")] = False,
    url: URLOption = DEFAULT_URL,
) -> None:
    """Show the emulator's clock, or move it."""
    body: dict[str, Any] = {}
    if reset:
        body["reset"] = True
    if to:
        body["set"] = to
    if advance:
        body["advance_seconds"] = seconds_of(advance)
    answer = (
        call_control(url, "POST", "/control/clock", body)
        if body
        else call_control(url, "GET", "/control/clock")
    )
    print(answer["now"])


def seconds_of(text: str) -> float:
    """Return the seconds of `90`, `15m`, `2h` or `30d`; anything else ends the command."""
    factor = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}.get(text[-1:], 0)
    try:
        return float(text[:-1]) * factor if factor else float(text)
    except ValueError:
        fail(f"{text} is not a length of time; write 90, 15m, 2h or 30d.")


faults_app = typer.Typer(help="Inject faults into requests and notifications.", no_args_is_help=True)
app.add_typer(faults_app, name="faults")


@faults_app.command("list")
def faults_list(url: URLOption = DEFAULT_URL) -> None:
    """List the rules in force."""
    show(call_control(url, "GET", "/control/faults"))


@faults_app.command("add")
def faults_add(
    route: Annotated[str, typer.Option(help="Glob over 'METHOD /path'.")] = "*",
    tenant: str | None = None,
    mailbox: str | None = None,
    probability: float = 1.0,
    random_seed: int = 1,
    count: int | None = None,
    status: int | None = None,
    body: str | None = None,
    latency_ms: int = 0,
    drip: Annotated[int | None, typer.Option(help="Bytes per second.")] = None,
    truncate: Annotated[int | None, typer.Option(help="Bytes after which the body ends.")] = None,
    garbage: bool = False,
    reset: bool = False,
    notification: Annotated[str | None, typer.Option(help="drop, double, late or shuffle.")] = None,
    url: URLOption = DEFAULT_URL,
) -> None:
    """Add a rule."""
    rule: dict[str, Any] = {
        "route": route,
        "tenant": tenant,
        "mailbox": mailbox,
        "probability": probability,
        "seed": random_seed,
        "count": count,
        "status": status,
        "body": body,
        "latency_ms": latency_ms,
        "drip_bytes_per_second": drip,
        "truncate_after_bytes": truncate,
        "garbage": garbage,
        "reset": reset,
        "notification": notification,
    }
    show(call_control(url, "POST", "/control/faults", rule))


@faults_app.command("clear")
def faults_clear(url: URLOption = DEFAULT_URL) -> None:
    """Remove every rule."""
    call_control(url, "DELETE", "/control/faults")
    print("no faults")


@app.command()
def log(
    path: Annotated[str, typer.Option(help="Part of the path.")] = "",
    limit: int = 50,
    clear: Annotated[bool, typer.Option(help="Forget everything.")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    url: URLOption = DEFAULT_URL,
) -> None:
    """Show what was asked of the emulator, newest last."""
    if clear:
        call_control(url, "DELETE", "/control/requests")
        return
    query = urllib.parse.urlencode({"path": path, "limit": limit})
    entries = call_control(url, "GET", f"/control/requests?{query}")["requests"][::-1]
    if as_json:
        show({"requests": entries})
        return
    for entry in entries:
        print(
            f"{entry['at'][11:23]} {entry['status']} {entry['milliseconds']:8.1f} ms"
            f"  {entry['method']} {entry['path']}{'?' + entry['query'] if entry['query'] else ''}"
        )


@app.command()
def seed(
    file: Annotated[
        Path | None, typer.Argument(help="YAML file; without one, the world it was started with.")
    ] = None,
    messages: Annotated[int | None, typer.Option(help="Messages in each mailbox.", min=0)] = None,
    random_seed: Annotated[int | None, typer.Option(help="New seed number.")] = None,
    url: URLOption = DEFAULT_URL,
) -> None:
    """Build the world anew: every change is lost."""
    body: dict[str, Any] = {}
    if file is not None:
        try:
            body["yaml"] = file.read_text("utf-8")
        except OSError as error:
            fail(f"Cannot read {file}: {error.strerror}.")
    if messages is not None:
        body["messages"] = messages
    if random_seed is not None:
        body["seed"] = random_seed
    answer = call_control(url, "POST", "/control/reset", body)
    print(f"{len(answer['tenants'])} tenants, {sum(tenant['users'] for tenant in answer['tenants'])} people")


snapshot_app = typer.Typer(help="Keep the world and go back to it.", no_args_is_help=True)
app.add_typer(snapshot_app, name="snapshot")


@snapshot_app.command("take")
def snapshot_take(name: str, url: URLOption = DEFAULT_URL) -> None:
    """Keep the world under a name."""
    show(call_control(url, "POST", f"/control/snapshots/{urllib.parse.quote(name)}", {}))


@snapshot_app.command("restore")
def snapshot_restore(name: str, url: URLOption = DEFAULT_URL) -> None:
    """Go back to a kept world."""
    call_control(url, "POST", f"/control/snapshots/{urllib.parse.quote(name)}/restore", {})
    print(f"restored {name}")


@snapshot_app.command("list")
def snapshot_list(url: URLOption = DEFAULT_URL) -> None:
    """List kept worlds and their sizes in bytes."""
    show(call_control(url, "GET", "/control/snapshots"))
