"""Microsoft's clouds: which hosts belong together (SR-8)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from ostiary.core.kernel.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Cloud:
    """One of Microsoft's clouds. An app is registered in each cloud separately."""

    name: str
    login_url: str
    """Origin of sign-in and tokens; also the first part of every issuer."""
    graph_url: str
    """Origin of Graph calls."""
    ews_url: str
    """The EWS endpoint."""
    graph_resource: str
    """What scopes of Graph begin with. An identifier: it does not change with ``graph_url``."""
    exchange_resource: str
    """What scopes of Exchange Online begin with."""
    upload_urls: tuple[str, ...] = ()
    """Origins besides Graph's that its upload sessions lead to (SR-45)."""
    first_issuer_url: str = "https://sts.windows.net"
    """First part of the issuer of tokens of the first version. An identifier, nothing is asked there."""

    def issuer(self, tenant_id: str) -> str:
        """Return the one issuer of ID tokens for a tenant (``{tenantid}`` gives the template itself)."""
        return f"{self.login_url}/{tenant_id}/v2.0"

    def first_issuer(self, tenant_id: str) -> str:
        """Return the issuer of tokens of the first version, which Graph still signs notifications with."""
        return f"{self.first_issuer_url}/{tenant_id}/"

    @property
    def login_host(self) -> str:
        """What a person checks in the address bar before typing a password."""
        return self.login_url.split("://", 1)[-1]


CLOUDS: Final[dict[str, Cloud]] = {
    cloud.name: cloud
    for cloud in (
        Cloud(
            name="global",
            login_url="https://login.microsoftonline.com",
            graph_url="https://graph.microsoft.com",
            ews_url="https://outlook.office365.com/EWS/Exchange.asmx",
            graph_resource="https://graph.microsoft.com",
            exchange_resource="https://outlook.office365.com",
            upload_urls=("https://outlook.office.com", "https://outlook.office365.com"),
        ),
        Cloud(
            name="usgov",
            login_url="https://login.microsoftonline.us",
            graph_url="https://graph.microsoft.us",
            ews_url="https://outlook.office365.us/EWS/Exchange.asmx",
            graph_resource="https://graph.microsoft.us",
            exchange_resource="https://outlook.office365.us",
            upload_urls=("https://outlook.office365.us",),
        ),
        Cloud(
            name="dod",
            login_url="https://login.microsoftonline.us",
            graph_url="https://dod-graph.microsoft.us",
            ews_url="https://outlook-dod.office365.us/EWS/Exchange.asmx",
            graph_resource="https://dod-graph.microsoft.us",
            exchange_resource="https://outlook-dod.office365.us",
            upload_urls=("https://outlook-dod.office365.us",),
        ),
        Cloud(
            name="china",
            login_url="https://login.partner.microsoftonline.cn",
            graph_url="https://microsoftgraph.chinacloudapi.cn",
            ews_url="https://partner.outlook.cn/EWS/Exchange.asmx",
            graph_resource="https://microsoftgraph.chinacloudapi.cn",
            exchange_resource="https://partner.outlook.cn",
            upload_urls=("https://partner.outlook.cn",),
            first_issuer_url="https://sts.chinacloudapi.cn",
        ),
    )
}
"""Source: learn.microsoft.com/entra/identity-platform/authentication-national-cloud (entra-id.md §1.1)."""


def resolve_cloud(
    name: str,
    *,
    login_url: str | None = None,
    graph_url: str | None = None,
    ews_url: str | None = None,
) -> Cloud:
    """Return a cloud, with some of its hosts replaced during development, such as by an emulator.

    Raises:
        Misconfigured: There is no cloud of that name.
    """
    cloud = CLOUDS.get(name)
    if cloud is None:
        known = ", ".join(CLOUDS)
        raise Misconfigured(f"There is no cloud called {name!r}. Choose one of: {known}.")
    return replace(
        cloud,
        login_url=(login_url or cloud.login_url).rstrip("/"),
        graph_url=(graph_url or cloud.graph_url).rstrip("/"),
        ews_url=ews_url or cloud.ews_url,
    )
