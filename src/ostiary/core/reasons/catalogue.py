"""Every reason that can stop a person, with the words they read (UX §7).

Placeholders: ``{vendor} {org} {asker} {admin} {account} {app_id} {date} {ref} {email} {n} {list} {feature}
{domain} {organization_admin} {help}``. Fill them with :func:`ostiary.core.reasons.explain.explain`.
"""

from __future__ import annotations

from typing import Final

from ostiary.core.reasons.model import Action, Copyable, Fixer, Reason, Retry, Tone, Variant, Where

_C: Final = frozenset({Where.CONSENT})
_U: Final = frozenset({Where.CONNECT})
_H: Final = frozenset({Where.HEALTH})
_CU: Final = _C | _U
_UH: Final = _U | _H
_CUH: Final = _C | _U | _H

_TRY_AGAIN: Final = Action("try_again", "Try again")
_USE_GRAPH: Final = Action("use_graph", "Use Graph instead")
_COPY_DETAILS: Final = Action("copy_details", "Copy details for your administrator")
_COPY_STEPS: Final = Action("copy_steps", "Copy steps")
_CHECK_EWS: Final = Action("check_ews_now", "Check EWS now")
_USE_OTHER: Final = Action("use_another_account", "Use another account")
_ASK_ADMINISTRATOR: Final = Action("ask_my_administrator", "Ask my administrator")
_MESSAGE: Final = Action("message", "Message for your IT administrator")

EXCHANGE_STEPS: Final = """\
Connect-ExchangeOnline
$o = Get-OrganizationConfig -RetrieveEwsOperationAccessPolicy
$o | Format-List EwsEnabled, EwsAllowedAppIDs          # look first; keep a copy
$ids = @("$($o.EwsAllowedAppIDs)" -split ',' | ForEach-Object Trim | Where-Object { $_ }) + '{app_id}'
Set-OrganizationConfig -EwsAllowedAppIDs (($ids | Select-Object -Unique) -join ',')
# Only if EwsEnabled is not True, and only after every app you still need is listed:
# Set-OrganizationConfig -EwsEnabled $true"""
"""Look-first steps: the setting replaces the whole list, so a one-line overwrite is never shown (UX §7)."""

EXCHANGE_CAPTION: Final = (
    "If the list was empty, writing it blocks every EWS app you don’t put in it. Turning EWS on does the same. "
    "Changes can take up to a day. Graph needs none of this."
)

_DETAILS_FOR_ADMINISTRATOR: Final = Copyable(
    "copy_details",
    "Details for your administrator",
    "{vendor} could not be used with {account} at {org}.\n"
    "Application ID: {app_id}\n"
    "Microsoft code: {code}\n"
    "Correlation ID: {correlation_id}\n"
    "Time: {time}\n"
    "Reference: {ref}\n"
    "The correlation ID and the time find this sign-in in the Microsoft Entra sign-in log.",
)


def _exchange_steps(action_id: str) -> Copyable:
    return Copyable(action_id, "Steps for your Exchange administrator", EXCHANGE_STEPS, EXCHANGE_CAPTION)


_REASONS: Final = (
    Reason(
        id="declined",
        where=_CU,
        headline="You chose not to approve",
        connect_headline="You chose not to connect",
        why="You pressed Cancel on Microsoft’s page. That’s fine if you meant to.",
        fixer=Fixer.YOU,
        who_can_fix="You",
        tone=Tone.NEUTRAL,
        retry=Retry.AFTER_INTERACTION,
        actions=(
            Action("go_back_and_approve", "Go back and approve"),
            Action("tell_asker_why", "Tell {asker} why"),
        ),
        connect_actions=(_TRY_AGAIN,),
        aadsts=frozenset({65004}),
    ),
    Reason(
        id="not_admin",
        where=_CU,
        headline="This account can’t approve apps for {org}",
        connect_headline="Your organization wants an administrator to approve {vendor} first",
        why="The account doesn’t hold a role that can approve apps for the whole organization, or the role "
        "isn’t activated right now.",
        fixer=Fixer.IT_ADMIN,
        who_can_fix="Your Microsoft 365 administrator: a Cloud Application, Application or Privileged Role "
        "Administrator.",
        tone=Tone.WARN,
        retry=Retry.AFTER_INTERACTION,
        actions=(
            Action("try_another_account", "Try again with another account"),
            Action("ask_administrator_for_me", "Ask an administrator for me"),
            _MESSAGE,
        ),
        connect_actions=(_ASK_ADMINISTRATOR,),
        variants={
            # An administrator who ticks nothing on an ordinary sign-in approves for themselves (entra-id.md §2.4).
            "not_for_everyone": Variant(
                headline="{org} has approved {vendor}, but not for you",
                why="An approval is on record, and Microsoft still asks for one. It was probably given for one "
                "administrator alone, or taken back since. Approving once more, for everyone, mends it.",
            )
        },
        aadsts=frozenset({90093, 90094, 90095, 90099}),
    ),
    Reason(
        id="wrong_tenant",
        where=_CU,
        headline="That account belongs to another organization",
        why="You signed in as {account}. This link is only for {org}.",
        fixer=Fixer.YOU,
        who_can_fix="You",
        tone=Tone.WARN,
        retry=Retry.AFTER_INTERACTION,
        actions=(
            Action("try_org_account", "Try again with a {org} account"),
            Action("ask_for_right_link", "Ask {asker} for the right link"),
        ),
        aadsts=frozenset({50020, 16000, 50034, 51004}),
    ),
    Reason(
        id="personal_account",
        where=_CU,
        headline="That’s a personal Microsoft account",
        why="Only work or school accounts can be used here, in the organization they belong to.",
        fixer=Fixer.YOU,
        who_can_fix="You",
        tone=Tone.WARN,
        retry=Retry.AFTER_INTERACTION,
        actions=(Action("use_work_account", "Use a work account"),),
        variants={"guest": Variant(headline="You’re a guest in that organization")},
        aadsts=frozenset({500208}),
    ),
    Reason(
        id="app_blocked",
        where=_CU,
        headline="Your organization blocks {vendor}",
        why="A policy on your network or tenant doesn’t allow this app, or not for this account.",
        fixer=Fixer.IDENTITY_ADMIN,
        who_can_fix="Your identity or security administrator",
        tone=Tone.WARN,
        retry=Retry.AFTER_INTERACTION,
        actions=(_COPY_DETAILS,),
        copyables=(_DETAILS_FOR_ADMINISTRATOR,),
        variants={
            "network": Variant(
                actions=(_COPY_DETAILS, Action("try_other_network", "Try from another network")),
            )
        },
        aadsts=frozenset({500021, 500022, 500212, 500213}),
    ),
    Reason(
        id="unverified_publisher",
        where=_CU,
        headline="Microsoft wants an administrator to look at this app first",
        why="The publisher isn’t verified, or the request looked unusual to Microsoft.",
        fixer=Fixer.IT_ADMIN,
        who_can_fix="Administrators can still approve after checking; {vendor} can get verified",
        tone=Tone.WARN,
        retry=Retry.AFTER_INTERACTION,
        actions=(
            Action("how_to_check", "How to check this app"),
            Action("ask_administrator_for_me", "Ask an administrator"),
            _MESSAGE,
        ),
        connect_actions=(
            Action("how_to_check", "How to check this app"),
            Action("ask_my_administrator", "Ask an administrator"),
        ),
        aadsts=frozenset({900941, 900981}),
    ),
    Reason(
        id="app_disabled",
        where=_CUH,
        headline="{vendor} is switched off in your organization",
        why="An administrator turned off sign-in for this app.",
        fixer=Fixer.IT_ADMIN,
        who_can_fix="Your IT administrator",
        tone=Tone.BAD,
        retry=Retry.AFTER_INTERACTION,
        actions=(_COPY_STEPS, _TRY_AGAIN),
        copyables=(
            Copyable(
                "copy_steps",
                "Steps for your IT administrator",
                "Entra admin center › Enterprise applications › {vendor} › Properties › Enabled for users to "
                "sign in: Yes\nApplication ID: {app_id}",
            ),
        ),
        aadsts=frozenset({7000112, 70001}),
    ),
    Reason(
        id="not_assigned",
        where=_UH,
        headline="You haven’t been given access to {vendor} yet",
        why="{org} lets only assigned people use this app.",
        fixer=Fixer.IT_ADMIN,
        who_can_fix="Your IT administrator",
        tone=Tone.WARN,
        retry=Retry.AFTER_INTERACTION,
        actions=(_COPY_STEPS, _TRY_AGAIN),
        copyables=(
            Copyable(
                "copy_steps",
                "Steps for your IT administrator",
                "Enterprise applications › {vendor} › Users and groups › Add {account} or their group\n"
                "Application ID: {app_id}",
            ),
        ),
        aadsts=frozenset({50105}),
    ),
    Reason(
        id="sign_in_policy",
        where=_CUH,
        headline="A sign-in rule at {org} stopped you",
        why="A Conditional Access rule doesn’t allow this.",
        fixer=Fixer.YOU,
        who_can_fix="You first, then your identity administrator",
        tone=Tone.WARN,
        retry=Retry.AFTER_INTERACTION,
        actions=(_TRY_AGAIN, _COPY_DETAILS),
        copyables=(_DETAILS_FOR_ADMINISTRATOR,),
        variants={
            "mfa": Variant(
                why="Microsoft asked for a second step that wasn’t completed.",
                actions=(Action("try_again", "Try again", "have your phone ready"), _COPY_DETAILS),
            ),
            "device": Variant(
                why="This device isn’t managed by {org}.",
                actions=(Action("try_again", "Try again", "use your work computer"), _COPY_DETAILS),
            ),
        },
        aadsts=frozenset(
            {50005, 50072, 50074, 50076, 50079, 50131, 50158, 53000, 53001, 53002, 53003, 530032}
        ),
    ),
    Reason(
        id="ews_off",
        where=_CUH,
        headline="EWS is switched off at {org}",
        why="Microsoft blocks EWS since October 2026 unless an Exchange administrator switched it on.",
        fixer=Fixer.NOBODY,
        who_can_fix="Nobody needs to, if you use Graph",
        tone=Tone.WARN,
        retry=Retry.AFTER_INTERACTION,
        actions=(_USE_GRAPH, Action("show_exchange_steps", "Show Exchange steps"), _CHECK_EWS),
        copyables=(_exchange_steps("show_exchange_steps"),),
    ),
    Reason(
        id="ews_not_listed",
        where=_CUH,
        headline="{vendor} isn’t on your EWS allow list",
        why="EWS is on, but only for listed apps, and this one isn’t listed.",
        fixer=Fixer.EXCHANGE_ADMIN,
        who_can_fix="Your Exchange administrator",
        tone=Tone.WARN,
        retry=Retry.AFTER_INTERACTION,
        actions=(_USE_GRAPH, Action("copy_exchange_steps", "Copy Exchange steps"), _CHECK_EWS),
        copyables=(_exchange_steps("copy_exchange_steps"),),
    ),
    Reason(
        id="ews_ended",
        where=_CUH,
        headline="Microsoft has ended EWS",
        why="It stopped for every organization on 1 April 2027.",
        fixer=Fixer.YOU,
        who_can_fix="You",
        tone=Tone.BAD,
        retry=Retry.NEVER,
        actions=(Action("connect_with_graph", "Connect with Graph"),),
    ),
    Reason(
        id="link_expired",
        where=_C,
        headline="This link doesn’t work any more",
        why="Links last 3 days and work once, so an old email can’t be misused. It may also have been copied "
        "incompletely.",
        fixer=Fixer.YOU,
        who_can_fix="You, or the person who sent it",
        tone=Tone.WARN,
        retry=Retry.NEVER,
        actions=(
            Action("email_new_link", "Email me a new link"),
            Action("continue_without_link", "Continue without a link"),
        ),
    ),
    Reason(
        id="tenant_pending",
        where=_C,
        headline="Approved. {asker} still has to confirm your organization.",
        why="We don’t know {domain} yet. {asker} sees your organization’s name, ID and domains and confirms with "
        "one click. You’re done.",
        fixer=Fixer.ORGANIZATION_ADMIN,
        who_can_fix="{asker}",
        tone=Tone.WARN,
        retry=Retry.AFTER_INTERACTION,
        actions=(Action("remind_asker", "Remind {asker}"),),
        reassure=False,
    ),
    Reason(
        id="tenant_taken",
        where=_C,
        headline="We can’t connect this organization here",
        why="It needs a check by the {vendor} team.",
        fixer=Fixer.VENDOR,
        who_can_fix="{vendor}",
        tone=Tone.WARN,
        retry=Retry.NEVER,
        actions=(Action("contact_vendor", "Contact {vendor}"),),
    ),
    Reason(
        id="already_approved",
        where=_C,
        headline="Already approved",
        why="{admin} approved this on {date}. Nothing else is needed.",
        fixer=Fixer.NOBODY,
        who_can_fix="Nobody needs to act",
        tone=Tone.NEUTRAL,
        retry=Retry.NEVER,
        actions=(Action("see_record", "See the record"), Action("approve_again", "Approve again")),
        reassure=False,
    ),
    Reason(
        id="already_connected",
        where=_U,
        headline="You’re already connected",
        why="{account} has been connected since {date} and is healthy.",
        fixer=Fixer.NOBODY,
        who_can_fix="Nobody needs to act",
        tone=Tone.NEUTRAL,
        retry=Retry.NEVER,
        actions=(
            Action("go_to_vendor", "Go to {vendor}"),
            Action("reconnect_anyway", "Reconnect anyway"),
        ),
        reassure=False,
    ),
    Reason(
        id="no_licence",
        where=_U,
        headline="You don’t have a {vendor} licence yet",
        why="Licences are given out by {organization_admin}.",
        fixer=Fixer.ORGANIZATION_ADMIN,
        who_can_fix="{organization_admin}",
        tone=Tone.WARN,
        retry=Retry.AFTER_INTERACTION,
        actions=(Action("ask_for_licence", "Ask for a licence"),),
    ),
    Reason(
        id="mailbox_missing",
        where=_UH,
        headline="We couldn’t find a mailbox for {account}",
        why="No Exchange Online licence, the mailbox is still being created, or it lives on your own servers.",
        fixer=Fixer.IT_ADMIN,
        who_can_fix="Your IT administrator",
        tone=Tone.WARN,
        retry=Retry.AFTER_INTERACTION,
        actions=(
            Action("try_again", "Try again", "new mailboxes can take up to a day"),
            _USE_OTHER,
            _COPY_DETAILS,
        ),
        copyables=(_DETAILS_FOR_ADMINISTRATOR,),
        # One of the two answered, so the mailbox is there.
        variants={
            "mail": Variant(why="Microsoft found a calendar, but no inbox in this mailbox."),
            "calendar": Variant(why="Microsoft found no calendar in this mailbox."),
        },
        aadsts=frozenset({650052}),
    ),
    Reason(
        id="account_mismatch",
        where=_U,
        headline="That’s a different mailbox",
        why="You connected {account}; {vendor} knows you as {email}.",
        fixer=Fixer.YOU,
        who_can_fix="You",
        tone=Tone.WARN,
        retry=Retry.AFTER_INTERACTION,
        actions=(
            Action("use_this_account", "Use {account}"),
            Action("try_as_email", "Try again as {email}"),
        ),
    ),
    Reason(
        id="mailbox_in_use",
        where=_U,
        headline="Someone else already connected this mailbox",
        why="It is linked to another {vendor} person.",
        fixer=Fixer.ORGANIZATION_ADMIN,
        who_can_fix="{organization_admin}",
        tone=Tone.WARN,
        retry=Retry.AFTER_INTERACTION,
        actions=(_USE_OTHER, Action("ask_organization_admin", "Ask {organization_admin}")),
    ),
    Reason(
        id="missing_permission",
        where=_CUH,
        headline="Approved, but {n} permissions are missing",
        why="Microsoft returned fewer permissions than {vendor} needs: {list}.",
        fixer=Fixer.IT_ADMIN,
        who_can_fix="Whoever approved",
        tone=Tone.WARN,
        retry=Retry.AFTER_INTERACTION,
        actions=(
            Action("approve_missing", "Approve the missing ones"),
            Action("check_again", "Check again"),
            Action("continue_without_feature", "Continue without {feature}"),
        ),
        variants={"one": Variant(headline="Approved, but 1 permission is missing")},
        reassure=False,
    ),
    Reason(
        id="not_confirmed",
        where=_C,
        headline="We can’t confirm the approval yet",
        why="You came back from Microsoft, but our check hasn’t succeeded. Microsoft can take up to half an hour.",
        fixer=Fixer.NOBODY,
        who_can_fix="Nobody yet",
        tone=Tone.WARN,
        retry=Retry.BACK_OFF,
        actions=(Action("check_again", "Check again"),),
        variants={
            "too_late": Variant(
                why="Microsoft hasn’t recorded it.",
                who_can_fix="You",
                actions=(Action("approve_again", "Approve again"), Action("check_again", "Check again")),
            )
        },
        reassure=False,
    ),
    Reason(
        id="session_lost",
        where=_CU,
        headline="We lost track of this sign-in",
        why="More than 10 minutes passed, cookies are blocked, or the sign-in began in another browser. For "
        "safety we stop then.",
        fixer=Fixer.YOU,
        who_can_fix="You",
        tone=Tone.WARN,
        retry=Retry.AFTER_INTERACTION,
        actions=(
            Action("start_again", "Start again"),
            Action("check_now", "Check now", "If you chose Accept, it may have worked"),
        ),
        connect_actions=(Action("start_again", "Start again"),),
        aadsts=frozenset({54005}),
        reassure=False,
    ),
    Reason(
        id="microsoft_down",
        where=_CUH,
        headline="Microsoft isn’t answering properly",
        why="The problem is on Microsoft’s side.",
        fixer=Fixer.MICROSOFT,
        who_can_fix="Nobody at {org}",
        tone=Tone.WARN,
        retry=Retry.BACK_OFF,
        actions=(
            _TRY_AGAIN,
            Action("tell_me_when_it_works", "Tell me when it works"),
            Action("service_status", "Service status"),
        ),
        aadsts=frozenset({90033, 90006, 90012, 90024, 90090}),
    ),
    Reason(
        id="our_fault",
        where=_CUH,
        headline="Something is wrong on our side",
        why="{vendor}’s app is set up wrongly. You did nothing wrong.",
        fixer=Fixer.VENDOR,
        who_can_fix="{vendor}; we’ve been alerted",
        tone=Tone.BAD,
        retry=Retry.NEVER,
        actions=(Action("tell_me_when_fixed", "Tell me when it’s fixed"),),
        aadsts=frozenset({700016, 50011, 70011, 7000215, 7000222, 65005, 650056, 650057}),
    ),
    Reason(
        id="frozen",
        where=_UH,
        headline="{vendor} has stopped using mailboxes for now",
        why="The {vendor} team stopped it, usually while they look into something that matters for safety. "
        "Your account and your mailbox are fine, and nothing was deleted.",
        fixer=Fixer.VENDOR,
        who_can_fix="{vendor}",
        tone=Tone.WARN,
        retry=Retry.NEVER,
        actions=(_TRY_AGAIN, Action("tell_me_when_it_works", "Tell me when it works")),
    ),
    Reason(
        id="not_finished",
        where=_U,
        headline="We couldn’t finish with {vendor}",
        why="{vendor} didn’t confirm within 5 minutes that it was you, so we threw the sign-in away.",
        fixer=Fixer.YOU,
        who_can_fix="You",
        tone=Tone.WARN,
        retry=Retry.AFTER_INTERACTION,
        actions=(Action("start_again_from_vendor", "Start again from {vendor}"),),
    ),
    Reason(
        id="consent_withdrawn",
        where=_H,
        headline="{org} withdrew its approval",
        why="An administrator removed {vendor}’s permissions on or before {date}.",
        fixer=Fixer.IT_ADMIN,
        who_can_fix="Your IT administrator",
        tone=Tone.BAD,
        retry=Retry.AFTER_INTERACTION,
        actions=(Action("ask_your_administrator", "Ask your administrator"),),
        aadsts=frozenset({65001}),
    ),
    Reason(
        id="sign_in_needed",
        where=_H,
        headline="Please sign in again",
        why="Your password changed, you were signed out everywhere, or the connection was unused for too long.",
        fixer=Fixer.YOU,
        who_can_fix="You",
        tone=Tone.BAD,
        retry=Retry.AFTER_INTERACTION,
        actions=(Action("sign_in_again", "Sign in again"),),
        aadsts=frozenset({50173, 700082, 70008, 70043, 50132, 50133}),
    ),
    Reason(
        id="slowed_down",
        where=_H,
        headline="Catching up",
        why="Microsoft asked us to slow down. Your mailbox is {n} minutes behind. It catches up by itself.",
        fixer=Fixer.NOBODY,
        who_can_fix="Nobody",
        tone=Tone.NEUTRAL,
        retry=Retry.BACK_OFF,
        actions=(),
    ),
    Reason(
        id="unknown",
        where=_CUH,
        headline="That didn’t work, and Microsoft didn’t say why",
        why="We’ve saved the details.",
        fixer=Fixer.VENDOR,
        who_can_fix="{vendor} support",
        tone=Tone.WARN,
        retry=Retry.AFTER_INTERACTION,
        actions=(_TRY_AGAIN, Action("what_did_microsoft_say", "What did Microsoft’s page say?")),
    ),
)

CATALOGUE: Final[dict[str, Reason]] = {reason.id: reason for reason in _REASONS}
"""All reasons by id, in the order of UX §7; ``frozen`` is SR-50's."""

REASSURANCES: Final[dict[Where, str]] = {
    Where.CONSENT: "Nothing was approved and nothing has changed.",
    Where.CONNECT: "Nothing was connected.",
    Where.HEALTH: "What we already synced is safe.",
}


def find_reason(reason_id: str) -> Reason | None:
    """Return the reason, or None when the id is no reason of ours."""
    return CATALOGUE.get(reason_id)


def get_reason(reason_id: str | None) -> Reason:
    """Return the reason; anything we do not know reads as ``unknown``, so that no page is ever empty."""
    return CATALOGUE.get(reason_id or "unknown", CATALOGUE["unknown"])
