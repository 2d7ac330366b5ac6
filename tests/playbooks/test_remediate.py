# Runs the playbooks remediate and validate against a ledger and a stand-in of Slurm; the nodes are this machine, and
# nothing that would touch it may act.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.aidc.ops.plugins.module_utils._cases.model import Signal
from ansible_collections.aidc.ops.plugins.module_utils._cases.policy import ACTIONS
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import load_settings
from ansible_collections.aidc.ops.plugins.module_utils._faults import Recognition
from ansible_collections.aidc.ops.tests.fakes.controller import Controller

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "{{ lookup('ansible.builtin.pipe', 'touch /tmp/aidc_ops_hostile') }}"
# Taking out of scheduling is safe with a stand-in of Slurm. Whatever would touch the node waits for a person.
MODES = {**dict.fromkeys(ACTIONS, "approve"), "contain": "act", "resume": "act"}


class Site:
    """A controller with the nodes gpu1 to gpu4, of which the inventory does not have gpu4."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.controller = Controller(folder, gate={"modes": MODES}, nodes=self.nodes())
        (folder / "tickets").mkdir()
        self.settings = load_settings(str(self.controller.config))
        self.ledger = self.controller.ledger()
        common = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "ansible_become": False,
            "remediation_gpu_python": sys.executable,
            "remediation_evidence_commands": [{"name": "hello", "argv": ["echo", "hello"]}],
            "remediation_evidence_bug_report_seconds": 0,
            "remediation_baseline_dir": str(folder / "baselines"),
        }
        hosts = {name: {} for name in ("gpu1", "gpu2", "gpu3")}
        (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": common}}))

    @staticmethod
    def nodes() -> dict[str, Any]:
        return {
            f"gpu{at}": {"node_id": f"dmi:SN-gpu{at}", "rack": f"R{at}", "leaf": "L1", "expected_gpus": 8}
            for at in range(1, 5)
        }

    def see(self, fault_class: str, node: str = "gpu2", device: str = "gpu:0000:1b:00", lane: str = "kernel") -> None:
        """Let a node report a fault."""
        now = time.time()
        signal = Signal(lane, node, "b:1", now, f"{node}{now}", HOSTILE, Recognition(fault_class, device))
        self.ledger.record([signal], None, self.settings)

    def run(self, playbook: str, *arguments: str, **variables: Any) -> tuple[int, str]:
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(self.folder / "hosts.yml")]
        command += [f"aidc.ops.{playbook}", "-e", json.dumps(variables), *arguments]
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"),
            "ANSIBLE_REMOTE_TEMP": str(self.folder / "tmp"),
            "AIDC_OPS_CONFIG": str(self.controller.config),
        }
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        return done.returncode, done.stdout + done.stderr

    def steps(self, case_id: int, kind: str = "finished") -> list[str]:
        return [event.step for event in self.ledger.timeline(case_id) if event.kind == kind]

    def kept(self, path: str) -> Any:
        return json.loads((self.folder / path).read_text())


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_check_mode_tells_the_way_of_each_case_and_touches_nothing(site: Site) -> None:
    site.see("gpu_row_remap_failure", "gpu2")
    site.see("memory_uncorrectable", "gpu3", "memory:A1", "alert")
    site.see("gpu_gsp_error", "gpu4")
    status, output = site.run("remediate", "--check")
    assert status == 0, output
    assert "case 1 on gpu2 (gpu_row_remap_failure): cordon, evidence, drain, reset, validate, resume;" in output
    assert "case 2 on gpu3 (memory_uncorrectable): cordon, evidence, drain, ticket;" in output
    assert "case 3 on gpu4 (gpu_gsp_error): cordon, evidence, drain, reset, validate, resume;" in output
    assert site.controller.slurm.calls("update") == []
    assert not (site.folder / "evidence").exists() and not list((site.folder / "tickets").iterdir())
    assert site.steps(1, "begun") == []


def test_a_case_goes_on_to_the_step_that_needs_a_person(site: Site) -> None:
    site.see("gpu_row_remap_failure")
    site.see("gpu_row_remap_failure", "gpu4")
    status, output = site.run("remediate")
    assert status == 0, output
    assert site.steps(1) == ["cordon", "evidence", "drain"], output
    case, other = site.ledger.cases()
    assert (case.state, case.step, case.hold_reason) == ("held", "reset", "mode_approve")
    assert site.controller.slurm.reason("gpu2").startswith("aidc.ops:1 ")
    manifest = site.kept("evidence/1/manifest.json")
    names = {entry["name"] for entry in manifest["files"]}
    assert {"hello.txt", "gpu_info.json", "hardware_record.json", "identity.json", "scheduler.json"} <= names
    assert manifest["problems"] == []
    for entry in manifest["files"]:
        content = (site.folder / "evidence/1" / entry["name"]).read_bytes()
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
    assert not Path("/tmp/aidc_ops_hostile").exists()
    # The inventory does not have the node of the other case.
    texts = [event.text for event in site.ledger.timeline(other.id) if event.kind == "finished"]
    assert any("has no host gpu4" in text for text in texts), output
    assert [call for call in site.controller.slurm.calls("update") if "gpu4" in call] == []


def test_a_ticket_has_all_that_a_repair_needs_and_is_closed_with_its_case(site: Site) -> None:
    site.see("memory_uncorrectable", "gpu3", "memory:A1", "alert")
    status, output = site.run("remediate")
    assert status == 0, output
    assert site.steps(1)[-1] == "ticket", output
    ticket = site.kept("tickets/1.json")
    assert (ticket["state"], ticket["node"], ticket["node_id"]) == ("open", "gpu3", "dmi:SN-gpu3")
    assert (ticket["fault_class"], ticket["category"], ticket["rack"]) == ("memory_uncorrectable", "host", "R3")
    assert [one["device"] for one in ticket["devices"]] == ["memory:A1"]
    assert any(text.startswith("evidence: ") for text in ticket["action_taken"])
    manifest = (site.folder / "evidence/1/manifest.json").read_bytes()
    assert ticket["evidence_sha256"] == hashlib.sha256(manifest).hexdigest()
    assert ticket["reporter"]["version"]
    noted = site.ledger.ticket(1)
    assert noted is not None and noted["closed_at"] is None
    site.ledger.cancel(1, "kim")
    status, output = site.run("remediate")
    assert status == 0, output
    assert site.kept("tickets/1.json")["state"] == "closed", output
    noted = site.ledger.ticket(1)
    assert noted is not None and noted["closed_at"] is not None


def test_a_case_of_a_switch_tells_people_and_touches_no_host(site: Site) -> None:
    for node in ("gpu1", "gpu2", "gpu3"):
        site.see("ib_port_down", node, "nic:mlx5_0/1", "alert")
    found = {case.node: case for case in site.ledger.cases()}
    switch = found["leaf:L1"]
    status, output = site.run("remediate", remediation_case_ids=[switch.id])
    assert status == 0, output
    assert site.steps(switch.id)[:2] == ["notify", "ticket"], output
    ticket = site.kept(f"tickets/{switch.id}.json")
    assert (ticket["node"], ticket["scope"], ticket["category"]) == ("leaf:L1", "leaf", "network")
    assert site.controller.slurm.calls("update") == []
    assert "Do the step" not in output.partition("PLAY [Go on with the cases]")[2]


def test_validate_tells_who_is_fit_and_fails_where_somebody_is_not(site: Site) -> None:
    site.controller.slurm.set("gpu3", "IDLE+INVAL")
    report = site.folder / "report.json"
    status, output = site.run("validate", target="all", validation="run", validation_report=str(report))
    assert status != 0
    assert "gpu3 is not fit: " in output, output
    nodes = json.loads(report.read_text())["nodes"]
    assert {name: verdict["fit"] for name, verdict in nodes.items()} == {"gpu1": True, "gpu2": True, "gpu3": False}
    assert "the scheduler rejects what the node says of itself" in output
    status, output = site.run("validate", target="gpu1,gpu2", validation="run")
    assert status == 0 and "is fit" in output, output


def test_validate_of_a_node_without_its_gpus_is_not_passed(site: Site) -> None:
    status, output = site.run("validate", target="gpu1", validation="V1,Vh")
    assert status != 0
    assert "V1+Vh" in output and "no GPU is available" in output, output


@pytest.mark.parametrize("variables", [{}, {"target": "all", "validation": "V9"}])
def test_validate_says_what_it_needs(site: Site, variables: dict[str, Any]) -> None:
    status, output = site.run("validate", **variables)
    assert status != 0 and "with -e validation=" in output, output
