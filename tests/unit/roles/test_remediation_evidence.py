# Tests of the programs that collect and store evidence.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import importlib.util
import json
import subprocess
import sys
import time
import types
import typing as t
from pathlib import Path

import pytest

FILES = Path(__file__).resolve().parents[3] / "roles" / "remediation" / "files"


def load(name: str) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, FILES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


collect_evidence, store_evidence = load("collect_evidence"), load("store_evidence")


def request(*commands: tuple[str, list[str]], seconds: float = 5, limit_bytes: int = 1000) -> dict[str, t.Any]:
    named = [{"name": name, "argv": argv} for name, argv in commands]
    return {"commands": named, "seconds": seconds, "limit_bytes": limit_bytes}


def test_good_missing_failing_and_hanging_commands_are_all_evidence() -> None:
    began = time.monotonic()
    items = collect_evidence.collect(
        request(
            ("good", ["echo", "hello"]),
            ("missing", ["no-such-command-anywhere"]),
            ("failing", ["sh", "-c", "echo out; echo err >&2; exit 3"]),
            ("hanging", ["sh", "-c", "echo before; sleep 60"]),
            ("other", ["sh", "-c", "sleep 0.5; echo late"]),
            seconds=1,
        )
    )["items"]
    assert time.monotonic() - began < 10
    good, missing, failing, hanging, other = items
    assert (good["rc"], good["text"], good["error"]) == (0, "hello\n", None)
    assert missing["rc"] is None and "No such file" in missing["error"]
    assert failing["rc"] == 3 and failing["text"] == "out\nerr\n"
    assert hanging["rc"] is None and hanging["error"] == "did not end within 1 s" and hanging["text"] == "before\n"
    assert other["text"] == "late\n"


def test_of_long_output_the_end_is_kept() -> None:
    (item,) = collect_evidence.collect(request(("long", ["sh", "-c", "seq 100000"])))["items"]
    assert item["truncated"] and item["text"].endswith("100000\n") and len(item["text"]) == 1000


def test_bytes_that_are_no_text_do_no_harm() -> None:
    (item,) = collect_evidence.collect(request(("bytes", ["sh", "-c", r"printf '\377\376\000ok'"])))["items"]
    assert item["text"].endswith("ok")


def test_the_program_prints_json() -> None:
    argument = json.dumps(request(("good", ["echo", "{{ 1 }}"])))
    done = subprocess.run(
        [sys.executable, str(FILES / "collect_evidence.py"), argument], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["items"][0]["text"] == "{{ 1 }}\n"


def test_it_tells_which_programs_the_node_has() -> None:
    answer = collect_evidence.collect({**request(("good", ["true"])), "look_for": ["sh", "no-such-program"]})
    assert answer["programs"]["sh"].endswith("/sh") and answer["programs"]["no-such-program"] is None


def bundle(**more: t.Any) -> dict[str, t.Any]:
    item = {
        "name": "dmesg",
        "argv": ["dmesg"],
        "rc": 0,
        "seconds": 0.1,
        "text": "line\n",
        "truncated": False,
        "error": None,
    }
    return {
        "case": {"case_id": 7},
        "problems": ["one"],
        "items": [item],
        "documents": {"gpu_info": {"gpus": []}},
        **more,
    }


def test_the_manifest_has_the_checksum_of_every_file(tmp_path: Path) -> None:
    answer = store_evidence.store(str(tmp_path / "7"), bundle())
    manifest = json.loads(Path(answer["manifest"]).read_text())
    assert answer["files"] == 2
    assert manifest["schema_version"] == 1 and manifest["case"] == {"case_id": 7} and manifest["problems"] == ["one"]
    for entry in manifest["files"]:
        content = (tmp_path / "7" / entry["name"]).read_bytes()
        assert (entry["bytes"], entry["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert {path.name for path in (tmp_path / "7").iterdir()} == {"dmesg.txt", "gpu_info.json", "manifest.json"}
    assert (tmp_path / "7" / "dmesg.txt").stat().st_mode & 0o777 == 0o640


def test_what_is_attached_gets_its_checksum(tmp_path: Path) -> None:
    content = b"x" * 3_000_000
    (tmp_path / "nvidia_bug_report.log.gz").write_bytes(content)
    answer = store_evidence.store(str(tmp_path), bundle(attached=["nvidia_bug_report.log.gz"]))
    manifest = Path(answer["manifest"]).read_bytes()
    assert answer["sha256"] == hashlib.sha256(manifest).hexdigest() and answer["files"] == 3
    entry = json.loads(manifest)["files"][-1]
    assert (entry["bytes"], entry["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("name", ["../x.gz", "a/b.gz", "x", ".gz", "x.GZ", "x.y.z.gz"])
def test_only_a_plain_name_is_attached(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        store_evidence.store(str(tmp_path), bundle(attached=[name]))


def test_storing_again_replaces(tmp_path: Path) -> None:
    store_evidence.store(str(tmp_path), bundle())
    store_evidence.store(str(tmp_path), bundle(items=[]))
    assert [entry["name"] for entry in json.loads((tmp_path / "manifest.json").read_text())["files"]] == [
        "gpu_info.json"
    ]


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "a/b", ".hidden", "UPPER", "x" * 65, "a.b", "{{ 1 }}"])
def test_a_name_that_is_no_plain_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        store_evidence.store(str(tmp_path / "7"), bundle(documents={name: {}}))
    assert not (tmp_path / "7").exists()


def test_two_items_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="same name"):
        store_evidence.store(str(tmp_path), bundle(items=bundle()["items"] * 2))


def test_the_store_reads_standard_input(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(FILES / "store_evidence.py"), str(tmp_path)],
        input=json.dumps(bundle()),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["manifest"] == str(tmp_path / "manifest.json")
