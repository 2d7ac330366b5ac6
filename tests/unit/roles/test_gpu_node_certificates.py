# Tests that the role gpu_node keeps certificates that the user of a run may not read, and says so where it cannot.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import grp
import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from render import ROOT, load_variables

# The role's tasks are run for real, by ansible-playbook.
pytestmark = pytest.mark.slow

NAMES = ("ca.crt", "node.crt", "node.key")
RUN: dict[str, Any] = {"capture_output": True, "text": True}


class Node:
    """The role's tasks about certificates, run for real: one folder is the control node's store, one the node's."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store, self.placed = folder, folder / "store", folder / "placed"
        self.placed.mkdir()
        tasks = yaml.safe_load((ROOT / "roles/gpu_node/tasks/configure_log.yml").read_text(encoding="utf-8"))
        first, last = ("Find out which certificates cannot be read here", "Install the certificates")
        names = [task["name"] for task in tasks]
        self.tasks = tasks[names.index(first) : names.index(last) + 1]
        for task in self.tasks:
            task.pop("notify", None)
        self.tasks[-1]["aidc.ops.tls_files"] |= {
            "owner": pwd.getpwuid(os.getuid()).pw_name,
            "group": grp.getgrgid(os.getgid()).gr_name,
        }

    def fill(self, folder: Path, days: int = 30) -> None:
        """Make a key and certificates with this life in the folder."""
        folder.mkdir(exist_ok=True)
        key = folder / "node.key"
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key)], check=True)
        for name in ("ca.crt", "node.crt"):
            command = ["openssl", "req", "-x509", "-new", "-key", str(key), "-subj", "/CN=n", "-days", str(days)]
            subprocess.run([*command, "-out", str(folder / name)], check=True, capture_output=True)

    def run(self, *flags: str) -> subprocess.CompletedProcess[str]:
        variables: dict[str, Any] = {"__gpu_node_log_dir": str(self.placed)}
        for option, name in zip(("ca", "cert", "key"), NAMES, strict=True):
            variables[f"gpu_node_tls_{option}"] = str(self.store / name)
        play = {
            "name": "Certificates",
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars_files": [str(ROOT / "roles/gpu_node/vars/main.yml")],
            "vars": {**variables, "ansible_python_interpreter": sys.executable, "gpu_node_log_target": "ctl"},
            "tasks": self.tasks,
        }
        # vars_files win over vars of a play.
        extra = f"__gpu_node_log_dir={self.placed}"
        playbook = self.folder / "play.yml"
        playbook.write_text(yaml.safe_dump([play]), encoding="utf-8")
        command = [str(Path(sys.executable).parent / "ansible-playbook"), str(playbook), "-e", extra, *flags]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible/collections"),
                "ANSIBLE_LOCALHOST_WARNING": "false",
                "ANSIBLE_NOCOLOR": "1",
            },
        )

    def content(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.placed.iterdir()}


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_what_can_be_read_is_placed(node: Node) -> None:
    node.fill(node.store)
    done = node.run()
    assert done.returncode == 0, done.stdout
    assert sorted(node.content()) == sorted(NAMES)
    assert (node.placed / "node.key").stat().st_mode & 0o777 == 0o600
    assert "changed=1" in done.stdout
    assert "changed=0" in node.run().stdout


# Even root cannot read what lies in a directory that is not there; for others one that is closed looks the same.
def test_the_node_keeps_what_it_has_where_the_store_cannot_be_seen(node: Node) -> None:
    node.fill(node.placed)
    before = node.content()
    for flags in ((), ("--check",)):
        done = node.run(*flags)
        assert done.returncode == 0, done.stdout
        assert "changed=0" in done.stdout
        assert node.content() == before


def test_a_node_that_has_none_is_named_with_what_to_do(node: Node) -> None:
    done = node.run()
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    assert f"{node.store}/node.key cannot be read on the control node" in said
    assert "Run the playbook aidc.ops.site on the control node" in said


def test_an_old_certificate_is_not_kept(node: Node) -> None:
    node.fill(node.placed)
    (node.placed / "node.crt").write_text("nonsense")
    done = node.run()
    assert done.returncode != 0
    assert f"has no {node.placed}/node.crt that is still valid" in " ".join(done.stdout.split())


def test_a_file_that_is_certainly_missing_is_an_error_even_if_the_node_has_it(node: Node) -> None:
    node.fill(node.placed)
    node.fill(node.store)
    (node.store / "node.crt").unlink()
    done = node.run()
    assert done.returncode != 0
    assert f"{node.store}/node.crt" in done.stdout
    assert "changed=0" in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may read less")
def test_a_user_without_rights_sees_neither_a_closed_file_nor_a_closed_directory() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for part, mode in (("open", 0o755), ("closed", 0o700)):
            (folder / part).mkdir()
            for file in ("a.crt", "it's.key"):
                (folder / part / file).touch(0o644 if file == "a.crt" else 0o600)
            (folder / part).chmod(mode)
        for part, hidden in (("open", ["it's.key"]), ("closed", ["none.crt", "a.crt", "it's.key"])):
            given = {
                "gpu_node_tls_ca": str(folder / part / "none.crt"),
                "gpu_node_tls_cert": str(folder / part / "a.crt"),
                "gpu_node_tls_key": str(folder / part / "it's.key"),
            }
            found = load_variables(ROOT / "roles/gpu_node/vars/main.yml")
            look = Templar(DataLoader(), variables=found | given).template(found["__gpu_node_tls_look"])
            done = subprocess.run(["sh", "-c", look], user=65534, group=65534, extra_groups=[], check=True, **RUN)
            assert done.stdout.splitlines() == [str(folder / part / file) for file in hidden]
            assert subprocess.run(["sh", "-c", look], check=True, **RUN).stdout == ""
