# The clock: where the kernel takes time from, and whether something holds it to the right one.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ctypes
import os
import typing as t

from .sysfs import Report, below, read_text

CLOCK_KEYS = ("source", "available_sources", "synchronised", "offset_seconds")

_CLOCKSOURCE = "sys/devices/system/clocksource/clocksource0"

# Bits of timex.status, from linux/timex.h.
_STA_PLL = 0x0001
_STA_UNSYNC = 0x0040
_STA_NANO = 0x2000
_TIME_ERROR = 5


class Timex(ctypes.Structure):
    """struct timex; with no mode set the call only reads."""

    _fields_: t.ClassVar[t.Any] = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", ctypes.c_long * 2),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("counters", ctypes.c_long * 4),
        ("tai", ctypes.c_int),
        ("reserved", ctypes.c_int * 11),
    ]


def kernel_clock() -> tuple[int, Timex]:
    """Return the state and the variables of the kernel's clock; raise OSError if it may not be asked."""
    library = ctypes.CDLL(None, use_errno=True)
    timex = Timex()
    state = library.adjtimex(ctypes.byref(timex))
    if state < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return state, timex


def judge(state: int, timex: t.Any) -> dict[str, t.Any]:
    """Return whether the clock is held, and the offset.

    The kernel knows the offset only if it steers the clock itself; a daemon that steers it from outside leaves a zero.
    """
    unit = 1e9 if timex.status & _STA_NANO else 1e6
    return {
        "synchronised": state != _TIME_ERROR and not timex.status & _STA_UNSYNC,
        "offset_seconds": timex.offset / unit if timex.status & _STA_PLL else None,
    }


def read_clock(root: str, report: Report, ask: t.Callable[[], tuple[int, t.Any]] = kernel_clock) -> dict[str, t.Any]:
    """Return the clock. The source is read below the root, the rest is asked of the running kernel."""
    clock: dict[str, t.Any] = dict.fromkeys(CLOCK_KEYS)
    folder = below(root, _CLOCKSOURCE)
    clock["source"] = read_text(os.path.join(folder, "current_clocksource"))
    available = read_text(os.path.join(folder, "available_clocksource"))
    clock["available_sources"] = None if available is None else available.split()
    try:
        clock.update(judge(*ask()))
    except (OSError, AttributeError) as exc:
        report(None, f"the kernel does not tell the state of its clock: {exc}")
    return clock
