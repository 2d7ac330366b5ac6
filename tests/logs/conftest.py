# Starts one pipeline for the tests of this folder: sender, collector, database.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible.plugins.loader import init_plugin_loader

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
# Before anything of a collection is imported.
init_plugin_loader([str(HERE.parents[1] / ".ansible" / "collections")])

from pipeline import Pipeline


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    made = Pipeline(tmp_path_factory.mktemp("logs"))
    try:
        made.collector.start()
        made.sender.start()
        made.write("the pipeline is ready")
        made.arrived("the pipeline is ready")
        yield made
    finally:
        made.close()
