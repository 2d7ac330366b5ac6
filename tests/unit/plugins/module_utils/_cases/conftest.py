# Fixtures of the remediation core's tests.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import MEMORY, Clock, Site


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def site(tmp_path: Path, clock: Clock) -> Site:
    return Site(tmp_path, clock)


@pytest.fixture
def memory_path() -> Iterator[Path]:
    """An empty folder in memory where the system has one."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)
