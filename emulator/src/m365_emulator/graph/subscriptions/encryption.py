"""Encrypted content of rich notifications.

Source: Graph, change notifications that include resource data.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from random import Random

from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.x509 import Certificate


def encrypt(content: bytes, certificate: Certificate, certificate_id: str, rng: Random) -> dict[str, str]:
    """Return `encryptedContent`: AES-256-CBC under a fresh key, whose first half is the IV, sealed for the certificate."""
    key = rng.randbytes(32)
    padder = padding.PKCS7(128).padder()
    padded = padder.update(content) + padder.finalize()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    data = encryptor.update(padded) + encryptor.finalize()
    public = certificate.public_key()
    if not isinstance(public, RSAPublicKey):
        raise TypeError("The certificate holds no RSA key.")
    # OAEP with SHA-1 is what the receivers of the real service decrypt.
    oaep = rsa_padding.OAEP(rsa_padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)  # noqa: S303
    thumbprint = certificate.fingerprint(hashes.SHA1())  # noqa: S303 - the name of a certificate
    return {
        "data": base64.b64encode(data).decode(),
        "dataKey": base64.b64encode(public.encrypt(key, oaep)).decode(),
        "dataSignature": base64.b64encode(hmac.new(key, data, hashlib.sha256).digest()).decode(),
        "encryptionCertificateId": certificate_id,
        "encryptionCertificateThumbprint": thumbprint.hex().upper(),
    }
