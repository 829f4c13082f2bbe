"""The control API, out of its table."""

from __future__ import annotations

import re
from typing import Any

from m365_emulator.control.api import TABLE
from m365_emulator.openapi.schemas import (
    ANYTHING,
    MOMENT,
    NUMBER,
    TEXT,
    TEXTS,
    TRUTH,
    WHOLE,
    Schema,
    choice,
    thing,
)
from m365_emulator.world.faults import FAULT_FIELDS
from m365_emulator.world.tenants import TenantPolicies

_PLACE = re.compile(r"\{(\w+)\}")
_PERMISSIONS: Schema = {"type": "object", "additionalProperties": TEXTS}
_OWN_NUMBER: Schema = {"type": ["integer", "null"]}
_OWN_TEXT: Schema = {"type": ["string", "null"]}
_AGENTS = {
    "ews_application_access_policy": choice("EnforceAllowList", "EnforceBlockList", None),
    "ews_allow_list": TEXTS,
    "ews_block_list": TEXTS,
}
_NUMBERS = dict.fromkeys(("requests", "window_seconds"), NUMBER)


def _kind_of(value: object) -> Schema:
    """Return the schema of a policy or fault field from its default."""
    match value:
        case bool():
            return TRUTH
        case int():
            return WHOLE
        case list():
            return TEXTS
        case str():
            return TEXT
        case _:
            return ANYTHING


_POLICIES = {name: _kind_of(getattr(TenantPolicies(), name)) for name in TenantPolicies.__dataclass_fields__}
_FAULT = dict.fromkeys(FAULT_FIELDS, ANYTHING) | {
    "route": TEXT,
    "tenant": _OWN_TEXT,
    "mailbox": _OWN_TEXT,
    "probability": NUMBER,
    "seed": WHOLE,
    "count": _OWN_NUMBER,
    "status": _OWN_NUMBER,
    "body": _OWN_TEXT,
    "latency_ms": WHOLE,
    "garbage": TRUTH,
    "reset": TRUTH,
    "notification": choice("drop", "double", "late", "shuffle", None),
}
_PERSON = thing(
    display_name=TEXT,
    mail=_OWN_TEXT,
    roles=TEXTS,
    licensed=TRUTH,
    account_enabled=TRUTH,
    ews_enabled={"type": ["boolean", "null"]},
    mailbox_location=choice("cloud", "on_premises", None),
    mfa_required=TRUTH,
    password_expired=TRUTH,
    token_error=_OWN_NUMBER,
    deleted=TRUTH,
    time_zone=TEXT,
    frontline_licence=TRUTH,
    **_AGENTS,
)
_BODIES: dict[str, Schema] = {
    "POST /control/reset": thing(messages=WHOLE, seed=WHOLE, yaml=TEXT),
    "POST /control/clock": thing(reset=TRUTH, set=MOMENT, advance_seconds=NUMBER, freeze=TRUTH),
    "PUT /control/tenants/{tenant}/scenario": thing(id=TEXT),
    "POST /control/tenants": thing(domain=TEXT),
    "PATCH /control/tenants/{tenant}/policies": thing(**_POLICIES),
    "POST /control/tenants/{tenant}/grants": thing(
        app_id=TEXT, user=TEXT, delegated=_PERMISSIONS, application=_PERMISSIONS
    ),
    "PATCH /control/tenants/{tenant}/service-principals/{app_id}": thing(
        account_enabled=TRUTH, app_role_assignment_required=TRUTH, assign=TEXTS, unassign=TEXTS
    ),
    "POST /control/tenants/{tenant}/approval-requests/{request}": thing(
        decision=choice("approve", "deny", "block"), reviewer=TEXT
    ),
    "POST /control/tenants/{tenant}/guests": thing(address=TEXT),
    "POST /control/users": thing(
        name=TEXT, address=TEXT, roles=TEXTS, licensed=TRUTH, mailbox=choice("cloud", "on_premises", None)
    ),
    "PATCH /control/users/{user}": _PERSON,
    "POST /control/users/{user}/forget-changes": thing(older_than_seconds=NUMBER),
    "PATCH /control/apps/{app_id}": thing(
        publisher_verified=TRUTH,
        is_disabled=TRUTH,
        single_use_refresh_tokens=TRUTH,
        is_public_client=TRUTH,
        redirect_uris={"type": "array", "items": ANYTHING},
        secrets={"type": "array", "items": ANYTHING},
        certificates=TEXTS,
        delegated=_PERMISSIONS,
        application=_PERMISSIONS,
        optional_claims=TEXTS,
    ),
    "POST /control/faults": thing(**_FAULT),
    "PATCH /control/services/graph": thing(
        concurrent=WHOLE, upload_bytes=WHOLE, upload_window_seconds=NUMBER, hold_seconds=NUMBER, **_NUMBERS
    ),
    "PATCH /control/services/ews": thing(strict_schema=TRUTH, **_NUMBERS),
    "POST /control/subscriptions/{subscription}/lifecycle": thing(
        event=choice("missed", "subscriptionRemoved", "reauthorizationRequired")
    ),
}
_QUERIES = {
    "GET /control/users": ("tenant",),
    "GET /control/requests": ("path", "tenant", "app", "status", "since", "limit"),
    "DELETE /control/tenants/{tenant}/grants": ("app_id",),
}


def paths() -> dict[str, Any]:
    """Return every call of the control API."""
    found: dict[str, Any] = {}
    for method, path, _ in TABLE:
        name = f"{method} {path}"
        parameters = [
            {"name": place, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for place in _PLACE.findall(path)
        ]
        parameters += [{"name": query, "in": "query", "schema": TEXT} for query in _QUERIES.get(name, ())]
        operation: dict[str, Any] = {
            "operationId": f"{method.lower()}{path}",
            "tags": ["control"],
            "parameters": parameters,
            "responses": {
                "200": {"description": "What was asked for, or what is so now."},
                "400": {"description": "The order is wrong; `error` says how."},
                "404": {"description": "There is no such thing; `error` says which."},
            },
        }
        if name in _BODIES:
            operation["requestBody"] = {"content": {"application/json": {"schema": _BODIES[name]}}}
        found.setdefault(path, {})[method.lower()] = operation
    return found
