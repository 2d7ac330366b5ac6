# Certificates of the roles from end to end: made by the role pki, refused where missing, placed, renewed.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import grp
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PLAY = """
- hosts: node1
  gather_facts: false
  tasks:
    - ansible.builtin.import_role:
        name: aidc.ops.pki
      tags: [pki]
    - ansible.builtin.import_role:
        name: aidc.ops.exporter
        tasks_from: certificates_check
      tags: [web]
    - ansible.builtin.import_role:
        name: aidc.ops.exporter
        tasks_from: web_server
      tags: [web]
  handlers:
    - name: Restart the demo
      ansible.builtin.debug:
        msg: restarted
    - name: Read the certificate
      ansible.builtin.debug:
        msg: read again
"""


class Node:
    """One host, which is this machine, with the folder ``web`` for its web server."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.pki, self.web = folder, folder / "pki", folder / "web"
        self.told = {
            "role": "demo",
            "title": "the demo",
            "directory": str(self.web),
            "owner": "{{ lookup('ansible.builtin.pipe', 'id -un') }}",
            "group": grp.getgrgid(os.getgid()).gr_name,
            "tls_certificate": "{{ pki_dir }}/{{ inventory_hostname }}.crt",
            "tls_key": "{{ pki_dir }}/{{ inventory_hostname }}.key",
            "tls_client_ca": "{{ pki_dir }}/ca.crt",
            "handler": "Restart the demo",
            "renewal_handler": "Read the certificate",
        }
        host = {
            "ansible_connection": "local",
            "ansible_host": "192.0.2.7",
            "ansible_python_interpreter": sys.executable,
        }
        (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"node1": host}}}))
        (folder / "play.yml").write_text(PLAY)

    def run(self, *options: str, **web: str) -> str:
        """The output of the play, whether it worked or not."""
        (self.folder / "vars.yml").write_text(
            yaml.safe_dump({"pki_dir": str(self.pki), "exporter_web": self.told | web})
        )
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts.yml", "play.yml", *options]
        environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        environment["ANSIBLE_COLLECTIONS_PATH"] = str(ROOT / ".ansible" / "collections")
        done = subprocess.run(
            [*command, "-e", "@vars.yml"],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        return done.stdout + done.stderr

    def mode(self, name: str) -> int:
        return stat.S_IMODE((self.web / name).stat().st_mode)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_from_a_fresh_node_to_plain_text(node: Node) -> None:
    fresh = node.run("--check", "--diff")
    assert "failed=0" in fresh and not node.pki.exists() and not node.web.exists(), fresh
    made = node.run()
    assert "failed=0" in made and "restarted" in made and "read again" in made, made
    assert sorted(path.name for path in node.web.iterdir()) == ["ca.crt", "tls.crt", "tls.key", "web.yml"]
    assert (node.mode("tls.key"), node.mode("tls.crt"), node.mode("web.yml")) == (0o440, 0o444, 0o640)
    shown = ["openssl", "x509", "-in", str(node.web / "tls.crt"), "-noout", "-ext", "subjectAltName,extendedKeyUsage"]
    text = subprocess.run(shown, check=True, capture_output=True, text=True).stdout
    for name in ("DNS:node1", "IP Address:192.0.2.7", "DNS:localhost", "IP Address:127.0.0.1", "Client Authentication"):
        assert name in text, text
    assert "changed=0" in node.run(), "the second run changes nothing"
    (node.pki / "node1.crt").unlink()
    renewed = node.run()
    assert "read again" in renewed and "restarted" not in renewed, renewed
    plain = node.run("--tags", "web", tls_certificate="")
    assert "restarted" in plain, plain
    assert sorted(path.name for path in node.web.iterdir()) == ["web.yml"]
    assert yaml.safe_load((node.web / "web.yml").read_text()) == {}


def test_a_missing_certificate_is_refused_with_what_to_do(node: Node) -> None:
    output = node.run("--tags", "web")
    assert "failed=1" in output and not node.web.exists(), output
    plain = " ".join(output.split())
    assert f"no file {node.pki}/node1.crt (demo_tls_certificate) for node1" in plain, output
    assert "aidc.ops.pki" in plain and "set demo_tls_certificate to '' for plain text" in plain, output


def test_a_certificate_without_a_key_is_refused(node: Node) -> None:
    output = " ".join(node.run("--tags", "web", tls_key="").split())
    assert "demo_tls_certificate is set, so demo_tls_key has to name its key" in output
