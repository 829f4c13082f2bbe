"""How a person is sent to Microsoft follows from what is known of their tenant."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from ostiary.core.connections.model import Connection, ConnectionStatus
from ostiary.core.connections.plan import (
    _LONGEST_HINT,
    ORGANIZATIONS,
    Approval,
    clean_hint,
    plan_connect,
    prompt_for,
)
from ostiary.core.consent.model import Consent, ConsentState
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import AccessBlocked, InvalidRequest
from ostiary.core.organizations.model import Member, MemberRole, Organization
from ostiary.core.tenants.model import BindingState, Tenant

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
GRAPH, EWS = AccessMethod.GRAPH, AccessMethod.EWS


def tenant(tenant_id: str, binding: BindingState = BindingState.BOUND) -> Tenant:
    return Tenant(f"ten_{tenant_id}", "global", tenant_id, "org_1", binding, "", "", (), NOW)


def consent(tenant_id: str, method: AccessMethod, state: ConsentState = ConsentState.VERIFIED) -> Consent:
    return Consent(f"cns_{tenant_id}_{method}", "global", tenant_id, "org_1", method, state, "CN-0000-0000")


def plan(
    *,
    tenants: tuple[Tenant, ...] = (),
    consents: tuple[Consent, ...] = (),
    member_tenant: str | None = None,
    pinned: AccessMethod | None = None,
    expected: str | None = None,
    offer_ews: bool = True,
    today: date = NOW.date(),
    prefer: AccessMethod | None = None,
    reconnects: Connection | None = None,
):
    return plan_connect(
        organization=Organization(
            "org_1", "hv", "Harbour & Vale", NOW, expected_tenant_id=expected, pinned_method=pinned
        ),
        member=Member(
            "mem_1",
            "org_1",
            "u1",
            "tom@x.example",
            "Tom Ellis",
            MemberRole.MEMBER,
            True,
            NOW,
            tenant_id=member_tenant,
            object_id="o" if member_tenant else None,
        ),
        tenants=tenants,
        consents=consents,
        offer_ews=offer_ews,
        today=today,
        prefer=prefer,
        reconnects=reconnects,
    )


@pytest.mark.parametrize(
    ("consents", "method", "approval"),
    [
        ((), GRAPH, Approval.NOT_GIVEN),
        ((consent("a", GRAPH),), GRAPH, Approval.GIVEN),
        ((consent("a", EWS),), EWS, Approval.GIVEN),
        ((consent("a", GRAPH), consent("a", EWS)), GRAPH, Approval.GIVEN),
        ((consent("a", GRAPH, ConsentState.VERIFYING),), GRAPH, Approval.NOT_GIVEN),
        ((consent("a", GRAPH, ConsentState.WITHDRAWN), consent("a", EWS)), EWS, Approval.GIVEN),
        ((consent("b", GRAPH),), GRAPH, Approval.NOT_GIVEN),
    ],
)
def test_graph_is_used_where_approved_else_ews_where_approved(consents, method, approval) -> None:
    made = plan(tenants=(tenant("a"),), consents=consents)
    assert (made.method, made.approval, made.authority) == (method, approval, "a")


def test_an_unknown_tenant_is_asked_at_organizations_and_may_need_an_approval() -> None:
    made = plan()
    assert (made.authority, made.tenant_id, made.approval) == (ORGANIZATIONS, None, Approval.MAY_BE_NEEDED)
    assert plan(expected="e").authority == "e"
    assert plan(tenants=(tenant("a", BindingState.PENDING),)).authority == ORGANIZATIONS


def test_with_two_tenants_only_the_members_own_is_named() -> None:
    two = (tenant("a"), tenant("b"))
    assert plan(tenants=two).authority == ORGANIZATIONS
    assert plan(tenants=two, member_tenant="b").authority == "b"
    assert plan(tenants=two, member_tenant="gone").authority == ORGANIZATIONS
    assert plan(tenants=two, consents=(consent("a", GRAPH),)).approval is Approval.MAY_BE_NEEDED
    both = (consent("a", GRAPH), consent("b", GRAPH))
    assert plan(tenants=two, consents=both).approval is Approval.GIVEN


def test_ews_is_not_offered_after_its_end_or_when_switched_off() -> None:
    approved = {"tenants": (tenant("a"),), "consents": (consent("a", EWS),)}
    assert plan(**approved, today=date(2027, 3, 31)).method is EWS
    assert plan(**approved, today=date(2027, 4, 1)).method is GRAPH
    assert plan(**approved, offer_ews=False).method is GRAPH
    with pytest.raises(AccessBlocked) as caught:
        plan(**approved, pinned=EWS, today=date(2027, 4, 1))
    assert caught.value.reason == "ews_ended"


def test_a_pin_outweighs_what_a_person_prefers() -> None:
    approved = {"tenants": (tenant("a"),), "consents": (consent("a", EWS),)}
    assert plan(**approved, prefer=GRAPH).method is GRAPH
    assert plan(**approved, pinned=EWS, prefer=GRAPH).method is EWS


def test_a_pin_on_ews_that_has_ended_leaves_graph_to_those_who_ask_for_it() -> None:
    approved = {"tenants": (tenant("a"),), "consents": (consent("a", GRAPH),)}
    assert plan(**approved, pinned=EWS, today=date(2027, 4, 1), prefer=GRAPH).method is GRAPH
    assert plan(**approved, pinned=EWS, offer_ews=False, prefer=GRAPH).method is GRAPH


@pytest.mark.parametrize(
    ("hint", "another", "prompt"),
    [(None, False, "select_account"), ("a@b", False, None), ("a@b", True, "select_account")],
)
def test_the_account_picker_shows_without_a_hint_or_on_request(hint, another, prompt) -> None:
    assert prompt_for(login_hint=hint, another_account=another) == prompt


@pytest.mark.parametrize("text", ["tom", "to m@x.example", "x" * 250 + "@x.example", "a@b\x00c", "a@b\r\nc"])
def test_a_hint_that_cannot_be_an_account_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        clean_hint(text)
    assert raised.value.field == "login_hint"
    assert clean_hint("  ") is None
    assert clean_hint(" tom@x.example ") == "tom@x.example"


def test_the_longest_hint_is_taken_and_one_letter_more_is_not() -> None:
    longest = "x" * (_LONGEST_HINT - len("@x.example")) + "@x.example"
    assert clean_hint(longest) == longest
    with pytest.raises(InvalidRequest):
        clean_hint("x" + longest)


def test_a_directory_that_is_not_bound_may_need_an_approval() -> None:
    # The member's own directory is known, and nobody confirmed yet that it is this customer's.
    assert plan(member_tenant="a").approval is Approval.MAY_BE_NEEDED
    assert plan(member_tenant="a", tenants=(tenant("a"),)).approval is Approval.NOT_GIVEN


@pytest.mark.parametrize(
    ("granted", "approval", "unapproved"),
    [
        (("Mail.ReadWrite", "Mail.Send", "MailboxSettings.Read", "User.Read"), Approval.PARTLY, {"calendar"}),
        (("Calendars.ReadWrite", "MailboxSettings.Read", "User.Read"), Approval.PARTLY, {"mail"}),
        # Both features need this one.
        (("Mail.ReadWrite", "Mail.Send", "Calendars.ReadWrite", "User.Read"), Approval.NOT_GIVEN, set()),
        ((), Approval.NOT_GIVEN, set()),
    ],
)
def test_an_incomplete_approval_lets_through_what_it_is_enough_for(granted, approval, unapproved) -> None:
    partial = replace(consent("a", GRAPH, ConsentState.PARTIAL), granted_scopes=granted)
    made = plan(tenants=(tenant("a"),), consents=(partial,))
    assert (made.method, made.approval, made.unapproved) == (GRAPH, approval, unapproved)


def test_a_complete_approval_of_ews_goes_before_an_incomplete_one_of_graph() -> None:
    partial = replace(consent("a", GRAPH, ConsentState.PARTIAL), granted_scopes=("Mail.ReadWrite",))
    made = plan(tenants=(tenant("a"),), consents=(partial, consent("a", EWS)))
    assert (made.method, made.approval) == (EWS, Approval.GIVEN)


def test_a_connection_that_is_renewed_keeps_its_directory_and_method() -> None:
    two = (tenant("a"), tenant("b"))
    renewed = Connection(
        "con_1",
        "org_1",
        "mem_1",
        "global",
        "b",
        "o",
        EWS,
        "main",
        True,
        True,
        ConnectionStatus.NEEDS_SIGN_IN,
        "CO-0000-0000",
        "tom@x.example",
        "Tom Ellis",
        NOW,
        NOW,
    )
    consents = (consent("a", GRAPH), consent("b", EWS), consent("b", GRAPH))
    made = plan(tenants=two, consents=consents, member_tenant="a", reconnects=renewed)
    assert (made.tenant_id, made.method, made.approval) == ("b", EWS, Approval.GIVEN)
    later = plan(tenants=two, consents=consents, reconnects=renewed, today=date(2027, 4, 1))
    assert (later.tenant_id, later.method) == ("b", GRAPH)
    asked = plan(tenants=two, consents=consents, reconnects=renewed, prefer=GRAPH)
    assert asked.method is GRAPH
