"""Running competitors in turn, each in its own process, and laying their figures side by side."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from readers.order import Order
from report import say

READERS = Path(__file__).parent / "readers"
MOST_SECONDS = 60.0
"""A busy machine then gives fewer rounds, and not no figures at all."""


@dataclass
class Runs:
    """What one reader took in each round."""

    counts: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.counts[0]

    @property
    def median_seconds(self) -> float:
        return statistics.median(self.seconds)

    @property
    def rounds(self) -> int:
        """How many rounds count."""
        return len(self.seconds)

    @property
    def rate(self) -> float:
        """Things per second, by the median."""
        return self.count / self.median_seconds

    @property
    def milliseconds_of_cpu(self) -> float:
        """Of the reader's own process, per thing read."""
        return statistics.median(self.cpu_seconds) * 1000 / self.count

    @property
    def spread(self) -> str:
        """The fastest and the slowest round."""
        return f"{min(self.seconds):.2f} to {max(self.seconds):.2f}"


class Contest:
    """The readers, running, each in its own process."""

    def __init__(self, readers: Mapping[str, Sequence[str]], order: Order) -> None:
        """``order`` says where everything is."""
        self._stack = ExitStack()
        self._readers: dict[str, subprocess.Popen[str]] = {}
        try:
            for name, command in readers.items():
                self._readers[name] = self._stack.enter_context(_reader(command, order))
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Contest:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def compare(
        self, order: Order, *, rounds: int, warm_up: bool = True, seconds: float = MOST_SECONDS
    ) -> dict[str, Runs]:
        """Let each read once to warm up, then in turn, so that a busy moment of the machine hits all.

        Args:
            rounds: Most rounds that count.
            warm_up: False where every reader has read something else already, and a round takes very long.
            seconds: No round is begun later than this, except the first that counts.

        Raises:
            RuntimeError: A reader failed, or they did not all read the same number of things.
        """
        found = {name: Runs() for name in self._readers}
        names = list(self._readers)
        began = time.monotonic()
        for turn in range(0 if warm_up else 1, rounds + 1):
            if turn > 1 and time.monotonic() - began > seconds:
                say(f"no time for round {turn}")
                break
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                count, taken, cpu_taken = _answer(name, self._readers[name], order)
                if turn:
                    found[name].counts.append(count)
                    found[name].seconds.append(taken)
                    found[name].cpu_seconds.append(cpu_taken)
        if len({count for runs in found.values() for count in runs.counts}) != 1:
            counts = {name: runs.counts for name, runs in found.items()}
            raise RuntimeError(f"they read different things: {counts}")
        return found


def _answer(name: str, process: subprocess.Popen[str], order: Order) -> tuple[int, float, float]:
    assert process.stdin is not None
    assert process.stdout is not None
    print(order.text(), file=process.stdin, flush=True)
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{name} failed")
    count, seconds, cpu_seconds = json.loads(line)
    return count, seconds, cpu_seconds


@contextmanager
def _reader(command: Sequence[str], order: Order) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, str(READERS / command[0]), *command[1:]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        print(order.text(), file=process.stdin, flush=True)
        line = process.stdout.readline()
        if line != "ready\n":
            raise RuntimeError(f"{command[0]} did not start: {line!r}")
        yield process
    finally:
        process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
