# Tests of what the role shared_filesystem writes.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors

from __future__ import annotations

import re
from typing import Any

from render import render

EXPORTS = [
    {
        "path": "/scratch/data",
        "pseudo": "/data",
        "clients": ["192.0.2.0/24"],
        "access": "read_write",
        "squash_root": False,
    },
    {"path": "/srv/models", "pseudo": "/models", "clients": ["192.0.2.7", "node9"]},
]


def ganesha(**variables: Any) -> str:
    given = {"shared_filesystem_listen_address": "192.0.2.1", "ansible_managed": "managed"}
    return render("shared_filesystem", "ganesha.conf.j2", **(given | variables))


def blocks(text: str) -> list[str]:
    return text.split("\nEXPORT {")[1:]


def test_only_nfs_4_is_served_at_the_given_address() -> None:
    core = ganesha().split("EXPORT_DEFAULTS", maxsplit=1)[0]
    assert "Protocols = 4;" in core
    assert "Bind_addr = 192.0.2.1;" in core
    assert "Enable_NLM = false;" in core
    assert blocks(ganesha()) == []


def test_an_export_that_says_nothing_is_read_only_and_squashes_root() -> None:
    first, second = blocks(ganesha(shared_filesystem_exports=EXPORTS))
    assert 'Path = "/scratch/data";' in first and 'Pseudo = "/data";' in first
    assert "Access_Type = RW;" in first and "Squash = No_Root_Squash;" in first
    assert "Access_Type = RO;" in second and "Squash = Root_Squash;" in second
    assert "Clients = 192.0.2.7, node9;" in second


def test_every_export_has_its_own_number() -> None:
    text = ganesha(shared_filesystem_exports=EXPORTS)
    assert re.findall(r"Export_Id = (\d+);", text) == ["1", "2"]


def test_nobody_else_has_access() -> None:
    text = ganesha(shared_filesystem_exports=EXPORTS)
    assert re.search(r"EXPORT_DEFAULTS \{\s+Access_Type = None;", text)
    # Outside of a client block an export gives no access of its own.
    for block in blocks(text):
        assert "Access_Type" not in re.sub(r"CLIENT \{[^}]*\}", "", block)


def test_the_kernel_server_gets_one_line_for_each_export() -> None:
    text = render("shared_filesystem", "exports.j2", shared_filesystem_exports=EXPORTS, ansible_managed="managed")
    assert [line for line in text.splitlines() if line and not line.startswith("#")] == [
        "/scratch/data 192.0.2.0/24(rw,no_root_squash,sync,no_subtree_check)",
        "/srv/models 192.0.2.7(ro,root_squash,sync,no_subtree_check) node9(ro,root_squash,sync,no_subtree_check)",
    ]
