"""Accounts for the application's own administration: `auth.accounts`.

Each method opens what is not open yet, and is in force on this node when it returns (I2). No account that comes from
here holds its password hash: a route may return it, or log it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from sealring.accounts.account import Account
from sealring.accounts.imported import ImportedUser
from sealring.issuer.accounts import Accounts
from sealring.jwt.durations import Duration, named_duration
from sealring.opening import Opening
from sealring.sessions.grant import MAX_SUBJECT, scope_tokens

MAX_INVITATION_SECONDS = 365 * 86_400
"""An attacker who finds an old one in a mailbox registers with it."""

MAX_LIMIT = 2**31 - 1
"""More rows than any store has; a longer number fits into no column."""


class AccountCommands:
    """What an operator may do to accounts.

    Args:
        accounts: the use cases.
        opening: opens the store before the first of them.

    >>> ada = await auth.accounts.create("Ada", "analytical engine 1843", scopes=["orders:read"])
    >>> (await auth.accounts.find("ada")).scopes
    ('orders:read',)
    """

    def __init__(self, accounts: Accounts, opening: Opening) -> None:
        self._accounts = accounts
        self._opening = opening

    async def find(self, username: str) -> Account:
        """The account of that name.

        Args:
            username: in any case: "Ada" finds the account "ada".

        Returns:
            The account, without its password hash.

        Raises:
            NoSuchAccount: there is none.

        >>> ada = await auth.accounts.create("Ada", "analytical engine 1843")
        >>> (await auth.accounts.find("ada")).name
        'Ada'
        """
        check_text(username=username)
        return without_hash(await (await self._opened()).find(username))

    async def get(self, account_id: str) -> Account:
        """The account of that id, the subject of its sessions.

        Args:
            account_id: `Account.id`, the `sub` of its tokens.

        Returns:
            The account, without its password hash.

        Raises:
            NoSuchAccount: there is none.

        >>> ada = await auth.accounts.create("ada", "analytical engine 1843")
        >>> (await auth.accounts.get(ada.id)).name
        'ada'
        """
        check_account_id(account_id)
        return without_hash(await (await self._opened()).get(account_id))

    async def list(self, *, after: str = "", limit: int = 1000) -> list[Account]:
        """Accounts by canonical name, page by page.

        Args:
            after: the canonical name after which the page begins: that of the last account of the page before.
            limit: how many at most.

        Raises:
            TypeError, ValueError: `after` is no text, or `limit` no number from 1 on.

        >>> for name in ("ada", "grace", "mary"):
        ...     account = await auth.accounts.create(name, None)
        >>> [account.name for account in await auth.accounts.list(limit=2)]
        ['ada', 'grace']
        >>> [account.name for account in await auth.accounts.list(after="grace")]
        ['mary']
        """
        check_text(after=after)
        check_limit(limit)
        return [without_hash(account) for account in await (await self._opened()).list(after=after, limit=limit)]

    async def create(
        self, username: str, password: str | None, *, email: str | None = None, scopes: Iterable[str] = ()
    ) -> Account:
        """Make an account by the operator's word, who vouches for the email address: it is reserved.

        Args:
            username: 1 to 64 characters.
            password: None for an account that cannot log in by password yet.
            email: their email address.
            scopes: what they may do: scope tokens of RFC 6749 §3.3.

        Returns:
            The account, without its password hash.

        Raises:
            InvalidField: a field cannot be accepted, or `email` is another account's.
            NameTaken: the name is.
            TokenTooLong: so many scopes that no cookie could carry the access token.
            TypeError, ValueError: scopes that cannot be.

        >>> ada = await auth.accounts.create("ada", "analytical engine 1843", email="ada@example.com", scopes=["admin"])
        >>> ada.name, ada.scopes, ada.password_hash
        ('ada', ('admin',), None)
        """
        check_text(username=username)
        check_optional_text(password=password, email=email)
        tokens = scope_tokens(scopes)
        return without_hash(await (await self._opened()).create(username, password, email=email, scopes=tokens))

    async def import_account(
        self,
        username: str,
        password_hash: str | None,
        *,
        account_id: str | None = None,
        email: str | None = None,
        email_verified: bool = False,
        scopes: Iterable[str] = (),
        disabled: bool = False,
    ) -> Account:
        """Make the account of a user of another system, who logs in with the password that they had.

        The hash is verified by its own scheme at the next login, and replaced by Argon2id there.

        Args:
            username: the name that they log in with.
            password_hash: bcrypt, PBKDF2, scrypt or Argon2id, as the other system writes it (docs/moving/index.md).
                None for an account that cannot log in by password yet.
            account_id: the id that they had, which `sub` will be: 1 to 255 printable characters. A fresh one if left
                out. A subject that `start_session` was given becomes this account; the id of an account, even a deleted
                one, is refused.
            email: their email address.
            email_verified: whether they have proved to read mail there: only then it is reserved.
            scopes: what they may do.
            disabled: whether they may not log in.

        Returns:
            The account, without its password hash.

        Raises:
            InvalidField: a field cannot be accepted, or is another account's.
            NameTaken: the name is.
            TypeError, ValueError: arguments of the wrong type, or scopes that cannot be.

        >>> old_hash = "pbkdf2_sha256$1000$seasalt1$wLLXQa0m9O2BYqihd3Jw+ehAWXpTh8ycH4us91D1REI="
        >>> ada = await auth.accounts.import_account("ada", old_hash, account_id="42")
        >>> (await auth.log_in("ada", "analytical engine 1843", address="192.0.2.7")).account.id
        '42'
        """
        texts = {"password_hash": password_hash, "account_id": account_id, "email": email}
        check_text(username=username, **{name: value for name, value in texts.items() if value is not None})
        for name, value in (("email_verified", email_verified), ("disabled", disabled)):
            if not isinstance(value, bool):
                raise TypeError(f"{name} must be True or False, not {type(value).__name__}")
        user = ImportedUser(
            username=username,
            password_hash=password_hash,
            id=account_id,
            email=email,
            email_verified=email_verified,
            scopes=scope_tokens(scopes),
            disabled=disabled,
        )
        return without_hash(await (await self._opened()).import_account(user))

    async def invite(self, *, expires_in: float | str | timedelta = "7d") -> str:
        """Let one person register where `SEALRING_REGISTRATION=invited`: the text is good once, as `invitation`.

        The store keeps only a digest. It is used up in the transaction that makes the account.

        Args:
            expires_in: seconds, text such as "12h" or "7d", or a timedelta.

        Raises:
            RegistrationClosed: `SEALRING_REGISTRATION=closed`: it would let nobody in.
            TypeError, ValueError: `expires_in` is no duration of whole seconds, from 1s to 365d.

        Returns:
            The invitation, to be sent to that person: nobody can read it again.

        >>> from sealring.testing import InMemorySealring
        >>> auth = InMemorySealring(registration="invited")
        >>> invitation = await auth.accounts.invite(expires_in="2d")
        >>> new = await auth.register("ada", "analytical engine 1843", invitation=invitation, address="192.0.2.7")
        >>> await auth.close()
        """
        seconds = invitation_seconds(expires_in)
        return await (await self._opened()).invite(seconds=seconds)

    async def disable(self, account_id: str) -> None:
        """End all sessions and start no more.

        Args:
            account_id: `Account.id`, the `sub` of its tokens.

        Raises:
            NoSuchAccount: there is none.

        >>> ada = await auth.accounts.create("ada", "analytical engine 1843")
        >>> await auth.accounts.disable(ada.id)
        >>> await auth.log_in("ada", "analytical engine 1843", address="192.0.2.7")
        Traceback (most recent call last):
        sealring.errors.WrongCredentials: username or password is wrong
        """
        check_account_id(account_id)
        await (await self._opened()).disable(account_id)

    async def enable(self, account_id: str) -> None:
        """Let a disabled account log in again, and reset its rate limits; no ended session comes back.

        Args:
            account_id: `Account.id`, the `sub` of its tokens.

        Raises:
            NoSuchAccount: there is none.

        >>> ada = await auth.accounts.create("ada", "analytical engine 1843")
        >>> await auth.accounts.disable(ada.id)
        >>> await auth.accounts.enable(ada.id)
        >>> (await auth.accounts.get(ada.id)).status
        'active'
        """
        check_account_id(account_id)
        await (await self._opened()).enable(account_id)

    async def delete(self, account_id: str) -> None:
        """Remove the account and end its sessions; its id is never used again (J17).

        Args:
            account_id: `Account.id`, the `sub` of its tokens.

        Raises:
            NoSuchAccount: there is none.

        >>> ada = await auth.accounts.create("ada", "analytical engine 1843")
        >>> await auth.accounts.delete(ada.id)
        >>> await auth.accounts.list()
        []
        """
        check_account_id(account_id)
        await (await self._opened()).delete(account_id)

    async def set_scopes(self, account_id: str, scopes: Iterable[str]) -> None:
        """Give other scopes: sessions go on, and get them at their next refresh.

        Args:
            account_id: `Account.id`, the `sub` of its tokens.
            scopes: all that they may do from now on: scope tokens of RFC 6749 §3.3.

        Raises:
            NoSuchAccount: there is none.
            TokenTooLong: so many that no cookie could carry the access token; nothing was changed.
            TypeError, ValueError: scopes that cannot be.

        >>> ada = await auth.accounts.create("ada", "analytical engine 1843")
        >>> await auth.accounts.set_scopes(ada.id, ["orders:read", "orders:write"])
        >>> (await auth.accounts.get(ada.id)).scopes
        ('orders:read', 'orders:write')
        """
        check_account_id(account_id)
        tokens = scope_tokens(scopes)
        await (await self._opened()).set_scopes(account_id, tokens)

    async def set_email(self, account_id: str, email: str | None) -> None:
        """Replace the email address by the operator's word, who vouches for it: it is reserved. None removes it.

        Args:
            account_id: `Account.id`, the `sub` of its tokens.
            email: the address, or None.

        Raises:
            InvalidField: `email` cannot be accepted, or is another account's.
            NoSuchAccount: there is none.

        >>> ada = await auth.accounts.create("ada", "analytical engine 1843", email="ada@example.com")
        >>> await auth.accounts.set_email(ada.id, None)
        >>> print((await auth.accounts.get(ada.id)).email)
        None
        """
        check_account_id(account_id)
        check_optional_text(email=email)
        await (await self._opened()).set_email(account_id, email)

    async def verify_email(self, account_id: str) -> None:
        """Take the email address that the account has as verified, by the operator's word: it is reserved.

        Args:
            account_id: `Account.id`, the `sub` of its tokens.

        Raises:
            InvalidField: the account has no address, or another account has it verified.
            NoSuchAccount: there is none.

        >>> new = await auth.register("ada", "analytical engine 1843", email="a@example.com", address="192.0.2.7")
        >>> await auth.accounts.verify_email(new.account.id)
        >>> (await auth.accounts.get(new.account.id)).email_verified
        True
        """
        check_account_id(account_id)
        await (await self._opened()).verify_email(account_id)

    async def set_password(self, account_id: str, password: str) -> None:
        """Replace a password without proof; all sessions end, and the account's rate limits are reset.

        Args:
            account_id: `Account.id`, the `sub` of its tokens.
            password: the new one; `SEALRING_PASSWORD_MIN_LENGTH` holds.

        Raises:
            InvalidField: `password` cannot be accepted.
            NoSuchAccount: there is none.

        >>> ada = await auth.accounts.create("ada", "analytical engine 1843")
        >>> await auth.accounts.set_password(ada.id, "difference engine 1822")
        >>> (await auth.log_in("ada", "difference engine 1822", address="192.0.2.7")).account.name
        'ada'
        """
        check_account_id(account_id)
        check_text(password=password)
        await (await self._opened()).set_password(account_id, password)

    async def _opened(self) -> Accounts:
        await self._opening.open()
        return self._accounts


def invitation_seconds(expires_in: Duration) -> int:
    """How long an invitation lives.

    Raises:
        TypeError, ValueError: no duration of whole seconds, from 1s to 365d.
    """
    seconds = named_duration("expires_in", expires_in)
    if not 1 <= seconds <= MAX_INVITATION_SECONDS or seconds != int(seconds):
        raise ValueError("expires_in must be a whole number of seconds from 1s to 365d")
    return int(seconds)


def check_account_id(account_id: object) -> None:
    """An account's id is text that may be a subject; one of another form is a mistake, and no missing account.

    Raises:
        TypeError, ValueError: it is not.
    """
    check_name("account_id", account_id)


def check_name(argument: str, value: object) -> None:
    """What names something of ours is 1 to 255 printable characters: no control character, no half of a pair.

    Raises:
        TypeError, ValueError: names the argument.
    """
    check_text(**{argument: value})
    if not isinstance(value, str) or not value or len(value) > MAX_SUBJECT or not value.isprintable():
        raise ValueError(f"{argument} must be 1 to {MAX_SUBJECT} printable characters")


def check_limit(limit: object) -> None:
    """How many rows are wanted at most.

    Raises:
        TypeError, ValueError: no number from 1 to `MAX_LIMIT`.
    """
    if type(limit) is not int:
        raise TypeError(f"limit must be an integer, not {type(limit).__name__}")
    if limit < 1:
        raise ValueError("limit must be 1 at least")
    if limit > MAX_LIMIT:
        raise ValueError(f"limit must be {MAX_LIMIT} at most")


def check_text(**given: object) -> None:
    """Each of these arguments is text.

    Raises:
        TypeError: names the one that is not.
    """
    for name, value in given.items():
        if not isinstance(value, str):
            raise TypeError(f"{name} must be text, not {type(value).__name__}")


def check_optional_text(**given: object) -> None:
    """Each of these arguments is text, or None.

    Raises:
        TypeError: names the one that is neither.
    """
    check_text(**{name: value for name, value in given.items() if value is not None})


def without_hash(account: Account) -> Account:
    """The account as the application sees it."""
    return replace(account, password_hash=None)
