# The role gpu_node seen from outside: environment, policy, limits, kernel log.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of gpu_node on both Debian releases."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from node_helpers import PYTHON, boot_of, module
from waiting import wait_for

POLICY = "/usr/local/lib/aidc_ops/gpu_policy.py"
FORWARDER = "aidc-ops-kernel-log.service"


def gpu_values(host: Any) -> list[list[Any]]:
    program = (
        "import json, pynvml as n; n.nvmlInit(); "
        "h = [n.nvmlDeviceGetHandleByIndex(i) for i in range(n.nvmlDeviceGetCount())]; "
        "print(json.dumps([[n.nvmlDeviceGetPersistenceMode(x), n.nvmlDeviceGetPowerManagementLimit(x)] for x in h]))"
    )
    return list(json.loads(host.check_output("%s -c %s", PYTHON, program)))


def test_environment_reads_gpus(node: Any) -> None:
    assert gpu_values(node) == [[1, 350000]] * 8


def test_policy_that_the_gpus_cannot_hold_is_refused(node: Any) -> None:
    policy = json.dumps({"persistence_mode": True, "power_limit_watts": 5000, "clocks_mhz": None})
    node.check_output("printf %%s %s > /tmp/policy.json", policy)
    refused = node.run("%s %s check /tmp/policy.json", PYTHON, POLICY)
    assert refused.rc == 1
    assert "5000 W is out of range" in refused.stderr


def test_limits(node: Any) -> None:
    text = node.file("/etc/security/limits.d/90-aidc-ops-gpu-node.conf").content_string
    assert "* hard memlock unlimited" in text.splitlines()


def test_key_is_for_root_only(node: Any) -> None:
    key = node.file("/etc/rsyslog.d/aidc_ops/node.key")
    assert (key.user, key.mode) == ("root", 0o600)


def test_services(node: Any) -> None:
    for unit in (FORWARDER, "aidc-ops-gpu-policy.service"):
        service = node.service(unit)
        assert service.is_enabled and service.is_running, unit


def test_line_arrives_whole_and_soon(node: Any, received: Any, say: Any) -> None:
    mark = uuid.uuid4().hex
    line = f'NVRM: Xid (PCI:0000:1b:00): 13, {mark} {{{{ 7 * 7 }}}} "quoted" back\\slash %msg% $(id) é'
    before = time.time()
    say(node, line)
    message = wait_for(lambda: received(node.name, mark), 10, "the line at the collector")[0]
    assert set(message) == {"node", "boot", "time", "line"}
    assert message["line"] == line
    assert message["boot"] == boot_of(node)
    stamp = node.check_output("date -d %s +%%s.%%N", message["time"])
    assert before - 1 <= float(stamp) <= time.time() + 1


def test_line_that_is_no_text_stays_readable(node: Any, received: Any) -> None:
    mark = uuid.uuid4().hex
    program = f"open('/var/lib/gpusim/kernel.log', 'ab').write(b'{mark} \\xff\\xfe\\x80 end\\n')"
    node.check_output("python3 -c %s", program)
    assert wait_for(lambda: received(node.name, mark), 10, "the line at the collector")[0]["line"].endswith("end")


def test_very_long_line_is_cut(node: Any, received: Any, say: Any) -> None:
    mark = uuid.uuid4().hex
    say(node, mark + "x" * 9000)
    assert len(wait_for(lambda: received(node.name, mark), 10, "the line at the collector")[0]["line"]) == 4000


def test_stranger_cannot_report(node: Any, received: Any) -> None:
    """A client without a certificate of the authority gets no session: nobody else can make up faults."""
    message = {"node": node.name, "boot": boot_of(node), "time": "2026-01-01T00:00:00+00:00", "line": "forged"}
    body = json.dumps(message)
    frames = f"1 open 0\n2 syslog {len(body)} {body}\n"
    node.run("(printf %%s %s; sleep 2) | openssl s_client -quiet -connect log:20514", frames)
    assert received(node.name, "forged") == []


def test_first_line_after_the_collector_restarted_arrives(node: Any, collector: Any, received: Any, say: Any) -> None:
    mark = uuid.uuid4().hex
    say(node, "NVRM: a connection is there")
    time.sleep(1)
    collector.check_output("systemctl restart collector")
    say(node, f"NVRM: {mark}")
    wait_for(lambda: received(node.name, mark), 20, "the line that went into the dead connection")


def test_reboot(node: Any, collector: Any, received: Any, say: Any) -> None:
    """A line that waited over a reboot keeps its boot, later lines have the new one; the policy is in force again."""
    old, new = uuid.uuid4().hex, uuid.uuid4().hex
    boot = boot_of(node)
    collector.check_output("systemctl stop collector")
    # Two heartbeats later the forwarder knows that nobody listens, and lines wait in its queue.
    time.sleep(11)
    say(node, f"NVRM: {old}")
    time.sleep(1)
    node.run("systemctl reboot")
    wait_for(lambda: boot_of(node) not in (None, boot), 60, "the next boot")
    wait_for(lambda: node.run(f"systemctl is-active {FORWARDER}").stdout.strip() == "active", 60, "the forwarder")
    collector.check_output("systemctl start collector")
    say(node, f"NVRM: {new}")
    assert wait_for(lambda: received(node.name, old), 30, "the line from before the reboot")[0]["boot"] == boot
    assert wait_for(lambda: received(node.name, new), 30, "the line from after the reboot")[0]["boot"] == boot_of(node)
    wait_for(lambda: gpu_values(node) == [[1, 350000]] * 8, 30, "the policy after the reboot")


def test_check_mode_of_a_changed_policy_reports_and_touches_nothing(node: Any) -> None:
    plan = f"{PYTHON} {POLICY} plan /etc/aidc_ops/gpu_policy.json"
    assert json.loads(node.check_output(plan))["changes"] == []
    handle = "n.nvmlDeviceGetHandleByIndex(2)"
    program = f"import pynvml as n; n.nvmlInit(); n.nvmlDeviceSetPowerManagementLimit({handle}, 400000)"
    node.check_output("%s -c %s", PYTHON, program)
    changes = json.loads(node.check_output(plan))["changes"]
    assert [(change["setting"], change["from"], change["to"]) for change in changes] == [
        ("power_limit_watts", 400, 350)
    ]
    node.check_output(f"{PYTHON} {POLICY} apply /etc/aidc_ops/gpu_policy.json")
    assert gpu_values(node) == [[1, 350000]] * 8


def test_modules_read_the_node(node: Any) -> None:
    gpus = module(node.name, "gpu_info", {})
    assert gpus["available"] and len(gpus["gpus"]) == 8
    assert gpus["gpus"][0]["device"].startswith("gpu:0000:") and not any(gpu["lost"] for gpu in gpus["gpus"])
    identity = module(node.name, "node_identity_info", {"root": "/var/lib/gpusim/root"})
    assert identity["boot_identity"] == boot_of(node)
    assert identity["node_id_source"] == "dmi"
