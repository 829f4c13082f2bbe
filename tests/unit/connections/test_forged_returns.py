"""No forged, replayed or cross-bound return of the connect flow ever completes (SR-1 to SR-6, SR-19)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ostiary.core.audit.model import Actor, ActorKind
from ostiary.core.connections.model import ConnectSessionState
from ostiary.core.kernel.errors import FlowRejected
from ostiary.core.kernel.secret import Secret
from ostiary.core.signin.model import FlowKind

ACTOR = Actor(ActorKind.ANONYMOUS)
FORGERIES_PER_EXAMPLE = 60
EXAMPLES = 20
"""1,200 forged returns in all: more than the thousand each flow has to stand (FG-13)."""

garbage = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)


@dataclass(frozen=True)
class Forgery:
    """A return that fits no pending sign-in of its browser."""

    state: str
    """``mine``, ``other_browser``, ``other_kind``, ``expired``, ``repeated`` or any text."""
    browser: str
    """``mine``, ``theirs``, ``none`` or any text."""
    registration_id: str
    extra: tuple[tuple[str, str], ...]


forgeries = st.one_of(
    # A state nobody was given.
    st.builds(Forgery, garbage, st.sampled_from(["mine", "theirs", "none"]), st.just("main"), st.just(())),
    # A good state in the wrong browser, or in none.
    st.builds(
        Forgery,
        st.just("mine"),
        st.one_of(st.sampled_from(["theirs", "none"]), garbage),
        st.sampled_from(["main", "ews"]),
        st.sampled_from([(), (("error", "access_denied"),), (("admin_consent", "True"),)]),
    ),
    st.builds(Forgery, st.just("other_browser"), st.just("mine"), st.just("main"), st.just(())),
    # A good state of another flow, at another registration's address, or too late.
    st.builds(Forgery, st.just("other_kind"), st.just("mine"), st.just("main"), st.just(())),
    st.builds(Forgery, st.just("mine"), st.just("mine"), st.sampled_from(["ews", "x", ""]), st.just(())),
    st.builds(Forgery, st.just("expired"), st.just("mine"), st.just("main"), st.just(())),
    # A good state beside a second one, or a second code.
    st.builds(
        Forgery,
        st.just("mine"),
        st.just("mine"),
        st.just("main"),
        st.sampled_from(
            [(("state", "x"),), (("code", "x"),), (("error", ""), ("error", "")), (("code", ""),)]
        ),
    ),
    st.builds(Forgery, st.just("repeated"), st.just("mine"), st.just("main"), st.just(())),
)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
@given(batch=st.lists(forgeries, min_size=FORGERIES_PER_EXAMPLE, max_size=FORGERIES_PER_EXAMPLE))
async def test_forged_and_cross_bound_returns_complete_nothing(world, batch: list[Forgery]) -> None:
    states = await pending_states(world)
    exchanged = list(world.microsoft.exchanges)
    before = await counts(world)
    for forgery in batch:
        outcome = await send(world, forgery, states)
        assert outcome is None or outcome.state is not ConnectSessionState.CONFIRMED
        assert outcome is None or outcome.vendor_address is None
    assert world.microsoft.exchanges == exchanged
    assert await counts(world) == before


async def test_the_genuine_return_completes_beside_all_of_them(world) -> None:
    states = await pending_states(world)
    assert await send(world, Forgery("other_browser", "mine", "main", ()), states) is None
    outcome = await send(world, Forgery("mine", "mine", "main", ()), states)
    assert outcome is not None
    assert outcome.vendor_address is not None


async def pending_states(world) -> dict[str, str]:
    """Start one sign-in of each kind, and let one of them be over."""
    their_browser = Secret("browser of somebody else " * 2)
    expired = await world.start(await world.session())
    world.clock.advance(timedelta(minutes=10))
    mine = await world.start(await world.session())
    theirs = await world.start(await world.session(), browser_secret=their_browser)
    other_kind = await world.sign_in.begin(
        kind=FlowKind.CONSOLE,
        registration_id="main",
        authority="organizations",
        scopes=("openid",),
        browser_secret=world.browser,
        subject={},
    )
    return {
        "mine": mine,
        "other_browser": theirs,
        "other_kind": other_kind.url.rpartition("=")[2],
        "expired": expired,
        "repeated": mine,
        "their_browser": their_browser.reveal(),
    }


async def send(world, forgery: Forgery, states: dict[str, str]):
    browsers = {"mine": world.browser, "theirs": Secret(states["their_browser"]), "none": None}
    state = states.get(forgery.state, forgery.state)
    query = [("code", "stolen-code"), ("state", state), *forgery.extra]
    if forgery.state == "repeated":
        query.append(("state", state))
    world.microsoft.codes["stolen-code"] = world.microsoft.tokens()
    reason = None
    try:
        return await world.service.flow.finish(
            query,
            registration_id=forgery.registration_id,
            browser_secret=browsers.get(forgery.browser, Secret(forgery.browser)),
            actor=ACTOR,
        )
    except FlowRejected as error:
        reason = error.reason
    # Whatever the trouble was, the person learns the same (SR-69).
    assert reason == "session_lost"
    return None


async def counts(world) -> tuple[object, ...]:
    async with world.transactions() as tx:
        return (
            await tx.connections.count_by_status(None),
            len((await tx.audit.page(organization_id=None, what_prefix="connect.", limit=200)).items),
        )
