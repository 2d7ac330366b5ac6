# Starts the PostgreSQL server of these tests once, and lends them the site of the unit tests.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.plugins.loader import init_plugin_loader

# Before anything of a collection is imported.
init_plugin_loader([str(Path(__file__).resolve().parents[2] / ".ansible" / "collections")])

from ansible_collections.aidc.ops.tests.ledger.postgres import VARIABLE, Server, programs, schema_url
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._cases.case_site import MEMORY, Clock, Site


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The server; a missing package is a failure, so that nobody takes silence for success."""
    try:
        programs()
        import psycopg  # noqa: F401
    except (AssertionError, ImportError) as error:
        pytest.fail(f"{error} The Python library is psycopg[binary].", pytrace=False)
    made = Server()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _on_postgresql(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the unit tests call a ledger is a schema of that server here."""
    monkeypatch.setenv(VARIABLE, server.url())


@pytest.fixture
def url(server: Server, tmp_path: Path) -> str:
    """An empty place for one ledger."""
    return schema_url(tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def site(tmp_path: Path, clock: Clock) -> Iterator[Site]:
    made = Site(tmp_path, clock)
    yield made
    made.ledger.close()


@pytest.fixture
def memory_path() -> Iterator[Path]:
    """An empty folder in memory where the system has one."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)
