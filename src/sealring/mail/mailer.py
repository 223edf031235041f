"""What carries mail, as a protocol, and the two small ones: an application's own function, and the console."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from inspect import isawaitable, iscoroutinefunction
from typing import Protocol, TextIO, runtime_checkable

from sealring.mail.message import MailMessage

SendMail = Callable[[MailMessage], Awaitable[object] | object]
"""A function of the application's own that sends one mail: plain, then in a thread, or async. What it raises has the
mail tried again later."""


class MailRefused(Exception):
    """Raised by a mailer: the mail can never be sent as it is, and is not tried again.

    >>> from sealring import MailRefused
    >>> async def send(message):
    ...     raise MailRefused("the mailbox is gone")
    >>> from sealring.testing import InMemorySealring
    >>> auth = InMemorySealring(mail=send)
    """


@runtime_checkable
class Mailer(Protocol):
    """Carries one mail at a time.

    >>> from sealring.testing import InMemorySealring
    >>> class Outbox:
    ...     def __init__(self):
    ...         self.sent = []
    ...     async def send(self, message):
    ...         self.sent.append(message)
    >>> auth = InMemorySealring(mail=Outbox())
    """

    async def send(self, message: MailMessage) -> None:
        """Hand it over to what delivers it.

        Args:
            message: the mail.

        Raises:
            MailRefused: it can never be sent.
            Exception: any other: it is tried again later.

        >>> from sealring import MailMessage
        >>> class Printer:
        ...     async def send(self, message):
        ...         print(message.subject)
        >>> hello = MailMessage(
        ...     id="m1", kind="reset", to="a@x.example", language="en", subject="Hello", text="", html=""
        ... )
        >>> await Printer().send(hello)
        Hello
        """


class FunctionMailer:
    """Sends by an application's own function."""

    def __init__(self, function: SendMail) -> None:
        self._function = function

    async def send(self, message: MailMessage) -> None:
        """Call it; in a thread where it is no coroutine function, since it may take seconds."""
        if iscoroutinefunction(self._function) or iscoroutinefunction(type(self._function).__call__):
            sent = self._function(message)
        else:
            sent = await asyncio.to_thread(self._function, message)
        if isawaitable(sent):
            await sent


class ConsoleMailer:
    """Prints mails: the default in development, where the issuer is on loopback.

    Args:
        out: where to; stderr of the moment when None.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out

    async def send(self, message: MailMessage) -> None:
        """Print it, with the link and the code on lines of their own."""
        lines = [f"mail to {message.to}: {message.subject}"]
        lines += [f"  {word}" for word in (message.link, message.code) if word]
        print("\n".join(lines), file=sys.stderr if self._out is None else self._out, flush=True)


def mailer_of(given: object) -> Mailer:
    """A mailer of what the application gave.

    Raises:
        TypeError: neither a mailer nor a function.
    """
    if not isinstance(given, type):
        if isinstance(given, Mailer) and iscoroutinefunction(given.send):
            return given
        if callable(given):
            return FunctionMailer(given)
    raise TypeError("mail must be a Mailer, or a function of a MailMessage, plain or async")
