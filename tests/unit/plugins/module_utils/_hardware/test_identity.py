# Tests of who a node is and which boot is running.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import identity

MACHINE = "3d1219c7c4c5404aaa1f6d2a48adfda4"
BOOT = "9d2bbf7a-7e5b-4a0f-8fbc-3f6d0f2d4a11"
STAT = "1 (systemd) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 170000000 3000"


def test_serial_comes_first_since_it_survives_a_reinstallation() -> None:
    assert identity.node_identity("SN0042\n", MACHINE) == ("dmi:SN0042", "dmi")


@pytest.mark.parametrize(
    "serial",
    [
        None,
        "",
        "\n",
        "None",
        "0",
        "0000000000",
        "........",
        "Not Specified",
        "To Be Filled By O.E.M.",
        "Default string",
        "123456789",
        "SN\n42",
        "{{ x }}",
    ],
)
def test_serial_that_nobody_set_is_no_identity(serial: str | None) -> None:
    assert identity.node_identity(serial, MACHINE + "\n") == (f"machine-id:{MACHINE}", "machine-id")


@pytest.mark.parametrize("machine", [None, "", "uninitialized", "0" * 32, MACHINE.upper(), MACHINE + "0"])
def test_node_without_identity_is_an_error(machine: str | None) -> None:
    with pytest.raises(ValueError, match="neither"):
        identity.node_identity(None, machine)


def test_boot_identity() -> None:
    assert identity.boot_identity(f"{BOOT}\n", STAT) == f"{BOOT}:4711"
    assert identity.BOOT_IDENTITY.match(f"{BOOT}:4711")


@pytest.mark.parametrize("name", ["(sd)", "a b", "x) S 9 9 (y", "{{ 1 }}"])
def test_name_of_process_1_does_not_confuse(name: str) -> None:
    assert identity.start_ticks(STAT.replace("systemd", name)) == 4711


@pytest.mark.parametrize("stat", ["", "1 systemd S", "1 (systemd) S 0 1 1", STAT.replace("4711", "-1"), STAT[:40]])
def test_half_a_line_is_refused(stat: str) -> None:
    with pytest.raises(ValueError, match="stat line"):
        identity.start_ticks(stat)


@pytest.mark.parametrize("boot_id", ["", "x", BOOT[:-1], BOOT + " " + BOOT])
def test_malformed_boot_id_is_refused(boot_id: str) -> None:
    with pytest.raises(ValueError, match="boot id"):
        identity.boot_identity(boot_id, STAT)


@pytest.mark.parametrize("text", [BOOT, f"{BOOT}:", f"{BOOT}:1\n", f" {BOOT}:1", "current"])
def test_what_is_no_boot_identity(text: str) -> None:
    assert not identity.BOOT_IDENTITY.match(text)


def test_current_boot_reads_the_two_kernel_files() -> None:
    texts = {"/proc/sys/kernel/random/boot_id": BOOT, "/proc/1/stat": STAT}
    assert identity.current_boot_identity(texts.__getitem__) == f"{BOOT}:4711"
