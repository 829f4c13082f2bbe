"""The steps of the check, by what they are about. Each returns a few words on what it saw."""
