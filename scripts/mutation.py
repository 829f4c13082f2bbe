"""Change the code a little, again and again, and count how often a test notices. `make mutation` runs it.

The changes are those of mutmut; the runner is our own, because a mutant of this code has to meet a real PostgreSQL,
and starting one for each mutant would take days. Here one server stands for the whole run, everything is imported once,
all tests are collected once,
and each mutant lives in a fork of this process: the code objects of its module are exchanged, and the quickest unit tests
that reach the changed line are run until one fails.

Left out, because no test should notice them: sentences for people, the type named by ``cast``, lines of the log, and what
runs only while a module is imported. A mutant that no unit test reaches counts as survived.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import gc
import importlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, Final

import coverage
import libcst as cst
import pytest
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import get_ignored_lines

ROOT: Final = Path(__file__).resolve().parents[1]
CORE: Final = ROOT / "src" / "ostiary" / "core"
WORK: Final = ROOT / ".mutation"
"""The coverage with its test names, and the seconds of each test: written by the first half of `make mutation`."""

AREAS: Final[dict[str, Sequence[str]]] = {
    "vault": ("vault/*.py",),
    "signin": ("signin/*.py",),
    "audit": ("audit/*.py",),
    "access": ("access/*.py",),
    "webhooks/destination": ("webhooks/destination.py",),
    "connections": ("connections/machine.py", "connections/plan.py", "connections/token_rules.py"),
    "consent": (
        "consent/machine.py",
        "consent/verdict.py",
        "consent/permissions.py",
        "consent/evidence.py",
        "consent/features.py",
        "consent/drift.py",
    ),
}

TESTED: Final = frozenset(
    {"access", "audit", "connections", "consent", "signin", "vault", "webhooks", "tenants"}
)
"""Folders of unit tests that may notice something."""

MOST_TESTS: Final = 80
"""How many tests, those of its own folder and the quickest first, may look at one mutant."""
MOST_SECONDS: Final = 120
"""A mutant that takes longer hangs, which is noticed too."""

FEWER: Final = {"TAMPERINGS": "40", "TAMPER": "100", "FORGERIES": "300"}
"""How often the tests repeat themselves that would else try thousands of random things for each mutant."""

_MOST_SAME: Final = 40
_MOST_SHOWN: Final = 100
_NOTHING_CHANGED: Final = 8
_FAILED_FIRST: Final = 16
"""Exit status of a fork whose first test failed; one more if it was the second."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one file."""

    path: Path
    line: int
    module: cst.Module
    old: cst.CSTNode
    new: cst.CSTNode
    tests: tuple[str, ...]

    @property
    def source(self) -> str:
        """The whole file, changed."""
        changed = self.module.deep_replace(self.old, self.new)
        return changed.code if isinstance(changed, cst.Module) else self.module.code

    @property
    def place(self) -> str:
        """Where it is."""
        return f"{self.path.relative_to(ROOT)}:{self.line}"

    @property
    def told(self) -> str:
        """What was changed, to read: of a long call only the part that differs."""
        old, new = (" ".join(_code(node).split()) for node in (self.old, self.new))
        same = next((at for at, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), 0)
        begin = max(old.rfind(" ", 0, same) + 1, 0) if same > _MOST_SAME else 0
        return f"{old[begin:][:_MOST_SHOWN]}  →  {new[begin:][:_MOST_SHOWN]}"


@dataclass(slots=True)
class Score:
    """What became of the mutants of one area."""

    possible: int = 0
    killed: int = 0
    survivors: list[Mutant] = field(default_factory=list)

    @property
    def tried(self) -> int:
        """How many had a result."""
        return self.killed + len(self.survivors)

    @property
    def share(self) -> float:
        """Killed of tried, in per cent."""
        return 100 * self.killed / max(self.tried, 1)

    def told(self) -> str:
        """The figures, to read."""
        return f"{self.killed} of {self.tried} killed = {self.share:.0f} % ({self.possible} possible)"


def mutants_of(path: Path, reached: Reached) -> list[Mutant]:
    """Return every mutant of a file that a test could notice."""
    source = path.read_text("utf-8")
    wrapper = MetadataWrapper(cst.parse_module(source))
    ignored = get_ignored_lines(str(path), source, wrapper)
    visitor = MutationVisitor(mutation_operators, ignored)
    wrapper.visit(visitor)
    places = wrapper.resolve(PositionProvider)
    unseen = _unseen(wrapper.module)
    statements = _statements(source)
    found: list[Mutant] = []
    for mutation in visitor.mutations:
        old, new = mutation.original_node, mutation.mutated_node
        if not isinstance(mutation.contained_by_top_level_function, cst.FunctionDef) or old not in places:
            continue
        if old in unseen or _is_for_people(old) or _loses_only_words(old, new):
            continue
        line = places[old].start.line
        own = statements.get(line, {line})
        if reached.only_while_imported(path, own):
            continue
        tests = reached.tests(path, own)
        found.append(Mutant(path, line, wrapper.module, old, new, tests))
    return found


def _unseen(module: cst.Module) -> set[cst.CSTNode]:
    """Return the nodes inside calls of the log and of ``cast``, and the defaults of parameters."""
    unseen: set[cst.CSTNode] = set()

    class Visitor(cst.CSTVisitor):
        def visit_Call(self, node: cst.Call) -> None:  # noqa: N802 - libcst's name
            name = _code(node.func)
            if name == "cast" and node.args:
                unseen.update({node, *_walk(node.args[0])})
            if name.startswith("log."):
                unseen.update(_walk(node))

        def visit_Param(self, node: cst.Param) -> None:  # noqa: N802 - libcst's name
            if node.default is not None:
                unseen.update(_walk(node.default))

    module.visit(Visitor())
    return unseen


def _walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _is_for_people(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.ConcatenatedString):
        return True
    if isinstance(node, cst.SimpleString):
        return " " in node.value
    return isinstance(node, cst.FormattedString) and " " in _code(node)


def _loses_only_words(old: cst.CSTNode, new: cst.CSTNode) -> bool:
    """Whether an argument that goes is a sentence for people."""
    if not (isinstance(old, cst.Call) and isinstance(new, cst.Call)):
        return False
    kept = {id(argument) for argument in new.args}
    gone = [argument.value for argument in old.args if id(argument) not in kept]
    return bool(gone) and all(_is_for_people(value) for value in gone)


def _code(node: cst.CSTNode) -> str:
    return cst.Module(body=[]).code_for_node(node).strip()


def _statements(source: str) -> dict[int, set[int]]:
    """Return for each line the lines of the smallest statement, or head of one, that it belongs to."""
    lines: dict[int, set[int]] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if isinstance(body, list) and body else node.end_lineno or node.lineno
            own = set(range(node.lineno, max(last, node.lineno) + 1))
            for line in own:
                if line not in lines or len(own) < len(lines[line]):
                    lines[line] = own
    return lines


class Reached:
    """Which unit tests reach which line, from a run under coverage.py."""

    def __init__(self, folder: Path) -> None:
        self._data = coverage.CoverageData(str(folder / "coverage"))
        self._data.read()
        durations: dict[str, float] = json.loads((folder / "durations.json").read_text("utf-8"))
        self._seconds = durations
        self._by_file: dict[str, dict[int, list[str]]] = {}

    def tests(self, path: Path, lines: set[int]) -> tuple[str, ...]:
        """Return tests that run one of the lines: those of its own folder first, the quickest first."""
        names = {
            test for test in self._contexts(path, lines) if test.startswith("tests/unit/")
        } & self._seconds.keys()
        own = f"tests/unit/{path.parent.name}/"
        return tuple(
            sorted(names, key=lambda test: (not test.startswith(own), self._seconds[test], test))[:MOST_TESTS]
        )

    def only_while_imported(self, path: Path, lines: set[int]) -> bool:
        """Whether one of the lines ran while the module was imported, and never after."""
        return self._contexts(path, lines) == {""}

    def _contexts(self, path: Path, lines: set[int]) -> set[str]:
        name = str(path.relative_to(ROOT))
        if name not in self._by_file:
            self._by_file[name] = self._data.contexts_by_lineno(name)
        return {context for line in lines for context in self._by_file[name].get(line, [])}


def apply(mutant: Mutant) -> bool:
    """Exchange the code of the functions that differ; return whether any did."""
    path = str(mutant.path)
    before = _codes(compile(mutant.path.read_text("utf-8"), path, "exec"))
    after = _codes(compile(mutant.source, path, "exec"))
    differ = {key for key, code in after.items() if key in before and before[key] != code}
    changed = False
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType) and thing.__code__.co_filename == path:
            key = (thing.__code__.co_qualname, thing.__code__.co_firstlineno)
            if key in differ:
                thing.__code__ = after[key]
                changed = True
    return changed


def _codes(code: CodeType) -> dict[tuple[str, int], CodeType]:
    found = {(code.co_qualname, code.co_firstlineno): code}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= _codes(constant)
    return found


class Forks:
    """A pytest plugin: once all tests are collected, tries mutants instead of running them."""

    def __init__(
        self, areas: Sequence[str], reached: Reached, *, sample: int, seed: int, seconds: float
    ) -> None:
        self._areas = areas
        self._reached = reached
        self._sample = sample
        self._seed = seed
        self._seconds = seconds
        self._good: set[str] = set()
        self.scores: dict[str, Score] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Measure each area."""
        items = {item.nodeid: item for item in session.items}
        for area in self._areas:
            paths = sorted(path for pattern in AREAS[area] for path in CORE.glob(pattern))
            for path in paths:
                importlib.import_module(
                    f"ostiary.core.{'.'.join(path.relative_to(CORE).with_suffix('').parts)}"
                )
            mutants = [mutant for path in paths for mutant in mutants_of(path, self._reached)]
            random.Random(f"{self._seed} {area}").shuffle(mutants)  # noqa: S311 - a sample, not a secret
            score = self.scores[area] = Score(possible=len(mutants))
            ends = time.monotonic() + self._seconds
            for mutant in mutants:
                if score.tried == self._sample or time.monotonic() > ends:
                    break
                self._try(session, score, mutant, [items[test] for test in mutant.tests if test in items])
            print(f"{area}: {score.told()}", flush=True)
        return True

    def _try(self, session: pytest.Session, score: Score, mutant: Mutant, items: list[pytest.Item]) -> None:
        status = run_in_fork(session, mutant, items) if items else 0
        if status == _NOTHING_CHANGED:
            return
        # The one that failed has to pass without the mutant; after a crash or a hang, all of them.
        failed = status - _FAILED_FIRST
        seen = items[failed : failed + 1] if 0 <= failed < len(items) else items
        if status and not self._pass_as_they_are(session, seen):
            print(f"  left out: tests of {mutant.place} fail without the mutant, too", flush=True)
        elif status:
            score.killed += 1
        else:
            score.survivors.append(mutant)
            print(f"  survived {mutant.place}  {mutant.told}  ({len(items)} tests)", flush=True)

    def _pass_as_they_are(self, session: pytest.Session, items: list[pytest.Item]) -> bool:
        fresh = [item for item in items if item.nodeid not in self._good]
        if fresh and run_in_fork(session, None, fresh):
            return False
        self._good.update(item.nodeid for item in fresh)
        return True


def run_in_fork(session: pytest.Session, mutant: Mutant | None, items: Sequence[pytest.Item]) -> int:
    """Run tests in a fork, with the mutant in place.

    Returns:
        0: all passed. ``_NOTHING_CHANGED``: no code differs. ``_FAILED_FIRST`` + n: test n failed. Anything else: it
        crashed or hung.
    """
    child = os.fork()
    if child == 0:
        status = 9
        with contextlib.suppress(BaseException):
            status = _run(session, mutant, items)
        os._exit(status)
    ends = time.monotonic() + MOST_SECONDS
    while time.monotonic() < ends:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _run(session: pytest.Session, mutant: Mutant | None, items: Sequence[pytest.Item]) -> int:
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    if mutant is not None:
        try:
            if not apply(mutant):
                return _NOTHING_CHANGED
        except ValueError:
            return _NOTHING_CHANGED  # It closes over other names than before; such code cannot be exchanged.
    gc.freeze()  # What the parent made stays; looking through it again and again would copy its memory.
    for number, (item, following) in enumerate(zip(items, [*items[1:], None], strict=True)):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return _FAILED_FIRST + number
    return 0


@contextlib.contextmanager
def one_database() -> Iterator[None]:
    """Start PostgreSQL with all tables, and let every fork believe that it started it."""
    embedded: Any = importlib.import_module("ostiary.adapters.sql.embedded")
    migrate: Any = importlib.import_module("ostiary.adapters.sql.migrate")
    with tempfile.TemporaryDirectory(prefix="ostiary-mutation-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)  # noqa: S103 - PostgreSQL's own user has to get in
        with embedded.EmbeddedServer.start(Path(folder)) as server:
            migrate.upgrade(server.url)
            shared = embedded.EmbeddedServer(
                server.data_dir, server.url, server.service_url, False, server._server
            )
            embedded.EmbeddedServer.start = lambda data_dir: shared
            migrate.upgrade = lambda *_: None
            yield


def main() -> None:
    """Measure the areas that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("areas", nargs="*", help=f"among {', '.join(AREAS)}; all without")
    parser.add_argument("--sample", type=int, default=40, help="how many mutants of each area")
    parser.add_argument("--seed", type=int, default=1, help="which ones")
    parser.add_argument("--seconds", type=float, default=7200, help="how long one area may take")
    parser.add_argument("--least", type=int, default=80, help="fail below this score in per cent")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    os.environ.update(FEWER)
    importlib.import_module("ostiary.bootstrap")
    forks = Forks(
        arguments.areas or list(AREAS),
        Reached(WORK),
        sample=arguments.sample,
        seed=arguments.seed,
        seconds=arguments.seconds,
    )
    tests = [str(path) for path in (ROOT / "tests" / "unit").iterdir() if path.name in TESTED]
    with one_database():
        pytest.main(["-q", "-s", "-x", "-p", "no:cacheprovider", *sorted(tests)], plugins=[forks])
    low = [area for area, score in forks.scores.items() if score.share < arguments.least]
    if low:
        sys.exit(f"Below {arguments.least} %: {', '.join(low)}")


if __name__ == "__main__":
    main()
