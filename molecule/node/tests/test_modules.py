# The destructive modules on a node that boots and GPUs that reset.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of gpu_reset and node_reboot: check, run, run again, and what they refuse."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from node_helpers import boot_of, container, module
from waiting import wait_for

NODE = "trixie"


def _device(index: int) -> str:
    return str(module(NODE, "gpu_info", {})["gpus"][index]["device"])


@pytest.fixture(autouse=True)
def healthy_afterwards() -> Iterator[None]:
    """Give the other tests GPUs without faults that hold the policy."""
    yield
    container(NODE).check_output("gpusim boot && systemctl restart aidc-ops-gpu-policy")


def test_lost_gpu_does_not_hide_the_others() -> None:
    host = container(NODE)
    host.check_output("gpusim inject --gpu 3 xid79")
    gpus = module(NODE, "gpu_info", {})["gpus"]
    assert [gpu["lost"] for gpu in gpus] == [False, False, False, True, False, False, False, False]


def test_driver_mismatch_is_an_error_that_says_so() -> None:
    host = container(NODE)
    host.check_output("gpusim inject driver-mismatch")
    answer = module(NODE, "gpu_info", {})
    assert answer["failed"] and "different versions" in answer["msg"]


def test_reset_happens_once_per_attempt() -> None:
    arguments = {"token": f"test:{uuid.uuid4().hex}", "device": _device(5)}
    check = module(NODE, "gpu_reset", arguments, check=True)
    first = module(NODE, "gpu_reset", arguments)
    second = module(NODE, "gpu_reset", arguments)
    third = module(NODE, "gpu_reset", arguments, check=True)
    assert [answer["changed"] for answer in (check, first, second, third)] == [True, True, False, False]
    assert (check["reset"], first["reset"], second["reset"]) == (False, True, True)
    assert first["stdout"] == second["stdout"] != ""


def test_reset_of_a_gpu_in_use_is_refused() -> None:
    host = container(NODE)
    host.check_output("gpusim set --gpu 4 processes=4242:1000000")
    arguments = {"token": f"test:{uuid.uuid4().hex}", "device": _device(4)}
    refused = module(NODE, "gpu_reset", arguments)
    host.check_output("gpusim set --gpu 4 processes=")
    assert refused["failed"] and refused["processes"] == [4242] and "4242" in refused["msg"]
    # Nothing was begun, so the same attempt may still be made.
    assert module(NODE, "gpu_reset", arguments)["reset"]


def test_reset_of_an_unknown_gpu_is_refused() -> None:
    refused = module(NODE, "gpu_reset", {"token": f"test:{uuid.uuid4().hex}", "device": "gpu:0000:fe:00"})
    assert refused["failed"] and "has no GPU" in refused["msg"]


def test_reboot_happens_once_per_attempt() -> None:
    before = module(NODE, "node_identity_info", {})["boot_identity"]
    arguments = {"token": f"test:{uuid.uuid4().hex}", "boot_before": before}
    assert module(NODE, "node_reboot", arguments, check=True)["changed"]
    assert module(NODE, "node_identity_info", {})["boot_identity"] == before
    first = module(NODE, "node_reboot", arguments)
    assert first["changed"] and first["in_progress"] and not first["rebooted"]

    host = container(NODE)
    wait_for(lambda: boot_of(host) not in (None, before), 60, "the next boot")
    again = module(NODE, "node_reboot", arguments)
    assert (again["changed"], again["rebooted"], again["in_progress"]) == (False, True, False)
    assert again["started_at"] == first["started_at"]


def test_reboot_that_was_begun_is_not_begun_again() -> None:
    host = container(NODE)
    boot = module(NODE, "node_identity_info", {})["boot_identity"]
    token = f"test:{uuid.uuid4().hex}"
    # As if the caller had died right after the marker was written: even half of it counts.
    marker = f"/var/lib/aidc_ops/attempts/reboot.{token}.json"
    host.check_output("mkdir -p /var/lib/aidc_ops/attempts && printf half > %s", marker)
    answer = module(NODE, "node_reboot", {"token": token, "boot_before": boot})
    assert (answer["changed"], answer["rebooted"], answer["in_progress"]) == (False, False, True)
    assert module(NODE, "node_identity_info", {})["boot_identity"] == boot
