"""What the access method of a connection can and cannot do."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request
from pydantic import ConfigDict, Field

from ostiary.core.access.model import Permission
from ostiary.core.calendar.capabilities import calendar_capabilities
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.mail.capabilities import SearchOrder
from ostiary.entrypoints.api.calendar_shapes import CalendarCapabilitiesShape
from ostiary.entrypoints.api.log_fields import NAMES_CONNECTION
from ostiary.entrypoints.api.problems import MAILBOX
from ostiary.entrypoints.api.shapes import AnswerShape, ObjectId
from ostiary.entrypoints.api.strict_json import api_router
from ostiary.entrypoints.web.context import principal, services
from ostiary.entrypoints.web.permissions import requires

router = api_router("/v1/connections/{connection_id}", tag="mail", dependencies=[NAMES_CONNECTION])


class MailCapabilitiesShape(AnswerShape):
    """Where Microsoft's two ways differ for mail."""

    stable_message_ids: Annotated[
        bool, Field(description="Whether a message keeps its id when it is moved or sent.")
    ]
    html_is_sanitized_by_provider: Annotated[
        bool,
        Field(
            description="Whether Microsoft takes scripts out of HTML before we see it. Never enough to show it: "
            "use `safe-html`."
        ),
    ]
    search_all_folders: Annotated[bool, Field(description="Whether `folder=all` can be searched.")]
    search_order: Annotated[SearchOrder, Field(description="In which order `folder=all` lists and searches.")]
    most_search_results: Annotated[
        int | None,
        Field(description="Where Microsoft ends a search by `q` or `to`; null: no limit is known."),
    ]
    largest_attachment_bytes: int
    attachment_limit_is_certain: Annotated[
        bool,
        Field(
            description="False: the organization's own size limit decides, often 35 MB for the whole message; more is "
            "refused with `too_large_for_mailbox`."
        ),
    ]
    scheduled_send: Annotated[bool, Field(description="Whether `send_at` works.")]
    sent_message_id: Annotated[bool, Field(description="Whether a send tells the id of the sent copy.")]
    mark_read_without_receipt: Annotated[
        bool, Field(description="Whether marking as read keeps a wanted read receipt from being sent.")
    ]
    if_match_on_delete: Annotated[
        bool,
        Field(
            description="Whether Microsoft itself checks `If-Match` of a delete; else we look just before, and a "
            "change in between goes unnoticed."
        ),
    ]
    many_messages_in_one_call: Annotated[
        bool,
        Field(
            description="Whether `messages/batch-get` costs one call to Microsoft, or one for each message; "
            "`Throttled` comes by calls."
        ),
    ]


class CapabilitiesShape(AnswerShape):
    """What differs for one connection."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "method": "graph",
                    "mail": {
                        "stable_message_ids": True,
                        "html_is_sanitized_by_provider": True,
                        "search_all_folders": True,
                        "search_order": "newest_first",
                        "most_search_results": 1000,
                        "largest_attachment_bytes": 157286400,
                        "attachment_limit_is_certain": True,
                        "scheduled_send": True,
                        "sent_message_id": True,
                        "mark_read_without_receipt": False,
                        "if_match_on_delete": True,
                        "many_messages_in_one_call": False,
                    },
                    "calendar": {
                        "stable_event_ids": True,
                        "can_stay_silent": False,
                        "online_meetings": True,
                        "same_uid_for_occurrences": False,
                        "if_match_on_delete": True,
                        "own_zone_has_a_name": True,
                        "split_keeps_attachments": False,
                        "longest_window_days": 730,
                        "longest_free_busy_days": 42,
                        "most_free_busy_people": 50,
                        "most_attendees": 500,
                        "most_answered_meetings": 50,
                    },
                }
            ]
        },
    )

    method: AccessMethod
    mail: MailCapabilitiesShape
    calendar: CalendarCapabilitiesShape


@router.get(
    "/capabilities",
    dependencies=[requires(Permission.API_MAILBOX_READ)],
    responses=MAILBOX,
    summary="See what a connection can do",
    operation_id="get_capabilities",
)
async def get_capabilities(request: Request, connection_id: ObjectId) -> CapabilitiesShape:
    """Where the access method of this connection differs from the other. Asks nothing of Microsoft."""
    method, mail = await services(request).mail.capabilities(
        connection_id, organization_id=principal(request).organization_id
    )
    return CapabilitiesShape(
        method=method,
        mail=MailCapabilitiesShape.model_validate(mail),
        calendar=CalendarCapabilitiesShape.model_validate(calendar_capabilities(method)),
    )
