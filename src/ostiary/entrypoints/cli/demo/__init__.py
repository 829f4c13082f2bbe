"""``ostiary demo``: the service, its workers, PostgreSQL and the emulator on one machine, with a sample company.

``--check`` walks through the main job by itself, the way a person with a browser and a vendor with an API key do.
"""

from ostiary.entrypoints.cli.demo.command import register

__all__ = ["register"]
