"""The tables of the project for tests, in the memory of the process."""

from __future__ import annotations

from functools import cache

import django.core.management

import tests.django_project.settings  # noqa: F401 - before any model


@cache
def make_tables() -> None:
    """Once for the process; the connection of this thread keeps them."""
    django.core.management.call_command("migrate", verbosity=0)
