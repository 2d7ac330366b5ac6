# What holds for every unit test: collections are imported Ansible's way, and nobody's own settings count.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from ansible.plugins.loader import init_plugin_loader

# Before any test imports from ansible_collections: in a package that Python imported itself Ansible finds no filters.
init_plugin_loader([str(Path(__file__).resolve().parents[2] / ".ansible" / "collections")])


def pytest_collection_finish() -> None:
    """Thousands of tests and modules live until the end; looking for garbage among them again and again takes time."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("AIDC_OPS_", "ANSIBLE_")):
            monkeypatch.delenv(name)
