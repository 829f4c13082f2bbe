"""ResolveNames: people of the directory by part of their name or address."""

from __future__ import annotations

from m365_emulator.ews import xml
from m365_emulator.ews.batch import failure, respond, success
from m365_emulator.ews.call import Call
from m365_emulator.ews.faults import ResponseError, schema_violation
from m365_emulator.ews.fields.values import mailbox, text_element
from m365_emulator.ews.shapes import read_boolean
from m365_emulator.world.mailbox import Recipient
from m365_emulator.world.tenants import User

_OPERATION = "ResolveNames"
_MOST = 100
_SCOPES = frozenset({"ActiveDirectory", "ActiveDirectoryContacts", "Contacts", "ContactsActiveDirectory"})


def resolve_names(call: Call) -> str:
    """Answer with at most 100 people; several are a warning that still carries them all.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/resolvenames-operation
    """
    wanted = (call.body.findtext(f"{xml.M}UnresolvedEntry") or "").strip()
    if not wanted:
        raise schema_violation("The 'UnresolvedEntry' element is missing or empty.")
    full = read_boolean(call.body.get("ReturnFullContactData"), default=False)
    scope = call.body.get("SearchScope") or "ActiveDirectoryContacts"
    if scope not in _SCOPES:
        raise schema_violation("The 'SearchScope' attribute is invalid.")
    found = _search(call, wanted) if scope != "Contacts" else []
    if not found:
        return respond(_OPERATION, [failure(_OPERATION, ResponseError("ErrorNameResolutionNoResults"))])
    shown = found[:_MOST]
    resolutions = "".join(
        f"<t:Resolution>{mailbox(_recipient(user))}{_contact(user) if full else ''}</t:Resolution>"
        for user in shown
    )
    payload = xml.element(
        "m:ResolutionSet",
        resolutions,
        {"TotalItemsInView": str(len(shown)), "IncludesLastItemInRange": xml.boolean(len(found) <= _MOST)},
    )
    if len(found) == 1:
        return respond(_OPERATION, [success(_OPERATION, payload)])
    error = ResponseError("ErrorNameResolutionMultipleResults", "Multiple results were found.")
    return respond(_OPERATION, [failure(_OPERATION, error, payload, response_class="Warning")])


def _search(call: Call, wanted: str) -> list[User]:
    text = wanted.casefold().removeprefix("smtp:")
    candidates = [user for user in call.user.tenant.users if not user.deleted and _recipient(user).address]
    exact = [user for user in candidates if text in user.addresses]
    if exact:
        return exact
    return [
        user
        for user in candidates
        if any(
            word.startswith(text)
            for word in (user.display_name.casefold(), *user.display_name.casefold().split())
        )
        or any(address.startswith(text) for address in user.addresses)
    ]


def _recipient(user: User) -> Recipient:
    return Recipient(user.display_name, user.mail or user.upn)


def _contact(user: User) -> str:
    address = xml.leaf(
        "t:Entry",
        _recipient(user).address,
        {"Key": "EmailAddress1", "RoutingType": "SMTP", "MailboxType": "Mailbox"},
    )
    return (
        "<t:Contact>"
        f"{text_element('DisplayName', user.display_name)}{text_element('GivenName', user.given_name or '')}"
        f"{text_element('CompanyName', user.tenant.display_name)}<t:EmailAddresses>{address}</t:EmailAddresses>"
        f"<t:ContactSource>ActiveDirectory</t:ContactSource>{text_element('JobTitle', user.job_title or '')}"
        f"{text_element('Surname', user.surname or '')}<t:DirectoryId>{user.oid}</t:DirectoryId></t:Contact>"
    )
