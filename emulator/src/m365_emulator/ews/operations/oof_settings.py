"""GetUserOofSettings and SetUserOofSettings: automatic replies.

These two answer in wrappers of their own, outside ``ResponseMessages``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from m365_emulator.ews import xml
from m365_emulator.ews.call import Call
from m365_emulator.ews.faults import ResponseError
from m365_emulator.ews.fields.values import moment, reverse
from m365_emulator.ews.soap import Node
from m365_emulator.ews.targets import open_mailbox
from m365_emulator.world.mailbox import Mailbox
from m365_emulator.world.mailbox.settings import AutomaticReplies

_STATES: Mapping[str, str] = {"disabled": "Disabled", "alwaysEnabled": "Enabled", "scheduled": "Scheduled"}
_AUDIENCES: Mapping[str, str] = {"none": "None", "contactsOnly": "Known", "all": "All"}


def get_user_oof_settings(call: Call) -> str:
    """Answer with the settings of the mailbox named in ``t:Mailbox/t:Address``.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/getuseroofsettings-operation
    """

    def answer() -> str:
        replies = _mailbox(call).settings.automatic_replies
        audience = _AUDIENCES.get(replies.audience, "All")
        return (
            f"<t:OofSettings><t:OofState>{_STATES.get(replies.status, 'Disabled')}</t:OofState>"
            f"<t:ExternalAudience>{audience}</t:ExternalAudience>"
            f"<t:Duration><t:StartTime>{moment(replies.start)}</t:StartTime>"
            f"<t:EndTime>{moment(replies.end)}</t:EndTime></t:Duration>"
            f"<t:InternalReply><t:Message>{xml.text(replies.internal_message)}</t:Message></t:InternalReply>"
            f"<t:ExternalReply><t:Message>{xml.text(replies.external_message)}</t:Message></t:ExternalReply>"
            f"</t:OofSettings><m:AllowExternalOof>{audience}</m:AllowExternalOof>"
        )

    return _wrapped("GetUserOofSettings", answer)


def set_user_oof_settings(call: Call) -> str:
    """Store the settings.

    Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/setuseroofsettings-operation
    """

    def answer() -> str:
        mailbox = _mailbox(call)
        node = call.body.find(f"{xml.T}UserOofSettings")
        if node is None:
            raise ResponseError("ErrorInvalidUserOofSettings", "UserOofSettings is missing.")
        mailbox.settings.automatic_replies = _read(call, node, mailbox.settings.automatic_replies)
        return ""

    return _wrapped("SetUserOofSettings", answer)


def _wrapped(operation: str, answer: Callable[[], str]) -> str:
    try:
        payload = answer()
        message = '<m:ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode></m:ResponseMessage>'
    except ResponseError as error:
        payload = ""
        message = (
            f'<m:ResponseMessage ResponseClass="Error"><m:MessageText>{xml.text(error.message)}</m:MessageText>'
            f"<m:ResponseCode>{error.code}</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>"
            "</m:ResponseMessage>"
        )
    return f"<m:{operation}Response>{message}{payload}</m:{operation}Response>"


def _mailbox(call: Call) -> Mailbox:
    address = (call.body.findtext(f"{xml.T}Mailbox/{xml.T}Address") or "").strip()
    return open_mailbox(call, address) if address else call.mailbox


def _read(call: Call, node: Node, before: AutomaticReplies) -> AutomaticReplies:
    state = reverse(_STATES).get((node.findtext(f"{xml.T}OofState") or "").strip())
    audience = reverse(_AUDIENCES).get((node.findtext(f"{xml.T}ExternalAudience") or "All").strip())
    if state is None or audience is None:
        raise ResponseError("ErrorInvalidUserOofSettings", "OofState or ExternalAudience is invalid.")
    start, end = _duration(call, node, before)
    if state == "scheduled" and end <= start:
        raise ResponseError("ErrorInvalidScheduledOofDuration", "The end time must be after the start time.")
    return AutomaticReplies(
        status=state,
        audience=audience,
        start=start,
        end=end,
        internal_message=node.findtext(f"{xml.T}InternalReply/{xml.T}Message") or "",
        external_message=node.findtext(f"{xml.T}ExternalReply/{xml.T}Message") or "",
    )


def _duration(call: Call, node: Node, before: AutomaticReplies) -> tuple[datetime, datetime]:
    start = node.findtext(f"{xml.T}Duration/{xml.T}StartTime")
    end = node.findtext(f"{xml.T}Duration/{xml.T}EndTime")
    return (
        call.moment(start) if start else before.start,
        call.moment(end) if end else before.end,
    )
