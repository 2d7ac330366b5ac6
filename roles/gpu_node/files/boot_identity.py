# Writes the identity of the running boot to a file, for the log forwarder to put into each line.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: boot_identity.py FILE

The identity is the kernel's boot id and the start time of process 1 in clock ticks (field 22 of /proc/1/stat). It runs
before each start of the forwarder, so a line never carries the identity of an earlier boot.
"""

from __future__ import annotations

import os
import re
import sys

BOOT_ID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


def boot_identity(boot_id: str, pid1_stat: str) -> str:
    """Return C(<boot id>:<ticks>) from the texts of the two kernel files; raise ValueError if either is malformed."""
    kernel = boot_id.strip()
    # The command name may hold spaces and brackets, so count from behind its last closing bracket.
    fields = pid1_stat.rpartition(")")[2].split()
    if not BOOT_ID.match(kernel) or len(fields) < 20 or not fields[19].isdigit():
        raise ValueError(f"malformed boot id {boot_id[:80]!r} or process line {pid1_stat[:80]!r}")
    return f"{kernel}:{int(fields[19])}"


def write(path: str, text: str) -> None:
    """Replace the file at once, so that nobody reads half of it."""
    temporary = path + ".new"
    with open(temporary, "w", encoding="ascii") as handle:
        handle.write(text)
    os.replace(temporary, path)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as handle:
            boot_id = handle.read()
        with open("/proc/1/stat", encoding="utf-8", errors="replace") as handle:
            stat = handle.read()
        identity = boot_identity(boot_id, stat)
        write(arguments[0], identity)
    except (OSError, ValueError) as exc:
        print(f"boot_identity: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
