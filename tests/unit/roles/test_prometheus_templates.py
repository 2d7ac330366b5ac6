# Tests of what the role prometheus writes: configuration, targets, arguments, and the texts of the alert rules.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
"""What the rules do is tested with promtool in tests/prometheus, and as deployed in the scenario monitoring."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from prometheus_rendered import JOBS, RULE_FILES, RULE_TESTS, alerts, rules
from render import ROOT, load_variables, render

from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES, recognise_alert


def test_every_alert_is_tested_where_it_fires_and_where_it_must_not() -> None:
    firing: set[str] = set()
    silent: set[str] = set()
    for path in RULE_TESTS.glob("*.yml"):
        for test in yaml.safe_load(path.read_text())["tests"]:
            for case in test.get("alert_rule_test", []):
                (firing if case["exp_alerts"] else silent).add(case["alertname"])
    # Those of the other faults are in tests/prometheus.
    names = {rule["alert"] for rule in alerts(["aidc_gpu", "aidc_monitoring"])}
    assert names - firing == set()
    assert names - silent == {"Watchdog"}, "the watchdog always fires; all others have a case in which they must not"


def test_every_alert_has_a_severity_a_summary_and_a_runbook() -> None:
    for rule in alerts():
        assert rule["labels"]["severity"] in {"critical", "high", "medium", "low", "none"}, rule["alert"]
        assert rule["annotations"]["summary"], rule["alert"]
        assert rule["annotations"]["runbook_url"].startswith("docs/runbooks/"), rule["alert"]


def test_fault_classes_and_severities_are_those_of_the_catalogue() -> None:
    remedied = {rule["labels"]["fault_class"]: rule["labels"] for rule in alerts() if "fault_class" in rule["labels"]}
    assert set(remedied) >= {"gpu_fell_off_bus", "gpu_row_remap_failure", "gpu_count_low", "gpu_row_remap_pending"}
    for name, labels in remedied.items():
        assert labels["severity"] == CLASSES[name].severity
        recognised = recognise_alert({**labels, "instance": "gpu1"})
        assert recognised is not None
        assert recognised.fault_class == name


def test_hard_faults_are_held_back_no_longer_than_half_a_minute() -> None:
    seconds = {"5s": 5, "10s": 10, "30s": 30}
    for rule in alerts():
        if rule["labels"]["severity"] == "critical" and "fault_class" in rule["labels"]:
            assert seconds[rule["for"]] <= 30, rule["alert"]


def test_placeholders_of_prometheus_survive_the_rendering() -> None:
    assert "{{ $labels.instance }}: GPU {{ $labels.gpu }} {{ $labels.pci_bus_id }} has fallen off the bus" in rules(
        "aidc_gpu"
    )
    assert "{% raw %}" not in rules("aidc_gpu") + rules("aidc_monitoring")


def test_runbooks_may_live_elsewhere() -> None:
    assert 'runbook_url: "https://wiki.example.com/gpu/watchdog.md"' in rules(
        "aidc_monitoring", prometheus_runbook_base_url="https://wiki.example.com/gpu"
    )


def test_expected_counts_become_one_series_for_each_node() -> None:
    text = rules("aidc_gpu", prometheus_expected_gpus={"gpu2": 4, "gpu1": "8"})
    recorded = [rule for rule in yaml.safe_load(text)["groups"][0]["rules"] if rule["record"] == "aidc_gpus_expected"]
    assert [(rule["labels"]["instance"], rule["expr"]) for rule in recorded] == [
        ("gpu1", "vector(8)"),
        ("gpu2", "vector(4)"),
    ]


def test_records_count_for_the_nodes_that_nobody_entered() -> None:
    def expected(**variables: Any) -> list[str]:
        groups = yaml.safe_load(rules("aidc_gpu", **variables))["groups"]
        return [rule["expr"] for group in groups if group["name"] == "aidc_gpu_records" for rule in group["rules"]]

    (named,) = expected(prometheus_expected_gpus={"gpu-a.1": 8, "gpu2": 4})
    assert 'aidc_ops_hardware_gpus{instance!~"gpu\\\\-a\\\\.1|gpu2"})[7d:1h]' in named
    (all_nodes,) = expected(prometheus_expected_gpus={}, prometheus_expected_gpus_window="2h")
    assert all_nodes.startswith("max_over_time(sum by (instance) (aidc_ops_hardware_gpus)[2h:1h])")
    assert expected(prometheus_expected_gpus_window="") == []


@pytest.mark.parametrize("name", RULE_FILES)
def test_a_site_without_nodes_and_jobs_has_rules_too(name: str) -> None:
    text = rules(name, prometheus_expected_gpus={}, prometheus_targets=[], prometheus_expected_loop_sources=[])
    assert yaml.safe_load(text)["groups"]


@pytest.mark.parametrize(
    ("option", "known"),
    [
        ("prometheus_thresholds", "{{ __prometheus_thresholds }}"),
        ("prometheus_forecast_hours", "{{ __prometheus_forecast_hours }}"),
        ("prometheus_case_max_age_hours", "{{ __prometheus_case_max_age_hours }}"),
    ],
)
def test_options_given_in_part_keep_the_defaults_of_the_specification(option: str, known: str) -> None:
    specification = yaml.safe_load((ROOT / "roles/prometheus/meta/argument_specs.yml").read_text(encoding="utf-8"))
    parts = specification["argument_specs"]["main"]["options"][option]["options"]
    variables = load_variables(ROOT / "roles/prometheus/vars/main.yml")
    given = {next(iter(parts)): 7}

    def value(**settings: Any) -> Any:
        return Templar(DataLoader(), variables={**variables, **settings}).template(trust_as_template(known))

    assert value(**{option: {}}) == {name: part["default"] for name, part in parts.items()}
    assert value(**{option: given}) == {name: part["default"] for name, part in parts.items()} | given


def test_thresholds_of_the_site_are_in_the_rules() -> None:
    text = rules("aidc_thresholds", prometheus_thresholds={"gpu_temperature_celsius": 79})
    assert 'DCGM_FI_DEV_GPU_TEMP_CELSIUS\\"} > 79)"' in text
    assert "> 95" in text
    text = rules("aidc_forecast", prometheus_forecast_hours={"memory": 6})
    assert "predict_linear(instance:aidc_memory_used:ratio[12h], 21600) > 0.95" in text
    assert "PlaybookTooOld" not in rules("aidc_runs", prometheus_playbook_max_age_hours={})


def test_configuration_names_the_jobs_the_rules_and_the_alertmanagers() -> None:
    config = yaml.safe_load(
        render(
            "prometheus",
            "prometheus.yml.j2",
            inventory_hostname="ctl",
            prometheus_targets=JOBS,
            prometheus_alertmanagers=["192.0.2.5:9093", "192.0.2.6:9093"],
            prometheus_external_labels={"site": "{{ x }}"},
            prometheus_listen_address="0.0.0.0",
        )
    )
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert list(jobs) == ["prometheus", "node_exporter", "gpu_exporter"]
    assert jobs["prometheus"]["static_configs"] == [{"targets": ["127.0.0.1:9090"], "labels": {"instance": "ctl"}}]
    assert {(job["scheme"], *job["tls_config"].values()) for job in jobs.values()} == {
        ("https", *(f"/etc/prometheus/scrape/{name}" for name in ("ca.crt", "tls.crt", "tls.key")))
    }
    assert jobs["gpu_exporter"]["file_sd_configs"] == [{"files": ["/etc/prometheus/targets/gpu_exporter.json"]}]
    assert config["rule_files"] == ["/etc/prometheus/rules/*.yml"]
    assert config["alerting"]["alertmanagers"] == [
        {
            "static_configs": [{"targets": ["192.0.2.5:9093", "192.0.2.6:9093"]}],
            "scheme": "https",
            "tls_config": jobs["prometheus"]["tls_config"],
        }
    ]
    assert config["global"]["external_labels"] == {"site": "{{ x }}"}


def test_targets_carry_the_inventory_name_and_the_place_of_the_node() -> None:
    job = {
        "name": "gpu_exporter",
        "port": 9400,
        "hosts": [
            {"name": "gpu1", "address": "192.0.2.11", "labels": {"rack": "r1", "instance": "somebody else"}},
            {"name": "gpu2", "address": "2001:db8::2"},
        ],
    }
    assert json.loads(render("prometheus", "targets.json.j2", __prometheus_item=job)) == [
        {"labels": {"instance": "gpu1", "rack": "r1"}, "targets": ["192.0.2.11:9400"]},
        {"labels": {"instance": "gpu2"}, "targets": ["[2001:db8::2]:9400"]},
    ]


PROBE = {
    "name": "bmc_exporter",
    "exporter": "127.0.0.1:9290",
    "path": "/ipmi",
    "module": "remote",
    "params": {"auth": "pdu", "snmp_context": ["a", "b"]},
    "scrape_interval": "1m",
    "scrape_timeout": "50s",
    "tls_config": {"ca_file": "/etc/ca.crt"},
    "hosts": [{"name": "gpu1", "address": "2001:db8::9", "labels": {"rack": "r1"}}],
}


def test_a_probe_asks_its_exporter_about_the_node() -> None:
    config = yaml.safe_load(
        render("prometheus", "prometheus.yml.j2", prometheus_targets=JOBS, prometheus_probes=[PROBE])
    )
    (job,) = [one for one in config["scrape_configs"] if one["job_name"] == "bmc_exporter"]
    assert (job["metrics_path"], job["scheme"], job["scrape_timeout"]) == ("/ipmi", "https", "50s")
    assert job["params"] == {"module": ["remote"], "auth": ["pdu"], "snmp_context": ["a", "b"]}
    assert job["file_sd_configs"] == [{"files": ["/etc/prometheus/targets/bmc_exporter.json"]}]
    assert job["relabel_configs"] == [
        {"source_labels": ["__address__"], "target_label": "__param_target"},
        {"source_labels": ["__param_module"], "target_label": "module"},
        {"target_label": "__address__", "replacement": "127.0.0.1:9290"},
    ]


def test_what_is_probed_is_written_as_it_is() -> None:
    assert json.loads(render("prometheus", "targets.json.j2", __prometheus_item=PROBE)) == [
        {"labels": {"instance": "gpu1", "rack": "r1"}, "targets": ["2001:db8::9"]}
    ]
    page = {
        "name": "web",
        "job": "blackbox",
        "module": "http_2xx",
        "exporter": "127.0.0.1:9115",
        "hosts": [{"name": "portal", "address": "https://portal.example.com/x"}],
    }
    assert json.loads(render("prometheus", "targets.json.j2", __prometheus_item=page)) == [
        {"labels": {"instance": "portal", "job": "blackbox"}, "targets": ["https://portal.example.com/x"]}
    ]


def test_a_job_may_have_times_tls_and_labels_of_its_own() -> None:
    job = {"name": "pushgateway", "port": 9091, "hosts": [], "honor_labels": True, "scrape_interval": "30s"}
    config = yaml.safe_load(render("prometheus", "prometheus.yml.j2", prometheus_targets=[job]))
    made = config["scrape_configs"][-1]
    assert made["honor_labels"] is True
    assert made["scrape_interval"] == "30s"
    assert "relabel_configs" not in made


PLAIN = {"prometheus_scrape_tls_ca": "", "prometheus_scrape_tls_certificate": "", "prometheus_tls_certificate": ""}


def test_tls_can_be_switched_off_and_on_for_one_job() -> None:
    def ways(*jobs: dict[str, Any], **variables: Any) -> list[tuple[str, Any]]:
        config = yaml.safe_load(render("prometheus", "prometheus.yml.j2", prometheus_targets=list(jobs), **variables))
        asked = [*config["alerting"]["alertmanagers"], *config["scrape_configs"]]
        return [(one["scheme"], one.get("tls_config")) for one in asked]

    own = {"name": "a", "port": 1, "hosts": [], "tls_config": {"ca_file": "/etc/own.crt"}}
    plain = {"name": "b", "port": 1, "hosts": [], "scheme": "http"}
    system = {"name": "c", "port": 1, "hosts": [], "scheme": "https"}
    assert ways(own, plain, system, **PLAIN) == [
        ("http", None),
        ("http", None),
        ("https", {"ca_file": "/etc/own.crt"}),
        ("http", None),
        ("https", {}),
    ]
    assert [way[0] for way in ways(own, plain)] == ["https", "https", "https", "http"]
    only_servers = ways(prometheus_scrape_tls_certificate="")
    assert only_servers == [("https", {"ca_file": "/etc/prometheus/scrape/ca.crt"})] * 2


def test_logins_are_shown_to_whom_they_are_for() -> None:
    config = yaml.safe_load(
        render(
            "prometheus",
            "prometheus.yml.j2",
            prometheus_targets=JOBS,
            prometheus_login={"username": "self", "password": "{{ 7 * 7 }}: #"},
            prometheus_alertmanager_login={"username": "am", "password": "other"},
        )
    )
    assert config["alerting"]["alertmanagers"][0]["basic_auth"] == {"username": "am", "password": "other"}
    own, *others = config["scrape_configs"]
    assert own["basic_auth"] == {"username": "self", "password": "{{ 7 * 7 }}: #"}
    assert others and all("basic_auth" not in job for job in others)


def test_a_job_without_nodes_is_an_empty_list() -> None:
    assert (
        json.loads(render("prometheus", "targets.json.j2", __prometheus_item={"name": "x", "port": 1, "hosts": []}))
        == []
    )


def test_arguments_are_local_by_default_and_take_the_limits() -> None:
    text = render("prometheus", "default.j2")
    assert text.splitlines()[-1] == (
        'ARGS="--web.listen-address=127.0.0.1:9090 --web.config.file=/etc/prometheus/web/prometheus/web.yml '
        '--storage.tsdb.retention.time=15d"'
    )
    limited = render(
        "prometheus", "default.j2", prometheus_retention_size="50GB", prometheus_extra_args=["--log.level=warn"]
    )
    assert limited.splitlines()[-1].endswith('=15d --storage.tsdb.retention.size=50GB --log.level=warn"')
