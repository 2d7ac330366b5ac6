# Tests of telling what firmware says from what nobody set.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware.firmware_text import known


@pytest.mark.parametrize(
    "text", ["SN0042", "002C00B3002C", "Samsung", "0.9", "F1", "nonesuch", "1.0", "SIM-0", "04/12/2021"]
)
def test_a_value_is_kept(text: str) -> None:
    assert known(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *(None, "None", "N/A", "NA", "Not Specified", "Not Provided", "Unknown", "UNKNOWN", "[Empty]", "NO DIMM"),
        *("To Be Filled By O.E.M.", "Filled By OEM", "Default string", "System Serial Number", "0123456789"),
        *("00000000", "FFFFFFFF", "0xFFFF", "....", "---", "\ufffd\ufffd\ufffd", "Manufacturer07", "PartNum0"),
        *("ModulePartNumber00", "00000000-0000-0000-0000-000000000000", "03000200-0400-0500-0006-000700080009"),
        *("No Module Installed", "Not Present", "O.E.M."),
    ],
)
def test_what_nobody_set_is_unknown(text: str | None) -> None:
    assert known(text) is None
