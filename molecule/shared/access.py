# SSH to the nodes of a scenario: from its controller, and from this machine.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root on the controller gets a key, every node lets it in, and the controller knows every node's host key.

This machine has a key of its own in the cache. Its plays speak SSH through ``podman exec``, which needs no route to the
nodes and, being one connection with pipelining, takes a fraction of the time of one ``podman exec`` for each action.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from host import Host

KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts"
KEY_SCRIPT = """\
set -e
mkdir -p -m 0700 /root/.ssh
test -s /root/.ssh/id_ed25519 || ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
cat /root/.ssh/id_ed25519.pub
"""
# Adds the key on standard input; other keys stay.
AUTHORIZE_SCRIPT = """\
set -e
mkdir -p -m 0700 /root/.ssh
touch /root/.ssh/authorized_keys
chmod 0600 /root/.ssh/authorized_keys
key=$(cat)
grep -qxF "$key" /root/.ssh/authorized_keys || echo "$key" >>/root/.ssh/authorized_keys
"""

# execute(node, *command, stdin=None) returns what the command prints.
Execute = Callable[..., str]


def known_hosts(keys: Mapping[str, str], addresses: Mapping[str, str]) -> str:
    """Return the lines for all nodes, each by name and address."""
    return "".join(f"{name},{addresses[name]} {' '.join(key.split()[:2])}\n" for name, key in keys.items())


def own_key(host: Host, cache: Path) -> str:
    """Return the public key of this machine for the nodes; it is made if it is not there."""
    private = cache / "ssh" / "id_ed25519"
    public = private.with_suffix(".pub")
    if not public.exists():
        private.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # What an interrupted run left would make the program ask.
        private.unlink(missing_ok=True)
        host.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "aidc.ops lab", "-f", str(private))
    return public.read_text()


def admit(execute: Execute, node: str, public: str) -> None:
    """Let the owner of a public key log in to a node as root."""
    execute(node, "sh", "-c", AUTHORIZE_SCRIPT, stdin=public)


def connect(execute: Execute, controller: str, keys: Mapping[str, str], addresses: Mapping[str, str]) -> bool:
    """Set up what is not set up yet; return whether anything was."""
    lines = known_hosts(keys, addresses)
    # They are written last, so they tell that all of it was done. A new node has a new key.
    if execute(controller, "sh", "-c", f"cat {KNOWN_HOSTS} 2>/dev/null || true") == lines:
        return False
    public = execute(controller, "sh", "-c", KEY_SCRIPT)
    for name in keys:
        admit(execute, name, public)
    execute(controller, "tee", KNOWN_HOSTS, stdin=lines)
    return True
