"""What an application says of a provider: names and secrets, checked when it is said. No I/O."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from sealring.jwt.frozen import freeze
from sealring.sessions.grant import scope_tokens
from sealring.verifier.http_get import checked_url
from sealring.verifier.http_trust import check_ssl_context

ResponseMode = Literal["query", "form_post"]

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_OURS = frozenset({
    "client_id", "response_type", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
    "response_mode",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class OIDC:
    """A provider of OpenID Connect, found by its issuer URL.

    Args:
        issuer: exactly as the provider names itself in its discovery document and in `iss`; https, or http on loopback.
        client_id: what the provider calls this application.
        client_secret: empty for a public client, which has PKCE alone.
        name: stands in our paths, `/auth/oidc/{name}`: lower-case letters, digits and hyphens, a letter first. It
            belongs to the redirect URI that is registered with the provider.
        title: for people; the name when left out.
        scopes: what is asked for; `openid` among them.
        parameters: more parameters of the authorization request, such as `{"prompt": "select_account"}`.
        required_claims: claims that an ID token must have with exactly these values, such as `{"hd": "example.com"}`.
        trusts_email: whether `email_verified` of this provider counts. Only of a provider that really sends mail there,
            or owns the domain: an administrator who may write any address there could take an account over.
        response_mode: how the code comes back; `form_post` only where the provider insists.
        ssl_context: in place of the machine's certificate authorities, for a provider inside a company.

    Raises:
        TypeError, ValueError: a wrong argument; names it.

    Source: OpenID Connect Core, OpenID Connect Discovery, RFC 9700.

    >>> OIDC("https://login.example.com", "client-id", "client-secret", name="acme", title="Acme").title
    'Acme'
    >>> OIDC("http://login.example.com", "client-id")
    Traceback (most recent call last):
    ValueError: issuer must be https, or http on loopback, with a host and no user, query or fragment
    """

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    name: str = field(default="oidc", kw_only=True)
    title: str = field(default="", kw_only=True)
    scopes: tuple[str, ...] = field(default=("openid", "email", "profile"), kw_only=True)
    parameters: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    required_claims: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    trusts_email: bool = field(default=True, kw_only=True)
    response_mode: ResponseMode = field(default="query", kw_only=True)
    ssl_context: ssl.SSLContext | None = field(default=None, kw_only=True, repr=False)

    has_id_token: ClassVar[bool] = True
    """Whether it speaks OpenID Connect; else OAuth with questions of its own."""
    email_verified_as_text: ClassVar[bool] = False
    """Whether `email_verified` may be the text "true" (Apple)."""
    posts_secret: ClassVar[bool] = False
    """Whether the secret goes in the form whatever the metadata say."""

    def __post_init__(self) -> None:
        self._check_texts()
        try:
            checked_url(self.issuer)
        except ValueError:
            raise ValueError(
                "issuer must be https, or http on loopback, with a host and no user, query or fragment"
            ) from None
        if not self.client_id:
            raise ValueError("client_id must not be empty")
        if not _NAME.fullmatch(self.name):
            raise ValueError("name must be 1 to 32 lower-case letters, digits and hyphens, a letter first")
        object.__setattr__(self, "scopes", scope_tokens(self.scopes))
        if self.has_id_token and "openid" not in self.scopes:
            raise ValueError("scopes must have openid among them (OpenID Connect Core §3.1.2.1)")
        for named in ("parameters", "required_claims"):
            object.__setattr__(self, named, freeze(_checked_mapping(named, getattr(self, named))))
        if taken := _OURS & self.parameters.keys():
            raise ValueError(f"parameters must not have {min(taken)}, which is ours to set")
        if self.response_mode not in ("query", "form_post"):
            raise ValueError("response_mode must be query or form_post")
        check_ssl_context(self.ssl_context)
        if not self.title:
            object.__setattr__(self, "title", self.name)

    def secret_at(self, now: int) -> str:  # noqa: ARG002 - Apple's is signed again
        """The client secret at that Unix second.

        Args:
            now: Unix seconds. A secret that does not change is the same at any time; `Apple` signs one for each call.

        >>> OIDC("https://login.example.com", "client-id", "client-secret").secret_at(1_700_000_000)
        'client-secret'
        """
        return self.client_secret

    def _check_texts(self) -> None:
        for named in ("issuer", "client_id", "client_secret", "name", "title"):
            value: object = getattr(self, named)
            if not isinstance(value, str):
                raise TypeError(f"{named} must be text, not {type(value).__name__}")
        trusts: object = self.trusts_email
        if not isinstance(trusts, bool):
            raise TypeError("trusts_email must be True or False")


def _checked_mapping(named: str, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(one, str) for pair in value.items() for one in pair):
        raise TypeError(f'{named} must be a mapping of text, as in {{"hd": "example.com"}}')
    return dict(value)
