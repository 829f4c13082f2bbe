"""A reason with its words filled in: what a page, a mail, the API and the CLI all show."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from ostiary.core.reasons.catalogue import REASSURANCES, get_reason
from ostiary.core.reasons.model import Action, Copyable, Fixer, Tone, Where

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")

_WHEN_UNKNOWN: Final = {
    "vendor": "the app",
    "org": "your organization",
    "asker": "the person who asked you",
    "admin": "An administrator",
    "account": "the account you used",
    "email": "another address",
    "organization_admin": "your organization’s admin",
    "date": "an earlier day",
    "domain": "your organization",
    "n": "some",
    "list": "see the details",
    "feature": "them",
    "code": "none given",
    "correlation_id": "none given",
    "time": "unknown",
    "ref": "none",
    "app_id": "unknown",
    "help": "support",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """One reason as a person reads it (UX §5)."""

    reason_id: str
    headline: str
    reassurance: str | None
    happened: str | None
    why: str
    fixer: Fixer
    who_can_fix: str
    tone: Tone
    actions: tuple[Action, ...]
    copyables: tuple[Copyable, ...]

    def action(self, action_id: str) -> Action | None:
        """Return the action with this id, when it is offered."""
        return next((action for action in self.actions if action.id == action_id), None)

    def copyable(self, action_id: str) -> Copyable | None:
        """Return the text that an action copies."""
        return next((text for text in self.copyables if text.id == action_id), None)


def explain(
    reason_id: str | None,
    *,
    where: Where,
    values: Mapping[str, str | None],
    variant: str | None = None,
) -> Explanation:
    """Fill in a reason's words for one flow.

    Args:
        reason_id: Unknown ids and None read as ``unknown``.
        values: Placeholders; one that is missing, None or empty reads as neutral words, never as a gap.
        variant: As :func:`ostiary.core.reasons.classify.variant_of` says.
    """
    reason = get_reason(reason_id)
    special = reason.variants.get(variant or "")
    connect = where is not Where.CONSENT
    headline = (reason.connect_headline if connect else None) or reason.headline
    why = (reason.connect_why if connect else None) or reason.why
    actions = (reason.connect_actions if connect else ()) or reason.actions
    who = reason.who_can_fix
    if special is not None:
        headline = special.headline or headline
        why = special.why or why
        who = special.who_can_fix or who
        actions = actions if special.actions is None else special.actions
    return Explanation(
        reason_id=reason.id,
        headline=_sentence(fill(headline, values)),
        reassurance=REASSURANCES[where] if reason.reassure else None,
        happened=None if reason.happened is None else fill(reason.happened, values),
        why=_sentence(fill(why, values)),
        fixer=reason.fixer,
        who_can_fix=_sentence(fill(who, values)),
        tone=reason.tone,
        actions=tuple(replace(action, label=fill(action.label, values)) for action in actions),
        copyables=tuple(
            replace(copyable, text=fill(copyable.text, values), title=fill(copyable.title, values))
            for copyable in reason.copyables
        ),
    )


def fill(text: str, values: Mapping[str, str | None]) -> str:
    """Put ``values`` into the ``{placeholders}`` of ``text``; braces of other kinds stay as they are."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in _WHEN_UNKNOWN:
            return match.group(0)
        return values.get(name) or _WHEN_UNKNOWN[name]

    return _PLACEHOLDER.sub(value, text)


def _sentence(text: str) -> str:
    """Begin with a capital: a placeholder may stand first. An address stays as it is written."""
    first_word = text.partition(" ")[0]
    return text if "@" in first_word else text[:1].upper() + text[1:]
