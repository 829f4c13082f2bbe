"""Connecting: nothing is kept before it is proven, nothing is usable before somebody vouched (SR-19 to SR-23)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from ostiary.core.audit.model import Actor, ActorKind
from ostiary.core.connections.model import ConnectionStatus, ConnectSessionState, MailboxFacts
from ostiary.core.consent.permissions import token_scopes
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.core.kernel.errors import (
    AccessBlocked,
    Conflict,
    FlowRejected,
    InvalidRequest,
    MailboxMissing,
    NotFound,
    OstiaryError,
    PermissionDenied,
    TemporarilyUnavailable,
)
from ostiary.core.kernel.secret import Secret
from ostiary.core.organizations.model import Member, MemberRole, Organization
from ostiary.core.signin.model import PERSONAL_ACCOUNTS_TENANT_ID, TokenSet

TENANT = "11111111-aaaa-4bbb-8ccc-000000000001"
OTHER_TENANT = "22222222-aaaa-4bbb-8ccc-000000000002"
TOM = "aaaaaaaa-0000-4000-8000-00000000000a"
PRIYA = "bbbbbbbb-0000-4000-8000-00000000000b"
API = Actor(ActorKind.API_KEY, id="key_1")
RETURN_URL = "https://app.larkspur.example/settings/email"


async def view(world, outcome):
    return await world.service.view(outcome.reference, browser_secret=world.browser)


async def no_connection_exists(world) -> bool:
    return await world.service.list_for_member(world.tom.id, organization_id="org_1") == ()


async def test_a_sign_in_stays_unusable_until_the_vendor_confirms_it(world) -> None:
    session = await world.session()
    outcome = await world.come_back(await world.start(session))
    assert outcome.vendor_address is not None
    assert outcome.vendor_address.startswith(RETURN_URL + "?")
    seen = await view(world, outcome)
    assert seen.connection.status is ConnectionStatus.UNCONFIRMED
    mailbox = await world.service.access(seen.connection)
    with pytest.raises(Conflict):
        await mailbox.access_token(False)
    query = parse_qs(urlsplit(outcome.vendor_address).query)
    connection = await world.service.confirmation.confirm(
        session.session.id, completion_code=Secret(query["completion_code"][0]), actor=API
    )
    assert connection.status is ConnectionStatus.CONNECTED
    assert (await mailbox.access_token(False)).reveal() == world.probe.tokens_seen[0]
    async with world.transactions() as tx:
        member = await tx.members.get(world.tom.id, organization_id="org_1")
    assert (member.tenant_id, member.object_id) == (TENANT, TOM)


async def test_confirming_twice_gives_the_same_connection(world) -> None:
    session = await world.session()
    outcome = await world.come_back(await world.start(session))
    code = Secret(parse_qs(urlsplit(outcome.vendor_address).query)["completion_code"][0])
    confirm = world.service.confirmation.confirm
    first = await confirm(session.session.id, completion_code=code, actor=API)
    again = await confirm(session.session.id, completion_code=code, actor=API)
    assert first.id == again.id
    assert (await world.audit("connection.connected")) == ["connection.connected"]


async def test_a_wrong_code_confirms_nothing(world) -> None:
    session = await world.session()
    outcome = await world.come_back(await world.start(session))
    with pytest.raises(FlowRejected):
        await world.service.confirmation.confirm(
            session.session.id, completion_code=Secret("x" * 43), actor=API
        )
    assert (await view(world, outcome)).connection.status is ConnectionStatus.UNCONFIRMED
    assert "connect.confirmation_refused" in await world.audit("connect.")


async def test_without_a_confirmation_in_five_minutes_the_tokens_are_destroyed(world) -> None:
    session = await world.session()
    outcome = await world.come_back(await world.start(session))
    connection = (await view(world, outcome)).connection
    code = Secret(parse_qs(urlsplit(outcome.vendor_address).query)["completion_code"][0])
    world.clock.advance(timedelta(minutes=4, seconds=59))
    assert await world.service.confirmation.expire_unconfirmed() == 0
    world.clock.advance(timedelta(seconds=1))
    with pytest.raises(FlowRejected):
        await world.service.confirmation.confirm(session.session.id, completion_code=code, actor=API)
    assert await world.service.confirmation.expire_unconfirmed() == 1
    assert not await world.has_token(connection.id)
    seen = await view(world, outcome)
    assert seen.connection.status is ConnectionStatus.DISCONNECTED
    assert (seen.session.state, seen.session.reason) == (ConnectSessionState.FAILED, "not_finished")


async def test_a_victim_who_completes_an_attackers_link_gives_nothing_usable_away(world) -> None:
    # The attacker is Sam, a member whose session link is passed on to Tom; Tom signs in with it.
    async with world.transactions() as tx:
        sam = Member(
            "mem_2",
            "org_1",
            "u2",
            "sam@harbourvale.example",
            "Sam",
            MemberRole.MEMBER,
            True,
            world.clock.now(),
        )
        await tx.members.add(sam)
    for return_url in (RETURN_URL, None):
        session = await world.session(member_id="mem_2", return_url=return_url)
        outcome = await world.come_back(await world.start(session))
        seen = await view(world, outcome)
        assert outcome.vendor_address is None
        assert seen.session.reason == "account_mismatch"
        if seen.connection is not None:
            assert seen.connection.status is ConnectionStatus.UNCONFIRMED
    world.clock.advance(timedelta(minutes=5))
    await world.service.confirmation.expire_unconfirmed()
    page = await world.service.page(organization_id="org_1")
    assert all(each.status is ConnectionStatus.DISCONNECTED for each in page.items)


async def test_another_address_goes_on_only_when_the_person_says_so_and_the_vendor_confirms(world) -> None:
    await world.save_member(email="t.ellis@elsewhere.example")
    session = await world.session()
    outcome = await world.come_back(await world.start(session))
    assert (outcome.state, outcome.vendor_address) == (ConnectSessionState.CHOOSING, None)
    used = await world.service.flow.use_account(outcome.reference, browser_secret=world.browser, actor=API)
    code = Secret(parse_qs(urlsplit(used.vendor_address).query)["completion_code"][0])
    connection = await world.service.confirmation.confirm(session.session.id, completion_code=code, actor=API)
    assert connection.status is ConnectionStatus.CONNECTED


async def test_trying_again_after_another_address_destroys_the_first_sign_in(world) -> None:
    await world.save_member(email="t.ellis@elsewhere.example")
    session = await world.session()
    outcome = await world.come_back(await world.start(session))
    first = (await view(world, outcome)).connection
    await world.start(session)
    assert not await world.has_token(first.id)
    assert (await world.reread(first)).status is ConnectionStatus.DISCONNECTED
    with pytest.raises(Conflict):
        await world.service.flow.use_account(outcome.reference, browser_secret=world.browser, actor=API)


async def test_an_invitation_without_a_vendor_page_completes_for_the_address_on_file(world) -> None:
    outcome = await world.come_back(await world.start(await world.session(return_url=None)))
    assert outcome.state is ConnectSessionState.CONFIRMED
    assert (await view(world, outcome)).connection.status is ConnectionStatus.CONNECTED


async def test_an_invitation_without_a_vendor_page_refuses_every_other_address(world) -> None:
    await world.save_member(email="t.ellis@harbourvale.example")
    outcome = await world.come_back(await world.start(await world.session(return_url=None)))
    assert (await view(world, outcome)).session.reason == "account_mismatch"
    assert await no_connection_exists(world)


async def test_the_vendors_statement_skips_the_confirmation_only_for_the_identity_on_record(world) -> None:
    with pytest.raises(InvalidRequest):
        await world.session(vendor_verified_identity=True)
    await world.save_member(tenant_id=TENANT, object_id=TOM)
    outcome = await world.come_back(await world.start(await world.session(vendor_verified_identity=True)))
    assert outcome.state is ConnectSessionState.CONFIRMED
    assert outcome.vendor_address is not None
    assert "completion_code" not in outcome.vendor_address


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"is_guest": True}, "personal_account"),
        ({"tenant_id": PERSONAL_ACCOUNTS_TENANT_ID}, "personal_account"),
        ({"tenant_id": OTHER_TENANT}, "wrong_tenant"),
        ({"scopes": ["openid", "Mail.ReadWrite", "User.Read"]}, "missing_permission"),
        ({"refresh_token": None}, "missing_permission"),
        ({"object_id": PRIYA}, "mailbox_missing"),
    ],
)
async def test_what_fails_a_check_is_discarded_before_storage(world, options, reason) -> None:
    outcome = await world.come_back(
        await world.start(await world.session()), world.microsoft.tokens(**options)
    )
    seen = await view(world, outcome)
    assert (seen.session.state, seen.session.reason) == (ConnectSessionState.FAILED, reason)
    assert await no_connection_exists(world)
    async with world.transactions() as tx:
        assert await tx.connections.count_by_status(None) == {}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MailboxMissing("x", reason="mailbox_missing"), "mailbox_missing"),
        (AccessBlocked("x", reason="ews_off"), "ews_off"),
        (TemporarilyUnavailable("x", reason="microsoft_down"), "microsoft_down"),
        (OstiaryError("x"), "unknown"),
        (PermissionDenied("x", reason="sign_in_needed"), "unknown"),
    ],
)
async def test_the_mailbox_has_to_answer_before_anything_is_kept(world, error, reason) -> None:
    world.probe.fail_part("mail", error)
    world.probe.fail_part("calendar", error)
    outcome = await world.come_back(await world.start(await world.session()))
    assert (await view(world, outcome)).session.reason == reason
    assert await no_connection_exists(world)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"error": "access_denied", "error_description": "AADSTS65004: declined"}, "declined"),
        ({"error": "access_denied", "error_subcode": "cancel"}, "not_admin"),
        ({"error": "server_error"}, "microsoft_down"),
        ({"error": "access_denied", "error_description": "AADSTS50105: x"}, "not_assigned"),
        ({"error": "whatever"}, "unknown"),
    ],
)
async def test_an_error_from_microsoft_is_told_apart_and_exchanges_nothing(world, query, reason) -> None:
    state = await world.start(await world.session())
    outcome = await world.service.flow.finish(
        [("state", state), *query.items()],
        registration_id="main",
        browser_secret=world.browser,
        actor=API,
    )
    assert (await view(world, outcome)).session.reason == reason
    assert world.microsoft.exchanges == []


async def test_a_mailbox_that_shows_another_owner_is_not_kept(world) -> None:
    world.probe.add(MailboxFacts("x@harbourvale.example", "X", PRIYA), object_id=TOM)
    outcome = await world.come_back(await world.start(await world.session()))
    assert (await view(world, outcome)).session.reason == "account_mismatch"
    assert await no_connection_exists(world)


async def test_one_mailbox_belongs_to_one_member(world) -> None:
    await world.connect()
    async with world.transactions() as tx:
        sam = Member(
            "mem_2",
            "org_1",
            "u2",
            "tom.ellis@harbourvale.example",
            "Sam",
            MemberRole.MEMBER,
            True,
            world.clock.now(),
        )
        await tx.members.add(sam)
    outcome = await world.come_back(await world.start(await world.session(member_id="mem_2")))
    assert (await view(world, outcome)).session.reason == "mailbox_in_use"


async def test_a_member_whose_identity_is_known_cannot_connect_another(world) -> None:
    await world.save_member(tenant_id=TENANT, object_id=PRIYA)
    outcome = await world.come_back(await world.start(await world.session()))
    assert (await view(world, outcome)).session.reason == "account_mismatch"
    assert await no_connection_exists(world)


async def test_an_unlicensed_member_is_not_sent_to_microsoft(world) -> None:
    session = await world.session()
    await world.save_member(licensed=False)
    with pytest.raises(PermissionDenied) as caught:
        await world.start(session)
    assert caught.value.reason == "no_licence"
    assert world.microsoft.authorize_calls == []


async def test_a_licence_taken_away_meanwhile_ends_the_sign_in(world) -> None:
    state = await world.start(await world.session())
    await world.save_member(licensed=False)
    outcome = await world.come_back(state)
    assert (await view(world, outcome)).session.reason == "no_licence"
    assert await no_connection_exists(world)


@pytest.mark.parametrize(
    ("mail", "calendar", "scopes", "fine"),
    [
        (True, False, ["Mail.ReadWrite", "Mail.Send", "MailboxSettings.Read", "User.Read"], True),
        (False, True, ["Calendars.ReadWrite", "MailboxSettings.Read", "User.Read"], True),
        (True, True, ["Calendars.ReadWrite", "MailboxSettings.Read", "User.Read"], False),
    ],
)
async def test_only_the_permissions_of_what_was_chosen_are_needed(
    world, mail, calendar, scopes, fine
) -> None:
    session = await world.session()
    outcome = await world.come_back(
        await world.start(session, mail=mail, calendar=calendar), world.microsoft.tokens(scopes=scopes)
    )
    assert (outcome.vendor_address is not None) == fine


async def test_nothing_chosen_is_a_mistake_that_is_said(world) -> None:
    with pytest.raises(InvalidRequest, match="Choose email, calendar or both"):
        await world.start(await world.session(), mail=False, calendar=False)


async def test_reconnect_keeps_the_id_and_replaces_the_token(world) -> None:
    connection = await world.connect()
    await world.session(connection_id=connection.id)
    session = await world.session(connection_id=connection.id)
    outcome = await world.come_back(await world.start(session))
    assert outcome.state is ConnectSessionState.CONFIRMED
    renewed = (await view(world, outcome)).connection
    assert (renewed.id, renewed.token_version) == (connection.id, 2)
    assert world.microsoft.authorize_calls[-1]["login_hint"] == connection.address
    assert world.microsoft.authorize_calls[-1]["prompt"] is None


async def test_reconnect_with_another_account_overwrites_nothing(world) -> None:
    connection = await world.connect()
    world.probe.add(MailboxFacts("priya@harbourvale.example", "Priya Nair", PRIYA), object_id=PRIYA)
    session = await world.session(connection_id=connection.id)
    outcome = await world.come_back(
        await world.start(session), world.microsoft.tokens(object_id=PRIYA, username="priya@x.example")
    )
    assert (await view(world, outcome)).session.reason == "account_mismatch"
    assert (await world.reread(connection)).token_version == 1


async def test_somebody_elses_connection_cannot_be_renewed(world) -> None:
    connection = await world.connect()
    async with world.transactions() as tx:
        sam = Member(
            "mem_2", "org_1", "u2", "sam@x.example", "Sam", MemberRole.MEMBER, True, world.clock.now()
        )
        await tx.members.add(sam)
    with pytest.raises(NotFound):
        await world.session(member_id="mem_2", connection_id=connection.id)


async def test_signing_in_again_without_naming_the_connection_renews_it_too(world) -> None:
    connection = await world.connect(mail=True)
    session = await world.session()
    with pytest.raises(Conflict) as caught:
        await world.start(session)
    assert caught.value.reason == "already_connected"
    outcome = await world.come_back(await world.start(session, again=True))
    assert (await view(world, outcome)).connection.id == connection.id


async def test_a_session_connects_once(world) -> None:
    session = await world.session()
    first, second = await world.start(session), await world.start(session)
    done = await world.come_back(first)
    late = await world.come_back(second)
    assert (done.reference, late.state) == (late.reference, ConnectSessionState.RETURNED)
    assert len(world.microsoft.exchanges) == 1
    with pytest.raises(FlowRejected):
        await world.start(session)


async def test_a_reload_of_the_return_goes_on_with_a_newer_code_and_exchanges_nothing(world) -> None:
    """The first answer may never have arrived: without a code the person would wait for nobody's confirmation."""
    session = await world.session()
    state = await world.start(session)
    parameters = [("code", "code-1"), ("state", state)]
    world.microsoft.codes["code-1"] = world.microsoft.tokens()
    finish = world.service.flow.finish
    options = {"registration_id": "main", "browser_secret": world.browser, "actor": API}
    first = await finish(parameters, **options)
    again = await finish(parameters, **options)
    assert (first.reference, again.state) == (again.reference, ConnectSessionState.RETURNED)
    assert len(world.microsoft.exchanges) == 1
    assert await world.audit("connect.sent_again") == ["connect.sent_again"]
    older, newer = (
        Secret(parse_qs(urlsplit(outcome.vendor_address).query)["completion_code"][0])
        for outcome in (first, again)
    )
    confirm = world.service.confirmation.confirm
    with pytest.raises(FlowRejected):
        await confirm(session.session.id, completion_code=older, actor=API)
    await confirm(session.session.id, completion_code=newer, actor=API)
    done = await finish(parameters, **options)
    assert (done.state, done.vendor_address) == (ConnectSessionState.CONFIRMED, None)


async def test_a_reload_after_the_five_minutes_brings_no_code(world) -> None:
    state = await world.start(await world.session())
    parameters = [("code", "code-1"), ("state", state)]
    world.microsoft.codes["code-1"] = world.microsoft.tokens()
    options = {"registration_id": "main", "browser_secret": world.browser, "actor": API}
    await world.service.flow.finish(parameters, **options)
    world.clock.advance(timedelta(minutes=5))
    assert (await world.service.flow.finish(parameters, **options)).vendor_address is None


async def test_a_session_lives_fifteen_minutes(world) -> None:
    session = await world.session()
    world.clock.advance(timedelta(minutes=8))
    state = await world.start(session)
    world.clock.advance(timedelta(minutes=7))
    outcome = await world.come_back(state)
    assert outcome.state is ConnectSessionState.FAILED
    assert world.microsoft.exchanges == []
    with pytest.raises(FlowRejected):
        await world.start(session)


async def test_a_session_belongs_to_the_first_browser_that_starts_it(world) -> None:
    session = await world.session()
    await world.start(session)
    with pytest.raises(FlowRejected):
        await world.start(session, browser_secret=Secret("another browser" * 3))


async def test_looking_at_a_session_changes_nothing(world) -> None:
    session = await world.session()
    before = await world.audit()
    for _ in range(3):
        found = await world.service.sessions.find(session.secret)
        await world.service.sessions.preview(found)
    assert await world.audit() == before
    assert await world.service.sessions.find(session.secret) == session.session


async def test_unknown_used_and_expired_session_secrets_look_alike(world) -> None:
    used = await world.session()
    await world.come_back(await world.start(used))
    expired = await world.session()
    world.clock.advance(timedelta(minutes=15))
    for secret in (used.secret, expired.secret, Secret("mistyped"), None):
        assert await world.service.sessions.find(secret) is None


async def test_pages_of_an_attempt_are_for_its_own_browser(world) -> None:
    outcome = await world.come_back(await world.start(await world.session()))
    for browser in (None, Secret("another browser" * 3)):
        with pytest.raises(NotFound):
            await world.service.view(outcome.reference, browser_secret=browser)


async def test_the_expected_tenant_is_bound_by_the_first_sign_in_from_it(world) -> None:
    async with world.transactions() as tx:
        await tx.organizations.add(
            Organization("org_2", "nordics", "HV Nordics", world.clock.now(), expected_tenant_id=OTHER_TENANT)
        )
        await tx.members.add(replace(world.tom, id="mem_9", organization_id="org_2"))
    session = await world.session(organization_id="org_2", member_id="mem_9")
    state = await world.start(session)
    assert world.microsoft.authorize_calls[-1]["authority"] == OTHER_TENANT
    outcome = await world.come_back(state, world.microsoft.tokens(tenant_id=OTHER_TENANT))
    assert outcome.vendor_address is not None
    async with world.transactions() as tx:
        tenant = await tx.tenants.find_by_tenant_id(cloud="global", tenant_id=OTHER_TENANT)
    assert tenant.organization_id == "org_2"


async def test_an_unknown_tenant_needs_an_approval_before_anybody_connects(world) -> None:
    async with world.transactions() as tx:
        await tx.organizations.add(Organization("org_2", "nordics", "HV Nordics", world.clock.now()))
        await tx.members.add(replace(world.tom, id="mem_9", organization_id="org_2"))
    session = await world.session(organization_id="org_2", member_id="mem_9")
    state = await world.start(session)
    call = world.microsoft.authorize_calls[-1]
    assert (call["authority"], call["prompt"]) == ("organizations", "select_account")
    outcome = await world.come_back(state, world.microsoft.tokens(tenant_id=OTHER_TENANT))
    assert (await view(world, outcome)).session.reason == "not_admin"
    # The tenant of another organization stays that organization's, and nobody learns whose it is.
    state = await world.start(session)
    outcome = await world.come_back(state, world.microsoft.tokens())
    assert (await view(world, outcome)).session.reason == "wrong_tenant"


async def test_scopes_are_asked_for_one_resource_and_never_with_prompt_consent(world) -> None:
    await world.start(await world.session(), login_hint="tom.ellis@harbourvale.example")
    call = world.microsoft.authorize_calls[-1]
    assert call["scopes"] == token_scopes(AccessMethod.GRAPH)
    assert (call["prompt"], call["login_hint"]) == (None, "tom.ellis@harbourvale.example")
    assert call["authority"] == TENANT


async def test_a_token_without_verified_claims_is_refused(world) -> None:
    tokens: TokenSet = world.microsoft.tokens()
    bare = TokenSet(tokens.access_token, tokens.expires_at, tokens.scopes, tokens.refresh_token)
    outcome = await world.come_back(await world.start(await world.session()), bare)
    assert (await view(world, outcome)).session.state is ConnectSessionState.FAILED
    assert await no_connection_exists(world)


@pytest.mark.parametrize(
    ("silent", "error", "reason"),
    [
        ("calendar", MailboxMissing("x", reason="mailbox_missing"), "mailbox_missing"),
        ("mail", MailboxMissing("x", reason="mailbox_missing"), "mailbox_missing"),
        ("calendar", TemporarilyUnavailable("x", reason="microsoft_down"), "microsoft_down"),
        ("calendar", OstiaryError("x"), "unknown"),
    ],
)
async def test_where_one_of_the_two_does_not_answer_the_other_is_connected(
    world, silent, error, reason
) -> None:
    world.probe.fail_part(silent, error)
    connection = await world.connect()
    assert connection.status is ConnectionStatus.CONNECTED
    assert (connection.mail, connection.calendar) == (silent != "mail", silent != "calendar")
    assert connection.left_out_reason == reason
    assert (await world.reread(connection)).left_out_reason == reason


async def test_a_fault_that_passed_meanwhile_leaves_nothing_out(world) -> None:
    world.probe.fail_next(TemporarilyUnavailable("x", reason="microsoft_down"))
    connection = await world.connect()
    assert (connection.mail, connection.calendar, connection.left_out_reason) == (True, True, None)


async def test_a_passing_fault_takes_nothing_from_a_connection_that_has_both(world) -> None:
    connection = await world.connect()
    world.probe.fail_part("calendar", TemporarilyUnavailable("x", reason="microsoft_down"))
    session = await world.session(connection_id=connection.id)
    outcome = await world.come_back(await world.start(session))
    assert (await view(world, outcome)).session.reason == "microsoft_down"
    kept = await world.reread(connection)
    assert (kept.calendar, kept.token_version) == (True, connection.token_version)


async def test_going_on_without_what_was_not_granted_is_on_record_and_tells_nobody_approved(world) -> None:
    scopes = [scope for scope in token_scopes(AccessMethod.GRAPH) if "Calendars" not in scope]
    session = await world.session()
    outcome = await world.come_back(await world.start(session), world.microsoft.tokens(scopes=scopes))
    assert (await view(world, outcome)).session.missing == ("Calendars.ReadWrite",)
    state = await world.start(session, calendar=False)
    outcome = await world.come_back(state, world.microsoft.tokens(scopes=scopes))
    connection = (await view(world, outcome)).connection
    assert (connection.mail, connection.calendar) == (True, False)
    assert connection.left_out_reason == "missing_permission"


async def test_leaving_a_box_unticked_is_a_choice_and_no_trouble(world) -> None:
    outcome = await world.come_back(await world.start(await world.session(), calendar=False))
    assert (await view(world, outcome)).connection.left_out_reason is None


async def test_the_rest_can_follow_in_the_same_browser_while_the_session_lasts(world) -> None:
    world.probe.fail_part("calendar", MailboxMissing("x", reason="mailbox_missing"))
    connection = await world.connect()
    (reference,) = [
        session.reference for session in await sessions_of(world, connection) if session.made_connection_id
    ]
    world.probe.fail_part("calendar", None)
    with pytest.raises(NotFound):
        await world.service.sessions.follow_up(reference, browser_secret=Secret("x" * 40), actor=API)
    more = await world.service.sessions.follow_up(reference, browser_secret=world.browser, actor=API)
    outcome = await world.come_back(await world.start(more))
    whole = (await view(world, outcome)).connection
    assert (whole.id, whole.mail, whole.calendar, whole.left_out_reason) == (connection.id, True, True, None)
    with pytest.raises(Conflict):
        await world.service.sessions.follow_up(reference, browser_secret=world.browser, actor=API)


async def test_the_rest_cannot_follow_when_the_vendors_time_is_over(world) -> None:
    world.probe.fail_part("calendar", MailboxMissing("x", reason="mailbox_missing"))
    connection = await world.connect()
    (session,) = await sessions_of(world, connection)
    world.clock.advance(timedelta(minutes=15))
    with pytest.raises(Conflict):
        await world.service.sessions.follow_up(session.reference, browser_secret=world.browser, actor=API)


async def sessions_of(world, connection):
    async with world.transactions() as tx:
        found = await tx.connect_sessions.find_by_connection(connection.id)
    return [] if found is None else [found]


async def test_a_mailbox_that_somebody_else_connected_meanwhile_is_not_confirmed(world) -> None:
    session = await world.session()
    outcome = await world.come_back(await world.start(session))
    query = parse_qs(urlsplit(outcome.vendor_address).query)
    async with world.transactions() as tx:
        priya = Member(
            "mem_2",
            "org_1",
            "u2",
            "priya.nair@harbourvale.example",
            "Priya Nair",
            MemberRole.MEMBER,
            True,
            world.clock.now(),
            tenant_id=TENANT,
            object_id=TOM,
        )
        await tx.members.add(priya)
    with pytest.raises(Conflict) as raised:
        await world.service.confirmation.confirm(
            query["connect_session"][0], completion_code=Secret(query["completion_code"][0]), actor=API
        )
    assert raised.value.reason == "mailbox_in_use"
    async with world.transactions() as tx:
        current = await tx.connect_sessions.get(query["connect_session"][0])
        connection = await tx.connections.get(current.made_connection_id)
    assert (current.state, current.reason) == (ConnectSessionState.FAILED, "mailbox_in_use")
    assert connection.status is ConnectionStatus.DISCONNECTED
    assert not await world.has_token(connection.id)
