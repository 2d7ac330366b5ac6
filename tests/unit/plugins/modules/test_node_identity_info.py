# Tests of the module node_identity_info as Ansible calls it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware.identity import BOOT_IDENTITY
from ansible_collections.aidc.ops.plugins.modules import node_identity_info

Call = Callable[..., dict[str, Any]]


def test_serial_below_the_root(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "sys/class/dmi/id"
    folder.mkdir(parents=True)
    (folder / "product_serial").write_text("SN0042\n")
    answer = call(node_identity_info.main, config=None, root=str(tmp_path))
    assert (answer["changed"], answer["node_id"], answer["node_id_source"]) == (False, "dmi:SN0042", "dmi")
    assert BOOT_IDENTITY.match(answer["boot_identity"])
    assert answer["boot_identity"].startswith(answer["boot_id"] + ":")


def test_node_that_cannot_be_told_apart_is_an_error(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_identity_info, "_read_optional", lambda path: None)
    answer = call(node_identity_info.main, config=None, root=str(tmp_path))
    assert answer["failed"] and "cannot be identified" in answer["msg"]
