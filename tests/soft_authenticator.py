"""An authenticator in a few lines, for tests: makes passkeys and uses them, and can be told to do it wrongly.

It stands for browser and authenticator together, and takes and gives the JSON that `toJSON` of a browser does. No code
of ours is in it: what it writes is read by ours.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import struct
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from fido2 import cbor
from fido2.cose import CoseKey

UP, UV, BE, BS, AT = 0x01, 0x04, 0x08, 0x10, 0x40
ORIGIN = "http://localhost:8000"

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def new_key(algorithm: int = -7) -> PrivateKey:
    """A key of ES256, EdDSA or RS256, by its COSE name."""
    if algorithm == -7:
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == -8:
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class SoftPasskey:
    """One passkey, as its authenticator keeps it."""

    key: PrivateKey
    id: bytes
    user: bytes
    counter: int = 0

    def sign(self, message: bytes) -> bytes:
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return self.key.sign(message, ec.ECDSA(hashes.SHA256()))
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(message)
        return self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())


@dataclass
class SoftAuthenticator:
    """Keeps passkeys. Each knob is what it says of itself and of the page; change one and nothing else is wrong."""

    origin: str = ORIGIN
    rp_id: str = "localhost"
    algorithm: int = -7
    flags: int = UP | UV | BE | BS
    counts: bool = False
    """Whether its counter rises; synced passkeys have none."""
    client_data: dict[str, Any] = field(default_factory=dict)
    """Members of the client data that are not as the page's."""
    passkeys: list[SoftPasskey] = field(default_factory=list)

    def create(self, options: dict[str, Any], *, key: PrivateKey | None = None, cose: Any = None) -> dict[str, Any]:
        """`navigator.credentials.create`, as JSON."""
        passkey = SoftPasskey(key or new_key(self.algorithm), secrets.token_bytes(32), unb64(options["user"]["id"]))
        self.passkeys.append(passkey)
        if cose is None:
            cose = CoseKey.for_alg(self.algorithm).from_cryptography_key(passkey.key.public_key())
        attested = bytes(16) + struct.pack(">H", len(passkey.id)) + passkey.id + cbor.encode(cose)
        data = self._data(passkey, AT) + attested
        return {
            "id": b64(passkey.id),
            "rawId": b64(passkey.id),
            "type": "public-key",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": b64(self._client_data("webauthn.create", options["challenge"])),
                "attestationObject": b64(cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})),
                "transports": ["internal", "hybrid", "of next year"],
            },
        }

    def get(self, options: dict[str, Any], *, passkey: SoftPasskey | None = None) -> dict[str, Any]:
        """`navigator.credentials.get`, as JSON, with the newest passkey."""
        used = passkey or self.passkeys[-1]
        used.counter += self.counts
        client_data = self._client_data("webauthn.get", options["challenge"])
        data = self._data(used)
        return {
            "id": b64(used.id),
            "rawId": b64(used.id),
            "type": "public-key",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": b64(client_data),
                "authenticatorData": b64(data),
                "signature": b64(used.sign(data + hashlib.sha256(client_data).digest())),
                "userHandle": b64(used.user),
            },
        }

    def _data(self, passkey: SoftPasskey, more: int = 0) -> bytes:
        return hashlib.sha256(self.rp_id.encode()).digest() + struct.pack(">BI", self.flags | more, passkey.counter)

    def _client_data(self, kind: str, challenge: str) -> bytes:
        members = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps({**members, **self.client_data}).encode()
