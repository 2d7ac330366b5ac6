# From the discovered fleet and a forecast to a plan, and from the plan to the lab's Slurm: its jobs obey it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from demo_lab import PKI

FOLDER = "/srv/aidc/test_plan"
PARTITION = "gpu"
SACCTMGR = ("sacctmgr", "--immediate", "--quiet")
SERVICE = "serve"
ACCOUNTS = ("vision", "chat", SERVICE)
# What people say of the site. A quota is of thousandths of a GPU.
PROJECTS = [{"name": "vision", "weight": 2, "quota_gpu_milli": 24000}, {"name": "chat"}, {"name": SERVICE}]


class Planning:
    """The plays discover, plan and apply on the controller, with files of their own, and its Slurm."""

    def __init__(self, loop: Any) -> None:
        self.lab, self.until = loop.lab, loop.until
        self.url = f"https://{self.lab.addresses['ctl']}:9090"

    def play(self, name: str, *arguments: str, **variables: Any) -> tuple[int, str]:
        """Run a play; its exit status and its output."""
        rc, log = self.lab.playbook(f"aidc.ops.{name}", *arguments, "-e", json.dumps(variables), log=f"plan-{name}")
        return rc, log.read_text()

    def records(self) -> dict[str, dict[str, Any]]:
        """Discover; the records by host name."""
        rc, output = self.play("discover", aidc_ops_baseline_dir=f"{FOLDER}/baselines", aidc_ops_fleet_dir=FOLDER)
        assert rc == 0, output
        lines = self.lab.exec("ctl", "cat", f"{FOLDER}/latest.jsonl").splitlines()
        return {record["node"]["hostname"]: record for record in map(json.loads, lines)}

    def plan(self, site: dict[str, Any], like: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """Foretell and plan, with what people say of the site and of a copy; the plan and what the play said."""
        self.lab.exec("ctl", "tee", f"{FOLDER}/site.yml", stdin=json.dumps(site))
        forecast = {
            "url": self.url,
            "ca_path": f"{PKI}/ca.crt",
            "client_cert": f"{PKI}/ctl.crt",
            "client_key": f"{PKI}/ctl.key",
            # Demand that the lab's Prometheus has recorded: an eighth of its GPUs, since the lab is up.
            "query": f'label_replace(sum(slurm_node_gpus) / 8, "service", "{SERVICE}", "", "")',
            "series_by": "service",
            "start": "-3m",
            "step": "5s",
            "horizon": "30s",
            "season": "none",
        }
        rc, output = self.play(
            "plan",
            plan_dir=FOLDER,
            plan_site_path=f"{FOLDER}/site.yml",
            plan_source={"fleet_path": f"{FOLDER}/latest.jsonl", "accounting_days": 1},
            plan_forecast=forecast,
            plan_demand={SERVICE: {"project": SERVICE, "gpus": 1, "cpu_milli": 1000, "memory_mib": 100, **like}},
        )
        assert rc == 0, output
        return dict(json.loads(self.lab.exec("ctl", "cat", f"{FOLDER}/plan.json"))), output

    def apply(self, *arguments: str, **variables: Any) -> tuple[int, str]:
        paths = {f"apply_{name}_path": f"{FOLDER}/{name}.json" for name in ("problem", "plan")}
        return self.play("apply", *arguments, **paths, apply_policy={"shares": True}, **variables)

    def slurm(self, *words: str, stdin: str | None = None) -> str:
        return str(self.lab.exec("ctl", *words, stdin=stdin)).strip()

    def submit(self, account: str, *options: str) -> str:
        script = "#!/bin/sh\nexec sleep 600\n"
        where = ("--chdir=/tmp", "--output=/dev/null", f"--job-name=test-plan-{account}")
        return self.slurm("sbatch", "--parsable", f"--account={account}", *where, *options, stdin=script)

    def nodes_of(self, job: str) -> list[str]:
        """Where it runs; nothing while it waits."""
        told = self.slurm("squeue", "--noheader", f"--jobs={job}", "--states=RUNNING", "--format=%N")
        return self.slurm("scontrol", "show", "hostnames", told).split() if told else []

    def account(self, name: str) -> str:
        """Fair share and limit of an account, as slurmdbd has them."""
        words = ("sacctmgr", "--noheader", "--parsable2", "show", "association", f"account={name}", "user=")
        return self.slurm(*words, "format=share,grptres")

    def reservations(self) -> dict[str, set[str]]:
        """Nodes of each reservation of a plan."""
        found = {}
        for line in self.slurm("scontrol", "--oneliner", "show", "reservation").splitlines():
            row = dict(word.split("=", 1) for word in line.split() if "=" in word)
            if row.get("ReservationName", "").startswith("aidc_plan_"):
                hosts = self.slurm("scontrol", "show", "hostnames", row["Nodes"])
                found[row["ReservationName"].removeprefix("aidc_plan_")] = set(hosts.split())
        return found

    def cancel(self) -> None:
        for name in ACCOUNTS:
            self.slurm("scancel", "--user=root", f"--name=test-plan-{name}")
        self.until("no job is left", 60, lambda: not self.slurm("squeue", "--noheader", "--user=root"))

    def clean(self) -> None:
        self.cancel()
        for name in self.reservations():
            self.slurm("scontrol", "delete", f"ReservationName=aidc_plan_{name}")
        self.slurm("scontrol", "update", f"PartitionName={PARTITION}", "State=UP")
        for name in ACCOUNTS:
            self.lab.succeeds("ctl", *SACCTMGR, "delete", "user", "root", f"Account={name}")
            self.lab.succeeds("ctl", *SACCTMGR, "delete", "account", name)
        self.lab.exec("ctl", "rm", "-rf", FOLDER)


@pytest.fixture(scope="module")
def planning(healthy: Any) -> Iterator[Planning]:
    made = Planning(healthy)
    made.clean()
    made.lab.exec("ctl", "mkdir", "-p", FOLDER)
    for name in ACCOUNTS:
        made.lab.exec("ctl", *SACCTMGR, "add", "account", name, "Description=test", "Organization=lab")
        made.lab.exec("ctl", *SACCTMGR, "add", "user", "root", f"Account={name}")
    yield made
    made.clean()


def test_from_the_fleet_to_jobs_that_obey_the_plan(planning: Planning) -> None:
    assert {f"gpu{number}" for number in range(1, 5)} <= set(planning.records())
    # Jobs wait, although there is room for them.
    planning.slurm("scontrol", "update", f"PartitionName={PARTITION}", "State=DOWN")
    jobs = {
        "vision": planning.submit("vision", "--nodes=2", "--gres=gpu:8"),
        "chat": planning.submit("chat", "--nodes=1", "--gres=gpu:6"),
    }
    plan, told = planning.plan({"projects": PROJECTS}, {})
    assert plan["strategy"] == "optimal" and plan["gap_percent"] == 0 and plan["refused"] == [], told
    on: dict[str, list[str]] = {}
    for one in plan["placements"]:
        on.setdefault(one["workload"], []).append(one["node"])
    assert len(set(on[f"job/{jobs['vision']}"])) == 2 and len(on[f"job/{jobs['chat']}"]) == 1
    assert len(on[f"forecast/{SERVICE}"]) == 4, "an eighth of 32 GPUs was foretold"
    assert planning.lab.exec("ctl", "grep", "-c", "<svg", f"{FOLDER}/plan.html").strip() != "0"

    rc, shown = planning.apply("--check", "--diff")
    assert rc == 0 and "reservation aidc_plan_vision" in shown, shown
    assert planning.reservations() == {}, "check mode changes nothing"
    assert planning.account("vision") == planning.account("chat") == "1|"
    rc, made = planning.apply()
    assert rc == 0 and "changed=1" in made, made
    assert planning.reservations()["vision"] == set(on[f"job/{jobs['vision']}"])
    assert (planning.account("vision"), planning.account("chat")) == ("2|gres/gpu=24", "1|")
    planning.slurm("scontrol", "update", f"PartitionName={PARTITION}", "State=UP")
    for account, job in jobs.items():
        found = planning.until(f"the job of {account} runs", 60, lambda job=job: planning.nodes_of(job))
        assert sorted(found) == sorted(on[f"job/{job}"])
    rc, again = planning.apply()
    assert rc == 0 and "changed=0" in again and "Nothing has to be changed." in again, again


def test_a_node_that_is_lost_between_plan_and_apply_is_caught(planning: Planning) -> None:
    planning.plan({"projects": PROJECTS}, {})
    before = planning.reservations()
    planning.slurm("scontrol", "update", "NodeName=gpu4", "State=DRAIN", "Reason=fan")
    try:
        for arguments in (("--check", "--diff"), ()):
            rc, told = planning.apply(*arguments)
            assert rc != 0 and "gpu4: out of service now (fan)" in told and "make a new plan" in told, told
        assert planning.reservations() == before
    finally:
        planning.slurm("scontrol", "update", "NodeName=gpu4", "State=RESUME")


def test_gpus_are_cut_as_the_plan_says(planning: Planning, paused: Any) -> None:
    site = {"nodes": {"gpu3": {"mig_slices": 7}}}
    plan, told = planning.plan(site, {"mig_profile": "1g.10gb", "counts": "copies"})
    # Beside them six GPUs that a job has whole.
    assert sorted(row["profiles"] for row in plan["mig_layouts"]) == [[]] * 6 + [["1g.10gb"] * 4], told
    assert "MIG: 6 GPUs whole, 1 GPU as 4 x 1g.10gb." in told

    def cut(*arguments: str) -> str:
        rc, output = planning.apply("--tags=gpus", *arguments, apply_gpu_hosts="gpu", apply_mig=True)
        assert rc == 0, output
        return output

    try:
        assert "changed=1" in cut("--check")
        assert "changed=1" in cut(), "check mode changed nothing"
        found = planning.records()["gpu3"]["gpus"]
        assert sorted(len(gpu["mig_devices"] or ()) for gpu in found) == [0] * 7 + [4]
        assert "changed=1" not in cut()
    finally:
        planning.lab.exec("gpu3", "gpusim", "boot")


def test_gpus_get_the_power_limits_of_the_plan(planning: Planning, paused: Any) -> None:
    planning.cancel()
    job = planning.submit("chat", "--nodes=1", "--gres=gpu:8")
    points = [
        {"limit_watts": limit, "seconds": seconds, "mean_watts": limit} for limit, seconds in ((300, 104), (400, 100))
    ]
    curve = {"workload": "language_training", "origin": "a test", "points": points}
    site = {
        "power_curves": [{**curve, "model": model} for model in ("NVIDIA H100 80GB HBM3", "a100")],
        "policy": {"power_limits": {"slowdown_percent": 5}},
        "workloads": {f"job/{job}": {"workload_class": "language_training"}},
    }
    plan, told = planning.plan(site, {"workload_class": "language_training", "latency_class": "interactive"})
    limits = {row["node"]: row["limit_watts"] for row in plan["power_limits"]}
    on = {one["node"] for one in plan["placements"] if one["workload"] == f"job/{job}"}
    assert {name for name, limit in limits.items() if limit == 300} == on and len(on) == 1, told
    others = limits.keys() - on
    assert others and {limits[name] for name in others} == {None}, "somebody waits for the answers of the service"
    assert "Power limits: 1 node at 300 W (96 % of full speed, 78 % of the energy)" in told
    somebody = min(others)

    def limit(*arguments: str) -> str:
        rc, output = planning.apply("--tags=gpus", *arguments, apply_gpu_hosts="gpu", apply_power=True)
        assert rc == 0, output
        return output

    def found() -> dict[str, set[float]]:
        records = planning.records()
        return {name: {gpu["power_limit_watts"] for gpu in records[name]["gpus"]} for name in limits}

    try:
        usual = found()
        planning.lab.exec(somebody, "gpusim", "set", "power_limit=250000")
        assert limit("--check").count("changed=1 ") == 2
        assert limit().count("changed=1 ") == 2, "check mode changed nothing"
        assert found() == {name: {300.0} if name in on else usual[name] for name in limits}
        assert "changed=1 " not in limit()
    finally:
        for name in limits:
            planning.lab.exec(name, "gpusim", "boot")
