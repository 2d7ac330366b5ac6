# Where the message begins in a line of a log: the kernel or a service speaks there, and nowhere else.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log programs put a priority, times, a host name and the word "kernel" in front of a message.

Only such pieces are stepped over. Whatever else stands there is another program that speaks, and the words of a driver
in its mouth are no fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# More pieces than any log program writes.
_MAX_PIECES = 12
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = r"[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?"
_PIECE = re.compile(
    "|".join(
        (
            # Priority, with the version of RFC 5424 behind it.
            r"<[0-9]{1,3}>(?:1 )?",
            # /dev/kmsg: priority, sequence, microseconds, flags.
            r"[0-9]{1,4},[0-9]{1,20},[0-9]{1,20},[^;\s]{1,40};",
            # Seconds since the start, and which task or processor printed.
            r"\[\s{0,12}[0-9]{1,10}(?:\.[0-9]{1,9})?\]",
            r"\[\s{0,8}[TC][0-9]{1,10}\]",
            # dmesg --decode.
            r"(?:kern|user|daemon|auth|syslog|local[0-7])\s{0,6}:(?:emerg|alert|crit|err|warn|notice|info|debug)\s{0,6}:",
            # Calendar times: dmesg -T, log files, ISO 8601, syslog.
            r"\[?(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?"
            + (_MONTH + r"\s{1,2}[0-9]{1,2}(?: [0-9]{4})?,? " + _CLOCK + r"(?: [0-9]{4})?\]?"),
            r"\[?[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]" + _CLOCK + r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?\]?",
            # A host name is one where the program's name follows.
            r"[0-9A-Za-z][0-9A-Za-z._-]{0,252}"
            + r"(?= (?:kernel(?::|\[| - - -)|[A-Za-z][0-9A-Za-z@._-]{0,63}\[[0-9]{1,8}\]:))",
            r"kernel(?:\[[0-9]{1,8}\])?:",
            r"kernel - - -(?: \[[^\]]{0,80}\])?",
            # Hardware errors are numbered; NVIDIA's services name level and thread.
            r"\{[0-9]{1,10}\}",
            r"\[(?:ERROR|WARNING|INFO)\] \[tid [0-9]{1,10}\]",
            r"(?:nv-fabricmanager|nvidia-fabricmanager|nvidia-persistenced|nv-hostengine|nvidia-smi)\[[0-9]{1,8}\]:",
        )
    )
)
# Documents mark a quoted line, or number it.
_MARK = re.compile(r"[#>]{1,3}\s{1,4}|(?:Poll [0-9]{1,3}|Example|new):\s{1,4}")


def heads(line: str) -> Iterator[int]:
    """Positions at which the message may begin, first to last; at most a dozen."""
    at = 0
    found = _MARK.match(line)
    if found:
        at = found.end()
    for _piece in range(_MAX_PIECES):
        while line.startswith((" ", "\t"), at) and at < 256:
            at += 1
        yield at
        found = _PIECE.match(line, at)
        if found is None:
            return
        at = found.end()
