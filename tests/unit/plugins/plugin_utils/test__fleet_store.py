# Tests of the fleet files on the controller: what is written, and when the link moves.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._hardware import fleet
from ansible_collections.aidc.ops.plugins.plugin_utils import _fleet_store as store

FIXTURE = Path(__file__).parents[2] / "fixtures" / "hardware_record" / "node.json"


def record(name: str, **changes: Any) -> dict[str, Any]:
    one = json.loads(FIXTURE.read_text(encoding="utf-8"))
    one["node"].update(hostname=name, id=f"dmi:{name}")
    return dict(one | changes)


class Fleet:
    """Runs with files in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "made" / "on demand"
        self.runs = 0

    def run(self, *names: str, dry: bool = False, path: str | None = None, **options: Any) -> dict[str, Any]:
        self.runs += 1
        wanted = store.Wanted(
            records=options.pop("records", [record(name) for name in names]),
            path=path or str(self.folder / f"{self.runs}.jsonl"),
            mode=options.pop("mode", 0o640),
            latest=str(self.folder / "latest.jsonl"),
            absent=options.pop("absent", []),
            if_smaller=options.pop("if_smaller", store.KEEP),
        )
        assert not options
        foreseen = store.keep(wanted, dry=True)
        done = foreseen if dry else store.keep(wanted, dry=False)
        assert foreseen == done
        return done

    def latest(self) -> list[str]:
        return [one["node"]["hostname"] for one in fleet.read(str(self.folder / "latest.jsonl"))]


@pytest.fixture
def site(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def test_the_first_fleet(site: Fleet) -> None:
    done = site.run("gpu2", "gpu1")
    assert (done["changed"], done["nodes"], done["latest_moved"], done["gone"]) == (True, 2, True, [])
    assert site.latest() == ["gpu1", "gpu2"]
    assert os.readlink(site.folder / "latest.jsonl") == "1.jsonl"
    assert (site.folder / "1.jsonl").stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(site.folder)) == ["1.jsonl", "latest.jsonl"]


def test_a_dry_run_makes_nothing(site: Fleet) -> None:
    assert site.run("gpu1", dry=True)["changed"]
    assert not site.folder.exists()


def test_every_run_has_its_file_and_the_link_follows(site: Fleet) -> None:
    site.run("gpu1")
    done = site.run("gpu1", "gpu2")
    assert done["latest_moved"]
    assert site.latest() == ["gpu1", "gpu2"]
    assert len(fleet.read(str(site.folder / "1.jsonl"))) == 1


def test_the_same_hardware_again_is_no_change(site: Fleet) -> None:
    path = str(site.folder / "fleet.jsonl")
    site.run("gpu1", path=path)
    before = (site.folder / "fleet.jsonl").read_bytes()
    warmer = record("gpu1", collected_at="2027-01-01T00:00:00Z")
    assert not site.run(records=[warmer], path=path)["changed"]
    assert (site.folder / "fleet.jsonl").read_bytes() == before
    assert site.run(records=[warmer | {"gpus": []}], path=path)["changed"]
    assert site.run(records=[warmer | {"gpus": []}], path=path, mode=0o600)["changed"]


@pytest.mark.parametrize(
    ("names", "absent"), [(["gpu1"], []), (["gpu1"], ["gpu2"]), (["gpu1", "gpu2"], ["gpu3"]), (["gpu9"], [])]
)
def test_a_smaller_fleet_is_written_but_does_not_become_the_valid_one(
    site: Fleet, names: list[str], absent: list[str]
) -> None:
    site.run("gpu1", "gpu2")
    done = site.run(*names, absent=absent)
    assert (done["changed"], done["latest_moved"], done["latest_kept_back"]) == (True, False, True)
    assert done["gone"] == [{"id": f"dmi:{name}", "hostname": name} for name in ("gpu1", "gpu2") if name not in names]
    assert done["absent"] == absent
    assert site.latest() == ["gpu1", "gpu2"]
    assert len(fleet.read(done["path"])) == len(names)


def test_a_first_fleet_with_a_hole_does_not_become_the_valid_one(site: Fleet) -> None:
    done = site.run("gpu1", absent=["gpu2"])
    assert done["latest_kept_back"]
    assert not (site.folder / "latest.jsonl").exists()


def test_missing_nodes_are_carried_over_with_the_time_of_their_collection(site: Fleet) -> None:
    site.run(records=[record("gpu1"), record("gpu2", collected_at="2020-02-02T02:02:02Z")])
    done = site.run("gpu1", absent=["gpu2"], if_smaller=store.CARRY_OVER)
    assert (done["latest_moved"], done["nodes"]) == (True, 2)
    assert done["carried"] == done["gone"] == [{"id": "dmi:gpu2", "hostname": "gpu2"}]
    assert fleet.read(done["path"])[1]["collected_at"] == "2020-02-02T02:02:02Z"


def test_a_smaller_fleet_replaces_where_somebody_said_so(site: Fleet) -> None:
    site.run("gpu1", "gpu2")
    done = site.run("gpu1", if_smaller=store.REPLACE)
    assert (done["latest_moved"], done["latest_kept_back"], done["carried"]) == (True, False, [])
    assert site.latest() == ["gpu1"]


@pytest.mark.parametrize("content", ["", "{", '{"schema_version": 1}\n', None])
def test_a_valid_fleet_that_cannot_be_read_is_never_replaced_silently(site: Fleet, content: str | None) -> None:
    site.run("gpu1")
    if content is None:
        (site.folder / "1.jsonl").unlink()
    else:
        (site.folder / "1.jsonl").write_text(content)
    with pytest.raises(
        store.StoreError, match=r"nobody can tell which nodes are missing now; repair or remove .*latest"
    ):
        site.run("gpu1", "gpu2")
    assert not (site.folder / "2.jsonl").exists()
    assert site.run("gpu1", if_smaller=store.REPLACE)["latest_moved"]


def test_a_link_that_is_none_is_left_alone(site: Fleet) -> None:
    site.folder.mkdir(parents=True)
    (site.folder / "latest.jsonl").write_text("mine")
    with pytest.raises(store.StoreError, match="is there and is no link"):
        site.run("gpu1")
    assert (site.folder / "latest.jsonl").read_text() == "mine"


@pytest.mark.parametrize("records", [[], [None], [{"schema_version": 1}], [record("a"), record("a")]])
def test_what_is_no_fleet_changes_nothing(site: Fleet, records: list[Any]) -> None:
    site.run("gpu1")
    with pytest.raises(fleet.FleetError):
        site.run(records=records)
    assert site.latest() == ["gpu1"]
    assert sorted(os.listdir(site.folder)) == ["1.jsonl", "latest.jsonl"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(store.StoreError, match="file"):
        store.keep(
            store.Wanted([record("a")], str(tmp_path / "file" / "x" / "f.jsonl"), 0o644, None, [], "keep"), False
        )


def test_the_difference_is_told_against_the_valid_fleet(site: Fleet) -> None:
    site.run("gpu1", "gpu2")
    wanted = store.Wanted(
        [record("gpu1", gpus=[])], str(site.folder / "n"), 0o644, str(site.folder / "latest.jsonl"), [], "carry_over"
    )
    told = store.difference(wanted, store.keep(wanted, dry=True))
    assert told["before_header"].endswith("/1.jsonl")
    before, after = told["before"].splitlines(), told["after"].splitlines()
    assert [line.split()[:3] for line in after] == [["dmi:gpu1", "gpu1", "0"], ["dmi:gpu2", "gpu2", "2"]]
    assert (before[0] == after[0], before[1] == after[1]) == (False, True)
