"""docs/moving/allauth.md, against django-allauth headless: its JWT strategy, and the strategy of the page."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from tests.moving.moved import PASSWORD, bearer, import_users, keep_promises, load, made_by_the_old_project, wsgi


def sign_up(application: object) -> tuple[str, str]:
    """Access and refresh token of a user who signs up in the app."""
    client = wsgi(application)
    body = {"username": "ada", "password": PASSWORD}
    answer = client.post("/_allauth/app/v1/auth/signup", json=body)
    assert answer.status_code == 200, answer.text
    tokens = answer.json()["meta"]
    assert client.get("/orders", headers=bearer(tokens["access_token"])).json() == {"orders of": "1"}
    return tokens["access_token"], tokens["refresh_token"]


if sys.argv[1:] == []:
    token, refresh, expired = made_by_the_old_project(__file__)
    import_users()
    load("app")
    application = importlib.import_module("django.core.wsgi").get_wsgi_application()
    keep_promises(
        wsgi(application),
        subject="1",
        username="ada",
        token=token,
        refused={"a refresh token": refresh, "expired": expired},
        hash_starts="$pbkdf2-sha256$i=",
    )
elif sys.argv[1:] == ["strategy"]:
    # the page's third part: allauth logs in, and its token strategy hands out a session of ours
    importlib.import_module("cryptography.hazmat.primitives.serialization")
    changes = {
        "allauth.headless.tokens.strategies.jwt.JWTTokenStrategy": "strategy.SealringStrategy",
        "allauth.headless.contrib.rest_framework.authentication.JWTTokenAuthentication": (
            "sealring.frameworks.django.rest_framework.SealringAuthentication"
        ),
        '"rest_framework",\n    ],': '"rest_framework", "sealring.frameworks.django",\n    ],',
        '"allauth.account.middleware.AccountMiddleware",': (
            '"allauth.account.middleware.AccountMiddleware", "sealring.frameworks.django.SealringMiddleware",'
        ),
        "HEADLESS_ONLY=True,": 'HEADLESS_ONLY=True, DEBUG_PROPAGATE_EXCEPTIONS=True, SEALRING={"ACCOUNTS": False},',
    }
    text = Path("old_app.py").read_text()
    for before, after in changes.items():
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    Path("old_app.py").write_text(text)
    old = load("old_app")
    urls = importlib.import_module("django.urls")
    old.urlpatterns.append(urls.path("auth/", urls.include("sealring.frameworks.django.urls")))
    importlib.import_module("django.core.management").call_command("migrate", verbosity=0)
    application = importlib.import_module("django.core.wsgi").get_wsgi_application()
    access, refresh = sign_up(application)
    client = wsgi(application)
    me = client.get("/auth/me", headers=bearer(access)).json()
    assert me["id"] == "1"
    made = client.post("/auth/refresh", json={"refresh_token": refresh}).json()
    assert client.post("/auth/logout", headers=bearer(made["access_token"])).status_code == 204
    assert client.get("/orders", headers=bearer(made["access_token"])).status_code == 401
    print('{"moved": "ada"}')  # noqa: T201
else:
    # allauth 65.22 uses this module of cryptography without importing it; most projects import it somewhere
    importlib.import_module("cryptography.hazmat.primitives.serialization")
    load("old_app")
    from allauth.headless.tokens.strategies.jwt.internal import create_token
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application

    call_command("migrate", verbosity=0)
    print(*sign_up(get_wsgi_application()), create_token("access", sub="1", sid="x", expires_in=-1)[0])  # noqa: T201
