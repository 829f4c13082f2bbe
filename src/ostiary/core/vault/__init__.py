"""Sealing secrets: envelope encryption bound to the row that holds them (SR-31 to SR-34, SR-38, SR-42).

Owns the format of a sealed value and the key hierarchy; knows nothing of what is sealed. Called by
``connections`` for refresh tokens.
"""
