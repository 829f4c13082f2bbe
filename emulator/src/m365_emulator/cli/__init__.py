"""The `m365-emulator` command: one file for running an emulator, one for steering it."""

from m365_emulator.cli import control, serving
from m365_emulator.cli.common import app

__all__ = ["control", "main", "serving"]


def main() -> None:
    """Run the command."""
    app()
