"""Seed files: YAML to a world. `sample.yaml` is the world a newcomer meets."""

from m365_emulator.world.seed.builder import SeedError, SeedSource, apply_overrides, build

__all__ = ["SeedError", "SeedSource", "apply_overrides", "build"]
