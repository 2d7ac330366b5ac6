# Tests of reading the memory.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import memory

MC = "sys/devices/system/edac/mc"
TABLE = "sys/firmware/dmi/tables/DMI"
# One module: header, fields up to the part number, texts; then the end mark.
MODULE = bytes([17, 0x1B, 0, 0x11]) + bytes(8) + b"\x00\x40" + b"\0\0" + b"\1\0\x1a" + bytes(8) + b"DIMM_A1\0\0"
END = b"\x7f\x04\xff\xfe\0\0"
Lay = Callable[[Mapping[str, Any]], str]


def test_size_modules_and_counters(lay: Lay, reports: Any) -> None:
    files: dict[str, Any] = {"proc/meminfo": "MemTotal:       2113551872 kB\nMemFree: 1 kB\n", TABLE: MODULE + END}
    files.update({f"{MC}/mc{n}/{name}_count": f"{n}\n" for n in (0, 10, 2) for name in ("ce", "ue")})
    files[f"{MC}/power/control"] = "auto\n"
    found = memory.read_memory(lay(files), reports)
    assert found["total_bytes"] == 2113551872 * 1024
    assert [(module["slot"], module["size_bytes"]) for module in found["dimms"]] == [("DIMM_A1", 16 << 30)]
    assert [(one["controller"], one["corrected_errors"]) for one in found["edac"]] == [
        ("mc0", 0),
        ("mc2", 2),
        ("mc10", 10),
    ]
    assert reports == []


def test_what_a_virtual_machine_does_not_tell_is_unknown(recorded: Callable[[str], str], reports: Any) -> None:
    assert memory.read_memory(recorded("virtual_machine"), reports) == {
        "total_bytes": 24684092 * 1024,
        "dimms": None,
        "edac": None,
    }
    assert reports == []


def test_edac_without_a_controller_counts_nothing(lay: Lay, reports: Any) -> None:
    files = {"proc/meminfo": "MemTotal: 1 kB\n", f"{MC}/power/control": "auto\n", TABLE: END}
    assert memory.read_memory(lay(files), reports) == {"total_bytes": 1024, "dimms": None, "edac": None}


def test_cut_table_is_reported_and_hides_nothing_else(lay: Lay, reports: Any) -> None:
    found = memory.read_memory(lay({"proc/meminfo": "MemTotal: 1 kB\n", TABLE: MODULE + MODULE[:-4]}), reports)
    assert (found["total_bytes"], found["dimms"]) == (1024, None)
    assert reports == [("dimms", f"the firmware's table is cut or damaged after {len(MODULE)} bytes")]


def test_missing_permission_is_reported(lay: Lay, reports: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(path: str, mode: str) -> Any:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(memory, "open", deny, raising=False)
    found = memory.read_memory(lay({"proc/meminfo": "MemTotal: 1 kB\n", TABLE: MODULE}), reports)
    assert found["dimms"] is None
    assert reports[0][0] == "dimms" and "become" in reports[0][1]


@pytest.mark.parametrize("text", ["", "MemFree: 1 kB\n", "MemTotal: lots kB\n", "\0\0\0"])
def test_unknown_size_is_reported(lay: Lay, reports: Any, text: str) -> None:
    root = lay({"proc/meminfo": text})
    assert memory.read_memory(root, reports)["total_bytes"] is None
    assert reports == [(None, f"{os.path.join(root, 'proc/meminfo')} does not say how much memory there is")]
