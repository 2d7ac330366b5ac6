# What the tests of the scenario slurm share: the hosts from outside, jobs, and the play again.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helpers of the scenario slurm."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import testinfra
from waiting import wait_for

NODES = ("gpu1", "gpu2")


def container(name: str) -> Any:
    return testinfra.get_host(f"podman://aidc-slurm-{name}")


@functools.cache
def address(name: str) -> str:
    """The address of a host in the network of the scenario."""
    found = json.loads(container(name).check_output("ip -j -4 address show dev eth0"))
    return str(found[0]["addr_info"][0]["local"])


def commands(folder: Path, *names: str) -> dict[str, str]:
    """Slurm's commands of the controller, as programs of this host below the folder."""
    for name in names:
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec podman exec aidc-slurm-ctl {name} "$@"\n')
        path.chmod(0o755)
    return {name: str(folder / name) for name in names}


def as_user(user: str, command: str) -> Any:
    """Run a shell command on the controller as this user."""
    return container("ctl").run("runuser -u %s -- sh -c %s", user, f"cd /tmp && {command}")


def submit(options: str, script: str, user: str = "alice") -> str:
    """Submit a job and return its id."""
    done = as_user(user, f"sbatch --parsable --output=/tmp/%j.out {options} --wrap '{script}'")
    assert done.rc == 0, done.stderr
    return str(done.stdout.strip())


def output(job: str) -> str:
    """Wait for the end of a job and return what it printed."""

    def ended() -> dict[str, str] | None:
        shown = container("ctl").check_output("scontrol --oneliner show job %s", job)
        fields = dict(word.partition("=")[::2] for word in shown.split())
        return fields if fields["JobState"] in ("COMPLETED", "FAILED", "CANCELLED") else None

    fields = wait_for(ended, 60, f"job {job} ends")
    assert fields["JobState"] == "COMPLETED", fields
    return str(container(fields["NodeList"]).check_output("cat %s", f"/tmp/{job}.out"))


def node(name: str) -> dict[str, str]:
    """The fields of a node as the controller shows them; a reason with blanks is cut off."""
    shown = container("ctl").check_output("scontrol --oneliner show node %s", name)
    return dict(word.partition("=")[::2] for word in shown.split())


def reason(name: str) -> str:
    return str(container("ctl").check_output("sinfo --noheader --nodes=%s --format=%%E", name))


def wait_for_state(name: str, *states: str) -> None:
    wait_for(lambda: node(name)["State"] in states, 60, f"{name} is {' or '.join(states)}")


def play(*arguments: str) -> tuple[int, str]:
    """Run the play of the scenario again; return its exit status and all of its output in one line."""
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        "--inventory",
        os.environ["MOLECULE_INVENTORY_FILE"],
        str(Path(__file__).resolve().parent.parent / "converge.yml"),
        *arguments,
    ]
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return done.returncode, " ".join((done.stdout + done.stderr).split())
