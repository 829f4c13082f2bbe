"""getMailTips."""

from __future__ import annotations

from typing import Any

from .access import MAIL_READ
from .call import Call, Reply
from .errors import bad_request
from .inputs.values import list_of, member, text_of
from .operations import Operations
from .shapes.values import moment_in_zone

operations = Operations()
_KNOWN = frozenset(
    {
        "automaticreplies", "mailboxfullstatus", "customtip", "externalmembercount", "totalmembercount", "maxmessagesize",
        "deliveryrestriction", "moderationstatus", "recipientscope", "recipientsuggestions",
    }
)  # fmt: skip
MAX_MESSAGE_BYTES = 36_700_160
"""35 MB, Exchange Online's default."""


@operations.post("/{mailbox}/getMailTips", MAIL_READ)
def get_mail_tips(call: Call) -> Reply:
    """Tell what a sender should know of recipients before sending."""
    body = call.json()
    addresses = [
        text_of(one, "EmailAddresses", limit=320)
        for one in list_of(member(body, "EmailAddresses"), "EmailAddresses")
    ]
    asked = text_of(member(body, "MailTipsOptions"), "MailTipsOptions", limit=500)
    options = {part.strip().lower() for part in asked.split(",") if part.strip()}
    if not addresses or len(addresses) > 100:
        raise bad_request("Between 1 and 100 addresses can be asked about.", "ErrorInvalidParameter")
    if not options or not options <= _KNOWN:
        raise bad_request(
            "The parameter 'MailTipsOptions' is missing or holds an unknown value.", "ErrorInvalidParameter"
        )
    value = [_tips(call, address, options) for address in addresses]
    return Reply(
        json={"@odata.context": f"{call.root}/$metadata#Collection(microsoft.graph.mailTips)", "value": value}
    )


def _tips(call: Call, address: str, options: set[str]) -> dict[str, Any]:
    mailbox = call.world.find_mailbox(address)
    name = mailbox.display_name if mailbox is not None else ""
    found: dict[str, Any] = {"emailAddress": {"name": name, "address": address}}
    if mailbox is None and call.world.find_tenant(address.rpartition("@")[2]) is not None:
        found["error"] = {
            "message": "The recipient could not be found.",
            "code": "ErrorMailRecipientNotFound",
        }
        return found
    if "automaticreplies" in options:
        replies = mailbox.settings.automatic_replies if mailbox is not None else None
        on = replies is not None and replies.status != "disabled"
        found["automaticReplies"] = {
            "message": replies.internal_message if replies is not None and on else "",
            "messageLanguage": {"locale": "en-US", "displayName": "English (United States)"},
        }
        if replies is not None and replies.status == "scheduled":
            found["automaticReplies"]["scheduledStartTime"] = moment_in_zone(replies.start, "UTC")
            found["automaticReplies"]["scheduledEndTime"] = moment_in_zone(replies.end, "UTC")
    if "mailboxfullstatus" in options:
        found["mailboxFull"] = False
    if "customtip" in options:
        found["customMailTip"] = ""
    if "maxmessagesize" in options:
        found["maxMessageSize"] = MAX_MESSAGE_BYTES
    if "deliveryrestriction" in options:
        found["deliveryRestricted"] = False
    if "moderationstatus" in options:
        found["isModerated"] = False
    if "totalmembercount" in options:
        found["totalMemberCount"] = 1
    if "externalmembercount" in options:
        found["externalMemberCount"] = 0
    if "recipientscope" in options:
        found["recipientScope"] = "internal" if mailbox is not None else "external"
    return found
