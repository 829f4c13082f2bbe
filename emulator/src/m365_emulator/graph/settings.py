"""Mailbox settings, supported languages and time zones."""

from __future__ import annotations

from datetime import time
from typing import Any

from m365_emulator.world.mailbox.settings import AutomaticReplies, WorkingHours
from m365_emulator.world.mailbox.timezones import windows_name, windows_zones

from .access import SETTINGS_READ, SETTINGS_WRITE, USER_SETTINGS
from .call import Call, Reply
from .errors import bad_request, not_found
from .inputs.values import choice_of, list_of, member, object_of, text_of, wrong_type, zoned_moment_of
from .operations import Operations
from .shapes.values import moment_in_zone

operations = Operations()
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
LANGUAGES = {
    "en-US": "English (United States)",
    "en-GB": "English (United Kingdom)",
    "de-DE": "German (Germany)",
    "fr-FR": "French (France)",
    "nl-NL": "Dutch (Netherlands)",
    "sv-SE": "Swedish (Sweden)",
    "da-DK": "Danish (Denmark)",
    "es-ES": "Spanish (Spain)",
    "it-IT": "Italian (Italy)",
    "ja-JP": "Japanese (Japan)",
}


@operations.get("/{mailbox}/mailboxSettings", SETTINGS_READ)
def get(call: Call) -> Reply:
    """Return the settings of the mailbox."""
    body: dict[str, Any] = {"@odata.context": call.context("mailboxSettings")} | settings_json(call)
    if call.options.select is not None:
        wanted = {name.lower() for name in call.options.select}
        body = {name: value for name, value in body.items() if name.startswith("@") or name.lower() in wanted}
    return Reply(json=body)


@operations.get("/{mailbox}/mailboxSettings/{setting}", SETTINGS_READ)
def get_one(call: Call) -> Reply:
    """Return one setting; simple ones under `value`."""
    wanted = call.arguments["setting"].lower()
    for name, value in settings_json(call).items():
        if name.lower() == wanted:
            context = {"@odata.context": call.context(f"mailboxSettings/{name}")}
            return Reply(json=context | (value if isinstance(value, dict) else {"value": value}))
    raise not_found("ResourceNotFound", "Resource could not be discovered.")


@operations.patch("/{mailbox}/mailboxSettings", SETTINGS_WRITE)
def update(call: Call) -> Reply:
    """Change settings; what is not named stays."""
    settings = call.mailbox.settings
    body = call.json()
    zone = member(body, "timeZone")
    hours = member(body, "workingHours")
    replies = member(body, "automaticRepliesSetting")
    language = member(body, "language")
    new_zone = windows_name(text_of(zone, "timeZone", limit=200)) if zone is not None else settings.time_zone
    new_hours = (
        _hours_of(hours, settings.working_hours, new_zone) if hours is not None else settings.working_hours
    )
    new_replies = (
        _replies_of(replies, settings.automatic_replies)
        if replies is not None
        else settings.automatic_replies
    )
    if language is not None:
        locale = text_of(member(object_of(language, "language"), "locale"), "language/locale", limit=20)
        if locale not in LANGUAGES:
            raise bad_request(f"The locale '{locale}' is not supported.", "ErrorInvalidRequest")
        settings.locale = locale
    date_format, time_format = member(body, "dateFormat"), member(body, "timeFormat")
    if date_format is not None:
        settings.date_format = text_of(date_format, "dateFormat", limit=40)
    if time_format is not None:
        settings.time_format = text_of(time_format, "timeFormat", limit=40)
    delivery = member(body, "delegateMeetingMessageDeliveryOptions")
    if delivery is not None:
        settings.meeting_message_delivery = choice_of(
            delivery,
            "delegateMeetingMessageDeliveryOptions",
            (
                "sendToDelegateAndInformationToPrincipal",
                "sendToDelegateAndPrincipal",
                "sendToDelegateOnly",
            ),
        )
    settings.time_zone, settings.working_hours, settings.automatic_replies = new_zone, new_hours, new_replies
    return get(call)


@operations.get("/{mailbox}/outlook/supportedTimeZones", USER_SETTINGS)
def list_time_zones(call: Call) -> Reply:
    """List the time zones the mailbox server knows, by Windows or IANA names."""
    standard = call.parameters.get("timezonestandard", "Windows").lower()
    if standard not in ("windows", "iana"):
        raise bad_request("The time zone standard must be Windows or Iana.", "ErrorInvalidRequest")
    if standard == "iana":
        names = sorted({name for zone in windows_zones().values() for name in zone.iana})
        value = [{"alias": name, "displayName": name} for name in names]
    else:
        value = [{"alias": zone.name, "displayName": zone.display_name} for zone in windows_zones().values()]
    return Reply(
        json={
            "@odata.context": f"{call.root}/$metadata#Collection(microsoft.graph.timeZoneInformation)",
            "value": value,
        }
    )


@operations.get("/{mailbox}/outlook/supportedLanguages", USER_SETTINGS)
def list_languages(call: Call) -> Reply:
    """List the languages the mailbox server knows."""
    value = [{"locale": locale, "displayName": name} for locale, name in LANGUAGES.items()]
    return Reply(
        json={
            "@odata.context": f"{call.root}/$metadata#Collection(microsoft.graph.localeInfo)",
            "value": value,
        }
    )


def settings_json(call: Call) -> dict[str, Any]:
    """Return the settings as Graph writes them."""
    mailbox, settings = call.mailbox, call.mailbox.settings
    replies, hours = settings.automatic_replies, settings.working_hours
    return {
        "archiveFolder": mailbox.ids.folder_rest_id(mailbox.well_known("archive").number),
        "timeZone": settings.time_zone,
        "delegateMeetingMessageDeliveryOptions": settings.meeting_message_delivery,
        "dateFormat": settings.date_format,
        "timeFormat": settings.time_format,
        "userPurpose": settings.purpose,
        "automaticRepliesSetting": {
            "status": replies.status,
            "externalAudience": replies.audience,
            "internalReplyMessage": replies.internal_message,
            "externalReplyMessage": replies.external_message,
            "scheduledStartDateTime": moment_in_zone(replies.start, "UTC"),
            "scheduledEndDateTime": moment_in_zone(replies.end, "UTC"),
        },
        "language": {
            "locale": settings.locale,
            "displayName": LANGUAGES.get(settings.locale, settings.locale),
        },
        "workingHours": working_hours_json(hours, settings.time_zone),
    }


def working_hours_json(hours: WorkingHours, zone: str) -> dict[str, Any]:
    """Return working hours as Graph writes them."""
    return {
        "daysOfWeek": list(hours.days),
        "startTime": f"{hours.start:%H:%M:%S}.0000000",
        "endTime": f"{hours.end:%H:%M:%S}.0000000",
        "timeZone": {"name": hours.zone or zone},
    }


def _hours_of(value: Any, known: WorkingHours, zone: str) -> WorkingHours:
    found = object_of(value, "workingHours")
    days, name = member(found, "daysOfWeek"), member(found, "timeZone")
    return WorkingHours(
        tuple(choice_of(day, "workingHours/daysOfWeek", _DAYS) for day in list_of(days, "daysOfWeek"))
        if days is not None
        else known.days,
        _time_of(member(found, "startTime"), known.start),
        _time_of(member(found, "endTime"), known.end),
        windows_name(text_of(member(object_of(name, "timeZone"), "name"), "name", limit=200))
        if name is not None
        else known.zone or zone,
    )


def _time_of(value: Any, known: time) -> time:
    if value is None:
        return known
    if not isinstance(value, str):
        raise wrong_type("workingHours")
    try:
        return time.fromisoformat(value[:8])
    except ValueError as error:
        raise bad_request(f"'{value[:30]}' is no time of day.", "ErrorInvalidRequest") from error


def _replies_of(value: Any, known: AutomaticReplies) -> AutomaticReplies:
    found = object_of(value, "automaticRepliesSetting")
    status, audience = member(found, "status"), member(found, "externalAudience")
    start, end = member(found, "scheduledStartDateTime"), member(found, "scheduledEndDateTime")
    inside, outside = member(found, "internalReplyMessage"), member(found, "externalReplyMessage")
    return AutomaticReplies(
        choice_of(status, "status", ("disabled", "alwaysEnabled", "scheduled"))
        if status is not None
        else known.status,
        choice_of(audience, "externalAudience", ("none", "contactsOnly", "all"))
        if audience is not None
        else known.audience,
        zoned_moment_of(start, "scheduledStartDateTime")[0] if start is not None else known.start,
        zoned_moment_of(end, "scheduledEndDateTime")[0] if end is not None else known.end,
        text_of(inside, "internalReplyMessage") if inside is not None else known.internal_message,
        text_of(outside, "externalReplyMessage") if outside is not None else known.external_message,
    )
