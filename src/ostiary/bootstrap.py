"""The only file that picks adapters and hands them to services."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import structlog
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from ostiary import __version__
from ostiary.adapters.answer_bodies import BodyBudget
from ostiary.adapters.delivery.post import HTTPWebhookPost
from ostiary.adapters.entra.assertion import (
    Certificate,
    CertificatePair,
    ClientCertificate,
    ClientCredential,
    ClientSecret,
    ServiceCertificate,
    Signer,
    load_certificate,
    load_service_certificate,
)
from ostiary.adapters.entra.client import EntraAuthorizationServer
from ostiary.adapters.entra.clouds import Cloud, resolve_cloud
from ostiary.adapters.ews.availability import EWSAppAvailability
from ostiary.adapters.ews.calendar import EWSCalendarGateway
from ostiary.adapters.ews.changes import EWSCalendarChanges, EWSMailChanges
from ostiary.adapters.ews.mail import EWSMailGateway
from ostiary.adapters.ews.probe import EWSMailboxProbe
from ostiary.adapters.ews.session import EWSSession
from ostiary.adapters.ews.streaming import EWSStreams
from ostiary.adapters.graph.calendar import GraphCalendarGateway
from ostiary.adapters.graph.calendar_changes import GraphCalendarChanges
from ostiary.adapters.graph.changes import GraphMailChanges
from ostiary.adapters.graph.client import GraphClient
from ostiary.adapters.graph.directory import GraphTenantDirectory
from ostiary.adapters.graph.mail import GraphMailGateway
from ostiary.adapters.graph.notifications import read_notifications
from ostiary.adapters.graph.probe import GraphMailboxProbe
from ostiary.adapters.graph.subscriptions import GraphSubscriptions
from ostiary.adapters.http_session import create_session
from ostiary.adapters.keys.aws_kms import KMSKeyService
from ostiary.adapters.keys.file import FileKeyService, create_key_file
from ostiary.adapters.keys.transit import TransitKeyService
from ostiary.adapters.smtp.mailer import MailServer, SMTPMailer
from ostiary.adapters.sql.embedded import EmbeddedServer
from ostiary.adapters.sql.engine import create_engine, driver_url
from ostiary.adapters.sql.feed_listener import SQLFeedSignals
from ostiary.adapters.sql.migrate import SchemaState, downgrade, schema_state, upgrade
from ostiary.adapters.sql.processes import SQLLifeSign
from ostiary.adapters.sql.roles import EGRESS_ALL, bypasses
from ostiary.adapters.sql.sync import CHANNEL as SYNC_CHANNEL
from ostiary.adapters.sql.unit_of_work import SQLTransactions
from ostiary.core.access.bulk_reads import BULK_READ_WRITERS, INSTANCE, BulkReads, Ceilings, Level
from ostiary.core.access.rate_limits import Budget, LimitedAct, RateLimits
from ostiary.core.access.service import AccessService
from ostiary.core.approvals.mails import APPROVAL_WRITERS
from ostiary.core.approvals.service import ApprovalService
from ostiary.core.audit.model import SYSTEM
from ostiary.core.audit.service import AuditService
from ostiary.core.calendar.ports import CalendarGateway
from ostiary.core.calendar.service import CalendarService
from ostiary.core.connections.digest import DIGEST_WRITERS, WeeklyDigest
from ostiary.core.connections.erase import Erasure
from ostiary.core.connections.export import Export
from ostiary.core.connections.freeze import Freezes, FreezeScope
from ostiary.core.connections.health import ConnectionHealth
from ostiary.core.connections.idle import IDLE_WRITERS, IdleGrants
from ostiary.core.connections.incident_mails import INCIDENT_WRITERS
from ostiary.core.connections.incidents import Incidents
from ostiary.core.connections.leaving import Leaving
from ostiary.core.connections.mailboxes import Mailboxes
from ostiary.core.connections.notices import CONNECTION_WRITERS, ConnectionNotices
from ostiary.core.connections.ports import MailboxProbe
from ostiary.core.connections.retention import Retention
from ostiary.core.connections.rewrap import KeyRotation
from ostiary.core.connections.service import ConnectionService
from ostiary.core.connections.trust import TrustService
from ostiary.core.connections.usage import PermissionUsage
from ostiary.core.connections.watching import MailboxWatch
from ostiary.core.consent.ports import EWSAvailability
from ostiary.core.consent.service import ConsentService
from ostiary.core.feed.service import FeedService
from ostiary.core.governor.governor import Governor
from ostiary.core.governor.model import Limits, Urgency
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.clock import Clock, SystemClock
from ostiary.core.kernel.entropy import Entropy, SystemEntropy
from ostiary.core.kernel.errors import Misconfigured
from ostiary.core.kernel.presence import Presence
from ostiary.core.kernel.secret import Secret
from ostiary.core.mail.ports import MailGateway
from ostiary.core.mail.sending import MailSending
from ostiary.core.mail.service import MailService
from ostiary.core.mail.writing import MailWriting
from ostiary.core.notices.model import Correspondent, Vendor
from ostiary.core.notices.service import NoticeService
from ostiary.core.organizations.member_changes import MemberChanges
from ostiary.core.organizations.people_import import PeopleImport
from ostiary.core.organizations.service import OrganizationService
from ostiary.core.signin.credentials import CredentialFact
from ostiary.core.signin.model import AppRegistration, RedirectAddresses, Registrations
from ostiary.core.signin.service import SignInService
from ostiary.core.status.model import Part
from ostiary.core.status.service import StatusHistory
from ostiary.core.sync.following import FollowConnections
from ostiary.core.sync.keeping import SubscriptionKeeper
from ostiary.core.sync.model import Source, SyncSettings
from ostiary.core.sync.notifications import NotificationInbox
from ostiary.core.sync.ports import ChangeSource
from ostiary.core.sync.restored import AfterRestore
from ostiary.core.sync.service import SyncService
from ostiary.core.sync.streaming import MailboxStreams, StreamHolder
from ostiary.core.sync.subscriptions import NotificationPaths, SubscriptionGateway
from ostiary.core.tenants.ports import TenantDirectory
from ostiary.core.tenants.service import TenantService
from ostiary.core.vault.limits import WrapCounter
from ostiary.core.vault.ports import KeyService
from ostiary.core.vault.service import VaultService
from ostiary.core.webhooks.deliveries import WebhookDeliveries
from ostiary.core.webhooks.destination import EgressRules
from ostiary.core.webhooks.endpoints import WebhookEndpoints
from ostiary.core.webhooks.fanout import WebhookFanout
from ostiary.core.webhooks.ports import WebhookPost
from ostiary.core.webhooks.sending import WebhookSender
from ostiary.core.webhooks.signature import SigningSecrets
from ostiary.health import Health
from ostiary.metrics import Metrics
from ostiary.settings import KeyBackEnd, Profile, Settings

log = structlog.get_logger("ostiary.bootstrap")

__all__ = [
    "DatabaseParameters",
    "SchemaState",
    "Services",
    "application",
    "bypassing_login",
    "create_key_file",
    "credential_facts",
    "database_addresses",
    "database_url",
    "downgrade",
    "microsoft_hosts",
    "registrations_of",
    "schema_state",
    "upgrade",
    "weak_durability",
    "webhook_sender",
]


@dataclass(frozen=True, slots=True)
class DatabaseParameters:
    """How the job queue's own connections reach the database."""

    conninfo: str
    keywords: Mapping[str, Any]

    def __repr__(self) -> str:
        return "DatabaseParameters(‹secret›)"


@dataclass(frozen=True, slots=True)
class WebhookServices:
    """Everything about webhooks to the vendor."""

    endpoints: WebhookEndpoints
    deliveries: WebhookDeliveries
    sender: WebhookSender


@dataclass(frozen=True, slots=True)
class Services:
    """Everything the entry points may call."""

    settings: Settings
    clock: Clock
    entropy: Entropy
    transactions: SQLTransactions
    presence: Presence
    database_parameters: DatabaseParameters
    registrations: Registrations
    vault: VaultService
    signin: SignInService
    tenants: TenantService
    organizations: OrganizationService
    people_import: PeopleImport
    member_changes: MemberChanges
    access: AccessService
    rate_limits: RateLimits
    audit: AuditService
    consent: ConsentService
    approvals: ApprovalService
    notices: NoticeService
    connection_notices: ConnectionNotices
    connections: ConnectionService
    connection_health: ConnectionHealth
    incidents: Incidents
    bulk_reads: BulkReads
    idle_grants: IdleGrants
    trust: TrustService
    permission_usage: PermissionUsage
    weekly_digest: WeeklyDigest
    freezes: Freezes
    governor: Governor
    webhooks: WebhookServices
    key_rotation: KeyRotation
    erasure: Erasure
    export: Export
    retention: Retention
    feed: FeedService
    sync: SyncService
    sync_signals: SQLFeedSignals
    after_restore: AfterRestore
    subscriptions: SubscriptionKeeper
    notifications: NotificationInbox
    streams: StreamHolder
    mail: MailService
    mail_writing: MailWriting
    mail_sending: MailSending
    calendar: CalendarService
    health: Health
    status: StatusHistory
    metrics: Metrics


@asynccontextmanager
async def application(settings: Settings, *, clock: Clock | None = None) -> AsyncGenerator[Services]:
    """Open everything, hand out the services, close everything in reverse order.

    Raises:
        Misconfigured: Keys, credentials or the database's schema are not fit to start with.
    """
    clock = clock or SystemClock()
    entropy = SystemEntropy()
    async with AsyncExitStack() as stack:
        keys = await _open_keys(settings, entropy, clock, stack)
        addresses = await stack.enter_async_context(database_addresses(settings))
        await _require_schema(settings, addresses.owner)
        url = addresses.service
        engine = create_engine(url, pool_size=settings.database_pool_size)
        stack.push_async_callback(engine.dispose)
        await _require_durability(settings, engine)
        await _require_confined_login(settings, engine)
        metrics = Metrics()
        session = await stack.enter_async_context(
            create_session(
                user_agent=f"ostiary/{__version__}",
                ca_file=settings.ca_file,
                observe=_Observer(metrics),
            )
        )
        sync_settings = _sync_settings(settings)
        transactions = SQLTransactions(
            engine,
            clock=clock,
            entropy=entropy,
            fanouts=[
                FollowConnections(clock=clock, settings=sync_settings),
                WebhookFanout(clock=clock),
            ],
        )
        parameters = _parameters(url)
        presence = _presence(transactions, parameters, clock, entropy)
        signals = SQLFeedSignals(conninfo=parameters.conninfo, keywords=parameters.keywords)
        stack.push_async_callback(signals.close)
        sync_signals = SQLFeedSignals(
            conninfo=parameters.conninfo, keywords=parameters.keywords, channel=SYNC_CHANNEL
        )
        stack.push_async_callback(sync_signals.close)
        registrations = registrations_of(settings)
        long_answers = await stack.enter_async_context(
            create_session(
                user_agent=f"ostiary/{__version__}", ca_file=settings.ca_file, connections_per_host=0
            )
        )
        governor = Governor(
            limits=Limits(
                most_at_once=settings.mailbox_calls_at_once, most_calls=settings.mailbox_calls_per_10_minutes
            ),
            transactions=transactions,
            holder=entropy.token_bytes(12).hex(),
            meter=_GovernorMeter(metrics),
        )
        stack.push_async_callback(governor.close)
        microsoft = _microsoft(settings, session, long_answers, governor, keys, clock, entropy)
        vault = VaultService(
            keys=keys, entropy=entropy, counter=WrapCounter(transactions=transactions, clock=clock)
        )
        signin = SignInService(
            transactions=transactions,
            clock=clock,
            entropy=entropy,
            authorization_server=microsoft.authorization_server,
            registrations=registrations,
            addresses=RedirectAddresses(settings.public_url, settings.effective_console_url),
            flow_key=await keys.instance_key("flows"),
        )
        tenants = TenantService(transactions=transactions, clock=clock, entropy=entropy)
        rate_limits = RateLimits(
            transactions=transactions,
            clock=clock,
            hash_key=await keys.instance_key("rate limits"),
            budgets={act: Budget.parse(getattr(settings, f"rate_limit_{act.value}")) for act in LimitedAct},
        )
        consent = ConsentService(
            transactions=transactions,
            clock=clock,
            entropy=entropy,
            sign_in=signin,
            tenants=tenants,
            authorization_server=microsoft.authorization_server,
            directory=microsoft.directory,
            ews=microsoft.ews_availability if settings.offer_ews else None,
            registrations=registrations,
            public_url=settings.public_url,
            link_key=await keys.instance_key("approval links"),
            offer_ews=settings.offer_ews,
        )
        freezes = Freezes(transactions=transactions, clock=clock)
        leaving = Leaving(transactions=transactions)
        connections = ConnectionService(
            transactions=transactions,
            clock=clock,
            entropy=entropy,
            sign_in=signin,
            authorization_server=microsoft.authorization_server,
            registrations=registrations,
            tenants=tenants,
            vault=vault,
            freezes=freezes,
            probes=microsoft.probes,
            return_urls=settings.return_urls,
            leaving=leaving,
            offer_ews=settings.offer_ews,
        )
        notices = NoticeService(
            transactions=transactions,
            clock=clock,
            entropy=entropy,
            vendor=_vendor(settings, registrations),
            links=consent.links,
            writers={
                **APPROVAL_WRITERS,
                **CONNECTION_WRITERS,
                **INCIDENT_WRITERS,
                **DIGEST_WRITERS,
                **IDLE_WRITERS,
                **BULK_READ_WRITERS,
            },
            mailer=_mailer(settings, clock),
        )
        incidents = Incidents(transactions=transactions, clock=clock, entropy=entropy, notices=notices)
        connection_health = ConnectionHealth(
            transactions=transactions,
            clock=clock,
            entropy=entropy,
            checker=connections,
            settled=incidents.note,
        )
        usage = PermissionUsage(transactions=transactions, clock=clock)
        mailboxes = Mailboxes(
            transactions=transactions,
            source=connections,
            watcher=MailboxWatch(usage=usage, health=connection_health),
        )
        paths = NotificationPaths(
            await keys.instance_key("notification paths"), public_url=settings.public_url
        )
        subscriptions = SubscriptionKeeper(
            transactions=transactions,
            clock=clock,
            entropy=entropy,
            mailboxes=mailboxes,
            gateway=microsoft.subscriptions,
            paths=paths,
            push=sync_settings.push,
        )
        leaving.ends_by(subscriptions.end)
        post = await stack.enter_async_context(_webhook_post(settings))
        yield Services(
            settings=settings,
            clock=clock,
            entropy=entropy,
            transactions=transactions,
            presence=presence,
            database_parameters=parameters,
            registrations=registrations,
            vault=vault,
            signin=signin,
            tenants=tenants,
            organizations=OrganizationService(transactions=transactions, clock=clock, entropy=entropy),
            people_import=PeopleImport(transactions=transactions, clock=clock, entropy=entropy),
            member_changes=MemberChanges(transactions=transactions, clock=clock, entropy=entropy),
            access=AccessService(
                transactions=transactions,
                clock=clock,
                entropy=entropy,
                signin=signin,
                registrations=registrations,
                api_key_hash_key=await keys.instance_key("api keys"),
                rate_limits=rate_limits,
                operator_mfa=settings.operator_mfa,
                api_key_overlap=timedelta(hours=settings.api_key_overlap_hours),
            ),
            rate_limits=rate_limits,
            audit=AuditService(
                transactions=transactions,
                clock=clock,
                checkpoint_seed=await keys.instance_key("audit checkpoints"),
                retention=timedelta(days=settings.audit_retention_days),
            ),
            consent=consent,
            approvals=ApprovalService(
                transactions=transactions,
                clock=clock,
                entropy=entropy,
                links=consent.links,
                notices=notices,
                authorization_server=microsoft.authorization_server,
                registrations=registrations,
            ),
            notices=notices,
            connection_notices=ConnectionNotices(transactions=transactions, clock=clock, notices=notices),
            connections=connections,
            connection_health=connection_health,
            incidents=incidents,
            bulk_reads=BulkReads(
                transactions=transactions,
                clock=clock,
                notices=notices,
                ceilings=Ceilings(
                    settings.bulk_read_ceiling_key, settings.bulk_read_ceiling, settings.bulk_read_action
                ),
                vendor=Correspondent(settings.vendor_help_email, settings.vendor_name),
                freeze=lambda note: freezes.freeze(FreezeScope.INSTANCE, note=note, actor=SYSTEM),
                alarmed=_BulkReadAlarm(metrics),
            ),
            idle_grants=IdleGrants(
                transactions=transactions,
                clock=clock,
                notices=notices,
                connections=connections,
                idle_after=timedelta(days=settings.idle_days) if settings.idle_days else None,
            ),
            trust=TrustService(
                transactions=transactions,
                clock=clock,
                entropy=entropy,
                sign_in=signin,
                directory=microsoft.directory,
                registrations=registrations,
                connections=connections,
            ),
            permission_usage=usage,
            governor=governor,
            webhooks=_webhooks(
                settings,
                await keys.instance_key("webhook secrets"),
                transactions,
                post,
                signals,
                presence,
                metrics,
                clock,
                entropy,
            ),
            weekly_digest=WeeklyDigest(transactions=transactions, clock=clock, notices=notices, usage=usage),
            freezes=freezes,
            key_rotation=KeyRotation(transactions=transactions, keys=keys, vault=vault, clock=clock),
            erasure=Erasure(transactions=transactions, clock=clock, keys=keys, leaving=leaving),
            export=Export(transactions=transactions),
            retention=Retention(transactions=transactions, clock=clock),
            feed=FeedService(transactions=transactions, clock=clock, signals=signals),
            sync=SyncService(
                transactions=transactions,
                clock=clock,
                entropy=entropy,
                mailboxes=mailboxes,
                gateways=microsoft.changes,
                settings=sync_settings,
                holder=presence.id,
            ),
            sync_signals=sync_signals,
            after_restore=AfterRestore(transactions=transactions, clock=clock),
            subscriptions=subscriptions,
            notifications=NotificationInbox(
                transactions=transactions,
                clock=clock,
                paths=paths,
                read=read_notifications,
                tokens=microsoft.authorization_server.validation_tokens(
                    {registrations.for_method(AccessMethod.GRAPH).client_id}
                ),
            ),
            streams=StreamHolder(
                transactions=transactions,
                clock=clock,
                mailboxes=mailboxes,
                streams=microsoft.streams,
                most=settings.streams_per_worker,
                holder=presence.id,
            ),
            mail=MailService(mailboxes=mailboxes, gateways=microsoft.mail),
            mail_writing=MailWriting(mailboxes=mailboxes, gateways=microsoft.mail),
            mail_sending=MailSending(
                transactions=transactions,
                clock=clock,
                entropy=entropy,
                mailboxes=mailboxes,
                gateways=microsoft.mail,
            ),
            calendar=CalendarService(mailboxes=mailboxes, gateways=microsoft.calendar, entropy=entropy),
            health=Health({"database": lambda: _ping(engine), "keys": keys.health}),
            status=StatusHistory(
                transactions=transactions,
                clock=clock,
                parts={
                    Part.SAVED_SIGN_INS: keys.health,
                    Part.MICROSOFT: microsoft.authorization_server.check,
                },
            ),
            metrics=metrics,
        )


@dataclass(frozen=True, slots=True)
class DatabaseAddresses:
    """The database as the service logs in, and as migrations do."""

    service: str
    owner: str

    def __repr__(self) -> str:
        return "DatabaseAddresses(‹secret›)"


@asynccontextmanager
async def database_addresses(settings: Settings) -> AsyncGenerator[DatabaseAddresses]:
    """Give the database's addresses; without one in the settings, those of the embedded server, started if need be."""
    if settings.database_url is not None:
        service = settings.database_url.get_secret_value()
        owner = settings.database_migration_url
        yield DatabaseAddresses(service, service if owner is None else owner.get_secret_value())
        return
    server = await asyncio.to_thread(EmbeddedServer.start, settings.data_dir)
    try:
        yield DatabaseAddresses(server.service_url, server.url)
    finally:
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def database_url(settings: Settings) -> AsyncGenerator[str]:
    """Give the address that the service logs in with."""
    async with database_addresses(settings) as addresses:
        yield addresses.service


@dataclass(frozen=True, slots=True)
class _Microsoft:
    """Everything that talks to Microsoft, by access method where there are two ways."""

    authorization_server: EntraAuthorizationServer
    directory: TenantDirectory
    ews_availability: EWSAvailability
    probes: Mapping[AccessMethod, MailboxProbe]
    mail: Mapping[AccessMethod, MailGateway]
    calendar: Mapping[AccessMethod, CalendarGateway]
    changes: Mapping[tuple[AccessMethod, Source], ChangeSource]
    subscriptions: SubscriptionGateway
    streams: MailboxStreams


def _sync_settings(settings: Settings) -> SyncSettings:
    return SyncSettings(
        push=settings.change_detection == "push",
        poll_every=timedelta(seconds=settings.poll_seconds),
        sweep_every=timedelta(minutes=settings.sweep_minutes),
        backfill=timedelta(days=settings.backfill_days),
    )


def _microsoft(
    settings: Settings,
    session: aiohttp.ClientSession,
    long_answers: aiohttp.ClientSession,
    governor: Governor,
    signer: Signer,
    clock: Clock,
    entropy: Entropy,
) -> _Microsoft:
    cloud = _cloud(settings)
    bodies = BodyBudget()
    graph = GraphClient(
        session, host_url=cloud.graph_url, upload_urls=cloud.upload_urls, governor=governor, bodies=bodies
    )
    ews = EWSSession(session, endpoint_url=cloud.ews_url, governor=governor, bodies=bodies)
    return _Microsoft(
        authorization_server=EntraAuthorizationServer(
            session=session,
            cloud=cloud,
            credentials=_credentials(settings, signer),
            clock=clock,
            entropy=entropy,
        ),
        directory=GraphTenantDirectory(session, host_url=cloud.graph_url),
        ews_availability=EWSAppAvailability(ews),
        probes={AccessMethod.GRAPH: GraphMailboxProbe(graph), AccessMethod.EWS: EWSMailboxProbe(ews)},
        mail={AccessMethod.GRAPH: GraphMailGateway(graph), AccessMethod.EWS: EWSMailGateway(ews)},
        calendar={
            AccessMethod.GRAPH: GraphCalendarGateway(graph),
            AccessMethod.EWS: EWSCalendarGateway(ews),
        },
        changes={
            (AccessMethod.GRAPH, Source.MAIL): GraphMailChanges(graph),
            (AccessMethod.GRAPH, Source.CALENDAR): GraphCalendarChanges(graph),
            (AccessMethod.EWS, Source.MAIL): EWSMailChanges(ews),
            (AccessMethod.EWS, Source.CALENDAR): EWSCalendarChanges(ews),
        },
        subscriptions=GraphSubscriptions(graph),
        streams=EWSStreams(ews, long_answers, endpoint_url=cloud.ews_url),
    )


def microsoft_hosts(settings: Settings) -> dict[str, str]:
    """Return the address of each of Microsoft's services that this instance calls."""
    cloud = _cloud(settings)
    return {"sign-in": cloud.login_url, "graph": cloud.graph_url, "ews": cloud.ews_url}


def _cloud(settings: Settings) -> Cloud:
    return resolve_cloud(
        settings.cloud,
        login_url=settings.login_url,
        graph_url=settings.graph_url,
        ews_url=settings.ews_url,
    )


def registrations_of(settings: Settings) -> Registrations:
    """Return one registration for everything, or a second one of its own for EWS."""
    own_ews = settings.ews_app_client_id is not None
    main_methods = {AccessMethod.GRAPH}
    if settings.offer_ews and not own_ews:
        main_methods.add(AccessMethod.EWS)
    items = [_registration(settings, "main", settings.app_client_id, main_methods)]
    if settings.ews_app_client_id is not None and settings.offer_ews:
        items.append(_registration(settings, "ews", settings.ews_app_client_id, {AccessMethod.EWS}))
    return Registrations(tuple(items))


def _registration(
    settings: Settings, name: str, client_id: str, methods: set[AccessMethod]
) -> AppRegistration:
    return AppRegistration(
        id=name,
        cloud=settings.cloud,
        client_id=client_id,
        display_name=settings.vendor_app_name,
        publisher=settings.vendor_publisher,
        publisher_verified=settings.vendor_publisher_verified,
        methods=frozenset(methods),
    )


def _vendor(settings: Settings, registrations: Registrations) -> Vendor:
    return Vendor(
        name=settings.vendor_name,
        help_email=settings.vendor_help_email,
        publisher=settings.vendor_publisher,
        publisher_verified=settings.vendor_publisher_verified,
        public_url=settings.public_url.rstrip("/"),
        app_ids={
            method: registration.client_id
            for registration in registrations
            for method in registration.methods
        },
        app_url=settings.vendor_app_url,
        console_url=settings.effective_console_url.rstrip("/"),
    )


@asynccontextmanager
async def webhook_sender(settings: Settings) -> AsyncGenerator[WebhookSender]:
    """Open what sends webhooks, and nothing else: without the vault, and with no way to Microsoft (SR-79).

    Raises:
        Misconfigured: No file with the signing key, or the database's schema is not fit to start with.
    """
    if settings.webhook_signing_key_file is None:
        raise Misconfigured(
            "A sender of its own needs OSTIARY_WEBHOOK_SIGNING_KEY_FILE; without it workers send webhooks."
        )
    clock, entropy, metrics = SystemClock(), SystemEntropy(), Metrics()
    async with AsyncExitStack() as stack:
        addresses = await stack.enter_async_context(database_addresses(settings))
        await _require_schema(settings, addresses.owner)
        engine = create_engine(addresses.service, pool_size=settings.database_pool_size)
        stack.push_async_callback(engine.dispose)
        await _require_confined_login(settings, engine)
        parameters = _parameters(addresses.service)
        signals = SQLFeedSignals(conninfo=parameters.conninfo, keywords=parameters.keywords)
        stack.push_async_callback(signals.close)
        post = await stack.enter_async_context(_webhook_post(settings))
        transactions = SQLTransactions(engine, clock=clock, entropy=entropy)
        presence = _presence(transactions, parameters, clock, entropy)
        webhooks = _webhooks(settings, b"", transactions, post, signals, presence, metrics, clock, entropy)
        async with presence.shown():
            yield webhooks.sender


def _presence(
    transactions: SQLTransactions, parameters: DatabaseParameters, clock: Clock, entropy: Entropy
) -> Presence:
    life = SQLLifeSign(conninfo=parameters.conninfo, keywords=parameters.keywords)
    return Presence(transactions=transactions, clock=clock, entropy=entropy, life=life)


def _webhooks(
    settings: Settings,
    derived_key: bytes,
    transactions: SQLTransactions,
    post: WebhookPost,
    signals: SQLFeedSignals,
    presence: Presence,
    metrics: Metrics,
    clock: Clock,
    entropy: Entropy,
) -> WebhookServices:
    secrets = SigningSecrets(_signing_key(settings.webhook_signing_key_file) or derived_key)
    rules = _egress_rules(settings)
    return WebhookServices(
        endpoints=WebhookEndpoints(
            transactions=transactions, clock=clock, entropy=entropy, secrets=secrets, rules=rules, post=post
        ),
        deliveries=WebhookDeliveries(transactions=transactions, clock=clock),
        sender=WebhookSender(
            transactions=transactions,
            clock=clock,
            secrets=secrets,
            rules=rules,
            post=post,
            signals=signals,
            holder=presence.id,
            meter=_DeliveryMeter(metrics),
        ),
    )


def _webhook_post(settings: Settings) -> HTTPWebhookPost:
    return HTTPWebhookPost(
        _egress_rules(settings), user_agent=f"ostiary/{__version__}", ca_file=settings.ca_file
    )


def _egress_rules(settings: Settings) -> EgressRules:
    own = (settings.public_url, settings.effective_console_url)
    return EgressRules(
        ports=frozenset(settings.webhook_ports),
        own_hosts=frozenset(host.lower() for url in own if (host := urlsplit(url).hostname)),
        allow_private=settings.webhook_private_destinations,
    )


def _signing_key(file: Path | None) -> bytes | None:
    if file is None:
        return None
    try:
        key = base64.b64decode(file.read_text("ascii").strip(), validate=True)
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{file} does not hold a key in base64.") from error
    if len(key) != 32:
        raise Misconfigured(f"{file} has to hold 32 bytes in base64.")
    return key


def _mailer(settings: Settings, clock: Clock) -> SMTPMailer | None:
    if settings.smtp_url is None or settings.mail_from is None:
        return None
    return SMTPMailer(
        MailServer.parse(Secret(settings.smtp_url.get_secret_value())),
        sender=Correspondent(settings.mail_from, settings.vendor_name),
        clock=clock,
    )


def _credentials(settings: Settings, signer: Signer) -> dict[str, ClientCredential]:
    found = {"main": _credential(settings, "app", signer)}
    if settings.ews_app_client_id is not None:
        found["ews"] = _credential(settings, "ews_app", signer)
    return found


def _credential(settings: Settings, prefix: str, signer: Signer) -> ClientCredential:
    def certificate(which: str) -> Certificate | None:
        file: Path | None = getattr(settings, f"{prefix}_{which}_file")
        key_name: str | None = getattr(settings, f"{prefix}_{which}_key")
        if file is None:
            return None
        if key_name is None:
            return load_certificate(file)
        return load_service_certificate(file, key_name=key_name, signer=signer)

    newer, previous = certificate("certificate"), certificate("certificate_previous")
    if newer is not None:
        return newer if previous is None else CertificatePair(newer, previous)
    secret: SecretStr | None = getattr(settings, f"{prefix}_secret")
    secret_file: Path | None = getattr(settings, f"{prefix}_secret_file")
    if secret is not None:
        return ClientSecret(Secret(secret.get_secret_value()))
    if secret_file is None:
        raise Misconfigured("The app registration has neither a certificate nor a secret.")
    try:
        return ClientSecret(Secret(secret_file.read_text("utf-8").strip()))
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"The secret file {secret_file} cannot be read.") from error


class _NoSigner:
    """For looking at certificates alone."""

    async def sign(self, *, key_name: str, message: bytes) -> bytes:
        raise Misconfigured(f"Nothing is signed here with {key_name}.")


def credential_facts(settings: Settings) -> tuple[CredentialFact, ...]:
    """Return when each credential ends, without opening anything else.

    Raises:
        Misconfigured: A file cannot be read.
    """
    facts: list[CredentialFact] = []
    for registration_id, credential in _credentials(settings, _NoSigner()).items():
        match credential:
            case ClientSecret():
                facts.append(CredentialFact(registration_id, "secret", False, None))
            case ClientCertificate() | ServiceCertificate():
                facts.append(_certificate_fact(registration_id, credential))
            case CertificatePair(current, previous):
                facts.append(_certificate_fact(registration_id, current))
                facts.append(_certificate_fact(registration_id, previous, is_previous=True))
    return tuple(facts)


def _certificate_fact(
    registration_id: str, certificate: Certificate, *, is_previous: bool = False
) -> CredentialFact:
    return CredentialFact(
        registration_id, "certificate", is_previous, certificate.expires_at, certificate.thumbprint
    )


async def _open_keys(settings: Settings, entropy: Entropy, clock: Clock, stack: AsyncExitStack) -> KeyService:
    match settings.key_service:
        case KeyBackEnd.FILE:
            return _open_key_file(settings, entropy, clock)
        case KeyBackEnd.AWS_KMS:
            return await asyncio.to_thread(
                lambda: KMSKeyService.connect(
                    region=str(settings.aws_region),
                    endpoint_url=settings.aws_kms_url,
                    prefix=settings.key_prefix,
                )
            )
        case KeyBackEnd.TRANSIT:
            # Not the session for Microsoft's hosts: this server may have a certificate authority of its own.
            session = await stack.enter_async_context(
                create_session(user_agent=f"ostiary/{__version__}", ca_file=settings.transit_ca_file)
            )
            return TransitKeyService(
                session,
                url=str(settings.transit_url),
                token_file=settings.transit_token_file or Path(),
                mount=settings.transit_mount,
                namespace=settings.transit_namespace,
                prefix=settings.key_prefix,
            )


def _open_key_file(settings: Settings, entropy: Entropy, clock: Clock) -> FileKeyService:
    path = settings.key_file
    if path is None:
        # Settings refuse this in production: there, a lost key file must never be replaced in silence.
        path = settings.data_dir / "keys.json"
        if not path.exists():
            create_key_file(path, name=clock.now().strftime("%Y-%m"), entropy=entropy)
    return FileKeyService.load(path, entropy=entropy, clock=clock)


async def _require_schema(settings: Settings, url: str) -> None:
    state = await asyncio.to_thread(schema_state, url)
    if state.is_usable:
        return
    if settings.profile is Profile.DEVELOPMENT:
        await asyncio.to_thread(upgrade, url)
        return
    found = state.current or "nothing"
    raise Misconfigured(
        f"The database has schema {found}, and this version needs {state.head}. Run: ostiary migrate"
    )


async def _require_durability(settings: Settings, engine: AsyncEngine) -> None:
    """Refuse a production database that may forget what it acknowledged (RR-1)."""
    if settings.profile is not Profile.PRODUCTION:
        return
    for name in await _switched_off(engine):
        raise Misconfigured(f"PostgreSQL runs with {name} off: it could lose what we told people is saved.")


async def weak_durability(url: str) -> tuple[str, ...]:
    """Return which of PostgreSQL's settings could lose what was acknowledged (RR-1)."""
    engine = create_engine(url, pool_size=1)
    try:
        return await _switched_off(engine)
    finally:
        await engine.dispose()


async def bypassing_login(url: str) -> str | None:
    """Return why the service's login could see every row without declaring it, or None (SR-64)."""
    engine = create_engine(url, pool_size=1)
    try:
        return await _bypassing(engine)
    finally:
        await engine.dispose()


async def _bypassing(engine: AsyncEngine) -> str | None:
    async with engine.connect() as connection:
        return await connection.run_sync(bypasses)


async def _require_confined_login(settings: Settings, engine: AsyncEngine) -> None:
    """Refuse a production login that row-level security does not hold (SR-64)."""
    if settings.profile is not Profile.PRODUCTION:
        return
    why = await _bypassing(engine)
    if why is not None:
        raise Misconfigured(
            f"The database login is not safe: {why}. docs/howto/production.md shows how to make one that is."
        )


async def _switched_off(engine: AsyncEngine) -> tuple[str, ...]:
    async with engine.connect() as connection:
        values = {
            name: await connection.scalar(text(f"SHOW {name}"))
            for name in ("fsync", "synchronous_commit", "full_page_writes")  # three fixed words
        }
    return tuple(name for name, value in values.items() if value == "off")


def _parameters(url: str) -> DatabaseParameters:
    plain = driver_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    # The queue's tables belong to no organization; the role gives the right to use them. No statement of the
    # queue lasts longer than one of the pool may (SR-106).
    options = f"-c timezone=UTC -c statement_timeout=15000 -c role={EGRESS_ALL}"
    return DatabaseParameters(plain, {"connect_timeout": 5, "options": options})


async def _ping(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))


class _BulkReadAlarm:
    """Says in log and metrics that somebody reads far more than usual."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def __call__(self, subject: str, level: Level) -> None:
        kind = INSTANCE if subject == INSTANCE else "key"
        self._metrics.bulk_read_alarms.labels(kind, level.name.lower()).inc()
        log.error("unusual mailbox reads", subject=subject, level=level.name.lower())


class _Observer:
    """Counts calls to Microsoft by service."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def __call__(self, *, path: str, status: int | None, seconds: float) -> None:
        service = _service(path)
        label = "error" if status is None else f"{status // 100}xx"
        self._metrics.microsoft_requests.labels(service, label).inc()
        self._metrics.microsoft_seconds.labels(service).observe(seconds)


class _DeliveryMeter:
    """Counts attempts to deliver webhooks."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def attempted(self, *, outcome: str, seconds: float) -> None:
        self._metrics.webhook_attempts.labels(outcome).inc()
        self._metrics.webhook_seconds.observe(seconds)

    def waited(self, *, seconds: float) -> None:
        self._metrics.webhook_wait_seconds.observe(seconds)


class _GovernorMeter:
    """Counts how mailboxes are slowed down, by access method and urgency."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def waited(self, method: AccessMethod, urgency: Urgency, seconds: float) -> None:
        self._metrics.turn_seconds.labels(method.value, urgency.value).observe(seconds)

    def refused(self, method: AccessMethod, urgency: Urgency) -> None:
        self._metrics.turns_refused.labels(method.value, urgency.value).inc()

    def paused(self, method: AccessMethod, seconds: float) -> None:
        self._metrics.pauses.labels(method.value).inc()


def _service(path: str) -> str:
    """Tell Microsoft's services apart by path: the emulator serves all of them from one host."""
    if path.startswith("/v1.0/"):
        return "graph"
    return "ews" if path.lower().startswith("/ews/") else "entra"
