# Tests of Slurm's host lists.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.aidc.ops.plugins.module_utils._engines.hostlist import compress, expand
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


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["gpu1"], "gpu1"),
        (["gpu2", "gpu1", "gpu1"], "gpu[1-2]"),
        (["gpu1", "gpu2", "gpu4", "store1"], "gpu[1-2,4],store1"),
        (["gpu9", "gpu10"], "gpu9,gpu10"),
        (["gpu09", "gpu10", "gpu11"], "gpu[09-11]"),
        (["login", "7", "n1.example.org"], "7,login,n1.example.org"),
    ],
)
def test_compress(names: list[str], text: str) -> None:
    assert compress(names) == text


@pytest.mark.slow
@given(st.lists(st.from_regex(r"[b-z0-9]{1,3}[-.]?[0-9]{0,3}", fullmatch=True), max_size=30))
def test_what_is_compressed_expands_to_the_same(names: list[str]) -> None:
    assert sorted(expand(compress(names))) == sorted(set(names))


@pytest.mark.parametrize("name", ["ALL", "all", "a,b", "a[1-2]", "", "a b", "-a", "a\n", "a=b", "a;b", "é", "a" * 254])
def test_what_is_no_name_is_not_compressed(name: str) -> None:
    with pytest.raises(EngineError, match="not the name of a node"):
        compress(["gpu1", name])
