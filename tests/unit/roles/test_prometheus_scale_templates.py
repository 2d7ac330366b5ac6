# Tests of what the role prometheus writes for more than one server: agents, shards, remote servers, Kubernetes.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
"""Real servers with these configurations are in tests/prometheus/test_scale_out.py."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from preflight import accepts
from prometheus_rendered import JOBS
from render import ROOT, load_variables, render

FAR = {"name": "far", "url": "https://far.example.com/push", "secret": "hush-hush"}
CLUSTER = {
    "name": "k1",
    "hosts": [{"name": "gpu1", "address": "192.0.2.11", "labels": {"rack": "r1"}}],
    "secret": "hush-hush",
    "tls_config": {"ca_file": "/etc/k1.crt"},
    "state_metrics_url": "https://k1.example.com:6443/api/v1/x/proxy/metrics",
    "labels": {"cluster": "k1"},
}


def config(**variables: Any) -> dict[str, Any]:
    text = render("prometheus", "prometheus.yml.j2", **variables)
    assert "hush-hush" not in text
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def value(expression: str, **variables: Any) -> Any:
    names = {**load_variables(ROOT / "roles/prometheus/defaults/main.yml")}
    names |= {**load_variables(ROOT / "roles/prometheus/vars/main.yml"), **variables}
    return Templar(DataLoader(), variables=names).template(trust_as_template(expression))


def test_a_server_alone_sends_nothing_and_asks_nobody() -> None:
    made = config()
    assert set(made) == {"global", "rule_files", "alerting", "scrape_configs"}
    assert [job["job_name"] for job in made["scrape_configs"]] == ["prometheus"]


def test_an_agent_has_no_rules_no_alerts_and_no_limits_of_its_data() -> None:
    made = config(prometheus_agent=True, prometheus_remote_write=[FAR], prometheus_targets=JOBS)
    assert set(made) == {"global", "remote_write", "scrape_configs"}
    assert "evaluation_interval" not in made["global"]
    line = render("prometheus", "default.j2", prometheus_agent=True).splitlines()[-1]
    assert "--enable-feature=agent --storage.agent.path=/var/lib/prometheus/agent" in line
    assert "retention" not in line
    assert "--web.enable-remote-write-receiver" in render(
        "prometheus", "default.j2", prometheus_remote_write_receiver=True
    )


def test_secrets_are_files_and_a_name_means_a_password() -> None:
    named = {**FAR, "name": "named", "username": "u"}
    kept = {"name": "kept", "url": FAR["url"], "secret_file": "/etc/token", "headers": {"X-Scope-OrgID": "a"}}
    token, password, own = config(prometheus_remote_write=[FAR, named, kept])["remote_write"]
    assert token["authorization"] == {"type": "Bearer", "credentials_file": "/etc/prometheus/secrets/far"}
    assert password["basic_auth"] == {"username": "u", "password_file": "/etc/prometheus/secrets/named"}
    assert (own["authorization"]["credentials_file"], own["headers"]) == ("/etc/token", {"X-Scope-OrgID": "a"})
    written = value("{{ __prometheus_secrets }}", prometheus_remote_write=[FAR, named, kept])
    assert [(entry["name"], entry["secret"]) for entry in written] == [("far", "hush-hush"), ("named", "hush-hush")]


def test_a_shard_keeps_what_its_hash_says_before_a_probe_hides_the_node() -> None:
    probe = {"name": "bmc", "exporter": "127.0.0.1:9290", "module": "remote", "hosts": []}
    jobs = config(prometheus_shard={"index": 2, "of": 3}, prometheus_targets=JOBS, prometheus_probes=[probe])
    for job in jobs["scrape_configs"][1:]:
        assert job["relabel_configs"][:2] == [
            {"source_labels": ["instance"], "modulus": 3, "target_label": "__tmp_shard", "action": "hashmod"},
            {"source_labels": ["__tmp_shard"], "regex": "2", "action": "keep"},
        ]
    assert jobs["scrape_configs"][-1]["relabel_configs"][-1]["replacement"] == "127.0.0.1:9290"


def test_the_nodes_of_a_cluster_are_one_list_that_holds_no_secret() -> None:
    other = {"name": "k2", "hosts": [], "port": 1250, "secret": "hush-hush"}
    lists = value("{{ __prometheus_kubelets }}", prometheus_kubernetes=[CLUSTER, other])
    assert lists == [
        {"name": "k1", "hosts": CLUSTER["hosts"], "port": 10250},
        {"name": "k2", "hosts": [], "port": 1250},
    ]
    assert value("{{ __prometheus_kubelets }}") == []
    jobs = config(prometheus_kubernetes=[CLUSTER, other])["scrape_configs"][1:]
    assert [job["job_name"] for job in jobs] == [
        "k1_kubelet",
        "k1_cadvisor",
        "k1_kube_state_metrics",
        "k2_kubelet",
        "k2_cadvisor",
    ]
    assert [job["file_sd_configs"] for job in jobs[:2]] == [[{"files": ["/etc/prometheus/targets/k1.json"]}]] * 2
    state = jobs[2]
    assert (state["scheme"], state["metrics_path"]) == ("https", "/api/v1/x/proxy/metrics")
    assert state["static_configs"] == [{"targets": ["k1.example.com:6443"]}]
    assert state["authorization"]["credentials_file"] == "/etc/prometheus/secrets/k1"


def test_no_token_travels_in_plain_text() -> None:
    plain = {**CLUSTER, "state_metrics_url": "http://192.0.2.9:30080"}
    state = config(prometheus_kubernetes=[plain])["scrape_configs"][-1]
    assert (state["scheme"], state["metrics_path"]) == ("http", "/metrics")
    assert "authorization" not in state


SECRETS, AGENT, SHARD = "Check who is asked and told with a secret", "Check what an agent cannot do", "Check the shard"


@pytest.mark.parametrize(
    ("check", "options"),
    [
        (SECRETS, {"prometheus_remote_write": [FAR, FAR]}),
        (SECRETS, {"prometheus_remote_write": [FAR], "prometheus_remote_read": [FAR]}),
        (SECRETS, {"prometheus_remote_write": [{**FAR, "name": "../rules/x"}]}),
        (SECRETS, {"prometheus_remote_write": [{**FAR, "secret_file": "/x"}]}),
        (SECRETS, {"prometheus_remote_write": [{"name": "a", "url": "https://a", "username": "u"}]}),
        (AGENT, {"prometheus_agent": True}),
        (AGENT, {"prometheus_agent": True, "prometheus_remote_write": [FAR], "prometheus_remote_read": [FAR]}),
        (AGENT, {"prometheus_agent": True, "prometheus_remote_write": [FAR], "prometheus_retention_size": "1GB"}),
        (AGENT, {"prometheus_agent": True, "prometheus_remote_write": [FAR], "prometheus_remote_write_receiver": True}),
        (SHARD, {"prometheus_shard": {"index": 0, "of": 2}}),
        (SHARD, {"prometheus_shard": {"of": 2}, "prometheus_agent": True}),
        (SHARD, {"prometheus_shard": {"index": 0}, "prometheus_agent": True}),
        (SHARD, {"prometheus_shard": {"index": 2, "of": 2}, "prometheus_agent": True}),
        (SHARD, {"prometheus_shard": {"index": -1, "of": 2}, "prometheus_agent": True}),
        (
            "Check the jobs",
            {"prometheus_targets": JOBS, "prometheus_kubernetes": [{**CLUSTER, "name": "gpu_exporter"}]},
        ),
    ],
)
def test_what_does_not_go_together_is_refused(check: str, options: dict[str, Any]) -> None:
    assert accepts("prometheus", check)
    assert not accepts("prometheus", check, **options)


def test_an_agent_in_a_shard_is_accepted() -> None:
    options: dict[str, Any] = {
        "prometheus_agent": True,
        "prometheus_remote_write": [FAR],
        "prometheus_shard": {"index": "1", "of": "2"},
        "prometheus_kubernetes": [CLUSTER],
    }
    for check in (SECRETS, AGENT, SHARD, "Check the jobs"):
        assert accepts("prometheus", check, **options)
