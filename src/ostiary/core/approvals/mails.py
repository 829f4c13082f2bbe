"""How the mails about approvals read (UX §8, §4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ostiary.core.approvals.message import administrator_message
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.kernel.secret import Secret
from ostiary.core.notices.model import Link, Message, Notice, NoticeKind, Text, Vendor, Writer


def write_request(notice: Notice, vendor: Vendor, link: Secret | None) -> Message:
    """Ask the IT administrator, in the words of the message that people can also send themselves."""
    return _request(notice, vendor, link, prefix="")


def write_reminder(notice: Notice, vendor: Vendor, link: Secret | None) -> Message:
    """Ask again, with a fresh link."""
    return _request(notice, vendor, link, prefix="Reminder: ")


def write_link_expires(notice: Notice, vendor: Vendor, link: Secret | None) -> Message:
    """Tell the administrator that the link we sent ends soon."""
    date = notice.facts["date"]
    return Message(
        f"Your link expires on {date}",
        (
            Text("Hello,"),
            Text(
                f"{notice.facts['sender_name']} at {notice.facts['organization']} asked you to approve {vendor.name} "
                "for Microsoft 365, and nobody has approved it yet."
            ),
            Link(_required(link), f"(works until {date}, {notice.facts['time']})"),
            Text("After that, approve with the link of the next reminder, or ask for a new one."),
            _help(notice, vendor),
        ),
    )


def write_can_connect(notice: Notice, vendor: Vendor, link: Secret | None) -> Message:
    """Tell somebody who waited, or who asked an administrator, that people can connect now."""
    facts = notice.facts
    organization = facts["organization"]
    if facts.get("unsure"):
        opening = (
            f"{vendor.name} now appears in the Microsoft 365 of {organization}. Microsoft doesn’t tell us whether "
            "everything was approved; trying is enough to find out."
        )
    elif "only" in facts:
        opening = (
            f"{organization} has approved {vendor.name} for {facts['only']}, but not for {facts['without']} yet. "
            f"You can connect {facts['only']} now; {facts['without']} can follow."
        )
    else:
        opening = f"{organization} has approved {vendor.name}."
    paragraphs: list[Text | Link] = [Text(_hello(notice)), Text(opening)]
    if "request_id" in facts:
        paragraphs += [
            Text("One sign-in, and you’re done. Your choices are saved. In the browser you asked in, open:"),
            _page(vendor, facts["request_id"]),
            Text(f"In any other browser, start from {vendor.name}: Settings › Email and calendar › Connect."),
        ]
    else:
        paragraphs.append(Text("People can now connect their own work email and calendar. You’re done."))
    return Message("You can connect now", (*paragraphs, _help(notice, vendor)))


def write_declined(notice: Notice, vendor: Vendor, link: Secret | None) -> Message:
    """Tell somebody who waited that their administrator said no."""
    facts = notice.facts
    reason = facts.get("decline_reason")
    return Message(
        "Your administrator declined",
        (
            Text(_hello(notice)),
            Text(
                f"Your IT administrator declined the request to approve {vendor.name} for {facts['organization']}. "
                + (f"They wrote: “{reason}”" if reason else "They gave no reason.")
            ),
            Text("Nothing was connected. You can ask someone else, in the browser you asked in:"),
            _page(vendor, facts["request_id"]),
            _help(notice, vendor),
        ),
    )


def write_security(notice: Notice, vendor: Vendor, link: Secret | None) -> Message:
    """Tell the IT contact of every approval, so that one nobody expected is seen."""
    facts = notice.facts
    return Message(
        f"{vendor.name} was approved for {facts['organization']}",
        (
            Text(_hello(notice)),
            Text(f"{vendor.name} was approved for {facts['organization']} by {facts['approved_by']}."),
            Text(
                f"Connection: {facts['connection']}\nTenant ID: {facts['tenant_id']}\nApplication ID: "
                f"{facts['app_id']}\nWhen: {facts['when']}\nReference: {notice.reference}"
            ),
            Text(
                "Not expected? To withdraw it, open Enterprise applications in the Microsoft Entra admin center, "
                "search for the application ID and delete the application. We notice within the hour and stop."
            ),
            _help(notice, vendor),
        ),
    )


def write_record(notice: Notice, vendor: Vendor, link: Secret | None) -> Message:
    """Give the administrator the record of what they approved."""
    facts = notice.facts
    return Message(
        f"{vendor.name}: approval {notice.reference}",
        (
            Text(f"Record of the approval of {vendor.name}"),
            Text(
                f"Organization: {facts['organization']}\nTenant ID: {facts['tenant_id']}\n"
                f"Approved by: {facts['approved_by']}\nConnection: {facts['connection']}\n"
                f"Permissions: {facts['permissions']}\nApplication ID: {facts['app_id']}\n"
                f"When: {facts['when']}\nReference: {notice.reference}"
            ),
            Text(
                f"You stay in control: to limit who may use {vendor.name}, or to withdraw approval, open Enterprise "
                "applications in the Microsoft Entra admin center and search for the application ID. "
                "We notice within the hour and stop."
            ),
            _help(notice, vendor),
        ),
    )


def write_not_confirmed(notice: Notice, vendor: Vendor, link: Secret | None) -> Message:
    """Say that Microsoft did not record an approval, and that approving again is the cure."""
    organization = notice.facts["organization"]
    again: tuple[Text | Link, ...]
    if notice.facts["role"] == "administrator":
        again = (
            Text(
                f"You approved {vendor.name} for {organization}, but Microsoft hasn’t recorded it. "
                "We looked for half an hour. Nothing is broken, and approving again does no harm:"
            ),
            Link(Secret(f"{vendor.public_url}/admin-consent")),
        )
    else:
        again = (
            Text(
                f"Your IT administrator approved {vendor.name} for {organization}, but Microsoft hasn’t recorded it. "
                "We looked for half an hour and wrote to them, too."
            ),
            Text(
                "Nobody can connect yet. Please ask them to approve again; nothing else is needed from you."
            ),
        )
    return Message(
        "The approval could not be confirmed", (Text(_hello(notice)), *again, _help(notice, vendor))
    )


def write_request_expired(notice: Notice, vendor: Vendor, link: Secret | None) -> Message:
    """Tell somebody who waited that nobody answered."""
    return Message(
        "Nobody answered your request",
        (
            Text(_hello(notice)),
            Text(
                f"For 14 days no IT administrator of {notice.facts['organization']} has answered the request to "
                f"approve {vendor.name}, so it has ended. Nothing was connected."
            ),
            Text("Ask someone else, in the browser you asked in:"),
            _page(vendor, notice.facts["request_id"]),
            _help(notice, vendor),
        ),
    )


APPROVAL_WRITERS: Final[Mapping[NoticeKind, Writer]] = MappingProxyType(
    {
        NoticeKind.APPROVAL_REQUEST: write_request,
        NoticeKind.APPROVAL_REMINDER: write_reminder,
        NoticeKind.LINK_EXPIRES: write_link_expires,
        NoticeKind.CAN_CONNECT: write_can_connect,
        NoticeKind.DECLINED: write_declined,
        NoticeKind.APPROVED_SECURITY: write_security,
        NoticeKind.APPROVAL_RECORD: write_record,
        NoticeKind.NOT_CONFIRMED: write_not_confirmed,
        NoticeKind.REQUEST_EXPIRED: write_request_expired,
    }
)


def _request(notice: Notice, vendor: Vendor, link: Secret | None, *, prefix: str) -> Message:
    address, facts = _required(link), notice.facts
    message = administrator_message(
        vendor=vendor.name,
        link=address.reveal(),
        app_id=vendor.app_ids[AccessMethod(facts["method"])],
        publisher=vendor.publisher,
        publisher_verified=vendor.publisher_verified,
        waiting_count=int(facts["waiting_count"]),
        sender_name=facts["sender_name"],
        administrator_name=notice.to.name or None,
        reason=facts.get("reason"),
    )
    paragraphs = tuple(
        Link(address, words.removeprefix(address.reveal()).strip())
        if words.startswith(address.reveal())
        else Text(words)
        for words in message.body.split("\n\n")
    )
    return Message(prefix + message.subject, paragraphs)


def _required(link: Secret | None) -> Secret:
    if link is None:
        raise InvalidRequest("This mail is about a link, and has none.")
    return link


def _hello(notice: Notice) -> str:
    return f"Hello {notice.to.name}," if notice.to.name else "Hello,"


def _page(vendor: Vendor, request_id: str) -> Link:
    # No secret in it: the page opens only in a browser of somebody who waits.
    return Link(Secret(f"{vendor.public_url}/connect/approval/{request_id}"))


def _help(notice: Notice, vendor: Vendor) -> Text:
    quoted = f" and quote {notice.reference}" if notice.reference else ""
    return Text(f"Still stuck? Email {vendor.help_email}{quoted}.")
