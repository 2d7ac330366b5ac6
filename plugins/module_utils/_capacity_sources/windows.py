# Planned maintenance: which nodes are not in service at a moment.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.errors import SourceError
from ansible_collections.aidc.ops.plugins.module_utils._capacity_sources.remarks import Remarks
from ansible_collections.aidc.ops.plugins.module_utils._prometheus.times import read_time

_DAY = 86400


def take_out(rows: Mapping[str, dict[str, Any]], windows: Sequence[Any], at: float, remarks: Remarks) -> None:
    """Mark nodes as not in service whose window holds ``at``, in seconds since 1970.

    A window is C({"node": name or pattern, "start": …, "end": …}), as the module maintenance_windows gives them; times
    are such seconds, or texts such as C(2026-01-31T22:00:00Z). SourceError for one that is none.
    """
    for number, window in enumerate(windows):
        where = f"maintenance[{number}]"
        if not isinstance(window, dict) or not isinstance(window.get("node"), str):
            raise SourceError(f"{where}: needs node, start and end, got {str(window)[:60]!r}")
        begin, end = (_moment(window, key, at, where) for key in ("start", "end"))
        if end <= begin:
            raise SourceError(f"{where}: ends at {window['end']!s:.40}, which is not after its start")
        names = fnmatch.filter(rows, window["node"])
        if not names:
            remarks.add("stand in a maintenance window, and no scheduler has them", "node", window["node"])
        for name in names:
            if begin <= at < end:
                rows[name]["in_service"] = False
                remarks.add("are in maintenance then", "node", name)
            elif at < begin < at + _DAY:
                remarks.add("go into maintenance within a day after that moment", "node", name)


def _moment(window: Mapping[str, Any], key: str, now: float, where: str) -> float:
    try:
        return read_time(window[key], now)
    except KeyError:
        raise SourceError(f"{where}: needs node, start and end; {key} is missing") from None
    except ValueError as error:
        raise SourceError(f"{where}.{key}: {error}") from error
