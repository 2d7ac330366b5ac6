# Tests of molecule/shared/spec.py: platforms that are right, and those that are not.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
import spec


def test_a_platform_is_read_with_its_defaults() -> None:
    first, second = spec.nodes(
        [{"name": "a"}, {"name": "b", "gpus": 2, "gpu_model": "M", "disks": [{"name": "vdb", "size": "1G"}]}]
    )
    assert (first.suite, first.gpus, first.disks, first.controller) == ("bookworm", 0, (), False)
    assert second.disks == (spec.Disk("vdb", "1G"),)


@pytest.mark.parametrize(
    ("platforms", "message"),
    [
        ([], "no platforms"),
        ([{}], "platform name ''"),
        ([{"name": "A; rm -rf /"}], "platform name"),
        ([{"name": "a", "imgae": "x"}], "unknown key imgae"),
        ([{"name": "a"}, {"name": "a"}], "same name"),
        ([{"name": "a", "gpus": 2}], "gpu_model"),
        ([{"name": "a", "gpus": 99, "gpu_model": "M"}], "0 to 16"),
        ([{"name": "a", "disks": [{"name": "vdb", "size": "1TB"}]}], "1TB"),
        ([{"name": "a", "disks": [{"name": "../x", "size": "1G"}]}], "disk '../x'"),
        ([{"name": "a", "privileged": True, "disks": [{"name": "vdb", "size": "1G"}]}], "drop privileged or disks"),
        ([{"name": "a", "controller": True}, {"name": "b", "controller": True}], "controller"),
    ],
)
def test_what_is_wrong_is_named(platforms: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(spec.SpecError, match=message):
        spec.nodes(platforms)


def test_addresses_follow_the_order() -> None:
    items = spec.nodes([{"name": "a"}, {"name": "b"}])
    assert spec.addresses(items, "10.1.2.0/24") == {"a": "10.1.2.11", "b": "10.1.2.12"}
