"""Settings: one frozen value, read once and checked when it is built."""

from __future__ import annotations

from sealring.settings.load import load_settings, names_in_dotenv
from sealring.settings.row import PREFIX, Setting
from sealring.settings.table import SETTINGS, AlgorithmName, Duration, Settings, SettingsArguments

__all__ = [
    "PREFIX",
    "SETTINGS",
    "AlgorithmName",
    "Duration",
    "Setting",
    "Settings",
    "SettingsArguments",
    "load_settings",
    "names_in_dotenv",
]
