"""One module per `grant_type` of the token endpoint; each turns a call into an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from m365_emulator.entra.grant_types import (
    authorization_code,
    client_credentials,
    device_code,
    on_behalf_of,
    password,
    refresh_token,
)
from m365_emulator.entra.grant_types.call import TokenCall

GRANT_TYPES: dict[str, Callable[[TokenCall], dict[str, Any]]] = {
    "authorization_code": authorization_code.answer,
    "refresh_token": refresh_token.answer,
    "client_credentials": client_credentials.answer,
    "password": password.answer,
    "urn:ietf:params:oauth:grant-type:jwt-bearer": on_behalf_of.answer,
    "urn:ietf:params:oauth:grant-type:device_code": device_code.answer,
    "device_code": device_code.answer,
}
"""By `grant_type`; some clients send the short name of the device grant."""

__all__ = ["GRANT_TYPES", "TokenCall"]
