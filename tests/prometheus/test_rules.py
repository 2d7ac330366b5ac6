# Tests of the alert rules and the configuration of the role prometheus with the real promtool.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import prometheus_server
import pytest
from prometheus_rendered import JOBS, RULE_FILES, RULE_TESTS, rules
from render import render

from ansible_collections.aidc.ops.tests.fakes.certificates import Authority


def promtool(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(prometheus_server.program("promtool")), *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def rule_folder(tmp_path: Path) -> Path:
    """The tests of the rules, beside the rules they name."""
    shutil.copytree(RULE_TESTS, tmp_path, dirs_exist_ok=True)
    (tmp_path / "rules").mkdir()
    for name in RULE_FILES:
        (tmp_path / "rules" / f"{name}.yml").write_text(rules(name))
    return tmp_path


def test_rules_do_what_their_tests_say(rule_folder: Path) -> None:
    result = promtool(rule_folder, "test", "rules", *sorted(path.name for path in RULE_TESTS.glob("*.yml")))
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_rule_that_never_fires_would_be_noticed(rule_folder: Path) -> None:
    broken = rule_folder / "rules" / "aidc_gpu.yml"
    broken.write_text(broken.read_text().replace('xid="79"', 'xid="97"'))
    result = promtool(rule_folder, "test", "rules", "aidc_gpu.yml")
    assert result.returncode != 0
    assert "GpuFellOffBus" in result.stdout + result.stderr


def test_configuration_passes_promtool(tmp_path: Path) -> None:
    # promtool reads the certificates, too.
    certificate, key = Authority(tmp_path).issue("tls")
    assert (certificate, key) == (str(tmp_path / "tls.crt"), str(tmp_path / "tls.key"))
    (tmp_path / "prometheus.yml").write_text(
        render(
            "prometheus",
            "prometheus.yml.j2",
            prometheus_targets=JOBS,
            prometheus_external_labels={"site": 'a "b"'},
            __prometheus_scrape_dir=str(tmp_path),
        )
    )
    result = promtool(tmp_path, "check", "config", "prometheus.yml")
    assert result.returncode == 0, result.stdout + result.stderr
