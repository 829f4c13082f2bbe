"""``ostiary demo --check``: the whole main job with no hands, as a transcript."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import aiohttp

from ostiary.bootstrap import application
from ostiary.entrypoints.cli.demo.browser import PageWrong
from ostiary.entrypoints.cli.demo.receiver import receiving
from ostiary.entrypoints.cli.demo.steps import approving, connecting, following, mailing, safety, using
from ostiary.entrypoints.cli.demo.walk import CALL_SECONDS, Restartable, StepFailed, Walk
from ostiary.settings import Settings

STEP_SECONDS: Final = 90.0


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that has to work."""

    title: str
    run: Callable[[Walk], Awaitable[str]]
    """Returns what was seen, in a few words."""


STEPS: Final[tuple[Step, ...]] = (
    Step("Everything runs", using.everything_runs),
    Step("The vendor makes an API key", using.make_api_key),
    Step("A member without a licence cannot connect", connecting.unlicensed_is_refused),
    Step("Before the approval a member is stopped, and asks for it", connecting.member_asks_for_approval),
    Step("The administrator is asked by mail", mailing.administrator_is_asked),
    Step("Cancelling at Microsoft approves nothing", approving.cancelled),
    Step("An account without the role cannot approve", approving.not_an_administrator),
    Step("Another company's administrator cannot approve for this one", approving.wrong_tenant),
    Step("The link of the mail approves over Microsoft Graph", approving.over_graph),
    Step("A used link works no more", approving.used_link),
    Step("The member who asked is told", connecting.asker_is_told),
    Step("The member and the IT contact are told by mail", mailing.everyone_is_told),
    Step("A member connects mail and calendar over Graph", connecting.over_graph),
    Step("The vendor confirms that it was its own user", connecting.vendor_confirms),
    Step("An IT administrator approves over EWS", approving.over_ews),
    Step("A member connects mail and calendar over EWS", connecting.over_ews),
    Step("Folders, messages and events over Graph", using.read_over_graph),
    Step("Folders, messages and events over EWS", using.read_over_ews),
    Step("Both have the same shape", using.same_shape),
    Step("The command line reads the same", using.command_line),
    Step("A reference read over the phone explains itself", using.reference),
    Step("A refused token is renewed once for all who wait", using.refresh_once),
    Step("Connecting again keeps the connection", connecting.reconnect),
    Step("A forged return binds nothing", safety.forged_return),
    Step("A return in another browser binds nothing", safety.other_browser),
    Step("The operator signs in to the console", using.console),
    Step("The vendor's webhook endpoint proves itself", following.endpoint_is_proven),
    Step("A mail sent over Graph is told over EWS, in feed and webhook", following.mail_over_graph),
    Step(
        "A mail over EWS and a weekly meeting over Graph, then a restart",
        following.written_before_the_restart,
    ),
    Step("A restart keeps what was stored", using.restart),
    Step("After it both are told to the other, and nothing was lost", following.told_after_the_restart),
    Step("Disconnecting destroys the tokens", connecting.disconnect),
    Step("No secret reached a log", safety.no_secret_in_logs),
)


async def run_check(demo: Restartable, settings: Settings) -> bool:
    """Walk through all steps and print them; True when every one passed."""
    passed = 0
    timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
    async with (
        application(settings) as services,
        aiohttp.ClientSession(timeout=timeout, trust_env=False) as http,
        receiving() as receiver,
    ):
        walk = Walk(demo=demo, services=services, http=http, receiver=receiver)
        for number, step in enumerate(STEPS, start=1):
            passed += await _take(number, step, walk)
    print(f"\n{passed} of {len(STEPS)} steps passed", flush=True)
    return passed == len(STEPS)


async def _take(number: int, step: Step, walk: Walk) -> bool:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(STEP_SECONDS):
            seen = await step.run(walk)
    except (StepFailed, PageWrong, TimeoutError) as failure:
        _print("✗", number, step.title, str(failure) or "it took too long")
        return False
    except Exception:
        # A bug in the product or in the step: one step fails, and the transcript shows where.
        _print("✗", number, step.title, traceback.format_exc(limit=-3))
        return False
    _print("✓", number, step.title, f"{seen} ({time.perf_counter() - began:.1f} s)")
    return True


def _print(mark: str, number: int, title: str, words: str) -> None:
    print(f"{mark} {number:2}  {title}", flush=True)
    for line in words.splitlines():
        print(f"      {line}", flush=True)
