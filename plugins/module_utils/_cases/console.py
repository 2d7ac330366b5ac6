# What the modules about cases have in common: the settings option, and opening the ledger.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import env_fallback

from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import (
    DEFAULT_PATH,
    PATH_VARIABLE,
    Settings,
    load_settings,
)

# Documented in doc_fragments/_controller.py.
CONFIG_OPTION: dict[str, Any] = {"config": {"type": "path", "fallback": (env_fallback, [PATH_VARIABLE])}}


def settings_of(config: str | None) -> Settings:
    """The settings file that the option (or its fallback) names."""
    return load_settings(config or DEFAULT_PATH)


def open_ledger(settings: Settings, check_mode: bool) -> Ledger:
    """The ledger; in check mode it answers as it would and keeps nothing."""
    return Ledger(settings.ledger, dry_run=check_mode, password_file=settings.ledger_password_file)


def read_ledger(settings: Settings) -> Ledger:
    """The ledger for reading only; it has to be there."""
    return Ledger(settings.ledger, read_only=True, password_file=settings.ledger_password_file)
