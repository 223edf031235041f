"""Providers that most applications want: what of each is always the same, and what of each must be known.

Where a preset says nothing of email, `email_verified` of the provider counts.
"""

from __future__ import annotations

import re
from typing import ClassVar

from sealring.jwt.keys import Key
from sealring.jwt.signing import sign
from sealring.providers.provider import OIDC

_TENANT = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?")
_APPLE_SECRET_SECONDS = 300
"""Apple takes six months; one is signed for each login."""


class Google(OIDC):
    """Google accounts.

    Args:
        client_id: of the OAuth client in the Google Cloud console.
        client_secret: its secret.
        hosted_domain: only accounts of this Google Workspace (`hd`); all when left out.
        name: see `OIDC`.

    >>> Google("client-id", "client-secret", hosted_domain="example.com").required_claims["hd"]
    'example.com'
    """

    __slots__ = ()

    def __init__(self, client_id: str, client_secret: str, *, hosted_domain: str = "", name: str = "google") -> None:
        hosted = {"hd": hosted_domain} if hosted_domain else {}
        super().__init__(
            "https://accounts.google.com", client_id, client_secret,
            name=name, title="Google", parameters=hosted, required_claims=hosted,
        )  # fmt: skip


class Microsoft(OIDC):
    """Microsoft Entra ID, one tenant.

    Its address of a user counts as unverified: an administrator of any tenant may write any address there.

    Args:
        client_id: the application's id.
        client_secret: its secret.
        tenant: the id of the tenant, a UUID; `9188040d-6c67-4c5b-b112-36a304b66dad` stands for personal accounts.
        name: see `OIDC`.

    Raises:
        ValueError: `tenant` is no UUID: of `common`, any company could make users.

    >>> Microsoft("client-id", "secret", tenant="9188040d-6c67-4c5b-b112-36a304b66dad").trusts_email
    False
    >>> Microsoft("client-id", "secret", tenant="common")
    Traceback (most recent call last):
    ValueError: tenant must be the id of one tenant, a UUID
    """

    __slots__ = ()

    def __init__(self, client_id: str, client_secret: str, *, tenant: str, name: str = "microsoft") -> None:
        if not _TENANT.fullmatch(tenant):
            raise ValueError("tenant must be the id of one tenant, a UUID")
        super().__init__(
            f"https://login.microsoftonline.com/{tenant.lower()}/v2.0", client_id, client_secret,
            name=name, title="Microsoft", required_claims={"tid": tenant.lower()}, trusts_email=False,
        )  # fmt: skip


class Apple(OIDC):
    """Apple accounts. The code comes back in a form (`form_post`), since Apple sends the address no other way.

    Args:
        client_id: the Services ID.
        team_id: of the developer account.
        key_id: of the key.
        private_key: its PEM text (`.p8`), which signs the client secret; or a `Key` for ES256 with `key_id` as `kid`.
        name: see `OIDC`.

    Raises:
        ValueError: the key is not for ES256, is public, or has another `kid`: Apple would refuse what it signs.

    >>> from sealring.jwt import Key
    >>> key = Key.generate("ES256", kid="KEY")
    >>> apple = Apple("com.example.web", team_id="TEAM", key_id="KEY", private_key=key)
    >>> apple.response_mode, apple.secret_at(1_700_000_000).count(".")
    ('form_post', 2)
    """

    __slots__ = ("_key", "_team_id")

    email_verified_as_text: ClassVar[bool] = True
    posts_secret: ClassVar[bool] = True

    def __init__(
        self, client_id: str, *, team_id: str, key_id: str, private_key: str | bytes | Key, name: str = "apple"
    ) -> None:
        super().__init__(
            "https://appleid.apple.com", client_id,
            name=name, title="Apple", scopes=("openid", "email", "name"), response_mode="form_post",
        )  # fmt: skip
        if not isinstance(private_key, Key):
            private_key = Key.from_pem(private_key, "ES256", kid=key_id)
        if (private_key.alg, private_key.kid, private_key.is_private) != ("ES256", key_id, True):
            raise ValueError("private_key must be a private key for ES256, with key_id as its kid")
        object.__setattr__(self, "_key", private_key)
        object.__setattr__(self, "_team_id", team_id)

    def secret_at(self, now: int) -> str:
        """A client secret, signed at that Unix second: a JWT for Apple alone, good for five minutes.

        Args:
            now: Unix seconds; its `iat`.

        >>> from sealring.jwt import Key
        >>> key = Key.generate("ES256", kid="KEY")
        >>> apple = Apple("com.example.web", team_id="TEAM", key_id="KEY", private_key=key)
        >>> apple.secret_at(1_700_000_000).startswith("ey")
        True
        """
        key: Key = self._key  # type: ignore[attr-defined]
        team: str = self._team_id  # type: ignore[attr-defined]
        return sign(
            {"iss": team, "sub": self.client_id, "aud": self.issuer}, key, expires_in=_APPLE_SECRET_SECONDS,
            typ=None, now=now,
        )  # fmt: skip


class Okta(OIDC):
    """An Okta organization.

    Args:
        domain: its host, such as `acme.okta.com`.
        client_id: of the application.
        client_secret: its secret.
        server: the id of a custom authorization server, such as `default`; the organization's own when left out.
        name: see `OIDC`.

    >>> Okta("acme.okta.com", "client-id", "secret", server="default").issuer
    'https://acme.okta.com/oauth2/default'
    """

    __slots__ = ()

    def __init__(
        self, domain: str, client_id: str, client_secret: str, *, server: str = "", name: str = "okta"
    ) -> None:
        path = f"/oauth2/{server}" if server else ""
        super().__init__(f"https://{_host(domain)}{path}", client_id, client_secret, name=name, title="Okta")


class Auth0(OIDC):
    """An Auth0 tenant.

    Args:
        domain: its host, such as `acme.eu.auth0.com`.
        client_id: of the application.
        client_secret: its secret.
        name: see `OIDC`.

    >>> Auth0("acme.eu.auth0.com", "client-id", "secret").issuer
    'https://acme.eu.auth0.com/'
    """

    __slots__ = ()

    def __init__(self, domain: str, client_id: str, client_secret: str, *, name: str = "auth0") -> None:
        super().__init__(f"https://{_host(domain)}/", client_id, client_secret, name=name, title="Auth0")


class Keycloak(OIDC):
    """A realm of Keycloak.

    Args:
        url: of the server, such as `https://sso.example.com`.
        realm: its name.
        client_id: of the client.
        client_secret: its secret.
        name: see `OIDC`.

    >>> Keycloak("https://sso.example.com", "acme", "client-id", "secret").issuer
    'https://sso.example.com/realms/acme'
    """

    __slots__ = ()

    def __init__(self, url: str, realm: str, client_id: str, client_secret: str, *, name: str = "keycloak") -> None:
        super().__init__(f"{url.rstrip('/')}/realms/{realm}", client_id, client_secret, name=name, title="Keycloak")


class GitHub(OIDC):
    """GitHub accounts: OAuth without OpenID Connect. There is no ID token; GitHub's API is asked who the user is.

    So there is no nonce, and no logout at GitHub ends a session here. An address counts that GitHub says is the
    user's primary one and verified.

    Args:
        client_id: of the OAuth application.
        client_secret: its secret.
        name: see `OIDC`.

    >>> GitHub("client-id", "secret").scopes
    ('read:user', 'user:email')
    """

    __slots__ = ()

    has_id_token: ClassVar[bool] = False
    posts_secret: ClassVar[bool] = True

    def __init__(self, client_id: str, client_secret: str, *, name: str = "github") -> None:
        super().__init__(
            "https://github.com", client_id, client_secret,
            name=name, title="GitHub", scopes=("read:user", "user:email"),
        )  # fmt: skip

    @classmethod
    def api(cls) -> tuple[str, str, str]:
        """Where GitHub is asked: for consent, for the token, for the user.

        >>> GitHub.api()[2]
        'https://api.github.com/user'
        """
        return (
            "https://github.com/login/oauth/authorize",
            "https://github.com/login/oauth/access_token",
            "https://api.github.com/user",
        )


def _host(domain: str) -> str:
    if not _HOST.fullmatch(domain):
        raise ValueError("domain must be a host, as in acme.example.com")
    return domain
