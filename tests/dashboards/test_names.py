# Every metric that a dashboard asks for is one that somebody tells: compared with the sources, or with real programs.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import node_exporter
import pytest
import yaml
from lab import lab
from pages import FILES, ROOT, expressions, label_values, load, metrics
from render import render
from server import RULES

from ansible_collections.aidc.ops.extensions.eda.plugins.source_utils import health
from ansible_collections.aidc.ops.plugins.module_utils._cases import metrics as case_metrics
from ansible_collections.aidc.ops.plugins.plugin_utils import _run_metrics as run_metrics

# Of programs that cannot be had here; from the documentation of kube-state-metrics and of Kubernetes.
KUBERNETES = {
    "container_cpu_usage_seconds_total",
    "container_memory_working_set_bytes",
    "kube_deployment_spec_replicas",
    "kube_deployment_status_replicas_available",
    "kube_namespace_created",
    "kube_node_info",
    "kube_node_spec_unschedulable",
    "kube_node_status_allocatable",
    "kube_node_status_condition",
    "kube_pod_container_resource_requests",
    "kube_pod_container_status_last_terminated_exitcode",
    "kube_pod_container_status_restarts_total",
    "kube_pod_container_status_waiting_reason",
    "kube_pod_info",
    "kube_pod_status_phase",
    "kubelet_volume_stats_capacity_bytes",
    "kubelet_volume_stats_used_bytes",
}
PROMETHEUS = {"ALERTS", "up"}
BMC = {"ipmi_dcmi_power_consumption_watts"}
# Where the kernel does not measure pressure there is none.
NOT_EVERYWHERE = {f"node_pressure_{kind}_waiting_seconds_total" for kind in ("cpu", "memory", "io")}


def used() -> set[str]:
    """The names in all queries, variables and marks of all pages."""
    texts = [expr for _page, _title, _kind, expr in expressions()]
    for path in FILES:
        texts += [expr for _name, expr, _label in label_values(load(path))]
        texts += [mark["expr"] for mark in load(path)["annotations"]["list"]]
    return set().union(*map(metrics, texts))


def words(path: str, pattern: str) -> Callable[[], set[str]]:
    """The words of a pattern in a source."""
    return lambda: set(re.findall(pattern, Path(ROOT, path).read_text(encoding="utf-8")))


def told_by_gpu_exporters() -> set[str]:
    nvml = words("roles/gpu_exporter/files/nvml_exporter.py", r'"((?:DCGM|aidc)_\w+)"')()
    fields = words("roles/gpu_exporter/vars/main.yml", r"- (DCGM_\w+),")()
    # What DCGM 4.6 calls them, for sites with a counters file of their own.
    return (
        nvml
        | fields
        | {"DCGM_FI_DEV_GPU_TEMP_CELSIUS", "DCGM_FI_DEV_ROW_REMAP_FAILED", "DCGM_FI_DEV_PCIE_REPLAY_TOTAL"}
    )


def told_by_the_loop() -> set[str]:
    counters: dict[str, dict[str, int]] = {
        key: {} for key in ("cases", "refused", "skipped", "oldest", "heartbeats", "attempts", "durations")
    }
    text = case_metrics.render({**counters, "opt_outs": 0, "paused": 0, "breaker_tripped": 0})
    families = set(re.findall(r"^# TYPE (\w+)", text + health.render(), re.MULTILINE))
    # Those that appear with the first event.
    families |= {f"aidc_remediation_{name}" for name in (*health._COUNTERS, *health._GAUGES)}
    spans = [name for name in families if name.endswith(("containment_seconds", "duration_seconds"))]
    return families | {f"{name}_{part}" for name in spans for part in ("bucket", "sum", "count")}


def recorded() -> set[str]:
    groups = [
        group
        for name in RULES
        for group in yaml.safe_load(
            render(
                "prometheus",
                f"rules/{name}.yml.j2",
                prometheus_energy_price_per_kwh=1,
                prometheus_co2_grams_per_kwh=1,
                prometheus_facility_power_query="x",
            )
        )["groups"]
    ]
    return {rule["record"] for group in groups for rule in group["rules"] if "record" in rule} | {"aidc_gpus_expected"}


def slurm() -> set[str]:
    names = words("roles/slurm_exporter/files/slurm_exporter.py", r"\b(slurm_[a-z_]+)\b")()
    return names | {f"{name}_bucket" for name in names if name.endswith("wait_seconds")}


SOURCES: dict[str, Callable[[], set[str]]] = {
    r"DCGM_.*|aidc_(gpu|nvml).*": lambda: told_by_gpu_exporters() | recorded(),
    r"aidc_remediation_.*": told_by_the_loop,
    r"ansible_playbook_.*": lambda: set(run_metrics._HELP),
    r".*:.*": recorded,
    r"slurm_.*": slurm,
    r"smartctl_.*": words("roles/disk_exporter/files/disk_exporter.py", r'"(smartctl_\w+)"'),
    r"if[A-Z].*": words("roles/snmp_exporter/vars/main.yml", r"- \[(if\w+), "),
    r"kube.*|container_.*": lambda: KUBERNETES,
    r"ipmi_.*": lambda: BMC,
    r"up|ALERTS": lambda: PROMETHEUS,
}


@pytest.mark.parametrize("pattern", SOURCES)
def test_names_are_told_by_somebody(pattern: str) -> None:
    known = SOURCES[pattern]()
    ours = {name for name in used() | set(lab().families) if re.fullmatch(pattern, name)}
    assert ours - known == set()


def test_names_of_the_node_exporter_are_those_of_the_real_one(tmp_path: Path) -> None:
    told = node_exporter.names(tmp_path)
    ours = {name for name in used() | set(lab().families) if name.startswith("node_")}
    assert ours - told - NOT_EVERYWHERE == set()


def test_every_name_is_compared_with_something() -> None:
    patterns = [*SOURCES, "node_.*"]
    assert {name for name in used() if not any(re.fullmatch(pattern, name) for pattern in patterns)} == set()


def test_alerts_that_are_chosen_by_name_exist() -> None:
    folder = ROOT / "roles" / "prometheus" / "templates" / "rules"
    texts = [path.read_text(encoding="utf-8") for path in folder.glob("aidc_*.j2")]
    names = {name for text in texts for name in re.findall(r"(?:alert\('|alert: )([A-Z]\w+)", text)}
    classes = [name for text in texts for name in re.findall(r"^    \['([a-z_]+)', '", text, re.MULTILINE)]
    names |= {"".join(part.capitalize() for part in name.split("_")) for name in classes}
    asked = {mark["expr"] for path in FILES for mark in load(path)["annotations"]["list"]}
    asked |= {expr for _page, _title, _kind, expr in expressions()}
    patterns = {one for expr in asked for text in re.findall(r'alertname=~"([^"]+)"', expr) for one in text.split("|")}
    assert patterns
    assert {one for one in patterns if not any(re.fullmatch(one, name) for name in names)} == set()


def test_names_are_found_in_expressions() -> None:
    assert metrics(
        'sum by (a, b) (rate(x_total{c=~"d"}[$__rate_interval])) / on (a) group_left () y{} or vector(0)'
    ) == {
        "x_total",
        "y",
    }
    assert metrics('{__name__=~"A|B",e="f"} > bool 1e6 and z offset 5m') == {"A", "B", "z"}
