"""Tenants and what lives in them: people, policies, service principals, grants."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from m365_emulator.world.user_agents import AccessPolicy

GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
PRIVILEGED_ROLE_ADMINISTRATOR = "e8611ab8-c189-46e8-94e1-60213ab1f814"
CLOUD_APPLICATION_ADMINISTRATOR = "158c047a-c907-4556-b7ef-446551a6b5f7"
APPLICATION_ADMINISTRATOR = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"
EXCHANGE_ADMINISTRATOR = "29232cdf-9323-42fd-ade2-1d097af3e4de"

ROLE_NAMES: dict[str, str] = {
    GLOBAL_ADMINISTRATOR: "Global Administrator",
    PRIVILEGED_ROLE_ADMINISTRATOR: "Privileged Role Administrator",
    CLOUD_APPLICATION_ADMINISTRATOR: "Cloud Application Administrator",
    APPLICATION_ADMINISTRATOR: "Application Administrator",
    EXCHANGE_ADMINISTRATOR: "Exchange Administrator",
}
"""Directory role template ids. Source: Microsoft Entra built-in roles reference."""

UserType = Literal["Member", "Guest"]
MailboxLocation = Literal["cloud", "on_premises"]
UserConsent = Literal["managed", "blocked", "open", "verified"]
ConsentType = Literal["AllPrincipals", "Principal"]
ReviewDecision = Literal["waiting", "approved", "denied", "blocked"]


@dataclass(slots=True)
class TenantPolicies:
    """Every switch of one tenant; a scenario is a set of changes to these."""

    user_consent: UserConsent = "managed"
    risky_app_step_up: bool = True
    admin_consent_workflow: bool = False
    consent_propagation_seconds: int = 0
    reconsent_drops_earlier_grants: bool = True
    withheld_scopes: list[str] = field(default_factory=list[str])
    """Delegated permissions that a consent silently fails to record."""

    ews_enabled: bool | None = None
    """`EwsEnabled` of the organization; None means never set."""
    ews_allowed_app_ids: list[str] = field(default_factory=list[str])
    ews_application_access_policy: AccessPolicy | None = None
    """Which of the two lists of user agents is enforced, on EWS and on Graph; `*` in them stands for anything."""
    ews_allow_list: list[str] = field(default_factory=list[str])
    ews_block_list: list[str] = field(default_factory=list[str])
    exchange_subscribed: bool = True
    mailboxes_missing: bool = False

    mfa_required: bool = False
    compliant_device_required: bool = False
    sign_in_blocked: bool = False
    allowed_locations_only: bool = False
    sign_in_frequency_seconds: int | None = None
    wrong_password: bool = False
    roles_inactive: bool = False
    """Directory roles are eligible but not activated (PIM)."""

    app_disabled: bool = False
    assignment_required: bool = False
    publisher_unverified: bool = False
    tenant_restrictions: bool = False
    cross_tenant_access_blocked: bool = False
    personal_accounts_only: bool = False
    wrong_account: Literal["other_tenant", "other_person"] | None = None
    decline_consent: bool = False
    omit_state: bool = False
    client_secret_expired: bool = False
    unknown_failure: bool = False
    outage: bool = False
    loop_after_requests: int | None = None
    """Equal requests for a person's token within five minutes from which on the client is told that it loops."""
    sign_in_error: int | None = None
    """AADSTS number that stops every sign-in on the page."""
    token_error: int | None = None
    """AADSTS number that answers every request for a token."""


@dataclass(eq=False, slots=True)
class User:
    """One person (or guest) in one tenant."""

    tenant: Tenant = field(repr=False)
    oid: str
    upn: str
    display_name: str
    mail: str | None = None
    proxy_addresses: list[str] = field(default_factory=list[str])
    """SMTP addresses without the `SMTP:` prefix; the primary one first."""
    roles: list[str] = field(default_factory=list[str])
    """Directory role template ids that the person holds."""
    licensed: bool = True
    user_type: UserType = "Member"
    mailbox_location: MailboxLocation | None = "cloud"
    account_enabled: bool = True
    ews_enabled: bool | None = None
    """`EwsEnabled` of the mailbox (Set-CASMailbox); None means never set."""
    ews_application_access_policy: AccessPolicy | None = None
    ews_allow_list: list[str] = field(default_factory=list[str])
    ews_block_list: list[str] = field(default_factory=list[str])
    """The mailbox's own policy by user agent, beside the organization's."""
    frontline_licence: bool = False
    """Only a kiosk or frontline licence (Exchange Online Kiosk, F1, F3): a mailbox without EWS."""
    deleted: bool = False
    home_oid: str | None = None
    home_tenant_id: str | None = None
    """For guests: the identity in the home tenant."""
    sessions_valid_from: datetime | None = None
    """Refresh tokens and sessions issued earlier are dead."""
    browser_sessions_valid_from: datetime | None = None
    """Browser sessions begun earlier are over, refresh tokens of servers are not: a changed password."""
    mfa_required: bool = False
    password_expired: bool = False
    token_error: int | None = None
    """AADSTS number that answers every request for this person's tokens."""
    given_name: str | None = None
    surname: str | None = None
    job_title: str | None = None
    time_zone: str = "UTC"

    @property
    def addresses(self) -> list[str]:
        """Every address that names this person, lower case, without repeats."""
        found = [self.upn, *([self.mail] if self.mail else []), *self.proxy_addresses]
        return list(dict.fromkeys(address.lower() for address in found))

    @property
    def is_guest(self) -> bool:
        """True for a B2B guest, whose mailbox (if any) is in another tenant."""
        return self.user_type == "Guest"


@dataclass(eq=False, slots=True)
class ServicePrincipal:
    """An app's object in one tenant ("enterprise application")."""

    id: str
    app_id: str
    display_name: str
    created_at: datetime
    account_enabled: bool = True
    app_role_assignment_required: bool = False
    assigned_oids: set[str] = field(default_factory=set[str])


@dataclass(eq=False, slots=True)
class Oauth2PermissionGrant:
    """Delegated permissions granted to a client for one resource."""

    id: str
    client_app_id: str
    resource_app_id: str
    consent_type: ConsentType
    principal_oid: str | None
    scopes: set[str]
    effective_at: datetime
    """Tokens do not see the grant before this moment (propagation)."""


@dataclass(eq=False, slots=True)
class AppRoleAssignment:
    """An application permission granted to a client's service principal."""

    id: str
    client_app_id: str
    resource_app_id: str
    role: str
    created_at: datetime
    effective_at: datetime


@dataclass(eq=False, slots=True)
class ConsentRequest:
    """A person's request, in Microsoft's own workflow, that an app be approved."""

    id: str
    app_id: str
    requested_by_oid: str
    reason: str
    scopes: list[str]
    created_at: datetime
    decision: ReviewDecision = "waiting"
    decided_by_oid: str | None = None
    decided_at: datetime | None = None


@dataclass(eq=False, slots=True)
class Tenant:
    """One Microsoft Entra directory."""

    id: str
    display_name: str
    domains: list[str]
    """Verified domains; the first is the default one."""
    policies: TenantPolicies = field(default_factory=TenantPolicies)
    region: str = "EU"
    country: str = "GB"
    users: list[User] = field(default_factory=list[User], repr=False)
    service_principals: dict[str, ServicePrincipal] = field(
        default_factory=dict[str, ServicePrincipal], repr=False
    )
    """By application id."""
    grants: list[Oauth2PermissionGrant] = field(default_factory=list[Oauth2PermissionGrant], repr=False)
    app_role_assignments: list[AppRoleAssignment] = field(default_factory=list[AppRoleAssignment], repr=False)
    consent_requests: list[ConsentRequest] = field(default_factory=list[ConsentRequest], repr=False)
    reviewer_oids: list[str] = field(default_factory=list[str])
    """Who reviews consent requests; they need consent rights to approve."""
    sessions_valid_from: datetime | None = None
    scenario: str | None = None

    @property
    def default_domain(self) -> str:
        """The domain used in new names."""
        return self.domains[0]
