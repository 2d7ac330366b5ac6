# Tests of what the role gpu_node writes.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import configparser
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from render import ROOT, render


def policy(**variables: Any) -> dict[str, Any]:
    return dict(json.loads(render("gpu_node", "gpu_policy.json.j2", **variables)))


def unit(template: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(render("gpu_node", template))
    return parser


def kernel_log(**variables: Any) -> str:
    text = render("gpu_node", "kernel_log.conf.j2", **({"gpu_node_log_target": "ctl"} | variables))
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def test_policy_leaves_alone_what_has_no_value() -> None:
    assert policy() == {"persistence_mode": True, "power_limit_watts": None, "clocks_mhz": None}


def test_policy_takes_numbers_that_were_typed_on_the_command_line() -> None:
    wanted = {"gpu_node_power_limit_watts": "450", "gpu_node_clock_min_mhz": "300", "gpu_node_clock_max_mhz": "900"}
    assert policy(gpu_node_persistence_mode="false", **wanted) == {
        "persistence_mode": False,
        "power_limit_watts": 450.0,
        "clocks_mhz": [300, 900],
    }


def test_policy_is_what_its_program_accepts() -> None:
    wanted = {"gpu_node_power_limit_watts": 450.5, "gpu_node_clock_min_mhz": 300, "gpu_node_clock_max_mhz": 1500}
    text = render("gpu_node", "gpu_policy.json.j2", gpu_node_persistence_mode=False, **wanted)
    spec = importlib.util.spec_from_file_location("gpu_policy_of_role", ROOT / "roles/gpu_node/files/gpu_policy.py")
    assert spec is not None and spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    sys.modules["gpu_policy_of_role"] = program
    spec.loader.exec_module(program)
    parsed = program.parse_policy(text)
    assert (parsed.persistence_mode, parsed.power_limit_mw, parsed.clocks_mhz) == (False, 450500, (300, 1500))


def test_policy_unit_runs_after_the_persistence_daemon() -> None:
    parsed = unit("aidc-ops-gpu-policy.service.j2")
    assert parsed["Unit"]["After"] == "nvidia-persistenced.service"
    assert parsed["Service"]["ExecStart"].split() == [
        "/opt/aidc_ops/node/bin/python",
        "/usr/local/lib/aidc_ops/gpu_policy.py",
        "apply",
        "/etc/aidc_ops/gpu_policy.json",
    ]


def test_forwarder_learns_the_boot_before_each_start() -> None:
    service = unit("aidc-ops-kernel-log.service.j2")["Service"]
    assert service["ExecStartPre"].split()[-1] == "/var/spool/rsyslog/aidc_ops/boot_identity"
    assert service["Restart"] == "always"


def test_limits_are_soft_and_hard_for_everybody() -> None:
    lines = render("gpu_node", "limits.conf.j2", gpu_node_limits={"nofile": 4096}).splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        "* soft nofile 4096",
        "* hard nofile 4096",
        "root soft nofile 4096",
        "root hard nofile 4096",
    ]


def test_kernel_lines_come_from_the_kernel_by_default() -> None:
    text = kernel_log()
    assert 'module(load="imkmsg")' in text
    assert "imfile" not in text
    assert re.search(r'if \$inputname == "imkmsg" and \$syslogfacility == 0', text)


def test_kernel_lines_come_from_a_file_if_told() -> None:
    text = kernel_log(gpu_node_kernel_log_file="/var/lib/gpusim/kernel.log")
    assert 'file="/var/lib/gpusim/kernel.log"' in text
    assert "imkmsg" not in text


def test_forwarding_proves_both_sides() -> None:
    text = kernel_log(gpu_node_log_target="10.0.0.1", gpu_node_log_target_name="ctl")
    assert 'target="10.0.0.1" port="20514"' in text
    assert 'tls="on" tls.authMode="name" tls.permittedPeer=["ctl"]' in text
    assert 'tls.myPrivKey="/etc/rsyslog.d/aidc_ops/node.key"' in text


def test_boot_is_fixed_to_a_line_before_the_queue() -> None:
    text = kernel_log()
    assert text.index("set $!boot = `cat ") < text.index('type="omrelp"')
    assert 'property(outname="boot" format="jsonf" name="$!boot")' in text


@pytest.mark.skipif(shutil.which("rsyslogd") is None, reason="rsyslogd is not installed here")
@pytest.mark.parametrize("source", ["", "/var/lib/gpusim/kernel.log"])
def test_rsyslogd_accepts_the_configuration(source: str, tmp_path: Path) -> None:
    text = render(
        "gpu_node",
        "kernel_log.conf.j2",
        gpu_node_log_target="ctl",
        gpu_node_kernel_log_file=source,
        __gpu_node_log_spool=str(tmp_path),
        __gpu_node_log_boot=str(tmp_path / "boot"),
    )
    (tmp_path / "boot").write_text("x:1")
    config = tmp_path / "kernel_log.conf"
    config.write_text(text)
    done = subprocess.run(["rsyslogd", "-N1", "-f", str(config)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
