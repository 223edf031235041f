"""I15: no value that holds a token, a hash or a secret shows it where values are printed: logs, tracebacks."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

import sealring
import tests.django_project.settings  # noqa: F401 - modules of Django frameworks ask for settings when imported
from sealring.authentication.client_info import ClientInfo
from sealring.http.credentials import PresentedToken
from sealring.testing.store_contract.samples import a_key, an_account
from tests.serving import PASSWORD, cheap_sealring

SENSITIVE = re.compile(r"token|hash|secret|encrypted|password|device|digest|salt|jwk|csrf|^text$")
HARMLESS = {
    "token_id": "a name of a token, which opens nothing",
    "token_type": "the word Bearer",
    "token_endpoint": "a URL",
    "jwks_uri": "a URL",
    "token_seconds": "a duration",
    "password_min_length": "a number",
    "password_grant": "a switch",
    "device": "of a Session: a user agent in three words",
    "public_jwk": "public",
}
"""Fields whose names sound like a secret's, and why they hold none."""


def values() -> Iterator[type]:
    """Every class of ours that holds values and prints them."""
    for module in pkgutil.walk_packages(sealring.__path__, "sealring."):
        if module.name.endswith("__main__"):
            continue
        for found in vars(importlib.import_module(module.name)).values():
            if isinstance(found, type) and found.__module__ == module.name and not found.__qualname__.startswith("_"):
                yield found


def shown(kind: type) -> set[str]:
    """The fields that its repr shows."""
    if dataclasses.is_dataclass(kind):
        if "__repr__" not in vars(kind) or not hasattr(vars(kind)["__repr__"], "__wrapped__"):
            return set()  # it has a repr of its own, or none
        return {one.name for one in dataclasses.fields(kind) if one.repr and may_hold_text(one.type)}
    if issubclass(kind, msgspec.Struct):
        return (
            set()
            if "__repr__" in vars(kind)
            else {one.name for one in msgspec.structs.fields(kind) if may_hold_text(one.type)}
        )
    if issubclass(kind, BaseModel):
        return {name for name, one in kind.model_fields.items() if one.repr and may_hold_text(one.annotation)}
    return set()


def may_hold_text(annotation: Any) -> bool:
    return bool(re.search(r"\b(str|bytes|Any)\b", str(annotation))) and "Secret" not in str(annotation)


@pytest.mark.parametrize("kind", sorted(set(values()), key=str))
def test_i15_no_value_shows_a_field_that_sounds_like_a_secret(kind: type) -> None:
    assert {name for name in shown(kind) if SENSITIVE.search(name) and name not in HARMLESS} == set()


@pytest.mark.anyio
async def test_i15_what_a_log_in_gives_shows_no_token_and_no_hash() -> None:
    auth = cheap_sealring()
    await auth.open()
    logged_in = await auth.register("ada", PASSWORD, address="192.0.2.1")
    issued = logged_in.issued
    printed = repr(logged_in) + repr(issued) + str(issued.access_token) + repr(auth.settings) + repr(auth)
    for secret in (
        issued.access_token.text,
        issued.refresh_token,
        logged_in.device,
        auth.settings.secret,
    ):
        assert secret
        assert secret not in printed
    assert issued.session.id in printed, "what is not secret is still there"
    await auth.close()


@pytest.mark.parametrize(
    "value",
    [
        an_account(password_hash="xyzzy"),
        a_key(encrypted=b"xyzzy"),
        ClientInfo("192.0.2.1", "agent", "xyzzy"),
        PresentedToken("xyzzy", from_cookie=True),
    ],
)
def test_i15_records_show_no_secret(value: object) -> None:
    assert "xyzzy" not in repr(value)
    assert type(value).__name__ in repr(value)
