#!/usr/bin/env python3
# Prepares a machine that has only git, make and python3 for the lab and the checks.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: python3 tools/bootstrap.py [--python-only]

1. Finds a Python that ansible-core 2.19 runs on.
2. Says which system packages are missing and what each is for, and installs them with apt-get, as root or through sudo.
3. Makes the virtual environment .venv from requirements-dev.txt, again only when a requirements file changed.
4. Links the checkout as the collection aidc.ops.

With --python-only, step 2 is limited to what the virtual environment needs; that is enough for everything that starts
no container. Needs nothing but Python's standard library. Exit status 1 with the reason if something cannot be done.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOG = ROOT / ".cache" / "logs" / "setup.log"
PROGRESS_SECONDS = 15
REQUIREMENTS = ("requirements.txt", "requirements-dev.txt")
# What ansible-core 2.19 supports on a control node.
OLDEST, NEWEST = (3, 11), (3, 13)
SYSTEM_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
PIP_OPTIONS = ("--disable-pip-version-check", "--progress-bar", "off")
CGROUP_V2 = Path("/sys/fs/cgroup/cgroup.controllers")


class BootstrapError(Exception):
    """The machine cannot be prepared; the message says what a person has to do."""


class Need:
    """A program or file that must be there, the packages that bring it (first available wins), and why."""

    def __init__(
        self, packages: Sequence[str], why: str, commands: Sequence[str] = (), files: Sequence[str] = ()
    ) -> None:
        self.packages = packages
        self.why = why
        self.commands = commands
        self.files = files

    def met(self) -> bool:
        """True if every command is found and, when files are named, one of them exists."""
        if any(shutil.which(command, path=SYSTEM_PATH) is None for command in self.commands):
            return False
        return not self.files or any(Path(name).exists() for name in self.files)


class JavaNeed(Need):
    """Java of at least the version that the rule engine of ansible-rulebook runs on."""

    OLDEST = 17

    def met(self) -> bool:
        if not Need.met(self):
            return False
        return java_version(captured(["java", "-version"]).stdout.decode(errors="replace")) >= self.OLDEST


class VenvNeed(Need):
    """The venv module of a Python; Debian keeps it in a package of its own."""

    def __init__(self, python: str) -> None:
        text = captured([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).stdout.decode().strip()
        super().__init__([f"python{text}-venv"], "makes the virtual environment for the Python tools")
        self.python = python

    def met(self) -> bool:
        return captured([self.python, "-c", "import ensurepip, venv"]).returncode == 0


def java_version(text: str) -> int:
    """The major version in the answer of `java -version`; 0 if there is none. Old ones call themselves 1.8."""
    found = re.search(r'version "(?:1\.)?([0-9]+)', text)
    return int(found.group(1)) if found else 0


def system_needs(cgroup_v2: bool, root: bool) -> list[Need]:
    """What the lab and the checks need on the machine itself."""
    needs = [
        Need(("git",), "lists the files that are checked", ("git",)),
        Need(
            ("ca-certificates",),
            "verifies the servers that packages come from",
            files=("/etc/ssl/certs/ca-certificates.crt",),
        ),
        Need(("gcc",), "compiles the GPU simulator", ("gcc",)),
        Need(("libc6-dev",), "headers for the GPU simulator", files=("/usr/include/stdio.h",)),
        Need(("make",), "builds the GPU simulator", ("make",)),
        JavaNeed(
            ("openjdk-17-jre-headless", "openjdk-21-jre-headless", "default-jre-headless"),
            "runs the rule engine of ansible-rulebook (Java 17 or newer)",
            ("java",),
        ),
        Need(("podman",), "runs the nodes of the lab as containers", ("podman",)),
        Need(
            ("netavark",),
            "network of the lab",
            files=("/usr/lib/podman/netavark", "/usr/libexec/podman/netavark", "/usr/local/libexec/podman/netavark"),
        ),
        Need(
            ("aardvark-dns",),
            "names of the nodes in the lab's network",
            files=(
                "/usr/lib/podman/aardvark-dns",
                "/usr/libexec/podman/aardvark-dns",
                "/usr/local/libexec/podman/aardvark-dns",
            ),
        ),
        Need(("iptables",), "network of the lab", ("iptables",)),
        Need(("nftables",), "network of the lab", ("nft",)),
        Need(("iproute2",), "finds a free subnet for the lab", ("ip",)),
        Need(("mount",), "loop devices that stand in for the drives of storage nodes", ("losetup",)),
        Need(("mmdebstrap",), "builds the image of the nodes from Debian packages", ("mmdebstrap",)),
        Need(
            ("debian-archive-keyring",),
            "verifies the Debian packages of the image",
            files=("/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"),
        ),
        Need(("openssh-client",), "SSH keys of the lab", ("ssh-keygen",)),
        Need(("openssl",), "certificates of the simulated BMCs", ("openssl",)),
        Need(("ipmitool",), "asks BMCs through IPMI", ("ipmitool",)),
        Need(("openipmi",), "simulates a BMC with IPMI", ("ipmi_sim",)),
        Need(("rsync",), "copies pieces of datasets", ("rsync",)),
        Need(("npm",), "checks the dashboards against Grafana's own types", ("npm", "node")),
        Need(
            ("postgresql",),
            "a server for the tests of the ledger on PostgreSQL",
            files=tuple(f"/usr/lib/postgresql/{version}/bin/initdb" for version in range(14, 20)),
        ),
    ]
    if not cgroup_v2:
        needs.append(
            Need(("runc",), "starts systemd in containers on a machine with version 1 control groups", ("runc",))
        )
    if not root:
        needs.append(Need(("uidmap",), "containers without root", ("newuidmap",)))
        needs.append(Need(("slirp4netns",), "network of containers without root", ("slirp4netns",)))
    return needs


def find_python(version: tuple[int, int], which: Callable[[str], str | None] = shutil.which) -> str:
    """Path of a Python in the supported range: the one that runs this, or the newest other one on PATH."""
    if OLDEST <= version <= NEWEST:
        return sys.executable
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = which(f"python3.{minor}")
        if found:
            return found
    raise BootstrapError(
        f"Python 3.{OLDEST[1]} to 3.{NEWEST[1]} is needed (ansible-core 2.19 runs on no other), python3 is "
        f"{version[0]}.{version[1]} and no other was found. "
        "Install one, for example: apt-get install python3.11 python3.11-venv"
    )


def install(needs: Sequence[Need]) -> None:
    """Install what is missing; says what and why before it does so."""
    missing = [need for need in needs if not need.met()]
    if not missing:
        return
    say("system packages that are missing:")
    for need in missing:
        say(f"    {need.packages[0]:26} {need.why}")
    if shutil.which("apt-get") is None:
        raise BootstrapError(
            "this is not a Debian or Ubuntu system; install what is listed above in its own way, then try again"
        )
    prefix = privilege(os.geteuid(), shutil.which("sudo"), sys.stdin is not None and sys.stdin.isatty())
    if prefix is None:
        wanted = " ".join(need.packages[0] for need in missing)
        raise BootstrapError(
            "neither root nor sudo without a password; as root, run: apt-get update && apt-get install " + wanted
        )
    command(prefix + ["apt-get", "update", "--quiet"])
    names = [choose(need.packages) for need in missing]
    command(prefix + ["apt-get", "install", "--yes", "--no-install-recommends", "--quiet"] + names)
    still = [need.packages[0] for need in missing if not need.met()]
    if still:
        raise BootstrapError("installed, but still not usable: " + ", ".join(still))


def privilege(uid: int, sudo: str | None, terminal: bool) -> list[str] | None:
    """The words to put before a command that needs root: none for root, sudo if it works, None if there is no way."""
    if uid == 0:
        return []
    if sudo and (terminal or captured([sudo, "-n", "true"]).returncode == 0):
        return [sudo] if terminal else [sudo, "-n"]
    return None


def choose(packages: Sequence[str]) -> str:
    """The first of the packages that the package sources offer."""
    for name in packages:
        done = captured(["apt-cache", "policy", name])
        if b"Candidate: " in done.stdout and b"Candidate: (none)" not in done.stdout:
            return name
    raise BootstrapError("no package source offers " + " or ".join(packages))


def make_venv(python: str, venv: Path, root: Path) -> bool:
    """Make or refresh the virtual environment; nothing is done if the requirements are those it was made from."""
    digest = hashlib.sha256(b"".join((root / name).read_bytes() for name in REQUIREMENTS)).hexdigest()
    stamp = venv / "requirements.sha256"
    own = str(venv / "bin" / "python")
    works = Path(own).exists() and captured([own, "-m", "pip", "--version"]).returncode == 0
    if works and stamp.exists() and stamp.read_text().strip() == digest:
        return False
    if not works:
        say(f"making the virtual environment {venv.name}")
        shutil.rmtree(str(venv), ignore_errors=True)
        command([python, "-m", "venv", str(venv)])
    say("installing the Python tools (about 1 GB, some minutes the first time)")
    command([own, "-m", "pip", "install", *PIP_OPTIONS, "-r", str(root / REQUIREMENTS[-1])])
    stamp.write_text(digest + "\n")
    return True


def captured(line: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    """Run a command and keep what it prints."""
    return subprocess.run(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


def command(line: Sequence[str]) -> None:
    """Run a command that has to succeed; its output goes to the log, a sign of life now and then to the screen."""
    say("$ " + " ".join(line))
    LOG.parent.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    with LOG.open("ab") as log:
        start = log.tell()
        process = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"),
        )
        while True:
            try:
                code = process.wait(timeout=PROGRESS_SECONDS)
                break
            except subprocess.TimeoutExpired:
                said = logged(start)
                say(f"    {time.monotonic() - begun:3.0f} s  {said[-1][:90] if said else ''}")
    if code != 0:
        print("\n".join("    " + text for text in logged(start)[-20:]), file=sys.stderr)
        raise BootstrapError(f"this command failed: {' '.join(line)} (all of its output: {LOG})")


def logged(start: int) -> list[str]:
    """The lines of the log from this position on."""
    with LOG.open("rb") as log:
        log.seek(start)
        return log.read().decode(errors="replace").splitlines()


def say(text: str) -> None:
    print("[setup] " + text, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Prepare this machine for the lab and the checks.")
    parser.add_argument("--python-only", action="store_true", help="only what is needed without containers")
    options = parser.parse_args(argv)
    try:
        python = find_python((sys.version_info.major, sys.version_info.minor))
        needs: list[Need] = [VenvNeed(python)]
        if not options.python_only:
            needs += system_needs(CGROUP_V2.exists(), os.geteuid() == 0)
        install(needs)
        make_venv(python, VENV, ROOT)
        if captured([str(VENV / "bin" / "python"), str(ROOT / "tools" / "collection_link.py")]).returncode != 0:
            raise BootstrapError("the collection cannot be linked; run tools/collection_link.py to see why")
    except BootstrapError as exc:
        print(f"[setup] {exc}", file=sys.stderr)
        return 1
    say("ready")
    return 0


if __name__ == "__main__":
    sys.exit(main())
