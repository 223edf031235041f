"""The application for `INSTALLED_APPS`: it holds what was made of the setting `SEALRING`, and registers the checks."""

from __future__ import annotations

import threading
from typing import Any

from django.apps import AppConfig
from django.core.signals import setting_changed

from sealring.frameworks.django.configuration import LABEL, SETTING, Configuration, configure

__all__ = ["SealringConfig"]


class SealringConfig(AppConfig):
    """`INSTALLED_APPS = ["sealring.frameworks.django"]`. Nothing is opened before the first request that needs it."""

    name = "sealring.frameworks.django"
    label = LABEL
    verbose_name = "Sealring"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lock = threading.Lock()
        self._configuration: Configuration | None = None

    def ready(self) -> None:
        """Register the system checks; tests that override the setting get a Sealring of their own."""
        from sealring.frameworks.django import checks  # noqa: F401, PLC0415 - registers them

        setting_changed.connect(self._changed, dispatch_uid="sealring")

    def configuration(self) -> Configuration:
        """What the setting says, made once.

        Raises:
            ConfigurationError: the setting is unfit.
        """
        made = self._configuration
        if made is None:
            with self._lock:
                made = self._configuration
                if made is None:
                    made = self._configuration = configure()
        return made

    def _changed(self, *, setting: str, **_: object) -> None:
        if setting != SETTING:
            return
        with self._lock:
            old, self._configuration = self._configuration, None
        if old is not None and old.is_own:
            old.auth.sync().close()
