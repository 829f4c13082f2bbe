"""The connect flow: send a member to Microsoft, take them back, and keep only what was proven (DESIGN §2.2).

Start and return are one round trip of ``signin``. After the code is exchanged the checks run in a fixed order:
the account's kind, its tenant, the person, the permissions, the mailbox. Nothing is stored before all have passed,
and what is stored then is unusable until somebody vouched for it (SR-20).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ostiary.core.audit.model import Actor
from ostiary.core.connections.confirmation import EXPIRE_JOB, Confirmation, fits
from ostiary.core.connections.errors import Frozen
from ostiary.core.connections.keeping import ConnectionKeeper
from ostiary.core.connections.model import (
    CONFIRMATION_LIFE,
    Connection,
    ConnectionStatus,
    ConnectOutcome,
    ConnectSession,
    ConnectSessionState,
)
from ostiary.core.connections.plan import clean_hint, prompt_for
from ostiary.core.connections.ports import ConnectionTransaction, MailboxProbe
from ostiary.core.connections.proof import ConnectProof, Refused
from ostiary.core.connections.sessions import ConnectPreview, load_preview
from ostiary.core.consent.features import chosen_features, feature_to_leave_out
from ostiary.core.consent.permissions import token_scopes
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import Clock
from ostiary.core.kernel.entropy import Entropy
from ostiary.core.kernel.errors import (
    Conflict,
    FlowRejected,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    ProviderDetail,
)
from ostiary.core.kernel.failpoints import Failpoint, hit
from ostiary.core.kernel.reach import confined
from ostiary.core.kernel.secret import Secret
from ostiary.core.kernel.transactions import Transactions
from ostiary.core.signin.derivation import secret_hash
from ostiary.core.signin.model import (
    AuthorizationRequest,
    FlowKind,
    Registrations,
    ReturnParameters,
    StartedFlow,
)
from ostiary.core.signin.service import SignInService
from ostiary.core.tenants.service import TenantService
from ostiary.core.vault.service import VaultService


class ConnectFlow:
    """Takes a member of an organization through one sign-in with Microsoft."""

    def __init__(
        self,
        *,
        transactions: Transactions[ConnectionTransaction],
        clock: Clock,
        entropy: Entropy,
        sign_in: SignInService,
        tenants: TenantService,
        registrations: Registrations,
        vault: VaultService,
        probes: Mapping[AccessMethod, MailboxProbe],
        confirmation: Confirmation,
        offer_ews: bool,
    ) -> None:
        self._transactions = transactions
        self._clock = clock
        self._entropy = entropy
        self._sign_in = sign_in
        self._registrations = registrations
        self._offer_ews = offer_ews
        self._confirmation = confirmation
        self._keeper = ConnectionKeeper(
            transactions=transactions,
            clock=clock,
            entropy=entropy,
            vault=vault,
            confirmation=confirmation,
        )
        self._proof = ConnectProof(
            transactions=transactions,
            clock=clock,
            entropy=entropy,
            sign_in=sign_in,
            tenants=tenants,
            probes=probes,
        )

    async def start(
        self,
        session_secret: Secret | None,
        *,
        browser_secret: Secret,
        actor: Actor,
        mail: bool,
        calendar: bool,
        login_hint: str | None = None,
        another_account: bool = False,
        again: bool = False,
        connection_id: str | None = None,
        prefer: AccessMethod | None = None,
    ) -> StartedFlow:
        """Bind the session to this browser and return where to send it.

        Args:
            another_account: Show Microsoft's account picker whatever the hint says.
            again: The person has read that they are connected already and goes on.
            connection_id: Renew this connection of theirs.
            prefer: Use this method instead, where the organization leaves the choice.

        Raises:
            FlowRejected: No open session, or another browser began with it (``session_lost``).
            InvalidRequest: Neither email nor calendar, or a hint that cannot be an account.
            PermissionDenied: No licence (``no_licence``).
            Conflict: Connected already and healthy (``already_connected``).
            Frozen: The operator stopped the organization or the instance (``frozen``); the session stays open.
            AccessBlocked: EWS is pinned and has ended (``ews_ended``).
        """
        if not mail and not calendar:
            raise InvalidRequest("Choose email, calendar or both.", field="choices")
        hint = clean_hint(login_hint)
        browser_hash = secret_hash(browser_secret)
        async with self._transactions() as tx:
            session = await self._open_session(tx, session_secret, browser_hash)
            preview = await load_preview(
                tx,
                session,
                connection_id=connection_id or session.connection_id,
                offer_ews=self._offer_ews,
                clock=self._clock,
                prefer=prefer,
            )
            if preview.is_frozen:
                raise Frozen("Connecting was stopped by the operator.", reason="frozen")
            if not preview.member.licensed:
                raise PermissionDenied("You don’t have a licence yet.", reason="no_licence")
            renews = preview.connection if connection_id or session.connection_id else None
            if renews is None and not again and _is_complete(preview.connection, mail, calendar):
                raise Conflict("You’re already connected.", reason="already_connected")
            left_out_reason = _why_left_out(session, preview, mail=mail, calendar=calendar)
            session = replace(
                session,
                state=ConnectSessionState.STARTED,
                mail=mail,
                calendar=calendar,
                method=preview.plan.method,
                reason=None,
                reason_variant=None,
                missing=(),
                account=None,
                provider=None,
            )
            await tx.connect_sessions.save(session)
            await tx.audit.record(
                "connect.started",
                f"{preview.member.display_name} went to Microsoft to connect.",
                actor=actor,
                organization_id=session.organization_id,
                object_id=session.id,
                reference=session.reference,
            )
        if renews is not None and hint is None and not another_account:
            hint = renews.address
        method = preview.plan.method
        return await self._sign_in.begin(
            kind=FlowKind.CONNECT,
            registration_id=self._registrations.for_method(method).id,
            authority=preview.plan.authority,
            scopes=token_scopes(method),
            browser_secret=browser_secret,
            subject={
                "connect_session_id": session.id,
                "organization_id": session.organization_id,
                "method": method.value,
                "mail": "yes" if mail else "no",
                "calendar": "yes" if calendar else "no",
                **({"connection_id": renews.id} if renews is not None else {}),
                **({"left_out_reason": left_out_reason} if left_out_reason is not None else {}),
            },
            prompt=prompt_for(login_hint=hint, another_account=another_account),
            login_hint=None if another_account else hint,
        )

    async def finish(
        self,
        parameters: Iterable[tuple[str, str]],
        *,
        registration_id: str,
        browser_secret: Secret | None,
        actor: Actor,
    ) -> ConnectOutcome:
        """Take a return from Microsoft, exchange its code once, check everything, keep or discard.

        Whatever goes wrong after the return was recognised is on the session's record, and the outcome leads to
        its page.

        Raises:
            FlowRejected: The return fits no pending sign-in of this browser; nothing was exchanged.
        """
        answer = self._sign_in.parse_return(parameters)
        try:
            request = await self._sign_in.consume(
                answer,
                kinds=(FlowKind.CONNECT,),
                registration_id=registration_id,
                browser_secret=browser_secret,
                actor=actor,
            )
        except FlowRejected:
            repeated = await self._sign_in.find_repeat(answer, browser_secret=browser_secret)
            if repeated is None or repeated.kind is not FlowKind.CONNECT:
                raise
            return await self._answer_again(repeated.subject["connect_session_id"], actor)
        await hit(Failpoint.CONNECT_STATE_CONSUMED)
        # From here on it is this organization's business alone.
        with confined(request.subject["organization_id"]):
            return await self._go_on(request, answer, actor)

    async def _go_on(
        self, request: AuthorizationRequest, answer: ReturnParameters, actor: Actor
    ) -> ConnectOutcome:
        async with self._transactions() as tx:
            session = await tx.connect_sessions.get(request.subject["connect_session_id"])
            preview = await load_preview(
                tx,
                session,
                connection_id=request.subject.get("connection_id"),
                offer_ews=True,
                clock=self._clock,
                prefer=AccessMethod(request.subject["method"]),
            )
        if session.state in (ConnectSessionState.RETURNED, ConnectSessionState.CONFIRMED):
            # Two tabs of one session: the other one was first, and a session connects once.
            return ConnectOutcome(session.reference, session.state)
        try:
            if self._clock.now() >= session.expires_at:
                raise Refused("session_lost")
            if preview.is_frozen:
                # The code is not exchanged: no token comes to be, and the person may start again later.
                raise Refused("frozen")
            proven = await self._proof.prove(request, answer, preview, actor)
            await hit(Failpoint.CONNECT_RESPONSE_IN_MEMORY)
            outcome = await self._keeper.keep(session, preview, proven, actor)
            await hit(Failpoint.CONNECT_STORED_UNCONFIRMED)
            return outcome
        except Refused as refusal:
            return await self._record_refusal(session, preview, refusal, actor)

    async def _answer_again(self, session_id: str, actor: Actor) -> ConnectOutcome:
        """Answer a return that this very browser sent before: its first answer may never have arrived.

        Without a completion code of its own the browser could not go on to the vendor, and the person would wait for
        a confirmation that nobody can give. The code of the first answer ends with it.
        """
        now = self._clock.now()
        async with self._transactions() as tx:
            session = await tx.connect_sessions.get(session_id, for_update=True)
            if session.state is not ConnectSessionState.RETURNED or session.made_connection_id is None:
                return ConnectOutcome(session.reference, session.state)
            connection = await tx.connections.get(session.made_connection_id, for_update=True)
            waits = connection.status is ConnectionStatus.UNCONFIRMED
            if not waits or connection.confirm_before is None or now >= connection.confirm_before:
                return ConnectOutcome(session.reference, session.state)
            session, address = await self._confirmation.send_to_vendor(tx, session)
            await tx.audit.record(
                "connect.sent_again",
                "The browser came back once more and got a new completion code.",
                actor=actor,
                organization_id=session.organization_id,
                object_id=session.id,
                reference=session.reference,
            )
        return ConnectOutcome(session.reference, session.state, address)

    async def use_account(self, reference: str, *, browser_secret: Secret, actor: Actor) -> ConnectOutcome:
        """Go on with the account that signed in although the vendor knows the person by another address.

        Raises:
            NotFound: No such session of this browser.
            Conflict: There is nothing to decide any more.
        """
        now = self._clock.now()
        async with self._transactions() as tx:
            session = await self._session_of_browser(tx, reference, browser_secret)
            if session.state is not ConnectSessionState.CHOOSING or session.made_connection_id is None:
                raise Conflict("There is nothing to decide any more.")
            connection = await tx.connections.get(session.made_connection_id, for_update=True)
            if connection.status is not ConnectionStatus.UNCONFIRMED or connection.confirm_before is None:
                raise Conflict("There is nothing to decide any more.")
            # The vendor's five minutes begin when the browser goes there.
            await tx.connections.save(replace(connection, confirm_before=now + CONFIRMATION_LIFE))
            session, address = await self._confirmation.send_to_vendor(tx, session)
            await tx.jobs.enqueue(EXPIRE_JOB, {}, run_at=now + CONFIRMATION_LIFE)
            await tx.audit.record(
                "connect.account_chosen",
                f"{connection.address} was chosen although the vendor knows another address.",
                actor=actor,
                organization_id=session.organization_id,
                object_id=connection.id,
                reference=session.reference,
            )
        return ConnectOutcome(session.reference, session.state, address)

    async def _open_session(
        self, tx: ConnectionTransaction, secret: Secret | None, browser_hash: bytes
    ) -> ConnectSession:
        found = None if secret is None else await tx.connect_sessions.find_by_secret_hash(secret_hash(secret))
        if found is None or not found.is_open(self._clock.now()):
            raise FlowRejected("We lost track of this sign-in.", reason="session_lost")
        if not await tx.connect_sessions.bind_to_browser(found.id, browser_hash=browser_hash):
            raise FlowRejected("We lost track of this sign-in.", reason="session_lost")
        session = await tx.connect_sessions.get(found.id, for_update=True)
        if session.state is ConnectSessionState.CHOOSING and session.made_connection_id is not None:
            # Signing in again answers the question: not that account.
            connection = await tx.connections.get(session.made_connection_id, for_update=True)
            if connection.status is ConnectionStatus.UNCONFIRMED:
                await self._confirmation.throw_away(tx, session, connection, reason="account_mismatch")
            session = replace(session, made_connection_id=None)
        return session

    async def _record_refusal(
        self, session: ConnectSession, preview: ConnectPreview, refusal: Refused, actor: Actor
    ) -> ConnectOutcome:
        account = None if refusal.claims is None else refusal.claims.username
        async with self._transactions() as tx:
            current = await tx.connect_sessions.get(session.id, for_update=True)
            if current.state in (ConnectSessionState.RETURNED, ConnectSessionState.CONFIRMED):
                return ConnectOutcome(current.reference, current.state)
            current = replace(
                current,
                state=ConnectSessionState.FAILED,
                reason=refusal.reason,
                reason_variant=refusal.variant,
                missing=refusal.missing,
                account=account,
                # Our clock, not Microsoft's: the page counts from here.
                provider=replace(refusal.provider or ProviderDetail(), occurred_at=self._clock.now()),
            )
            await tx.connect_sessions.save(current)
            await tx.audit.record(
                "connect.refused",
                f"{preview.member.display_name} could not connect.",
                actor=actor,
                outcome="refused",
                organization_id=session.organization_id,
                object_id=session.id,
                reference=session.reference,
                reason=refusal.reason,
                detail={} if account is None else {"account": account},
            )
        return ConnectOutcome(current.reference, current.state)

    @staticmethod
    async def _session_of_browser(
        tx: ConnectionTransaction, reference: str, browser_secret: Secret
    ) -> ConnectSession:
        found = await tx.connect_sessions.find_by_reference(reference)
        if found is None or not fits(found.browser_hash, browser_secret):
            raise NotFound("There is no such sign-in in this browser.")
        return await tx.connect_sessions.get(found.id, for_update=True)


def _is_complete(connection: Connection | None, mail: bool, calendar: bool) -> bool:
    return (
        connection is not None
        and connection.status is ConnectionStatus.CONNECTED
        and (connection.mail or not mail)
        and (connection.calendar or not calendar)
    )


def _why_left_out(
    session: ConnectSession, preview: ConnectPreview, *, mail: bool, calendar: bool
) -> str | None:
    """Why one of email and calendar is not tried this time, where it was not simply left unticked."""
    chosen = chosen_features(mail=mail, calendar=calendar)
    if len(chosen) != 1:
        return None
    (left_out,) = (feature.other for feature in chosen)
    asked_before = chosen_features(mail=session.mail, calendar=session.calendar)
    if left_out in preview.plan.unapproved or (
        session.reason == "missing_permission"
        and feature_to_leave_out(session.missing, asked_before) is left_out
    ):
        return "missing_permission"
    connection = preview.connection
    if connection is None or chosen != chosen_features(mail=connection.mail, calendar=connection.calendar):
        return None
    return connection.left_out_reason
