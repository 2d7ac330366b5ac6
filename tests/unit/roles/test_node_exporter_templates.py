# Tests of what the role node_exporter writes.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors

from __future__ import annotations

import configparser
import re
from typing import Any

import pytest
from render import ROOT, load_variables, render

FACTS = {"default_ipv4": {"address": "192.0.2.11"}}


def arguments(**variables: Any) -> list[str]:
    line = render("node_exporter", "default.j2", **({"ansible_facts": FACTS} | variables)).splitlines()[-1]
    found = re.fullmatch(r'ARGS="([^"\\$]*)"', line)
    assert found is not None, line
    return found.group(1).split(" ")


def test_metrics_are_served_at_the_default_address() -> None:
    assert arguments() == [
        "--web.listen-address=192.0.2.11:9100",
        "--web.config.file=/etc/prometheus/web/prometheus-node-exporter/web.yml",
        "--collector.textfile.directory=/var/lib/prometheus/node-exporter",
    ]


@pytest.mark.parametrize(
    ("said", "option"),
    [
        ('  --web.config=""  Path to config yaml file', "--web.config"),
        ('  --[no-]web.x\n  --web.config.file=""  Path', "--web.config.file"),
        ("", "--web.config.file"),
    ],
)
def test_older_versions_call_the_option_otherwise(said: str, option: str) -> None:
    assert f"{option}=/etc/" in arguments(__node_exporter_help={"rc": 0, "stdout": "", "stderr": said})[1]


def test_collectors_are_turned_on_and_off() -> None:
    made = arguments(
        node_exporter_collectors_enabled=["ethtool"],
        node_exporter_collectors_disabled=["mdadm", "zfs"],
        node_exporter_extra_args=["--path.sysfs=/srv/sys"],
    )
    assert made[3:] == ["--collector.ethtool", "--no-collector.mdadm", "--no-collector.zfs", "--path.sysfs=/srv/sys"]


def test_only_the_chosen_units_are_exported() -> None:
    made = arguments(node_exporter_systemd_units=["slurmd.service", "munge.service"])
    assert made[3] == "--collector.systemd"
    pattern = made[4].removeprefix("--collector.systemd.unit-include=")
    # The exporter anchors the pattern at both ends.
    assert re.fullmatch(pattern, "slurmd.service")
    assert not re.fullmatch(pattern, "slurmd-service"), "a dot is a dot"
    assert not re.fullmatch(pattern, "sshd.service")


def test_the_unit_waits_for_its_address_and_never_gives_up() -> None:
    unit = configparser.ConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(render("node_exporter", "unit.conf.j2"))
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert unit["Service"]["Restart"] == "always"


def test_certificates_are_looked_at_where_the_node_exporter_reads() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    patterns = ["/etc/a/**/*.crt", "/etc/b.crt"]
    given = {"node_exporter_textfile_dir": "/srv/texts", "node_exporter_certificates": patterns}
    unit.read_string(render("node_exporter", "aidc-certificates.service.j2", **given))
    assert unit["Service"]["ExecStart"] == (
        "/usr/bin/python3 /usr/local/lib/aidc_ops/certificates.py"
        " --output /srv/texts/aidc_certificates.prom /etc/a/**/*.crt /etc/b.crt"
    )
    assert unit["Service"]["ReadWritePaths"] == "/srv/texts"
    timer = configparser.ConfigParser()
    timer.read_string(render("node_exporter", "aidc-certificates.timer.j2"))
    assert timer["Install"]["WantedBy"] == "timers.target"


def test_an_argument_that_a_unit_cannot_carry_is_refused() -> None:
    name = "__node_exporter_certificates_forbidden"
    forbidden = load_variables(ROOT / "roles" / "node_exporter" / "vars" / "main.yml")[name]
    for bad in ("/a b", '/"', "/'", "/$HOME", "/%h", "/\\d", "/a\n/b"):
        assert re.search(forbidden, bad), bad
    assert not re.search(forbidden, "/etc/prometheus/**/[a-z]*.crt")


@pytest.mark.parametrize("role", ["prometheus", "alertmanager", "node_exporter"])
def test_what_an_environment_file_cannot_carry_is_refused(role: str) -> None:
    forbidden = load_variables(ROOT / "roles" / role / "vars" / "main.yml")[f"__{role}_forbidden"]
    for bad in ("--a=b c", '--a="b"', "--a='b'", "--a=$HOME", "--a=\\d", "--a=b\n--c"):
        assert re.search(forbidden, bad), bad
    assert not re.search(forbidden, "--collector.systemd.unit-include=(a[.]service|b@1)")
