"""Signing in to the console with Microsoft: organization admins, and operators whose identity is on file."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ostiary.core.access.model import (
    SESSION_ABSOLUTE_LIFE,
    STEP_UP_LIFE,
    OneTimeLink,
    Operator,
    Role,
    SignedIn,
)
from ostiary.core.access.ports import AccessTransaction
from ostiary.core.access.sessions import begin_session
from ostiary.core.audit.model import Actor, ActorKind
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import PermissionDenied
from ostiary.core.kernel.secret import Secret
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.organizations.model import Member, MemberRole
from ostiary.core.signin.arrival import ArrivalRefused, take_arrival
from ostiary.core.signin.derivation import secret_hash
from ostiary.core.signin.model import (
    FlowKind,
    Registrations,
    ReturnParameters,
    SignedClaims,
    StartedFlow,
)
from ostiary.core.signin.service import SignInService

SCOPES: Final = ("openid", "profile")
"""Who somebody is, and nothing else. No refresh token is asked for, so none has to be kept."""


OPERATOR_MFA_OFF: Final = "off"
OPERATOR_MFA_METHODS: Final = "amr"
"""The ID token has to list ``mfa`` among the methods of the sign-in."""


class ConsoleSignIn:
    """One round trip to Microsoft that ends in a console session.

    An organization admin is recognised by directory and object id, never by address (SR-28). The pair is
    recorded when the admin signs in through a one-time link, or connects a mailbox from a bound tenant.
    """

    def __init__(
        self,
        *,
        transactions: Transactions[AccessTransaction],
        clock: Clock,
        entropy: Entropy,
        signin: SignInService,
        registrations: Registrations,
        operator_mfa: str = OPERATOR_MFA_OFF,
    ) -> None:
        """``operator_mfa``: ``off``, ``amr``, or the authentication context that operators have to satisfy."""
        self._operator_mfa = operator_mfa
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy
        self._signin = signin
        self._registrations = registrations

    async def begin(
        self,
        *,
        browser_secret: Secret,
        next_path: str | None,
        link_secret: Secret | None = None,
        login_hint: str | None = None,
        fresh: bool = False,
        as_operator: bool = False,
    ) -> StartedFlow:
        """Return the address at Microsoft to send the browser to.

        Args:
            next_path: Path of the console to open afterwards; checked by the caller to be a local one.
            link_secret: Of a one-time link, which is used up only when the sign-in succeeds.
            fresh: Microsoft must ask for the sign-in again, whoever is signed in there (SR-57).
            as_operator: Ask for the authentication context that operators have to satisfy.

        Raises:
            PermissionDenied: The link does not work (any more).
        """
        subject: dict[str, str] = {}
        if next_path:
            subject["next_path"] = next_path
        if fresh:
            subject["fresh"] = "yes"
        if link_secret is not None:
            async with self._transactions() as transaction:
                link = await transaction.one_time_links.find_live(
                    secret_hash=secret_hash(link_secret), now=self._clock.now()
                )
            if link is None:
                raise PermissionDenied("This link doesn’t work any more.", reason="link_expired")
            subject["link_id"] = link.id
            if link.organization_id is not None:
                subject["organization_id"] = link.organization_id
            as_operator = as_operator or link.role is Role.OPERATOR
        registration = next(iter(self._registrations))
        return await self._signin.begin(
            kind=FlowKind.CONSOLE,
            registration_id=registration.id,
            authority="organizations",
            scopes=SCOPES,
            browser_secret=browser_secret,
            subject=subject,
            prompt="login" if fresh else "select_account",
            login_hint=login_hint,
            # Also what makes Microsoft tell when the person proved who they are.
            most_age_seconds=int((STEP_UP_LIFE if fresh else SESSION_ABSOLUTE_LIFE).total_seconds()),
            authentication_context=self._operator_context if as_operator else None,
        )

    @property
    def operators_need_microsoft(self) -> bool:
        """Whether an operator's link is not enough to come in: only Microsoft can say that there was MFA."""
        return self._operator_mfa != OPERATOR_MFA_OFF

    @property
    def _operator_context(self) -> str | None:
        return None if self._operator_mfa in (OPERATOR_MFA_OFF, OPERATOR_MFA_METHODS) else self._operator_mfa

    async def finish(
        self,
        parameters: ReturnParameters,
        *,
        registration_id: str,
        browser_secret: Secret | None,
        replaces: Secret | None,
        actor: Actor,
    ) -> SignedIn:
        """Take the return from Microsoft and begin a session. The tokens are dropped.

        Args:
            replaces: Session cookie the browser sends so far; that session ends.

        Raises:
            FlowRejected: The return fits no sign-in that this browser began.
            PermissionDenied: Microsoft or we refuse; ``reason`` tells why. Audited.
            TemporarilyUnavailable: Microsoft does not answer; try again.
        """
        try:
            arrival = await take_arrival(
                self._signin,
                parameters,
                kind=FlowKind.CONSOLE,
                registration_id=registration_id,
                browser_secret=browser_secret,
                actor=actor,
            )
        except ArrivalRefused as refusal:
            raise await self._refused(refusal, actor, claims=refusal.claims) from refusal
        claims, subject = arrival.claims, arrival.request.subject
        link_id = subject.get("link_id")
        try:
            if "fresh" in subject:
                self._require_fresh(claims)
            async with self._transactions() as transaction:
                signed_in = await self._sign_in(transaction, claims, link_id, replaces, actor)
        except PermissionDenied as refusal:
            raise await self._refused(refusal, actor, claims=claims) from refusal
        return replace(signed_in, next_path=subject.get("next_path"))

    def _require_fresh(self, claims: SignedClaims) -> None:
        """The request asked for it, but whoever holds the browser can change the request (SR-57)."""
        proved_at = claims.authenticated_at
        if proved_at is None or self._clock.now() - proved_at > STEP_UP_LIFE:
            raise PermissionDenied("Microsoft didn’t ask you to sign in again.", reason="not_fresh")

    def _require_mfa(self, claims: SignedClaims) -> None:
        match self._operator_mfa:
            case "off":
                return
            case "amr":
                passed = "mfa" in claims.authentication_methods
            case context:
                passed = context in claims.authentication_contexts
        if not passed:
            raise PermissionDenied("Operators sign in with more than a password.", reason="mfa_needed")

    async def _sign_in(
        self,
        transaction: AccessTransaction,
        claims: SignedClaims,
        link_id: str | None,
        replaces: Secret | None,
        actor: Actor,
    ) -> SignedIn:
        if link_id is not None:
            who = await self._first_sign_in(transaction, claims, link_id)
            if isinstance(who, Operator):
                return await self._begin(transaction, who, claims, replaces, actor)
            member = who
        else:
            operator = await transaction.operators.find_by_identity(
                tenant_id=claims.identity.tenant_id, object_id=claims.identity.object_id
            )
            if operator is not None and operator.disabled_at is None:
                self._require_mfa(claims)
                return await self._begin(transaction, operator, claims, replaces, actor)
            member = await transaction.members.find_by_identity(
                tenant_id=claims.identity.tenant_id, object_id=claims.identity.object_id
            )
        if member is None or member.role is not MemberRole.ORGANIZATION_ADMIN:
            raise PermissionDenied(
                f"{claims.username} isn’t an organization admin here. Ask whoever invited you for a sign-in link.",
                reason="account_mismatch",
            )
        tenant = await transaction.tenants.find_by_tenant_id(
            cloud=claims.identity.cloud, tenant_id=claims.identity.tenant_id
        )
        # A tenant nobody bound yet is fine: its own admin has to come in first to get it approved.
        if (
            tenant is not None
            and tenant.binding == "bound"
            and tenant.organization_id != member.organization_id
        ):
            raise PermissionDenied("That account belongs to another organization.", reason="wrong_tenant")
        return await self._begin(transaction, member, claims, replaces, actor)

    async def _first_sign_in(
        self, transaction: AccessTransaction, claims: SignedClaims, link_id: str
    ) -> Member | Operator:
        """Use the link up and record whose identity its admin or operator has."""
        link = await transaction.one_time_links.consume_by_id(link_id, now=self._clock.now())
        if link is None:
            raise PermissionDenied("This link doesn’t work any more.", reason="link_expired")
        if link.role is Role.OPERATOR:
            return await self._first_operator_sign_in(transaction, claims, link)
        member = await self._invited(transaction, link)
        organization = await transaction.organizations.get(member.organization_id)
        expected = organization.expected_tenant_id
        if expected is not None and expected.lower() != claims.identity.tenant_id:
            raise PermissionDenied("That account belongs to another organization.", reason="wrong_tenant")
        identity = (claims.identity.tenant_id, claims.identity.object_id)
        known = (member.tenant_id, member.object_id)
        if known != (None, None) and known != identity:
            raise PermissionDenied("We know you by another Microsoft account.", reason="account_mismatch")
        taken = await transaction.members.find_by_identity(tenant_id=identity[0], object_id=identity[1])
        if taken is not None and taken.id != member.id:
            raise PermissionDenied(
                "This Microsoft account already belongs to somebody else here.", reason="account_mismatch"
            )
        bound = replace(member, tenant_id=identity[0], object_id=identity[1])
        await transaction.members.save(bound)
        return bound

    async def _first_operator_sign_in(
        self, transaction: AccessTransaction, claims: SignedClaims, link: OneTimeLink
    ) -> Operator:
        self._require_mfa(claims)
        operator = await transaction.operators.get(link.subject_id)
        identity = (claims.identity.tenant_id, claims.identity.object_id)
        taken = await transaction.operators.find_by_identity(tenant_id=identity[0], object_id=identity[1])
        known = (operator.tenant_id, operator.object_id)
        if (taken is not None and taken.id != operator.id) or known not in ((None, None), identity):
            raise PermissionDenied(
                "This Microsoft account doesn’t belong to that operator.", reason="account_mismatch"
            )
        bound = replace(operator, tenant_id=identity[0], object_id=identity[1])
        await transaction.operators.save(bound)
        return bound

    async def _invited(self, transaction: AccessTransaction, link: OneTimeLink) -> Member:
        return await transaction.members.get(link.subject_id, organization_id=link.organization_id or "")

    async def _begin(
        self,
        transaction: AccessTransaction,
        who: Member | Operator,
        claims: SignedClaims,
        replaces: Secret | None,
        actor: Actor,
    ) -> SignedIn:
        is_member = isinstance(who, Member)
        name = who.display_name if isinstance(who, Member) else who.name
        organization_id = who.organization_id if isinstance(who, Member) else None
        signed_in = await begin_session(
            transaction,
            role=Role.ORGANIZATION_ADMIN if is_member else Role.OPERATOR,
            subject_id=who.id,
            name=name,
            organization_id=organization_id,
            entropy=self._entropy,
            now=self._clock.now(),
            replaces=replaces,
            authenticated_at=claims.authenticated_at,
            home_tenant_id=claims.identity.tenant_id,
        )
        await transaction.audit.record(
            "console.signed_in",
            f"{name} signed in to the console.",
            actor=replace(
                actor, kind=ActorKind.PERSON if is_member else ActorKind.OPERATOR, id=who.id, name=name
            ),
            organization_id=organization_id,
            object_id=signed_in.session.id,
        )
        return signed_in

    async def _refused(
        self, refusal: PermissionDenied, actor: Actor, *, claims: SignedClaims | None
    ) -> PermissionDenied:
        """Record the refusal in a transaction of its own: the one of the sign-in is rolled back."""
        who = "" if claims is None else f" as {claims.username}"
        async with self._transactions() as transaction:
            await transaction.audit.record(
                "console.sign_in_refused",
                f"A sign-in to the console{who} was refused.",
                actor=actor,
                outcome="refused",
                reason=refusal.reason,
                detail={} if claims is None else {"tenant_id": claims.identity.tenant_id},
            )
        return PermissionDenied(refusal.message, reason=refusal.reason, provider=refusal.provider)
