# Tests of the one spelling for PCI addresses.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import pci


@pytest.mark.parametrize(
    ("address", "device"),
    [
        ("00000000:1B:00.0", "gpu:0000:1b:00"),
        ("0000:1b:00.0", "gpu:0000:1b:00"),
        ("0000:1b:00", "gpu:0000:1b:00"),
        ("00000001:D1:1F.0", "gpu:0001:d1:1f"),
        ("00010000:1B:00.0", "gpu:10000:1b:00"),
    ],
)
def test_every_spelling_gives_one_identity(address: str, device: str) -> None:
    assert pci.device_from_address(address) == device


@pytest.mark.parametrize("address", ["", "1b:00.0", "0000:1b:00.8", "0000:1b:0g.0", "0000:1b:00.0\n", "{{ x }}"])
def test_anything_else_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="not a PCI address"):
        pci.device_from_address(address)
    with pytest.raises(ValueError, match="not a PCI address"):
        pci.kernel_address(address)


@pytest.mark.parametrize(
    ("address", "written"),
    [("00000000:C1:00.0", "0000:c1:00.0"), ("0000:05:1f.3", "0000:05:1f.3"), ("00010000:1B:00", "10000:1b:00.0")],
)
def test_the_way_the_kernel_writes_it(address: str, written: str) -> None:
    assert pci.kernel_address(address) == written


def test_way_back_to_nvml() -> None:
    assert pci.nvml_address_from_device("gpu:0000:1b:00") == "00000000:1B:00.0"
    assert pci.nvml_address_from_device("gpu:10000:d1:1f") == "00010000:D1:1F.0"


@pytest.mark.parametrize("device", ["", "node", "gpu:0000:1B:00", "gpu:0000:1b:00.0", "gpu:0000:1b:00\n", "all"])
def test_only_gpu_identities_have_an_address(device: str) -> None:
    with pytest.raises(ValueError, match="not a GPU device identity"):
        pci.nvml_address_from_device(device)
