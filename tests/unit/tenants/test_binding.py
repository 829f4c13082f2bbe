"""What proves that a directory belongs to an organization (SR-16)."""

from __future__ import annotations

import pytest

from ostiary.core.tenants.model import a_label, binding_evidence

TENANT = "9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918"


@pytest.mark.parametrize(
    ("verified", "allowed", "expected", "proof"),
    [
        (["harbourvale.example"], ["harbourvale.example"], [], "verified_domain"),
        (["HarbourVale.Example"], ["harbourvale.example"], [], "verified_domain"),
        (["münchen.example"], ["xn--mnchen-3ya.example"], [], "verified_domain"),
        (["xn--mnchen-3ya.example"], ["MÜNCHEN.example"], [], "verified_domain"),
        (["harbourvale.example"], ["vale.example"], [], None),
        (["evil-harbourvale.example"], ["harbourvale.example"], [], None),
        (["sub.harbourvale.example"], ["harbourvale.example"], [], None),
        (["harbourvale.example.evil.example"], ["harbourvale.example"], [], None),
        (["hv.onmicrosoft.com"], ["hv.onmicrosoft.com"], [], None),
        (["HV.OnMicrosoft.com"], ["hv.onmicrosoft.com"], [], None),
        (["hv.onmicrosoft.us"], ["hv.onmicrosoft.us"], [], None),
        ([], [], [TENANT], "expected_tenant"),
        ([], [], [TENANT.upper()], "expected_tenant"),
        ([], [], [None, ""], None),
        ([], [], ["71f4c9e2-6a0d-4b38-9e57-d3a8b1c50f07"], None),
        ([], [], [], None),
        (["..", "a..b"], ["..", "a..b"], [], None),
    ],
)
def test_only_an_exact_verified_domain_or_the_expected_directory_is_proof(
    verified: list[str], allowed: list[str], expected: list[str | None], proof: str | None
) -> None:
    found = binding_evidence(
        tenant_id=TENANT,
        verified_domains=verified,
        expected_tenant_ids=expected,
        allowed_domains=allowed,
    )
    assert found == proof


@pytest.mark.parametrize(
    ("domain", "label"), [("Exámple.test.", "xn--exmple-qta.test"), ("", None), ("a" * 64 + ".x", None)]
)
def test_domains_are_compared_as_dns_writes_them(domain: str, label: str | None) -> None:
    assert a_label(domain) == label
