# A controller for tests: settings file, empty spool, ledger and Slurm stand-in in one temporary directory.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import time
import typing as t
from pathlib import Path

from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.tests.fakes.alertmanager import when
from ansible_collections.aidc.ops.tests.fakes.slurm import FakeSlurm

NODES = ("gpu1", "gpu2", "gpu3", "gpu4")
BOOT = "11111111-2222-3333-4444-555555555555:1000"
XID79 = "NVRM: Xid (PCI:0000:1b:00): 79, pid=1234, GPU has fallen off the bus."


class Controller:
    """``config`` is the path of the settings. Limits are wide and every action may act, unless *settings* differ."""

    def __init__(
        self, root: Path, urls: t.Sequence[str] = (), names: t.Sequence[str] = NODES, **settings: t.Any
    ) -> None:
        self.root = root
        self.names = tuple(names)
        self.slurm = FakeSlurm(root / "slurm", names)
        self.spool = root / "kernel.jsonl"
        self.spool.touch()
        self.config = root / "controller.json"
        self.metrics = root / "aidc_ops.prom"
        act = dict.fromkeys(("contain", "reset", "reboot", "restart_service", "resume"), "act")
        content: dict[str, t.Any] = {
            "schema_version": 1,
            "ledger": str(root / "ledger.sqlite"),
            "evidence_dir": str(root / "evidence"),
            "ticket_dir": str(root / "tickets"),
            "metrics_file": str(self.metrics),
            "engine": {
                "kind": "slurm",
                "scontrol": str(self.slurm.scontrol),
                "squeue": str(self.slurm.squeue),
                "timeout_seconds": 10,
            },
            "kernel_log": {"spool": str(self.spool), "poll_seconds": 0.05},
            "alertmanager": {"urls": list(urls), "poll_seconds": 0.2, "timeout_seconds": 2, "watchdog_alert": None},
            "tick_seconds": 0.5,
            "nodes": {name: {"node_id": f"dmi:SN-{name}", "address": None, "expected_gpus": 8} for name in names},
            "gate": {"out_percent": 100, "out_max": 100, "per_rack": 100, "settle_seconds": 0.001, "modes": act},
        }
        for key, value in settings.items():
            content[key] = {**content.get(key, {}), **value} if isinstance(value, dict) else value
        self.config.write_text(json.dumps(content))
        self._ledger = str(content["ledger"])

    def ledger(self) -> Ledger:
        return Ledger(self._ledger)

    def log(self, node: str, line: str = XID79, boot: str = BOOT, **more: t.Any) -> None:
        """Append a line to the spool, as the collector does."""
        entry = {"node": node, "from": "10.0.0.1", "boot": boot, "time": when(time.time()), "line": line, **more}
        self.write(json.dumps(entry).encode() + b"\n")

    def write(self, data: bytes) -> None:
        with self.spool.open("ab") as stream:
            stream.write(data)
