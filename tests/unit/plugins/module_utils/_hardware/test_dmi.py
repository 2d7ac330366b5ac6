# Tests of who a node is.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import dmi

MACHINE = "3d1219c7c4c5404aaa1f6d2a48adfda4"
Lay = Callable[[Mapping[str, Any]], str]


@pytest.fixture
def system(tmp_path: Path) -> str:
    (tmp_path / "system/etc").mkdir(parents=True)
    (tmp_path / "system/etc/machine-id").write_text(f"{MACHINE}\n")
    return str(tmp_path / "system")


def test_recorded_server(recorded: Callable[[str], str], reports: Any, system: str) -> None:
    assert dmi.read_node(recorded("rack_server"), reports, system) == {
        "id": "dmi:XXXXXX1",
        "id_source": "dmi",
        "hostname": os.uname().nodename,
        "manufacturer": "Dell Inc.",
        "product": "PowerEdge R6515",
        "serial": "XXXXXX1",
        "uuid": "4c4c4544-0000-1010-8010-b1c04f313233",
        "board_serial": ".XXXXXX1.CNXXX0000000AB.",
        "chassis_serial": "XXXXXX1",
        "bios_version": "2.2.4",
        "bios_date": "04/12/2021",
    }
    assert reports == []


def test_machine_without_firmware_texts(lay: Lay, reports: Any, system: str) -> None:
    node = dmi.read_node(lay({"sys/class/net/.keep": ""}), reports, system)
    assert (node["id"], node["id_source"]) == (f"machine-id:{MACHINE}", "machine-id")
    assert [key for key, value in node.items() if value is not None] == ["id", "id_source", "hostname"]
    assert reports == []


@pytest.mark.parametrize(
    "serial", [b"\xff\xff\xff\xff", b"To Be Filled By O.E.M.\n", b"", b"S\xe9rie 7\n", b"{{ x }}\n"]
)
def test_serial_that_is_no_identity(lay: Lay, reports: Any, system: str, serial: bytes) -> None:
    node = dmi.read_node(lay({"sys/class/dmi/id/product_serial": serial}), reports, system)
    assert node["id"] == f"machine-id:{MACHINE}"


def test_a_serial_of_no_encoding_stays_printable(lay: Lay, reports: Any, system: str) -> None:
    node = dmi.read_node(lay({"sys/class/dmi/id/board_serial": b"AB\xff\x0012\n"}), reports, system)
    assert node["board_serial"] == "AB\ufffd 12"


def test_missing_permission_is_one_report(
    recorded: Callable[[str], str], reports: Any, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = recorded("rack_server")

    def deny(path: str, mode: str) -> Any:
        if path.endswith(("_serial", "_uuid")):
            raise PermissionError(13, "Permission denied", path)
        return open(path, mode)

    monkeypatch.setattr(dmi, "open", deny, raising=False)
    node = dmi.read_node(root, reports, system)
    assert (node["serial"], node["uuid"], node["product"]) == (None, None, "PowerEdge R6515")
    assert node["id_source"] == "machine-id"
    ((device, message),) = reports
    assert device is None
    assert "product_serial, product_uuid, board_serial, chassis_serial" in message and "become" in message


def test_node_without_any_identity_is_reported(lay: Lay, reports: Any) -> None:
    root = lay({"sys/class/net/.keep": ""})
    node = dmi.read_node(root, reports, root)
    assert (node["id"], node["id_source"]) == (None, None)
    assert "no stable identity" in reports[0][1]
