# Tests of which GPU of a node gets which MIG layout of a plan.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.aidc.ops.plugins.filter.mig_settings import FilterModule
from ansible_collections.aidc.ops.plugins.module_utils._gpu_config.mig_plan import mig_settings


def gpu(uuid: str, *profiles: str, mode: bool | None = None, processes: int = 0, **more: Any) -> dict[str, Any]:
    on = bool(profiles) if mode is None else mode
    devices = [{"profile": profile} for profile in profiles]
    return {"uuid": uuid, "mig_mode": on, "mig_devices": devices, "processes": [1] * processes, **more}


def rows(*layouts: list[str]) -> list[dict[str, Any]]:
    return [{"gpu": number, "profiles": profiles} for number, profiles in enumerate(layouts)]


def test_a_layout_goes_where_it_is_already() -> None:
    there = [gpu("a"), gpu("b", "3g.40gb", "3g.40gb"), gpu("c", *["1g.10gb"] * 7)]
    assert mig_settings(rows(["1g.10gb"] * 7, ["3g.40gb"] * 2), there) == [
        {"gpus": ["b"], "mig_layout": ["3g.40gb"] * 2},
        {"gpus": ["c"], "mig_layout": ["1g.10gb"] * 7},
    ]


def test_it_goes_where_most_of_it_stays() -> None:
    there = [gpu("a", "1g.10gb", "1g.10gb"), gpu("b", "3g.40gb", "1g.10gb")]
    (wanted,) = mig_settings(rows(["3g.40gb", "1g.10gb", "1g.10gb"]), there)
    assert wanted["gpus"] in (["a"], ["b"])
    (wanted,) = mig_settings(rows(["3g.40gb", "3g.40gb"]), there)
    assert wanted["gpus"] == ["b"], "of b one goes and one stays; of a both would go"


def test_what_is_used_whole_is_not_cut_and_what_is_free_is() -> None:
    there = [gpu("a", processes=2), gpu("b"), gpu("c", processes=1), gpu("d", "1g.10gb")]
    assert mig_settings(rows([], ["2g.20gb"], []), there) == [
        {"gpus": ["a", "c"], "mig": False},
        {"gpus": ["b"], "mig_layout": ["2g.20gb"]},
    ]


def test_what_the_plan_leaves_idle_stays() -> None:
    assert mig_settings([], [gpu("a", "1g.10gb")]) == []
    assert mig_settings(rows(["7g.80gb"]), [gpu("a", mode=False), gpu("b", "7g.80gb")]) == [
        {"gpus": ["b"], "mig_layout": ["7g.80gb"]}
    ]


def test_mig_mode_without_an_instance_is_not_whole() -> None:
    assert mig_settings(rows([]), [gpu("a", mode=True), gpu("b")]) == [{"gpus": ["b"], "mig": False}]


def test_gpus_that_do_not_answer_are_none() -> None:
    there = [gpu("a", lost=True), gpu("b", error="it hangs"), {"uuid": None}, gpu("d")]
    assert mig_settings(rows(["1g.10gb"]), there) == [{"gpus": ["d"], "mig_layout": ["1g.10gb"]}]
    with pytest.raises(ValueError, match="the plan uses 2 GPUs of the node, of which 1 answer; make a new plan"):
        mig_settings(rows(["1g.10gb"], []), there)


def test_the_filter_tells_what_is_wrong() -> None:
    called = FilterModule().filters()["mig_settings"]
    assert called(rows([]), [gpu("a")]) == [{"gpus": ["a"], "mig": False}]
    for bad in ([{"gpu": 0}], [7], "text"):
        with pytest.raises(AnsibleFilterError, match=r"aidc\.ops\.mig_settings: "):
            called(bad, [gpu("a")])
