"""Webhooks over HTTP to addresses that somebody else chose, with rules about where they may lead."""
