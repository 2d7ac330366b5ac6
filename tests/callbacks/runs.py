# A site of two hosts that are this machine, and real runs of ansible-playbook over it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.aidc.ops.tests.fakes.alertmanager import FakeAlertmanager

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = ROOT / ".ansible" / "collections"
TOOLS = Path(sys.executable).parent
LAUNCHER = ROOT / "roles" / "remediation_controller" / "files" / "aidc_run.py"
ALL = "aidc.ops.alerts,aidc.ops.metrics,aidc.ops.audit"

GOOD = """
- name: Do things
  hosts: all
  gather_facts: false
  tasks:
    - name: Change
      ansible.builtin.command: "true"
"""


class Site:
    """A folder with an inventory of two hosts, playbooks, and what the callbacks write."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.audit = folder / "audit.jsonl"
        self.metrics = folder / "metrics"
        self.metrics.mkdir()
        (folder / "hosts").write_text(
            "a\nb\n[all:vars]\nansible_connection=local\n"
            f"ansible_python_interpreter={sys.executable}\nansible_remote_tmp={folder}/tmp\n"
        )
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "AIDC_OPS_"))},
            "PATH": f"{TOOLS}:{os.environ['PATH']}",
            "PYTHONPATH": str(COLLECTIONS),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_HOME": str(folder / "home"),
            "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
            "ANSIBLE_INVENTORY": str(folder / "hosts"),
            "ANSIBLE_NOCOLOR": "1",
            "PYTHONUNBUFFERED": "1",
            "ANSIBLE_CALLBACKS_ENABLED": ALL,
            "AIDC_OPS_ALERTMANAGER_URLS": url,
            "AIDC_OPS_CONTROLLER_NAME": "ctl",
            "AIDC_OPS_RUN_METRICS_DIR": str(self.metrics),
            "AIDC_OPS_AUDIT_PATH": str(self.audit),
        }

    def write(self, content: str, name: str = "site") -> Path:
        path = self.folder / f"{name}.yml"
        path.write_text(content)
        return path

    def start(self, *arguments: str, launcher: bool = False, **environment: str) -> subprocess.Popen[str]:
        first = [sys.executable, str(LAUNCHER)] if launcher else [str(TOOLS / "ansible-playbook")]
        return subprocess.Popen(
            [*first, *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, launcher: bool = False, **environment: str) -> Run:
        process = self.start(*arguments, launcher=launcher, **environment)
        killer = threading.Timer(120, process.kill)
        killer.start()
        lines, recap_at = [], time.monotonic()
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if line.startswith("PLAY RECAP"):
                recap_at = time.monotonic()
        process.wait()
        killer.cancel()
        return Run(process.returncode, "".join(lines), time.monotonic() - recap_at)

    def play(self, content: str, *arguments: str, **environment: str) -> Run:
        return self.run(str(self.write(content)), *arguments, **environment)

    def lines(self) -> list[dict[str, t.Any]]:
        """The audit log."""
        return [json.loads(line) for line in self.audit.read_text().splitlines()] if self.audit.exists() else []

    def value(self, metric: str, **labels: str) -> float | None:
        """A metric of the one playbook."""
        for path in self.metrics.glob("*.prom"):
            for family in text_string_to_metric_families(path.read_text()):
                for sample in family.samples:
                    if sample.name == metric and labels.items() <= sample.labels.items():
                        return sample.value
        return None


class Run(t.NamedTuple):
    """How a run went, and the seconds from its recap, which is printed first, to its end."""

    status: int
    output: str
    after_recap: float

    def warnings(self, name: str) -> int:
        """How often the callback has warned."""
        return self.output.replace("\n", " ").count(f"[WARNING]: {name}")


def active(fake: FakeAlertmanager) -> set[tuple[str, str]]:
    """Name and instance of the alerts that are firing."""
    return {(item["labels"]["alertname"], item["labels"]["instance"]) for item in fake.active()}
