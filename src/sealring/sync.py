"""`SyncSealring`: every use case of `Sealring` for code without an event loop, by the same names.

    with auth.sync() as s:
        issued = s.start_session("42", scopes=["orders:read"])

One row a use case, and the rest is taken from the asynchronous method: arguments, result, errors, docstring. A test
asks for the row of each new one.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from sealring.errors import Stale
from sealring.issuer.account_commands import AccountCommands
from sealring.issuer.client_commands import ClientCommands
from sealring.sealring import Sealring
from sealring.sync_runner import SyncRunner
from sealring.verifier.principal import Principal

P = ParamSpec("P")
R = TypeVar("R")


def _of_sealring(
    method: Callable[Concatenate[Sealring, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[SyncSealring, P], R]:
    @wraps(method)
    def call(self: SyncSealring, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._runner.run(method(self._auth, *args, **kwargs))

    return call


def _of_accounts(
    method: Callable[Concatenate[AccountCommands, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[SyncAccounts, P], R]:
    @wraps(method)
    def call(self: SyncAccounts, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._runner.run(method(self._accounts, *args, **kwargs))

    return call


def _of_clients(
    method: Callable[Concatenate[ClientCommands, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[SyncClients, P], R]:
    @wraps(method)
    def call(self: SyncClients, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._runner.run(method(self._clients, *args, **kwargs))

    return call


class SyncSealring:
    """`auth.sync()`: each method does what the method of that name on `auth` does, and waits.

    It may be called from any thread but that of an event loop in which `auth` is open: there, await the method of
    `auth`. `with` opens and closes; without it, the first call opens, and the end of the process closes.

    Args:
        auth: whose face it is; `auth.sync()` makes it.
        runner: the thread with the event loop in which it waits.

    >>> from sealring.testing import InMemorySealring
    >>> s = InMemorySealring().sync()
    >>> ada = s.accounts.create("ada", "analytical engine 1843")
    >>> s.log_in("ada", "analytical engine 1843", address="192.0.2.7").account.name
    'ada'
    >>> s.close()
    """

    def __init__(self, auth: Sealring, runner: SyncRunner) -> None:
        self._auth = auth
        self._runner = runner
        self.accounts = SyncAccounts(auth.accounts, runner)
        self.clients = SyncClients(auth.clients, runner)

    def __enter__(self) -> Self:
        self._runner.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop following, close the store, end the thread that served. What another event loop opened stays open."""
        self._runner.close()

    def verify(self, token: str) -> Principal:
        """Who the bearer of this access token is; no I/O, and no other thread, once it is open.

        Args:
            token: a compact JWT (RFC 7519).

        Raises:
            TokenError: why not.

        >>> from sealring.testing import InMemorySealring
        >>> with InMemorySealring().sync() as s:
        ...     s.verify(s.start_session("42").access_token.text).subject
        '42'
        """
        try:
            return self._auth.verify(token)
        except Stale:
            if self._runner.is_open:
                raise
        self._runner.open()
        return self._auth.verify(token)

    open = _of_sealring(Sealring.open)
    register = _of_sealring(Sealring.register)
    log_in = _of_sealring(Sealring.log_in)
    begin_login = _of_sealring(Sealring.begin_login)
    forgot_password = _of_sealring(Sealring.forgot_password)
    reset_password = _of_sealring(Sealring.reset_password)
    verify_email = _of_sealring(Sealring.verify_email)
    log_in_by = _of_sealring(Sealring.log_in_by)
    start_session = _of_sealring(Sealring.start_session)
    reauthenticate_session = _of_sealring(Sealring.reauthenticate_session)
    refresh_session = _of_sealring(Sealring.refresh_session)
    list_sessions = _of_sealring(Sealring.list_sessions)
    revoke_session = _of_sealring(Sealring.revoke_session)
    revoke_subject = _of_sealring(Sealring.revoke_subject)
    refresh_claims = _of_sealring(Sealring.refresh_claims)


class SyncAccounts:
    """`auth.sync().accounts`: as `auth.accounts`."""

    def __init__(self, accounts: AccountCommands, runner: SyncRunner) -> None:
        self._accounts = accounts
        self._runner = runner

    find = _of_accounts(AccountCommands.find)
    get = _of_accounts(AccountCommands.get)
    list = _of_accounts(AccountCommands.list)
    create = _of_accounts(AccountCommands.create)
    import_account = _of_accounts(AccountCommands.import_account)
    invite = _of_accounts(AccountCommands.invite)
    disable = _of_accounts(AccountCommands.disable)
    enable = _of_accounts(AccountCommands.enable)
    delete = _of_accounts(AccountCommands.delete)
    set_scopes = _of_accounts(AccountCommands.set_scopes)
    set_email = _of_accounts(AccountCommands.set_email)
    verify_email = _of_accounts(AccountCommands.verify_email)
    set_password = _of_accounts(AccountCommands.set_password)


class SyncClients:
    """`auth.sync().clients`: as `auth.clients`.

    >>> from sealring.testing import InMemorySealring
    >>> with InMemorySealring().sync() as s:
    ...     s.clients.register("nightly report").client.name
    'nightly report'
    """

    def __init__(self, clients: ClientCommands, runner: SyncRunner) -> None:
        self._clients = clients
        self._runner = runner

    register = _of_clients(ClientCommands.register)
    list = _of_clients(ClientCommands.list)
    set_scopes = _of_clients(ClientCommands.set_scopes)
    replace_secret = _of_clients(ClientCommands.replace_secret)
    remove = _of_clients(ClientCommands.remove)
