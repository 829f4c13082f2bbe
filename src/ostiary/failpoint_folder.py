"""Lets a test steer the failpoints of a process that it started, through a folder (RR-10).

The variable :data:`VARIABLE` names the folder. Its file ``armed`` holds a line like ``connect.confirmed=kill``; it is
read anew at each failpoint, so that a test may arm one at any moment. Actions:

- ``kill``: the process ends by SIGKILL;
- ``hang``: this flow stands still until the file names it no more; the rest of the process goes on, and the file
  ``reached`` says that it stands;
- ``raise``: the step fails with :class:`FailpointReached`;
- ``delay:SECONDS``: the step takes that much longer.

A production profile never arms anything.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ostiary.core.kernel import failpoints
from ostiary.core.kernel.failpoints import Failpoint
from ostiary.settings import Profile

VARIABLE: Final = "OSTIARY_FAILPOINTS"
_ARMED: Final = "armed"
_REACHED: Final = "reached"
_LOOK_SECONDS: Final = 0.02


class FailpointReached(Exception):
    """A test asked this step to fail."""


class FailpointFolder:
    """The folder, from either side: a test arms, the process acts."""

    def __init__(self, path: Path) -> None:
        self._file = path / _ARMED
        self._reached = path / _REACHED

    def arm(self, point: Failpoint, action: str = "kill") -> None:
        """Let ``action`` happen at ``point`` from now on; replaces what was armed before."""
        _check(action)
        self._reached.unlink(missing_ok=True)
        # Renamed into place: the process never reads half a line.
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{point.value}={action}", "utf-8")
        draft.replace(self._file)

    def disarm(self) -> None:
        """Let nothing happen any more, and whatever hangs go on."""
        self._file.unlink(missing_ok=True)

    def is_reached(self) -> bool:
        """Whether a flow stands, or stood, at what was armed last as ``hang``."""
        return self._reached.exists()

    async def act(self, point: Failpoint) -> None:
        """Do what is armed for this point.

        Raises:
            FailpointReached: Armed as ``raise``.
        """
        action = self._armed_at(point)
        match action.partition(":"):
            case ("kill", _, _):
                os.kill(os.getpid(), signal.SIGKILL)
            case ("hang", _, _):
                self._reached.touch()
                # The test is another process: there is nothing here to be woken by.
                while self._armed_at(point) == "hang":  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_SECONDS)
            case ("raise", _, _):
                raise FailpointReached(point.value)
            case ("delay", _, seconds):
                await asyncio.sleep(float(seconds))
            case _:
                return

    def _armed_at(self, point: Failpoint) -> str:
        try:
            name, _, action = self._file.read_text("utf-8").partition("=")
        except FileNotFoundError:
            return ""
        return action if name == point.value else ""


def arm_from_environment(environment: Mapping[str, str], profile: Profile) -> None:
    """Listen to the folder that a test named, if one did; never in production."""
    folder = environment.get(VARIABLE)
    if folder and profile is not Profile.PRODUCTION:
        failpoints.install(FailpointFolder(Path(folder)).act)


def _check(action: str) -> None:
    kind, _, seconds = action.partition(":")
    if kind == "delay":
        float(seconds)
    elif kind not in {"kill", "hang", "raise"}:
        raise ValueError(f"no such action: {action}")
