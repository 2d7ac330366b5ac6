# Tests of reading NVLinks.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware.nvml_ask import Questions
from ansible_collections.aidc.ops.plugins.module_utils._hardware.nvml_links import generation, read_links


class NvmlError(Exception):
    def __init__(self, value: int) -> None:
        super().__init__(f"error {value}")
        self.value = value


class Nvml:
    """Links with a state, or an error in its place; what else is asked of a link that is down is an error."""

    NVMLError = NvmlError

    def __init__(self, states: list[int], end: int = 2, remote: str = "00000000:05:00.0", kind: int = 2) -> None:
        self.states, self.end, self.remote, self.kind = states, end, remote, kind

    def nvmlDeviceGetNvLinkState(self, gpu: Any, link: int) -> int:
        if link >= len(self.states):
            raise NvmlError(self.end)
        if self.states[link] > 1:
            raise NvmlError(self.states[link])
        return self.states[link]

    def _up(self, link: int) -> None:
        if not self.states[link]:
            raise NvmlError(999)

    def nvmlDeviceGetNvLinkVersion(self, gpu: Any, link: int) -> int:
        self._up(link)
        return 7

    def nvmlDeviceGetNvLinkRemoteDeviceType(self, gpu: Any, link: int) -> int:
        self._up(link)
        return self.kind

    def nvmlDeviceGetNvLinkRemotePciInfo(self, gpu: Any, link: int) -> Any:
        self._up(link)
        return SimpleNamespace(busId=self.remote)


def test_links_up_and_down() -> None:
    questions = Questions(Nvml([1, 0]))
    found = read_links(questions, None, "9.0")
    assert (found["nvlinks_active"], found["nvlinks_total"]) == (1, 2)
    assert found["nvlinks"] == [
        {"link": 0, "active": True, "version": 4, "remote_type": "switch", "remote_pci_address": "0000:05:00.0"},
        {"link": 1, "active": False, "version": None, "remote_type": "unknown", "remote_pci_address": None},
    ]
    assert questions.failures == {}, "a link that is down has nothing to say about itself"


@pytest.mark.parametrize("end", [2, 3, 6], ids=["invalid argument", "not supported", "not found"])
def test_the_driver_ends_the_list_in_several_ways(end: int) -> None:
    assert read_links(Questions(Nvml([1, 1], end)), None, "9.0")["nvlinks_total"] == 2
    assert read_links(Questions(Nvml([], end)), None, "8.9") == {
        "nvlinks_active": None, "nvlinks_total": None, "nvlinks": [],
    }  # fmt: skip


@pytest.mark.parametrize("states", [[999], [1, 1, 999, 1]])
def test_a_link_that_cannot_be_read_leaves_the_number_unknown(states: list[int]) -> None:
    """Two of four links must not look like a GPU with two."""
    questions = Questions(Nvml(states))
    assert read_links(questions, None, "9.0") == {"nvlinks_active": None, "nvlinks_total": None, "nvlinks": None}
    assert questions.failures == {"nvmlDeviceGetNvLinkState": "error 999"}


def test_a_driver_without_the_function() -> None:
    assert read_links(Questions(SimpleNamespace(NVMLError=NvmlError)), None, "9.0")["nvlinks"] is None


def test_no_more_links_are_asked_than_a_gpu_can_have() -> None:
    assert read_links(Questions(Nvml([1] * 1000)), None, "9.0")["nvlinks_total"] == 64


@pytest.mark.parametrize(
    ("remote", "kind", "expected"),
    [
        ("00000001:C3:00.0", 0, ("gpu", "0001:c3:00.0")),
        ("FFFFFFFF:FF:FF.0", 255, ("unknown", None)),
        ("00000000:00:00.0", 1, ("unknown", None)),
        ("", 2, ("switch", None)),
        ("{{ 7 * 7 }}", 77, ("unknown", None)),
    ],
)
def test_the_other_end(remote: str, kind: int, expected: tuple[str, str | None]) -> None:
    link = read_links(Questions(Nvml([1], remote=remote, kind=kind)), None, "9.0")["nvlinks"][0]
    assert (link["remote_type"], link["remote_pci_address"]) == expected


@pytest.mark.parametrize(
    ("number", "capability", "expected"),
    [
        (7, "9.0", 4),  # an H100 and an H200, driver 535: the kernel module's number
        (6, "9.0", 4),  # the header's number for the same
        (5, "8.0", 3),  # an A100; the header's 3.1 is the same generation
        (5, "8.6", 3),
        (2, "7.0", 2),
        (4, "7.5", 2),
        (8, "10.0", 5),
        (7, None, 4),
        (7, "rubbish", 4),
        (8, "9.0", 5),  # neither list agrees with the architecture
        (0, "9.0", None),
        (255, "9.0", None),
        (None, "9.0", None),
    ],
)
def test_the_generation(number: int | None, capability: str | None, expected: int | None) -> None:
    assert generation(number, capability) == expected
