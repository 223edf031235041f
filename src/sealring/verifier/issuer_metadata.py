"""Where an issuer says its keys are (OpenID Connect Discovery 1.0 §4, RFC 8414 §3): values only, no I/O."""

from __future__ import annotations

from urllib.parse import SplitResult

from sealring.errors import KeyRefused
from sealring.jwt.strict_json import BadJSON, decode_object

OPENID = "/.well-known/openid-configuration"
OAUTH = "/.well-known/oauth-authorization-server"


def metadata_urls(issuer: SplitResult) -> tuple[SplitResult, SplitResult]:
    """Return where the metadata may be: below the issuer's path (OpenID), then before it (RFC 8414 §3.1)."""
    path = issuer.path.removesuffix("/")
    return issuer._replace(path=path + OPENID), issuer._replace(path=OAUTH + path)


def read_jwks_uri(body: bytes, issuer: str) -> str:
    """Return the address of the keys; raises `KeyRefused` for metadata that are not this issuer's.

    The issuer is compared whole: metadata of another would let it sign for this one (RFC 8414 §3.3).
    """
    try:
        metadata = decode_object(body)
    except BadJSON as error:
        raise KeyRefused(f"the metadata is not strict JSON: {error}") from None
    if metadata.get("issuer") != issuer:
        raise KeyRefused("the metadata is of another issuer: give the issuer exactly as it names itself")
    jwks_uri = metadata.get("jwks_uri")
    if not isinstance(jwks_uri, str):
        raise KeyRefused("the metadata has no jwks_uri")
    return jwks_uri
