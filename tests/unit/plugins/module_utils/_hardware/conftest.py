# Lays files of a node below a temporary root, and collects what a reader reports.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

RECORDED = Path(__file__).resolve().parents[3] / "fixtures" / "node_files"


@pytest.fixture
def lay(tmp_path: Path) -> Callable[[Mapping[str, Any]], str]:
    """Return a function: path -> text, bytes or {"link": target}; it returns the root."""

    def write(files: Mapping[str, Any]) -> str:
        for name, content in files.items():
            path = tmp_path / "root" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Mapping):
                os.symlink(content["link"], path)
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(tmp_path / "root")

    return write


@pytest.fixture
def recorded(lay: Callable[[Mapping[str, Any]], str]) -> Callable[[str], str]:
    """Return a function that lays the recorded files of a name; it returns the root."""
    return lambda name: lay(json.loads((RECORDED / f"{name}.json").read_text())["files"])


class Reports(list):
    """What a reader reported: (device, message)."""

    def __call__(self, device: str | None, message: str) -> None:
        self.append((device, message))


@pytest.fixture
def reports() -> Reports:
    return Reports()
