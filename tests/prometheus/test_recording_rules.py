# Tests of the values that the recording rules give, with the real promtool.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import prometheus_server
import yaml
from prometheus_rendered import rules

NODE = 'instance="n1",rack="r1",leaf="l1"'
PRICES = {
    "prometheus_facility_power_query": "facility_watts",
    "prometheus_energy_price_per_kwh": 0.25,
    "prometheus_co2_grams_per_kwh": 400.0,
    "prometheus_gpu_price_per_hour": 2.0,
}


def gpu(index: int, node: str = "n1", rack: str = "r1", model: str = "H100") -> str:
    """The labels of one GPU."""
    return f'instance="{node}",rack="{rack}",leaf="l1",gpu="{index}",UUID="{node}-{index}",modelName="{model}"'


def check(folder: Path, series: dict[str, str], expected: dict[str, dict[str, float]], **options: Any) -> str:
    """What promtool has to say against *expected*: for each expression, the series that it gives after 40 minutes."""
    tests = [
        {
            "interval": "30s",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [
                {
                    "expr": expression,
                    "eval_time": "40m",
                    "exp_samples": [{"labels": labels, "value": value} for labels, value in samples.items()],
                }
                for expression, samples in expected.items()
            ],
        }
    ]
    for name in ("aidc_recording", "aidc_gpu"):
        (folder / f"{name}.yml").write_text(rules(name, **options))
    files = ["aidc_gpu.yml", "aidc_recording.yml"]
    (folder / "tests.yml").write_text(
        yaml.safe_dump({"rule_files": files, "evaluation_interval": "30s", "tests": tests})
    )
    command = [str(prometheus_server.program("promtool")), "test", "rules", "tests.yml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def round_to(digits: int, expression: str) -> str:
    """An expression without the noise in its last bits."""
    return f"round({expression}, 1e-{digits})"


def test_gpus_of_both_generations_of_names_add_up_to_their_node(tmp_path: Path) -> None:
    series = {
        f"DCGM_FI_DEV_GPU_TEMP{{{gpu(0)}}}": "60x80",
        f"DCGM_FI_DEV_GPU_TEMP_CELSIUS{{{gpu(1)}}}": "70x80",
        f"DCGM_FI_DEV_POWER_USAGE{{{gpu(0)}}}": "300x80",
        f"DCGM_FI_DEV_BOARD_POWER_WATTS{{{gpu(1)}}}": "500x80",
        f"DCGM_FI_DEV_GPU_UTIL{{{gpu(0)}}}": "100x80",
        f"DCGM_FI_DEV_GPU_UTIL{{{gpu(1)}}}": "50x80",
        f"DCGM_FI_DEV_FB_USED{{{gpu(0)}}}": "60000x80",
        f"DCGM_FI_DEV_FB_FREE{{{gpu(0)}}}": "20000x80",
        f"DCGM_FI_DEV_SM_CLOCK{{{gpu(0)}}}": "1980x80",
    }
    expected = {
        "instance:aidc_gpus:count": {f"instance:aidc_gpus:count{{{NODE}}}": 2},
        "instance:aidc_gpu_utilization:avg": {f"instance:aidc_gpu_utilization:avg{{{NODE}}}": 0.75},
        "instance:aidc_gpu_memory_used:ratio": {f"instance:aidc_gpu_memory_used:ratio{{{NODE}}}": 0.75},
        "instance:aidc_gpu_power_watts:sum": {f"instance:aidc_gpu_power_watts:sum{{{NODE}}}": 800},
        "instance:aidc_gpu_temperature_celsius:max": {f"instance:aidc_gpu_temperature_celsius:max{{{NODE}}}": 70},
        "gpu:aidc_gpu_sm_clock_mhz:avg": {f"gpu:aidc_gpu_sm_clock_mhz:avg{{{gpu(0)}}}": 1980},
        "fleet:aidc_gpus:count": {"fleet:aidc_gpus:count": 2},
        "fleet:aidc_gpu_utilization:avg": {"fleet:aidc_gpu_utilization:avg": 0.75},
    }
    assert check(tmp_path, series, expected) == ""


def test_a_gpu_that_shows_both_names_counts_once(tmp_path: Path) -> None:
    series = {
        f"DCGM_FI_DEV_GPU_TEMP{{{gpu(0)}}}": "60x80",
        f"DCGM_FI_DEV_GPU_TEMP_CELSIUS{{{gpu(0)}}}": "60x80",
        f"DCGM_FI_DEV_POWER_USAGE{{{gpu(0)}}}": "300x80",
        f"DCGM_FI_DEV_BOARD_POWER_WATTS{{{gpu(0)}}}": "300x80",
    }
    expected = {
        "instance:aidc_gpus:count": {f"instance:aidc_gpus:count{{{NODE}}}": 1},
        "instance:aidc_gpu_power_watts:sum": {f"instance:aidc_gpu_power_watts:sum{{{NODE}}}": 300},
    }
    assert check(tmp_path, series, expected) == ""


def test_a_wrong_value_would_be_noticed(tmp_path: Path) -> None:
    series = {f"DCGM_FI_DEV_GPU_TEMP{{{gpu(0)}}}": "60x80"}
    assert "got:" in check(tmp_path, series, {"fleet:aidc_gpus:count": {"fleet:aidc_gpus:count": 2}})


# Two nodes in r1 whose BMCs measure, and one in r2 whose BMC says 0.
POWER = {
    'ipmi_dcmi_power_consumption_watts{instance="n1",rack="r1",leaf="l1",job="bmc_exporter"}': "5000x80",
    'ipmi_dcmi_power_consumption_watts{instance="n2",rack="r1",leaf="l1",job="bmc_exporter"}': "3000x80",
    'ipmi_dcmi_power_consumption_watts{instance="n3",rack="r2",leaf="l1",job="bmc_exporter"}': "0x80",
    f"DCGM_FI_DEV_POWER_USAGE{{{gpu(0, 'n1')}}}": "600x80",
    f"DCGM_FI_DEV_POWER_USAGE{{{gpu(0, 'n3', 'r2')}}}": "700x80",
}


def test_node_power_is_the_bmcs_where_it_measures_and_the_gpus_elsewhere(tmp_path: Path) -> None:
    name = "instance:aidc_power_watts:sum"
    expected = {
        name: {
            f'{name}{{instance="n1",rack="r1",leaf="l1",source="bmc"}}': 5000,
            f'{name}{{instance="n2",rack="r1",leaf="l1",source="bmc"}}': 3000,
            f'{name}{{instance="n3",rack="r2",leaf="l1",source="gpu"}}': 700,
        },
        "rack:aidc_power_watts:sum": {
            'rack:aidc_power_watts:sum{rack="r1"}': 8000,
            'rack:aidc_power_watts:sum{rack="r2"}': 700,
        },
        "fleet:aidc_power_watts:sum": {"fleet:aidc_power_watts:sum": 8700},
        # Nobody said what energy costs, or what the facility draws.
        '{__name__=~"fleet:aidc_(pue|energy|co2|facility).*"}': {},
    }
    assert check(tmp_path, POWER, expected) == ""


def test_cost_and_co2_are_those_of_the_facility_but_pue_needs_whole_nodes(tmp_path: Path) -> None:
    series = {**POWER, 'facility_watts{feed="a"}': "6000x80", 'facility_watts{feed="b"}': "6000x80"}
    expected = {
        "fleet:aidc_facility_power_watts:sum": {"fleet:aidc_facility_power_watts:sum": 12000},
        "fleet:aidc_energy_cost:per_hour": {"fleet:aidc_energy_cost:per_hour": 3},
        "fleet:aidc_co2_grams:per_hour": {"fleet:aidc_co2_grams:per_hour": 4800},
        # A third of the nodes is known by its GPUs only.
        "fleet:aidc_pue:ratio": {},
    }
    assert check(tmp_path, series, expected, **PRICES) == ""


def test_pue_where_all_nodes_measure(tmp_path: Path) -> None:
    series = {name: values for name, values in POWER.items() if '"n3"' not in name}
    series["facility_watts"] = "10000x80"
    expected = {"fleet:aidc_pue:ratio": {"fleet:aidc_pue:ratio": 1.25}}
    assert check(tmp_path, series, expected, **PRICES) == ""


def test_without_the_meter_of_the_facility_the_nodes_are_what_is_paid(tmp_path: Path) -> None:
    expected = {
        "fleet:aidc_pue:ratio": {},
        "fleet:aidc_energy_cost:per_hour": {"fleet:aidc_energy_cost:per_hour": 2.175},
    }
    assert check(tmp_path, POWER, expected, **PRICES) == ""


def slurm(name: str, node: str) -> str:
    """A series of the Slurm exporter, which runs on another machine."""
    return f'{name}{{instance="ctl",job="slurm_exporter",node="{node}"}}'


# n1 is full, n2 half, n3 free, n4 drained.
SCHEDULER = {
    **{slurm("slurm_node_gpus", node): "8x80" for node in ("n1", "n2", "n3", "n4")},
    slurm("slurm_node_gpus_allocated", "n1"): "8x80",
    slurm("slurm_node_gpus_allocated", "n2"): "4x80",
    slurm("slurm_node_gpus_allocated", "n3"): "0x80",
    slurm("slurm_node_gpus_allocated", "n4"): "0x80",
    'slurm_node_state{instance="ctl",node="n4",state="drain"}': "1x80",
    'slurm_node_state{instance="ctl",node="n3",state="idle"}': "1x80",
}


def test_allocation_free_gpus_and_fragmentation(tmp_path: Path) -> None:
    expected = {
        "fleet:aidc_gpus_allocated:count": {"fleet:aidc_gpus_allocated:count": 12},
        "instance:aidc_gpus_free:count": {
            'instance:aidc_gpus_free:count{instance="n1"}': 0,
            'instance:aidc_gpus_free:count{instance="n2"}': 4,
            'instance:aidc_gpus_free:count{instance="n3"}': 8,
        },
        round_to(4, "fleet:aidc_gpu_fragmentation:ratio"): {"{}": 0.3333},
    }
    assert check(tmp_path, SCHEDULER, expected) == ""


def test_wholly_free_nodes_are_no_fragments_and_full_ones_have_no_ratio(tmp_path: Path) -> None:
    free = {slurm("slurm_node_gpus", "n1"): "8x80", slurm("slurm_node_gpus_allocated", "n1"): "0x80"}
    name = "fleet:aidc_gpu_fragmentation:ratio"
    assert check(tmp_path, free, {name: {name: 0}}) == ""
    full = {slurm("slurm_node_gpus", "n1"): "8x80", slurm("slurm_node_gpus_allocated", "n1"): "8x80"}
    assert check(tmp_path, full, {name: {}}) == ""


def test_kubernetes_gives_gpus_away_too(tmp_path: Path) -> None:
    request = 'kube_pod_container_resource_requests{resource="nvidia_com_gpu",namespace="a",node="k1"'
    series = {
        'kube_node_status_allocatable{resource="nvidia_com_gpu",node="k1",job="kube"}': "8x80",
        'kube_node_status_allocatable{resource="nvidia_com_gpu",node="k2",job="kube"}': "8x80",
        f'{request},pod="p1",container="x"}}': "2x80",
        f'{request},pod="p1",container="y"}}': "1x80",
        f'{request},pod="p2",container="x"}}': "4x80",
        'kube_pod_status_phase{namespace="a",pod="p1",phase="Running"}': "1x80",
        'kube_pod_status_phase{namespace="a",pod="p2",phase="Running"}': "0x80",
        'kube_pod_status_phase{namespace="a",pod="p2",phase="Succeeded"}': "1x80",
        'kube_node_spec_unschedulable{node="k2"}': "1x80",
    }
    allocated, free = "instance:aidc_gpus_allocated:count", "instance:aidc_gpus_free:count"
    expected = {
        allocated: {f'{allocated}{{instance="k1"}}': 3, f'{allocated}{{instance="k2"}}': 0},
        free: {f'{free}{{instance="k1"}}': 5},
    }
    assert check(tmp_path, series, expected) == ""


HELD = "instance:aidc_gpus_idle_held:count"


def held(allocated: str, *utilization: str) -> dict[str, str]:
    """A node with a GPU for each *utilization*, in percent."""
    series = {slurm("slurm_node_gpus_allocated", "n1"): allocated}
    for index, values in enumerate(utilization):
        series[f"DCGM_FI_DEV_GPU_UTIL{{{gpu(index)}}}"] = values
    return series


def test_gpus_that_are_held_and_do_nothing_are_counted(tmp_path: Path) -> None:
    series = held("3x80", "0x80", "90x80", "4x80", "0x80")
    expected = {HELD: {f'{HELD}{{instance="n1"}}': 2}, "fleet:aidc_gpus_idle_held:count": {f"fleet{HELD[8:]}": 2}}
    assert check(tmp_path, series, expected) == ""
    assert check(tmp_path, held("2x80", "0x80", "0x80"), {HELD: {f'{HELD}{{instance="n1"}}': 2}}) == ""


def test_gpus_that_worked_lately_or_were_given_lately_are_not_idle(tmp_path: Path) -> None:
    none = {HELD: {f'{HELD}{{instance="n1"}}': 0}}
    # Busy a quarter of an hour ago; held for ten minutes only; nobody holds them.
    assert check(tmp_path, held("2x80", "0x45 50x5 0x30", "90x80"), none) == ""
    assert check(tmp_path, held("0x60 2x20", "0x80", "0x80"), none) == ""
    assert check(tmp_path, held("0x80", "0x80", "0x80"), none) == ""
    # What was not watched for half an hour is not judged.
    assert check(tmp_path, held("2x80", "_x50 0x30", "_x50 0x30"), {HELD: {}}) == ""


JOB = 'job_id="7",user="u",account="a",partition="p"'


def test_jobs_share_the_power_of_their_nodes_by_the_gpus_they_hold(tmp_path: Path) -> None:
    series = {
        **{name: values for name, values in POWER.items() if '"n3"' not in name},
        slurm("slurm_node_gpus_allocated", "n1"): "8x80",
        slurm("slurm_node_gpus_allocated", "n2"): "2x80",
        f'slurm_job_gpus{{instance="ctl",{JOB},node="n1"}}': "4x80",
        f'slurm_job_gpus{{instance="ctl",{JOB},node="n2"}}': "2x80",
        'slurm_job_start_timestamp_seconds{instance="ctl",job_id="7"}': "600x80",
        "facility_watts": "10000x80",
    }
    expected = {
        "job:aidc_power_watts:sum": {f"job:aidc_power_watts:sum{{{JOB}}}": 5500},
        # 5.5 kW, 0.25 for a kilowatt hour, PUE 1.25.
        round_to(4, "job:aidc_energy_cost:per_hour"): {f"{{{JOB}}}": 1.7188},
        "job:aidc_gpu_cost:per_hour": {f"job:aidc_gpu_cost:per_hour{{{JOB}}}": 12},
        # It began after ten minutes.
        "job:aidc_gpu_cost:sum": {f"job:aidc_gpu_cost:sum{{{JOB}}}": 6},
    }
    assert check(tmp_path, series, expected, **PRICES) == ""


def test_without_prices_nothing_has_a_cost(tmp_path: Path) -> None:
    series = {
        **POWER,
        slurm("slurm_node_gpus_allocated", "n1"): "8x80",
        f'slurm_job_gpus{{{JOB},node="n1"}}': "4x80",
    }
    assert check(tmp_path, series, {'{__name__=~".*cost.*|.*co2.*"}': {}}) == ""


def test_waits_and_hours(tmp_path: Path) -> None:
    bucket = 'slurm_job_wait_seconds_bucket{partition="p",le="%s"}'
    series = {
        bucket % "60": "0+1x80",
        bucket % "600": "0+2x80",
        bucket % "+Inf": "0+2x80",
        'slurm_running_gpus{partition="p",account="a"}': "8x80",
        'slurm_running_gpus{partition="q",account="a"}': "4x80",
    }
    expected = {
        round_to(1, "fleet:aidc_queue_wait_seconds:p50"): {"{}": 60},
        round_to(1, "fleet:aidc_queue_wait_seconds:p95"): {"{}": 546},
        "account:aidc_gpu_hours:rate": {'account:aidc_gpu_hours:rate{account="a"}': 12},
    }
    assert check(tmp_path, series, expected) == ""
    quiet = {bucket % le: "5x80" for le in ("60", "600", "+Inf")}
    assert check(tmp_path, quiet, {"fleet:aidc_queue_wait_seconds:p50": {}}) == ""


def test_nodes(tmp_path: Path) -> None:
    series = {
        f'node_cpu_seconds_total{{{NODE},cpu="0",mode="idle"}}': "0+30x80",
        f'node_cpu_seconds_total{{{NODE},cpu="1",mode="idle"}}': "0+0x80",
        f"node_memory_MemAvailable_bytes{{{NODE}}}": "25x80",
        f"node_memory_MemTotal_bytes{{{NODE}}}": "100x80",
        f'node_network_receive_bytes_total{{{NODE},device="eth0"}}': "0+300x80",
        # Its parts and what is built on it would count twice.
        f'node_network_receive_bytes_total{{{NODE},device="bond0"}}': "0+300x80",
        f'node_network_receive_bytes_total{{{NODE},device="ib0"}}': "0+300x80",
        f'node_infiniband_port_data_received_bytes_total{{{NODE},device="mlx5_0",port="1"}}': "0+3000x80",
        f'node_network_transmit_bytes_total{{{NODE},device="eth0"}}': "0+600x80",
        f'node_disk_read_bytes_total{{{NODE},device="nvme0n1"}}': "0+90x80",
        f'node_disk_read_bytes_total{{{NODE},device="dm-0"}}': "0+90x80",
        f'node_disk_written_bytes_total{{{NODE},device="nvme0n1"}}': "0+60x80",
    }
    expected = {
        "instance:aidc_cpu_utilization:ratio": 0.5,
        "instance:aidc_memory_used:ratio": 0.75,
        "instance:aidc_network_receive_bytes:rate5m": 110,
        "instance:aidc_network_transmit_bytes:rate5m": 20,
        "instance:aidc_disk_read_bytes:rate5m": 3,
        "instance:aidc_disk_written_bytes:rate5m": 2,
    }
    wanted = {round_to(6, name): {f"{{{NODE}}}": value} for name, value in expected.items()}
    assert check(tmp_path, series, wanted) == ""
