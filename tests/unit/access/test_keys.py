"""API keys that are replaced without a gap, tied to addresses, and dead at once when revoked (SR-60, SR-61)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ostiary.core.access.keys import MOST_NETWORKS
from ostiary.core.access.model import API_PERMISSIONS, Permission
from ostiary.core.access.service import AccessService
from ostiary.core.audit.model import Actor
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.errors import Conflict, InvalidRequest, NotFound, PermissionDenied, RateLimited
from ostiary.core.kernel.secret import Secret

if TYPE_CHECKING:
    from ostiary.adapters.sql.unit_of_work import SQLTransactions

READ = [Permission.API_READ]


async def test_two_keys_work_while_one_replaces_the_other_and_then_only_the_new_one(
    access: AccessService, operator: Actor, clock: MovableClock
) -> None:
    old, old_text = await access.create_api_key(
        name="Larkspur", permissions=READ, networks=["192.0.2.0/24"], life=timedelta(days=30), actor=operator
    )
    clock.advance(timedelta(days=20))
    new, new_text = await access.rotate_api_key(old.id, actor=operator)
    assert (new.name, new.permissions, new.networks) == (old.name, old.permissions, old.networks)
    assert new.expires_at == clock.now() + timedelta(days=30)
    for text in (old_text, new_text):
        assert await access.authenticate_api_key(text, ip="192.0.2.7") is not None
    clock.advance(timedelta(hours=23, minutes=59))
    assert await access.authenticate_api_key(old_text, ip="192.0.2.7") is not None
    clock.advance(timedelta(minutes=1))
    assert await access.authenticate_api_key(old_text, ip="192.0.2.7") is None
    assert await access.authenticate_api_key(new_text, ip="192.0.2.7") is not None


async def test_the_overlap_is_chosen_up_to_a_week_and_never_lengthens_a_key(
    access: AccessService, operator: Actor, clock: MovableClock
) -> None:
    key, text = await access.create_api_key(
        name="a", permissions=READ, life=timedelta(hours=3), actor=operator
    )
    with pytest.raises(InvalidRequest):
        await access.rotate_api_key(key.id, overlap=timedelta(days=8), actor=operator)
    await access.rotate_api_key(key.id, overlap=timedelta(days=7), actor=operator)
    clock.advance(timedelta(hours=3))
    assert await access.authenticate_api_key(text) is None
    other, other_text = await access.create_api_key(name="b", permissions=READ, actor=operator)
    await access.rotate_api_key(other.id, overlap=timedelta(0), actor=operator)
    assert await access.authenticate_api_key(other_text) is None


async def test_a_key_is_replaced_once(access: AccessService, operator: Actor) -> None:
    key, _ = await access.create_api_key(name="a", permissions=READ, actor=operator)
    new, _ = await access.rotate_api_key(key.id, actor=operator)
    with pytest.raises(Conflict):
        await access.rotate_api_key(key.id, actor=operator)
    await access.revoke_api_key(new.id, actor=operator)
    with pytest.raises(Conflict):
        await access.rotate_api_key(new.id, actor=operator)
    with pytest.raises(NotFound):
        await access.rotate_api_key("key_00000000000000000000000000", actor=operator)


async def test_nobody_rotates_or_revokes_a_key_that_may_do_more(
    access: AccessService, operator: Actor
) -> None:
    strong, text = await access.create_api_key(name="a", permissions=API_PERMISSIONS, actor=operator)
    weak = frozenset({Permission.API_MANAGE})
    with pytest.raises(PermissionDenied):
        await access.rotate_api_key(strong.id, allowed=weak, actor=operator)
    with pytest.raises(PermissionDenied):
        await access.revoke_api_key(strong.id, allowed=weak, actor=operator)
    assert await access.authenticate_api_key(text) is not None


async def test_a_revoked_key_is_dead_in_every_process_at_its_next_call(
    make_access: Callable[..., AccessService], operator: Actor, clock: MovableClock
) -> None:
    first, second = make_access(), make_access()
    key, text = await first.create_api_key(name="a", permissions=READ, actor=operator)
    assert await second.authenticate_api_key(text) is not None
    await first.revoke_api_key(key.id, actor=operator)
    # The clock stands still: there is nothing that has to run out first.
    assert await second.authenticate_api_key(text) is None


@pytest.mark.parametrize(
    ("networks", "ip", "works"),
    [
        (["192.0.2.0/24"], "192.0.2.255", True),
        (["192.0.2.0/24"], "192.0.3.0", False),
        (["192.0.2.7"], "192.0.2.7", True),
        (["192.0.2.7"], "::ffff:192.0.2.7", True),
        (["2001:db8::/32", "192.0.2.7"], "2001:db8:1::5", True),
        (["2001:db8::/32"], "192.0.2.7", False),
        (["192.0.2.0/24"], None, False),
        (["0.0.0.0/0"], "nonsense", False),
        ([], None, True),
    ],
)
async def test_a_key_works_from_its_addresses_only(
    access: AccessService, operator: Actor, networks: list[str], ip: str | None, works: bool
) -> None:
    _, text = await access.create_api_key(name="a", permissions=READ, networks=networks, actor=operator)
    assert (await access.authenticate_api_key(text, ip=ip) is not None) is works


async def test_a_good_key_from_elsewhere_is_on_record_once_a_minute(
    access: AccessService, operator: Actor, clock: MovableClock, transactions: SQLTransactions
) -> None:
    key, text = await access.create_api_key(
        name="Larkspur", permissions=READ, networks=["192.0.2.0/24"], actor=operator
    )

    async def records() -> list[str]:
        async with transactions() as transaction:
            page = await transaction.audit.page(organization_id=None, what_prefix="api_key.refused")
        return [str(record.object_id) for record in page.items]

    for _ in range(3):
        assert await access.authenticate_api_key(text, ip="203.0.113.9") is None
    assert await records() == [key.id]
    clock.advance(timedelta(minutes=2))
    await access.authenticate_api_key(text, ip="203.0.113.9")
    assert await records() == [key.id, key.id]


@pytest.mark.parametrize("network", ["", "300.0.0.1", "192.0.2.0/33", "example.com", "10.0.0.0/8/8"])
async def test_what_is_no_network_is_refused(access: AccessService, operator: Actor, network: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await access.create_api_key(name="a", permissions=READ, networks=[network], actor=operator)
    assert refused.value.field == "networks"


async def test_a_key_knows_its_owner_and_where_it_was_used_last(
    access: AccessService, operator: Actor
) -> None:
    _, text = await access.create_api_key(name="a", permissions=READ, actor=operator)
    await access.authenticate_api_key(text, ip="192.0.2.7")
    (key,) = await access.list_api_keys()
    assert (key.created_by, key.last_used_ip) == ("Vik", "192.0.2.7")


async def test_a_key_that_calls_too_often_waits(
    access: AccessService, operator: Actor, clock: MovableClock
) -> None:
    _, text = await access.create_api_key(name="a", permissions=READ, actor=operator)
    for _ in range(5):
        assert await access.authenticate_api_key(text) is not None
    with pytest.raises(RateLimited) as refused:
        await access.authenticate_api_key(text)
    assert refused.value.retry_after_seconds == 12
    clock.advance(timedelta(seconds=12))
    assert await access.authenticate_api_key(text) is not None


async def test_the_text_of_no_key_is_in_the_database(
    access: AccessService, operator: Actor, transactions: SQLTransactions
) -> None:
    key, text = await access.create_api_key(name="a", permissions=READ, actor=operator)
    new, new_text = await access.rotate_api_key(key.id, actor=operator)
    async with transactions() as transaction:
        stored = repr(await transaction.api_keys.list_all())
        records = repr((await transaction.audit.page(organization_id=None)).items)
    for secret in (text, new_text):
        middle = secret.reveal().split("_")[2]
        assert middle not in stored
        assert middle not in records
    assert isinstance(new_text, Secret)
    assert new.id in records


async def test_what_is_not_there_cannot_be_revoked(access: AccessService, operator: Actor) -> None:
    with pytest.raises(NotFound):
        await access.revoke_api_key("key_nobody_made", actor=operator)


async def test_a_key_has_a_few_networks_at_most_and_each_once(access: AccessService, operator: Actor) -> None:
    many = [f"192.0.2.{number}" for number in range(MOST_NETWORKS)]
    key, _ = await access.create_api_key(name="a", permissions=READ, networks=many, actor=operator)
    assert key.networks == tuple(f"{address}/32" for address in many)
    with pytest.raises(InvalidRequest) as refused:
        await access.create_api_key(
            name="b", permissions=READ, networks=[*many, "198.51.100.1"], actor=operator
        )
    assert refused.value.field == "networks"
    twice, _ = await access.create_api_key(
        name="c", permissions=READ, networks=[" 192.0.2.7/24", "192.0.2.9/24"], actor=operator
    )
    assert twice.networks == ("192.0.2.0/24",)


def test_a_short_key_for_hashes_stops_the_start(make_access: Callable[..., AccessService]) -> None:
    with pytest.raises(ValueError, match="too short"):
        make_access(api_key_hash_key=b"h" * 31)


async def test_who_replaced_or_revoked_which_key_is_on_record(
    access: AccessService, operator: Actor, transactions: SQLTransactions
) -> None:
    old, _ = await access.create_api_key(name="a", permissions=READ, networks=["192.0.2.7"], actor=operator)
    new, _ = await access.rotate_api_key(old.id, actor=operator)
    await access.revoke_api_key(new.id, actor=operator)
    async with transactions() as transaction:
        page = await transaction.audit.page(organization_id=None, what_prefix="api_key.")
    revoked, rotated, created = page.items
    assert (revoked.what, revoked.object_id, revoked.actor) == ("api_key.revoked", new.id, operator)
    assert (rotated.what, rotated.object_id, rotated.actor) == ("api_key.rotated", old.id, operator)
    assert dict(rotated.detail) == {
        "permissions": "api.read",
        "networks": "192.0.2.7/32",
        "expires_at": new.expires_at.isoformat(),
        "replaced_by": new.id,
    }
    assert (created.what, created.object_id) == ("api_key.created", old.id)
    assert dict(created.detail) == {
        "permissions": "api.read",
        "networks": "192.0.2.7/32",
        "expires_at": old.expires_at.isoformat(),
    }
