"""CreateAttachment, GetAttachment and DeleteAttachment."""

from __future__ import annotations

from typing import Final

from ostiary.adapters.ews.ids import ews_id
from ostiary.adapters.ews.soap import Element, M, attribute, element_text
from ostiary.core.kernel.errors import ProviderContractBroken
from ostiary.core.mail.attachments import NewAttachment

CREATE: Final = "CreateAttachment"
GET: Final = "GetAttachment"
DELETE: Final = "DeleteAttachment"


def create_request(message_id: str, file: NewAttachment) -> tuple[str, str]:
    """Return what stands before and after the file's content in base64.

    Source: EWS CreateAttachment operation.
    """
    content_id = f"<t:ContentId>{element_text(file.content_id)}</t:ContentId>" if file.content_id else ""
    before = (
        f"<m:CreateAttachment><m:ParentItemId Id={attribute(ews_id(message_id))}/><m:Attachments>"
        f"<t:FileAttachment><t:Name>{element_text(file.name)}</t:Name>"
        f"<t:ContentType>{element_text(file.content_type)}</t:ContentType>{content_id}"
        f"<t:IsInline>{str(file.is_inline).lower()}</t:IsInline><t:Content>"
    )
    return before, "</t:Content></t:FileAttachment></m:Attachments></m:CreateAttachment>"


def created_attachment(message: Element) -> Element:
    """Return the new attachment of a response message: its id."""
    listed = message.find(f"{M}Attachments")
    if listed is None or len(listed) != 1:
        raise ProviderContractBroken("Microsoft gave an answer we do not understand (Attachments).")
    return listed[0]


def get_request(attachment_id: str) -> str:
    """Ask for an attachment: a file's content, or the MIME text of an attached message.

    Source: EWS GetAttachment operation.
    """
    return (
        "<m:GetAttachment><m:AttachmentShape><t:IncludeMimeContent>true</t:IncludeMimeContent></m:AttachmentShape>"
        f"<m:AttachmentIds><t:AttachmentId Id={attribute(ews_id(attachment_id))}/></m:AttachmentIds>"
        "</m:GetAttachment>"
    )


def delete_request(attachment_id: str) -> str:
    """Take an attachment off its item.

    Source: EWS DeleteAttachment operation.
    """
    return (
        f"<m:DeleteAttachment><m:AttachmentIds><t:AttachmentId Id={attribute(ews_id(attachment_id))}/>"
        "</m:AttachmentIds></m:DeleteAttachment>"
    )
