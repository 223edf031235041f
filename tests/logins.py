"""A login by password without a session, for tests of what a proof does."""

from __future__ import annotations

import time

from sealring.accounts.account import Account
from sealring.authentication.client_info import ClientInfo
from sealring.authentication.decision import AuthenticationPolicy
from sealring.authentication.method import PASSWORD
from sealring.issuer.accounts import Accounts
from sealring.issuer.authenticator import Authenticator
from sealring.issuer.commit import CommittingStore
from sealring.issuer.methods.password import PasswordMethod


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def authenticate(
    store: CommittingStore, accounts: Accounts, username: str, password: str, client: ClientInfo
) -> Account:
    """The account whose password that is."""
    way = PasswordMethod(store, accounts._hasher, clock=now_ms)
    authenticator = Authenticator(
        store=store,
        accounts=accounts,
        policy=AuthenticationPolicy(methods=(PASSWORD,)),
        methods=(way,),
        clock=now_ms,
    )
    response = {"username": username, "password": password}
    return (await authenticator.prove(None, way, response, client)).account
