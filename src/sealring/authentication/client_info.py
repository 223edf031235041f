"""Where a request came from, as `sealring.http` found out.

Nothing here but `proof_key` is proof: the address is as good as the proxies that named it, the user agent is the
client's own claim, and the device cookie proves nothing until `DeviceCookies` has checked it.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """Who is asking. An operator at the command line is `ClientInfo("")`."""

    address: str
    """IP address of the client; any other text counts as one shared, unknown place (U10)."""
    user_agent: str = ""
    device_cookie: str | None = field(default=None, repr=False)
    """From the cookie or the body, not yet checked: it gives buckets of its own only if its MAC is good (U11)."""
    languages: str = ""
    """Its Accept-Language field, for mails to it."""
    browser: str = field(default="", repr=False)
    """What binds a pending login to one browser: the value of a cookie of ours; empty for other clients."""
    proof_key: str = ""
    """The thumbprint of the key of which this request holds a proof (RFC 9449): of all here, the one thing that is
    proved. Empty where no proof came."""
