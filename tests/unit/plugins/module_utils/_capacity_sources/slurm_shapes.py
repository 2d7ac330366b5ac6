# Slurm's nodes and jobs for tests, in the shapes of 22.05 (OpenAPI v0.0.38) and 24.11 (v0.0.42).
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys and the ways of writing are those of recorded answers; what nothing reads is left out."""

from __future__ import annotations

import json
from typing import Any

OLD, NEW = "22.05", "24.11"
NOT_SET = 4294967294


class Shapes:
    """Answers of one release."""

    def __init__(self, release: str) -> None:
        self.old = release == OLD

    def number(self, value: int | None) -> Any:
        """A number; None is endless or not set."""
        if self.old:
            return value
        return {"set": value is not None, "infinite": value is None, "number": value or 0}

    def gres(self, text: str) -> str:
        """What is asked for: gpu:h100:2 with the release's beginning."""
        return f"{'gres:' if self.old else 'gres/'}{text}" if text else ""

    def node(self, name: str, gres: str = "gpu:h100:8", state: str = "IDLE", **more: Any) -> dict[str, Any]:
        words = state.split("+")
        told: dict[str, Any] = (
            {"state": words[0].lower(), "state_flags": words[1:]}
            if self.old
            else {"state": words, "effective_cpus": 64}
        )
        features = more.pop("features", "")
        return {
            "name": name,
            "cpus": 64,
            "real_memory": 512000,
            "gres": gres,
            "features": features if self.old else features.split(","),
            "active_features": features if self.old else features.split(",") if features else [],
            "partitions": ["gpu"],
            "reason": "",
            "weight": 1,
            **told,
            **more,
        }

    def job(self, number: int, state: str = "PENDING", **more: Any) -> dict[str, Any]:
        """A job of one node with 8 processors, 16,000 MiB and a limit of two hours."""
        plain = {"node_count": 1, "cpus": 8, "tasks": 1, "memory_per_node": 16000, "memory_per_cpu": None}
        plain.update({"priority": 100, "time_limit": 120, "end_time": 0, "deadline": 0, "eligible_time": 0})
        plain.update({"array_job_id": 0, "array_max_tasks": 0, "het_job_id": 0, "sockets_per_node": None})
        texts = dict.fromkeys(("tres_per_node", "tres_per_job", "tres_per_task", "tres_per_socket", "features"), "")
        texts.update(dict.fromkeys(("nodes", "dependency", "resv_name", "array_task_string", "admin_comment"), ""))
        row: dict[str, Any] = {
            "job_id": number,
            "job_state": state if self.old else state.split("+"),
            "name": f"run {number}",
            "user_name": "kim",
            "account": "vision",
            "partition": "gpu",
            "state_reason": "None",
            "batch_flag": True,
            "requeue": True,
            "gres_detail": [],
            "shared": None if self.old else [],
            "tres_req_str": "cpu=8,mem=16000M,node=1,billing=8",
            **texts,
        }
        for key, value in more.items():
            if key.startswith("tres_per"):
                row[key] = self.gres(value)
            elif key not in plain:
                row[key] = value
        return {**row, **{key: self.number(more.get(key, value)) for key, value in plain.items()}}

    def answer(self, kind: str, *rows: dict[str, Any]) -> str:
        return json.dumps({"meta": {"Slurm": {}}, "errors": [], kind: list(rows)})
