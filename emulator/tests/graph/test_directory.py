"""What a tenant tells of itself and of the signed-in person's roles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graph_client import PRIYA, TOM, GraphClient

CLOUD_APPLICATION_ADMINISTRATOR = "158c047a-c907-4556-b7ef-446551a6b5f7"


def test_user_read_is_enough_for_own_organization(
    client: GraphClient, violations: Callable[[Any, str], list[str]]
) -> None:
    token = client.token(scopes=["User.Read"])
    answer = client.http.get(
        "/v1.0/organization?$select=id,displayName,verifiedDomains",
        headers={"Authorization": f"Bearer {token}"},
    ).json()
    (organization,) = answer["value"]
    assert organization["id"] == "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918"
    assert [d["name"] for d in organization["verifiedDomains"] if d["isDefault"]] == ["harbourvale.example"]
    assert violations(answer, "organization") == []


def test_roles_are_those_of_the_person_and_only_active_ones(
    client: GraphClient, violations: Callable[[Any, str], list[str]]
) -> None:
    path = "/v1.0/me/memberOf/microsoft.graph.directoryRole?$select=id,roleTemplateId"

    def roles(person: str) -> list[str]:
        token = client.token(person, scopes=["User.Read"])
        answer = client.http.get(path, headers={"Authorization": f"Bearer {token}"}).json()
        assert violations(answer, "directoryRole") == []
        return [role["roleTemplateId"] for role in answer["value"]]

    assert roles(PRIYA) == [CLOUD_APPLICATION_ADMINISTRATOR]
    assert roles(TOM) == []
    client.world.find_user(PRIYA).tenant.policies.roles_inactive = True
    assert roles(PRIYA) == []


def test_organization_needs_a_permission(client: GraphClient) -> None:
    token = client.token(scopes=["Mail.Read"])
    assert client.refused("GET", "/organization", token=token) == (403, "ErrorAccessDenied")
