# Tests of the module case_lease.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.aidc.ops.plugins.modules import case_lease

Call = Callable[..., dict[str, Any]]


def test_check_run_run_check(call: Call) -> None:
    assert call(case_lease.main, check=True, holder="a:1:1")["count"] == 1
    first = call(case_lease.main, holder="a:1:1")
    assert (first["changed"], first["cases"][0]["node"], first["cases"][0]["step"]) == (True, "gpu2", "cordon")
    assert call(case_lease.main, holder="b:2:2")["cases"] == []
    assert call(case_lease.main, check=True, holder="b:2:2")["changed"] is False


def test_renew_and_release(call: Call) -> None:
    call(case_lease.main, holder="a:1:1")
    assert call(case_lease.main, state="renewed", holder="a:1:1")["count"] == 1
    assert call(case_lease.main, state="renewed", holder="b:2:2")["changed"] is False
    assert call(case_lease.main, check=True, state="released", holder="a:1:1")["count"] == 1
    assert call(case_lease.main, state="released", holder="a:1:1")["count"] == 1
    assert call(case_lease.main, state="released", holder="a:1:1")["changed"] is False


def test_only_the_named_cases(call: Call) -> None:
    assert call(case_lease.main, case_ids=[99], holder="a:1:1")["cases"] == []


def test_the_run_holds_the_lease_by_itself(call: Call) -> None:
    assert call(case_lease.main)["holder"].count(":") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seconds": 0}, "seconds must be at least 1"),
        ({"config": "/none/controller.json"}, "/none/controller.json cannot be read"),
        ({"case_ids": ["{{ all }}"]}, "case_ids"),
    ],
)
def test_failures(call: Call, arguments: dict[str, Any], message: str) -> None:
    answer = call(case_lease.main, **arguments)
    assert answer["failed"] and message in answer["msg"]
