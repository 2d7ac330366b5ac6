# Tests of the tables of codes: complete, as in their sources, and every code in exactly one class.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import Counter
from pathlib import Path

import compile_catalogue

from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES, recognise_line
from ansible_collections.aidc.ops.plugins.module_utils._faults._table_nvlink5 import NVLINK5
from ansible_collections.aidc.ops.plugins.module_utils._faults._table_sxid import SXIDS
from ansible_collections.aidc.ops.plugins.module_utils._faults._table_xid import XIDS
from ansible_collections.aidc.ops.plugins.module_utils._faults.gpu_lines import decode_nvlink5

SOURCES = Path(compile_catalogue.FAULTS) / "catalogue"
CAUTION = ["IGNORE", "XID_154_EVAL", "RESET_GPU"]


def test_every_xid_is_in_the_table_and_in_exactly_one_class() -> None:
    source = compile_catalogue.read_csv(SOURCES / "nvidia_xid.csv")
    assert len(source) == len(XIDS) == 172
    for row in source:
        mnemonic, chips, immediate, investigatory, linkage = XIDS[int(row["code"])]
        assert (mnemonic, immediate, investigatory, linkage) == (
            row["mnemonic"],
            row["immediate_action"],
            row["investigatory_action"],
            row["xid154_linkage"],
        )
        assert set(chips) == {chip for chip in ("a100", "h100", "b100", "gb200") if row[chip] == "YES"}
    claimed = Counter(code for row in CLASSES.values() for code in row.xids)
    assert set(claimed) == set(XIDS) == set(range(1, 173))
    assert set(claimed.values()) == {1}
    for code in range(1, 173):
        seen = recognise_line(f"NVRM: Xid (PCI:0000:1b:00): {code}, x")
        assert seen is not None and code in CLASSES[seen.fault_class].xids
    for code in (0, 173, 999999):
        seen = recognise_line(f"NVRM: Xid (PCI:0000:1b:00): {code}, x")
        assert seen is not None and seen.fault_class == "gpu_xid_unknown"


def test_classes_do_what_nvidia_says_at_least() -> None:
    """No code that NVIDIA answers with a reset or a restart is in a class without a deeper or equal repair."""
    needed = {"RESET_GPU": "reset", "RESTART_BM": "reboot", "RESTART_VM": "reboot"}
    for row in CLASSES.values():
        for code in row.xids:
            repair = needed.get(XIDS[code][2])
            if repair:
                assert row.removes_node and {repair, "reset_group"} & set(row.repairs), (code, row.name)
            if XIDS[code][2] == "RESTART_APP":
                assert row.drain in ("", "idle"), (code, row.name)


def test_nvlink5_rows_decode_to_their_own_action() -> None:
    source = compile_catalogue.read_csv(SOURCES / "nvidia_nvlink5.csv")
    assert len(source) == len(NVLINK5) == 95
    for row, line in zip(NVLINK5, source, strict=True):
        assert [str(value) for value in row] == [
            line[key]
            for key in (
                "xid",
                "subcode",
                "intr_info_before_r575",
                "intr_info_from_r575",
                "error_status",
                "immediate_action",
                "action2_before_r575",
                "action2_from_r575",
                "action2",
                "investigatory_action",
                "severity",
            )
        ]
        for mask, second, driver in ((row[2], row[6], 570), (row[3], row[7], 575)):
            assert len(mask) == 32 and set(mask) <= set("01-")
            # Where a mask says nothing both values have to give the same.
            for free in "01":
                info = int(mask.replace("-", free), 2)
                for text in (row[4] or "0x0", row[4] or "0xffffffff"):
                    for status in (int(part, 16) for part in text.split("/")):
                        decoded = decode_nvlink5(row[0], row[1], info, status, driver)
                        either = decode_nvlink5(row[0], row[1], info, status)
                        wanted = row[5]
                        if second and all(want in ("-", bit) for want, bit in zip(second, f"{info:032b}", strict=True)):
                            wanted = row[8]
                        assert decoded is not None and either is not None, row
                        # TLW and RX share a mask before R575; others have one row for each register.
                        assert CAUTION.index(decoded) >= CAUTION.index(wanted), row
                        assert CAUTION.index(either) >= CAUTION.index(decoded), row
    actions = Counter(row[5] for row in NVLINK5)
    assert actions == {"IGNORE": 45, "RESET_GPU": 42, "XID_154_EVAL": 8}


def test_nvlink5_errors_of_several_bits_are_as_bad_as_the_worst() -> None:
    assert decode_nvlink5(144, "SAW_MVB", 0x1, 0x1) == "IGNORE"
    assert decode_nvlink5(144, "SAW_MVB", 0x1, 0x3) == "RESET_GPU"
    assert decode_nvlink5(144, "SAW_MVB", 0x1, 0x40) is None
    assert decode_nvlink5(144, "SAW_EGR", 0x1, 0x1) is None
    # An event is a number, not bits.
    assert decode_nvlink5(149, "NETIR_MFDE_EVENT", 0x14, 0x3) == "IGNORE"
    assert decode_nvlink5(149, "NETIR_MFDE_EVENT", 0x14, 0x7) == "RESET_GPU"
    assert decode_nvlink5(149, "NETIR_MFDE_EVENT", 0x14, 0x6) is None


def test_sxids() -> None:
    source = compile_catalogue.read_csv(SOURCES / "nvswitch_sxid.csv")
    assert {int(row["code"]): (row["name"], row["fatal"]) for row in source} == SXIDS
    judged = {code for code, (_name, fatal) in SXIDS.items() if fatal}
    assert len([row for row in source if row["says"] == "nvidia"]) >= 93
    classes = {name: set(CLASSES[name].sxids) for name in ("nvswitch_fatal", "nvswitch_nonfatal")}
    assert classes["nvswitch_fatal"] == {code for code in judged if SXIDS[code][1] in ("possible", "always")}
    assert classes["nvswitch_nonfatal"] == {code for code in judged if SXIDS[code][1] == "no"}
    for code, (_name, fatal) in SXIDS.items():
        names = {}
        for word in ("Fatal", "Non-fatal"):
            seen = recognise_line(f"nvidia-nvswitch0: SXid (PCI:0000:c3:00.0): {code:05d}, {word}, Link 28 x")
            assert seen is not None
            names[word] = seen.fault_class
        assert names["Fatal"] == "nvswitch_fatal"
        assert names["Non-fatal"] == ("nvswitch_fatal" if fatal == "always" else "nvswitch_nonfatal")
