"""The hash functions of the table, under both of the names that they need.

RSA and ECDSA are given the digest instead of the data: hashlib makes it in half the time that `cryptography` takes to
look its own hash up.
"""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives import hashes

SHA256, SHA384, SHA512 = hashes.SHA256(), hashes.SHA384(), hashes.SHA512()
HASHLIB = {SHA256.name: hashlib.sha256, SHA384.name: hashlib.sha384, SHA512.name: hashlib.sha512}
