"""Whose mailbox a request is about, and whether the caller may act there.

A delegated token is its user. An application's token is nobody, so it has to say in the ExchangeImpersonation header
whom it acts as.

Source: https://learn.microsoft.com/exchange/client-developer/exchange-web-services/impersonation-and-ews-in-exchange
"""

from __future__ import annotations

from m365_emulator.entra.tokens import AccessToken
from m365_emulator.ews.faults import SoapFault
from m365_emulator.ews.soap import ConnectingSID
from m365_emulator.world.tenants import Tenant, User
from m365_emulator.world.world import World


def acting_user(world: World, token: AccessToken, sid: ConnectingSID | None) -> User:
    """Return the person the request acts as.

    Raises:
        SoapFault: The header is missing, names nobody of the token's tenant, or asks for too much.
    """
    if token.user is not None:
        if sid is not None and _find(world, token.tenant, sid) is not token.user:
            raise SoapFault("ErrorImpersonateUserDenied")
        return token.user
    if sid is None:
        raise SoapFault(
            "ErrorInvalidExchangeImpersonationHeaderData",
            "ExchangeImpersonation SOAP header must be present for this type of OAuth token.",
        )
    user = _find(world, token.tenant, sid)
    if user is None:
        raise SoapFault("ErrorNonExistentMailbox")
    return user


def _find(world: World, tenant: Tenant, sid: ConnectingSID) -> User | None:
    user = world.find_user(sid.value, tenant)
    if user is None:
        return None
    wanted = sid.value.lower()
    match sid.kind:
        case "PrincipalName":
            return user if user.upn.lower() == wanted else None
        case "PrimarySmtpAddress":
            if (user.mail or user.upn).lower() != wanted:
                raise SoapFault(
                    "ErrorNonPrimarySmtpAddress",
                    "The primary SMTP address must be specified when referencing a mailbox.",
                )
            return user
        case "SmtpAddress":
            return user
        case _:
            # Security identifiers do not exist for cloud-only people of the emulated tenants.
            return None
