"""Where a demo keeps its things and how its two processes are told to find each other."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ostiary.settings import Settings, load_settings

CLIENT_ID: Final = "4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa"
"""Of the sample world's app registration."""

RETURN_URL: Final = "http://localhost/larkspur/connected"
"""Where the vendor's app would be, for ``--check``, whose vendor has no pages of its own."""

SAMPLE_APP_RETURN_URL: Final = "http://localhost:8090/email/connected"
"""Of ``examples/vendor-app`` on the port that its README names."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the demo listens."""

    service: int
    emulator_http: int
    emulator_https: int
    emulator_smtp: int


@dataclass(frozen=True, slots=True)
class DemoInstance:
    """One demo: its folder and its ports.

    The service is ``localhost`` and the emulator ``127.0.0.1``, so that a browser takes them for two sites, as
    the real ones are.
    """

    folder: Path
    ports: Ports

    @property
    def public_url(self) -> str:
        return f"http://localhost:{self.ports.service}"

    @property
    def emulator_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.emulator_http}"

    @property
    def env_file(self) -> Path:
        """Settings for ``ostiary --env-file …`` in another terminal."""
        return self.folder / "env"

    @property
    def secret_file(self) -> Path:
        return self.folder / "client-secret"

    @property
    def emulator_data(self) -> Path:
        return self.folder / "emulator.json"

    def prepare(self) -> Settings:
        """Make the folder, the client secret and the settings file; return the settings."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.secret_file.exists():
            _write_private(self.secret_file, secrets.token_urlsafe(24))
        _write_private(
            self.env_file, "".join(f"{name}={value}\n" for name, value in self._variables().items())
        )
        # What the caller's own environment says about another instance must not reach this one.
        for name in [name for name in os.environ if name.startswith("OSTIARY_")]:
            del os.environ[name]
        return load_settings(env_file=self.env_file)

    def _variables(self) -> dict[str, str]:
        return {
            "OSTIARY_PROFILE": "development",
            "OSTIARY_DATA_DIR": str(self.folder.resolve()),
            "OSTIARY_HOST": "127.0.0.1",
            "OSTIARY_PORT": str(self.ports.service),
            "OSTIARY_PUBLIC_URL": self.public_url,
            "OSTIARY_WORKERS_INSIDE": "true",
            "OSTIARY_VENDOR_NAME": "Larkspur",
            "OSTIARY_VENDOR_APP_NAME": "Larkspur for Microsoft 365",
            "OSTIARY_VENDOR_PUBLISHER": "Larkspur Software Ltd",
            "OSTIARY_VENDOR_PUBLISHER_VERIFIED": "true",
            "OSTIARY_VENDOR_HELP_EMAIL": "help@larkspur.example",
            "OSTIARY_VENDOR_DATA_KEPT": (
                "Larkspur keeps message ids and headers in Dublin for as long as a person stays connected. "
                "Bodies and attachments pass through and are not stored."
            ),
            "OSTIARY_RETURN_URLS": f"{RETURN_URL},{SAMPLE_APP_RETURN_URL}",
            "OSTIARY_APP_CLIENT_ID": CLIENT_ID,
            "OSTIARY_APP_SECRET_FILE": str(self.secret_file.resolve()),
            "OSTIARY_ALLOW_CLIENT_SECRET": "true",
            "OSTIARY_LOGIN_URL": self.emulator_url,
            "OSTIARY_GRAPH_URL": self.emulator_url,
            "OSTIARY_EWS_URL": f"{self.emulator_url}/EWS/Exchange.asmx",
            "OSTIARY_SMTP_URL": f"smtp://127.0.0.1:{self.ports.emulator_smtp}",
            "OSTIARY_MAIL_FROM": "connect@larkspur.example",
            # Whoever tries it out has their endpoint on this machine, and sees at once what changed.
            "OSTIARY_WEBHOOK_PRIVATE_DESTINATIONS": "true",
            "OSTIARY_POLL_SECONDS": "10",
            "OSTIARY_LOG_LEVEL": "INFO",
            "OSTIARY_LOG_FORMAT": "json",
        }


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, "utf-8")
