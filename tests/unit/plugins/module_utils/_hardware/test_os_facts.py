# Tests of which system runs.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import os_facts

BOOT = "9d2bbf7a-7e5b-4a0f-8fbc-3f6d0f2d4a11"
PROC = {
    "proc/sys/kernel/random/boot_id": f"{BOOT}\n",
    "proc/1/stat": "1 (systemd) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 170000000 3000\n",
}
Lay = Callable[[Mapping[str, Any]], str]


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n', "debian", "12"),
        ("ID='ubuntu'\nVERSION_ID=\"22.04\"\n# ID=other\n", "ubuntu", "22.04"),
        ('ID="sles\nVERSION_ID=15.5\nno line\n', None, "15.5"),
        ("ID=a b\n\xff\xfe", None, None),
        ("", None, None),
    ],
)
def test_distribution(lay: Lay, reports: Any, text: str, name: str | None, version: str | None) -> None:
    facts = os_facts.read_os("/", reports, lay({**PROC, "etc/os-release": text.encode("latin-1")}))
    assert facts == {
        "name": name,
        "version": version,
        "kernel": os.uname().release,
        "architecture": os.uname().machine,
        "boot_identity": f"{BOOT}:4711",
    }
    assert reports == []


def test_the_vendor_s_file_stands_in(lay: Lay, reports: Any) -> None:
    assert os_facts.read_os("/", reports, lay({**PROC, "usr/lib/os-release": "ID=fedora\n"}))["name"] == "fedora"


def test_a_boot_that_cannot_be_told_is_reported(lay: Lay, reports: Any) -> None:
    facts = os_facts.read_os("/", reports, lay({"etc/os-release": "ID=debian\n"}))
    assert (facts["name"], facts["boot_identity"]) == ("debian", None)
    assert "boot" in reports[0][1]
