"""What an application has done by mail: addresses are verified, forgotten passwords replaced.

The routes of ours do the same; these are for routes of an application's own.
"""

from __future__ import annotations

from sealring.accounts.account import Account
from sealring.application.own_routes import OwnRoutes
from sealring.http.client_info import AnyRequest
from sealring.issuer.account_commands import check_optional_text, check_text, without_hash
from sealring.issuer.email_addresses import CodeProof, LinkProof, MailProof


class MailUseCases(OwnRoutes):
    """Mail to accounts."""

    async def forgot_password(
        self, email: str, *, request: AnyRequest | None = None, address: str | None = None, user_agent: str = ""
    ) -> None:
        """Send a mail for a new password, if there is such an account. Nobody learns whether there is.

        Args:
            email: as it was typed.
            request: the request that asks; see `log_in`.
            address: the client's IP address, where there is no request.
            user_agent: what it came with, where there is no request.

        Raises:
            NotFound: no mail is set up.
            Throttled: too many mails to this address.
            TypeError, ValueError: neither a request nor an IP address, or both.

        >>> ada = await auth.accounts.create("ada", "analytical engine 1843", email="ada@example.com")
        >>> await auth.forgot_password("ada@example.com", address="192.0.2.7")
        >>> (await auth.deliver_mail())[0].subject
        'A new password for 127.0.0.1'
        """
        check_text(email=email)
        client = self._counted_client(request, address, user_agent)
        await self.open()
        await self.issuer.email.forgot(email, client)

    async def reset_password(
        self,
        token: str,
        new: str,
        *,
        email: str | None = None,
        request: AnyRequest | None = None,
        address: str | None = None,
        user_agent: str = "",
    ) -> Account:
        """Replace a password by what a mail said. All sessions end, and none starts: the user logs in, by all factors.

        Args:
            token: that of the link, or the code.
            new: the password that the user chose.
            email: the address that the code was sent to; None for a link.
            request: the request that asks; see `log_in`.
            address: the client's IP address, where there is no request.
            user_agent: what it came with, where there is no request.

        Returns:
            The account, without its password hash.

        Raises:
            InvalidMailLink: unknown, expired, used or overtaken.
            InvalidField: `new` cannot be accepted.
            Throttled, Overloaded: try again later.
            TypeError, ValueError: neither a request nor an IP address, or both.

        >>> ada = await auth.accounts.create("ada", "analytical engine 1843", email="ada@example.com")
        >>> await auth.forgot_password("ada@example.com", address="192.0.2.7")
        >>> (mail,) = await auth.deliver_mail()
        >>> token = mail.link.partition("#token=")[2]
        >>> (await auth.reset_password(token, "difference engine 1822", address="192.0.2.7")).name
        'ada'
        """
        check_text(token=token, new=new)
        client = self._counted_client(request, address, user_agent)
        proof = _proof(token, email)
        await self.open()
        return without_hash(await self.issuer.email.reset_password(proof, new, client))

    async def verify_email(
        self,
        token: str,
        *,
        email: str | None = None,
        request: AnyRequest | None = None,
        address: str | None = None,
        user_agent: str = "",
    ) -> Account:
        """Verify an address by what a mail said: that of the account, or the one that is to replace it.

        Args:
            token: that of the link, or the code.
            email: the address that the code was sent to; None for a link.
            request: the request that asks; see `log_in`.
            address: the client's IP address, where there is no request.
            user_agent: what it came with, where there is no request.

        Returns:
            The account, without its password hash.

        Raises:
            InvalidMailLink: unknown, expired, used or overtaken.
            InvalidField: another account has verified this address meanwhile.
            Throttled: too many wrong codes.
            TypeError, ValueError: neither a request nor an IP address, or both.

        >>> from sealring.testing import InMemorySealring
        >>> auth = InMemorySealring(verify_email="optional")
        >>> new = await auth.register("ada", "analytical engine 1843", email="a@example.com", address="192.0.2.7")
        >>> (mail,) = await auth.deliver_mail()
        >>> (await auth.verify_email(mail.code, email="a@example.com", address="192.0.2.7")).email_verified
        True
        >>> await auth.close()
        """
        check_text(token=token)
        client = self._counted_client(request, address, user_agent)
        proof = _proof(token, email)
        await self.open()
        return without_hash(await self.issuer.email.confirm(proof, client))


def _proof(token: str, email: str | None) -> MailProof:
    check_optional_text(email=email)
    return LinkProof(token) if email is None else CodeProof(token, email)
