# Datasets move between three nodes of the lab, over their real ssh.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from demo_lab import SITE

FOLDER = f"{SITE}/test_move"
ROOT = "/srv/test_move"
KEY = "/root/.ssh/test_move"
NODES = ("store1", "gpu1", "gpu2")
PIECES = [f"images/{number}" for number in range(6)]
SIZE = 2_000_000
# All data is on the first node; the others are new.
PLACE = {
    "nodes": [{"name": name, "rack": name, "bytes": 100 * SIZE} for name in NODES],
    "datasets": [{"name": "images", "bytes": len(PIECES) * SIZE}],
    "piece_bytes": SIZE,
    "present": {piece: [NODES[0]] for piece in PIECES},
}


class Datasets:
    """The playbook on the controller, and the pieces on the nodes."""

    def __init__(self, loop: Any) -> None:
        self.lab = loop.lab

    def shell(self, node: str, script: str) -> str:
        return str(self.lab.exec(node, "sh", "-ec", script)).strip()

    def prepare(self) -> None:
        """Root of each node may log in on the others, with a key and without a question. Then the pieces."""
        self.clean()
        self.lab.exec("ctl", "mkdir", "-p", FOLDER)
        addresses = [self.lab.addresses[node] for node in NODES]
        keys = []
        for node in NODES:
            self.shell(node, f"mkdir -p -m 700 /root/.ssh {ROOT}; ssh-keygen -q -t ed25519 -N '' -C test_move -f {KEY}")
            keys.append(self.lab.exec(node, "cat", f"{KEY}.pub"))
        known = self.lab.exec("ctl", "ssh-keyscan", *addresses)
        settings = f"Host {' '.join(addresses)}\n  IdentityFile {KEY}\n  UserKnownHostsFile {KEY}.known\n"
        for node in NODES:
            self.lab.exec(node, "tee", "-a", "/root/.ssh/authorized_keys", stdin="".join(keys))
            self.lab.exec(node, "tee", f"{KEY}.known", stdin=known)
            self.lab.exec(node, "tee", "/etc/ssh/ssh_config.d/test_move.conf", stdin=settings)
        for piece in PIECES:
            path = f"{ROOT}/{piece}"
            self.shell(NODES[0], f"mkdir -p {path}; head -c {SIZE} /dev/urandom > {path}/data.bin")

    def clean(self) -> None:
        self.lab.exec("ctl", "rm", "-rf", FOLDER)
        allowed = "/root/.ssh/authorized_keys"
        for node in NODES:
            self.shell(node, f"rm -rf {ROOT} {KEY} {KEY}.* /etc/ssh/ssh_config.d/test_move.conf")
            self.shell(node, f"test ! -e {allowed} || sed -i '/ test_move$/d' {allowed}")

    def plan(self) -> dict[str, Any]:
        """Plan as the guide does; the plan."""
        copy = {"content": "{{ made | to_json }}", "dest": f"{FOLDER}/plan.json", "mode": "0644"}
        tasks = [{"aidc.ops.dataset_plan": PLACE, "register": "made"}, {"ansible.builtin.copy": copy}]
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
        play["vars"] = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        self.lab.exec("ctl", "tee", f"{FOLDER}/place.yml", stdin=json.dumps([play]))
        rc, log = self.lab.playbook(f"{FOLDER}/place.yml", log="move-place")
        assert rc == 0, log.read_text()
        return dict(json.loads(self.lab.exec("ctl", "cat", f"{FOLDER}/plan.json")))

    def move(self, *arguments: str) -> tuple[int, str]:
        own = {
            "moves_hosts": list(NODES),
            "moves_root": ROOT,
            "moves_plan_path": f"{FOLDER}/plan.json",
            "moves_placement_path": f"{FOLDER}/placement.json",
        }
        rc, log = self.lab.playbook("aidc.ops.move_datasets", *arguments, "-e", json.dumps(own), log="move-move")
        return rc, log.read_text()

    def sums(self) -> dict[str, list[str]]:
        """Of each piece the nodes that hold it, with its checksum."""
        found: dict[str, list[str]] = {}
        for node in NODES:
            for line in self.shell(node, f"cd {ROOT}; find . -name data.bin -exec sha256sum '{{}}' +").splitlines():
                checksum, path = line.split()
                found.setdefault(path.removeprefix("./").removesuffix("/data.bin"), []).append(f"{node} {checksum}")
        return found


@pytest.fixture
def datasets(healthy: Any) -> Iterator[Datasets]:
    made = Datasets(healthy)
    made.prepare()
    yield made
    made.clean()


def test_pieces_move_from_node_to_node(datasets: Datasets) -> None:
    plan = datasets.plan()
    assert len(plan["moves"]) >= 3 and {one["source"] for one in plan["moves"]} == {NODES[0]}
    start = datasets.sums()
    rc, told = datasets.move("--check")
    assert rc == 0 and datasets.sums() == start, told
    rc, told = datasets.move()
    assert rc == 0, told
    checksum = {piece: found.split()[1] for piece, (found,) in start.items()}
    wanted = {piece: [f"{node} {checksum[piece]}" for node in nodes] for piece, nodes in plan["placement"].items()}
    assert datasets.sums() == wanted
    rc, told = datasets.move()
    assert rc == 0 and "changed=0" in told.split("PLAY RECAP")[1] and "changed=1" not in told, told
