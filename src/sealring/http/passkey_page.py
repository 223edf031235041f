"""Where password managers find the page on which users add and remove passkeys: "Well-Known URL for Passkey Endpoints".

Pure. The URL is the setting's own word: nothing that a client sends is in it (C12).
"""

from __future__ import annotations

PASSKEY_ENDPOINTS = "passkey-endpoints"
"""The name below `/.well-known`, at the root of the domain that the passkeys belong to."""


def passkey_document(page: str) -> dict[str, str]:
    """The document: passkeys are added and managed on one page.

    >>> passkey_document("https://auth.example.com/account")
    {'enroll': 'https://auth.example.com/account', 'manage': 'https://auth.example.com/account'}
    """
    return {"enroll": page, "manage": page}
