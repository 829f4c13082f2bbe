"""How we prove that we are the app (SR-9)."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from ostiary.adapters.entra.assertion import ClientSecret, load_certificate, load_service_certificate
from ostiary.adapters.memory.key_service import MemoryKeyService
from ostiary.core.kernel.entropy import SeededEntropy
from ostiary.core.kernel.errors import Misconfigured, TemporarilyUnavailable
from ostiary.core.kernel.secret import Secret

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TOKEN_URL = "https://login.microsoftonline.com/9c2f0b7a-51de-4a66-8f3e-1d7a40e2b918/oauth2/v2.0/token"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Larkspur")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )


def pem(*parts: object, password: bytes | None = None) -> bytes:
    lines: list[bytes] = []
    for part in parts:
        if isinstance(part, x509.Certificate):
            lines.append(part.public_bytes(serialization.Encoding.PEM))
        else:
            encryption = (
                serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
            )
            lines.append(
                part.private_bytes(  # type: ignore[attr-defined]
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
                )
            )
    return b"".join(lines)


async def test_an_assertion_is_for_one_token_endpoint_and_five_minutes(tmp_path: Path) -> None:
    path = tmp_path / "app.pem"
    made = certificate(KEY)
    path.write_bytes(pem(KEY, made))
    loaded = load_certificate(path)
    form = await loaded.form(client_id="the-client", audience=TOKEN_URL, now=NOW, entropy=SeededEntropy(1))
    assert form["client_id"] == "the-client"
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert "client_secret" not in form
    assertion = form["client_assertion"]
    header = jwt.get_unverified_header(assertion)
    thumbprint = hashlib.sha256(made.public_bytes(serialization.Encoding.DER)).digest()
    assert header == {
        "alg": "PS256",
        "typ": "JWT",
        "x5t#S256": urlsafe_b64encode(thumbprint).rstrip(b"=").decode(),
    }
    claims = jwt.decode(
        assertion,
        KEY.public_key(),
        algorithms=["PS256"],
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
        audience=TOKEN_URL,
    )
    assert claims["aud"] == TOKEN_URL
    assert claims["iss"] == claims["sub"] == "the-client"
    assert claims["exp"] - claims["iat"] == 300
    assert claims["nbf"] == claims["iat"] == int(NOW.timestamp())


async def test_no_two_assertions_share_an_id(tmp_path: Path) -> None:
    path = tmp_path / "app.pem"
    path.write_bytes(pem(KEY, certificate(KEY)))
    loaded, entropy = load_certificate(path), SeededEntropy(1)
    ids = set()
    for _ in range(10):
        form = await loaded.form(client_id="c", audience=TOKEN_URL, now=NOW, entropy=entropy)
        ids.add(jwt.decode(form["client_assertion"], options={"verify_signature": False})["jti"])
    assert len(ids) == 10


async def test_a_secret_goes_into_the_body_and_into_no_print() -> None:
    credential = ClientSecret(Secret("very-secret"))
    form = await credential.form(client_id="c", audience=TOKEN_URL, now=NOW, entropy=SeededEntropy(1))
    assert form == {"client_id": "c", "client_secret": "very-secret"}
    assert "very-secret" not in repr(credential)


def test_the_private_key_is_in_no_print(tmp_path: Path) -> None:
    path = tmp_path / "app.pem"
    path.write_bytes(pem(KEY, certificate(KEY)))
    assert "PrivateKey" not in repr(load_certificate(path))


OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE = ec.generate_private_key(ec.SECP256R1())
SHORT = rsa.generate_private_key(public_exponent=65537, key_size=1024)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a certificate",
        pem(KEY),
        pem(certificate(KEY)),
        pem(OTHER, certificate(KEY)),
        pem(CURVE, certificate(CURVE)),
        pem(SHORT, certificate(SHORT)),
        pem(KEY, certificate(KEY), password=b"locked"),
    ],
    ids=["empty", "text", "key only", "certificate only", "not a pair", "not RSA", "too short", "locked"],
)
def test_a_file_that_cannot_be_used_says_what_it_needs(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "app.pem"
    path.write_bytes(content)
    with pytest.raises(Misconfigured) as error:
        load_certificate(path)
    assert str(path) in error.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        load_certificate(tmp_path / "nothing.pem")


async def test_a_key_of_the_key_service_signs_what_the_certificate_verifies(tmp_path: Path) -> None:
    path, keys = tmp_path / "app.pem", MemoryKeyService(SeededEntropy(1))
    made = certificate(KEY)
    path.write_bytes(pem(made))
    keys.signing_keys["app"] = KEY
    loaded = load_service_certificate(path, key_name="app", signer=keys)
    form = await loaded.form(client_id="the-client", audience=TOKEN_URL, now=NOW, entropy=SeededEntropy(1))
    in_file = tmp_path / "both.pem"
    in_file.write_bytes(pem(KEY, made))
    same = await load_certificate(in_file).form(
        client_id="the-client", audience=TOKEN_URL, now=NOW, entropy=SeededEntropy(1)
    )
    assertion = form["client_assertion"]
    assert assertion.rpartition(".")[0] == same["client_assertion"].rpartition(".")[0]
    claims = jwt.decode(
        assertion,
        KEY.public_key(),
        algorithms=["PS256"],
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
        audience=TOKEN_URL,
    )
    assert claims["iss"] == "the-client"


async def test_a_signing_key_of_another_certificate_is_found_before_microsoft_sees_it(tmp_path: Path) -> None:
    path, keys = tmp_path / "app.pem", MemoryKeyService(SeededEntropy(1))
    path.write_bytes(pem(certificate(KEY)))
    keys.signing_keys["app"] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    loaded = load_service_certificate(path, key_name="app", signer=keys)
    with pytest.raises(Misconfigured, match="does not belong to the certificate"):
        await loaded.form(client_id="c", audience=TOKEN_URL, now=NOW, entropy=SeededEntropy(1))
    keys.is_down = True
    with pytest.raises(TemporarilyUnavailable):
        await loaded.form(client_id="c", audience=TOKEN_URL, now=NOW, entropy=SeededEntropy(1))


def test_a_private_key_beside_a_certificate_of_the_key_service_is_refused(tmp_path: Path) -> None:
    path, keys = tmp_path / "app.pem", MemoryKeyService(SeededEntropy(1))
    for content, words in (
        (pem(KEY, certificate(KEY)), "must not hold a private key"),
        (b"nothing", "must hold a certificate"),
        (pem(certificate(ec.generate_private_key(ec.SECP256R1()))), "must be RSA"),
    ):
        path.write_bytes(content)
        with pytest.raises(Misconfigured, match=words):
            load_service_certificate(path, key_name="app", signer=keys)
