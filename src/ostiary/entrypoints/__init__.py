"""Ways in: API, consent and connect site, console, CLI, worker. Parse, call one service, render."""
