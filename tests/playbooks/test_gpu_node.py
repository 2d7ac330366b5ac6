# Runs the preflight of the role gpu_node with options that could not work.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("packages", "missing"),
    [
        (["nvidia-ml-py==13.615.71", "prometheus-client==0.26.0"], "lacks psutil,"),
        (["PSUtil==7.2.2", "prometheus_client==0.26.0"], "lacks nvidia-ml-py,"),
        (["psutil-extra==1.0"], "lacks nvidia-ml-py and prometheus-client and psutil,"),
    ],
)
def test_an_environment_without_what_the_modules_import_is_refused(
    packages: list[str], missing: str, tmp_path: Path
) -> None:
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": sys.executable, "gpu_node_pip_packages": packages},
        "tasks": [{"ansible.builtin.include_role": {"name": "aidc.ops.gpu_node", "tasks_from": "preflight.yml"}}],
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "play.yml"]
    collections = {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible/collections"), "ANSIBLE_NOCOLOR": "1"}
    run = subprocess.run(
        command, cwd=tmp_path, env=os.environ | collections, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 2, run.stdout + run.stderr
    assert f"gpu_node_pip_packages {missing} without which" in " ".join(run.stdout.split())
