# Tests of baselines on the controller: what becomes one, and what does not.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.plugin_utils import _baseline_store as store

FIXTURE = Path(__file__).parents[2] / "fixtures" / "hardware_record" / "node.json"


@pytest.fixture
def record() -> dict[str, Any]:
    return dict(json.loads(FIXTURE.read_text(encoding="utf-8")))


class Site:
    """The baseline of gpu1 in a folder that is not there yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "baselines"
        self.file = self.folder / "gpu1.json"

    def compare(self, record: Any, dry: bool = False, **options: Any) -> dict[str, Any]:
        given = {"accept": False, "replace": False, "own_maximum": True, "name": "gpu1", "mode": 0o640} | options
        wanted = store.Wanted(record=record, folder=str(self.folder), **given)
        foreseen = store.compare(wanted, dry=True)
        done = foreseen if dry else store.compare(wanted, dry=False)
        assert foreseen == done
        return done


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def with_disk(record: dict[str, Any], serial: str) -> dict[str, Any]:
    other = copy.deepcopy(record)
    other["disks"][0]["serial"] = serial
    return other


def test_nothing_becomes_a_baseline_by_itself(site: Site, record: dict[str, Any]) -> None:
    answer = site.compare(record)
    assert (answer["baseline"], answer["changed"]) == ("none", False)
    assert not site.folder.exists()


def test_without_a_baseline_there_are_the_findings_that_need_none(site: Site, record: dict[str, Any]) -> None:
    findings = site.compare(record)["findings"]
    assert [one["field"] for one in findings["degraded"]] == ["width"]
    assert site.compare(record, own_maximum=False)["findings"]["degraded"] == []


def test_four_steps(site: Site, record: dict[str, Any]) -> None:
    steps = [site.compare(record, dry=dry, accept=True)["changed"] for dry in (True, False, False, True)]
    assert steps == [True, True, False, False]
    assert json.loads(site.file.read_text(encoding="utf-8")) == record
    assert site.file.stat().st_mode & 0o777 == 0o640


def test_an_accepted_baseline_is_not_replaced_by_accepting_again(site: Site, record: dict[str, Any]) -> None:
    site.compare(record, accept=True)
    answer = site.compare(with_disk(record, "S9"), accept=True)
    assert (answer["baseline"], answer["changed"]) == ("kept", False)
    assert [one["found"] for one in answer["findings"]["changed"]] == ["S9"]
    assert json.loads(site.file.read_text(encoding="utf-8")) == record


def test_replacing_tells_what_was_different_and_then_nothing_is(site: Site, record: dict[str, Any]) -> None:
    site.compare(record, accept=True)
    other = with_disk(record, "S9")
    answer = site.compare(other, replace=True)
    assert (answer["baseline"], len(answer["findings"]["changed"])) == ("replaced", 1)
    assert '"S0001"' in answer["diff"]["before"] and '"S9"' in answer["diff"]["after"]
    again = site.compare(other, replace=True)
    assert (again["baseline"], again["changed"], again["findings"]["changed"]) == ("kept", False, [])


def test_replacing_accepts_where_there_is_none(site: Site, record: dict[str, Any]) -> None:
    assert site.compare(record, replace=True)["baseline"] == "accepted"


def test_another_boot_is_no_reason_to_replace(site: Site, record: dict[str, Any]) -> None:
    site.compare(record, accept=True)
    booted = copy.deepcopy(record)
    booted["os"]["boot_identity"] = "00000000-0000-0000-0000-000000000000:1"
    booted["gpus"][0]["temperature_celsius"] = 80
    assert site.compare(booted, replace=True)["baseline"] == "kept"


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("gpus",), None, "nobody could tell its gpus"),
        (("disks",), None, "nobody could tell its disks"),
        (("gpus", 0, "lost"), True, "gpu:0000:1b:00 no longer answers (lost)"),
        (("gpus", 0, "error"), "no permission", "gpu:0000:1b:00 cannot be read: no permission"),
        (("node", "id"), None, "the node has no stable id"),
    ],
)
@pytest.mark.parametrize("how", ["accept", "replace"])
def test_what_is_broken_or_unknown_is_refused(
    site: Site, record: dict[str, Any], path: tuple[Any, ...], value: Any, reason: str, how: str
) -> None:
    if how == "replace":
        site.compare(record, accept=True)
    *way, last = path
    broken = thing = copy.deepcopy(record)
    for key in way:
        thing = thing[key]
    thing[last] = value
    answer = site.compare(broken, **{how: True})
    assert (answer["baseline"], answer["changed"], answer["refused"]) == ("refused", False, [reason])
    assert site.file.exists() == (how == "replace")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is no JSON"),
        ('{"schema_version": 1', "is no JSON"),
        ("null", "is no hardware record"),
        ('{"schema_version": 2}', "is no hardware record"),
    ],
)
def test_a_baseline_that_cannot_be_read_is_never_taken_for_none(
    site: Site, record: dict[str, Any], content: str, message: str
) -> None:
    site.folder.mkdir()
    site.file.write_text(content)
    for options in ({}, {"accept": True}, {"replace": True}):
        with pytest.raises(store.BaselineError, match=f"the baseline {site.file} {message}"):
            site.compare(record, **options)
    assert site.file.read_text() == content


@pytest.mark.parametrize("name", ["", "../x", "a/b", "{{ x }}", ".hidden", "a\n", "x" * 300])
def test_a_name_that_is_no_file_is_refused(site: Site, record: dict[str, Any], name: str) -> None:
    with pytest.raises(store.BaselineError, match="cannot be the name of a baseline"):
        site.compare(record, name=name, accept=True)


@pytest.mark.parametrize("bad", [None, {}, {"failed": True}])
def test_what_is_no_record_is_an_error(site: Site, bad: Any) -> None:
    with pytest.raises(store.BaselineError, match="this is no hardware record"):
        site.compare(bad, accept=True)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, record: dict[str, Any]) -> None:
    (tmp_path / "baselines").touch()
    with pytest.raises(store.BaselineError, match="baselines"):
        Site(tmp_path).compare(record, accept=True)
