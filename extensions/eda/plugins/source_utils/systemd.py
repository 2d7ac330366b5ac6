# Tells systemd that the event loop moves.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that hangs looks like a fleet without faults. So systemd ends it when it hears nothing for too long."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket


async def keep_alive() -> None:
    """Send a sign of life three times in each of systemd's intervals, until cancelled; nothing without a watchdog.

    It is sent on the event loop's thread: what it proves is that this one is not blocked.
    """
    interval = os.environ.get("WATCHDOG_USEC", "")
    address = os.environ.get("NOTIFY_SOCKET")
    if not interval.isdecimal() or int(interval) == 0 or not address:
        return
    # A leading @ stands for the null byte of an abstract address.
    target = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.setblocking(False)
        while True:
            # A full socket: systemd is busy, and has enough of our messages.
            with contextlib.suppress(OSError):
                notify.sendto(b"WATCHDOG=1", target)
            await asyncio.sleep(int(interval) / 3e6)
