"""How a one-time sign-in link to the console is handed to whoever asked for it."""

from __future__ import annotations

from ostiary.core.access.model import OneTimeLink
from ostiary.core.kernel.secret import Secret
from ostiary.entrypoints.cli.answers import advise, print_json


def print_sign_in_link(link: OneTimeLink, secret: Secret, *, console_url: str, as_json: bool) -> None:
    """Print the address, the only time it can be seen, and say on stderr what it is worth."""
    url = f"{console_url.rstrip('/')}/console/link/{secret.reveal()}"
    if as_json:
        print_json({"ok": True, "url": url, "expires_at": link.expires_at.isoformat()})
        return
    print(url)
    advise(
        f"Works once, until {link.expires_at:%Y-%m-%d %H:%M} UTC. Whoever has it can sign in: keep it private."
    )
