# Real runs of ansible-playbook with our callbacks, over hosts that are this machine.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible.plugins.loader import init_plugin_loader

# Before anything of a collection is imported.
init_plugin_loader([str(Path(__file__).resolve().parents[2] / ".ansible" / "collections")])

from ansible_collections.aidc.ops.tests.callbacks.runs import Site
from ansible_collections.aidc.ops.tests.fakes.alertmanager import FakeAlertmanager


@pytest.fixture
def fake() -> t.Iterator[FakeAlertmanager]:
    with FakeAlertmanager() as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, fake: FakeAlertmanager) -> Site:
    return Site(tmp_path, fake.url)
