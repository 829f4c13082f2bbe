"""The benchmark runs: with sizes that say nothing about speed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

RUNNER = Path(__file__).parents[2] / "bench" / "run.py"


@pytest.mark.clients
@pytest.mark.timeout(300)
async def test_parts_run_and_are_written_down(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(RUNNER),
        "--tiny",
        "--page",
        str(page),
        "reading_ews",
        "ingest",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    written = page.read_text()
    assert "exchangelib" in written
    assert "bare endpoint" in written
    assert str(tmp_path) not in written
