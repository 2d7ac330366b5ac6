# Runs on the controller: kills the event loop, the way a crash would, at the moment a case begins each of its steps.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments: the node, the highest case number so far, the steps in their order. Prints a line for each kill."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time

LEDGER = "file:/var/lib/aidc_ops/ledger.sqlite?mode=ro"
BEGUN = """
SELECT a.case_id FROM attempts a JOIN cases c ON c.id = a.case_id
WHERE c.node = ? AND c.id > ? AND a.step = ?
"""
SHOW = ["systemctl", "show", "--property=MainPID", "--value", "aidc-ops-rulebook"]


def main() -> int:
    node, after, steps = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    db = sqlite3.connect(LEDGER, uri=True, isolation_level=None)
    print("watching", flush=True)
    deadline = time.monotonic() + 300
    for step in steps:
        while db.execute(BEGUN, (node, after, step)).fetchone() is None:
            if time.monotonic() > deadline:
                print(f"{step} did not begin", flush=True)
                return 1
            time.sleep(0.005)
        pid = int(subprocess.run(SHOW, capture_output=True, text=True, check=True).stdout)
        os.kill(pid, signal.SIGKILL)
        print(f"{step} {pid}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
