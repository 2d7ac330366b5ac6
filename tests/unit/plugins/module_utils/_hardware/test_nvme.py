# Tests of asking an NVMe drive for its wear.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import nvme


def drive(page: bytes, status: int = 0) -> Callable[[int, int, bytearray], int]:
    """A drive that answers the command with a page."""

    def ioctl(handle: int, number: int, command: bytearray) -> int:
        # The number holds the size of the command: 72 bytes, read and written.
        assert (number, number >> 16 & 0x3FFF, len(command)) == (0xC0484E41, 72, 72)
        opcode, namespace = command[0], struct.unpack_from("=I", command, 4)[0]
        address, size, dword10 = struct.unpack_from("=Q4xII", command, 24)
        assert (opcode, namespace, size) == (0x02, 0xFFFFFFFF, 512)
        assert (dword10 & 0xFF, dword10 >> 16) == (0x02, 512 // 4 - 1)
        assert struct.unpack_from("=I", command, 64)[0] == 2500
        ctypes.memmove(address, page, len(page))
        return status

    return ioctl


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], int | None]:
    def ask(ioctl: Any) -> int | None:
        monkeypatch.setattr(nvme.os, "open", lambda path, flags: 99)
        monkeypatch.setattr(nvme.os, "close", lambda handle: None)
        monkeypatch.setattr(nvme.fcntl, "ioctl", ioctl)
        return nvme.wear_percent("nvme0n1", 2.5)

    return ask


@pytest.mark.parametrize("wear", [0, 3, 100, 255])
def test_wear(asked: Callable[[Any], int | None], wear: int) -> None:
    assert asked(drive(bytes([0, 0x2C, 0x01, 100, 10, wear]))) == wear


def test_page_of_zeros_says_nothing(asked: Callable[[Any], int | None]) -> None:
    assert asked(drive(bytes(512))) is None


def test_drive_that_refuses_says_nothing(asked: Callable[[Any], int | None]) -> None:
    assert asked(drive(bytes([1] * 512), status=0x2002)) is None


def test_missing_permission_is_passed_on(asked: Callable[[Any], int | None]) -> None:
    def refuse(*_arguments: Any) -> int:
        raise PermissionError(13, "Permission denied")

    with pytest.raises(PermissionError):
        asked(refuse)


def test_drive_without_a_device_file_says_nothing() -> None:
    assert nvme.wear_percent("nvme9999n1", 1) is None


@pytest.mark.parametrize("name", ["sda", "nvme0", "nvme0n1p1", "nvme0c0n1", "../null", "nvme0n1\n"])
def test_what_is_no_drive_is_not_asked(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvme.os, "open", lambda path, flags: pytest.fail(f"opened {path}"))
    assert nvme.wear_percent(name, 1) is None
