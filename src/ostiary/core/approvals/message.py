"""The message a person sends to their IT administrator (UX §8): page, mail link and reminder share it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AdministratorMessage:
    """A text to send, with a link in it that is made for this one copy."""

    subject: str
    body: str

    @property
    def text(self) -> str:
        """Subject line and body, as the copy box shows them."""
        return f"Subject: {self.subject}\n\n{self.body}"


def administrator_message(
    *,
    vendor: str,
    link: str,
    app_id: str,
    publisher: str,
    publisher_verified: bool,
    waiting_count: int,
    sender_name: str,
    administrator_name: str | None = None,
    reason: str | None = None,
    link_expires: bool = True,
) -> AdministratorMessage:
    """Write the message. Every copy carries a freshly made link, which lasts three days (SR-67).

    Args:
        link_expires: False for the address of the approval page itself, which never expires.
    """
    greeting = f"Hello {administrator_name}," if administrator_name else "Hello,"
    verified = "verified by Microsoft" if publisher_verified else "not verified"
    facts = [f"Application ID: {app_id} · Publisher: {publisher} ({verified})"]
    waiting = "1 person is waiting." if waiting_count == 1 else f"{waiting_count} people are waiting."
    why = f" Why I need it: “{reason}”" if reason else ""
    if waiting_count or reason:
        facts.append(f"{waiting if waiting_count else ''}{why}".strip())
    paragraphs = (
        greeting,
        f"Some of us use {vendor} and need to connect our work email and calendar. Microsoft says an "
        "administrator has to approve the app first. It takes about two minutes:",
        f"{link} (works for 3 days)" if link_expires else link,
        "\n".join(facts),
        "The page lists every permission and why it is needed, and Microsoft’s own page shows them again before "
        "you accept anything. Approving lets people connect their own mailbox; it doesn’t open anyone’s mailbox "
        "by itself.",
        f"Thank you, {sender_name}",
    )
    return AdministratorMessage(f"Please approve {vendor} for Microsoft 365", "\n\n".join(paragraphs))
