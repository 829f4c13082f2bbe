"""GetUserAvailability: when people are taken. Its answer stands outside ``ResponseMessages``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from ostiary.adapters.ews.codec.event_xml import xml_text
from ostiary.adapters.ews.soap import Element, M
from ostiary.core.kernel.errors import ProviderContractBroken

OPERATION: Final = "GetUserAvailability"
_UTC: Final = (
    "<t:TimeZone><t:Bias>0</t:Bias>"
    "<t:StandardTime><t:Bias>0</t:Bias><t:Time>00:00:00</t:Time><t:DayOrder>1</t:DayOrder><t:Month>1</t:Month>"
    "<t:DayOfWeek>Sunday</t:DayOfWeek></t:StandardTime>"
    "<t:DaylightTime><t:Bias>0</t:Bias><t:Time>00:00:00</t:Time><t:DayOrder>5</t:DayOrder><t:Month>12</t:Month>"
    "<t:DayOfWeek>Sunday</t:DayOfWeek></t:DaylightTime></t:TimeZone>"
)
"""A zone that never changes its clock, so that all times of the answer are UTC."""


def request(addresses: Sequence[str], starts_at: datetime, ends_at: datetime, interval: timedelta) -> str:
    """Ask for several people's time.

    Source: EWS GetUserAvailability operation; a window of 42 days at most (ews.md §6).
    """
    people = "".join(
        f"<t:MailboxData><t:Email><t:Address>{xml_text(address)}</t:Address></t:Email>"
        "<t:AttendeeType>Required</t:AttendeeType><t:ExcludeConflicts>false</t:ExcludeConflicts></t:MailboxData>"
        for address in addresses
    )
    return (
        f"<m:GetUserAvailabilityRequest>{_UTC}<m:MailboxDataArray>{people}</m:MailboxDataArray>"
        f"<t:FreeBusyViewOptions><t:TimeWindow><t:StartTime>{_wall(starts_at)}</t:StartTime>"
        f"<t:EndTime>{_wall(ends_at)}</t:EndTime></t:TimeWindow>"
        f"<t:MergedFreeBusyIntervalInMinutes>{interval // timedelta(minutes=1)}</t:MergedFreeBusyIntervalInMinutes>"
        "<t:RequestedView>DetailedMerged</t:RequestedView></t:FreeBusyViewOptions></m:GetUserAvailabilityRequest>"
    )


def answers(response: Element, *, expected_count: int) -> list[Element]:
    """Return the answer about each person, in order."""
    found = response.findall(f"{M}FreeBusyResponseArray/{M}FreeBusyResponse")
    if len(found) != expected_count:
        raise ProviderContractBroken("Microsoft did not answer every part of the question.")
    return found


def _wall(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
