"""The customer whose member connects."""

from __future__ import annotations

import httpx
import pytest_asyncio

from ostiary.bootstrap import Services

from ..connect_world import Company, Emulator, make_company


@pytest_asyncio.fixture
async def company(app: Services, client: httpx.AsyncClient, site: str, emulator: Emulator) -> Company:
    """Harbour & Vale, not approved yet, with a browser at the running site."""
    return await make_company(app, client, site, emulator)
