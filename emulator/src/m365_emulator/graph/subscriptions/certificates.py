"""The certificates receivers give for rich notifications."""

from __future__ import annotations

import base64
import binascii

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from m365_emulator.graph.errors import bad_request


def read_certificate(text: str) -> x509.Certificate:
    """Return a certificate given in base64 of DER or PEM; raises GraphError unless it holds an RSA key of fitting size."""
    try:
        raw = base64.b64decode("".join(text.split()), validate=True)
        certificate = (
            x509.load_pem_x509_certificate(raw)
            if raw.startswith(b"-----")
            else x509.load_der_x509_certificate(raw)
        )
        key = certificate.public_key()
    except (binascii.Error, ValueError) as error:
        raise bad_request(
            "Certificate validation error: the certificate cannot be read.", "InvalidRequest"
        ) from error
    if not isinstance(key, RSAPublicKey) or not 2048 <= key.key_size <= 4096:
        raise bad_request(
            "Certificate validation error: an RSA key of 2048 to 4096 bits is needed.", "InvalidRequest"
        )
    return certificate
