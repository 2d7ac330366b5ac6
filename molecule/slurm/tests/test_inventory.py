# The inventory plugin slurm against the real cluster: its commands, and its REST service.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of aidc.ops.slurm. Slurm listens inside its container only, so both ways lead through it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import slurm_helpers
import yaml
from slurm_helpers import NODES, as_user, container, node, wait_for_state

ROOT = Path(__file__).resolve().parents[3]
REASON = "{{ 7 * 7 }} GPU 3 is hot"


class Relay(BaseHTTPRequestHandler):
    """Asks the REST service from within its container."""

    def do_GET(self) -> None:
        headers = [f"{name}: {value}" for name, value in self.headers.items() if name.lower().startswith("x-slurm-")]
        options = " ".join(["-H %s"] * len(headers))
        url = f"http://127.0.0.1:6820{self.path}"
        done = container("ctl").run(f"curl -s -w '\\n%%{{http_code}}' {options} %s", *headers, url)
        body, _newline, status = done.stdout.rpartition("\n")
        content = body.encode()
        self.send_response(int(status) if status.isdigit() and status != "000" else 502)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Relay) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def commands(tmp_path: Path) -> dict[str, str]:
    return slurm_helpers.commands(tmp_path, "scontrol", "sinfo")


def inventory(folder: Path, **options: Any) -> tuple[int, dict[str, Any], str]:
    """Status, hosts with their variables, and errors of ansible-inventory."""
    path = folder / "site.slurm.yml"
    path.write_text(yaml.safe_dump({"plugin": "aidc.ops.slurm", **options}))
    program = str(Path(sys.executable).with_name("ansible-inventory"))
    done = subprocess.run(
        [program, "-i", str(path), "--list", "--yaml"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
    )
    listed = yaml.safe_load(done.stdout) if done.returncode == 0 else {}
    return done.returncode, listed.get("all", {}).get("children", {}), done.stderr


def token(user: str = "root") -> str:
    made = container("ctl").check_output("scontrol token lifespan=60 username=%s", user)
    return str(made.partition("=")[2])


@pytest.fixture
def drained() -> Iterator[str]:
    for name in NODES:
        wait_for_state(name, "IDLE")
    assert as_user("oncall", f"scontrol update nodename=gpu2 state=drain reason='{REASON}'").rc == 0
    yield "gpu2"
    as_user("oncall", "scontrol update nodename=gpu2 state=resume")
    wait_for_state("gpu2", "IDLE")


def check(groups: dict[str, Any]) -> None:
    hosts = groups["partition_gpu"]["hosts"]
    assert sorted(hosts) == sorted(NODES)
    assert hosts["gpu1"]["aidc_ops_slurm_states"] == ["idle"]
    assert (hosts["gpu1"]["aidc_ops_slurm_out"], hosts["gpu1"]["aidc_ops_slurm_reason"]) == (False, "")
    assert hosts["gpu2"]["aidc_ops_slurm_states"] == ["idle", "drain"]
    assert (hosts["gpu2"]["aidc_ops_slurm_out"], hosts["gpu2"]["aidc_ops_slurm_reason"]) == (True, REASON)
    assert hosts["gpu2"]["aidc_ops_slurm_reason_by"] == "oncall"
    for name in NODES:
        model, count = node(name)["Gres"].split(":")[1:3]
        assert hosts[name]["aidc_ops_slurm_gpus"] == {model: int(count)}
        assert (hosts[name]["aidc_ops_slurm_cpus"], hosts[name]["aidc_ops_slurm_memory_mib"]) == (16, 64000)


KEYED = [{"key": "aidc_ops_slurm_partitions", "prefix": "partition"}]


def test_nodes_partitions_states_and_reasons_from_the_commands(
    tmp_path: Path, commands: dict[str, str], drained: str
) -> None:
    status, groups, errors = inventory(tmp_path, keyed_groups=KEYED, **commands)
    assert status == 0, errors
    check(groups)


def test_nodes_partitions_states_and_reasons_from_the_rest_service(tmp_path: Path, url: str, drained: str) -> None:
    status, groups, errors = inventory(tmp_path, keyed_groups=KEYED, url=url, token=token())
    assert status == 0, errors
    check(groups)


def test_a_token_that_is_none_gives_no_smaller_cluster(tmp_path: Path, url: str) -> None:
    status, _groups, errors = inventory(tmp_path, url=url, token="nonsense")
    assert status != 0
    assert f"slurmrestd at {url}" in errors


def test_a_controller_that_is_down_gives_no_smaller_cluster(tmp_path: Path, url: str, commands: dict[str, str]) -> None:
    ticket = token()
    container("ctl").check_output("systemctl stop slurmctld")
    try:
        for options in ({"url": url, "token": ticket}, commands):
            status, _groups, errors = inventory(tmp_path, timeout=60, **options)
            assert status != 0
            assert "aidc.ops.slurm: " in errors and "Nothing of this source is in the inventory" in errors
    finally:
        container("ctl").check_output("systemctl start slurmctld")
        for name in NODES:
            wait_for_state(name, "IDLE")
