"""The catalogue holds the words of UX §7, and explains every reason without a gap."""

from __future__ import annotations

import re

import pytest

from ostiary.core.reasons.catalogue import CATALOGUE, EXCHANGE_STEPS, find_reason, get_reason
from ostiary.core.reasons.explain import explain, fill
from ostiary.core.reasons.model import Reason, Where

HEADLINES = {
    "declined": "You chose not to approve",
    "not_admin": "This account can’t approve apps for {org}",
    "wrong_tenant": "That account belongs to another organization",
    "personal_account": "That’s a personal Microsoft account",
    "app_blocked": "Your organization blocks {vendor}",
    "unverified_publisher": "Microsoft wants an administrator to look at this app first",
    "app_disabled": "{vendor} is switched off in your organization",
    "not_assigned": "You haven’t been given access to {vendor} yet",
    "sign_in_policy": "A sign-in rule at {org} stopped you",
    "ews_off": "EWS is switched off at {org}",
    "ews_not_listed": "{vendor} isn’t on your EWS allow list",
    "ews_ended": "Microsoft has ended EWS",
    "link_expired": "This link doesn’t work any more",
    "tenant_pending": "Approved. {asker} still has to confirm your organization.",
    "tenant_taken": "We can’t connect this organization here",
    "already_approved": "Already approved",
    "already_connected": "You’re already connected",
    "no_licence": "You don’t have a {vendor} licence yet",
    "mailbox_missing": "We couldn’t find a mailbox for {account}",
    "account_mismatch": "That’s a different mailbox",
    "mailbox_in_use": "Someone else already connected this mailbox",
    "missing_permission": "Approved, but {n} permissions are missing",
    "not_confirmed": "We can’t confirm the approval yet",
    "session_lost": "We lost track of this sign-in",
    "microsoft_down": "Microsoft isn’t answering properly",
    "our_fault": "Something is wrong on our side",
    "frozen": "{vendor} has stopped using mailboxes for now",
    "not_finished": "We couldn’t finish with {vendor}",
    "consent_withdrawn": "{org} withdrew its approval",
    "sign_in_needed": "Please sign in again",
    "slowed_down": "Catching up",
    "unknown": "That didn’t work, and Microsoft didn’t say why",
}
"""UX §7, first words of each row, and the kill switch of SR-50."""

VALUES = {"vendor": "Larkspur", "org": "Harbour & Vale", "asker": "Dana Okafor", "account": "tom@hv.example"}


def test_the_catalogue_holds_exactly_the_reasons_of_the_design() -> None:
    assert {reason.id: reason.headline for reason in CATALOGUE.values()} == HEADLINES


@pytest.mark.parametrize("reason", CATALOGUE.values(), ids=lambda reason: reason.id)
def test_every_reason_says_who_can_fix_it_and_what_to_do(reason: Reason) -> None:
    assert reason.who_can_fix
    assert reason.why
    # Nothing can be done, and nothing needs to be.
    assert reason.actions or reason.id == "slowed_down"
    ids = [action.id for action in (*reason.actions, *reason.connect_actions)]
    assert len(set(reason.actions)) == len(reason.actions)
    assert all(re.fullmatch(r"[a-z_]+", action_id) for action_id in ids)
    assert {copyable.id for copyable in reason.copyables} <= set(ids)


@pytest.mark.parametrize("reason", CATALOGUE.values(), ids=lambda reason: reason.id)
def test_no_placeholder_and_no_gap_is_ever_shown(reason: Reason) -> None:
    for where in reason.where:
        for variant in (None, *reason.variants):
            for values in ({}, VALUES):
                words = explain(reason.id, where=where, values=values, variant=variant)
                shown = (
                    words.headline,
                    words.why,
                    words.who_can_fix,
                    *(action.label for action in words.actions),
                    *(copyable.text for copyable in words.copyables),
                )
                for text in shown:
                    assert not re.search(r"\{[a-z_]+\}", text), text
                    assert text == text.strip()
                assert words.headline[0].isupper()


def test_reassurance_is_left_out_where_it_would_be_untrue() -> None:
    quiet = {reason.id for reason in CATALOGUE.values() if not reason.reassure}
    assert quiet == {
        "already_approved",
        "already_connected",
        "missing_permission",
        "not_confirmed",
        "tenant_pending",
        "session_lost",
    }


def test_reassurance_fits_the_flow() -> None:
    for where, words in (
        (Where.CONSENT, "Nothing was approved and nothing has changed."),
        (Where.CONNECT, "Nothing was connected."),
        (Where.HEALTH, "What we already synced is safe."),
    ):
        assert explain("app_disabled", where=where, values={}).reassurance == words


def test_connect_has_its_own_words_where_they_differ() -> None:
    consent = explain("not_admin", where=Where.CONSENT, values=VALUES)
    connect = explain("not_admin", where=Where.CONNECT, values=VALUES)
    assert consent.headline == "This account can’t approve apps for Harbour & Vale"
    assert connect.headline == "Your organization wants an administrator to approve Larkspur first"
    assert [action.id for action in connect.actions] == ["ask_my_administrator"]


def test_a_guest_reads_that_they_are_a_guest() -> None:
    words = explain("personal_account", where=Where.CONSENT, values=VALUES, variant="guest")
    assert words.headline == "You’re a guest in that organization"


def test_an_id_we_do_not_know_reads_as_unknown() -> None:
    assert find_reason("never_heard_of") is None
    assert get_reason("never_heard_of").id == "unknown"
    assert get_reason(None).id == "unknown"


def test_exchange_steps_look_first_and_keep_what_is_listed() -> None:
    steps = fill(EXCHANGE_STEPS, {"app_id": "4f6c1d0e"})
    assert "+ '4f6c1d0e'" in steps
    assert steps.index("Format-List") < steps.index("Set-OrganizationConfig")
    assert "Where-Object { $_ }" in steps
    assert "Set-OrganizationConfig -EwsEnabled" in steps.splitlines()[-1]
    assert steps.splitlines()[-1].startswith("#")
