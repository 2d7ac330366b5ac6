# Tests what steps make of the answers of modules: what they choose to act on, and how they say that they ended.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from render import load_variables

ROLE = Path(__file__).resolve().parents[3] / "roles" / "remediation"
GPU, OTHER = "gpu:0000:1b:00", "gpu:0000:2b:00"
HOSTILE = "{{ lookup('ansible.builtin.pipe', 'id') }}"


def flat(tasks: Any) -> Iterator[dict[str, Any]]:
    for task in tasks or []:
        yield task
        for part in ("block", "rescue", "always"):
            yield from flat(task.get(part))


def templar(names: dict[str, Any]) -> Templar:
    known: dict[str, Any] = {"inventory_hostname": "gpu1", "ansible_facts": {}}
    for source in ("defaults/main.yml", "vars/main.yml"):
        known.update(load_variables(ROLE / source))
    known.update(names)
    return Templar(DataLoader(), variables=known)


def task_of(file: str, name: str) -> dict[str, Any]:
    tasks = DataLoader().load_from_file(str(ROLE / "tasks" / file), cache="none", trusted_as_template=True)
    return next(task for task in flat(tasks) if task.get("name") == name)


def facts(
    file: str, name: str, devices: list[str] | None = None, context: dict[str, Any] | None = None, **names: Any
) -> Any:
    """The facts that a task of a file sets, with what was registered before it."""
    task = task_of(file, name)
    grant = {
        "node": "gpu1",
        "devices": [GPU] if devices is None else devices,
        "all_devices": [GPU],
        "fault_class": "gpu_stopped",
        "fault_classes": ["gpu_stopped"],
        "jobs": [],
        "drained": None,
        "force": False,
        "boot_before": None,
        **(context or {}),
    }
    known = {"__remediation_grant": {"context": grant, "resumed": False}, **names, **(task.get("vars") or {})}
    return templar(known).template(task["ansible.builtin.set_fact"])


def ended(file: str, name: str, **names: Any) -> tuple[str, str, dict[str, Any]]:
    result = facts(file, name, **names)["__remediation_result"]
    return result["outcome"], result["detail"]["text"], dict(result["detail"])


def looped(item: str, **answer: Any) -> dict[str, Any]:
    return {"__remediation_item": item, **answer}


HEALTHY = {"gpus": [{"device": GPU, "lost": False, "error": None}, {"device": OTHER, "lost": False, "error": None}]}
REFUSED = {
    "reset": False,
    "in_progress": False,
    "refused": True,
    "msg": "the GPU was not reset: in use",
    "holders": [{"pid": 7, "name": "dcgm", "unit": None}],
}
DONE = {"reset": True, "in_progress": False, "refused": False, "holders": []}
RUNNING = {"reset": False, "in_progress": True, "refused": False, "holders": []}


@pytest.mark.parametrize(
    ("results", "gpus", "outcome", "text"),
    [
        ([looped(GPU, **DONE)], HEALTHY, "done", GPU),
        ([looped(GPU, **RUNNING)], HEALTHY, "waiting", GPU),
        (
            [looped(GPU, **DONE)],
            {"gpus": [{"device": GPU, "lost": True, "error": None}]},
            "failed",
            "no answer after the reset",
        ),
        ([looped(GPU, **DONE)], {"msg": "the driver hangs"}, "failed", "no answer after the reset"),
        ([looped(GPU, **REFUSED)], HEALTHY, "failed", "in use"),
        ([looped(GPU, msg="no nvidia-smi")], HEALTHY, "failed", "no nvidia-smi"),
        ([looped(GPU, **DONE), looped(OTHER, **REFUSED)], HEALTHY, "failed", "in use"),
    ],
)
def test_a_reset(results: list[Any], gpus: dict[str, Any], outcome: str, text: str) -> None:
    names = {"__remediation_reset": {"results": results}, "__remediation_gpus": gpus, "__remediation_scope": "device"}
    names["__remediation_to_reset"] = [one["__remediation_item"] for one in results]
    found = ended("reset_gpus.yml", "Note how it ended", **names)
    assert found[0] == outcome and text in found[1]
    refused = any(one.get("refused") for one in results)
    assert found[2].get("reset_refused", False) is refused
    if refused:
        assert (found[2]["fault_class"], found[2]["holders"]) == ("gpu_reset_refused", ["dcgm"])


@pytest.mark.parametrize(
    ("answer", "outcome", "text"),
    [
        ({"reloaded": True, "in_progress": False, "version": "580.95.05", "refused": False}, "done", "580.95.05"),
        ({"reloaded": False, "in_progress": True, "refused": False, "version": None}, "waiting", "being reloaded"),
        ({**REFUSED, "reloaded": False, "version": None, "msg": "a process uses it"}, "failed", "a process uses it"),
        ({"msg": "no modprobe"}, "failed", "no modprobe"),
    ],
)
def test_a_reload_of_the_driver(answer: dict[str, Any], outcome: str, text: str) -> None:
    found = ended("reload_gpu_driver.yml", "Note how it ended", __remediation_driver=answer)
    assert found[0] == outcome and text in found[1]
    assert found[2].get("reset_refused", False) is bool(answer.get("refused"))


UNITS = """Id=slurmd.service
LoadState=loaded
ActiveState=failed
UnitFileState=enabled

Id=munge.service
LoadState=loaded
ActiveState=inactive
UnitFileState=enabled

Id=chrony.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled

Id=prometheus-node-exporter.service
LoadState=loaded
ActiveState=inactive
UnitFileState=disabled

Id=sshd.service
LoadState=loaded
ActiveState=failed
UnitFileState=enabled

Id=dcgm.service
LoadState=not-found
ActiveState=inactive
UnitFileState="""


@pytest.mark.parametrize(
    ("of_class", "chosen"),
    [
        ([], ["slurmd.service", "munge.service"]),
        (["chrony.service"], ["slurmd.service", "munge.service", "chrony.service"]),
    ],
)
def test_which_services_are_restarted(of_class: list[str], chosen: list[str]) -> None:
    allowed = ["slurmd.service", "munge.service", "chrony.service", "prometheus-node-exporter.service", "dcgm.service"]
    found = facts(
        "step_restart_service.yml",
        "Choose those that should run and do not",
        __remediation_units={"stdout": UNITS},
        __remediation_of_class=of_class,
        __remediation_allowed=allowed,
    )
    assert found["__remediation_stopped"] == chosen, "sshd is in no list, and the exporter is disabled"


@pytest.mark.parametrize(
    ("fault_class", "devices", "of_class", "named"),
    [
        ("clock_skew", ["node"], ["chrony.service", "chronyd.service"], []),
        ("unit_failed", ["unit:slurmd.service"], [], ["slurmd.service"]),
        ("unit_failed", [f"unit:{HOSTILE}"], [], [HOSTILE]),
    ],
)
def test_which_services_come_into_question(
    fault_class: str, devices: list[str], of_class: list[str], named: list[str]
) -> None:
    found = facts(
        "step_restart_service.yml",
        "Take the units that come into question",
        devices,
        {"fault_class": fault_class},
    )
    assert (found["__remediation_of_class"], found["__remediation_named"]) == (of_class, named)
    assert "slurmd.service" in found["__remediation_allowed"] and HOSTILE not in found["__remediation_allowed"]


@pytest.mark.parametrize(
    ("budget", "states", "outcome", "text"),
    [
        ('{"allowed": [], "refused": []}', [], "done", "nothing had to be restarted"),
        ('{"allowed": ["a.service"], "refused": []}', ["active"], "done", "restarted: a.service"),
        ('{"allowed": ["a.service"], "refused": []}', ["failed"], "failed", "not active after the restart: a.service"),
        ('{"allowed": [], "refused": ["a.service"]}', [], "failed", "restarted too often lately: a.service"),
    ],
)
def test_how_restarts_end(budget: str, states: list[str], outcome: str, text: str) -> None:
    active = {"results": [looped("a.service", stdout=state) for state in states]}
    found = ended(
        "step_restart_service.yml",
        "Note what was restarted",
        __remediation_budget={"stdout": budget},
        __remediation_active=active,
    )
    assert found[0] == outcome and text in found[1]


PLACES = [
    {"path": "/scratch/tmp", "older_than": "3d"},
    {"path": "/var/log/pods/"},
    {"path": "/scratch2", "target_free_percent": 5},
]


@pytest.mark.parametrize(
    ("devices", "chosen"),
    [
        (["filesystem:/scratch"], ["/scratch/tmp"]),
        (["filesystem:/scratch/"], ["/scratch/tmp"]),
        (["filesystem:/scratch2"], ["/scratch2"]),
        (["filesystem:/"], ["/scratch/tmp", "/var/log/pods/", "/scratch2"]),
        (["filesystem:/var", "filesystem:/scratch"], ["/scratch/tmp", "/var/log/pods/"]),
        (["filesystem:/home"], []),
        (["filesystem:/scratch/tmp/deeper"], []),
        ([f"filesystem:/{HOSTILE}", "node"], []),
    ],
)
def test_what_is_cleaned(devices: list[str], chosen: list[str]) -> None:
    found = facts(
        "step_clean.yml", "Choose what lies on the filesystems that are named", devices, remediation_clean_paths=PLACES
    )
    places = found["__remediation_places"]
    assert [place["path"] for place in places] == chosen
    assert all(place["target_free_percent"] == (5 if place["path"] == "/scratch2" else 20) for place in places)


@pytest.mark.parametrize(("met", "outcome"), [(True, "done"), (False, "failed")])
def test_how_cleaning_ends(met: bool, outcome: str) -> None:
    cleaned = {"targets_met": met, "removed_count": 3, "freed_bytes": 2_500_000_000}
    found = ended("step_clean.yml", "Note what became free", __remediation_cleaned=cleaned)
    assert found[0] == outcome and "3 files with 2.5 GB" in found[1] and found[2]["freed_bytes"] == 2_500_000_000


@pytest.mark.parametrize(
    ("devices", "ports", "adapters"),
    [
        (["nic:mlx5_0"], ["mlx5_0"], []),
        (["nic:mlx5_0/1", "nic:ib6"], ["mlx5_0/1", "ib6"], []),
        (["nic:0000:5c:00.1"], [], ["0000:5c:00.1"]),
        (["nic:0000:5c:00"], [], ["0000:5c:00.0"]),
        ([f"nic:{HOSTILE}", "nic:--help", "node", "nic:a b"], [], []),
    ],
)
def test_which_ports_are_named(devices: list[str], ports: list[str], adapters: list[str]) -> None:
    found = facts("ports.yml", "Take the adapters that are named", devices)
    assert (found["__remediation_ports"], found["__remediation_adapters"]) == (ports, adapters)


def test_the_names_of_adapters_with_an_address() -> None:
    names = {"results": [{"stdout_lines": ["mlx5_3", "ibp92s0"]}, {"stdout_lines": []}, {"msg": "no find"}]}
    found = facts("ports.yml", "Add them", __remediation_ports=["ib6"], __remediation_names=names)
    assert found["__remediation_ports"] == ["ib6", "mlx5_3"]


@pytest.mark.parametrize(
    ("results", "outcome"),
    [
        ([{"reset": True, "in_progress": False}], "done"),
        ([{"reset": True, "in_progress": False}, {"reset": False, "in_progress": True}], "waiting"),
        ([{"reset": False, "in_progress": False}], "failed"),
    ],
)
def test_how_a_reset_of_ports_ends(results: list[Any], outcome: str) -> None:
    names = {"__remediation_reset": {"results": results}, "__remediation_ports": ["ib6"]}
    assert ended("ports.yml", "Note how it ended", **names)[0] == outcome


@pytest.mark.parametrize(
    ("in_band", "from_here", "outcome", "text"),
    [
        ({"reset": True}, {"skipped": True}, "done", "answers"),
        ({"reset": False, "msg": "no /dev/ipmi0"}, {"reset": True}, "done", "answers"),
        ({"skipped": True}, {"reset": False, "in_progress": True}, "waiting", "did not come back"),
        ({"reset": False, "msg": "no /dev/ipmi0"}, {"skipped": True}, "failed", "no /dev/ipmi0"),
    ],
)
def test_a_restart_of_the_bmc(in_band: dict[str, Any], from_here: dict[str, Any], outcome: str, text: str) -> None:
    names = {"__remediation_in_band": in_band, "__remediation_from_here": from_here}
    found = ended("step_bmc_reset.yml", "Note how it ended", **names)
    assert found[0] == outcome and text in found[1]


@pytest.mark.parametrize(
    ("forced", "outcome", "text"),
    [
        ({"changed": False, "skipped": True}, "waiting", "asked to restart the node"),
        ({"changed": True, "in_progress": False, "uncertain": False}, "waiting", "by force"),
        ({"changed": False, "msg": "refused", "uncertain": False}, "failed", "refused"),
        ({"changed": True, "msg": "no answer", "uncertain": True}, "waiting", "no answer"),
    ],
)
def test_a_reboot_through_the_bmc(forced: dict[str, Any], outcome: str, text: str) -> None:
    names = {"__remediation_graceful": {"changed": True, "reset_type": ""}, "__remediation_reached": False}
    found = ended("reboot_bmc.yml", "Note what was asked of it", __remediation_forced=forced, **names)
    assert found[0] == outcome and text in found[1]


NOTHING = {"msg": "wrong password", "reset_type": "", "uncertain": False}
SENT = {"msg": "the server stayed on", "reset_type": "ForceRestart", "uncertain": False}
UNSURE = {"msg": "no answer", "reset_type": "", "uncertain": True}
SKIPPED = {"changed": False, "skipped": True}


@pytest.mark.parametrize(
    ("before", "graceful", "forced", "reached"),
    [
        (False, NOTHING, NOTHING, False),
        (False, NOTHING, SKIPPED, False),
        (False, SENT, NOTHING, True),
        (False, NOTHING, SENT, True),
        (False, UNSURE, SKIPPED, True),
        (True, NOTHING, NOTHING, True),
    ],
)
def test_a_reboot_that_the_bmc_never_got_reached_nothing(
    before: bool, graceful: dict[str, Any], forced: dict[str, Any], reached: bool
) -> None:
    names = {"__remediation_graceful": graceful, "__remediation_forced": forced, "__remediation_reached": before}
    assert facts("reboot_bmc.yml", "Note what was asked of it", **names)["__remediation_reached"] is reached


@pytest.mark.parametrize(
    ("before", "failed", "reached"),
    [
        # The check that the node has a BMC, and a BMC that let nobody in.
        (False, {"msg": "nobody says where its BMC is"}, False),
        (False, NOTHING, False),
        (False, SENT, True),
        (False, UNSURE, True),
        (True, {"msg": "x"}, True),
    ],
)
def test_a_step_that_fails_tells_whether_it_got_to_the_hardware(
    before: bool, failed: dict[str, Any], reached: bool
) -> None:
    names = {"ansible_failed_result": failed, "ansible_failed_task": {"name": "Cut the power"}}
    found = facts("round.yml", "Note the failure", __remediation_reached=before, **names)
    assert found["__remediation_reached"] is reached
    told = {
        "__remediation_step": "power_cycle",
        "__remediation_result": found["__remediation_result"],
        "__remediation_reached": found["__remediation_reached"],
    }
    detail = task_of("round.yml", "Finish {{ __remediation_step }}")["aidc.ops.case_step"]["detail"]
    assert templar(told).template(detail).get("reached", True) is reached
    # Other steps do not tell, and what went well is never left out of the count.
    assert "reached" not in templar({**told, "__remediation_step": "reset"}).template(detail)
    told["__remediation_result"] = {"outcome": "done", "detail": {"text": "x"}}
    assert templar(told).template(detail) == {"text": "x"}


@pytest.mark.parametrize("resumed", [True, False])
def test_of_a_step_that_was_begun_before_nobody_says_that_it_reached_nothing(resumed: bool) -> None:
    known = {"__remediation_grant": {"resumed": resumed}}
    task = task_of("round.yml", "Note that nothing was asked of the hardware yet")
    assert templar(known).template(task["ansible.builtin.set_fact"]) == {"__remediation_reached": resumed}


def true(file: str, name: str, **names: Any) -> bool:
    """Whether the conditions of a task hold."""
    task = task_of(file, name)
    conditions = task["when"] if isinstance(task["when"], list) else [task["when"]]
    known = {**names, **(task.get("vars") or {})}
    return all(templar(known).evaluate_conditional(condition) for condition in conditions)


@pytest.mark.parametrize(
    ("elapsed", "graceful", "forces"),
    [
        (10, {"changed": True, "uncertain": False}, False),
        (10, {"msg": "no such thing", "uncertain": False}, True),
        (10, {"msg": "no answer", "uncertain": True}, False),
        (479, {"changed": False, "uncertain": False}, False),
        (481, {"changed": False, "uncertain": False}, True),
    ],
)
def test_when_the_bmc_forces_the_restart(elapsed: float, graceful: dict[str, Any], forces: bool) -> None:
    names = {"__remediation_elapsed": elapsed, "__remediation_graceful": graceful}
    assert true("reboot_bmc.yml", "Force the restart", **names) is forces


@pytest.mark.parametrize(
    ("resumed", "now", "before", "younger", "done"),
    [
        (True, "b:2", "b:1", False, True),
        (True, "b:1", "b:1", False, False),
        (False, "b:2", "b:1", False, False),
        (True, "", "b:1", False, False),
        (True, "b:2", None, True, True),
        (True, "b:2", None, False, False),
    ],
)
def test_when_a_power_cycle_is_done(resumed: bool, now: str, before: str | None, younger: bool, done: bool) -> None:
    names = {
        "__remediation_grant": {"resumed": resumed, "context": {"boot_before": before}},
        "__remediation_boot_now": now,
        "__remediation_younger": younger,
    }
    assert true("step_power_cycle.yml", "Note that it is in another boot", **names) is done


@pytest.mark.parametrize(
    ("context", "names", "outcome", "text"),
    [
        ({"drained": True}, {}, "done", "no job runs"),
        ({"drained": None}, {}, "waiting", "could not be asked"),
        ({"drained": False, "jobs": [7, 8]}, {}, "waiting", "7, 8"),
        (
            {"drained": False, "jobs": [7], "force": True},
            {"node": {"drained": True, "jobs": []}},
            "done",
            "no job runs",
        ),
        (
            {"drained": False, "jobs": ["a/b"]},
            {"moved": {"drained": False, "jobs": ["a/b"]}},
            "waiting",
            "a/b; it is protected",
        ),
    ],
)
def test_a_drain(context: dict[str, Any], names: dict[str, Any], outcome: str, text: str) -> None:
    evicted = {"node": names["node"], "waiting": []} if "node" in names else {"skipped": True}
    moved = {"node": names["moved"], "waiting": ["it is protected"]} if "moved" in names else {"skipped": True}
    found = ended(
        "step_drain.yml",
        "Note whether it is empty",
        context=context,
        __remediation_evicted=evicted,
        __remediation_moved=moved,
    )
    assert found[0] == outcome and text in found[1]


@pytest.mark.parametrize(
    ("context", "outcome"),
    [
        ({"drained": False, "jobs": []}, "done"),
        ({"drained": False, "jobs": [7]}, "waiting"),
        ({"drained": None, "jobs": []}, "waiting"),
    ],
)
def test_waiting_for_idleness(context: dict[str, Any], outcome: str) -> None:
    assert ended("step_await_idle.yml", "Note whether it is idle", context=context)[0] == outcome


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ({"sent": ["mail", "webhook"], "problems": []}, "told by mail, webhook"),
        ({"sent": [], "problems": []}, "nobody is to be told"),
        ({"sent": ["mail"], "problems": ["webhook: 503"]}, "told by mail; webhook: 503"),
        ({"sent": [], "problems": ["webhook: 503"]}, "nobody was told; webhook: 503"),
        ({"msg": "broken"}, "nobody was told; broken"),
    ],
)
def test_a_message_never_fails_a_case(told: dict[str, Any], text: str) -> None:
    found = ended("step_notify.yml", "Note who was told", __remediation_told=told)
    assert found[:2] == ("done", text)


@pytest.mark.parametrize(
    ("stdout", "rc", "minimum", "result"),
    [
        ("# Avg bus bandwidth    : 47.6\n", 0, 40, "pass"),
        ("# Avg bus bandwidth    : 37.6\n", 0, 40, "fail"),
        ("# Avg bus bandwidth    : 37.6\n", 0, 0, "warn"),
        ("nothing\n", 0, 40, "fail"),
        ("# Avg bus bandwidth    : 47.6\n", 1, 40, "fail"),
    ],
)
def test_the_bandwidth_to_a_peer(stdout: str, rc: int, minimum: float, result: str) -> None:
    found = facts(
        "examine_pair.yml",
        "Judge it",
        __remediation_pair={"stdout": stdout, "rc": rc},
        remediation_validate_peer="gpu9",
        remediation_validate_peer_minimum=minimum,
    )["__remediation_pairwise"]
    assert found["result"] == found["measurements"][0]["result"] == result


HOLDERS = """Id=nvidia-persistenced.service
LoadState=loaded
ActiveState=inactive
UnitFileState=enabled

Id=dcgm-exporter.service
LoadState=loaded
ActiveState=active
UnitFileState=disabled

Id=nvidia-dcgm.service
LoadState=loaded
ActiveState=inactive
UnitFileState=disabled

Id=aidc-gpu-exporter.service
LoadState=not-found
ActiveState=inactive
UnitFileState="""


def test_which_holders_are_stopped_and_started() -> None:
    found = facts("holders_stop.yml", "Remember them", __remediation_holders={"stdout": HOLDERS})
    assert found["__remediation_paused"] == ["nvidia-persistenced.service", "dcgm-exporter.service"]
    known = {"__remediation_paused": found["__remediation_paused"]}
    stop = templar(known).template(task_of("holders_stop.yml", "Stop what holds GPUs open")["loop"])
    start = templar(known).template(task_of("holders_start.yml", "Start what was stopped")["loop"])
    assert list(stop) == ["dcgm-exporter.service", "nvidia-persistenced.service"] and list(start) == list(stop)[::-1]


def test_the_spares_that_are_free() -> None:
    free = {
        "results": [looped("s1", changed=False, msg="foreign"), looped("s2", changed=True), looped("s3", changed=True)]
    }
    assert facts("step_swap_spare.yml", "Take the first", __remediation_free=free) == {"__remediation_spare": "s2"}


@pytest.mark.parametrize(
    ("preview", "text"),
    [
        (["cordon", "evidence", "reset", "validate"], "evidence, reset, validate;"),
        (["cordon"], "evidence;"),
        (None, "evidence;"),
    ],
)
def test_the_way_of_a_case(preview: list[str] | None, text: str) -> None:
    task = task_of("preview.yml", "Say what would be done")
    case = {"case_id": 7, "node": "gpu1", "fault_class": "gpu_stopped", "step": "evidence"}
    way = {"cases": [{} if preview is None else {"preview": preview}]}
    names = {"__remediation_case": case, "__remediation_way": way, **task["vars"]}
    shown = templar(names).template(task["ansible.builtin.debug"]["msg"])
    assert shown.startswith(f"case 7 on gpu1 (gpu_stopped): {text}")
