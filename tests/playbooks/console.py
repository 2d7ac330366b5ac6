# What the tests of the playbooks cases, drill and shadow share: a controller, its nodes, and how a playbook is run.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.aidc.ops.plugins.module_utils._cases.model import Signal
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import load_settings
from ansible_collections.aidc.ops.plugins.module_utils._faults import Recognition
from ansible_collections.aidc.ops.tests.fakes.controller import Controller

ROOT = Path(__file__).resolve().parents[2]


class Console:
    """A control node with four nodes, which are this machine, and the person before it."""

    def __init__(self, folder: Path, urls: Sequence[str] = (), mode: str = "approve") -> None:
        self.folder = folder
        modes = dict.fromkeys(("contain", "reset", "reboot", "restart_service", "resume"), mode)
        self.controller = Controller(folder, urls, gate={"modes": modes})
        self.settings = load_settings(str(self.controller.config))
        self.ledger = self.controller.ledger()
        common = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "ansible_become": False,
            "aidc_ops_node_python": sys.executable,
        }
        hosts = {name: {} for name in self.controller.names}
        (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": common}}))

    def see(self, node: str = "gpu2", fault: str = "gpu_fell_off_bus", lane: str = "kernel", text: str = "x") -> None:
        """Let a node report a fault."""
        now = time.time()
        seen = Recognition(fault, "gpu:0000:1b:00")
        self.ledger.record([Signal(lane, node, "b:1", now, f"{node}{now}", text, seen)], None, self.settings)

    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if name != "SUDO_USER"},
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"),
            "ANSIBLE_REMOTE_TEMP": str(self.folder / "tmp"),
            "AIDC_OPS_CONFIG": str(self.controller.config),
            "USER": "kim",
        }

    def run(self, playbook: str, *arguments: str, **variables: Any) -> tuple[int, str]:
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(self.folder / "hosts.yml")]
        command += [f"aidc.ops.{playbook}", "-e", json.dumps(variables), *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment(), capture_output=True, text=True, check=False, timeout=600
        )
        return done.returncode, done.stdout + done.stderr
