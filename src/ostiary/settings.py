"""Every setting: name, type, default, one line of meaning. Read from ``OSTIARY_…`` variables, once, at start."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ostiary.core.access.bulk_reads import CeilingAction


class Profile(StrEnum):
    """How strict start-up is."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"


class KeyBackEnd(StrEnum):
    """Who keeps the key-encryption keys."""

    FILE = "file"
    AWS_KMS = "aws-kms"
    TRANSIT = "transit"


RateLimit = Annotated[str, Field(pattern=r"^(off|[1-9][0-9]{0,6}/([1-9][0-9]{0,2})?[smh])$")]
"""How often something may be tried: ``300/10m``, ``20/s``, ``5000/h``, or ``off``."""


class Settings(BaseSettings):
    """The instance's settings. Secrets are file paths or masked values, never printed."""

    # Pydantic would print what was given, and with it a secret, in its own messages.
    model_config = SettingsConfigDict(
        env_prefix="OSTIARY_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    profile: Profile = Field(
        Profile.PRODUCTION,
        description="`production` refuses anything unsafe; `development` allows loopback and the emulator.",
    )
    data_dir: Path = Field(
        Path("var"), description="Folder for the embedded database and the development key file."
    )
    database_url: SecretStr | None = Field(
        None,
        description="PostgreSQL address. Empty starts the embedded server in the data folder (development only).",
    )
    database_migration_url: SecretStr | None = Field(
        None,
        description="PostgreSQL address for `ostiary migrate`: of the role that owns the tables. Empty: the same one.",
    )
    database_pool_size: int = Field(10, ge=2, le=100, description="Most database connections per process.")

    webhook_ports: Annotated[tuple[int, ...], NoDecode] = Field(
        (443,), description="Ports that webhook endpoints may use, comma-separated."
    )
    webhook_private_destinations: bool = Field(
        False,
        description="Let webhooks go to plain http and to private networks. For development only.",
    )
    webhook_signing_key_file: Path | None = Field(
        None,
        description="File with 32 random bytes in base64 that signing secrets are derived from. Empty derives them from the "
        "key service. A process of `ostiary sender` with this file needs no other key.",
    )
    worker_sends_webhooks: bool = Field(
        True, description="Whether workers send webhooks, too. Off where `ostiary sender` runs by itself."
    )
    mailbox_calls_at_once: int = Field(
        4,
        ge=1,
        le=27,
        description="Calls to one mailbox at once, over all processes. Graph refuses a fifth one of an app.",
    )
    mailbox_calls_per_10_minutes: int = Field(
        10_000, ge=100, description="Calls to one mailbox in 10 minutes, over all processes."
    )

    host: str = Field("127.0.0.1", description="Address `ostiary serve` listens on.")
    port: int = Field(8080, ge=0, le=65535, description="Port `ostiary serve` listens on.")
    public_url: str = Field(
        "http://localhost:8080",
        description="Address of the approval and connect pages as people's browsers see it.",
    )
    console_url: str | None = Field(
        None, description="Address of the console and API; empty means the public address."
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Proxy addresses whose forwarded headers count, comma-separated."
    )
    return_urls: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Exact https addresses of your app that a connect session may return to, comma-separated.",
    )

    vendor_name: str = Field(..., min_length=1, description="Your product's name, as customers know it.")
    vendor_app_name: str = Field(
        ..., min_length=1, description="Display name of your app registration, as Microsoft's page shows it."
    )
    vendor_publisher: str = Field(..., min_length=1, description="Publisher name of your app registration.")
    vendor_publisher_verified: bool = Field(
        False, description="True once Microsoft shows the verified badge."
    )
    vendor_help_email: str = Field(..., description="Where people write when they are stuck.")
    vendor_data_kept: str = Field(
        ...,
        min_length=20,
        description="What your product keeps, where, and for how long: shown before anyone approves.",
    )
    vendor_app_url: str | None = Field(None, description="Where *Go to {vendor}* leads.")
    vendor_privacy_url: str | None = Field(None, description="Your privacy notice.")

    cloud: str = Field("global", description="Microsoft cloud: `global`, `usgov`, `dod`, `china`.")
    login_url: str | None = Field(
        None, description="Other sign-in host, such as an emulator's (development only)."
    )
    graph_url: str | None = Field(None, description="Other Graph host (development only).")
    ews_url: str | None = Field(None, description="Other EWS endpoint (development only).")
    ca_file: Path | None = Field(
        None, description="Extra certificate authority to trust for Microsoft's hosts (development only)."
    )

    app_client_id: str = Field(..., description="Application (client) ID of your app registration.")
    app_certificate_file: Path | None = Field(
        None, description="PEM file with the private key and certificate the registration knows (preferred)."
    )
    app_certificate_key: str | None = Field(
        None,
        description=(
            "Key of the key service that signs for the certificate: the private key is never on this machine, and the "
            "file holds the certificate alone. `aws-kms`: key id or alias; `transit`: name, or `name:v2`."
        ),
    )
    app_certificate_previous_key: str | None = Field(
        None, description="As above, for the certificate being replaced."
    )
    app_certificate_previous_file: Path | None = Field(
        None, description="The certificate being replaced, as PEM; tried when the new one is not known yet."
    )
    app_secret: SecretStr | None = Field(
        None, description="Client secret; needs `OSTIARY_ALLOW_CLIENT_SECRET=true`."
    )
    app_secret_file: Path | None = Field(None, description="File that holds the client secret.")
    allow_client_secret: bool = Field(
        False, description="Accept a client secret instead of a certificate (a standing warning is shown)."
    )
    ews_app_client_id: str | None = Field(
        None, description="Own registration for EWS; empty means one registration for both."
    )
    ews_app_certificate_file: Path | None = Field(None, description="As above, for the EWS registration.")
    ews_app_certificate_key: str | None = Field(None, description="As above, for the EWS registration.")
    ews_app_certificate_previous_key: str | None = Field(
        None, description="As above, for the EWS registration."
    )
    ews_app_certificate_previous_file: Path | None = Field(
        None, description="As above, for the EWS registration."
    )
    ews_app_secret: SecretStr | None = Field(None, description="As above, for the EWS registration.")
    ews_app_secret_file: Path | None = Field(None, description="As above, for the EWS registration.")
    offer_ews: bool = Field(True, description="Offer EWS at all. It ends on 1 April 2027 either way.")

    key_service: KeyBackEnd = Field(
        KeyBackEnd.FILE,
        description="Who keeps the key-encryption keys: `file`, `aws-kms`, or `transit` (HashiCorp Vault, OpenBao).",
    )
    key_file: Path | None = Field(
        None,
        description="`file`: the file with the keys, outside the database and its backups. Required in production.",
    )
    key_prefix: str = Field(
        "ostiary",
        pattern=r"^[A-Za-z0-9_-]{1,40}$",
        description="`aws-kms`, `transit`: how this instance's keys are called; two instances need two prefixes.",
    )
    aws_region: str | None = Field(None, description="`aws-kms`: region of the keys, such as `eu-west-1`.")
    aws_kms_url: str | None = Field(None, description="`aws-kms`: another address, such as a VPC endpoint's.")
    transit_url: str | None = Field(
        None, description="`transit`: address of the server, such as `https://vault.internal:8200`."
    )
    transit_token_file: Path | None = Field(
        None,
        description="`transit`: file with the token; read for every call, so that an agent may renew it.",
    )
    transit_mount: str = Field("transit", description="`transit`: where the engine is mounted.")
    transit_namespace: str | None = Field(None, description="`transit`: the namespace, where there are some.")
    transit_ca_file: Path | None = Field(
        None, description="`transit`: certificate authority of the server, beside the system's."
    )

    smtp_url: SecretStr | None = Field(
        None,
        description=(
            "Mail server: `smtp://user:password@host:587` (STARTTLS required, except to this machine) or "
            "`smtps://user:password@host:465`. Empty: no mail is sent, and pages offer the text to send instead."
        ),
    )
    mail_from: str | None = Field(
        None, description="Address mails come from; required with `OSTIARY_SMTP_URL`."
    )

    change_detection: Literal["push", "poll"] = Field(
        "push",
        description=(
            "`push`: Microsoft tells this instance when a mailbox changed; its public address must be reachable from "
            "the internet. `poll`: mailboxes are read every `OSTIARY_POLL_SECONDS` instead."
        ),
    )
    poll_seconds: int = Field(
        60, ge=10, le=86_400, description="How often a mailbox is read where nobody tells that it changed."
    )
    sweep_minutes: int = Field(
        360,
        ge=5,
        le=10_080,
        description="How often a mailbox is read completely all the same: the proof that nothing was missed.",
    )
    backfill_days: int = Field(
        90,
        ge=0,
        le=36_500,
        description="How many days back the first reading of a mailbox tells of what was there. 0: of nothing that is over.",
    )
    sync_concurrency: int = Field(
        8,
        ge=0,
        le=100,
        description="Most mailboxes one worker reads at the same time. 0: it follows none, and other workers do.",
    )
    streams_per_worker: int = Field(
        500, ge=1, le=5_000, description="Most EWS streams one worker holds open, one for each mailbox."
    )

    log_level: str = Field("INFO", description="`DEBUG`, `INFO`, `WARNING` or `ERROR`.")
    log_format: str = Field("json", description="`json` for machines, `text` for people.")
    bulk_read_ceiling_key: int = Field(
        50_000, ge=1, description="Most API calls that read mailboxes, in one hour with one key."
    )
    bulk_read_ceiling: int = Field(
        200_000, ge=1, description="Most API calls that read mailboxes, in one hour with all keys together."
    )
    bulk_read_action: CeilingAction = Field(
        CeilingAction.STOP,
        description=(
            "What happens at these ceilings besides the alarm: `alert` nothing, `stop` no more reads in that hour, "
            "`freeze` the kill switch for everything."
        ),
    )
    idle_days: int = Field(
        90,
        ge=0,
        le=3650,
        description=(
            "A connection that nobody used for this long is disconnected; its person hears of it 14 days before. "
            "0 keeps it."
        ),
    )
    audit_retention_days: int = Field(
        400, ge=30, description="How long audit records are kept. Shorter than a year is rarely wise."
    )
    metrics_token: SecretStr | None = Field(
        None, description="Bearer token for `/metrics`. Empty: metrics answer on the loopback only."
    )
    rate_limit_sign_in: RateLimit = Field(
        "300/10m",
        description="Sign-ins that one address may start. As `300/10m`, `20/s`, `5000/h`, or `off`.",
    )
    rate_limit_consent: RateLimit = Field(
        "300/10m", description="Approvals that one address, or one link, may start or check."
    )
    rate_limit_link: RateLimit = Field("600/10m", description="Links that one address may open.")
    rate_limit_connect: RateLimit = Field(
        "600/10m", description="Connections that one address, or one connect session, may start."
    )
    rate_limit_return: RateLimit = Field(
        "1200/10m", description="Returns from Microsoft that one address may bring."
    )
    rate_limit_mail: RateLimit = Field(
        "200/h", description="Acts that make us write a mail, for one address and for one organization."
    )
    rate_limit_api: RateLimit = Field("30000/m", description="Calls of the API with one key.")
    rate_limit_guess: RateLimit = Field(
        "120/10m", description="Wrong keys, links and returns from one address; the right ones still work."
    )
    api_key_overlap_hours: float = Field(
        24, ge=0, le=168, description="How long a rotated API key goes on beside the new one."
    )
    operator_mfa: Annotated[str, Field(pattern=r"^(off|amr|c[1-9][0-9]?)$")] = Field(
        "off",
        description=(
            "How the ID token must show that an operator passed MFA: `off`; `amr` (it lists `mfa`); or `c1` to `c99` "
            "(it lists this authentication context, which Conditional Access in your own tenant ties to MFA)."
        ),
    )
    workers_inside: bool = Field(
        False, description="Run the background worker inside `ostiary serve` (one-machine set-ups)."
    )
    worker_concurrency: int = Field(
        8, ge=1, le=100, description="Most jobs one worker runs at the same time."
    )
    shutdown_seconds: float = Field(
        25.0, gt=0, le=120, description="Longest time a stopping process may finish its work."
    )

    @field_validator("trusted_proxies", "return_urls", "webhook_ports", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @model_validator(mode="after")
    def _require_credentials(self) -> Self:
        problems: list[str] = []
        if (
            self.ews_app_client_id is not None
            and self.ews_app_client_id.lower() == self.app_client_id.lower()
        ):
            # Consent is given to a client ID: two registrations that share one would share it unseen (SR-7).
            problems.append("OSTIARY_EWS_APP_CLIENT_ID must be another registration’s, or empty")
        for prefix in ("app", "ews_app"):
            if prefix == "ews_app" and self.ews_app_client_id is None:
                continue
            named = f"OSTIARY_{prefix.upper()}"
            certificate = getattr(self, f"{prefix}_certificate_file")
            secrets = [getattr(self, f"{prefix}_secret"), getattr(self, f"{prefix}_secret_file")]
            given = [secret for secret in secrets if secret is not None]
            if certificate is None and not given:
                problems.append(
                    f"{named}_CERTIFICATE_FILE is required (or a client secret, explicitly allowed)"
                )
            if len(given) == 2:
                problems.append(f"give {named}_SECRET or {named}_SECRET_FILE, not both")
            for which in ("certificate", "certificate_previous"):
                key = getattr(self, f"{prefix}_{which}_key")
                if key is not None and getattr(self, f"{prefix}_{which}_file") is None:
                    problems.append(f"{named}_{which.upper()}_KEY needs {named}_{which.upper()}_FILE")
                if key is not None and self.key_service is KeyBackEnd.FILE:
                    problems.append(
                        f"{named}_{which.upper()}_KEY needs OSTIARY_KEY_SERVICE=aws-kms or transit"
                    )
            if certificate is None and given and not self.allow_client_secret:
                problems.append(f"{named}_SECRET needs OSTIARY_ALLOW_CLIENT_SECRET=true")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @model_validator(mode="after")
    def _require_key_service(self) -> Self:
        needed = {
            KeyBackEnd.FILE: (),
            KeyBackEnd.AWS_KMS: ("aws_region",),
            KeyBackEnd.TRANSIT: ("transit_url", "transit_token_file"),
        }[self.key_service]
        missing = [f"OSTIARY_{name.upper()}" for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f"OSTIARY_KEY_SERVICE={self.key_service.value} needs {', '.join(missing)}")
        return self

    @field_validator("idle_days")
    @classmethod
    def _longer_than_the_warning(cls, value: int) -> int:
        if 0 < value < 30:
            raise ValueError("must be 0, or at least 30 days")
        return value

    @model_validator(mode="after")
    def _require_sender(self) -> Self:
        if self.smtp_url is not None and self.mail_from is None:
            raise ValueError("OSTIARY_SMTP_URL needs OSTIARY_MAIL_FROM")
        return self

    @field_validator("mail_from")
    @classmethod
    def _one_address(cls, value: str | None) -> str | None:
        if value is None or re.fullmatch(r"[^\s@<>\"(),:;]+@[^\s@<>\"(),:;]+", value):
            return value
        raise ValueError("must be one bare address, such as connect@example.com")

    @model_validator(mode="after")
    def _refuse_unsafe_production(self) -> Self:
        if self.profile is not Profile.PRODUCTION:
            return self
        problems: list[str] = []
        for name in ("public_url", "console_url"):
            address = getattr(self, name)
            if address is not None and not _is_public_https(address):
                problems.append(f"OSTIARY_{name.upper()} must be a public https address")
        for name in ("login_url", "graph_url", "ews_url", "ca_file"):
            if getattr(self, name) is not None:
                problems.append(f"OSTIARY_{name.upper()} is for development only")
        if self.webhook_private_destinations:
            problems.append("OSTIARY_WEBHOOK_PRIVATE_DESTINATIONS is for development only")
        if self.database_url is None:
            problems.append("OSTIARY_DATABASE_URL is required")
        if self.key_service is KeyBackEnd.FILE and self.key_file is None:
            problems.append("OSTIARY_KEY_FILE is required")
        for name in ("aws_kms_url", "transit_url"):
            address = getattr(self, name)
            if address is not None and urlsplit(address).scheme != "https":
                problems.append(f"OSTIARY_{name.upper()} must be an https address")
        for address in self.return_urls:
            if not _is_public_https(address):
                problems.append("OSTIARY_RETURN_URLS must hold https addresses only")
        if problems:
            raise ValueError("these settings are not safe in production: " + "; ".join(problems))
        return self

    @property
    def effective_console_url(self) -> str:
        """Where the console and API are."""
        return self.console_url or self.public_url


class SettingsError(Exception):
    """The settings are incomplete or unsafe; the message names each variable and never its value."""


def load_settings(env_file: Path | None = None) -> Settings:
    """Read the settings from the environment, and from ``env_file`` where the environment is silent.

    Raises:
        SettingsError: Something is missing or wrong; fix the environment and start again.
    """
    try:
        return Settings(_env_file=env_file)  # pyright: ignore[reportCallIssue] - the values come from outside
    except ValidationError as error:
        raise SettingsError("\n".join(_lines(error))) from None


def _lines(error: ValidationError) -> list[str]:
    lines: list[str] = []
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        name = "_".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        lines.append(f"OSTIARY_{name.upper()}: {message}" if name else message)
    return lines


def _is_public_https(address: str) -> bool:
    parts = urlsplit(address)
    host = parts.hostname or ""
    loopback = host == "localhost" or host.startswith("127.") or host == "::1" or host.endswith(".localhost")
    return parts.scheme == "https" and bool(host) and not loopback
