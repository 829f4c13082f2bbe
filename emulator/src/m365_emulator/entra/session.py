"""The browser's sign-in session: who has signed in here, in one sealed cookie."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from m365_emulator.entra.seal import seal, unseal
from m365_emulator.entra.tokens import revoked_at, token_id
from m365_emulator.world.tenants import User

if TYPE_CHECKING:
    from m365_emulator.world.world import World

COOKIE = "m365_emulator_session"
SESSION_SECONDS = 86_400


@dataclass(slots=True)
class SignedIn:
    """One account of the session, by its home identity."""

    oid: str
    at: float
    passed_mfa: bool
    session_id: str

    @property
    def signed_in_at(self) -> datetime:
        """When the person last proved who they are."""
        return datetime.fromtimestamp(self.at, UTC)


class Session:
    """The accounts signed in to one browser."""

    def __init__(self, world: World, accounts: list[SignedIn]) -> None:
        self._world = world
        self.accounts = accounts

    @classmethod
    def of(cls, world: World, request: Request) -> Session:
        """Read the session of a request; accounts that were revoked, disabled or are too old are left out."""
        content = unseal(world, "session", request.cookies.get(COOKIE, "")) or {}
        found: list[SignedIn] = []
        now = world.clock.now()
        for entry in content.get("accounts", []):
            account = SignedIn(**entry)
            user = world.find_user(account.oid)
            if user is None or not user.account_enabled:
                continue
            revoked = revoked_at(user.tenant, user)
            is_old = not 0 <= (now - account.signed_in_at).total_seconds() < SESSION_SECONDS
            ended = [moment for moment in (revoked, user.browser_sessions_valid_from) if moment is not None]
            if is_old or any(account.signed_in_at < moment for moment in ended):
                continue
            found.append(account)
        return cls(world, found)

    def find(self, user: User) -> SignedIn | None:
        """Return the account of this person (home identity)."""
        return next((account for account in self.accounts if account.oid == user.oid), None)

    def sign_in(self, user: User, *, passed_mfa: bool = False) -> SignedIn:
        """Record that the person has just proved who they are; it becomes the latest account."""
        account = SignedIn(user.oid, self._world.clock.now().timestamp(), passed_mfa, token_id(self._world))
        self.accounts = [known for known in self.accounts if known.oid != user.oid]
        self.accounts.append(account)
        return account

    def save(self, response: Response, *, secure: bool) -> None:
        """Set the cookie."""
        content = {"accounts": [asdict(account) for account in self.accounts]}
        response.set_cookie(
            COOKIE,
            seal(self._world, "session", content),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="none" if secure else "lax",
            secure=secure,
        )


def forget(response: Response) -> None:
    """Sign everybody in this browser out."""
    response.delete_cookie(COOKIE)
