"""A login by password without a session, for tests of what a proof does."""

from __future__ import annotations

import time

from sealring.accounts.account import Account
from sealring.authentication.client_info import ClientInfo
from sealring.authentication.decision import AuthenticationPolicy
from sealring.issuer.accounts import Accounts
from sealring.issuer.authenticator import Authenticator
from sealring.issuer.commit import CommittingStore


async def authenticate(
    store: CommittingStore, accounts: Accounts, username: str, password: str, client: ClientInfo
) -> Account:
    """The account whose password that is."""
    authenticator = Authenticator(
        store=store,
        accounts=accounts,
        policy=AuthenticationPolicy(),
        methods=(accounts.password,),
        clock=lambda: time.time_ns() // 1_000_000,
    )
    response = {"username": username, "password": password}
    return (await authenticator.prove(None, accounts.password, response, client)).account
