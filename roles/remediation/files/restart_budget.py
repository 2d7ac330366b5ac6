# Counts the restarts of a node's services, and says which of them may be restarted once more.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: restart_budget.py FILE ATTEMPT LIMIT WINDOW_SECONDS < '["slurmd.service"]'

FILE keeps {"units": {"slurmd.service": [[when, attempt], …]}} of one node. A unit may be restarted while it has fewer
than LIMIT restarts in the window; it is counted before it is restarted, and once for each ATTEMPT, so that a run that
was killed in between is neither forgotten nor counted twice. Prints {"allowed": […], "refused": […]}.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from typing import Any


def decide(
    counted: dict[str, list[list[Any]]], units: list[str], attempt: str, limit: int, window: float, now: float
) -> tuple[dict[str, list[list[Any]]], dict[str, list[str]]]:
    """Return (what is counted from now on, {"allowed", "refused"})."""
    kept = {unit: [item for item in items if now - item[0] < window] for unit, items in counted.items()}
    kept = {unit: items for unit, items in kept.items() if items}
    answer: dict[str, list[str]] = {"allowed": [], "refused": []}
    for unit in units:
        items = kept.get(unit, [])
        if any(item[1] == attempt for item in items):
            answer["allowed"].append(unit)
        elif len(items) < limit:
            kept[unit] = [*items, [now, attempt]]
            answer["allowed"].append(unit)
        else:
            answer["refused"].append(unit)
    return kept, answer


def read(path: str) -> dict[str, list[list[Any]]]:
    """Return what is counted; nothing if there is no file. Raises ValueError for a file that is something else."""
    try:
        with open(path, encoding="utf-8") as stream:
            return dict(json.load(stream)["units"])
    except FileNotFoundError:
        return {}
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is no list of restarts") from error


def main(path: str, attempt: str, limit: str, window: str) -> None:
    os.makedirs(os.path.dirname(path), mode=0o750, exist_ok=True)
    with open(path + ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept, answer = decide(read(path), json.load(sys.stdin), attempt, int(limit), float(window), time.time())
        with open(path + ".new", "w", encoding="utf-8") as stream:
            json.dump({"units": kept}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(path + ".new", path)
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
