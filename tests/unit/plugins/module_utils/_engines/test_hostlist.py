# Tests of Slurm's host lists.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._engines.hostlist import expand
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ("gpu1", ["gpu1"]),
        ("gpu1,store1", ["gpu1", "store1"]),
        ("gpu[1-3]", ["gpu1", "gpu2", "gpu3"]),
        ("gpu[1,3-4],x", ["gpu1", "gpu3", "gpu4", "x"]),
        ("gpu[08-11]", ["gpu08", "gpu09", "gpu10", "gpu11"]),
        ("r[1-2]n[1-2].x", ["r1n1.x", "r1n2.x", "r2n1.x", "r2n2.x"]),
    ],
)
def test_expand(text: str, names: list[str]) -> None:
    assert expand(text) == names


@pytest.mark.parametrize(
    "text", ["gpu[1", "gpu]", "gpu[a-b]", "gpu[1-]", "gpu[]", "gpu[1-99999999]", "g[1-999]n[1-999]"]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(EngineError):
        expand(text)
