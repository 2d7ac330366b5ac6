# Reaches the nodes of the scenario from outside, and runs modules on them as a play would.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helpers of the scenario node."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import testinfra

NODES = ("bookworm", "trixie")
PYTHON = "/opt/aidc_ops/node/bin/python"


def container(name: str) -> Any:
    return testinfra.get_host(f"podman://aidc-node-{name}")


def module(node: str, name: str, arguments: dict[str, Any], check: bool = False) -> dict[str, Any]:
    """Return the result of a module of the collection on a node."""
    command = [
        str(Path(sys.executable).with_name("ansible")), node,
        "--inventory", os.environ["MOLECULE_INVENTORY_FILE"],
        "--module-name", f"aidc.ops.{name}", "--args", " ".join(f"{key}={value}" for key, value in arguments.items()),
        "--extra-vars", json.dumps({"ansible_python_interpreter": PYTHON}),
    ] + (["--check"] if check else [])  # fmt: skip
    root = Path(__file__).resolve().parents[3]
    environment = {
        **os.environ,
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        "ANSIBLE_COLLECTIONS_PATH": str(root / ".ansible/collections"),
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_NOCOLOR": "1",
    }
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    brace = done.stdout.find("=> {")
    assert brace >= 0, done.stdout + done.stderr
    result = json.JSONDecoder().raw_decode(done.stdout[brace + 3 :])[0]
    return {"failed": "FAILED!" in done.stdout[:brace], **result}


def boot_of(host: Any) -> str | None:
    """Return the identity of the node's running boot, None while it is down."""
    done = host.run("cat /proc/sys/kernel/random/boot_id /proc/1/stat")
    if done.rc != 0:
        return None
    boot_id, stat = done.stdout.split("\n", 1)
    return f"{boot_id}:{stat.rpartition(')')[2].split()[19]}"
