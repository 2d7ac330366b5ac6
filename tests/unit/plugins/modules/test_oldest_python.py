# Tests that what runs on nodes runs with the oldest Python that a node may have.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interpreter is a bare one: what needs a package from elsewhere says so or does without."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[4]
OLDEST = "3.8"


def interpreter() -> str | None:
    """Where Python 3.8 is on this machine."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for path in [shutil.which(f"python{OLDEST}"), *map(str, sorted(pyenv.glob(f"versions/{OLDEST}.*/bin/python")))]:
        # Some that are found are only stand-ins that tell what to install.
        asked = path and subprocess.run([path, "-V"], capture_output=True, text=True, check=False)
        if asked and asked.stdout.startswith(f"Python {OLDEST}."):
            return path
    return None


PYTHON = interpreter()
needs_it = pytest.mark.skipif(PYTHON is None, reason=f"this machine has no Python {OLDEST}")


def run(folder: Path, module: str, options: dict[str, Any]) -> dict[str, Any]:
    """What the module returns in check mode."""
    asked = {
        f"aidc.ops.{module}": options,
        "register": "answer",
        "ignore_errors": True,
        "vars": {"ansible_python_interpreter": PYTHON},
    }
    kept = {"ansible.builtin.copy": {"content": "{{ answer | to_json }}", "dest": str(folder / "answer")}}
    play = {
        "name": "One module",
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": sys.executable},
        "tasks": [asked, {**kept, "check_mode": False}],
    }
    (folder / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
    program = str(Path(sys.executable).parent / "ansible-playbook")
    done = subprocess.run(
        [program, "-i", "localhost,", "--check", str(folder / "play.yml")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible/collections"), "ANSIBLE_NOCOLOR": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    answer: dict[str, Any] = json.loads((folder / "answer").read_text(encoding="utf-8"))
    return answer


@needs_it
@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("hardware_record", {"bmc_in_band": False}),
        ("node_info", {}),
        ("node_identity_info", {}),
        ("node_usage_info", {"interval": 0.1, "samples": 1}),
        ("gpu_info", {}),
        ("gpu_diag", {}),
    ],
)
def test_what_a_node_has_is_told(tmp_path: Path, module: str, options: dict[str, Any]) -> None:
    answer = run(tmp_path, module, options)
    assert not answer["failed"], answer
    assert answer["changed"] is False


@needs_it
def test_files_are_looked_at(tmp_path: Path) -> None:
    old = tmp_path / "logs" / "old"
    old.parent.mkdir()
    old.write_text("x")
    answer = run(
        tmp_path, "path_clean", {"allowed": [str(old.parent)], "paths": [{"path": str(old.parent), "older_than": "0s"}]}
    )
    assert answer["changed"], answer
    files = [{"name": "ca.crt", "content": "x"}]
    answer = run(tmp_path, "tls_files", {"directory": str(tmp_path / "tls"), "files": files})
    assert answer["written"] == ["ca.crt"], answer
    assert old.exists() and not (tmp_path / "tls").exists(), "check mode changed something"


@needs_it
@pytest.mark.parametrize(
    ("module", "options", "says"),
    [
        ("gpu_config", {"persistence": True}, "GPU|NVML"),
        ("gpu_reset", {"token": "aidc.ops:1", "device": "0000:01:00.0"}, "GPU|NVML|token"),
        ("port_reset", {"token": "aidc.ops:1", "device": "mlx5_99"}, "mlx5_99"),
        ("filesystem_repair", {"state": "remounted", "path": "/no/such/mount"}, "/no/such/mount"),
        ("bandwidth_check", {}, "GPU"),
        ("dataset_copy", {"source": "/a", "dest": "/no/such/root/a", "root": "/no/such/root"}, "/no/such/root"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, module: str, options: dict[str, Any], says: str) -> None:
    answer = run(tmp_path, module, options)
    assert answer["failed"], answer
    assert re.search(says, answer["msg"]), answer["msg"]
