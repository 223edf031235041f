"""Asks one provider: its discovery document, its keys, a token for a code, the user. Bounded in time and size.

No redirect is followed, and what leads away from https is refused (`metadata`). Keys and metadata are kept; a provider
that is out of reach is `Unavailable`, and what was good stays good until its end (K5).
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from sealring.errors import KeyRefused, Unavailable
from sealring.jwt.key_set import KeySet
from sealring.jwt.one_shot import peek
from sealring.jwt.remote_key_set import (
    MAX_BYTES,
    RemoteKeySet,
    fetch_began,
    fetch_failed,
    fetch_succeeded,
    is_fetch_due,
    keys_at,
    max_age_of,
    read_key_set,
)
from sealring.jwt.strict_json import BadJSON, decode_object
from sealring.providers.id_token import (
    EndedAtProvider,
    check_id_token,
    check_logout_token,
    check_userinfo,
    identity_of,
)
from sealring.providers.identity import Identity
from sealring.providers.metadata import Metadata, ProviderFault, read_metadata
from sealring.providers.presets import GitHub
from sealring.providers.provider import OIDC
from sealring.turns import Turns
from sealring.verifier.http_get import HttpAnswer, HttpGetter

SECONDS: Final = 5.0
"""For each question: a user waits for three of them at most."""
METADATA_SECONDS: Final = 24 * 3600
MAX_ANSWER_BYTES: Final = 256 * 1024

_OK = 200
_CLIENT_ERRORS = range(400, 500)
_JSON = {"Accept": "application/json"}


@dataclass(frozen=True, slots=True)
class Answered:
    """What the token endpoint gave for a code; none of it is kept."""

    id_token: str = field(default="", repr=False)
    access_token: str = field(default="", repr=False)


class ProviderClient:
    """One provider, asked.

    Args:
        provider: what the application said of it.
        clock: Unix milliseconds.
    """

    def __init__(self, provider: OIDC, clock: Callable[[], int]) -> None:
        self.provider = provider
        self._clock = clock
        self._metadata: Metadata | None = None
        self._metadata_until = 0.0
        self._keys = RemoteKeySet()
        self._turns = Turns()

    async def metadata(self) -> Metadata:
        """Where the provider is asked.

        Raises:
            Unavailable: it is out of reach, and was never reached.
            ProviderFault: it says what it must not say.
        """
        if isinstance(self.provider, GitHub):
            authorize, token, _ = self.provider.api()
            return Metadata(authorization_endpoint=authorize, token_endpoint=token, posts_secret=True)
        known = self._metadata
        if known is not None and time.monotonic() < self._metadata_until:
            return known
        async with self._turns.one():
            if self._metadata is None or time.monotonic() >= self._metadata_until:
                try:
                    url = self.provider.issuer.rstrip("/") + "/.well-known/openid-configuration"
                    self._metadata = read_metadata(_body(await self._get(url)), self.provider)
                    self._metadata_until = time.monotonic() + METADATA_SECONDS
                except Unavailable:
                    if self._metadata is None:
                        raise
            return self._metadata

    async def exchange(self, code: str, *, verifier: str, redirect_uri: str) -> Answered:
        """Trade a code at the token endpoint (RFC 6749 §4.1.3, RFC 7636 §4.5). Sent once: a code counts once.

        Raises:
            Unavailable: the provider does not answer.
            ProviderFault: it refuses the code, or answers what it must not.
        """
        metadata, provider = await self.metadata(), self.provider
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier,
        }  # fmt: skip
        secret = provider.secret_at(self._clock() // 1000)
        fields = dict(_JSON)
        if not secret or metadata.posts_secret:
            form |= {"client_id": provider.client_id} | ({"client_secret": secret} if secret else {})
        else:  # each part is form-encoded first (RFC 6749 §2.3.1)
            pair = f"{quote(provider.client_id, safe='')}:{quote(secret, safe='')}"
            fields["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        answer = await self._post(metadata.token_endpoint, urlencode(form).encode(), fields)
        if answer.status in _CLIENT_ERRORS:
            raise ProviderFault("token endpoint: refuses the code")
        members = _object("token endpoint", _body(answer))
        id_token, access_token = members.get("id_token", ""), members.get("access_token", "")
        if not isinstance(id_token, str) or not isinstance(access_token, str):
            raise ProviderFault("token endpoint: tokens are no text")
        return Answered(id_token, access_token)

    async def identify(self, answered: Answered, *, nonce: str, fresh: bool = False) -> Identity:
        """Who has logged in there, after every check; `fresh` as in `check_id_token`.

        Raises:
            Unavailable: the provider does not answer.
            ProviderFault: which check failed.
        """
        provider = self.provider
        if isinstance(provider, GitHub):
            return await self._github_user(provider, answered.access_token)
        if not answered.id_token:
            raise ProviderFault("token endpoint: gave no ID token")
        metadata = await self.metadata()
        claims = check_id_token(
            answered.id_token,
            await self._keys_for(answered.id_token, metadata),
            provider,
            metadata,
            nonce=nonce,
            access_token=answered.access_token,
            now=self._clock() / 1000,
            fresh=fresh,
        )
        more: Mapping[str, Any] = {}
        if "email" in provider.scopes and "email" not in claims and metadata.userinfo_endpoint:
            answer = await self._get(metadata.userinfo_endpoint, bearer=answered.access_token)
            more = check_userinfo(claims, _object("userinfo", _body(answer)))
        return identity_of(provider, claims, more)

    async def logged_out(self, logout_token: str) -> EndedAtProvider:
        """What has ended at the provider.

        Raises:
            Unavailable: its keys cannot be had.
            ProviderFault: the token is not a good one.
        """
        if not self.provider.has_id_token:
            raise ProviderFault("logout token: this provider has none")
        metadata = await self.metadata()
        keys = await self._keys_for(logout_token, metadata)
        return check_logout_token(logout_token, keys, self.provider, metadata, now=self._clock() / 1000)

    # steps

    async def _keys_for(self, token: str, metadata: Metadata) -> KeySet:
        """The keys, fetched again where they are out of date or lack the token's; once in a while, however many ask."""
        try:
            kid = peek(token, max_chars=65_536).header.get("kid")
        except Exception:  # noqa: BLE001 - whatever cannot be read is refused by the check, and asks for no fetch
            kid = None
        known = self._now_keys()
        unknown = not len(known) or (isinstance(kid, str) and known.get(kid) is None)
        if is_fetch_due(self._keys, time.monotonic(), unknown_kid=unknown) or (unknown and self._keys.fetching):
            async with self._turns.one():  # who comes while they are fetched waits for them
                if is_fetch_due(self._keys, time.monotonic(), unknown_kid=unknown):
                    await self._fetch_keys(metadata)
        keys = self._now_keys()
        if not len(keys):
            raise Unavailable("the provider's keys cannot be had")
        return keys

    def _now_keys(self) -> KeySet:
        return keys_at(self._keys, time.monotonic())

    async def _fetch_keys(self, metadata: Metadata) -> None:
        began = time.monotonic()
        self._keys = fetch_began(self._keys, began)
        try:
            answer = await self._get(metadata.jwks_uri)
            keys = read_key_set(_body(answer), algorithms=metadata.algorithms, kid_optional=True)
        except (Unavailable, KeyRefused, ProviderFault):
            self._keys = fetch_failed(self._keys)
            return
        except BaseException:
            self._keys = fetch_failed(self._keys)
            raise
        said = answer.fields.get(b"cache-control", b"").decode("latin-1")
        self._keys = fetch_succeeded(self._keys, began, keys, max_age_of(said))

    async def _github_user(self, provider: GitHub, access_token: str) -> Identity:
        if not access_token:
            raise ProviderFault("token endpoint: gave no access token")
        user_url = provider.api()[2]
        user = _object("user", _body(await self._get(user_url, bearer=access_token)))
        number = user.get("id")
        if type(number) is not int:
            raise ProviderFault("user: has no id")
        listed = _body(await self._get(f"{user_url}/emails", bearer=access_token))
        emails = _object("emails", b'{"all":' + listed + b"}")  # GitHub answers with a list
        primary = next((one for one in _list(emails.get("all")) if one.get("primary") is True), {})
        claims = {
            "sub": str(number), "login": user.get("login"), "name": user.get("name"), "email": primary.get("email"),
            "email_verified": primary.get("verified") is True,
        }  # fmt: skip
        return identity_of(provider, claims, {})

    async def _get(self, url: str, *, bearer: str = "") -> HttpAnswer:
        getter, path = self._getter(url, _JSON | ({"Authorization": f"Bearer {_header(bearer)}"} if bearer else {}))
        try:
            return await getter.get(path, seconds=SECONDS, max_bytes=min(MAX_BYTES, MAX_ANSWER_BYTES))
        finally:
            getter.close()

    async def _post(self, url: str, body: bytes, fields: Mapping[str, str]) -> HttpAnswer:
        getter, path = self._getter(url, {**fields, "Content-Type": "application/x-www-form-urlencoded"})
        try:
            return await getter.post(path, body, seconds=SECONDS, max_bytes=MAX_ANSWER_BYTES)
        finally:
            getter.close()

    def _getter(self, url: str, fields: Mapping[str, str]) -> tuple[HttpGetter, str]:
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        base = f"{parts.scheme}://{parts.netloc}"
        return HttpGetter(base, fields=fields, ssl_context=self.provider.ssl_context), path


def _body(answer: HttpAnswer) -> bytes:
    if answer.status != _OK:
        raise Unavailable(f"the provider answers {answer.status}")
    return answer.body


def _object(what: str, body: bytes) -> dict[str, Any]:
    try:
        return decode_object(body)
    except BadJSON:
        raise ProviderFault(f"{what}: the answer is not strict JSON") from None


def _list(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _header(token: str) -> str:
    """A token of the provider in a field of ours: it must not end the field (D6)."""
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ProviderFault("token endpoint: the access token is no token")
    return token
