"""Who is who: operators, sign-in to the console, one-time links, API keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from ostiary.core.access.console_sign_in import OPERATOR_MFA_OFF, ConsoleSignIn
from ostiary.core.access.keys import LONGEST_NAME, ApiKeyService
from ostiary.core.access.model import (
    ADMIN_LINK_LIFE,
    API_KEY_OVERLAP,
    OPERATOR_LINK_LIFE,
    ConsoleSession,
    OneTimeLink,
    Operator,
    Permission,
    Principal,
    Role,
    SignedIn,
)
from ostiary.core.access.operators import Operators
from ostiary.core.access.ports import AccessTransaction
from ostiary.core.access.rate_limits import RateLimits
from ostiary.core.access.sessions import begin_session, find_principal
from ostiary.core.audit.model import SYSTEM, Actor
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import InvalidRequest, NotFound, PermissionDenied
from ostiary.core.kernel.ids import new_id
from ostiary.core.kernel.secret import Secret
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.organizations.model import MemberRole, Organization
from ostiary.core.signin.derivation import random_secret, secret_hash
from ostiary.core.signin.model import Registrations
from ostiary.core.signin.service import SignInService

FIRST_OPERATOR_NAME: Final = "First operator"


class AccessService(ApiKeyService):
    """Use cases of access, those of API keys among them; :attr:`console` holds signing in with Microsoft."""

    def __init__(
        self,
        *,
        transactions: Transactions[AccessTransaction],
        clock: Clock,
        entropy: Entropy,
        signin: SignInService,
        registrations: Registrations,
        api_key_hash_key: bytes,
        rate_limits: RateLimits,
        operator_mfa: str = OPERATOR_MFA_OFF,
        api_key_overlap: timedelta = API_KEY_OVERLAP,
    ) -> None:
        super().__init__(
            transactions=transactions,
            clock=clock,
            entropy=entropy,
            api_key_hash_key=api_key_hash_key,
            rate_limits=rate_limits,
            api_key_overlap=api_key_overlap,
        )
        self.operators = Operators(transactions=transactions, clock=clock)
        """Those who run the instance."""
        self.console = ConsoleSignIn(
            transactions=transactions,
            clock=clock,
            entropy=entropy,
            signin=signin,
            registrations=registrations,
            operator_mfa=operator_mfa,
        )
        """Signing in with Microsoft."""

    # Operators and one-time links

    async def ensure_first_operator(self) -> Secret | None:
        """At first start, make an operator and return the secret of a sign-in link; None when there is one already."""
        async with self._transactions() as transaction:
            # Several processes may start for the first time at once.
            await transaction.operators.lock()
            if await transaction.operators.count():
                return None
            operator = await self._add_operator(transaction, FIRST_OPERATOR_NAME, SYSTEM)
            _, secret = await self._add_link(
                transaction, Role.OPERATOR, operator.id, None, OPERATOR_LINK_LIFE
            )
            return secret

    async def create_operator_link(self, *, name: str | None, actor: Actor) -> tuple[OneTimeLink, Secret]:
        """Return a new sign-in link for the operator called ``name``, who is added when unknown.

        Args:
            name: None means the only operator there is.

        Raises:
            InvalidRequest: No name was given, and there is not exactly one operator.
        """
        async with self._transactions() as transaction:
            await transaction.operators.lock()
            operator = await self._find_or_add_operator(transaction, name, actor)
            link, secret = await self._add_link(
                transaction, Role.OPERATOR, operator.id, None, OPERATOR_LINK_LIFE
            )
            await transaction.audit.record(
                "operator.link_created",
                f"A sign-in link was made for the operator {operator.name}.",
                actor=actor,
                object_id=link.id,
            )
            return link, secret

    async def create_admin_link(
        self, *, organization_id: str, member_id: str, actor: Actor
    ) -> tuple[OneTimeLink, Secret]:
        """Return a link with which an organization admin signs in with Microsoft for the first time.

        Raises:
            NotFound: No such member in the organization.
            InvalidRequest: The member is not an organization admin.
        """
        async with self._transactions() as transaction:
            member = await transaction.members.get(member_id, organization_id=organization_id)
            if member.role is not MemberRole.ORGANIZATION_ADMIN:
                raise InvalidRequest(
                    f"{member.display_name} is not an organization admin.", field="member_id"
                )
            link, secret = await self._add_link(
                transaction, Role.ORGANIZATION_ADMIN, member.id, organization_id, ADMIN_LINK_LIFE
            )
            await transaction.audit.record(
                "console.link_created",
                f"A console sign-in link was made for {member.display_name}.",
                actor=actor,
                organization_id=organization_id,
                object_id=link.id,
            )
            return link, secret

    async def find_link(self, secret: Secret) -> OneTimeLink | None:
        """Return the live link, without using it up. None: unknown, used or expired, all alike (SR-69)."""
        async with self._transactions() as transaction:
            return await transaction.one_time_links.find_live(
                secret_hash=secret_hash(secret), now=self._clock.now()
            )

    async def use_operator_link(self, secret: Secret, *, replaces: Secret | None, actor: Actor) -> SignedIn:
        """Use an operator's link up and sign in.

        Args:
            replaces: Session cookie the browser sends so far; that session ends.

        Raises:
            PermissionDenied: The link does not work (any more), or is not enough without Microsoft.
        """
        if self.console.operators_need_microsoft:
            raise PermissionDenied("Operators sign in with Microsoft here.", reason="mfa_needed")
        now = self._clock.now()
        async with self._transactions() as transaction:
            live = await transaction.one_time_links.find_live(secret_hash=secret_hash(secret), now=now)
            if live is not None and live.role is Role.OPERATOR:
                link = await transaction.one_time_links.consume_by_id(live.id, now=now)
                if link is not None:
                    return await self._sign_in_operator(transaction, link.subject_id, replaces, actor)
            await transaction.audit.record(
                "console.sign_in_refused",
                "A sign-in link that doesn’t work was tried.",
                actor=actor,
                outcome="refused",
                reason="link_expired",
            )
        raise PermissionDenied("This link doesn’t work any more.", reason="link_expired")

    # Sessions

    async def find_session(self, secret: Secret) -> Principal | None:
        """Return who the session cookie belongs to; None when it does not count (any more)."""
        async with self._transactions() as transaction:
            return await find_principal(transaction, secret=secret, now=self._clock.now())

    async def list_sessions(self, principal: Principal) -> tuple[ConsoleSession, ...]:
        """Return the caller's own live sessions, newest first."""
        async with self._transactions() as transaction:
            return await transaction.console_sessions.live_of(principal.id, now=self._clock.now())

    async def end_session(self, principal: Principal, session_id: str, *, actor: Actor) -> None:
        """End one of the caller's own sessions.

        Raises:
            NotFound: It is not the caller's, or not live.
        """
        now = self._clock.now()
        async with self._transactions() as transaction:
            own = await transaction.console_sessions.live_of(principal.id, now=now)
            if session_id not in {session.id for session in own}:
                raise NotFound("There is no such session.")
            await transaction.console_sessions.end(session_id, at=now)
            await transaction.audit.record(
                "console.signed_out",
                f"{principal.name} signed out of the console.",
                actor=actor,
                organization_id=None if principal.role is Role.OPERATOR else principal.organization_id,
                object_id=session_id,
            )

    async def view_customer(
        self, principal: Principal, *, organization_id: str, reason: str, actor: Actor
    ) -> Organization:
        """Let an operator look at a customer's console, which the customer's own audit log shows.

        Raises:
            InvalidRequest: No reason was given.
            NotFound: No such customer.
        """
        why = reason.strip()
        if not why:
            raise InvalidRequest("Say why you need to see this customer.", field="reason")
        async with self._transactions() as transaction:
            organization = await transaction.organizations.get(organization_id)
            await transaction.console_sessions.view(
                principal.session_id or "", organization_id=organization.id
            )
            await transaction.audit.record(
                "operator.viewing_started",
                f"{principal.name} opened the console of {organization.name} to look: “{why[:200]}”",
                actor=actor,
                organization_id=organization.id,
                object_id=organization.id,
            )
            return organization

    async def stop_viewing(self, principal: Principal, *, actor: Actor) -> None:
        """Close the customer's console again."""
        if principal.organization_id is None:
            return
        async with self._transactions() as transaction:
            await transaction.console_sessions.view(principal.session_id or "", organization_id=None)
            await transaction.audit.record(
                "operator.viewing_ended",
                f"{principal.name} closed the console again.",
                actor=actor,
                organization_id=principal.organization_id,
                object_id=principal.organization_id,
            )

    async def record_denial(self, principal: Principal, permission: Permission, *, actor: Actor) -> None:
        """Put on record that a known caller asked for something it may not do (SR-74)."""
        async with self._transactions() as transaction:
            await transaction.audit.record(
                "access.denied",
                f"{principal.name} asked for something that needs {permission.value}.",
                actor=actor,
                outcome="refused",
                organization_id=principal.organization_id,
                object_id=principal.session_id or principal.id,
            )

    async def _find_or_add_operator(
        self, transaction: AccessTransaction, name: str | None, actor: Actor
    ) -> Operator:
        if name is None:
            known = await transaction.operators.list_all()
            if len(known) > 1:
                raise InvalidRequest("There are several operators: say which one.", field="name")
            if known:
                return _required_on(known[0])
            return await self._add_operator(transaction, FIRST_OPERATOR_NAME, actor)
        if not name.strip() or len(name) > LONGEST_NAME:
            raise InvalidRequest("An operator's name has up to 100 characters.", field="name")
        found = await transaction.operators.find_by_name(name.strip())
        return _required_on(found) if found else await self._add_operator(transaction, name.strip(), actor)

    async def _add_operator(self, transaction: AccessTransaction, name: str, actor: Actor) -> Operator:
        operator = Operator(id=new_id("opr", self._entropy), name=name, created_at=self._clock.now())
        await transaction.operators.add(operator)
        await transaction.audit.record(
            "operator.added", f"The operator {name} was added.", actor=actor, object_id=operator.id
        )
        return operator

    async def _add_link(
        self,
        transaction: AccessTransaction,
        role: Role,
        subject_id: str,
        organization_id: str | None,
        life: timedelta,
    ) -> tuple[OneTimeLink, Secret]:
        secret = random_secret(self._entropy.token_bytes(32))
        now = self._clock.now()
        link = OneTimeLink(
            id=new_id("otl", self._entropy),
            secret_hash=secret_hash(secret),
            role=role,
            subject_id=subject_id,
            created_at=now,
            expires_at=now + life,
            organization_id=organization_id,
        )
        await transaction.one_time_links.add(link)
        return link, secret

    async def _sign_in_operator(
        self, transaction: AccessTransaction, operator_id: str, replaces: Secret | None, actor: Actor
    ) -> SignedIn:
        operator = await transaction.operators.get(operator_id)
        if operator.disabled_at is not None:
            raise PermissionDenied("This link doesn’t work any more.", reason="link_expired")
        signed_in = await begin_session(
            transaction,
            role=Role.OPERATOR,
            subject_id=operator.id,
            name=operator.name,
            organization_id=None,
            entropy=self._entropy,
            now=self._clock.now(),
            replaces=replaces,
            # The link came from somebody who can run commands on the server, this moment.
            authenticated_at=self._clock.now(),
        )
        await transaction.audit.record(
            "console.signed_in",
            f"{operator.name} signed in with a one-time link.",
            actor=actor,
            object_id=signed_in.session.id,
        )
        return signed_in


def _required_on(operator: Operator) -> Operator:
    if operator.disabled_at is not None:
        raise InvalidRequest(f"{operator.name} is switched off.", field="name")
    return operator
