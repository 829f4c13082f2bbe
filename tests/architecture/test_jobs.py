"""Whatever a use case queues, a worker can run."""

from __future__ import annotations

import ast
from pathlib import Path

import ostiary.core
from ostiary.entrypoints.worker.jobs import JOBS

CORE = Path(ostiary.core.__path__[0])


def _queued_names() -> dict[str, str]:
    """Return each job name that core queues, with the file that does."""
    constants: dict[str, str] = {}
    calls: list[tuple[Path, ast.expr]] = []
    for path in CORE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    if isinstance(target, ast.Name) and isinstance(node.value.value, str):
                        constants[f"{path}:{target.id}"] = node.value.value
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "enqueue"
            ):
                calls.append((path, node.args[0]))
    names: dict[str, str] = {}
    for path, argument in calls:
        if isinstance(argument, ast.Constant):
            name = str(argument.value)
        else:
            assert isinstance(argument, ast.Name), f"{path}: a job's name must be a constant"
            name = constants.get(f"{path}:{argument.id}") or next(
                value for key, value in constants.items() if key.endswith(f":{argument.id}")
            )
        names[name] = str(path.relative_to(CORE))
    return names


def test_every_queued_job_has_somebody_who_runs_it() -> None:
    queued = _queued_names()
    assert len(queued) >= 4, "the test no longer finds the calls it is about"
    unknown = {name: where for name, where in queued.items() if name not in {job.name for job in JOBS}}
    assert unknown == {}


def test_every_job_is_queued_or_runs_by_itself() -> None:
    queued = _queued_names()
    assert [job.name for job in JOBS if job.cron is None and job.name not in queued] == []


def test_job_names_are_unique() -> None:
    assert len({job.name for job in JOBS}) == len(JOBS)
