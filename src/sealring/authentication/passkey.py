"""Passkeys: what an authenticator presents, read and verified (WebAuthn Level 3 §7.1 and §7.2). Pure.

CBOR, authenticator data and COSE keys are read by `fido2`; what must hold is checked here, each in one line.
Attestation is not asked for and not checked: the make of an authenticator decides nothing. Whatever a client sends is
either verified or a `PasskeyRefused`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Final, Literal, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from fido2 import cbor
from fido2.cose import CoseKey
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData

from sealring.authentication.relying_party import RelyingParty
from sealring.jwt.base64url import NotCanonical, decode, encode

MAX_PART_BYTES: Final = 8192
"""Of each part of a response. With no attestation asked for, the longest has some hundred bytes."""
MAX_ID_BYTES: Final = 1023
"""WebAuthn Level 3 §7.1 step 25."""
ALGORITHMS: Final = (-8, -7, -257)
"""COSE names of EdDSA, ES256 and RS256, in the order in which we prefer them: what authenticators offer today."""
RSA_BYTES: Final = range(256, 513)
"""Length of a modulus: 2048 to 4096 bits."""
TRANSPORTS: Final = frozenset({"ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb"})
"""WebAuthn Level 3 §5.8.4; a hint for the browser, so others are left out."""

PasskeyCause = Literal[
    "passkey response is unreadable",
    "passkey challenge is not good",
    "passkey challenge was used",
    "passkey is of another site",
    "passkey is unknown",
    "passkey is of another account",
    "passkey of another kind",
    "passkey key is not usable",
    "passkey user was not present",
    "passkey user was not verified",
    "passkey signature is wrong",
]
"""Why a response is refused: for the audit log; a login answers alike for all of them."""


class PasskeyRefused(Exception):
    """A response of an authenticator is refused."""

    def __init__(self, cause: PasskeyCause) -> None:
        super().__init__(cause)
        self.cause: PasskeyCause = cause


class Passkey(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a passkey beside its id, its counter and its name."""

    key: bytes
    """The public key, in COSE."""
    transports: tuple[str, ...] = ()
    synced: bool = False
    """It may be copied to other devices of its owner ("backup eligible"). That never changes (§6.1.3)."""


class _Attestation(msgspec.Struct, frozen=True, rename="camel"):
    client_data: str = msgspec.field(name="clientDataJSON")
    attestation_object: str
    transports: list[str] = []


class _Assertion(msgspec.Struct, frozen=True, rename="camel"):
    client_data: str = msgspec.field(name="clientDataJSON")
    authenticator_data: str
    signature: str
    user_handle: str | None = None


class RegistrationResponse(msgspec.Struct, frozen=True):
    """`RegistrationResponseJSON` of WebAuthn Level 3 §5.1; what else a browser adds is left out."""

    id: str
    response: _Attestation
    type: Literal["public-key"]


class AuthenticationResponse(msgspec.Struct, frozen=True):
    """`AuthenticationResponseJSON` of WebAuthn Level 3 §5.1."""

    id: str
    response: _Assertion
    type: Literal["public-key"]


class _ClientData(msgspec.Struct, frozen=True, rename="camel"):
    type: str
    challenge: str
    origin: str
    cross_origin: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A new passkey that its authenticator has shown to hold."""

    id: str
    passkey: Passkey
    counter: int
    challenge: str
    """Still to be checked, and used up."""
    user_present: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticated:
    """A passkey was used."""

    counter: int
    user_verified: bool
    """A PIN or a biometric, not only a touch."""


_ResponseT = TypeVar("_ResponseT", RegistrationResponse, AuthenticationResponse)


def read_response(text: object, kind: type[_ResponseT]) -> _ResponseT:
    """What the browser's `toJSON` gave, as JSON text or as the object that it is.

    Raises:
        PasskeyRefused: it is something else.
    """
    try:
        return msgspec.json.decode(text, type=kind) if isinstance(text, str) else msgspec.convert(text, kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise PasskeyRefused("passkey response is unreadable") from None


def user_handle(account_id: str) -> bytes:
    """The name that authenticators have for an account: it says nothing of its owner (WebAuthn Level 3 §14.6.1).

    One account has one for ever, as an authenticator keeps one passkey for each.
    """
    return sha256(b"sealring passkey user handle\x00" + account_id.encode(errors="surrogatepass")).digest()


def challenge_of(response: AuthenticationResponse) -> str:
    """The challenge that was signed, not yet checked.

    Raises:
        PasskeyRefused: there is none to be read.
    """
    return _read_client_data(_part(response.response.client_data)).challenge


def verify_registration(response: RegistrationResponse, party: RelyingParty) -> Registered:
    """Verify a new passkey (WebAuthn Level 3 §7.1), all but its challenge.

    Raises:
        PasskeyRefused: it is not one of ours.
    """
    client_data = _read_client_data(_part(response.response.client_data))
    _check_client(client_data, "webauthn.create", party)
    data, attested = _read_attestation(_part(response.response.attestation_object))
    _check_authenticator(data, party)
    if not 0 < len(attested.credential_id) <= MAX_ID_BYTES or encode(attested.credential_id) != response.id:
        raise PasskeyRefused("passkey response is unreadable")
    _check_key(attested.public_key)
    passkey = Passkey(
        key=bytes(attested)[18 + len(attested.credential_id) :],
        transports=tuple(sorted(TRANSPORTS.intersection(response.response.transports))),
        synced=data.is_backup_eligible(),
    )
    return Registered(
        id=response.id,
        passkey=passkey,
        counter=data.counter,
        challenge=client_data.challenge,
        user_present=data.is_user_present(),
    )


def verify_authentication(
    response: AuthenticationResponse, passkey: Passkey, party: RelyingParty, *, account_id: str, alone: bool
) -> Authenticated:
    """Verify that a passkey was used (WebAuthn Level 3 §7.2), all but its challenge.

    Args:
        response: what the authenticator gave.
        passkey: the one whose id the response names.
        party: whose passkey it must be.
        account_id: whose it is, by our own rows.
        alone: it is the only proof: it must name its account itself, and verify its user.

    Raises:
        PasskeyRefused: it was not.
    """
    given = response.response
    client_data = _part(given.client_data)
    _check_client(_read_client_data(client_data), "webauthn.get", party)
    handle = None if given.user_handle is None else _part(given.user_handle)
    if alone if handle is None else not compare_digest(handle, user_handle(account_id)):
        raise PasskeyRefused("passkey is of another account")
    written = _part(given.authenticator_data)
    data = _read_authenticator_data(written)
    _check_authenticator(data, party)
    if not data.is_user_present():
        raise PasskeyRefused("passkey user was not present")
    if alone and not data.is_user_verified():
        raise PasskeyRefused("passkey user was not verified")
    if data.is_backup_eligible() != passkey.synced:
        raise PasskeyRefused("passkey of another kind")
    try:
        read_key(passkey).verify(written + sha256(client_data).digest(), _part(given.signature))
    except (InvalidSignature, ValueError):
        raise PasskeyRefused("passkey signature is wrong") from None
    return Authenticated(counter=data.counter, user_verified=data.is_user_verified())


def write_passkey(passkey: Passkey) -> bytes:
    """As it is kept."""
    return msgspec.json.encode(passkey)


def read_passkey(kept: bytes) -> Passkey:
    """What `write_passkey` wrote."""
    return msgspec.json.decode(kept, type=Passkey)


def read_key(passkey: Passkey) -> CoseKey:
    """The public key."""
    return CoseKey.parse(cbor.decode(passkey.key))  # type: ignore[arg-type]


_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError, struct.error)
"""What `fido2` raises on bytes that no authenticator writes."""


def _part(text: str) -> bytes:
    try:
        if len(text) <= MAX_PART_BYTES * 4 // 3:
            return decode(text)
    except NotCanonical:
        pass
    raise PasskeyRefused("passkey response is unreadable")


def _read_client_data(client_data: bytes) -> _ClientData:
    try:
        return msgspec.json.decode(client_data, type=_ClientData)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise PasskeyRefused("passkey response is unreadable") from None


def _check_client(client_data: _ClientData, wanted: str, party: RelyingParty) -> None:
    if client_data.type != wanted:
        raise PasskeyRefused("passkey response is unreadable")
    # a frame of ours in another site's page could be clicked through it
    if client_data.origin not in party.origins or client_data.cross_origin:
        raise PasskeyRefused("passkey is of another site")


def _read_authenticator_data(data: bytes) -> AuthenticatorData:
    try:
        return AuthenticatorData(data)
    except _UNREADABLE:
        raise PasskeyRefused("passkey response is unreadable") from None


def _read_attestation(attestation: bytes) -> tuple[AuthenticatorData, AttestedCredentialData]:
    try:
        data = AttestationObject(attestation).auth_data
    except _UNREADABLE:
        raise PasskeyRefused("passkey response is unreadable") from None
    if data.credential_data is None:
        raise PasskeyRefused("passkey response is unreadable")
    return data, data.credential_data


def _check_authenticator(data: AuthenticatorData, party: RelyingParty) -> None:
    if not compare_digest(data.rp_id_hash, sha256(party.id.encode()).digest()):
        raise PasskeyRefused("passkey is of another site")
    if data.is_backed_up() and not data.is_backup_eligible():  # §6.1.3: impossible
        raise PasskeyRefused("passkey response is unreadable")


def _check_key(key: CoseKey) -> None:
    """Refuse a key that could not verify anything, so that no login meets it.

    Raises:
        PasskeyRefused: it is such, or of an algorithm that was not offered.
    """
    if key[3] not in ALGORITHMS:
        raise PasskeyRefused("passkey key is not usable")
    try:
        if key[3] == ALGORITHMS[-1] and len(key[-1]) not in RSA_BYTES:
            raise PasskeyRefused("passkey key is not usable")
        key.verify(b"", b"")
    except InvalidSignature:
        return
    except (*_UNREADABLE, UnsupportedAlgorithm):
        raise PasskeyRefused("passkey key is not usable") from None
