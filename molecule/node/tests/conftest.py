# Fixtures of the scenario node: each GPU node, and what the collector received.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the scenario node."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from node_helpers import NODES, container


@pytest.fixture(params=NODES)
def node(request: pytest.FixtureRequest) -> Any:
    """Each GPU node in turn; C(node.name) is its inventory name."""
    host = container(request.param)
    host.name = request.param
    return host


@pytest.fixture
def collector() -> Any:
    return container("log")


@pytest.fixture
def received(collector: Any) -> Callable[[str, str], list[dict[str, Any]]]:
    """Return a function: (node, part of a line) -> the messages about it that the collector has, parsed."""

    def look(name: str, part: str) -> list[dict[str, Any]]:
        text = collector.run("cat /var/spool/kernel.jsonl 2>/dev/null").stdout
        messages = [json.loads(line) for line in text.splitlines()]
        return [message for message in messages if message["node"] == name and part in message["line"]]

    return look


@pytest.fixture
def say() -> Callable[[Any, str], None]:
    """Return a function that writes a kernel line on a node the way the kernel does: at once and whole."""

    def write(host: Any, line: str) -> None:
        program = "import sys; open('/var/lib/gpusim/kernel.log', 'a').write(sys.argv[1] + '\\n')"
        assert host.run("python3 -c %s %s", program, line).rc == 0

    return write
