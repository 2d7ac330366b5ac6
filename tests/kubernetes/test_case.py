# A whole case on a real Kubernetes: signal, containment, eviction, repair, validation, return. And the module.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import time
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.aidc.ops.plugins.module_utils._cases.contain import contain
from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import Signal
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import ACTIONS, parse_settings
from ansible_collections.aidc.ops.plugins.module_utils._engines import open_engines
from ansible_collections.aidc.ops.plugins.module_utils._engines.kubernetes import KubernetesEngine
from ansible_collections.aidc.ops.plugins.module_utils._faults import recognise_line
from ansible_collections.aidc.ops.plugins.modules import engine_node
from ansible_collections.aidc.ops.tests.kubernetes.cluster import WORKERS, Cluster
from ansible_collections.aidc.ops.tests.kubernetes.workload import Workload, cordon, shown

LINE = "NVRM: Xid (PCI:0000:1b:00): 79, pid=1234, name=process, GPU has fallen off the bus."
BOOT = "5f0c1f5e-0000-4000-8000-000000000001:"
HOLDER = "ctl:1:1"
NO_SCHEDULER = "/none/scontrol"


class Clock:
    """The real time, which a test may move on."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


def site(folder: Path, kubeconfig: Path, **engine: t.Any) -> dict[str, t.Any]:
    """Slurm is the site's scheduler, and dead; the nodes of this test belong to Kubernetes."""
    return {
        "schema_version": 1,
        "ledger": str(folder / "ledger.sqlite"),
        "evidence_dir": str(folder / "evidence"),
        "ticket_dir": str(folder / "tickets"),
        "alertmanager": {"urls": [], "watchdog_alert": None},
        "engine": {"kind": "slurm", "scontrol": NO_SCHEDULER, "squeue": NO_SCHEDULER},
        "engines": {"pods": {"kind": "kubernetes", "kubeconfig": str(kubeconfig), "context": "aidc-ops", **engine}},
        "nodes": {**{name: {"engine": "pods"} for name in WORKERS}, "slurm1": {}},
        "gate": {"out_percent": 50, "per_rack": 10, "modes": dict.fromkeys(ACTIONS, "act")},
    }


def line(node: str, now: float, boot: int) -> Signal:
    """XID 79 of one GPU, seen now."""
    return Signal("kernel", node, f"{BOOT}{boot}", now, f"{node}-{boot}-{now}", LINE, recognise_line(LINE))


def test_from_signal_to_return(
    cluster: Cluster, engine: KubernetesEngine, kubeconfig: Path, workload: Workload, tmp_path: Path
) -> None:
    (pod,) = workload.deployment(1)
    node = pod["spec"]["nodeName"]
    clock = Clock()
    settings = parse_settings(site(tmp_path, kubeconfig))
    engines = open_engines(settings)
    ledger = Ledger(settings.ledger, clock)
    try:
        recorded = ledger.record([line(node, clock(), 1), line("slurm1", clock(), 1)], None, settings)
        assert len(recorded.new_case_ids) == 2
        verdicts = dict(contain(ledger, settings, engines, recorded.new_case_ids))
        case_id, of_slurm = sorted(verdicts, key=lambda case: not verdicts[case].allowed)
        assert verdicts[case_id].allowed
        assert verdicts[of_slurm].reason_code == "unknown_node", "only the nodes of the dead engine are unknown"
        token = f"aidc.ops:{case_id}"
        assert shown(cluster, node) == (True, f"{token} gpu_fell_off_bus", [f"aidc.ops/remediation={case_id}"])

        done: list[str] = []
        state = ""
        for _step in range(60):
            case = ledger.case(case_id)
            if case.step is None:
                state = case.state
                break
            clock.ahead += max(0.0, (case.due_at or 0.0) - clock())
            assert ledger.lease([case_id], HOLDER, 600)
            grant = ledger.begin_step(case_id, case.step, HOLDER, settings, engines.nodes())
            assert grant.proceed, grant
            outcome = "done"
            if case.step == "cordon":
                engines.drain([node], {node: grant.context["reason"]})
            elif case.step == "drain":
                engines.evict(node, token, force=bool(grant.context["force"]))
                outcome = "done" if grant.context["drained"] else "waiting"
                time.sleep(0.5)
            elif case.step == "resume":
                assert "validate" in done, "no return without a passed validation"
                assert engines.resume(node, token)
            ledger.finish_step(case_id, case.step, HOLDER, outcome, {}, settings)
            if outcome == "done":
                done.append(case.step)
            else:
                assert shown(cluster, node)[0] is True
        assert state in ("returned", "resolved"), (state, done)
        assert done[-1] == "resume" and done.index("drain") < done.index("validate") < done.index("resume")
        assert shown(cluster, node) == (None, None, [])
        assert node not in {one["spec"]["nodeName"] for one in workload.running(1)}, "its work runs elsewhere"

        # A node that a person has taken out is contained by nobody.
        cordon(cluster, "gpu3" if node != "gpu3" else "gpu2")
        other = "gpu3" if node != "gpu3" else "gpu2"
        again = ledger.record([line(other, clock(), 2)], None, settings)
        ((_case, verdict),) = contain(ledger, settings, engines, again.new_case_ids)
        assert verdict.reason_code == "foreign_drain"
        assert shown(cluster, other) == (True, None, [])
    finally:
        ledger.close()


def test_the_module_check_run_run_check(
    cluster: Cluster, engine: KubernetesEngine, kubeconfig: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "controller.json"
    config.write_text(json.dumps(site(tmp_path, kubeconfig)), encoding="utf-8")

    def call(check: bool = False, **arguments: t.Any) -> dict[str, t.Any]:
        given = {"config": str(config), "name": "gpu1", "token": "aidc.ops:1", "_ansible_check_mode": check}
        with patch_module_args({**given, **arguments}), pytest.raises(SystemExit):
            engine_node.main()
        return dict(json.loads(capsys.readouterr().out))

    def four(**arguments: t.Any) -> list[bool]:
        return [call(check, **arguments)["changed"] for check in (True, False, False, True)]

    assert four(state="drained", reason="aidc.ops:1 gpu_fell_off_bus") == [True, True, False, False]
    assert call(state="drained", reason="aidc.ops:1 x")["node"]["states"] == ["ready", "schedulingdisabled"]
    assert four(state="evicted", force=False) == [False] * 4
    assert call(state="resumed", token="aidc.ops:2")["foreign"]
    assert four(state="resumed") == [True, True, False, False]
    assert "The nodes of engine are unknown" in call(state="resumed", name="slurm1")["msg"]
