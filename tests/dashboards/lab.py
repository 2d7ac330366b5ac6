# Two hours of a small data centre as an OpenMetrics file: GPU nodes with faults, Slurm, Kubernetes, the loop, runs.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names are compared with the sources of the exporters in test_names.py."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

SECONDS = 7200
STEP = 60
GIB = 1 << 30
MODEL = "NVIDIA H100 80GB HBM3"
PLACES = {
    "gpu1": {"rack": "r1", "leaf": "l1"},
    "gpu2": {"rack": "r1", "leaf": "l1"},
    "gpu3": {"rack": "r2", "leaf": "l2"},
    "gpu4": {"rack": "r2", "leaf": "l2"},
    "store1": {"rack": "r2", "leaf": "l2"},
}
GPU_NODES = [name for name in PLACES if name.startswith("gpu")]
GPUS = 8
# Its GPUs are held and do nothing; this GPU has every fault; this node does not answer.
IDLE, SICK, SILENT = "gpu4", ("gpu2", 3), "store1"

Course = Callable[[float], float]
"""A value by the seconds since the begin."""


def flat(value: float) -> Course:
    """Always the same."""
    return lambda _second: value


def grows(per_second: float, start: float = 0.0) -> Course:
    """A counter."""
    return lambda second: start + math.floor(per_second * second)


def wave(low: float, high: float, phase: float = 0.0) -> Course:
    """Up and down in an hour."""
    return lambda second: low + (high - low) * (1 + math.sin(second / 573 + phase)) / 2


@dataclass
class Lab:
    """All series: by the name of their metric, labels and course."""

    families: dict[str, list[tuple[dict[str, str], Course]]] = field(default_factory=dict)

    def add(self, name: str, labels: Mapping[str, str], course: Course | float) -> None:
        """One more series."""
        made = course if callable(course) else flat(course)
        self.families.setdefault(name, []).append((dict(labels), made))

    def openmetrics(self, end: float) -> Iterator[str]:
        """The file, one metric after the other as the format wants it; the last samples are of *end*."""
        begin = end - SECONDS
        for name, series in self.families.items():
            for labels, course in series:
                inner = ",".join(f"{label}={json.dumps(text)}" for label, text in labels.items())
                for second in range(0, SECONDS + 1, STEP):
                    yield f"{name}{{{inner}}} {course(second):.10g} {begin + second:.3f}\n"
        yield "# EOF\n"


def lab() -> Lab:
    """The whole data centre."""
    made = Lab()
    for number, name in enumerate(PLACES):
        node(made, name, number)
    for number, name in enumerate(GPU_NODES):
        for index in range(GPUS):
            gpu(made, name, index, number)
        made.add("aidc_nvml_up", {"job": "gpu_exporter", **at(name)}, 1)
        made.add("aidc_gpu_exporter_stale", {"job": "gpu_exporter", **at(name)}, 0)
    # A driver that does not answer: its GPUs are gone.
    made.add("aidc_nvml_up", {"job": "gpu_exporter", **at("store1")}, 0)
    switch(made)
    slurm(made)
    kubernetes(made)
    loop(made)
    runs(made)
    return made


def at(name: str) -> dict[str, str]:
    """The labels of everything that comes from a node."""
    return {"instance": name, **PLACES[name]}


def node(made: Lab, name: str, number: int) -> None:
    """What node_exporter, disk_exporter and bmc_exporter tell of a node."""
    place = {"job": "node_exporter", **at(name)}
    for job in ("node_exporter", "gpu_exporter"):
        made.add("up", {**place, "job": job}, 0 if name == SILENT else 1)
    for cpu in ("0", "1"):
        for mode, speed in (("idle", 0.6), ("user", 0.3), ("system", 0.08), ("iowait", 0.02)):
            made.add("node_cpu_seconds_total", {**place, "cpu": cpu, "mode": mode}, lambda s, v=speed: v * s)
    made.add("node_boot_time_seconds", place, 1_700_000_000)
    made.add("node_memory_MemTotal_bytes", place, 1024 * GIB)
    made.add("node_memory_MemAvailable_bytes", place, wave(300 * GIB, 700 * GIB, number))
    for kind, speed in (("cpu", 0.02), ("memory", 0.001), ("io", 0.05)):
        made.add(f"node_pressure_{kind}_waiting_seconds_total", place, lambda s, v=speed: v * s)
    for mount, start, loss in (("/", 40 * GIB, 0), ("/scratch", 400 * GIB, 50e6), ("/full", GIB, 0)):
        files = {**place, "device": f"/dev/nvme0n1p{len(mount)}", "mountpoint": mount, "fstype": "ext4"}
        made.add("node_filesystem_size_bytes", files, {"/": 60, "/scratch": 1000, "/full": 100}[mount] * GIB)
        made.add("node_filesystem_avail_bytes", files, lambda s, a=start, b=loss: a - b * s)
        made.add("node_filesystem_files", files, 1e6)
        made.add("node_filesystem_files_free", files, 9e5)
        made.add("node_filesystem_readonly", files, int(mount == "/full" and name == "gpu3"))
        made.add("node_filesystem_device_error", files, 0)
    for disk in ("nvme0n1", "nvme1n1"):
        drive = {**place, "device": disk}
        for direction in ("read", "written"):
            made.add(f"node_disk_{direction}_bytes_total", drive, grows(2e8 + 1e7 * number))
        made.add("node_disk_io_time_seconds_total", drive, lambda s: 0.4 * s)
        for direction, verb in (("read", "reads"), ("write", "writes")):
            made.add(f"node_disk_{direction}_time_seconds_total", drive, lambda s: 0.3 * s)
            made.add(f"node_disk_{verb}_completed_total", drive, grows(700))
        worn = {**place, "device": disk}
        made.add("smartctl_device_smart_status", worn, 0 if (name, disk) == ("gpu3", "nvme1n1") else 1)
        made.add("smartctl_device_available_spare", worn, 100 - 15 * number)
        made.add("smartctl_device_percentage_used", worn, lambda s, n=number: 20 * n + s / 3600)
        made.add("smartctl_device_media_errors", worn, int(name == "gpu3"))
    for state, count in (("active", 2), ("failed", int(name == "store1")), ("spare", 0)):
        made.add("node_md_disks", {**place, "device": "md0", "state": state}, count)
    ethernet(made, place, number)
    infiniband(made, place, number)
    if name.startswith("gpu"):
        made.add("ipmi_dcmi_power_consumption_watts", {"job": "bmc_exporter", **at(name)}, wave(3000, 9000, number))


def ethernet(made: Lab, place: dict[str, str], number: int) -> None:
    """Two cards, the second without a cable."""
    for card, up in (("eth0", 1), ("eth1", 0)):
        labels = {**place, "device": card}
        made.add("node_network_up", labels, 1)
        made.add("node_network_carrier", labels, up)
        made.add("node_network_carrier_changes_total", labels, grows(0.001 * number))
        for direction in ("receive", "transmit"):
            made.add(f"node_network_{direction}_bytes_total", labels, grows(up * 1e8))
            made.add(f"node_network_{direction}_errs_total", labels, grows(0.01 * number))
        made.add("node_network_receive_drop_total", labels, grows(0.02))


def infiniband(made: Lab, place: dict[str, str], number: int) -> None:
    """Two ports; one of the third node is down, and the second node has a bad cable."""
    for adapter in ("mlx5_0", "mlx5_1"):
        port = {**place, "device": adapter, "port": "1"}
        down = number == 2 and adapter == "mlx5_1"
        made.add("node_infiniband_state_id", port, 1 if down else 4)
        made.add("node_infiniband_physical_state_id", port, 3 if down else 5)
        made.add(
            "node_infiniband_rate_bytes_per_second",
            port,
            (lambda s: 5e10 if s < 3600 else 2.5e10) if number == 1 else 5e10,
        )
        for direction in ("transmitted", "received"):
            made.add(f"node_infiniband_port_data_{direction}_bytes_total", port, grows(0 if down else 2e10))
        bad = 1 if number == 1 else 0
        made.add("node_infiniband_port_transmit_wait_total", port, grows(1000))
        made.add("node_infiniband_symbol_error_total", port, grows(bad * 0.2))
        made.add("node_infiniband_port_errors_received_total", port, grows(bad * 0.1))
        made.add("node_infiniband_link_error_recovery_total", port, grows(bad * 0.01))
        made.add("node_infiniband_link_downed_total", port, grows(bad * 0.001))
        made.add("node_infiniband_port_discards_transmitted_total", port, grows(bad * 0.5))


def switch(made: Lab) -> None:
    """What snmp_exporter tells of a switch with a port that is down."""
    for number, name in enumerate(("Ethernet1", "Ethernet2")):
        port = {
            "job": "snmp",
            "instance": "leaf1",
            "rack": "r1",
            "ifIndex": str(number),
            "ifName": name,
            "ifAlias": "gpu1",
        }
        made.add("ifAdminStatus", port, 1)
        made.add("ifOperStatus", port, 1 + number)
        made.add("ifHCOutOctets", port, grows(1e9))
        for way in ("In", "Out"):
            made.add(f"if{way}Errors", port, grows(0.1))
            made.add(f"if{way}Discards", port, grows(0.2))


def gpu(made: Lab, name: str, index: int, number: int) -> None:
    """What gpu_exporter tells of a GPU, and what the rules have made of it within the last two hours."""
    sick = (name, index) == SICK
    own = {
        "gpu": str(index),
        "UUID": f"GPU-{name}-{index}",
        "pci_bus_id": f"00000000:{index:02X}:00.0",
        "device": f"nvidia{index}",
        "modelName": MODEL,
    }
    shown = {"job": "gpu_exporter", **at(name), **own, "Hostname": name, "DCGM_FI_DRIVER_VERSION": f"5{number}0.1"}
    busy = flat(0) if name == IDLE else wave(82, 99, index)
    values: dict[str, Course | float] = {
        "DCGM_FI_DEV_GPU_TEMP": 91 if sick else wave(45, 70, index + number),
        "DCGM_FI_DEV_GPU_UTIL": busy,
        "DCGM_FI_DEV_POWER_USAGE": 80 if name == IDLE else wave(350, 690, index),
        "DCGM_FI_DEV_POWER_MGMT_LIMIT": 700,
        "DCGM_FI_DEV_FB_USED": wave(20_000, 70_000, index),
        "DCGM_FI_DEV_FB_FREE": wave(10_000, 60_000, -index),
        "DCGM_FI_DEV_SM_CLOCK": 900 if sick else 1980,
        "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL": grows(0.2 if sick else 0.001),
        "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL": grows(0.2 if sick else 0.001, 900 if sick else 3),
        "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL": int(sick),
        "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS": 5 * sick,
        "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS": 2 * sick,
        "DCGM_FI_DEV_ROW_REMAP_PENDING": int(sick),
        "DCGM_FI_DEV_ROW_REMAP_FAILURE": 0,
        "DCGM_FI_DEV_PCIE_LINK_WIDTH": 8 if sick else 16,
        "DCGM_FI_DEV_PCIE_MAX_LINK_WIDTH": 16,
        "DCGM_FI_DEV_PCIE_REPLAY_COUNTER": grows(0.3 if sick else 0.001),
        "DCGM_FI_DEV_XID_ERRORS": 63 * sick,
        "aidc_gpu_lost": 0,
        "aidc_gpu_stale": 0,
        "aidc_gpu_thermal_slowdown": int(sick),
        "aidc_gpu_nvlinks_active": (lambda s: 18 if s < 3600 else 16) if sick else 18,
        "aidc_gpu_recovery_action": int(sick),
    }
    for metric, value in values.items():
        made.add(metric, shown, value)
    if sick:
        made.add("DCGM_EXP_XID_ERRORS_COUNT", {**shown, "xid": "48"}, 1)
    # What looks back for half an hour needs something to look back at.
    recorded = {**at(name), **own}
    made.add("gpu:aidc_gpu_utilization:avg", recorded, lambda s: busy(s) / 100)
    if index == 0:
        made.add("instance:aidc_gpu_utilization:avg", at(name), lambda s: busy(s) / 100)
        made.add("instance:aidc_gpus_allocated:count", {"instance": name}, ALLOCATED[name])
        made.add("instance:aidc_power_watts:sum", {**at(name), "source": "bmc"}, wave(3000, 9000, number))


ALLOCATED = {"gpu1": 8, "gpu2": 8, "gpu3": 4, "gpu4": 8}
JOBS = (
    {"job_id": "101", "user": "ada", "account": "vision", "partition": "batch", "node": "gpu1"},
    {"job_id": "101", "user": "ada", "account": "vision", "partition": "batch", "node": "gpu2"},
    {"job_id": "102", "user": "bob", "account": "speech", "partition": "batch", "node": "gpu3"},
    {"job_id": "103", "user": "eve", "account": "speech", "partition": "debug", "node": "gpu4"},
)


def slurm(made: Lab) -> None:
    """What slurm_exporter tells."""
    place = {"job": "slurm_exporter", "instance": "ctl"}
    made.add("slurm_up", place, 1)
    for name in GPU_NODES:
        made.add("slurm_node_gpus", {**place, "node": name}, GPUS)
        made.add("slurm_node_gpus_allocated", {**place, "node": name}, ALLOCATED[name])
        states = ["mixed", "drain"] if name == "gpu2" else ["mixed"]
        for state in states:
            made.add("slurm_node_state", {**place, "node": name, "state": state}, 1)
    for partition, running, pending in (("batch", 2, 7), ("debug", 1, 1)):
        part = {**place, "partition": partition}
        for state, count in (("running", running), ("pending", pending), ("suspended", 0), ("completing", 0)):
            made.add("slurm_jobs", {**part, "state": state}, count)
        made.add("slurm_pending_gpus", part, 8 * pending)
        made.add("slurm_pending_oldest_seconds", part, lambda s: 600 + s)
        for reason, count in (("Priority", pending), ("Resources", 1)):
            made.add("slurm_pending_reason_jobs", {**part, "reason": reason}, count)
        for account, gpus in (("vision", 16), ("speech", 4)):
            if partition == "batch":
                made.add("account:aidc_gpu_hours:rate", {"account": account}, 2 * gpus)
            made.add("slurm_running_gpus", {**part, "account": account}, gpus)
        for share, bound in enumerate(("60", "600", "3600", "+Inf"), start=1):
            made.add("slurm_job_wait_seconds_bucket", {**part, "le": bound}, grows(0.01 * share))
    for job in JOBS:
        made.add("slurm_job_gpus", {**place, **job}, ALLOCATED[job["node"]])
    for job_id in sorted({job["job_id"] for job in JOBS}):
        made.add("slurm_job_start_timestamp_seconds", {**place, "job_id": job_id}, 1_700_000_000)


def kubernetes(made: Lab) -> None:
    """What kube-state-metrics and the kubelets tell."""
    place = {"job": "kube-state-metrics", "instance": "ctl"}
    for name in ("gpu3", "gpu4"):
        on = {**place, "node": name}
        made.add("kube_node_info", on, 1)
        made.add("kube_node_spec_unschedulable", on, int(name == "gpu4"))
        for condition in ("Ready", "MemoryPressure", "DiskPressure"):
            for status in ("true", "false", "unknown"):
                holds = (condition == "Ready") == (status == "true") and status != "unknown"
                made.add("kube_node_status_condition", {**on, "condition": condition, "status": status}, int(holds))
        for resource, unit, amount in (
            ("cpu", "core", 192),
            ("memory", "byte", 1e12),
            ("nvidia_com_gpu", "integer", 8),
        ):
            made.add("kube_node_status_allocatable", {**on, "resource": resource, "unit": unit}, amount)
    for namespace in ("train", "serve"):
        made.add("kube_namespace_created", {**place, "namespace": namespace}, 1_700_000_000)
        for number, phase in enumerate(("Running", "Pending", "Failed")):
            pod = {"namespace": namespace, "pod": f"{namespace}-{number}"}
            on = {**place, **pod, "node": f"gpu{3 + number % 2}"}
            made.add("kube_pod_info", on, 1)
            for one in ("Running", "Pending", "Failed", "Unknown", "Succeeded"):
                made.add("kube_pod_status_phase", {**place, **pod, "phase": one}, int(one == phase))
            inner = {**on, "container": "main"}
            for resource, amount in (("cpu", 16), ("memory", 1e11), ("nvidia_com_gpu", 2)):
                made.add("kube_pod_container_resource_requests", {**inner, "resource": resource}, amount)
            inner = {**place, **pod, "container": "main"}
            made.add("kube_pod_container_status_restarts_total", inner, grows(0.002 * number))
            made.add("kube_pod_container_status_last_terminated_exitcode", inner, 137)
            waits = {**inner, "reason": "ImagePullBackOff"}
            made.add("kube_pod_container_status_waiting_reason", waits, int(phase == "Pending"))
            kubelet = {"job": "kubelet", **at(on["node"]), **pod, "container": "main"}
            made.add("container_cpu_usage_seconds_total", kubelet, lambda s: 12 * s)
            made.add("container_memory_working_set_bytes", kubelet, wave(1e10, 5e10))
        volume = {"job": "kubelet", **at("gpu3"), "namespace": namespace, "persistentvolumeclaim": "data"}
        made.add("kubelet_volume_stats_used_bytes", volume, 9e11)
        made.add("kubelet_volume_stats_capacity_bytes", volume, 1e12)
        deployment = {**place, "namespace": namespace, "deployment": "web"}
        made.add("kube_deployment_spec_replicas", deployment, 3)
        made.add("kube_deployment_status_replicas_available", deployment, 2)


def loop(made: Lab) -> None:
    """What the remediation loop writes for node_exporter."""
    place = {"job": "node_exporter", "instance": "ctl"}

    def add(name: str, course: Course | float, **labels: str) -> None:
        made.add(f"aidc_remediation_{name}", {**place, **labels}, course)

    for state, course in (("open", flat(2)), ("held", flat(1)), ("quarantined", flat(1)), ("observed", flat(4))):
        add("cases", course, state=state)
    add("cases", grows(0.001), state="returned")
    add("cases", grows(0.0005), state="resolved")
    add("cases", 0, state="cancelled")
    for workflow, state, speed in (("remove", "returned", 0.001), ("in_service", "resolved", 0.0005)):
        add("case_duration_seconds_count", grows(speed), workflow=workflow, state=state)
        add("case_duration_seconds_sum", grows(1200 * speed), workflow=workflow, state=state)
    add("oldest_case_timestamp_seconds", 1_700_000_000, state="open")
    for step, outcome, speed in (("drain", "done", 0.003), ("reset", "failed", 0.001), ("reset", "done", 0.001)):
        add("attempts_total", grows(speed), step=step, outcome=outcome)
    add("skipped_total", grows(0.002), reason="window")
    add("signals_refused_total", grows(0.002), reason="unknown_node")
    add("opt_outs", 0)
    add("paused", 0)
    add("breaker_tripped", 0)
    add("cases_without_run", 0)
    add("ledger_errors_total", 0)
    add("guard_dropped_total", grows(0.001))
    for source in ("kernel_log", "alertmanager"):
        add("source_heartbeat_timestamp_seconds", 1_700_000_000, source=source)
        add("source_errors_total", grows(0.001), source=source)
    add("queue_length", 3, queue="hints")
    for share, bound in enumerate(("0.1", "1.0", "10.0", "+Inf"), start=1):
        add("event_to_containment_seconds_bucket", grows(0.002 * share), le=bound)


def runs(made: Lab) -> None:
    """What the callback metrics writes for node_exporter."""
    place = {"job": "node_exporter", "instance": "ctl", "controller": "ctl"}
    for playbook, check_mode, good in (("site", "false", 1), ("site", "true", 1), ("discover", "false", 0)):
        run = {**place, "playbook": playbook, "check_mode": check_mode}

        def add(name: str, value: float, labels: dict[str, str] = run, **more: str) -> None:
            made.add(f"ansible_playbook_{name}", {**labels, **more}, value)

        add("start_timestamp_seconds", 1_700_000_000)
        add("end_timestamp_seconds", 1_700_000_060 if good else 1_600_000_000)
        add("last_success_timestamp_seconds", 1_700_000_060)
        add("last_run_success", good)
        add("duration_seconds", 61.5)
        for state in ("ok", "changed", "failed", "unreachable"):
            add("hosts", 1, state=state)
        for result in ("ok", "changed", "skipped"):
            add("task_results", 40, result=result)
        add("play_duration_seconds", 12, play="Set up the nodes")
