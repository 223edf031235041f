"""The application for `INSTALLED_APPS`: it registers the checks, and watches for tests that change settings."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.signals import setting_changed

from sealring.frameworks.django.configuration import CURRENT, LABEL, SETTING

__all__ = ["SealringConfig"]

_READ = frozenset({SETTING, "INSTALLED_APPS", "AUTH_USER_MODEL"})
"""Settings of Django's that `configure` reads."""


class SealringConfig(AppConfig):
    """`INSTALLED_APPS = ["sealring.frameworks.django"]`. Nothing is opened before the first request that needs it."""

    name = "sealring.frameworks.django"
    label = LABEL
    verbose_name = "Sealring"

    def ready(self) -> None:
        """Register the system checks; tests that override the setting get a Sealring of their own."""
        from sealring.frameworks.django import checks  # noqa: F401, PLC0415 - registers them

        setting_changed.connect(_forget, dispatch_uid="sealring")


def _forget(*, setting: str, **_: object) -> None:
    if setting in _READ:
        CURRENT.forget()
