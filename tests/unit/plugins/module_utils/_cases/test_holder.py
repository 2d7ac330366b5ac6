# Tests of the identity of lease holders.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._cases import holder


def test_this_process_is_alive_until_it_is_another_one() -> None:
    me = holder.this_process()
    host, pid, start = me.rsplit(":", 2)
    assert (host, int(pid)) == (socket.gethostname(), os.getpid())
    assert holder.is_alive(me)
    assert not holder.is_alive(f"{host}:{pid}:{int(start) + 1}"), "the same pid, but another process"


def test_an_ended_process_is_dead() -> None:
    script = "from ansible_collections.aidc.ops.plugins.module_utils._cases import holder; print(holder.this_process())"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert not holder.is_alive(ended.stdout.strip())


@pytest.mark.parametrize("text", ["", "x", "host:1", "a:b:c:d"])
def test_a_holder_that_is_none_counts_as_elsewhere(text: str) -> None:
    """Nothing but its expiry can tell about it."""
    assert holder.is_alive(text)


def test_a_strange_pid_on_this_host_is_dead() -> None:
    assert not holder.is_alive(f"{socket.gethostname()}:none:5")


def test_the_run_is_an_ancestor() -> None:
    host, pid, _start = holder.this_run().rsplit(":", 2)
    assert host == socket.gethostname() and int(pid) != os.getpid()
    assert holder.is_alive(holder.this_run())
