# Tests of the program of the role gpu_node that writes the boot identity.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from render import ROOT

from ansible_collections.aidc.ops.plugins.module_utils._hardware import identity

BOOT = "9d2bbf7a-7e5b-4a0f-8fbc-3f6d0f2d4a11"
STAT = "1 (systemd) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 {ticks} 170000000 3000"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("boot_identity", ROOT / "roles/gpu_node/files/boot_identity.py")
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules["boot_identity"] = loaded
    spec.loader.exec_module(loaded)
    return loaded


@pytest.mark.parametrize("name", ["systemd", "(sd-pam)", "a) S 1 (b", "x y"])
def test_agrees_with_the_collection(program: ModuleType, name: str) -> None:
    """The forwarder and the module node_identity_info must never disagree on which boot this is."""
    stat = STAT.format(ticks=258886).replace("systemd", name)
    assert program.boot_identity(BOOT + "\n", stat) == identity.boot_identity(BOOT + "\n", stat) == f"{BOOT}:258886"


@pytest.mark.parametrize(
    ("boot_id", "stat"),
    [
        ("", STAT),
        (BOOT, ""),
        (BOOT, "1 (systemd) S 0 1"),
        (BOOT + '"\nevil', STAT.format(ticks=1)),
        (BOOT, STAT.format(ticks="x")),
    ],
)
def test_malformed_text_is_refused(program: ModuleType, boot_id: str, stat: str) -> None:
    with pytest.raises(ValueError, match="malformed"):
        program.boot_identity(boot_id, stat)


def test_writes_the_running_boot(program: ModuleType, tmp_path: Path) -> None:
    target = tmp_path / "boot"
    target.write_text("old")
    assert program.main([str(target)]) == 0
    assert re.fullmatch(r"[0-9a-f-]{36}:[0-9]+", target.read_text())
    assert [path.name for path in tmp_path.iterdir()] == ["boot"]


def test_says_what_went_wrong(program: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main([str(tmp_path / "missing" / "boot")]) == 1
    assert "missing" in capsys.readouterr().err
    assert program.main([]) == 2
