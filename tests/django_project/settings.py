"""A Django project for tests: one for the process, with a Sealring for each test."""

from __future__ import annotations

import atexit
import tempfile
from typing import Any

import django
from django.conf import settings
from django.core.signals import setting_changed

from sealring import Sealring, Verifier

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "sealring.frameworks.django.SealringMiddleware",
]
"""What `startproject` writes, without what adds fields to every answer, and ours."""

_folder = tempfile.TemporaryDirectory(prefix="sealring-django-")
atexit.register(_folder.cleanup)

if not settings.configured:
    settings.configure(
        SECRET_KEY="not for use, and none of ours",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="tests.django_project.urls",
        LOGGING_CONFIG=None,
        USE_TZ=True,
        TIME_ZONE="UTC",
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "rest_framework",
            "sealring.frameworks.django",
        ],
        MIDDLEWARE=MIDDLEWARE,
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": f"{_folder.name}/project.db",  # not in memory: Django closes no connection to that
            }
        },
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        REST_FRAMEWORK={
            "DEFAULT_AUTHENTICATION_CLASSES": [
                "sealring.frameworks.django.rest_framework.SealringAuthentication",
                "rest_framework.authentication.SessionAuthentication",
            ]
        },
        SEALRING={"SECRET": "q8W3nV6xZ1mB5kL9pR2tY7uC4eG0hJ-not-for-use"},
        SECURE_CROSS_ORIGIN_OPENER_POLICY=None,
    )
    django.setup()


def use(auth: Sealring | Verifier, **more: Any) -> None:
    """Have the project use a Sealring, or the Verifier of a service that only verifies, from now on."""
    settings.SEALRING = {"AUTH" if isinstance(auth, Sealring) else "VERIFIER": auth, **more}
    setting_changed.send(sender=None, setting="SEALRING", value=settings.SEALRING, enter=True)
