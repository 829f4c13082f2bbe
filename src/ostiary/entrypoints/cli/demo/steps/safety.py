"""What must not work, and what must not be seen."""

from __future__ import annotations

from urllib.parse import urlencode

from ostiary.entrypoints.cli.demo import sample
from ostiary.entrypoints.cli.demo.steps.approving import EWS_BUTTON
from ostiary.entrypoints.cli.demo.walk import Walk, expect, sign_in

_NORDICS_TENANT = "5e7b91c4-d02f-4a83-b6e9-84c3f1a7d205"


async def forged_return(walk: Walk) -> str:
    """An address typed by hand says that a tenant approved."""
    before = await _bound(walk)
    parameters = {"admin_consent": "True", "tenant": _NORDICS_TENANT, "state": "x" * 43, "scope": "openid"}
    async with walk.browser() as browser:
        await browser.open(f"{walk.public_url}/admin-consent/return/main?{urlencode(parameters)}")
        heading = browser.page.heading
        expect("Approved" not in heading, heading)
        expect("state=" not in browser.page.url, "the return's parameters stayed in the address bar")
    expect(await _bound(walk) == before, "a forged return changed what is on record")
    return f"“{heading}”"


async def other_browser(walk: Walk) -> str:
    """Somebody else's browser brings a return that is real in every other way."""
    before = await _bound(walk)
    await walk.control("DELETE", "/requests")
    async with walk.browser() as victim, walk.browser() as attacker:
        link = await sample.approval_link(
            walk.services, "hv-nordics", asked_by="nordics.one@hv-nordics.example"
        )
        await attacker.open(link)
        await attacker.press(EWS_BUTTON)
        await sign_in(attacker, "nordics.admin@hv-nordics.example")
        stolen = await attacker.stop_before_leaving("Accept", host=walk.public_url)
        expect("/admin-consent/return/" in stolen, f"stopped at {stolen[:80]}")
        await victim.open(stolen)
        heading = victim.page.heading
        expect("Approved" not in heading, heading)
    exchanges = [each for each in await walk.emulator_requests("/token") if each["method"] == "POST"]
    expect(not exchanges, f"{len(exchanges)} codes were exchanged")
    expect(await _bound(walk) == before, "another browser's return changed what is on record")
    return f"“{heading}”; nothing was exchanged"


async def no_secret_in_logs(walk: Walk) -> str:
    """The log of the service's process holds no key, link or token of this run."""
    log = (walk.demo.instance.folder / "service.log").read_text("utf-8")
    expect(len(log.splitlines()) > 20, "the log is too short to prove anything")
    secrets = [
        walk.api_key.rpartition("_")[2],
        walk.seen["approval link"].rpartition("/")[2],
        walk.demo.instance.secret_file.read_text("utf-8").strip(),
        "eyJ",
    ]
    for secret in secrets:
        expect(len(secret) > 2, "a secret to look for is missing")
        expect(secret not in log, f"a secret that begins with {secret[:3]} is in the log")
    return f"{len(log.splitlines())} lines, none of {len(secrets)} secrets"


async def _bound(walk: Walk) -> list[tuple[str, ...]]:
    """Return every binding and consent on record."""
    found: list[tuple[str, ...]] = []
    for each in sample.ORGANIZATIONS:
        organization = await walk.services.organizations.resolve(each.external_id)
        tenants = await walk.services.tenants.list_for(organization.id)
        consents = await walk.services.consent.consents_of(organization.id)
        found += [(organization.id, tenant.tenant_id, tenant.binding) for tenant in tenants]
        found += [(organization.id, one.tenant_id, one.method, one.state) for one in consents]
    return found
