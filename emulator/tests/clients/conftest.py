"""Shared by the tests that drive unmodified client libraries."""

from __future__ import annotations

import pytest

from certificates import ClientCertificate


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ClientCertificate:
    """A client certificate, as PEM, PFX and thumbprint."""
    return ClientCertificate(tmp_path_factory.mktemp("certificate"))
