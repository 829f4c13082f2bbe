"""The emulator's own certificate authority and server certificate."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

REAL_HOSTS = (
    "login.microsoftonline.com",
    "login.microsoft.com",
    "login.windows.net",
    "sts.windows.net",
    "graph.microsoft.com",
    "outlook.office365.com",
    "outlook.office.com",
    "autodiscover-s.outlook.com",
    "microsoft.com",
    "www.microsoft.com",
)
"""Names that the emulator answers for in stand-in mode, beside `autodiscover.` and the bare name of each emulated domain."""
CERTIFICATE_DAYS = 397
"""Clients refuse server certificates that live longer."""
RENEW_DAYS_BEFORE = 30


@dataclass(frozen=True, slots=True)
class TLSFiles:
    """Where the certificates are."""

    ca: Path
    """Our CA alone; give this to a client that takes one CA file."""
    ca_bundle: Path
    """The system's CAs and ours, for variables that replace the default store."""
    certificate: Path
    key: Path


def ensure_certificates(home: Path, domains: list[str]) -> TLSFiles:
    """Return the files, made on first use and renewed before they expire or when a name is missing.

    Args:
        domains: Emulated domains, for autodiscover.
    """
    home.mkdir(parents=True, exist_ok=True)
    files = TLSFiles(home / "ca.pem", home / "ca-bundle.pem", home / "server.pem", home / "server-key.pem")
    names = [
        "localhost",
        *REAL_HOSTS,
        *(name for domain in domains for name in (domain, f"autodiscover.{domain}")),
    ]
    if not _still_good(files, names):
        _make(files, names)
    return files


def _still_good(files: TLSFiles, names: list[str]) -> bool:
    if not all(path.exists() for path in (files.ca, files.ca_bundle, files.certificate, files.key)):
        return False
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    known = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    has_names = set(names) <= set(known.get_values_for_type(x509.DNSName))
    remaining = certificate.not_valid_after_utc - datetime.now(UTC)
    return has_names and remaining > timedelta(days=RENEW_DAYS_BEFORE)


def _make(files: TLSFiles, names: list[str]) -> None:
    ca_key, ca = _load_or_make_ca(files)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    addresses = [ipaddress.ip_address(text) for text in ("127.0.0.1", "::1")]
    alternatives = [x509.DNSName(name) for name in names] + [x509.IPAddress(address) for address in addresses]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name("m365-emulator server"))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=CERTIFICATE_DAYS))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    _write_private(files.key, _private_pem(key))
    files.certificate.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM) + ca.public_bytes(serialization.Encoding.PEM)
    )
    system = _system_bundle()
    files.ca_bundle.write_bytes(
        system + (b"\n" if system else b"") + ca.public_bytes(serialization.Encoding.PEM)
    )


def _load_or_make_ca(files: TLSFiles) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key_path = files.ca.with_name("ca-key.pem")
    if files.ca.exists() and key_path.exists():
        key = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
        ca = x509.load_pem_x509_certificate(files.ca.read_bytes())
        if isinstance(key, ec.EllipticCurvePrivateKey) and ca.not_valid_after_utc > datetime.now(UTC):
            return key, ca
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    name = _name("m365-emulator local CA (trust it for tests only)")
    ca = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_ca_usage(), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_private(key_path, _private_pem(key))
    files.ca.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    return key, ca


def _ca_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_private(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _system_bundle() -> bytes:
    for candidate in (
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
    ):
        path = Path(candidate)
        if path.exists():
            return path.read_bytes()
    return b""
