# Users and teams of the role grafana, through the real modules, on a stand-in of Grafana's HTTP API with TLS.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import os
import re
import ssl
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.aidc.ops.tests.fakes.certificates import Authority
from ansible_collections.aidc.ops.tests.fakes.grafana import FakeGrafana

ROOT = Path(__file__).resolve().parents[2]
ADMIN_PASSWORD = "correct horse battery"
KIM = {"login": "kim", "email": "kim@example.com", "name": "Kim", "password": "staple staple staple", "role": "Editor"}
LEE = {"login": "lee", "email": "lee@example.com", "name": "Lee", "password": "paper paper paper"}
OPS = {"name": "Operations", "members": ["kim@example.com", "old@example.com"]}
PLAY = """
- hosts: node1
  gather_facts: false
  roles:
    - role: aidc.ops.grafana
"""


class Node:
    """One host, which is this machine, with a Grafana that the role has installed already."""

    def __init__(self, folder: Path, grafana: FakeGrafana, authority: Authority) -> None:
        self.folder, self.grafana = folder, grafana
        certificate, key = authority.issue("node1")
        self.variables = {
            "grafana_admin_password": ADMIN_PASSWORD,
            "grafana_listen_port": grafana.port,
            "grafana_tls_certificate": certificate,
            "grafana_tls_key": key,
            "grafana_tls_ca": str(authority.ca),
            "grafana_datasources": [],
            # Where the earlier steps have placed the authority.
            "__grafana_tls_dir": str(authority.folder),
        }
        host = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"node1": host}}}))
        (folder / "play.yml").write_text(PLAY)

    def run(self, *options: str, environment: dict[str, str] | None = None, **variables: t.Any) -> str:
        """The output of the role's part for users and teams, in one line, whether it worked or not."""
        given = {**self.variables, **variables}
        (self.folder / "vars.yml").write_text(yaml.safe_dump(given))
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts.yml", "play.yml"]
        done = subprocess.run(
            [*command, "--tags", "grafana_users", "-vvv", "-e", "@vars.yml", *options],
            cwd=self.folder,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible" / "collections"),
                # Nobody else is to hear the password, whatever way the node has to the rest of the world.
                "https_proxy": "http://127.0.0.1:9",
                **(environment or {}),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        output = done.stdout + done.stderr
        told = str(given["grafana_admin_password"])
        for secret in (told, base64.b64encode(f"admin:{told}".encode()).decode(), KIM["password"], LEE["password"]):
            assert secret not in output
        return " ".join(output.split())


def changed(output: str) -> int:
    """How many tasks changed something; AssertionError with the output if one failed."""
    found = re.search(r"node1 : ok=\d+ changed=(\d+) unreachable=0 failed=0", output)
    assert found, output
    return int(found.group(1))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    (tmp_path / "pki").mkdir()
    return Authority(tmp_path / "pki")


@pytest.fixture
def grafana(authority: Authority) -> t.Iterator[FakeGrafana]:
    context = authority.server()
    # Whoever asks Grafana has a password, and needs no certificate.
    context.verify_mode = ssl.CERT_NONE
    with FakeGrafana(context, ADMIN_PASSWORD) as fake:
        fake.add("old", "old@example.com")
        yield fake


@pytest.fixture
def node(tmp_path: Path, grafana: FakeGrafana, authority: Authority) -> Node:
    return Node(tmp_path, grafana, authority)


def test_from_nothing_to_a_change(node: Node) -> None:
    people: dict[str, t.Any] = {"grafana_users": [KIM, LEE], "grafana_teams": [OPS, {"name": "Guests"}]}
    told = node.run("--check", **people)
    assert changed(told) == 1 and "Would make: kim, lee" in told, told
    assert node.grafana.changes == []

    assert changed(node.run(**people)) == 3
    kim, lee = node.grafana.user("kim"), node.grafana.user("lee")
    assert kim and (kim["email"], kim["name"], kim["role"]) == ("kim@example.com", "Kim", "Editor")
    assert lee and (lee["role"], lee["password"]) == ("Viewer", LEE["password"])
    assert node.grafana.members("Operations") == ["admin", "kim", "old"]
    assert node.grafana.members("Guests") == ["admin"]

    node.grafana.changes.clear()
    assert changed(node.run(**people)) == 0 and node.grafana.changes == []

    kim["isGrafanaAdmin"] = True
    other = {**KIM, "name": "Kim II", "role": "Admin", "password": "another one for Kim"}
    only = {"name": "Operations", "members": ["lee@example.com"], "exclusive": True}
    assert changed(node.run(grafana_users=[other, LEE], grafana_teams=[only])) == 3
    assert (kim["name"], kim["role"], kim["isGrafanaAdmin"]) == ("Kim II", "Admin", False)
    assert kim["password"] == KIM["password"], "that of a user who is there is not touched"
    assert node.grafana.members("Operations") == ["lee"]

    node.grafana.changes.clear()
    assert changed(node.run(grafana_teams=[only])) == 0
    assert node.grafana.changes == []
    assert node.grafana.user("kim") and "Guests" in node.grafana.teams, "who is no longer named stays"


def test_what_grafana_could_not_do_is_refused_before_anything_is_changed(node: Node) -> None:
    output = node.run(
        grafana_users=[KIM, {**LEE, "email": "old@example.com"}, {"login": "new", "email": "n@x", "name": "N"}],
        grafana_teams=[{"name": "Operations", "members": ["kim@example.com", "nobody@example.com"]}],
    )
    assert "failed=1" in output and "Grafana on node1 was not changed." in output, output
    assert "Other users have the addresses old@example.com." in output
    assert "New users need a password: new." in output
    assert "Members of teams who are neither in grafana_users nor in Grafana: nobody@example.com." in output
    assert node.grafana.changes == []


def test_a_wrong_password_is_explained_and_not_shown(node: Node) -> None:
    output = node.run(grafana_users=[KIM], grafana_admin_password="not the one any more")
    assert "failed=1" in output and ADMIN_PASSWORD not in output, output
    assert "does not let admin (grafana_admin_user) manage users with grafana_admin_password (HTTP 401)" in output
    assert node.grafana.asked == 1, "Grafana locks out who tries too often"


@pytest.mark.parametrize("limit", [{"shortest": 30}, {"patience": 1}], ids=str)
def test_users_that_grafana_refuses_are_named_and_no_password_is(node: Node, limit: dict[str, int]) -> None:
    vars(node.grafana).update(limit)
    output = node.run(grafana_users=[KIM, LEE])
    assert "failed=1" in output and "Grafana on node1 refused the users kim, lee. Its log says why" in output, output
    assert node.grafana.changes == []


def test_a_stranger_with_another_certificate_hears_no_password(node: Node, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    Authority(tmp_path / "other")
    output = node.run(grafana_users=[KIM], __grafana_tls_dir=str(tmp_path / "other"))
    assert "failed=1" in output and "CERTIFICATE_VERIFY_FAILED" in output, output
    assert node.grafana.asked == 0


def test_check_mode_before_there_is_a_server(node: Node, tmp_path: Path) -> None:
    fresh: dict[str, t.Any] = {"grafana_listen_port": 9, "__grafana_tls_dir": str(tmp_path / "none")}
    assert changed(node.run("--check", grafana_users=[KIM], grafana_teams=[OPS], **fresh)) == 0
    output = node.run(grafana_users=[KIM], **{**fresh, "__grafana_tls_dir": str(tmp_path / "pki")})
    assert "failed=1" in output and "Connection refused" in output, output


def test_the_role_needs_the_modules_only_for_users_and_teams(node: Node, tmp_path: Path) -> None:
    here = tmp_path / "collections" / "ansible_collections"
    (here / "aidc").mkdir(parents=True)
    (here / "aidc" / "ops").symlink_to(ROOT)
    (general,) = [
        found for place in sys.path if (found := Path(place, "ansible_collections", "community", "general")).is_dir()
    ][:1]
    (here / "community").mkdir()
    (here / "community" / "general").symlink_to(general)
    environment = {"ANSIBLE_COLLECTIONS_PATH": str(here.parent), "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false"}
    assert changed(node.run(environment=environment)) == 0
    output = node.run(environment=environment, grafana_users=[KIM])
    assert "failed=1" in output, output
    assert "grafana_users and grafana_teams need the collection community.grafana on the control node." in output
    assert node.grafana.asked == 0


def test_a_role_that_grafana_does_not_have_is_refused(node: Node) -> None:
    output = node.run(grafana_users=[{**KIM, "role": "Boss"}])
    assert "value of role must be one of: Viewer, Editor, Admin, got: Boss" in output, output
    assert node.grafana.asked == 0
