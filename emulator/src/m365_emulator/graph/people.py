"""The signed-in user and other users, as mail programs ask for them."""

from __future__ import annotations

from typing import Any

from m365_emulator.world.ids import stable_guid
from m365_emulator.world.tenants import User

from .access import REVOKE_SESSIONS, USER_READ, find_user
from .call import Call, Reply
from .operations import Operations
from .shapes.fields import Shape

operations = Operations()
_EXCHANGE_PLAN = "efb87545-963c-4e0d-99df-69c6916d9eb0"
"""Service plan EXCHANGE_S_ENTERPRISE. Source: product names and service plan identifiers for licensing."""


def _plans(call: Call, user: User) -> list[dict[str, Any]]:
    if not user.licensed:
        return []
    return [
        {
            "assignedDateTime": "2026-01-12T08:00:00Z",
            "capabilityStatus": "Enabled",
            "service": "exchange",
            "servicePlanId": _EXCHANGE_PLAN,
        }
    ]


USER = Shape(
    "microsoft.graph.user",
    {
        "businessPhones": lambda call, u: [],
        "displayName": lambda call, u: u.display_name,
        "givenName": lambda call, u: u.given_name,
        "jobTitle": lambda call, u: u.job_title,
        "mail": lambda call, u: u.mail,
        "mobilePhone": lambda call, u: None,
        "officeLocation": lambda call, u: None,
        "preferredLanguage": lambda call, u: None,
        "surname": lambda call, u: u.surname,
        "userPrincipalName": lambda call, u: u.upn,
        "id": lambda call, u: u.oid,
        "accountEnabled": lambda call, u: u.account_enabled,
        "assignedPlans": _plans,
        "otherMails": lambda call, u: [],
        "proxyAddresses": lambda call, u: [
            f"{'SMTP' if number == 0 else 'smtp'}:{address}"
            for number, address in enumerate(u.proxy_addresses)
        ],
        "mailNickname": lambda call, u: u.upn.partition("@")[0],
        "userType": lambda call, u: u.user_type,
        "securityIdentifier": lambda call, u: f"S-1-12-1-{int(stable_guid('sid', u.oid)[:8], 16)}",
    },
    on_request=(
        "accountEnabled",
        "assignedPlans",
        "otherMails",
        "proxyAddresses",
        "mailNickname",
        "userType",
        "securityIdentifier",
    ),
)


@operations.get("/{mailbox}", USER_READ, needs_mailbox=False)
def get(call: Call) -> Reply:
    """Return /me or one user; a user without a mailbox is one too."""
    user = find_user(call.world, call.token, call.user_name, directory=True)
    selected = f"({','.join(call.options.select)})" if call.options.select else ""
    body: dict[str, Any] = {"@odata.context": f"{call.root}/$metadata#users{selected}/$entity"}
    body |= {name: get(call, user) for name, get in USER.selection(call)}
    if call.options.select is not None and "id" not in {name.lower() for name in call.options.select}:
        del body["id"]
    return Reply(json=body)


@operations.post("/{mailbox}/revokeSignInSessions", REVOKE_SESSIONS, needs_mailbox=False)
def revoke_sessions(call: Call) -> Reply:
    """End every session and refresh token of a person; access tokens live on until they expire."""
    user = find_user(call.world, call.token, call.user_name, directory=True)
    user.sessions_valid_from = call.world.clock.now()
    return Reply(json={"@odata.context": f"{call.root}/$metadata#Edm.Boolean", "value": True})
