"""Client authentication by signed assertion: certificates and federated credentials."""

from __future__ import annotations

import base64
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from m365_emulator.pytest_plugin import RunningEmulator
from m365_emulator.world.apps import FederatedCredential
from sample import BACKGROUND_ID, HARBOUR, App, aadsts, claims_of

SCOPE = "https://graph.microsoft.com/.default"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Certificate:
    """A key pair with a self-signed certificate."""

    def __init__(self, *, days: int = 30) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
        now = datetime.now(UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + timedelta(days=days))
            .sign(self.key, hashes.SHA256())
        )
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def thumbprint(self, kind: str, *, padded: bool) -> str:
        algorithm = hashes.SHA1() if kind == "x5t" else hashes.SHA256()
        text = base64.urlsafe_b64encode(self.certificate.fingerprint(algorithm)).decode()
        return text if padded else text.rstrip("=")


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    return Certificate()


@pytest.fixture
def app(m365_emulator: RunningEmulator, certificate: Certificate) -> App:
    m365_emulator.control("PATCH", f"/apps/{BACKGROUND_ID}", {"certificates": [certificate.pem]})
    return App(m365_emulator.http_url, BACKGROUND_ID, None)


def assertion(
    app: App,
    certificate: Certificate,
    *,
    algorithm: str = "RS256",
    header: dict[str, Any] | None = None,
    **changes: Any,
) -> str:
    claims: dict[str, Any] = {
        "aud": f"{app.base}/{HARBOUR}/oauth2/v2.0/token",
        "iss": app.client_id,
        "sub": app.client_id,
        "jti": str(uuid.uuid4()),
        "iat": time.time(),
        "exp": time.time() + 600,
        **changes,
    }
    header = header if header is not None else {"x5t": certificate.thumbprint("x5t", padded=False)}
    return jwt.encode(claims, certificate.key, algorithm, header)


def ask(app: App, token: str, **form: str) -> httpx.Response:
    return app.token(
        HARBOUR,
        grant_type="client_credentials",
        scope=SCOPE,
        client_assertion=token,
        **{"client_assertion_type": ASSERTION_TYPE, **form},
    )


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
@pytest.mark.parametrize("kind", ["x5t", "x5t#S256"])
@pytest.mark.parametrize("padded", [True, False])
def test_accepted_forms(app: App, certificate: Certificate, algorithm: str, kind: str, padded: bool) -> None:
    header = {kind: certificate.thumbprint(kind, padded=padded)}

    answer = ask(app, assertion(app, certificate, algorithm=algorithm, header=header))

    assert answer.status_code == 200, answer.text
    assert claims_of(answer.json()["access_token"])["appidacr"] == "2"


def test_padding_in_every_segment_is_tolerated(app: App, certificate: Certificate) -> None:
    def padded(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).decode()

    head, body, _ = assertion(app, certificate).split(".")
    signing_input = ".".join(padded(base64.urlsafe_b64decode(part + "==")) for part in (head, body))
    signature = jwt.get_algorithm_by_name("RS256").sign(signing_input.encode(), certificate.key)

    assert ask(app, f"{signing_input}.{padded(signature)}").status_code == 200


def test_client_id_may_come_from_the_assertion(app: App, certificate: Certificate) -> None:
    assert ask(app, assertion(app, certificate), client_id="").status_code == 200


def test_an_assertion_may_be_sent_twice(app: App, certificate: Certificate) -> None:
    token = assertion(app, certificate)

    assert [ask(app, token).status_code for _ in range(2)] == [200, 200]


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"exp": 1}, 700024),
        ({"exp": None}, 700024),
        ({"nbf": time.time() + 3_600}, 700024),
        ({"aud": "https://evil.example/token"}, 50012),
        ({"iss": "somebody-else"}, 700030),
        ({"sub": "somebody-else"}, 700030),
    ],
)
def test_wrong_claims_are_invalid_client(
    app: App, certificate: Certificate, changes: dict[str, Any], number: int
) -> None:
    answer = ask(app, assertion(app, certificate, **changes))

    assert (answer.status_code, answer.json()["error"], aadsts(answer)) == (401, "invalid_client", number)


def test_unknown_key_wrong_signature_and_wrong_algorithm(app: App, certificate: Certificate) -> None:
    stranger = Certificate()
    forged = assertion(app, stranger, header={"x5t": certificate.thumbprint("x5t", padded=False)})
    symmetric = jwt.encode({"iss": app.client_id, "sub": app.client_id}, "k" * 64, "HS256")

    for token in (assertion(app, stranger), forged, symmetric, "a.b.c", "nothing"):
        assert aadsts(ask(app, token)) == 700027


def test_expired_certificate(m365_emulator: RunningEmulator, app: App) -> None:
    expired = Certificate(days=-1)
    m365_emulator.control("PATCH", f"/apps/{BACKGROUND_ID}", {"certificates": [expired.pem]})

    assert aadsts(ask(app, assertion(app, expired))) == 1000502


def test_assertion_type_is_needed(app: App, certificate: Certificate) -> None:
    assert aadsts(ask(app, assertion(app, certificate), client_assertion_type="")) == 900144


def test_federated_credentials_match_issuer_subject_and_audience(
    m365_emulator: RunningEmulator, app: App
) -> None:
    issuer = Certificate()
    jwk = {**jwt.get_algorithm_by_name("RS256").to_jwk(issuer.key.public_key(), as_dict=True), "kid": "k1"}
    credential = FederatedCredential("https://ci.example", "repo:main", jwks={"keys": [jwk]})
    m365_emulator.world.apps[BACKGROUND_ID].federated_credentials.append(credential)
    right = {"iss": "https://ci.example", "sub": "repo:main", "aud": "api://AzureADTokenExchange"}

    def outcome(**changes: str) -> int:
        answer = ask(app, assertion(app, issuer, header={"kid": "k1"}, **{**right, **changes}))
        return 200 if answer.status_code == 200 else aadsts(answer)

    assert outcome() == 200
    assert outcome(iss="https://other.example") == 700211
    assert outcome(sub="repo:fork") == 700213
    assert outcome(aud="api://other") == 700212
