"""Identity providers, by whose word users log in: `Sealring(providers=[Google(…), OIDC(…)])`.

Any provider of OpenID Connect by its issuer URL, presets for those that most applications want, and GitHub, which
speaks OAuth without OpenID Connect.

>>> from sealring.providers import OIDC, Google
>>> Google("client-id", "client-secret").issuer
'https://accounts.google.com'
>>> OIDC("https://login.example.com", "client-id", "client-secret", name="acme").name
'acme'
"""

from __future__ import annotations

from sealring.providers.identity import Identity
from sealring.providers.presets import Apple, Auth0, GitHub, Google, Keycloak, Microsoft, Okta
from sealring.providers.provider import OIDC

__all__ = ["OIDC", "Apple", "Auth0", "GitHub", "Google", "Identity", "Keycloak", "Microsoft", "Okta"]
