# Runs the playbook move_datasets on three storage nodes that are folders, with the real rsync.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.aidc.ops.plugins.modules import dataset_plan
from ansible_collections.aidc.ops.tests.playbooks.console import ROOT

MIB = 1024 * 1024
NAMES = ("st1", "st2", "st3")
# A name is a name, whatever is in it.
DATASETS = ("{{ 7 + 7 }}", "$(touch x)", "big", "lost", "huge")
HUGE = 8 * 1024**4


class Storage:
    """Three nodes, and a control node with the plan for them. Data is on st1 and st2."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        hosts = {name: {"moves_root": str(folder / name), "moves_address": ""} for name in NAMES}
        common = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_become": False}
        groups = {"storage": {"hosts": hosts, "vars": common}}
        (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"children": groups}}))
        for name in NAMES:
            (folder / name).mkdir()

    def put(self, node: str, piece: str, content: bytes) -> None:
        path = self.folder / node / piece / "data.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (1_700_000_000, 1_700_000_000))

    def plan(self, **arguments: Any) -> dict[str, Any]:
        """Make a plan and give it to the playbook."""
        with patch_module_args(arguments), pytest.raises(SystemExit):
            dataset_plan.main()
        made: dict[str, Any] = json.loads(self.capsys.readouterr().out)
        (self.folder / "plan.json").write_text(json.dumps(made))
        return made

    def move(self, *arguments: str, **variables: Any) -> tuple[int, str]:
        given = {
            # As seen from where the playbook is called.
            "moves_plan_path": os.path.relpath(self.folder / "plan.json", ROOT),
            "moves_placement_path": str(self.folder / "placement.json"),
            **variables,
        }
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(self.folder / "hosts.yml")]
        command += ["aidc.ops.move_datasets", "-e", json.dumps(given), *arguments]
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"),
            "ANSIBLE_REMOTE_TEMP": str(self.folder / "tmp"),
        }
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600
        )
        return done.returncode, done.stdout + done.stderr

    def placement(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = json.loads((self.folder / "placement.json").read_text())
        return found

    def data(self, node: str) -> list[str]:
        """The pieces on a node; copies that are not complete have other names."""
        pieces = (path.parent for path in (self.folder / node).rglob("data.bin"))
        return sorted(str(path.relative_to(self.folder / node)) for path in pieces)


@pytest.fixture
def storage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Storage:
    return Storage(tmp_path, capsys)


def move(piece: str, size: int, source: str, to: str, drop: str, wave: int) -> dict[str, Any]:
    return {"piece": piece, "size": size, "source": source, "to": to, "drop": drop, "wave": wave}


def test_a_plan_is_carried_out_in_spite_of_everything(storage: Storage) -> None:
    content = random.Random(3).randbytes(4 * MIB)
    for piece in DATASETS[:2]:
        storage.put("st1", piece, piece.encode())
    storage.put("st1", "big", content)
    storage.put("st2", "huge", b"x")
    # It takes no room here, and there is none for it anywhere.
    os.truncate(storage.folder / "st2" / "huge" / "data.bin", HUGE)
    os.utime(storage.folder / "st2" / "huge" / "data.bin", (1_700_000_000, 1_700_000_000))
    plan = {
        "placement": {piece: ["st3"] for piece in DATASETS} | {"after": ["st2"], "old": ["st1"]},
        "moves": [
            move("{{ 7 + 7 }}", 11, "st1", "st3", "st1", 1),
            move("big", 4 * MIB, "st1", "st3", "st1", 1),
            move("lost", 5, "st1", "st3", "st1", 1),
            move("huge", HUGE, "st2", "st3", "st2", 2),
            # It needs the room that the former one makes.
            move("after", 5, "st1", "st2", "st1", 3),
            move("$(touch x)", 10, "st1", "st3", "st1", 3),
            move("old", 0, "", "", "st2", 3),
        ],
    }
    storage.put("st1", "after", b"after")
    storage.put("st1", "old", b"old")
    storage.put("st2", "old", b"another")
    (storage.folder / "plan.json").write_text(json.dumps(plan))
    start = {name: storage.data(name) for name in NAMES}

    status, told = storage.move("--check")
    # Of the first wave it is seen that the source of one is not there.
    assert status != 0 and "No such file or directory" in told, told
    assert "wave 1: {{ 7 + 7 }}, 11 bytes from st1 to st3, then removed from st1" in told
    assert "wave 2: huge, 8,796,093,022,208 bytes from st2 to st3" in told
    assert {name: storage.data(name) for name in NAMES} == start and not (storage.folder / "placement.json").exists()
    assert not any(path.name.startswith(".") for path in storage.folder.rglob("*"))

    # The large one is too slow for its time, so it is cut off.
    status, told = storage.move(moves_bytes_per_second=MIB, moves_timeout=2)
    assert status != 0 and "not done within 2 s" in told and "bytes, and" in told and "are free below" in told, told
    assert "the room that it needs on st2 was not made" in told
    assert "old stays, for" in told and "is not equal" in told
    assert storage.data("st1") == ["after", "big", "old"]
    assert storage.data("st2") == ["huge", "old"]
    part = storage.folder / "st3" / ".big.aidc_ops_partial"
    assert 0 < (part / "data.bin").stat().st_size < len(content)
    assert sorted(set(storage.data("st3")) - {part.name}) == ["$(touch x)", "{{ 7 + 7 }}"]
    assert storage.placement() == {
        **{piece: ["st3"] for piece in DATASETS[:2]},
        "big": ["st1"],
        "lost": ["st1"],
        "huge": ["st2"],
        "after": ["st1"],
        "old": ["st1", "st2"],
    }
    assert not (ROOT / "x").exists()

    # People put right what was wrong.
    storage.put("st1", "lost", b"found")
    os.truncate(storage.folder / "st2" / "huge" / "data.bin", 4)
    os.utime(storage.folder / "st2" / "huge" / "data.bin", (1_700_000_000, 1_700_000_000))
    storage.put("st2", "old", b"old")
    status, told = storage.move()
    assert status == 0 and "0 moves and 0 bytes are left" in told, told
    assert storage.data("st1") == ["old"] and storage.data("st2") == ["after"]
    assert storage.data("st3") == sorted(DATASETS)
    assert (storage.folder / "st3" / "big" / "data.bin").read_bytes() == content
    assert not any(path.name.startswith(".") for path in storage.folder.rglob("*"))
    assert storage.placement() == plan["placement"]

    status, told = storage.move()
    assert status == 0 and told.count("changed=0") == 3 and "Nothing has to be moved." in told, told


def test_one_plan_after_the_other(storage: Storage) -> None:
    nodes = [{"name": name, "rack": name, "bytes": 1000} for name in NAMES]
    datasets = [{"name": "images", "bytes": 400, "replicas": 2}, {"name": "logs", "bytes": 40}]
    common = {"datasets": datasets, "piece_bytes": 50}
    first = storage.plan(nodes=nodes[:2], **common)
    for piece, names in first["placement"].items():
        for name in names:
            storage.put(name, piece, piece.encode() * 5)
    made = storage.plan(nodes=nodes, present=first["placement"], **common)
    assert len(made["moves"]) > 3 and {row["to"] for row in made["moves"]} == {"st3"}
    # A run that is limited removes nothing from the other nodes; the next plan goes on from what was reached.
    status, told = storage.move("--limit", "st3,st1")
    assert status == 0 and "moves and 0 bytes are left" in told, told
    half = storage.placement()
    left = storage.plan(
        nodes=nodes,
        present=half,
        earlier={"fingerprint": made["fingerprint"], "placement": made["placement"]},
        **common,
    )
    assert {row["drop"] for row in left["moves"]} == {"st2"} and left["moved_bytes"] == 0
    assert "continued" in left["notes"][0]
    assert storage.data("st3") == sorted(piece for piece, held in made["placement"].items() if "st3" in held)
    assert storage.data("st1") == sorted(piece for piece, held in half.items() if "st1" in held)
