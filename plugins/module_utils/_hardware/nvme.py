# Asks an NVMe drive how much of its endurance is used up.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One admin command, Get Log Page, for the SMART page. It only reads, and only root may send it."""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import struct

# From linux/nvme_ioctl.h: _IOWR('N', 0x41, struct nvme_passthru_cmd), a structure of 72 bytes.
_ADMIN_COMMAND = 0xC0484E41
_COMMAND = "=BBHIIIQQIIIIIIIIII"
_GET_LOG_PAGE = 0x02
_SMART_PAGE = 0x02
_PAGE_BYTES = 512
_ALL_NAMESPACES = 0xFFFFFFFF
_PERCENTAGE_USED = 5
_NAMESPACE = re.compile(r"^(nvme[0-9]+)n[0-9]+\Z")


def admin_command(address: int, timeout: float) -> bytearray:
    """Return the command that puts the SMART page at an address of memory; the kernel writes into it."""
    dwords = _PAGE_BYTES // 4 - 1
    command = bytearray(struct.calcsize(_COMMAND))
    struct.pack_into(
        _COMMAND,
        command,
        0,
        *(_GET_LOG_PAGE, 0, 0, _ALL_NAMESPACES, 0, 0, 0, address, 0, _PAGE_BYTES),
        *(dwords << 16 | _SMART_PAGE, 0, 0, 0, 0, 0),
        *(int(timeout * 1000), 0),
    )
    return command


def wear_percent(name: str, timeout: float) -> int | None:
    """Return the wear of a drive by its block device, None if it does not say; raise OSError if it may not be asked.

    More than 100 is possible: the drive outlived what its maker promised.
    """
    match = _NAMESPACE.match(name)
    if match is None:
        return None
    page = ctypes.create_string_buffer(_PAGE_BYTES)
    try:
        # The namespace, not the controller: with multipath the numbers of both need not be the same.
        handle = os.open(f"/dev/{name}", os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        status = fcntl.ioctl(handle, _ADMIN_COMMAND, admin_command(ctypes.addressof(page), timeout))
    finally:
        os.close(handle)
    # Above zero: the drive refused; a page of zeros comes from emulated drives that have none.
    return page.raw[_PERCENTAGE_USED] if status == 0 and page.raw.strip(b"\0") else None
