# Collects evidence on a node: runs commands side by side, each bounded in time and output, and prints one JSON object.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: collect_evidence.py '{"commands": [{"name": "dmesg", "argv": ["dmesg"]}], "seconds": 15, "limit_bytes": 9000}'

Prints {"items": [{"name", "argv", "rc", "seconds", "text", "truncated", "error"}], "programs": {}}. "programs" says
where each program of the request's "look_for" is, null where the node does not have it. A command that is missing,
hangs or fails is an item too: that it did so is evidence. Of long output the end is kept, where logs are new.
Runs on Python 3.8 or newer, with the standard library only.
"""

from __future__ import annotations

import concurrent.futures
import json
import shutil
import subprocess
import sys
import tempfile
import time
from typing import Any


def run_one(name: str, argv: list[str], seconds: float, limit_bytes: int) -> dict[str, Any]:
    """Run a command and return its item. Output goes to a file, for a pipe would fill up or grow without limit."""
    began = time.monotonic()
    rc: int | None = None
    error: str | None = None
    with tempfile.TemporaryFile() as output:
        try:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, timeout=seconds, check=False
            )
            rc = done.returncode
        except subprocess.TimeoutExpired:
            error = f"did not end within {seconds:g} s"
        except (OSError, ValueError) as exc:
            error = str(exc)
        size = output.seek(0, 2)
        output.seek(max(0, size - limit_bytes))
        text = output.read(limit_bytes).decode("utf-8", errors="replace")
    return {
        "name": name,
        "argv": argv,
        "rc": rc,
        "seconds": round(time.monotonic() - began, 3),
        "text": text,
        "truncated": size > limit_bytes,
        "error": error,
    }


def collect(request: dict[str, Any]) -> dict[str, Any]:
    """Run all commands of the request at the same time; items come in the order of the request."""
    commands = request["commands"]
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, len(commands))) as pool:
        items = pool.map(
            lambda command: run_one(command["name"], command["argv"], request["seconds"], request["limit_bytes"]),
            commands,
        )
        return {"items": list(items), "programs": {name: shutil.which(name) for name in request.get("look_for", [])}}


if __name__ == "__main__":
    json.dump(collect(json.loads(sys.argv[1])), sys.stdout)
