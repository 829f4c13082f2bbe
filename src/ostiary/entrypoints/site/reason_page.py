"""From a reason of the catalogue to a page whose buttons all lead somewhere (UX §1, §5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote, urlencode

from ostiary.core.consent.features import Feature
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.reasons.explain import Explanation
from ostiary.core.reasons.model import Action, Copyable, Tone


@dataclass(frozen=True, slots=True)
class Step:
    """One next step, ready to render: a link, or a form that is posted."""

    label: str
    hint: str
    href: str | None = None
    post_to: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class StepContext:
    """Where the steps of one page lead."""

    method: AccessMethod
    help_email: str
    vendor: str
    reference: str | None = None
    record_path: str | None = None
    """Page of the approval on record, where this browser may see it."""
    has_link: bool = False
    left_out: Feature | None = None
    """What an incomplete approval can go on without."""
    may_check: bool = False
    """The attempt came back from Microsoft, so trying again means looking again."""


_MARKS: Final = {Tone.WARN: "alert", Tone.BAD: "warning", Tone.NEUTRAL: "info"}
_MARK_BY_REASON: Final = {"not_admin": "person", "link_expired": "clock", "session_lost": "clock"}


RETRY_AFTER: Final = timedelta(seconds=30)
"""When Microsoft is in trouble, trying again at once makes it worse: the button comes after this (UX §7)."""


def wait_before_retry(reason_id: str, failed_at: datetime | None, now: datetime) -> int:
    """Seconds until *Try again* is offered; 0 when it is offered now."""
    if reason_id != "microsoft_down" or failed_at is None:
        return 0
    return max(0, math.ceil((failed_at + RETRY_AFTER - now).total_seconds()))


def without_retry(explanation: Explanation) -> Explanation:
    """The same page before trying again makes sense."""
    kept = tuple(action for action in explanation.actions if action.id != "try_again")
    return replace(explanation, actions=kept)


def mark_of(explanation: Explanation) -> str:
    """Return the icon of the outcome."""
    return _MARK_BY_REASON.get(explanation.reason_id, _MARKS[explanation.tone])


def steps_of(explanation: Explanation, context: StepContext) -> tuple[Step, ...]:
    """Return the steps that really work here, primary first."""
    made = (_step(action, explanation, context) for action in explanation.actions)
    return tuple(step for step in made if step is not None)


def shown_copyables(explanation: Explanation) -> tuple[Copyable, ...]:
    """Return the texts another person must act on, for the actions that are offered."""
    offered = {action.id for action in explanation.actions}
    return tuple(copyable for copyable in explanation.copyables if copyable.id in offered)


def _step(action: Action, explanation: Explanation, context: StepContext) -> Step | None:
    if explanation.copyable(action.id) is not None:
        return Step(action.label, action.hint, href=f"#{action.id}")
    make = _STEPS.get(action.id)
    return None if make is None else make(action, context)


def _link(path: str) -> Callable[[Action, StepContext], Step]:
    return lambda action, _: Step(action.label, action.hint, href=path)


def _start(method: AccessMethod | None = None) -> Callable[[Action, StepContext], Step]:
    def make(action: Action, context: StepContext) -> Step:
        chosen = method or context.method
        return Step(action.label, action.hint, post_to="/admin-consent/start", fields={"api": chosen.value})

    return make


def _check(action: Action, context: StepContext) -> Step | None:
    if context.reference is None:
        return None
    return Step(action.label, action.hint, post_to=f"/admin-consent/check/{context.reference}")


def _check_now(action: Action, context: StepContext) -> Step:
    return Step(
        action.label,
        action.hint,
        post_to="/admin-consent/check-now",
        fields={"api": context.method.value},
    )


def _try_again(action: Action, context: StepContext) -> Step | None:
    return _check(action, context) if context.may_check else _start()(action, context)


def _continue_without(action: Action, context: StepContext) -> Step | None:
    if context.left_out is None or context.reference is None:
        return None
    return Step(action.label, action.hint, post_to=f"/admin-consent/without/{context.reference}")


def _mail_to_help(subject: str) -> Callable[[Action, StepContext], Step]:
    def make(action: Action, context: StepContext) -> Step:
        text = subject.format(ref=context.reference or "", vendor=context.vendor)
        return Step(action.label, action.hint, href=mail_address(context.help_email, text))

    return make


def _mail(subject: str) -> Callable[[Action, StepContext], Step]:
    def make(action: Action, context: StepContext) -> Step:
        text = subject.format(ref=context.reference or "", vendor=context.vendor)
        return Step(action.label, action.hint, href=mail_address("", text))

    return make


def mail_address(to: str, subject: str, body: str = "") -> str:
    """Return a ``mailto:`` address that opens the person's own mail program."""
    query = {"subject": " ".join(subject.split()), **({"body": body} if body else {})}
    return f"mailto:{quote(to, safe='@')}?{urlencode(query, quote_via=quote)}"


def _if_linked(
    make: Callable[[Action, StepContext], Step | None],
) -> Callable[[Action, StepContext], Step | None]:
    return lambda action, context: make(action, context) if context.has_link else None


def _record(action: Action, context: StepContext) -> Step | None:
    path = context.record_path
    return None if path is None else Step(action.label, action.hint, href=path)


_STEPS: Final[dict[str, Callable[[Action, StepContext], Step | None]]] = {
    "go_back_and_approve": _link("/admin-consent"),
    "tell_asker_why": _if_linked(_link("/admin-consent/decline")),
    # The start page says "or Use another account"; going straight on could pick the same one silently.
    "try_another_account": _link("/admin-consent"),
    "try_org_account": _link("/admin-consent"),
    "use_work_account": _link("/admin-consent"),
    "ask_administrator_for_me": _link("/admin-consent/forward"),
    "ask_for_right_link": _mail("The right approval link for {vendor}, please {ref}"),
    "try_other_network": _link("/admin-consent"),
    "how_to_check": _link("/genuine"),
    "try_again": _try_again,
    "start_again": _link("/admin-consent"),
    "approve_again": _start(),
    "approve_missing": _start(),
    "continue_without_feature": _continue_without,
    "use_graph": _start(AccessMethod.GRAPH),
    "connect_with_graph": _start(AccessMethod.GRAPH),
    "check_again": _check,
    "check_ews_now": _check,
    "check_now": _check_now,
    "email_new_link": _mail_to_help("Please send me a new approval link for {vendor}"),
    "continue_without_link": lambda action, _: Step(
        action.label, action.hint, post_to="/admin-consent/without-link"
    ),
    "remind_asker": _mail("Please confirm our organization for {vendor} {ref}"),
    "contact_vendor": _mail_to_help("Our organization can’t be connected {ref}"),
    "see_record": _record,
    "tell_me_when_it_works": _mail_to_help("Please tell me when it works {ref}"),
    "tell_me_when_fixed": _mail_to_help("Please tell me when it’s fixed {ref}"),
    "service_status": _link("/status"),
    "what_did_microsoft_say": _link("/help/microsoft-page"),
}
"""Steps of the approval site by action id. An action that is missing here, such as a message, is no button."""
