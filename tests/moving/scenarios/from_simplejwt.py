"""docs/moving/simplejwt.md, against djangorestframework-simplejwt and Django."""

from __future__ import annotations

import importlib
import sys
from datetime import timedelta
from typing import Any

from tests.moving.moved import PASSWORD, bearer, import_users, keep_promises, load, made_by_the_old_project, wsgi

if sys.argv[1:] == []:
    token, refresh, expired = made_by_the_old_project(__file__)
    import_users()
    new = load("app")
    application = importlib.import_module("django.core.wsgi").get_wsgi_application()
    keep_promises(
        wsgi(application),
        subject="1",
        username="ada",
        token=token,
        refused={"a refresh token": refresh, "expired": expired},
        hash_starts="$pbkdf2-sha256$i=",
    )
else:
    load("old_app")
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application
    from rest_framework_simplejwt.tokens import AccessToken

    call_command("migrate", verbosity=0)
    users: Any = get_user_model().objects
    user = users.create_user("ada", "ada@example.com", PASSWORD)
    client = wsgi(get_wsgi_application())
    made = client.post("/api/token/", json={"username": "ada", "password": PASSWORD}).json()
    assert client.get("/orders", headers=bearer(made["access"])).json() == {"orders of": "1"}
    ended = AccessToken.for_user(user)
    ended.set_exp(lifetime=timedelta(seconds=-1))
    print(made["access"], made["refresh"], ended)  # noqa: T201
