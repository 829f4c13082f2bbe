"""Exchange's policy by user agent: which programs may reach a mailbox over EWS and over Graph.

Source: https://learn.microsoft.com/exchange/client-developer/exchange-web-services/how-to-control-access-to-ews-in-exchange
Source: https://learn.microsoft.com/powershell/module/exchangepowershell/set-organizationconfig
(EwsApplicationAccessPolicy, EwsAllowList, EwsBlockList; the same three on Set-CASMailbox)
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from m365_emulator.world.tenants import User

AccessPolicy = Literal["EnforceAllowList", "EnforceBlockList"]
ACCESS_POLICIES: tuple[AccessPolicy, ...] = ("EnforceAllowList", "EnforceBlockList")


class AgentRules(Protocol):
    """Who has the three settings: an organization, and a mailbox."""

    ews_application_access_policy: AccessPolicy | None
    ews_allow_list: list[str]
    ews_block_list: list[str]


def agent_allowed(user: User, user_agent: str) -> bool:
    """Say whether a program may reach the mailbox: neither the organization nor the mailbox may say no."""
    return all(_allows(rules, user_agent) for rules in (user.tenant.policies, user))


def _allows(rules: AgentRules, user_agent: str) -> bool:
    """Apply one set of rules; the list that the policy does not name is ignored."""
    match rules.ews_application_access_policy:
        case None:
            return True
        case "EnforceAllowList":
            return _is_listed(user_agent, rules.ews_allow_list)
        case "EnforceBlockList":
            return not _is_listed(user_agent, rules.ews_block_list)


def _is_listed(user_agent: str, patterns: Iterable[str]) -> bool:
    return any(
        re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), user_agent, re.IGNORECASE | re.DOTALL)
        for pattern in patterns
    )
