# The bandwidth that a healthy node reaches, by GPU model and platform, with the place where each figure comes from.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data. The same GPU has other marks at other sites, so each keeps its platform, the way it is measured and its source.

A figure is a fact that somebody published; none was measured by this project.
"""

from __future__ import annotations

import re
import typing as t

VERSION = 1
"""Goes up with each change of the table."""

ALL_REDUCE = "all_reduce"
HOST_TO_DEVICE = "host_to_device"
DEVICE_TO_HOST = "device_to_host"
DEVICE_TO_DEVICE = "device_to_device"

_OCI = "oracle-quickstart/oci-hpc 3.1.0, playbooks/roles/healthchecks/files/active_healthcheck.py"
_OCI_SUMMARY = "oracle-quickstart/oci-hpc 3.1.0, thresholds by shape"
_AZNHC = "Azure/azurehpc-health-checks (2026-05-01), conf"
_AZURE_MONITOR = "Azure/cluster-health-monitor, GPU profile nd96isr_h100_v5"
_NVSENTINEL = "NVIDIA/NVSentinel v1.19, preflight validation"


class Mark(t.NamedTuple):
    """One figure."""

    model: str
    """Expression for the name of the GPU, as its driver says it."""

    platform: str
    test: str
    gpus: int
    """For how many GPUs of one node it holds; 0 where that does not matter."""

    value: float
    """Gigabytes (10^9 bytes) per second; bus bandwidth for collectives."""

    source: str
    sizes: str = ""
    """Sizes of the messages, first and last, that it was set for; empty where the source does not say."""


# Boards for PCIe slots have the same name but not the same links.
_A100 = r"\bA100\b(?!.*\bPCIe\b)"
_H100 = r"\bH100\b(?!.*\b(PCIe|NVL)\b)"
_H200 = r"\bH200\b(?!.*\bNVL\b)"
_B200 = r"\bB200\b"
_B300 = r"\bB300\b"
_GB200 = r"\bGB200\b"
_MI300X = r"\bMI300X\b"
_MI355X = r"\bMI355X\b"

MARKS = (
    Mark(_A100, "oci", ALL_REDUCE, 8, 185, _OCI, "1G 10G"),
    Mark(_H100, "oci", ALL_REDUCE, 8, 440, _OCI, "1G 10G"),
    Mark(_H200, "oci", ALL_REDUCE, 8, 440, _OCI, "1G 10G"),
    Mark(_B200, "oci", ALL_REDUCE, 8, 440, _OCI, "1G 10G"),
    Mark(_B300, "oci", ALL_REDUCE, 8, 800, _OCI_SUMMARY),
    Mark(_MI300X, "oci", ALL_REDUCE, 8, 310, _OCI, "1G 16G"),
    Mark(_MI355X, "oci", ALL_REDUCE, 8, 350, _OCI_SUMMARY),
    Mark(_A100, "azure", ALL_REDUCE, 8, 228, _AZNHC, "16G 16G"),
    Mark(_H100, "azure", ALL_REDUCE, 8, 460, _AZNHC, "16G 16G"),
    # Its documentation says 480, its configuration 431; the one that is in use counts.
    Mark(_H200, "azure", ALL_REDUCE, 8, 431, _AZNHC, "16G 16G"),
    Mark(_MI300X, "azure", ALL_REDUCE, 8, 314, _AZNHC, "16G 16G"),
    Mark(_H100, "azure", HOST_TO_DEVICE, 0, 48, _AZURE_MONITOR),
    Mark(_H100, "azure", DEVICE_TO_HOST, 0, 48, _AZURE_MONITOR),
    Mark(_H100, "azure", DEVICE_TO_DEVICE, 0, 335, _AZURE_MONITOR),
    # The source does not say for how many GPUs; a node has four.
    Mark(_GB200, "nvsentinel", ALL_REDUCE, 4, 700, _NVSENTINEL),
)

PLATFORMS = tuple(sorted({mark.platform for mark in MARKS}))


def find_mark(model: str | None, test: str, gpus: int, platform: str | None = None) -> Mark | None:
    """Return the mark for a test on so many GPUs of a model; None if the table has none.

    Without a platform it is the lowest one: who does not know where a node stands should not call it broken.
    """
    if not model:
        return None
    found = [
        mark
        for mark in MARKS
        if mark.test == test
        and mark.gpus in (0, gpus)
        and platform in (None, mark.platform)
        and re.search(mark.model, model, re.IGNORECASE)
    ]
    return min(found, key=lambda mark: mark.value) if found else None
