"""Pytest plugin: one fixture that starts the emulator on free ports."""
