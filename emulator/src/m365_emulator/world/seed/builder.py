"""Turn a seed file into tenants, people and app registrations."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml

from m365_emulator.world.apps import AppRegistration, ClientSecret, FederatedCredential, RedirectURI
from m365_emulator.world.grants import ConsentRecord, ensure_service_principal, record_consent
from m365_emulator.world.ids import stable_guid
from m365_emulator.world.resources import EXCHANGE, GRAPH
from m365_emulator.world.tenants import ROLE_NAMES, Tenant, TenantPolicies, User
from m365_emulator.world.user_agents import ACCESS_POLICIES

if TYPE_CHECKING:
    from m365_emulator.world.world import World

_RESOURCE_NAMES = {"graph": GRAPH, "exchange": EXCHANGE}
_ROLES = {name.lower(): template_id for template_id, name in ROLE_NAMES.items()}
_WORLD_BEGAN = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
"""When seeded app registrations and grants came to be."""


class SeedError(ValueError):
    """The seed file says something the emulator does not know; fix the file."""


@dataclass(slots=True)
class SeedSource:
    """Where the world comes from, kept so that a reset can build it again."""

    name: str = "sample"
    """`sample`, `empty`, or the path of a YAML file."""
    messages_per_mailbox: int | None = None
    """Overrides the file's number."""
    redirect_uris: list[str] = field(default_factory=list[str])
    """Reply addresses added to the first app registration."""
    client_secrets: list[str] = field(default_factory=list[str], repr=False)
    """Secrets that replace those of the first app registration."""
    certificates: list[str] = field(default_factory=list[str], repr=False)
    """PEM certificates added to the first app registration."""
    text: str | None = field(default=None, repr=False)
    """The file itself, when it was sent to a running emulator; `name` only says so then."""

    def read(self) -> dict[str, Any]:
        """Return the parsed file.

        Raises:
            SeedError: There is no such file, or it is not a YAML mapping.
        """
        if self.name == "empty":
            return {}
        try:
            if self.text is not None:
                text = self.text
            elif self.name == "sample":
                text = resources.files("m365_emulator.world.seed").joinpath("sample.yaml").read_text("utf-8")
            else:
                text = Path(self.name).read_text("utf-8")
            loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
            parsed: object = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader either way
        except OSError as error:
            raise SeedError(f"Cannot read the seed file {self.name}: {error.strerror}.") from error
        except yaml.YAMLError as error:
            raise SeedError(f"The seed file {self.name} is not valid YAML: {error}") from error
        if not isinstance(parsed, dict):
            raise SeedError(f"The seed file {self.name} must be a mapping.")
        return cast("dict[str, Any]", parsed)


def build(world: World, source: SeedSource) -> None:
    """Fill an empty world from the seed.

    Raises:
        SeedError: The file is wrong; its message says where.
    """
    data = source.read()
    try:
        _build(world, source, data)
    except SeedError:
        raise
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise SeedError(f"The seed file has something of the wrong kind in it: {error}.") from error


def _build(world: World, source: SeedSource, data: dict[str, Any]) -> None:
    _only(data, {"messages_per_mailbox", "tenants", "apps"}, "the file")
    number = source.messages_per_mailbox
    world.messages_per_mailbox = number if number is not None else int(data.get("messages_per_mailbox", 0))
    for entry in data.get("tenants", []):
        world.tenants.append(_tenant(entry))
    for entry in data.get("tenants", []):
        _link_guests(world, entry)
    for entry in data.get("apps", []):
        _add_app(world, entry)
    apply_overrides(world, source)


def apply_overrides(world: World, source: SeedSource) -> None:
    """Give the first app registration the redirect URIs, secrets and certificates named at start."""
    if not (source.redirect_uris or source.client_secrets or source.certificates):
        return
    app = next(iter(world.apps.values()), None)
    if app is None:
        raise SeedError("There is no app registration that a redirect URI or secret could belong to.")
    known = {uri.url for uri in app.redirect_uris}
    app.redirect_uris += [RedirectURI(url) for url in source.redirect_uris if url not in known]
    if source.client_secrets:
        app.secrets = [ClientSecret(value) for value in source.client_secrets]
    app.certificates += [pem for pem in source.certificates if pem not in app.certificates]


def _only(entry: dict[str, Any], known: set[str], where: str) -> None:
    unknown = set(entry) - known
    if unknown:
        raise SeedError(f"Unknown key in {where}: {', '.join(sorted(map(str, unknown)))}.")


def _tenant(entry: dict[str, Any]) -> Tenant:
    _only(
        entry,
        {"name", "id", "domains", "policies", "people", "reviewers", "country", "region", "time_zone"},
        "a tenant",
    )
    try:
        name, domains = str(entry["name"]), [str(domain).lower() for domain in entry["domains"]]
    except KeyError as missing:
        raise SeedError(f"A tenant needs {missing}.") from missing
    tenant = Tenant(
        id=str(entry.get("id") or stable_guid("tenant", domains[0])),
        display_name=name,
        domains=domains,
        country=str(entry.get("country", "GB")),
        region=str(entry.get("region", "EU")),
    )
    set_policies(tenant.policies, entry.get("policies", {}))
    for person in entry.get("people", []):
        if "guest_of" not in person:
            tenant.users.append(_person(tenant, person, str(entry.get("time_zone", "UTC"))))
    for address in entry.get("reviewers", []):
        reviewer = next((user for user in tenant.users if str(address).lower() in user.addresses), None)
        if reviewer is None:
            raise SeedError(f"The reviewer {address} is not among the people of {name}.")
        tenant.reviewer_oids.append(reviewer.oid)
    return tenant


def set_policies(policies: TenantPolicies, changes: dict[str, Any]) -> None:
    """Set policies by name.

    Raises:
        SeedError: A name is unknown or a value has the wrong type; nothing is changed then.
    """
    defaults = TenantPolicies()
    choices = {
        "user_consent": ("managed", "blocked", "open", "verified"),
        "wrong_account": (None, "other_tenant", "other_person"),
        "ews_application_access_policy": (None, *ACCESS_POLICIES),
    }
    for name, value in changes.items():
        if name not in {item.name for item in fields(TenantPolicies)}:
            raise SeedError(f"Unknown policy: {name}.")
        default = getattr(defaults, name)
        if name in choices:
            right = value in choices[name]
        elif name == "ews_enabled":
            right = value is None or isinstance(value, bool)
        elif name in ("sign_in_frequency_seconds", "sign_in_error", "token_error", "loop_after_requests"):
            right = value is None or (isinstance(value, int) and not isinstance(value, bool))
        elif isinstance(default, list):
            right = isinstance(value, list) and all(
                isinstance(part, str) for part in cast("list[object]", value)
            )
        else:
            right = type(value) is type(default)
        if not right:
            raise SeedError(f"The policy {name} cannot be {value!r}.")
    for name, value in changes.items():
        setattr(policies, name, list(cast("list[str]", value)) if isinstance(value, list) else value)


def role_ids(names: list[Any]) -> list[str]:
    """Return role template ids for role names or ids.

    Raises:
        SeedError: A role is unknown.
    """
    found: list[str] = []
    for name in names:
        text = str(name).lower()
        if text not in _ROLES and text not in ROLE_NAMES:
            raise SeedError(f"Unknown directory role: {name}.")
        found.append(_ROLES.get(text, text))
    return found


def _person(tenant: Tenant, entry: dict[str, Any], time_zone: str) -> User:
    _only(
        entry,
        {"name", "address", "id", "mail", "also", "roles", "licensed", "mailbox", "enabled", "job_title",
         "time_zone", "ews_enabled", "ews_application_access_policy", "ews_allow_list", "ews_block_list",
         "frontline_licence"},
        "a person",
    )  # fmt: skip
    try:
        name, address = str(entry["name"]), str(entry["address"])
    except KeyError as missing:
        raise SeedError(f"A person needs {missing}.") from missing
    if address.rpartition("@")[2].lower() not in tenant.domains:
        raise SeedError(f"{address} is not in a domain of {tenant.display_name}.")
    licensed = bool(entry.get("licensed", True))
    location = entry.get("mailbox", "cloud" if licensed else None)
    if location not in ("cloud", "on_premises", None):
        raise SeedError(f"The mailbox of {address} is cloud or on_premises.")
    if entry.get("ews_application_access_policy") not in (None, *ACCESS_POLICIES):
        raise SeedError(f"The access policy of {address} is one of {', '.join(ACCESS_POLICIES)}.")
    mail = str(entry.get("mail", address))
    given, _, surname = name.partition(" ")
    return User(
        tenant=tenant,
        oid=str(entry.get("id") or stable_guid("user", address.lower())),
        upn=address,
        display_name=name,
        mail=mail if location else None,
        proxy_addresses=list(dict.fromkeys([mail, address, *entry.get("also", [])])) if location else [],
        roles=role_ids(entry.get("roles", [])),
        licensed=licensed,
        mailbox_location=location,
        account_enabled=bool(entry.get("enabled", True)),
        ews_enabled=entry.get("ews_enabled"),
        ews_application_access_policy=entry.get("ews_application_access_policy"),
        ews_allow_list=[str(pattern) for pattern in entry.get("ews_allow_list", [])],
        ews_block_list=[str(pattern) for pattern in entry.get("ews_block_list", [])],
        frontline_licence=bool(entry.get("frontline_licence", False)),
        given_name=given or None,
        surname=surname or None,
        job_title=entry.get("job_title"),
        time_zone=str(entry.get("time_zone", time_zone)),
    )


def add_person(tenant: Tenant, entry: dict[str, Any]) -> User:
    """Add somebody to a tenant, from the keys of a seed file's person; raises SeedError."""
    user = _person(tenant, entry, "UTC")
    tenant.users.append(user)
    return user


def _link_guests(world: World, entry: dict[str, Any]) -> None:
    tenant = world.find_tenant(str(entry["domains"][0]))
    for person in entry.get("people", []):
        if "guest_of" not in person:
            continue
        _only(person, {"name", "guest_of", "id"}, "a guest")
        home = world.find_user(str(person["guest_of"]))
        if tenant is None or home is None:
            raise SeedError(f"The guest {person['guest_of']} is nobody in another tenant.")
        tenant.users.append(invite(tenant, home, oid=person.get("id")))


def invite(tenant: Tenant, home: User, *, oid: str | None = None) -> User:
    """Return a guest of `tenant` for somebody from another tenant (B2B)."""
    local = home.upn.replace("@", "_")
    return User(
        tenant=tenant,
        oid=oid or stable_guid("guest", tenant.id, home.oid),
        upn=f"{local}#EXT#@{tenant.default_domain}",
        display_name=home.display_name,
        mail=home.mail or home.upn,
        licensed=False,
        user_type="Guest",
        mailbox_location=None,
        home_oid=home.oid,
        home_tenant_id=home.tenant.id,
        given_name=home.given_name,
        surname=home.surname,
    )


def _permissions(entry: dict[str, Any]) -> dict[str, list[str]]:
    return {
        _RESOURCE_NAMES.get(str(resource), str(resource)): [str(name) for name in names]
        for resource, names in entry.items()
    }


def _redirect(entry: Any) -> RedirectURI:
    if isinstance(entry, str):
        return RedirectURI(entry)
    return RedirectURI(str(entry["url"]), entry.get("platform", "web"))


def _add_app(world: World, entry: dict[str, Any]) -> None:
    _only(
        entry,
        {"client_id", "name", "home", "publisher", "audience", "redirect_uris", "secrets", "certificates",
         "federated", "role_claims", "optional_claims", "delegated", "application", "identifier_uris", "exposes",
         "public", "implicit_id_token", "logout_url", "approved_in"},
        "an app",
    )  # fmt: skip
    home = world.find_tenant(str(entry.get("home", "")))
    if home is None:
        raise SeedError(f"The home tenant of {entry.get('name')} is not in the file.")
    publisher: dict[str, Any] = entry.get("publisher", {})
    app = AppRegistration(
        app_id=str(entry.get("client_id") or stable_guid("app", str(entry["name"]))),
        display_name=str(entry["name"]),
        home_tenant_id=home.id,
        created_at=_WORLD_BEGAN,
        publisher_name=str(publisher.get("name", "")),
        publisher_verified=bool(publisher.get("verified", False)),
        publisher_domain=str(publisher.get("domain", "")),
        audience=entry.get("audience", "AzureADMultipleOrgs"),
        redirect_uris=[_redirect(uri) for uri in entry.get("redirect_uris", [])],
        secrets=[ClientSecret(str(value)) for value in entry.get("secrets", [])],
        certificates=[str(pem) for pem in entry.get("certificates", [])],
        federated_credentials=[FederatedCredential(**item) for item in entry.get("federated", [])],
        delegated=_permissions(entry.get("delegated", {})),
        application=_permissions(entry.get("application", {})),
        identifier_uris=[str(uri) for uri in entry.get("identifier_uris", [])],
        exposed_scopes=[str(name) for name in entry.get("exposes", [])],
        is_public_client=bool(entry.get("public", False)),
        implicit_id_token=bool(entry.get("implicit_id_token", False)),
        directory_role_claims=bool(entry.get("role_claims", False)),
        optional_claims=[str(name) for name in entry.get("optional_claims", [])],
        logout_url=entry.get("logout_url"),
    )
    world.apps[app.app_id] = app
    ensure_service_principal(home, app, _WORLD_BEGAN)
    for name in entry.get("approved_in", []):
        tenant = world.find_tenant(str(name))
        if tenant is None:
            raise SeedError(f"{app.display_name} is approved in {name}, which is not in the file.")
        record_consent(
            tenant,
            app,
            ConsentRecord(app.delegated, app.application),
            now=_WORLD_BEGAN,
            for_user=None,
            replaces=False,
        )


def add_tenant(world: World, domain: str) -> Tenant:
    """Create a tenant with an administrator and one person, for an address typed by hand."""
    tenant = _tenant(
        {
            "name": domain.partition(".")[0].replace("-", " ").title(),
            "domains": [domain],
            "people": [
                {"name": "Administrator", "address": f"admin@{domain}", "roles": ["Global Administrator"]},
                {"name": "Person One", "address": f"person.one@{domain}"},
            ],
        }
    )
    world.tenants.append(tenant)
    return tenant
