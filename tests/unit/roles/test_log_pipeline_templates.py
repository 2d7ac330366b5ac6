# Tests of what the role log_pipeline writes.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import configparser
from typing import Any

import pytest
from render import render

UNITS = ("aidc-ops-log-sender.service.j2", "aidc-ops-log-collector.service.j2")
BOTH = {
    "log_pipeline_functions": ["sender", "collector"],
    "log_pipeline_target": "logs",
    "log_pipeline_peers": ["gpu1", "gpu2"],
}


def config(template: str, **variables: Any) -> str:
    text = render("log_pipeline", template, **(BOTH | variables))
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def unit(template: str, **variables: Any) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(config(template, **variables))
    return parser


def test_sender_sends_only_what_was_masked() -> None:
    text = config("sender.conf.j2")
    sent = text[text.index('template(name="aidc_line"') : text.index("ruleset(")]
    assert 'name="$!aidc!line"' in sent and 'name="$!aidc!program"' in sent
    assert not any(f'name="{raw}"' in sent for raw in ("msg", "rawmsg", "programname", "syslogtag", "$!MESSAGE"))
    assert text.index('type="mmexternal"') < text.index("log_send.py")


def test_sender_talks_to_its_collector_alone() -> None:
    text = config("sender.conf.j2", log_pipeline_target_name="logs.example.org", log_pipeline_port=1234)
    own = "/etc/aidc_ops_logs/sender"
    assert f"log_send.py logs 1234 logs.example.org {own}/ca.crt {own}/own.crt {own}/own.key" in text


def test_sender_reads_what_it_is_told() -> None:
    files = [{"path": "/var/log/app/*.log", "program": "app", "severity": "warning"}]
    text = config("sender.conf.j2", log_pipeline_files=files, log_pipeline_journal=False)
    assert 'file="/var/log/app/*.log" tag="app"' in text and 'severity="warning"' in text
    assert "imjournal" not in text
    assert "imfile" not in config("sender.conf.j2") and 'load="imjournal"' in config("sender.conf.j2")


@pytest.mark.parametrize("template", ["sender.conf.j2", "collector.conf.j2"])
def test_nothing_is_counted_without_a_directory(template: str) -> None:
    assert "impstats" in config(template)
    without = config(template, log_pipeline_textfile_dir="")
    assert "impstats" not in without and "log_stats" not in without


def test_collector_lets_in_whom_it_knows() -> None:
    text = config("collector.conf.j2", log_pipeline_listen_address="192.0.2.1")
    assert 'address="192.0.2.1" port="20515"' in text
    assert 'tls.permittedPeer=["gpu1", "gpu2"]' in text
    assert "omelasticsearch" not in text and "omfwd" not in text


def test_forwarders_have_queues_of_their_own() -> None:
    text = config(
        "collector.conf.j2",
        log_pipeline_elasticsearch={
            "servers": ["https://s1:9200", "https://s2:9200"],
            "user": "writer",
            "ca": "/ca.crt",
        },
        log_pipeline_syslog={"host": "alloy.example.org"},
    )
    assert 'server=["https://s1:9200", "https://s2:9200"]' in text and 'uid="writer"' in text
    assert 'target="alloy.example.org" port="6514"' in text and 'StreamDriverAuthMode="x509/name"' in text
    assert text.count('queue.filename="') == 3
    # The password stands in a file of its own.
    assert "pwd=`cat /etc/aidc_ops_logs/collector/elasticsearch_password`" in text


@pytest.mark.parametrize("template", ["sender.conf.j2", "collector.conf.j2"])
def test_queues_are_true_on_disk_at_every_moment(template: str) -> None:
    both = {
        "log_pipeline_elasticsearch": {"servers": ["https://s1:9200"]},
        "log_pipeline_syslog": {"host": "alloy.example.org"},
    }
    text = config(template, **both)
    queues = text.count('queue.type="Disk"')
    assert queues == (1 if template == "sender.conf.j2" else 3)
    assert text.count('queue.checkpointInterval="1"') == text.count('queue.timeoutShutdown="3600000"') == queues
    assert "queue.timeoutActionCompletion" not in text


def test_sender_reads_into_the_queue_itself() -> None:
    files = [{"path": "/var/log/app.log", "program": "app"}]
    text = config("sender.conf.j2", log_pipeline_files=files)
    assert 'main_queue(queue.type="Direct")' in text and 'persistStateAfterSubmission="on"' in text


@pytest.mark.parametrize("template", UNITS)
def test_what_cannot_be_delivered_is_killed_and_not_given_up(template: str) -> None:
    service = unit(template)["Service"]
    assert (service["KillSignal"], service["SuccessExitStatus"]) == ("SIGKILL", "SIGKILL")
    assert service["ExecStop"].startswith("-/bin/sh -c 'kill -TERM ${MAINPID}; exec timeout 5 ")


@pytest.mark.parametrize("template", UNITS)
def test_services_run_confined_and_not_as_root(template: str) -> None:
    service = unit(template)["Service"]
    assert (service["User"], service["ProtectSystem"], service["CapabilityBoundingSet"]) == ("aidc_logs", "strict", "")
    assert service["ReadWritePaths"] == "/var/spool/aidc_ops_logs -/var/lib/prometheus/node-exporter"
    assert unit(template, log_pipeline_textfile_dir="")["Service"]["ReadWritePaths"] == "/var/spool/aidc_ops_logs"


def test_sender_may_read_the_journal() -> None:
    assert unit(UNITS[0])["Service"]["SupplementaryGroups"].split() == ["adm", "systemd-journal", "prometheus"]
    assert unit(UNITS[0], log_pipeline_textfile_dir="")["Service"]["SupplementaryGroups"].split() == [
        "adm",
        "systemd-journal",
    ]


def test_retention() -> None:
    service = unit("aidc-ops-log-retention.service.j2", log_pipeline_retention_days=7)["Service"]
    assert service["ExecStart"].endswith(
        "maintain --days 7 --textfile /var/lib/prometheus/node-exporter/aidc_logs_retention.prom"
    )
    without = unit("aidc-ops-log-retention.service.j2", log_pipeline_textfile_dir="")["Service"]
    assert without["ExecStart"].endswith("maintain --days 30") and "ReadWritePaths" not in without
    assert unit("aidc-ops-log-retention.timer.j2")["Timer"]["Persistent"] == "true"
