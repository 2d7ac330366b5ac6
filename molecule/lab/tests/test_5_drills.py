# Drills: every fault that the kernel log can tell is recognised in the lab, and one of every repair is done to its end.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import latencies
import pytest
from containers import container
from demo_lab import LOGS, SCENARIO, VENV

from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES, Recognition, recognise_line

NODE = "gpu3"
PCI = "0000:1b:00"
KERNEL_LOG = "/var/lib/gpusim/kernel.log"


def lines() -> dict[str, tuple[str, Recognition]]:
    """Of each class that is drilled by a line of the log: that line, and what it means."""
    found = {}
    for name, row in CLASSES.items():
        if row.drill["kind"] == "line":
            line = row.drill["text"].replace("{pci}", PCI)
            seen = recognise_line(line)
            assert seen is not None, name
            found[name] = line, seen
    return found


def test_every_line_that_is_drilled_reaches_the_ledger(paused) -> None:
    told = lines()
    assert len(told) > 30
    newest = paused.sql("SELECT coalesce(max(id), 0) FROM signals")[0][0]
    text = "".join(f"{line}\n" for line, _seen in told.values())
    paused.lab.exec(NODE, "tee", "-a", KERNEL_LOG, stdin=text)
    # A line that only follows another one is taken as such, and its class may be promoted by a repetition.
    wanted = {(seen.fault_class, seen.device, seen.code) for _line, seen in told.values()}

    def recorded():
        query = f"SELECT fault_class, device, code FROM signals WHERE node = '{NODE}' AND id > {newest}"
        seen = {tuple(row) for row in paused.sql(query)}
        return seen if len({row[1:] for row in seen}) >= len({item[1:] for item in wanted}) else None

    seen = paused.until("every line is in the ledger", 60, recorded)
    missing = {item for item in wanted if item[1:] not in {row[1:] for row in seen}}
    assert not missing


@dataclass(frozen=True)
class Drill:
    """A drill on one node: how it is asked for, and how its case has to end."""

    node: str
    fault: str
    state: str
    steps: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    otherwise: tuple[tuple[str, ...], ...] = ()

    def __str__(self) -> str:
        return self.fault


def repaired(*repairs: str) -> tuple[str, ...]:
    return ("cordon", "evidence", "drain", *repairs, "validate", "resume")


# An alert that a drill raises ends with the drill, and the case only then.
ALERT = ("drill_as=alert", "drill_until=repaired")
# The alert of a class that has no repair, or whose workflow waits for nothing.
TOLD = ("drill_as=alert",)
# All that the simulator can break, and one drill of every other repair that a container can take. Nodes are drilled
# side by side, each fault after the other. What Prometheus tells after minutes only (hot, pcie-width, ecc) is raised as
# its alert; that the rules see the simulator's fault is a test of its own. Not here: what a container has not, such as
# network ports, kernel modules that can be loaded, file systems to check.
DRILLS = (
    Drill("gpu1", "gpu_ecc_uncorrectable", "returned", repaired("reset")),
    # XID 154 follows, and says that the GPU is to be drained and reset.
    Drill("gpu1", "gpu_row_remap_pending", "returned", repaired("reset")),
    # No kernel module can be unloaded in a container: the next repair of the ladder is taken.
    Drill("gpu1", "driver_mismatch", "returned", repaired("reload_driver", "reboot")),
    # No query is answered, so Prometheus may miss the GPU before it is reset, or the reset may: then the node restarts.
    Drill(
        "gpu2",
        "gpu_gsp_error",
        "returned",
        repaired("reset"),
        otherwise=(repaired("reboot"), repaired("reset", "reboot")),
    ),
    Drill("gpu2", "nvlink_fatal", "returned", repaired("reset_group")),
    # The loop may not read the certificates of the site: the role leaves those of the node as they are.
    Drill("gpu2", "driver_not_loaded", "returned", repaired("converge")),
    Drill(
        "gpu3",
        "gpu_ecc_contained",
        "returned",
        ("notify", "await_idle", "cordon", "evidence", "reset", "validate", "resume"),
    ),
    Drill("gpu3", "gpu_row_remap_failure", "returned", repaired("reset")),
    Drill("gpu3", "pcie_degraded", "returned", repaired("reboot"), ALERT),
    Drill("gpu3", "unit_failed", "resolved", ("evidence", "restart_service", "await_clear"), ALERT),
    Drill("gpu4", "gpu_graphics_exception", "resolved", ("notify",)),
    Drill("gpu4", "filesystem_full", "resolved", ("evidence", "clean", "await_clear"), ALERT),
    Drill(
        "gpu4",
        "gpu_thermal_throttle",
        "returned",
        ("await_idle", "cordon", "evidence", "validate", "resume"),
        TOLD,
    ),
    # The ticket is settled when the drill takes its alert back.
    Drill("gpu4", "gpu_wearing", "resolved", ("evidence", "ticket"), TOLD),
    Drill("gpu4", "gpu_aux_power", "quarantined", ("cordon", "evidence", "drain", "ticket")),
)


# Faults of the simulator that rules hold for minutes, and the alert of each.
SEEN_BY_RULES = {
    "hot": "GpuThermalThrottle",
    "pcie-width": "PcieDegraded",
    "ecc": "GpuCorrectedErrorsMany",
}


class Drills:
    """Runs the playbook aidc.ops.drill on the controller, as a person would."""

    def __init__(self, loop: Any) -> None:
        self.loop = loop

    def run(self, drill: Drill, *more: str) -> str:
        """Run it to its end; return what it printed. AssertionError if it failed."""
        log = LOGS / f"drill-{drill.node}-{drill.fault}.log"
        words = [
            f"drill_class={drill.fault}",
            f"target={drill.node}",
            "drill_gpu=2",
            "drill_wait_seconds=300",
            *drill.arguments,
        ]
        command = [
            *("podman", "exec", "--env=ANSIBLE_CONFIG=/etc/aidc_ops/ansible.cfg", container(SCENARIO, "ctl")),
            *(f"{VENV}/bin/ansible-playbook", "aidc.ops.drill"),
            *(part for word in words for part in ("-e", word)),
            *more,
        ]
        status = self.loop.lab.stream(command, log)
        text = log.read_text()
        assert status == 0, text[-3000:]
        latencies.keep(drill.fault, drill.node, text)
        return text

    def case(self, drill: Drill, before: int) -> dict[str, Any] | None:
        """The case that it made, once that has ended."""
        for case in self.loop.cases_after(before):
            # What follows the fault may be the stronger one, and gives the case its name.
            if (case["node"], case["state"]) == (drill.node, drill.state) and drill.fault in case["fault_classes"]:
                return {**case, "steps": self.steps(case["case_id"])}
        return None

    def steps(self, case_id: int) -> tuple[str, ...]:
        """The steps that a case has taken, each once."""
        begun = [event["step"] for event in self.loop.timeline(case_id) if event["kind"] == "begun"]
        return tuple(dict.fromkeys(begun))


@pytest.fixture(scope="module")
def drilled(healthy) -> Iterator[dict[Drill, dict[str, Any] | BaseException]]:
    """Of each drill the case that it made, or why it made none."""
    drills = Drills(healthy)
    # A place that may be cleaned: remediation_clean_paths of the lab keeps one MiB of what is older than a week.
    script = "mkdir -p /scratch && cd /scratch && head -c 2M /dev/zero > old && head -c 1000 /dev/zero > new"
    healthy.lab.exec("gpu4", "sh", "-c", f"{script} && touch -d '30 days ago' old")

    def one_after_the_other(node: str) -> dict[Drill, dict[str, Any] | BaseException]:
        ended: dict[Drill, dict[str, Any] | BaseException] = {}
        for drill in (item for item in DRILLS if item.node == node):
            before = healthy.last_case()
            try:
                drills.run(drill, "-e", "drill_confirm=true")
                ended[drill] = healthy.until(str(drill), 60, partial(drills.case, drill, before))
            except (AssertionError, pytest.fail.Exception) as error:
                ended[drill] = error
        return ended

    nodes = sorted({drill.node for drill in DRILLS})
    with ThreadPoolExecutor(len(nodes)) as pool:
        yield {drill: end for ended in pool.map(one_after_the_other, nodes) for drill, end in ended.items()}
    healthy.story.reset()


def test_the_drill_of_a_full_filesystem_removed_what_was_old(drilled, healthy) -> None:
    assert healthy.lab.exec("gpu4", "ls", "/scratch").split() == ["new"]


@pytest.mark.parametrize("drill", DRILLS, ids=str)
def test_a_drill_ends_as_it_should(drilled, drill: Drill) -> None:
    ended = drilled[drill]
    if isinstance(ended, BaseException):
        raise ended
    assert ended["steps"] in (drill.steps, *drill.otherwise)


def test_a_drill_goes_the_way_that_check_mode_says(healthy) -> None:
    """A GPU reset: Xid 109 on a GPU that is healthy."""
    drills = Drills(healthy)
    drill = Drill(NODE, "gpu_context_timeout", "returned", repaired("reset"))
    before = healthy.last_case()
    announced = drills.run(drill, "--check")
    drills.run(drill, "-e", "drill_confirm=true")
    case = drills.case(drill, before)
    shown = re.search(r"; then ([a-z_, ]+)", announced)
    assert case is not None and shown is not None
    assert tuple(shown[1].split(", ")) == case["steps"]


def test_a_bmc_that_is_silent_is_restarted_through_redfish(bmc, healthy) -> None:
    drill = Drill(bmc.name, "bmc_unreachable", "resolved", ("bmc_reset", "await_clear"), ALERT)
    drills, before = Drills(healthy), healthy.last_case()
    drills.run(drill, "-e", "drill_confirm=true")
    case = healthy.until("the case is over", 120, lambda: drills.case(drill, before))
    assert case["steps"] == drill.steps
    assert [entry["message"] for entry in bmc.logs].count("The BMC was restarted.") == 1


def test_what_no_reboot_heals_ends_with_one_power_cycle(bmc, healthy) -> None:
    """The GPU is away until the power was off: a reboot is tried before, once."""
    steps = repaired("reboot", "power_cycle")
    drill = Drill(bmc.name, "gpu_fell_off_bus", "returned", steps, ("drill_permanent=true",))
    drills, before = Drills(healthy), healthy.last_case()
    drills.run(drill, "-e", "drill_confirm=true")
    case = healthy.until("the node is back", 60, lambda: drills.case(drill, before))
    assert case["steps"] == steps
    assert [entry["message"] for entry in bmc.logs].count("The server was reset: ForceOff.") == 1


@pytest.mark.parametrize(("fault", "alert"), SEEN_BY_RULES.items())
def test_the_rules_see_what_the_simulator_breaks(healthy, fault: str, alert: str) -> None:
    """They hold it for minutes before they fire, so that it is pending is all that is waited for."""
    node, slot = "gpu1", "6"
    expression = f'ALERTS{{alertname="{alert}",instance="{node}",gpu="{slot}"}}'
    ask = ("--get", "--data-urlencode", f"query={expression}")

    def pending() -> list[Any]:
        return list(json.loads(healthy.lab.ask(9090, "api/v1/query", *ask))["data"]["result"])

    assert pending() == []
    healthy.lab.exec(node, "gpusim", "inject", fault, "--gpu", slot, "--no-log")
    try:
        healthy.until(f"{alert} is pending", 90, pending)
    finally:
        healthy.lab.exec(node, "gpusim", "replace", "--gpu", slot)
    # An increase is seen for an hour, also that of a board which is gone; so this comes last.
    if fault != "ecc":
        healthy.until(f"{alert} is over", 60, lambda: not pending())
