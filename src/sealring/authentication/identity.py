"""To which account an identity belongs that no account has yet, as one table (design D21). Pure.

Only issuer and subject identify (OpenID Connect Core §5.7). An address joins an identity to an account where both
sides have verified it, and nowhere else: who registered with somebody else's address, here or there, gains nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, Literal

from sealring.accounts.names import MAX_NAME, check_name
from sealring.errors import InvalidField

Holder = Literal["nobody", "unverified", "verified"]
"""Whether an account holds the address that the provider has verified, and whether it has proved it here."""
Belongs = Literal["link", "ask to link", "new account", "nobody"]

TABLE: Final[Mapping[tuple[Holder, bool], Belongs]] = MappingProxyType(
    {
        ("verified", True): "link",
        ("verified", False): "link",
        ("unverified", True): "ask to link",
        ("unverified", False): "ask to link",
        ("nobody", True): "new account",
        ("nobody", False): "nobody",
    }
)
"""By the holder of the address, and by whether everybody may register."""


def decide_identity(holder: Holder, *, may_register: bool) -> Belongs:
    """Decide what becomes of an identity that is linked to no account.

    Args:
        holder: of the address, if the provider has verified one; an address that it has not counts as none, so that
            nobody finds out here which addresses are known.
        may_register: whether everybody may make an account.

    >>> decide_identity("verified", may_register=False), decide_identity("nobody", may_register=False)
    ('link', 'nobody')
    """
    return TABLE[holder, may_register]


def username_candidates(names: tuple[str, ...], suffixes: tuple[str, ...]) -> Iterator[str]:
    """Usernames for a new account, in the order in which they are tried: usernames are public, and may be taken.

    Args:
        names: what the provider calls the user; of an address, the part before the `@`.
        suffixes: what the first of these gets in turn when all are taken.

    >>> list(username_candidates(("", "ann@example.com", "ann"), ("-7",)))
    ['ann', 'ann-7']
    """
    usable = [name for name in dict.fromkeys(map(_as_username, names)) if name] or ["user"]
    yield from usable
    for suffix in suffixes:
        yield usable[0][: MAX_NAME - len(suffix)] + suffix


def _as_username(name: str) -> str:
    local = name.partition("@")[0].strip()[:MAX_NAME]
    try:
        return check_name(local)[0]
    except InvalidField:
        return ""
