# From a simulated GPU fault to an alert that the loop would find, and back.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
"""The order matters: each test leaves the GPUs healthy and their alerts gone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from monitoring_helpers import GPU1, MON, active_alerts, answers, metrics, query, run, seconds_until
from waiting import wait_for

HARD_FAULT_SECONDS = 60
GPU_ALERTS = (
    "GpuRowRemapFailure",
    "GpuRowRemapPending",
    "GpuFellOffBus",
    "GpuCountLow",
    "GpuExporterDown",
    "GpuNotAnswering",
)


def sim(command: str) -> str:
    return run(GPU1, f"/usr/local/sbin/gpusim {command}")


def state(gpu: int) -> dict[str, str]:
    """The simulator's entries of one GPU and of all of them together."""
    lines = (sim("show") + sim(f"show --gpu {gpu}")).splitlines()
    entries = dict(line.split("=", 1) for line in lines if "=" in line)
    return {
        key.removesuffix(f".{gpu}"): value
        for key, value in entries.items()
        if key.endswith(f".{gpu}") or "." not in key
    }


def exported() -> list[Any]:
    return metrics(MON, "gpu1:9400")


def values(gpu: int) -> dict[str, float]:
    return {sample.name: sample.value for sample in exported() if sample.labels.get("gpu") == str(gpu)}


def quiet() -> bool:
    return not any(active_alerts(name) for name in GPU_ALERTS)


@pytest.fixture(autouse=True)
def healthy() -> None:
    wait_for(lambda: [s["value"] for s in query("aidc_gpus_present")] == [8], 60, "eight GPUs seen by Prometheus")
    wait_for(quiet, 90, "no GPU alert before the test")


def test_what_is_exported_is_the_state_of_the_simulator() -> None:
    sim("set --gpu 3 temperature_gpu=61 utilization_gpu=87 power_usage=512000 energy=123456 pcie_replay=9")
    sim("set --gpu 3 ecc_corrected_volatile_dram=11 remapped_rows_correctable=2")
    truth, seen = state(3), values(3)
    assert seen["DCGM_FI_DEV_GPU_TEMP"] == 61 == int(truth["temperature_gpu"])
    assert seen["DCGM_FI_DEV_GPU_UTIL"] == 87
    assert seen["DCGM_FI_DEV_POWER_USAGE"] == 512
    assert seen["DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"] == 123456
    assert seen["DCGM_FI_DEV_PCIE_REPLAY_COUNTER"] == 9
    assert seen["DCGM_FI_DEV_ECC_SBE_VOL_TOTAL"] == 11
    assert seen["DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS"] == 2
    assert seen["DCGM_FI_DEV_FB_TOTAL"] == int(truth["memory_total"]) // 1024**2
    labels = next(s.labels for s in exported() if s.name == "DCGM_FI_DEV_GPU_TEMP" and s.labels["gpu"] == "3")
    assert labels["UUID"] == truth["uuid"]
    assert labels["modelName"] == truth["name"] == "NVIDIA H100 80GB HBM3"
    assert (labels["device"], labels["Hostname"]) == ("nvidia3", "gpu1")
    assert labels["DCGM_FI_DRIVER_VERSION"] == truth["driver_version"]
    assert labels["pci_bus_id"] == "00000000:61:00.0"


def test_the_exporter_runs_without_privileges() -> None:
    pid = run(GPU1, "systemctl show -P MainPID aidc-gpu-exporter").strip()
    status = dict(line.split(":\t", 1) for line in run(GPU1, f"cat /proc/{pid}/status").splitlines() if ":\t" in line)
    assert "0" not in status["Uid"].split()
    assert (int(status["CapEff"], 16), int(status["CapBnd"], 16), status["NoNewPrivs"]) == (0, 0, "1")


def test_a_row_remap_failure_becomes_an_alert_within_a_minute_and_ends_with_the_reset() -> None:
    sim("inject row-remap-failure --gpu 2")
    taken = seconds_until(
        lambda: active_alerts("GpuRowRemapFailure"), HARD_FAULT_SECONDS, "row remap failure to active alert"
    )
    assert taken <= HARD_FAULT_SECONDS
    (alert,) = active_alerts("GpuRowRemapFailure")
    labels = alert["labels"]
    assert {
        key: labels[key] for key in ("instance", "severity", "fault_class", "gpu", "pci_bus_id", "rack", "leaf")
    } == {
        "instance": "gpu1",
        "severity": "critical",
        "fault_class": "gpu_row_remap_failure",
        "gpu": "2",
        "pci_bus_id": "00000000:52:00.0",
        "rack": "r1",
        "leaf": "l1",
    }
    assert alert["annotations"]["runbook_url"].endswith("/gpu_row_remap_failure.md")
    assert not active_alerts("GpuCountLow"), "the GPU still answers"
    sim("reset --gpu 2")
    seconds_until(lambda: not active_alerts("GpuRowRemapFailure"), HARD_FAULT_SECONDS, "reset to the end of the alert")


def test_a_row_remap_failure_that_needs_an_rma_outlives_the_reset() -> None:
    sim("inject row-remap-failure --gpu 5 --permanent")
    wait_for(lambda: active_alerts("GpuRowRemapFailure"), HARD_FAULT_SECONDS, "the alert")
    sim("reset --gpu 5")
    wait_for(lambda: values(5).get("DCGM_FI_DEV_ROW_REMAP_FAILURE") == 1, 5, "the GPU still broken after the reset")
    wait_for(
        lambda: query("timestamp(DCGM_FI_DEV_ROW_REMAP_FAILURE{gpu='5'}) > time() - 5"), 30, "a scrape after the reset"
    )
    assert [alert["labels"]["gpu"] for alert in active_alerts("GpuRowRemapFailure")] == ["5"]
    sim("replace --gpu 5")


def test_a_gpu_off_the_bus_is_seen_as_an_event_as_a_state_and_as_a_missing_gpu() -> None:
    sim("inject xid79 --gpu 3")
    seconds_until(lambda: active_alerts("GpuFellOffBus"), HARD_FAULT_SECONDS, "XID 79 to active alert")
    seconds_until(
        lambda: active_alerts("GpuCountLow"), HARD_FAULT_SECONDS, "XID 79 to the alert about the count, from there"
    )
    (alert,) = active_alerts("GpuFellOffBus")
    assert (alert["labels"]["gpu"], alert["labels"]["pci_bus_id"]) == ("3", "00000000:61:00.0")
    assert alert["labels"]["fault_class"] == "gpu_fell_off_bus"
    xids = [s for s in exported() if s.name == "DCGM_EXP_XID_ERRORS_COUNT" and s.labels["xid"] == "79"]
    assert [(s.labels["pci_bus_id"], s.value) for s in xids] == [("00000000:61:00.0", 1)]
    seen = values(3)
    assert (seen["aidc_gpu_lost"], seen["DCGM_FI_DEV_XID_ERRORS"]) == (1, 79)
    assert "DCGM_FI_DEV_GPU_TEMP" not in seen
    assert values(2)["DCGM_FI_DEV_GPU_TEMP"] > 0
    # What a reboot does: the GPU is back, and the exporter has started anew.
    sim("boot")
    run(GPU1, "systemctl restart aidc-gpu-exporter")


def test_an_exporter_that_is_down_is_not_taken_for_missing_gpus() -> None:
    run(GPU1, "systemctl stop aidc-gpu-exporter")
    try:
        wait_for(lambda: active_alerts("GpuExporterDown"), 90, "GpuExporterDown")
        assert not active_alerts("GpuCountLow")
        assert not active_alerts("GpuFellOffBus")
    finally:
        run(GPU1, "systemctl start aidc-gpu-exporter")
    wait_for(lambda: not active_alerts("GpuExporterDown"), 60, "GpuExporterDown resolved")


def test_an_exporter_that_is_killed_comes_back() -> None:
    run(GPU1, "systemctl kill -s KILL aidc-gpu-exporter")
    wait_for(lambda: answers(MON, "gpu1:9400"), 30, "the exporter again")
