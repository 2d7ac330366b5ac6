# A day of a small data centre as samples in a real Prometheus and cases in a real ledger, for the report page.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: python report_lab.py FOLDER [HOURS] writes FOLDER/report.html, the page whose picture is in the documentation.

The story: gpu3 lost a GPU an hour ago and waits for a person, a GPU of gpu2 waits for a row to be remapped and is hot,
the exporters of gpu4 were silent for a while, a file server fills, and texts that come from outside are hostile.
"""

from __future__ import annotations

import json
import math
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from prometheus_server import PrometheusServer

from ansible_collections.aidc.ops.plugins.module_utils._prometheus.client import PrometheusClient
from ansible_collections.aidc.ops.tests.playbooks.console import Console

RACKS = {"gpu1": "r1", "gpu2": "r1", "gpu3": "r2", "gpu4": "r2"}
MODEL = "NVIDIA H100 80GB HBM3"
STEP = 120
HOSTILE = "<script>alert(1)</script>{{ 7 * 7 }}"
"""What a user of the cluster may call a job, an account or a directory."""
RUNBOOKS = "https://ops.example.com/runbooks"

Value = Callable[[float], "float | None"]


class Lab:
    """Samples over *hours* up to *end* (seconds since 1970). Later ones would keep the server from adding its own."""

    def __init__(self, end: float, hours: float, hostile: bool = True) -> None:
        self.end = end - end % STEP
        self.hours = hours
        self.text = HOSTILE if hostile else "vision"
        self._random = random.Random(7)  # the same page each time
        self._series: dict[str, list[tuple[dict[str, str], Value]]] = {}

    def ago(self, moment: float) -> float:
        """Hours between a time and the end."""
        return (self.end - moment) / 3600

    def add(self, name: str, value: Value | float, **labels: str) -> None:
        """One series; a value of None is a time without a sample."""
        made = value if callable(value) else lambda _moment, fixed=value: fixed
        self._series.setdefault(name, []).append((labels, made))

    def openmetrics(self) -> Iterator[str]:
        """The lines of a file that promtool reads."""
        first = int(self.end - self.hours * 3600 - 3600)
        for name, found in self._series.items():
            for labels, value in found:
                inner = ",".join(f"{label}={json.dumps(text, ensure_ascii=False)}" for label, text in labels.items())
                for moment in range(first - first % STEP, int(self.end) + 1, STEP):
                    number = value(moment)
                    if number is not None:
                        yield f"{name}{{{inner}}} {number:.12g} {moment}\n"
        yield "# EOF\n"

    def wave(self, level: float, swing: float, noise: float, shift: float = 0.0) -> Value:
        """A value that goes with the hours of the day."""
        seed = self._random.random()

        def value(moment: float) -> float:
            jitter = math.sin(moment / 977 + seed * 40) * math.sin(moment / 391 + seed * 90)
            return level + swing * math.sin((moment / 3600 - 7 + shift) * math.pi / 12) + noise * jitter

        return value

    def counter(self, per_second: Value | float) -> Value:
        """A counter that rises about so fast."""

        def value(moment: float) -> float:
            rate = per_second(moment) if callable(per_second) else per_second
            return 1e6 + (moment - self.end + 90000) * max(rate, 0.0)

        return value

    def busy(self, node: str, gpu: int) -> Value:
        """Share of time a GPU works, in percent."""
        if node == "gpu3":
            return lambda moment: 92.0 if self.ago(moment) > 1.1 else 0.0
        if (node, gpu) in (("gpu4", 6), ("gpu4", 7)):
            return lambda moment: 1.0
        base = self.wave(78, 16, 6, shift=gpu / 9)
        return lambda moment: min(max(base(moment), 0.0), 100.0)

    def fill(self) -> None:
        """Everything."""
        for part in (self._gpus, self._hosts, self._slurm, self._power, self._loop, self._runs):
            part()

    def _gpus(self) -> None:
        for node, rack in RACKS.items():
            self.add("aidc_gpus_expected", 8, instance=node)
            for gpu in range(8):
                lost = node == "gpu3" and gpu == 5
                labels = {"instance": node, "rack": rack, "job": "gpu_exporter", "gpu": str(gpu)}
                labels |= {
                    "UUID": f"GPU-{node}-{gpu}",
                    "pci_bus_id": f"00000000:{gpu + 16:02X}:00.0",
                    "modelName": MODEL,
                }
                busy, hot = self.busy(node, gpu), 14 if (node, gpu) == ("gpu2", 2) else 0

                def seen(value: Value, node: str = node, lost: bool = lost) -> Value:
                    # gpu4 is silent for forty minutes; a lost GPU has no values any more.
                    return lambda moment: (
                        None
                        if (lost and self.ago(moment) < 1)
                        or (node == "gpu4" and self.hours / 4 < self.ago(moment) < self.hours / 4 + 0.7)
                        else value(moment)
                    )

                warmth = self.wave(34 + gpu % 4 * 1.5 + hot, 1.5, 1.0)
                self.add("DCGM_FI_DEV_GPU_UTIL", seen(busy), **labels)
                self.add(
                    "DCGM_FI_DEV_GPU_TEMP",
                    seen(lambda moment, b=busy, w=warmth: round(w(moment) + b(moment) * 0.37)),
                    **labels,
                )
                self.add("DCGM_FI_DEV_POWER_USAGE", seen(lambda moment, b=busy: 85 + b(moment) * 5.6), **labels)
                self.add("DCGM_FI_DEV_FB_USED", seen(lambda moment, b=busy: 2000 + b(moment) * 700), **labels)
                self.add("DCGM_FI_DEV_FB_FREE", seen(lambda moment, b=busy: 79000 - b(moment) * 700), **labels)
                self.add("aidc_gpu_lost", lambda moment, lost=lost: float(lost and self.ago(moment) < 1), **labels)
                self.add("DCGM_FI_DEV_ROW_REMAP_PENDING", float((node, gpu) == ("gpu2", 2)), **labels)
                self.add("DCGM_FI_DEV_ROW_REMAP_FAILURE", 0, **labels)
                self.add("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", 0, **labels)
                errors = {("gpu2", 2): 0.002, ("gpu1", 6): 0.0002}.get((node, gpu), 0)
                self.add(
                    "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL",
                    lambda moment, e=errors: math.floor((moment - self.end + 1e5) * e),
                    **labels,
                )
                self.add("aidc_gpu_nvlinks_active", seen(lambda _moment: 18), **labels)
                if lost:
                    self.add(
                        "DCGM_EXP_XID_ERRORS_COUNT",
                        lambda moment: 1.0 if self.ago(moment) < 1 else None,
                        **labels,
                        xid="79",
                    )

    def _hosts(self) -> None:
        for node in (*RACKS, "storage1", "ctl1"):
            labels = {"instance": node, "job": "node_exporter"}
            self.add("up", 1, **labels)
            busy = self.wave(0.31 if node in RACKS else 0.12, 0.09, 0.04, shift=len(node))
            self.add("instance:aidc_cpu_utilization:ratio", busy, instance=node)
            self.add("instance:aidc_memory_used:ratio", self.wave(0.52, 0.08, 0.03), instance=node)
            size = 3.5e12
            for mountpoint, used in (("/", 0.34), ("/scratch", 0.58 if node in RACKS else 0.11)):
                disk = {**labels, "mountpoint": mountpoint, "fstype": "xfs", "device": "/dev/nvme0n1"}
                self.add("node_filesystem_size_bytes", size, **disk)
                self.add("node_filesystem_avail_bytes", size * (1 - used - 0.01 * len(node)), **disk)
            for way, level in (("received", 3.1e10), ("transmitted", 2.9e10)):
                if node in RACKS:
                    port = {**labels, "device": "mlx5_0", "port": "1"}
                    rate = 0.0 if node == "gpu3" else level
                    self.add(f"node_infiniband_port_data_{way}_bytes_total", self.counter(rate), **port)
            if node in RACKS:
                for number in range(4):
                    port = {**labels, "device": f"mlx5_{number}", "port": "1"}
                    self.add("node_infiniband_state_id", 1 if (node, number) == ("gpu4", 3) else 4, **port)
                    self.add(
                        "node_infiniband_link_downed_total",
                        self.counter(0.00005 if (node, number) == ("gpu4", 3) else 0),
                        **port,
                    )
            level = 2.1e9 if node == "storage1" else 2.4e8
            shares = {"network_receive": 1, "network_transmit": 0.6, "disk_read": 1.1, "disk_written": 0.4}
            for name, share in shares.items():
                rate = self.wave(level * share, 1e8 * share, 7e7 * share, shift=share * 5)
                self.add(f"instance:aidc_{name}_bytes:rate5m", rate, instance=node)
        disk = {
            "instance": "storage1",
            "job": "node_exporter",
            "mountpoint": "/export/data",
            "fstype": "xfs",
            "device": "/dev/md0",
        }
        self.add("node_filesystem_size_bytes", 9.2e13, **disk)
        self.add("node_filesystem_avail_bytes", lambda moment: 8.1e12 + self.ago(moment) * 6.2e10, **disk)
        for number, worn in enumerate((83, 41, 40, 12)):
            self.add("smartctl_device_percentage_used", worn, instance="storage1", device=f"nvme{number}")

    def _slurm(self) -> None:
        self.add("slurm_up", 1)
        for node in RACKS:
            drained = node == "gpu3"
            self.add(
                "slurm_node_state",
                lambda moment, d=drained: None if d and self.ago(moment) < 1 else 1,
                node=node,
                state="mixed",
            )
            if drained:
                self.add(
                    "slurm_node_state", lambda moment: 1 if self.ago(moment) < 1 else None, node=node, state="drain"
                )
            self.add("slurm_node_gpus", 8, node=node)
            self.add(
                "slurm_node_gpus_allocated",
                lambda moment, d=drained, n=node: 0 if d and self.ago(moment) < 1 else 7 if n == "gpu4" else 8,
                node=node,
            )
        running, waiting = self.wave(21, 5, 3), self.wave(9, 7, 3, shift=3)
        for partition, share in (("train", 0.7), ("infer", 0.3)):
            self.add(
                "slurm_jobs", lambda moment, s=share: round(running(moment) * s), partition=partition, state="running"
            )
            self.add(
                "slurm_jobs",
                lambda moment, s=share: max(0, round(waiting(moment) * s)),
                partition=partition,
                state="pending",
            )
            self.add("slurm_pending_gpus", round(40 * share), partition=partition)
            self.add("slurm_pending_oldest_seconds", 11400 * share, partition=partition)
        for account, gpus in ((self.text, 14), ("speech", 6), ("protein", 3)):
            self.add("slurm_running_gpus", gpus, partition="train", account=account)
        for reason, jobs in (("Resources", 6), ("Priority", 3), ("QOSMaxGRESPerUser", 1)):
            self.add("slurm_pending_reason_jobs", jobs, partition="train", reason=reason)
        for bound, share in (("60", 0.4), ("600", 0.7), ("3600", 0.93), ("14400", 1), ("+Inf", 1)):
            self.add("slurm_job_wait_seconds_bucket", self.counter(0.004 * share), partition="train", le=bound)
        self.add("fleet:aidc_gpus_idle_held:count", 2)

    def _power(self) -> None:
        watts: dict[str, list[Value]] = {"r1": [], "r2": []}
        for node, rack in RACKS.items():
            use = self.wave(6900, 900, 250, shift=len(watts[rack]))
            drawn = (lambda moment, u=use: u(moment) if self.ago(moment) > 1 else 2100.0) if node == "gpu3" else use
            watts[rack].append(drawn)
            self.add("instance:aidc_power_watts:sum", drawn, instance=node, rack=rack, source="bmc")
        for rack, parts in watts.items():
            self.add(
                "rack:aidc_power_watts:sum", lambda moment, p=parts: sum(value(moment) or 0 for value in p), rack=rack
            )
        every = [value for parts in watts.values() for value in parts]
        self.add("fleet:aidc_power_watts:sum", lambda moment: sum(value(moment) or 0 for value in every))
        self.add("fleet:aidc_pue:ratio", 1.24)
        self.add("fleet:aidc_energy_cost:per_hour", 7.31)
        self.add("fleet:aidc_co2_grams:per_hour", 9420)
        for job, user, watt in (("4711", "kim", 11800), ("4718", "robin", 4100), ("4720", self.text, 900)):
            self.add("job:aidc_power_watts:sum", watt, job_id=job, user=user, account="speech")
            self.add("job:aidc_energy_cost:per_hour", watt * 0.00028, job_id=job, user=user, account="speech")

    def _loop(self) -> None:
        for state in ("open", "held", "quarantined"):
            self.add(
                "aidc_remediation_cases",
                lambda moment, s=state: float(s == "held" and self.ago(moment) < 1),
                state=state,
            )
        for severity, begin, stop in (("critical", 1, 0), ("medium", 5, 0), ("high", 2.5, 2.2), ("medium", 1.6, 1.3)):
            gone = {"alertname": "Earlier", "alertstate": "firing", "severity": severity, "instance": f"gpu{begin:g}"}
            self.add(
                "ALERTS", lambda moment, b=begin, s=stop: 1 if max(s, 0.1) < self.ago(moment) < b else None, **gone
            )
        self.add("aidc_remediation_skipped_total", self.counter(0.0001), reason="rate")
        for bound, share in (("0.5", 0.7), ("1", 0.95), ("2.5", 1), ("+Inf", 1)):
            self.add("aidc_remediation_event_to_containment_seconds_bucket", self.counter(0.0005 * share), le=bound)

    def _runs(self) -> None:
        for playbook, ago, took, failed in (
            ("aidc.ops.site", 9.2, 412, 0),
            ("aidc.ops.discover", 5.1, 38, 1),
            ("aidc.ops.remediate", 0.9, 96, 0),
        ):
            labels = {"playbook": playbook, "controller": "ctl1", "check_mode": "false"}
            self.add("ansible_playbook_last_run_success", float(not failed), **labels)
            self.add("ansible_playbook_end_timestamp_seconds", self.end - ago * 3600, **labels)
            self.add("ansible_playbook_last_success_timestamp_seconds", self.end - (ago + 24 * failed) * 3600, **labels)
            self.add("ansible_playbook_duration_seconds", took, **labels)
            self.add("ansible_playbook_hosts", failed, **labels, state="failed")
            self.add("ansible_playbook_hosts", 6 - failed, **labels, state="ok")


def rules(hostile: bool) -> str:
    """Alerts that fire now, one with texts that somebody else chose."""

    def rule(
        name: str, severity: str, expression: str, summary: str, fault: str, runbook: str | None = None
    ) -> dict[str, Any]:
        address = runbook or f"{RUNBOOKS}/{fault}.md"
        labels = {"severity": severity, "fault_class": fault}
        return {
            "alert": name,
            "expr": expression,
            "labels": labels,
            "annotations": {"summary": summary, "runbook_url": address},
        }

    board = "{{ $labels.instance }}: GPU {{ $labels.gpu }} {{ $labels.pci_bus_id }} "
    found = [
        {"alert": "Watchdog", "expr": "vector(1)", "labels": {"severity": "none"}},
        rule("GpuFellOffBus", "critical", "aidc_gpu_lost == 1", f"{board}has fallen off the bus", "gpu_fell_off_bus"),
        rule(
            "IbPortDown",
            "critical",
            "node_infiniband_state_id != 4",
            "{{ $labels.instance }}: port {{ $labels.device }}:{{ $labels.port }} is down",
            "ib_port_down",
        ),
        rule(
            "NvmeWorn",
            "medium",
            "smartctl_device_percentage_used > 80",
            "{{ $labels.instance }}: the drive {{ $labels.device }} is worn to {{ $value }} %",
            "nvme_worn",
        ),
        rule(
            "GpuRowRemapPending",
            "medium",
            "DCGM_FI_DEV_ROW_REMAP_PENDING == 1",
            f"{board}needs a reset to remap a memory row",
            "gpu_row_remap_pending",
        ),
    ]
    if hostile:
        text = "{{ $labels.account }} " + "<img src=x onerror=alert(1)>"
        found.append(rule("Odd", "low", "slurm_running_gpus > 10", text, "odd", "javascript:alert(1)"))
    return json.dumps({"groups": [{"name": "lab", "rules": found}]})


class Site:
    """The server, filled but not started, and the control node. *hours* is how far the samples go back."""

    def __init__(self, folder: Path, hours: float, hostile: bool = True) -> None:
        (folder / "console").mkdir(parents=True)
        self.console = Console(folder / "console")
        self.hours = hours
        self.lab = Lab(time.time(), hours, hostile)
        self.lab.fill()
        (folder / "rules.yml").write_text(rules(hostile), encoding="utf-8")
        config = {"global": {"evaluation_interval": "1s"}, "rule_files": [str(folder / "rules.yml")]}
        self.server = PrometheusServer(folder, config=json.dumps(config))
        samples = folder / "samples.txt"
        with samples.open("w", encoding="utf-8") as file:
            file.writelines(self.lab.openmetrics())
        self.server.fill(samples)
        samples.unlink()
        self.page = folder / "report.html"

    def remediate(self) -> None:
        """Let cases have happened: two that were repaired, one that waits for a person."""
        ledger, now = self.console.ledger, self.lab.end
        for node, fault in (("gpu1", "gpu_gsp_error"), ("gpu4", "gpu_row_remap_pending"), ("gpu3", "gpu_fell_off_bus")):
            self.console.see(node, fault)
        times = {1: (now - 9000, now - 8100), 2: (now - 5400, now - 4980)}
        with ledger._store.transaction() as db:
            for case, (opened, closed) in times.items():
                db.execute(
                    "UPDATE cases SET opened_at = ?, closed_at = ?, state = 'returned', step = NULL WHERE id = ?",
                    (opened, closed, case),
                )
            text = f"waits for a person's approval {self.lab.text if self.lab.text == HOSTILE else ''}".strip()
            db.execute(
                "UPDATE cases SET opened_at = ?, state = 'held', step = 'reset', hold_reason = 'approval',"
                " hold_text = ? WHERE id = 3",
                (now - 3540, text),
            )

    def wait_for_alerts(self) -> None:
        """Wait until the rules have been evaluated, and make that the time of the report."""
        client = PrometheusClient(self.server.url, timeout=10)
        give_up_at = time.monotonic() + 60
        while not client.samples('ALERTS{alertname="GpuFellOffBus"}'):
            assert time.monotonic() < give_up_at, self.server.log.read_text()[-2000:]
            time.sleep(0.2)
        self.time = time.time()

    def report(self, *arguments: str, **variables: Any) -> tuple[int, str]:
        """Run the playbook; status and output."""
        given = {
            "report_prometheus_url": self.server.url,
            "report_path": str(self.page),
            "report_hours": self.hours,
            "report_time": f"{self.time:.3f}",
            **variables,
        }
        return self.console.run("report", *arguments, **given)


def main() -> int:
    folder, hours = Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 24
    site = Site(folder, hours, hostile=False)
    site.remediate()
    with site.server.start():
        site.wait_for_alerts()
        status, output = site.report(report_hours=int(hours))
    print(output[-3000:] if status else site.page)
    return status


if __name__ == "__main__":
    sys.exit(main())
