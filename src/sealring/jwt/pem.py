"""PEM and DER (RFC 7468, RFC 5208, RFC 5280 §4.1): reads and writes keys.

A module of its own, because the library's serialization imports SSH and much else that a service with a JWK Set never
needs. Of a certificate only the public key is read: the caller who names the file trusts it, and its dates and issuer
are not checked here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)
from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificate

from sealring.errors import KeyRefused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes


def read_pem(data: bytes, password: bytes | None) -> object:
    """Return the key in PEM text; raises `KeyRefused`."""
    if b"PRIVATE KEY" in data:
        return _load(load_pem_private_key, data, password)
    if password is not None:
        raise KeyRefused("a public key is not encrypted: give no password")
    if b"BEGIN CERTIFICATE" in data:
        return _load(lambda pem: load_pem_x509_certificate(pem).public_key(), data)
    return _load(load_pem_public_key, data)


def read_der(data: bytes, password: bytes | None) -> object:
    """Return the key in DER bytes; raises `KeyRefused`."""
    if password is not None:
        return _load(load_der_private_key, data, password)
    for load in (load_der_public_key, lambda der: load_der_x509_certificate(der).public_key()):
        with suppress(KeyRefused):
            return _load(load, data)
    return _load(load_der_private_key, data, None)


def write_public_pem(key: PublicKeyTypes) -> bytes:
    """Return SubjectPublicKeyInfo as PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def write_private_pem(key: PrivateKeyTypes, password: bytes | None) -> bytes:
    """Return PKCS #8 as PEM, encrypted when there is a password."""
    lock = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)


def _load(load: Callable[..., object], *arguments: bytes | None) -> object:
    try:
        return load(*arguments)  # of any kind: the algorithm's require_fit decides
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: a password missing or needless
        raise KeyRefused("no readable key of a supported kind, or its password is wrong or missing") from None
