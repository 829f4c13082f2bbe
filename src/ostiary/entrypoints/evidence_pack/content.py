"""What the pack says. Every fact comes from the settings or from the constant the code itself goes by."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final
from urllib.parse import urlsplit

from ostiary import __version__
from ostiary.bootstrap import microsoft_hosts
from ostiary.core.access.model import SESSION_ABSOLUTE_LIFE, SESSION_IDLE_LIFE
from ostiary.core.approvals.model import REQUEST_LIFE
from ostiary.core.connections.model import CONFIRMATION_LIFE, CONNECT_SESSION_LIFE
from ostiary.core.connections.retention import KEPT_FOR, Leftover
from ostiary.core.connections.service import BACKUP_DAYS
from ostiary.core.consent.model import EWS_ENDS_ON, LINK_LIFE
from ostiary.core.consent.permissions import OPENID_SCOPES, PERMISSIONS
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.notices.model import KEPT_FOR as MAILS_KEPT_FOR
from ostiary.core.reasons.explain import fill
from ostiary.core.signin.model import AUTHORIZATION_REQUEST_LIFE, Registrations
from ostiary.core.vault.service import DATA_KEY_BYTES
from ostiary.entrypoints.evidence_pack.assurance import ASVS
from ostiary.entrypoints.evidence_pack.components import components
from ostiary.entrypoints.evidence_pack.model import EvidencePack, Section, Table
from ostiary.settings import KeyBackEnd, Settings

_KEY_KEEPERS: Final = {
    KeyBackEnd.FILE: "a key file that is kept apart from the database and its backups",
    KeyBackEnd.AWS_KMS: "AWS KMS, which the keys never leave",
    KeyBackEnd.TRANSIT: "the Transit engine of a Vault or OpenBao server, which the keys never leave",
}

_LEFTOVERS: Final = {
    Leftover.CONSOLE_SESSIONS: "console sessions",
    Leftover.SIGN_IN_LINKS: "sign-in links",
    Leftover.CONNECT_SESSIONS: "connect sessions",
    Leftover.APPROVAL_ATTEMPTS: "attempts to approve",
    Leftover.APPROVAL_LINKS: "approval links",
    Leftover.APPROVAL_REQUESTS: "answered approval requests",
    Leftover.INCIDENTS: "solved incidents",
}


def build_pack(settings: Settings, registrations: Registrations, *, today: date) -> EvidencePack:
    """Return the pack of this instance as it is configured now."""
    vendor = settings.vendor_name
    return EvidencePack(
        title=f"Evidence pack: {settings.vendor_app_name}",
        lead=f"What connecting {vendor} to Microsoft 365 means for your organization: read it before you approve.",
        as_of=today,
        sections=(
            _at_a_glance(settings, registrations),
            _permissions(settings, registrations),
            _data_flow(settings),
            _hosts(settings),
            _kept(settings),
            _cryptography(settings),
            _withdraw(settings, registrations),
            _assurance(),
            _components(),
            _contact(settings),
        ),
    )


def _methods(registrations: Registrations) -> tuple[AccessMethod, ...]:
    offered = {method for registration in registrations for method in registration.methods}
    return tuple(method for method in PERMISSIONS if method in offered)


def _at_a_glance(settings: Settings, registrations: Registrations) -> Section:
    ids = ", ".join(dict.fromkeys(each.client_id for each in registrations))
    verified = "verified by Microsoft" if settings.vendor_publisher_verified else "not verified by Microsoft"
    methods = " and ".join(method.label for method in _methods(registrations))
    rows = [
        ("App", settings.vendor_app_name),
        ("Publisher", f"{settings.vendor_publisher} ({verified})"),
        ("Application ID", ids),
        ("Connects over", methods),
        ("Kind of permissions", "Delegated only: for people who signed in and connected, one by one"),
        ("Who may approve", "Global, Privileged Role, Cloud Application or Application Administrator"),
        ("Connection service", f"Ostiary {__version__}, run by or for {settings.vendor_name}"),
    ]
    if AccessMethod.EWS in _methods(registrations):
        rows.append(("End of EWS", f"Microsoft ends it on {EWS_ENDS_ON.day} {EWS_ENDS_ON:%B %Y}"))
    return Section("glance", "At a glance", tables=(Table("The app", ("Fact", "Value"), tuple(rows)),))


def _permissions(settings: Settings, registrations: Registrations) -> Section:
    values = {"vendor": settings.vendor_name}
    heads = ("Microsoft calls it", f"{settings.vendor_name} can", "So that")
    tables = [
        Table(
            method.label,
            heads,
            tuple(
                (each.name, fill(each.can, values), fill(each.so_that, values))
                for each in PERMISSIONS[method]
            ),
        )
        for method in _methods(registrations)
    ]
    return Section(
        "permissions",
        "Permissions, and why",
        f"All are delegated. No application permission is asked for, so {settings.vendor_name} reaches no mailbox "
        f"whose owner did not connect it. Signing in adds {', '.join(OPENID_SCOPES)}: who it is, and staying "
        "connected.",
        tables=tuple(tables),
    )


def _data_flow(settings: Settings) -> Section:
    vendor = settings.vendor_name
    login = _host(microsoft_hosts(settings)["sign-in"])
    return Section(
        "flow",
        "Data flow",
        "Passwords are typed at Microsoft only, and neither seen nor asked for here.",
        steps=(
            f"You approve at {login}. We then ask Microsoft, with your own sign-in, who approved and what, keep the "
            "answer, and drop the sign-in.",
            f"A person with a {vendor} licence starts in {vendor}, signs in at {login} and comes back with a code "
            f"that is good once, for {_written(AUTHORIZATION_REQUEST_LIFE)}, in that browser. We exchange it for a "
            "refresh token and keep that encrypted.",
            f"{vendor}’s server says within {_written(CONFIRMATION_LIFE)} that this was its own signed-in user. If it "
            "does not, the token is destroyed.",
            f"When {vendor} needs mail or calendar of that person, we ask Microsoft with a short-lived access token "
            f"and pass the answer on to {vendor}’s server. Tokens are not handed out.",
            "Every approval, connection and change is put on an audit trail that can only grow.",
        ),
    )


def _hosts(settings: Settings) -> Section:
    hosts = microsoft_hosts(settings)
    rows = [
        (_host(hosts["sign-in"]), "Sign-in and tokens", "Codes, refresh tokens, the app’s own credential"),
        (_host(hosts["graph"]), "Mail, calendar, who signed in", "Access tokens and the calls themselves"),
    ]
    if settings.offer_ews:
        rows.append((_host(hosts["ews"]), "Mail and calendar over EWS", "Access tokens and the calls"))
    rows.append((_host(settings.public_url), "Our own pages, called by browsers", "What people type there"))
    rows.extend(
        (host, f"{settings.vendor_name}’s own app, called by browsers", "A one-time completion code")
        for host in dict.fromkeys(_host(address) for address in settings.return_urls)
    )
    if settings.smtp_url is not None:
        rows.append(
            ("A mail server of the vendor", "Requests and notices", "Names, addresses, one-time links")
        )
    return Section(
        "hosts",
        "Hosts contacted",
        "Everything goes over TLS 1.2 or newer with certificates checked. No other host is called: no trackers, no "
        "analytics, nothing from other companies on any page.",
        tables=(Table("Hosts", ("Host", "What for", "What is sent"), tuple(rows)),),
    )


def _kept(settings: Settings) -> Section:
    until = f"Until disconnected; then destroyed at once, in backups within {BACKUP_DAYS} days"
    rows = (
        (f"Mail and calendar, by {settings.vendor_name}", settings.vendor_data_kept, "As said there"),
        ("Mail and calendar, by this service", "Nothing: they pass through", "Not kept"),
        ("Refresh token of each connected person", "Encrypted", until),
        ("Access tokens", "In memory, and encrypted in the database", "Until they expire, about an hour"),
        ("People", "Name, address, Microsoft’s ids, licence", "Until erased for the customer"),
        ("Approvals", "Who approved what, when, and how we know", "Until erased for the customer"),
        ("Audit trail", "Who did what, when, from which address", f"{settings.audit_retention_days} days"),
        ("Approval requests", "Who asked, for what reason", f"Open for {_written(REQUEST_LIFE)}"),
        ("Approval links", "A hash", f"Work for {_written(LINK_LIFE)}, once"),
        ("Connect sessions", "A hash", f"Work for {_written(CONNECT_SESSION_LIFE)}, once"),
        (
            "Console sessions",
            "A hash",
            f"End after {_written(SESSION_IDLE_LIFE)} unused, {_written(SESSION_ABSOLUTE_LIFE)} at most",
        ),
        *(
            (
                f"Left over: {what}",
                "What it was, when, by whom",
                f"{_written(KEPT_FOR[leftover])} after its end",
            )
            for leftover, what in _LEFTOVERS.items()
        ),
        ("Mails we sent", "To whom, about what; no text", _written(MAILS_KEPT_FOR)),
        ("Backups", f"Sealed copies of the above, at most {BACKUP_DAYS} days old", f"{BACKUP_DAYS} days"),
    )
    return Section(
        "kept",
        "What is kept, and for how long",
        tables=(Table("Kept data", ("Data", "What is kept", "How long"), rows),),
    )


def _assurance() -> Section:
    return Section(
        "assurance",
        "Security verification",
        "By chapters of OWASP ASVS 5.0, with the requirements of ours that each answer comes from.",
        tables=(Table("Verification", ("Chapter", "Answer", "Requirements"), ASVS),),
    )


def _components() -> Section:
    rows = tuple((each.name, each.version, each.licence) for each in components())
    return Section(
        "components",
        "Software bill of materials",
        f"Ostiary {__version__} and the {len(rows)} parts it needs to run, as installed here.",
        tables=(Table("Components", ("Component", "Version", "Licence"), rows),),
    )


def _cryptography(settings: Settings) -> Section:
    bits = DATA_KEY_BYTES * 8
    credential = (
        "Certificate; signed assertion (PS256)"
        if settings.app_certificate_file is not None
        else "Client secret, which Microsoft advises against"
    )
    rows = (
        ("Saved tokens", f"AES-{bits}-GCM, a key per value, bound to person and customer", "Per value"),
        ("Keys of those keys", _KEY_KEEPERS[settings.key_service].capitalize(), "Per customer"),
        ("Derived keys", "HKDF with SHA-256", "Per purpose"),
        (
            "Sign-in round trips",
            "Authorization code with PKCE (S256), state and nonce of 256 bits",
            "Per sign-in",
        ),
        (
            "ID tokens",
            "RS256 or PS256; issuer, audience, times and nonce checked against Microsoft’s keys",
            "Microsoft’s",
        ),
        ("The app’s own credential", credential, "Per app registration"),
        ("Links, sessions, API keys", "256-bit random; only SHA-256 or HMAC-SHA-256 is stored", "Per item"),
        ("Audit trail", "SHA-256 chain over all records, so that a change shows", "Per instance"),
        ("Connections", "TLS 1.2 or newer", "Per connection"),
    )
    return Section(
        "cryptography",
        "Cryptography",
        tables=(Table("Inventory", ("For", "What", "Key"), rows),),
    )


def _withdraw(settings: Settings, registrations: Registrations) -> Section:
    vendor = settings.vendor_name
    ids = " or ".join(dict.fromkeys(each.client_id for each in registrations))
    return Section(
        "withdraw",
        "How to withdraw",
        "We cannot take a permission away at Microsoft; you can, at any time and without us.",
        steps=(
            f"For one person: they choose Disconnect in {vendor}. The saved sign-in is destroyed at once.",
            f"For some or all, without a {vendor} account: sign in at {settings.public_url.rstrip('/')}/trust with "
            "your work account, see who is connected, and disconnect them.",
            f"At Microsoft, for everyone: Microsoft Entra admin center, Enterprise applications, {vendor}’s app "
            f"(application ID {ids}), Properties, Delete. Or Permissions, to take single ones away. We notice within "
            "the hour and stop.",
            "At Microsoft, for one person: Users, that person, Applications, remove; and revoke their sessions.",
        ),
    )


def _contact(settings: Settings) -> Section:
    rows = [("Questions, and reports of weaknesses", settings.vendor_help_email)]
    if settings.vendor_privacy_url is not None:
        rows.append(("Privacy notice", settings.vendor_privacy_url))
    rows.append(("How to check our pages are genuine", f"{settings.public_url.rstrip('/')}/genuine"))
    return Section("contact", "Contact", tables=(Table("Contact", ("For", "Where"), tuple(rows)),))


def _host(address: str) -> str:
    return urlsplit(address).netloc


def _written(life: timedelta) -> str:
    """``10 minutes``, ``3 days``: in the largest unit that leaves nothing over."""
    seconds = int(life.total_seconds())
    for length, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds % length == 0:
            count = seconds // length
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds} seconds"
