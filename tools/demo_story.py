# The story of the demo: three faults on three nodes, a job on the fourth, and what the loop does about it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything is seen from outside: through Slurm, Prometheus, Alertmanager and the command aidc-cases on the node ctl.

A node that is about to be broken gets a mark first, so that an interrupted story is undone by the next one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import demo_cases
from containers import container
from demo_lab import LOGS, PKI, SCENARIO, SITE, VENV, Lab
from demo_progress import DemoError, Patience
from host import HostError

MARK = f"{SITE}/broken-by-the-demo"
JOB_NAME = "aidc-demo"
WORKER, LOST, WORN, STOPPED = "gpu1", "gpu2", "gpu3", "gpu4"
LOST_SLOT, WORN_SLOT = 3, 5
BROKEN_SERVICE = "prometheus-node-exporter.service"
READY_DEADLINE = 120.0
# On a busy machine a step takes long, but something happens now and then.
STORY_PATIENCE = 180.0
POLL = 1.0


@dataclass
class Chapter:
    """One fault: what is broken, how, and the state in which its case shall end."""

    node: str
    title: str
    wanted: str
    injected: float = 0.0
    case_id: int | None = None
    state: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)


class Story:
    """The faults and how they are followed."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.progress = lab.progress
        self.old_cases: set[int] = set()
        self.job_id = ""
        self.job_before: dict[str, str] = {}
        self.chapters = [
            Chapter(LOST, "XID 79, the GPU fell off the bus (kernel log)", "returned"),
            Chapter(WORN, "row remapping failed for good (Prometheus)", "quarantined"),
            Chapter(STOPPED, "a playbook run failed, a service was down (callback)", "resolved"),
        ]

    # --- looking -----------------------------------------------------------------------------------------------------

    def cases(self) -> list[dict[str, Any]]:
        """All cases of the ledger."""
        return list(json.loads(self.lab.exec("ctl", "aidc-cases", "list", "--json")))

    def open_cases(self) -> list[dict[str, Any]]:
        """The cases that are not closed."""
        return [case for case in self.cases() if case["closed_at"] is None]

    def timeline(self, case_id: int) -> list[dict[str, Any]]:
        """Everything that happened to a case."""
        return list(json.loads(self.lab.exec("ctl", "aidc-cases", "timeline", str(case_id), "--json")))

    def alerts(self) -> list[dict[str, str]]:
        """Labels of the alerts that are active in Alertmanager."""
        answer = self.lab.ask(9093, "api/v2/alerts?active=true&silenced=false&inhibited=false")
        return [alert["labels"] for alert in json.loads(answer)]

    def fault_alerts(self) -> list[str]:
        """Names of the active alerts that the loop acts upon, with their node."""
        return [
            f"{item['alertname']} on {item.get('instance', '?')}" for item in self.alerts() if item.get("fault_class")
        ]

    def slurm(self) -> dict[str, dict[str, str]]:
        """Fields of every node in Slurm."""
        return demo_cases.slurm_nodes(self.lab.exec("ctl", "scontrol", "show", "node", "-o"))

    def problems(self) -> list[str]:
        """What still keeps the lab from being ready; empty when it is."""
        found = []
        for name in self.lab.plan.names:
            if not self.lab.succeeds(name, "systemctl", "is-system-running", "--quiet"):
                failed = self.lab.host.run(
                    "podman",
                    "exec",
                    container(SCENARIO, name),
                    "sh",
                    "-c",
                    "systemctl list-units --failed --plain --no-legend | cut -d' ' -f1",
                ).split()
                found.append(f"{name}: {', '.join(failed) or 'still starting'}")
        states = self.slurm()
        found += [
            f"{name} is {states.get(name, {}).get('State', 'not there')} in Slurm"
            for name in self.lab.plan.gpu_names
            if states.get(name, {}).get("State") not in ("IDLE", "MIXED", "ALLOCATED")
        ]
        targets = json.loads(self.lab.ask(9090, "api/v1/targets?state=active"))["data"]["activeTargets"]
        found += [
            f"Prometheus cannot scrape {t['labels'].get('job')} of {t['labels'].get('instance')}"
            for t in targets
            if t["health"] != "up"
        ]
        if "Watchdog" not in [item["alertname"] for item in self.alerts()]:
            found.append("the Watchdog alert has not arrived in Alertmanager")
        if not self.lab.succeeds("ctl", "aidc-cases", "status", "--require", "kernel_log", "--require", "alertmanager"):
            found.append("the event loop's sources do not beat")
        return found

    def wait(
        self,
        title: str,
        seconds: float,
        what_is_missing: Callable[[], list[str]],
        log: str,
        news: Callable[[], object] = lambda: None,
    ) -> None:
        """Wait until nothing is missing; DemoError with what still was, and the log to read, after so many seconds.

        They begin anew with every change of the news.
        """
        with self.progress.step(title):
            patience = Patience(seconds)
            while True:
                try:
                    missing = what_is_missing()
                except (HostError, ValueError, KeyError) as error:
                    missing = [str(error)]
                if not missing:
                    return
                self.progress.status(missing[0])
                if patience.is_over(news()):
                    raise DemoError(f"{title}: after {seconds:.0f} s still: {'; '.join(missing[:5])}\nLook with: {log}")
                time.sleep(POLL)

    # --- before ------------------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Undo what an earlier story, or half of one, left: new boards, no jobs, no open cases, all nodes back."""
        self.lab.exec("ctl", "scancel", "--name", JOB_NAME)
        broken = [name for name in self.lab.plan.gpu_names if self.lab.succeeds(name, "test", "-e", MARK)]
        cases = self.open_cases()
        if not broken and not cases:
            self._resolve_failed_runs()
            return
        with self.progress.step("Clean up after the last story"):
            # It fails if it is paused already, by a story that was interrupted here.
            self.lab.succeeds("ctl", "aidc-cases", "pause")
            for name in sorted({*broken, *(case["node"] for case in cases)}):
                if name in self.lab.plan.gpu_names:
                    self._repair(name)
        self.wait("Nodes are up again", READY_DEADLINE, self._not_booted, "podman exec aidc-lab-gpu2 journalctl -b")
        self._resolve_failed_runs()
        self.wait("Alerts of the last story are over", READY_DEADLINE, self.fault_alerts, self._prometheus_log())
        with self.progress.step("Close its cases, return its nodes"):
            for case in self.open_cases():
                self.lab.succeeds("ctl", "aidc-cases", "cancel", str(case["case_id"]))
            for name, node in self.slurm().items():
                if node.get("Reason", "").startswith("aidc.ops:") or "DOWN" in node.get("State", ""):
                    self.lab.exec("ctl", "scontrol", "update", f"nodename={name}", "state=resume")
            self.lab.succeeds("ctl", "aidc-cases", "rearm")
            self.lab.succeeds("ctl", "aidc-cases", "resume")
            for name in broken:
                self.lab.exec(name, "rm", "-f", MARK)

    def _repair(self, name: str) -> None:
        """What a technician would do: new boards, and power on again."""
        self.lab.exec(
            name,
            "gpusim",
            "init",
            "--model",
            self.lab.plan.model(name),
            "--gpus",
            str(self.lab.plan.gpus),
            "--node",
            name,
        )
        self.lab.host.run("podman", "restart", container(SCENARIO, name))

    def _not_booted(self) -> list[str]:
        return [
            name
            for name in self.lab.plan.gpu_names
            if not self.lab.succeeds(name, "systemctl", "is-active", "--quiet", "ssh", "slurmd")
        ]

    def _resolve_failed_runs(self) -> None:
        """End what failed runs left: by a good run where one is quick, else as whoever has looked into it would."""
        failed = [item for item in self.alerts() if item["alertname"] == "AnsibleRunFailed"]
        mine = [item for item in failed if item.get("playbook", "").endswith("validate")]
        nodes = {item.get("instance", "") for item in mine} & set(self.lab.plan.gpu_names)
        good = {name for name in sorted(nodes) if self.validate(name) == 0}
        # A drill that was interrupted has no reason to be run again.
        left = [item for item in failed if item not in mine or item.get("instance") not in good]
        if left:
            now = datetime.now(UTC).isoformat()
            post = ["--header", "Content-Type: application/json", "--data", "@-"]
            ended = [{"labels": item, "endsAt": now} for item in left]
            self.lab.ask(9093, "api/v2/alerts", *post, stdin=json.dumps(ended))

    def _prometheus_log(self) -> str:
        return f"podman exec aidc-{SCENARIO}-ctl journalctl -u prometheus -u prometheus-alertmanager"

    def validate(self, node: str) -> int:
        """Run the playbook aidc.ops.validate as a person on ctl would; return its exit status."""
        log = LOGS / f"validate-{node}.log"
        command = [
            "podman",
            "exec",
            "--env=ANSIBLE_CONFIG=/etc/aidc_ops/ansible.cfg",
            container(SCENARIO, "ctl"),
            f"{VENV}/bin/ansible-playbook",
            "aidc.ops.validate",
            "-e",
            f"target={node}",
        ]
        return self.lab.stream(command, log)

    # --- the story ---------------------------------------------------------------------------------------------------

    def start_job(self) -> None:
        """Start a long job with two GPUs on a node that nothing will happen to."""
        with self.progress.step(f"A job with two GPUs starts on {WORKER}"):
            script = "#!/bin/sh\necho CUDA_VISIBLE_DEVICES=$CUDA_VISIBLE_DEVICES\nexec sleep 7200\n"
            self.job_id = self.lab.exec(
                "ctl",
                "sbatch",
                "--parsable",
                f"--job-name={JOB_NAME}",
                "--gres=gpu:2",
                f"--nodelist={WORKER}",
                "--chdir=/tmp",
                "--output=/tmp/aidc-demo-%j.out",
                stdin=script,
            ).strip()
            deadline = time.monotonic() + 30
            while (self.job_before or {}).get("JobState") != "RUNNING":
                if time.monotonic() > deadline:
                    raise DemoError(
                        f"job {self.job_id} does not start: {self.job_before}\n"
                        f"Look with: podman exec aidc-lab-ctl scontrol show job {self.job_id}"
                    )
                time.sleep(0.5)
                self.job_before = demo_cases.job(self.lab.exec("ctl", "scontrol", "show", "job", "-o", self.job_id))

    def inject(self) -> None:
        """Break three nodes."""
        self.old_cases = {case["case_id"] for case in self.cases()}
        with self.progress.step("Break three nodes"):
            for chapter in self.chapters:
                self.lab.exec(chapter.node, "sh", "-c", f"mkdir -p {SITE} && touch {MARK}")
            lost, worn, stopped = self.chapters
            lost.injected = time.time()
            self.lab.exec(LOST, "gpusim", "inject", "xid79", "--gpu", str(LOST_SLOT))
            worn.injected = time.time()
            # Without its kernel line, so that only the metric tells.
            self.lab.exec(
                WORN, "gpusim", "inject", "row-remap-failure", "--gpu", str(WORN_SLOT), "--permanent", "--no-log"
            )
            self.lab.exec(STOPPED, "systemctl", "stop", BROKEN_SERVICE)
            stopped.injected = time.time()
            if self.validate(STOPPED) == 0:
                raise DemoError(f"the run on {STOPPED} was meant to fail; read {LOGS}/validate-{STOPPED}.log")

    def follow(self) -> None:
        """Wait until every case is where it shall end; give the good run that the third one waits for."""
        asked = False

        def missing() -> list[str]:
            nonlocal asked
            now = {case["node"]: case for case in self.cases() if case["case_id"] not in self.old_cases}
            result = []
            for chapter in self.chapters:
                case = now.get(chapter.node)
                if case is None:
                    result.append(f"{chapter.node} no case yet")
                    continue
                chapter.case_id, chapter.state = case["case_id"], case["state"]
                chapter.events = self.timeline(chapter.case_id)
                if case["state"] == chapter.wanted:
                    continue
                if case["state"] not in ("open", "held"):
                    raise DemoError(
                        f"case {case['case_id']} on {chapter.node} ended as {case['state']}, not as {chapter.wanted}\n"
                        f"Look with: podman exec aidc-lab-ctl aidc-cases timeline {case['case_id']}"
                    )
                text = f"{chapter.node} {case['state']} {case['step'] or ''}"
                result.append(text + (f" ({case['hold_text']})" if case["hold_text"] else ""))
                if case["step"] == "await_clear" and not asked:
                    # Its service runs again, so the next run of the same playbook is a good one.
                    asked = self.validate(chapter.node) == 0
            return ["; ".join(result)] if result else []

        self.wait(
            "The loop at work",
            STORY_PATIENCE,
            missing,
            "podman exec aidc-lab-ctl aidc-cases list; podman exec aidc-lab-ctl journalctl -u aidc-ops-rulebook",
            lambda: [(chapter.case_id, len(chapter.events)) for chapter in self.chapters],
        )
        for chapter in self.chapters:
            if chapter.state in ("returned", "resolved"):
                self.lab.exec(chapter.node, "rm", "-f", MARK)

    def check_outcome(self) -> None:
        """Compare the end with what it shall be; DemoError for the first difference."""
        after = demo_cases.job(self.lab.exec("ctl", "scontrol", "show", "job", "-o", self.job_id))
        if after != self.job_before:
            raise DemoError(f"the job on {WORKER} was touched: {self.job_before} became {after}")
        nodes = self.slurm()
        for name in (WORKER, LOST, STOPPED):
            if "DRAIN" in nodes[name]["State"] or "DOWN" in nodes[name]["State"]:
                raise DemoError(f"{name} is {nodes[name]['State']} in Slurm ({nodes[name].get('Reason', '')})")
        if "DRAIN" not in nodes[WORN]["State"]:
            raise DemoError(f"{WORN} was returned to Slurm although its GPU is broken: {nodes[WORN]['State']}")
        if not self.lab.succeeds("ctl", "test", "-s", f"/var/lib/aidc_ops/tickets/{self.chapters[1].case_id}.json"):
            raise DemoError(
                f"there is no ticket for case {self.chapters[1].case_id} in /var/lib/aidc_ops/tickets on ctl"
            )

    def report(self) -> None:
        """Print what happened and where to look."""
        say = self.progress.line
        say("\nWhat happened, in seconds since each fault was injected\n")
        rows = [
            demo_cases.timeline_row(f"{chapter.node} case {chapter.case_id}", chapter.injected, chapter.events)
            for chapter in self.chapters
        ]
        say(demo_cases.table(["node", *demo_cases.MILESTONES], rows))
        for chapter in self.chapters:
            say(f"  {chapter.node}: {chapter.title}")
        say("\nThe nodes now\n")
        by_node = {chapter.node: f"{chapter.case_id}: {chapter.state}" for chapter in self.chapters}
        say(
            demo_cases.table(
                ["node", "Slurm", "reason", "case"],
                [
                    [name, node["State"].lower(), node.get("Reason", "").split(" [")[0] or "-", by_node.get(name, "-")]
                    for name, node in sorted(self.slurm().items())
                ],
            )
        )
        job = self.job_before
        say(
            f"\nJob {job['JobId']} on {job['NodeList']} ran through all of it: {job['JobState'].lower()}, "
            f"restarts {job['Restarts']}, since {job['StartTime']}."
        )
        address = self.lab.addresses["ctl"]
        case = self.chapters[1].case_id
        say(f"""
Where to look
  Prometheus    https://{address}:9090/alerts
  Alertmanager  https://{address}:9093
  both let in   a browser with the certificate that this makes, password lab:
                podman exec aidc-{SCENARIO}-ctl openssl pkcs12 -export -passout pass:lab \\
                  -in {PKI}/ctl.crt -inkey {PKI}/ctl.key > lab.p12
  cases         podman exec aidc-{SCENARIO}-ctl aidc-cases list
  one case      podman exec aidc-{SCENARIO}-ctl aidc-cases timeline {case}
  its ticket    podman exec aidc-{SCENARIO}-ctl cat /var/lib/aidc_ops/tickets/{case}.json
  evidence      podman exec aidc-{SCENARIO}-ctl ls -R /var/lib/aidc_ops/evidence
  the loop      podman exec aidc-{SCENARIO}-ctl journalctl -u aidc-ops-rulebook
  Slurm         podman exec aidc-{SCENARIO}-ctl sinfo -N -l
  log files     {LOGS}
  remove all    make demo-down
""")

    def tell(self) -> None:
        """The whole story."""
        try:
            self.wait(
                "Every service is up",
                READY_DEADLINE,
                self._services_missing,
                "podman exec aidc-lab-ctl systemctl --failed",
            )
            self.reset()
            self.wait(
                "The lab is healthy", READY_DEADLINE, self.problems, "podman exec aidc-lab-ctl systemctl --failed"
            )
            self.start_job()
            self.inject()
            self.follow()
            self.check_outcome()
        except HostError as error:
            raise DemoError(str(error)) from None
        self.report()

    def _services_missing(self) -> list[str]:
        """What the cleaning itself needs."""
        units = ("slurmctld", "prometheus", "prometheus-alertmanager", "aidc-ops-rulebook")
        return [unit for unit in units if not self.lab.succeeds("ctl", "systemctl", "is-active", "--quiet", unit)]
