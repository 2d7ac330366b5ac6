# Starts the real Prometheus of these tests once.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible.plugins.loader import init_plugin_loader

# Before anything of a collection is imported.
init_plugin_loader([str(Path(__file__).resolve().parents[2] / ".ansible" / "collections")])

from ansible_collections.aidc.ops.tests.prometheus.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Stack]:
    made = Stack(tmp_path_factory.mktemp("prometheus"))
    with made.server.start():
        made.wait_for("up == 1", len(made.nodes))
        yield made
