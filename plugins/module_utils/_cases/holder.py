# Who holds a lease: host, process id and the start time of that process.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import socket


def this_process() -> str:
    """The identity "host:pid:starttime" of the calling process."""
    return _identity(os.getpid())


def this_run() -> str:
    """The identity of the outermost ansible-playbook process above the caller, else of the caller's parent.

    A module is a short process; the lease belongs to the run that started it.
    """
    pid = found = os.getppid()
    while pid > 1:
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as stream:
                words = stream.read().split(b"\0")[:2]
        except OSError:
            break
        if any(os.path.basename(word).startswith(b"ansible-playbook") for word in words):
            found = pid
        pid = _stat(pid)[1]
    return _identity(found)


def is_alive(holder: str) -> bool:
    """Whether that process still runs. A holder on another host counts as alive: only its expiry can tell."""
    host, _colon, process = holder.partition(":")
    pid, _colon, start = process.partition(":")
    if host != socket.gethostname():
        return True
    try:
        return _stat(int(pid))[0] == start
    except (OSError, ValueError):
        return False


def _identity(pid: int) -> str:
    return f"{socket.gethostname()}:{pid}:{_stat(pid)[0]}"


def _stat(pid: int) -> tuple[str, int]:
    """Start time (clock ticks since boot) and parent of a process."""
    with open(f"/proc/{pid}/stat", "rb") as stream:
        text = stream.read()
    # The command name stands in brackets and may itself hold brackets and spaces.
    words = text[text.rindex(b")") + 2 :].split()
    return words[19].decode(), int(words[1])
