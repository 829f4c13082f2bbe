"""The `m365-emulator` command: files for running an emulator and for steering it."""

from m365_emulator.cli import control, services, serving
from m365_emulator.cli.common import app

__all__ = ["control", "main", "services", "serving"]


def main() -> None:
    """Run the command."""
    app()
