"""Compact signed tokens: sign, verify, keys (RFC 7515, 7517, 7518, 7519, 7638, 8725).

Stricter than the libraries that it replaces, and close to the speed of its primitives. It does no I/O. `now` is an
argument of every function that needs the time, and defaults to the clock.

>>> from sealring import jwt
>>> key = jwt.Key.generate("ES256")
>>> token = jwt.sign({"sub": "42"}, key, audience="orders", expires_in="30m")
>>> jwt.verify(token, key.public(), audience="orders").claims["sub"]
'42'
>>> jwt.verify(token, key.public(), audience=jwt.ANY).claims["aud"]
'orders'
>>> jwt.verify(token, key.public(), audience="mail")
Traceback (most recent call last):
sealring.errors.WrongAudience: claim 'aud' names no accepted audience
"""

from __future__ import annotations

from sealring.jwt.claims import ANY
from sealring.jwt.durations import parse_duration
from sealring.jwt.key_set import KeySet
from sealring.jwt.keys import Key
from sealring.jwt.one_shot import peek, verify, verify_signature
from sealring.jwt.policy import PolicyOptions
from sealring.jwt.signing import sign
from sealring.jwt.values import Peeked, Signed, Token
from sealring.jwt.verifier import Verifier

__all__ = [
    "ANY",
    "Key",
    "KeySet",
    "Peeked",
    "PolicyOptions",
    "Signed",
    "Token",
    "Verifier",
    "parse_duration",
    "peek",
    "sign",
    "verify",
    "verify_signature",
]
