"""What a sign-in has to prove before anything of it is kept. The checks run in a fixed order.

The account's kind, its tenant, the person, the permissions, and one call that the mailbox answers (DESIGN §2.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ostiary.core.audit.model import Actor
from ostiary.core.connections.model import Connection, MailboxAccess, MailboxFacts
from ostiary.core.connections.plan import Approval
from ostiary.core.connections.ports import ConnectionTransaction, MailboxProbe
from ostiary.core.connections.sessions import ConnectPreview
from ostiary.core.consent.features import Feature, lacking
from ostiary.core.consent.permissions import PERMISSIONS, Permission
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import (
    OstiaryError,
    ProviderDetail,
    ReauthorizationRequired,
    TemporarilyUnavailable,
    Throttled,
)
from ostiary.core.kernel.ids import new_id
from ostiary.core.kernel.reach import everybody
from ostiary.core.kernel.secret import Secret
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.organizations.model import Member, Organization
from ostiary.core.reasons.catalogue import get_reason
from ostiary.core.reasons.classify import classify, variant_of
from ostiary.core.reasons.model import Where
from ostiary.core.signin.model import (
    PERSONAL_ACCOUNTS_TENANT_ID,
    AuthorizationRequest,
    ReturnParameters,
    SignedClaims,
    TokenSet,
)
from ostiary.core.signin.service import SignInService
from ostiary.core.tenants.model import BindingState, ClaimOutcome
from ostiary.core.tenants.service import Directory, TenantService

OFFLINE_ACCESS: Final = next(
    permission for permission in PERMISSIONS[AccessMethod.GRAPH] if permission.name == "offline_access"
)


@dataclass(frozen=True, slots=True)
class Proven:
    """A sign-in that passed every check."""

    claims: SignedClaims
    tokens: TokenSet
    refresh_token: Secret
    facts: MailboxFacts
    method: AccessMethod
    registration_id: str
    mail: bool
    calendar: bool
    renews: Connection | None
    left_out_reason: str | None = None
    """Why the other of email and calendar is not here although it was asked for."""


class Refused(Exception):
    """A check that failed, on its way to the session's record."""

    def __init__(
        self,
        reason: str,
        *,
        claims: SignedClaims | None = None,
        provider: ProviderDetail | None = None,
        variant: str | None = None,
        missing: Iterable[Permission] = (),
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.variant = variant
        self.missing = tuple(permission.name for permission in missing)
        self.claims = claims
        self.provider = provider


class ConnectProof:
    """Exchanges the code of a connect flow and checks all that came of it."""

    def __init__(
        self,
        *,
        transactions: Transactions[ConnectionTransaction],
        clock: Clock,
        entropy: Entropy,
        sign_in: SignInService,
        tenants: TenantService,
        probes: Mapping[AccessMethod, MailboxProbe],
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._tenants = tenants
        self._entropy = entropy
        self._sign_in = sign_in
        self._probes = probes

    async def prove(
        self,
        request: AuthorizationRequest,
        answer: ReturnParameters,
        preview: ConnectPreview,
        actor: Actor,
    ) -> Proven:
        """Return what was proven.

        Raises:
            Refused: Microsoft or one of our checks said no; nothing of the sign-in may be kept.
        """
        if answer.error is not None:
            reason = classify(
                answer.error,
                where=Where.CONNECT,
                error_subcode=answer.error_subcode,
                error_codes=answer.error_codes,
            )
            not_for_everyone = reason == "not_admin" and preview.plan.approval is Approval.GIVEN
            raise Refused(
                reason,
                variant="not_for_everyone" if not_for_everyone else variant_of(reason, answer.error_codes),
                provider=ProviderDetail(
                    code=answer.provider_code,
                    correlation_id=answer.correlation_id,
                    occurred_at=self._clock.now(),
                ),
            )
        try:
            tokens = await self._sign_in.redeem(request, answer)
        except OstiaryError as error:
            raise Refused(_in_connect(error.reason), provider=error.provider) from error
        claims = tokens.claims
        if claims is None:
            raise Refused("unknown")
        if not preview.member.licensed:
            raise Refused("no_licence", claims=claims)
        renews = preview.connection if "connection_id" in request.subject else None
        await self._require_right_account(claims, preview, renews, actor)
        method = AccessMethod(request.subject["method"])
        mail, calendar = request.subject["mail"] == "yes", request.subject["calendar"] == "yes"
        missing = lacking(method, tokens.scopes, mail=mail, calendar=calendar)
        if missing:
            raise Refused(
                "missing_permission",
                claims=claims,
                missing=missing,
                variant="one" if len(missing) == 1 else None,
            )
        if tokens.refresh_token is None:
            # Without it nothing lasting can be connected.
            raise Refused("missing_permission", claims=claims, missing=(OFFLINE_ACCESS,), variant="one")
        try:
            answered = await self._probe(
                claims, tokens, method, mail=mail, calendar=calendar, had=preview.connection
            )
        except Refused as refusal:
            if refusal.reason == "mailbox_missing" and _is_another_address(preview.member, claims):
                # Somebody picked the wrong account: that it has no mailbox is beside the point.
                raise Refused("account_mismatch", claims=claims, provider=refusal.provider) from refusal
            raise
        return Proven(
            claims=claims,
            tokens=tokens,
            refresh_token=tokens.refresh_token,
            facts=answered.facts,
            method=method,
            registration_id=request.registration_id,
            mail=mail and answered.silent is not Feature.MAIL,
            calendar=calendar and answered.silent is not Feature.CALENDAR,
            renews=renews,
            left_out_reason=answered.reason or request.subject.get("left_out_reason"),
        )

    async def _require_right_account(
        self, claims: SignedClaims, preview: ConnectPreview, renews: Connection | None, actor: Actor
    ) -> None:
        identity, member = claims.identity, preview.member
        if identity.tenant_id == PERSONAL_ACCOUNTS_TENANT_ID:
            raise Refused("personal_account", claims=claims)
        if claims.is_guest:
            raise Refused("personal_account", claims=claims, variant="guest")
        with everybody("a directory belongs to one organization, and a mailbox to one member"):
            async with self._transactions() as tx:
                refusal = await self._require_own_tenant(tx, preview.organization, claims, actor)
                owner = await tx.members.find_by_identity(
                    tenant_id=identity.tenant_id, object_id=identity.object_id
                )
                live = await tx.connections.find_live_by_identity(
                    cloud=identity.cloud, tenant_id=identity.tenant_id, object_id=identity.object_id
                )
        if refusal is not None:
            raise Refused(refusal, claims=claims)
        if renews is not None and (renews.tenant_id, renews.object_id) != (
            identity.tenant_id,
            identity.object_id,
        ):
            raise Refused("account_mismatch", claims=claims)
        if member.object_id is not None and (member.tenant_id, member.object_id) != (
            identity.tenant_id,
            identity.object_id,
        ):
            raise Refused("account_mismatch", claims=claims)
        if (owner is not None and owner.id != member.id) or (
            live is not None and live.member_id != member.id
        ):
            raise Refused("mailbox_in_use", claims=claims)

    async def _require_own_tenant(
        self, tx: ConnectionTransaction, organization: Organization, claims: SignedClaims, actor: Actor
    ) -> str | None:
        """Return why the tenant does not count as the organization's, or None when it does (SR-16, SR-19)."""
        identity = claims.identity
        own = await tx.tenants.list_for(organization.id)
        if any(
            tenant.binding is BindingState.BOUND
            and (tenant.cloud, tenant.tenant_id) == (identity.cloud, identity.tenant_id)
            for tenant in own
        ):
            return None
        is_expected = organization.expected_tenant_id == identity.tenant_id
        some_known = organization.expected_tenant_id is not None or any(
            tenant.binding is BindingState.BOUND for tenant in own
        )
        if some_known and not is_expected:
            return "wrong_tenant"
        claim = await self._tenants.claim(
            tx,
            Directory(identity.cloud, identity.tenant_id, display_name="", verified_domains=()),
            organization=organization,
            expected_tenant_id=None,
            may_bind=is_expected,
            actor=actor,
        )
        match claim.outcome:
            case ClaimOutcome.BOUND:
                return None
            case ClaimOutcome.PENDING:
                # Nothing proves yet that this directory is the organization's: an administrator's approval will.
                return "not_admin"
            case ClaimOutcome.TAKEN:
                return "wrong_tenant"

    async def _probe(
        self,
        claims: SignedClaims,
        tokens: TokenSet,
        method: AccessMethod,
        *,
        mail: bool,
        calendar: bool,
        had: Connection | None,
    ) -> _Answered:
        """Ask the mailbox; where only one of email and calendar answers, go on with that one.

        A fault that passes leaves nothing out that ``had`` has already (SR-47).
        """

        async def only_token(after_refusal: bool) -> Secret:
            if after_refusal:
                raise ReauthorizationRequired("Microsoft refused a token it had just given.")
            return tokens.access_token

        mailbox = MailboxAccess(
            connection_id=new_id("probe", self._entropy),
            tenant_id=claims.identity.tenant_id,
            object_id=claims.identity.object_id,
            address=claims.username,
            access_token=only_token,
        )
        probe = self._probes[method]
        try:
            answered = _Answered(await probe.probe(mailbox, mail=mail, calendar=calendar))
        except OstiaryError as error:
            refusal = Refused(_in_connect(error.reason), claims=claims, provider=error.provider)
            if not (mail and calendar):
                raise refusal from error
            one = await _probe_apart(probe, mailbox)
            if one is None or (one.passes and had is not None and _has(had, one.silent)):
                raise refusal from error
            answered = one
        facts = answered.facts
        if facts.object_id is not None and facts.object_id.lower() != claims.identity.object_id.lower():
            raise Refused("account_mismatch", claims=claims)
        return answered


@dataclass(frozen=True, slots=True)
class _Answered:
    """What the mailbox said, and which of the two things asked for did not answer."""

    facts: MailboxFacts
    silent: Feature | None = None
    reason: str | None = None
    passes: bool = False
    """The fault decided nothing; the same question may be answered in a minute."""


async def _probe_apart(probe: MailboxProbe, mailbox: MailboxAccess) -> _Answered | None:
    """Ask for email and for calendar by themselves. None when neither answers."""
    facts: MailboxFacts | None = None
    failed: tuple[Feature, OstiaryError] | None = None
    for feature in Feature:
        try:
            facts = await probe.probe(
                mailbox, mail=feature is Feature.MAIL, calendar=feature is Feature.CALENDAR
            )
        except OstiaryError as error:
            if failed is not None:
                return None
            failed = feature, error
    if facts is None:
        return None
    if failed is None:
        return _Answered(facts)
    feature, error = failed
    return _Answered(
        facts,
        silent=feature,
        reason=_in_connect(error.reason),
        passes=isinstance(error, Throttled | TemporarilyUnavailable),
    )


def _has(connection: Connection, feature: Feature | None) -> bool:
    return connection.mail if feature is Feature.MAIL else connection.calendar


def _in_connect(reason: str | None) -> str:
    """The reason, where it has words for somebody who is just connecting."""
    return reason if reason is not None and Where.CONNECT in get_reason(reason).where else "unknown"


def _is_another_address(member: Member, claims: SignedClaims) -> bool:
    """Whether the account is not the one the vendor knows; only a hint, once the identity is on record."""
    return member.object_id is None and claims.username.casefold() != member.email.strip().casefold()
