"""A round of the main job's records by whichever version of the service is on the path; run as a process of its own.

Says ``works`` at the end. It is started with the code of the release before, on tables that the present code migrated.
"""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta

import ostiary
from ostiary import bootstrap
from ostiary.adapters.sql import migrate
from ostiary.core.access.model import Permission
from ostiary.core.audit.model import SYSTEM
from ostiary.core.kernel.reach import Duty, declare, instance_wide
from ostiary.settings import Profile, Settings


def settings() -> Settings:
    """Of a development instance; Microsoft's hosts lead nowhere. Database and folder are in the environment."""
    return Settings(
        profile=Profile.DEVELOPMENT,
        public_url="http://localhost:8080",
        vendor_name="Larkspur",
        vendor_app_name="Larkspur for Microsoft 365",
        vendor_publisher="Larkspur Software Ltd",
        vendor_help_email="help@larkspur.example",
        vendor_data_kept="Ids and headers of messages, in Dublin, until you disconnect.",
        app_client_id="4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa",
        app_secret="a secret for tests",  # pyright: ignore[reportArgumentType] - a setting as text
        allow_client_secret=True,
        login_url="http://127.0.0.1:9",
        graph_url="http://127.0.0.1:9",
        ews_url="http://127.0.0.1:9/EWS/Exchange.asmx",
    )


async def work() -> None:
    """Write and read what customers, links, sessions, keys and the trail are made of."""
    async with bootstrap.application(settings()) as services:
        customer, _ = await services.organizations.create(
            external_id="hv", name="Harbour & Vale", actor=SYSTEM
        )
        member, _ = await services.organizations.add_member(
            organization_id=customer.id,
            external_id="tom",
            email="tom.ellis@harbourvale.example",
            display_name="Tom Ellis",
            actor=SYSTEM,
        )
        link = await services.consent.links.create(
            organization_id=customer.id, asked_by_name="Dana Okafor", actor=SYSTEM
        )
        made = await services.connections.sessions.create(
            organization_id=customer.id, member_id=member.id, actor=SYSTEM
        )
        found = await services.connections.sessions.find(made.secret)
        assert found is not None
        await services.connections.sessions.preview(found)
        _, text = await services.access.create_api_key(
            name="crm", permissions=[Permission.API_READ], life=timedelta(days=1), actor=SYSTEM
        )
        assert await services.access.authenticate_api_key(text) is not None
        await services.consent.links.withdraw(link.link.id, organization_id=customer.id, actor=SYSTEM)
        assert await services.connections.list_for_member(member.id, organization_id=customer.id) == ()
        async with services.transactions() as transaction:
            records = (await transaction.audit.page(organization_id=customer.id)).items
        assert len(records) >= 4
        await services.consent.check_due()
        await services.signin.forget_expired()
        await services.trust.forget_expired()
        await services.status.last_days()


async def no_look(*_: object) -> None:
    """Stands for the look at the schema in code that cannot tell a newer one from a strange one."""


if __name__ == "__main__":
    assert ostiary.__file__ is not None
    assert ostiary.__file__.startswith(os.environ["EXPECTED_SOURCE"]), ostiary.__file__
    if not hasattr(migrate.SchemaState, "is_newer"):
        bootstrap._require_schema = no_look  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
    declare(instance_wide(Duty.COMMAND))
    asyncio.run(work())
    print("works")
