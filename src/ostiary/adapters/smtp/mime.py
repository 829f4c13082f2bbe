"""A message as a mail: plain text and simple HTML that say the same (UX §8)."""

from __future__ import annotations

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.notices.model import Correspondent, Link, Message, OutgoingMail


def plain_text(message: Message) -> str:
    """Return the message without any looks."""
    parts = [
        f"{each.url.reveal()} {each.after}".rstrip() if isinstance(each, Link) else each.words
        for each in message.paragraphs
    ]
    return "\n\n".join(parts) + "\n"


def html(message: Message) -> str:
    """Return one column of paragraphs: no pixel, no remote image, every address in full."""
    return _template().render(message=message)


def build(mail: OutgoingMail, *, sender: Correspondent, now: datetime) -> EmailMessage:
    """Return the mail with its headers.

    Raises:
        InvalidRequest: An address cannot be written into a header.
    """
    built = EmailMessage(policy=SMTP)
    built["From"] = _address(sender)
    built["To"] = _address(mail.to)
    if mail.reply_to is not None:
        built["Reply-To"] = _address(mail.reply_to)
    built["Subject"] = mail.message.subject
    built["Date"] = format_datetime(now)
    built["Message-ID"] = f"<{mail.id}@{sender.address.rpartition('@')[2]}>"
    # Answering machines stay silent (RFC 3834), and mailing lists keep away.
    built["Auto-Submitted"] = "auto-generated"
    built.set_content(plain_text(mail.message))
    built.add_alternative(html(mail.message), subtype="html")
    return built


def _address(who: Correspondent) -> Address:
    try:
        return Address(display_name=who.name, addr_spec=who.address)
    except (ValueError, IndexError) as error:
        raise InvalidRequest("This is not an address that mail can be sent to.") from error


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("ostiary.adapters.smtp", ""), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("mail.html")
