"""Whether an account may lose a credential: it must still be able to log in afterwards. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from sealring.accounts.credential import Credential
from sealring.authentication.decision import AuthenticationPolicy, factors_shown


def can_log_in(policy: AuthenticationPolicy, enrolled: AbstractSet[str]) -> bool:
    """Whether an account that can use these methods can complete a login.

    >>> can_log_in(AuthenticationPolicy(), {"password"}), can_log_in(AuthenticationPolicy(mfa="required"), {"password"})
    (True, False)
    """
    usable = [method for method in policy.methods if method.name in enrolled]
    firsts = [method for method in usable if method.first]
    if policy.mfa != "required":
        return bool(firsts)
    seconds = [method for method in usable if method.second and not method.backup]
    return any(factors_shown((first, *seconds)) == "two factors" for first in firsts)


def may_lose(
    policy: AuthenticationPolicy, credential: Credential, others: Sequence[Credential], enrolled: AbstractSet[str]
) -> bool:
    """Whether the owner of an account may remove a credential of it: the last way to log in stays.

    Args:
        policy: methods, and how many factors are asked.
        credential: the one to be removed.
        others: the account's other credentials.
        enrolled: names of the methods that the account can use now.
    """
    method_stays = any(other.method == credential.method for other in others)
    return can_log_in(policy, enrolled if method_stays else enrolled - {credential.method})
