"""Read the `scope` parameter: which resources, which permissions, in which spelling."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from m365_emulator.entra.errors import EntraError
from m365_emulator.world.apps import AppRegistration
from m365_emulator.world.resources import GRAPH, OIDC_SCOPES, Permission, Resource

if TYPE_CHECKING:
    from m365_emulator.world.world import World


@dataclass(frozen=True, slots=True)
class AskedResource:
    """What was asked of one resource."""

    resource: Resource
    audience: str
    """The resource as the client wrote it; becomes `aud`."""
    names: tuple[str, ...]
    """Permissions by short name; empty for `.default`."""
    is_default: bool
    prefix: str
    """Written before each echoed permission: empty when short names were used."""


@dataclass(frozen=True, slots=True)
class ScopeRequest:
    """A parsed `scope` parameter."""

    text: str
    oidc: frozenset[str] = frozenset()
    resources: tuple[AskedResource, ...] = field(default=())
    """In the order asked; empty when only OIDC scopes were named."""

    def find(self, resource_app_id: str) -> AskedResource | None:
        """Return what was asked of this resource."""
        return next((asked for asked in self.resources if asked.resource.app_id == resource_app_id), None)


def own_api(app: AppRegistration) -> Resource:
    """Return the API that an app registration publishes itself."""
    return Resource(
        app_id=app.app_id,
        display_name=app.display_name,
        identifier_uris=(*app.identifier_uris, app.app_id),
        delegated={
            name: Permission(
                name, app.app_id, f"Use {app.display_name}", "In the name of the signed-in person."
            )
            for name in app.exposed_scopes
        },
        application={},
    )


def find_resource(world: World, uri: str) -> tuple[Resource, str] | None:
    """Return the resource with this identifier URI, and the URI as registered."""
    wanted = uri.rstrip("/").lower()
    known = [*world.resources.values(), *(own_api(app) for app in world.apps.values())]
    for resource in known:
        for registered in resource.identifier_uris:
            if registered.rstrip("/").lower() == wanted:
                return resource, uri.rstrip("/")
    return None


def parse_scopes(world: World, text: str) -> ScopeRequest:
    """Read a scope parameter.

    Raises:
        EntraError: 70011 for names that do not exist or `.default` mixed with names
            of the same request; 500011 for a resource that does not exist.

    Source: learn.microsoft.com/entra/identity-platform/scopes-oidc
    """
    oidc: set[str] = set()
    names: dict[str, list[str]] = {}
    audiences: dict[str, str] = {}
    prefixes: dict[str, str] = {}
    resources: dict[str, Resource] = {}
    for item in text.split():
        if item.lower() in OIDC_SCOPES:
            oidc.add(item.lower())
            continue
        resource, audience, name, prefix = _split(world, item)
        resources.setdefault(resource.app_id, resource)
        audiences.setdefault(resource.app_id, audience)
        if prefix or resource.app_id not in prefixes:
            prefixes[resource.app_id] = prefix
        wanted = names.setdefault(resource.app_id, [])
        if name == ".default":
            wanted.append(name)
        elif (permission := resource.find_delegated(name)) is None:
            raise EntraError(
                70011, f"The scope '{item}' does not exist on the resource {resource.display_name}."
            )
        elif permission.value in OIDC_SCOPES:
            oidc.add(permission.value)
        elif permission.value not in wanted:
            wanted.append(permission.value)
    has_default = any(".default" in wanted for wanted in names.values())
    has_named = any(name != ".default" for wanted in names.values() for name in wanted)
    if has_default and has_named:
        raise EntraError(70011, ".default cannot be combined with other resource permissions.")
    return ScopeRequest(
        text=text,
        oidc=frozenset(oidc),
        resources=tuple(
            AskedResource(
                resource=resources[app_id],
                audience=audiences[app_id],
                names=tuple(name for name in wanted if name != ".default"),
                is_default=".default" in wanted,
                prefix=prefixes[app_id],
            )
            for app_id, wanted in names.items()
            if wanted
        ),
    )


def _split(world: World, item: str) -> tuple[Resource, str, str, str]:
    head, slash, name = item.rpartition("/")
    if not slash:
        graph = world.resources[GRAPH]
        return graph, graph.default_uri, name, ""
    found = find_resource(world, head)
    if found is None:
        raise EntraError(500011, f"Name of the resource: {head or item}.")
    resource, audience = found
    if not name:
        raise EntraError(70011, f"The scope '{item}' names no permission.")
    return resource, audience, name, head + "/"


def graph_only(world: World) -> AskedResource:
    """Return what a request with OIDC scopes only is for: a Graph token, for userinfo."""
    graph = world.resources[GRAPH]
    return AskedResource(graph, graph.default_uri, (), False, "")


def echo(asked: AskedResource, granted: list[str], oidc: frozenset[str]) -> str:
    """Return the `scope` of a token answer, spelt as the client spelt its request.

    MSAL finds cached tokens by exact comparison with these words.
    """
    words = [asked.prefix + name for name in granted if name not in OIDC_SCOPES]
    if asked.resource.app_id == GRAPH:
        words = [name for name in ("openid", "profile", "email") if name in oidc or name in granted] + words
    if asked.is_default:
        words.append(f"{asked.prefix}.default")
    return " ".join(words)
