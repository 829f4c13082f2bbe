"""Commands that change how Graph and EWS of a running emulator behave."""

from __future__ import annotations

import urllib.parse
from typing import Annotated, Any

import typer

from m365_emulator.cli.common import app
from m365_emulator.cli.control import DEFAULT_URL, URLOption, call_control, seconds_of, show

services_app = typer.Typer(help="Limits and strictness of Graph and EWS.", no_args_is_help=True)
app.add_typer(services_app, name="services")


@services_app.command("graph")
def services_graph(
    requests: Annotated[int | None, typer.Option(help="Per app and mailbox in each window.")] = None,
    window: Annotated[str | None, typer.Option(help="Seconds, or a number with s, m, h or d.")] = None,
    concurrent: Annotated[int | None, typer.Option(help="At once, per app and mailbox.")] = None,
    upload_bytes: Annotated[
        int | None, typer.Option(help="Per app and mailbox in each upload window.")
    ] = None,
    upload_window: str | None = None,
    hold_seconds: Annotated[float | None, typer.Option(help="How long each request is held.")] = None,
    url: URLOption = DEFAULT_URL,
) -> None:
    """Show Graph's limits, or change them."""
    _change(
        url,
        "/control/services/graph",
        {
            "requests": requests,
            "window_seconds": seconds_of(window) if window else None,
            "concurrent": concurrent,
            "upload_bytes": upload_bytes,
            "upload_window_seconds": seconds_of(upload_window) if upload_window else None,
            "hold_seconds": hold_seconds,
        },
    )


@services_app.command("ews")
def services_ews(
    requests: Annotated[
        int | None, typer.Option(help="Per app and mailbox in each window; -1: no limit.")
    ] = None,
    window: Annotated[str | None, typer.Option(help="Seconds, or a number with s, m, h or d.")] = None,
    strict_schema: Annotated[
        bool | None,
        typer.Option("--strict-schema/--lax-schema", help="Refuse what Microsoft's schema refuses."),
    ] = None,
    url: URLOption = DEFAULT_URL,
) -> None:
    """Show how EWS behaves, or change it."""
    changes: dict[str, Any] = {
        "requests": requests,
        "window_seconds": seconds_of(window) if window else None,
        "strict_schema": strict_schema,
    }
    _change(url, "/control/services/ews", changes, no_limit=requests == -1)


def _change(url: str, path: str, changes: dict[str, Any], *, no_limit: bool = False) -> None:
    body = {name: value for name, value in changes.items() if value is not None}
    if no_limit:
        body["requests"] = None
    show(call_control(url, "PATCH", path, body) if body else call_control(url, "GET", path))


subscriptions_app = typer.Typer(help="Subscriptions of Graph and EWS.", no_args_is_help=True)
app.add_typer(subscriptions_app, name="subscriptions")


@subscriptions_app.command("list")
def subscriptions_list(url: URLOption = DEFAULT_URL) -> None:
    """List what is subscribed to."""
    show(call_control(url, "GET", "/control/subscriptions"))


@subscriptions_app.command("lifecycle")
def subscriptions_lifecycle(subscription: str, event: str, url: URLOption = DEFAULT_URL) -> None:
    """Send a lifecycle event: missed, subscriptionRemoved or reauthorizationRequired."""
    path = f"/control/subscriptions/{urllib.parse.quote(subscription, safe='')}/lifecycle"
    call_control(url, "POST", path, {"event": event})
    print(f"{subscription}: {event}")


@subscriptions_app.command("lose")
def subscriptions_lose(url: URLOption = DEFAULT_URL) -> None:
    """Forget every EWS subscription, as when mailboxes move to another server."""
    answer = call_control(url, "POST", "/control/services/ews/lose-subscriptions", {})
    print(f"lost {answer['lost']}")


@app.command("forget-changes")
def forget_changes(
    mailbox: Annotated[str, typer.Argument(help="Address.")],
    older_than: Annotated[
        str | None, typer.Option(help="Only changes of so long ago: seconds, or a number with s, m, h or d.")
    ] = None,
    url: URLOption = DEFAULT_URL,
) -> None:
    """Let delta links and sync states that were handed out for a mailbox be refused."""
    body = {"older_than_seconds": seconds_of(older_than)} if older_than else {}
    path = f"/control/users/{urllib.parse.quote(mailbox)}/forget-changes"
    show(call_control(url, "POST", path, body))
