#!/usr/bin/env python3
# Builds the real Kubernetes programs that tests/kubernetes runs, once, from Debian's own source package.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: tools/kubernetes_build.py [--where] [--again]

Builds kube-apiserver, kube-controller-manager, kube-scheduler and kubemark (hollow kubelets) and unpacks etcd. All
sources, the Go compiler among them, come from Debian 12 and are verified by apt; nothing of this is installed on the
machine, and no other network is used, since the source package holds all that Kubernetes depends on. The first time
takes about 10 minutes of two cores and 4 GB of disk while it runs; 400 MB stay. When the programs are there already
nothing is done.

--where   print the folder of the programs and end; exit status 1 if they are not there
--again   build anew

Environment:
AIDC_OPS_KUBERNETES_CACHE  where the programs are kept; default ${XDG_CACHE_HOME:-~/.cache}/aidc_ops/kubernetes
AIDC_OPS_LAB_MIRROR        Debian mirror; else the one that apt of this machine uses, else deb.debian.org
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import bootstrap

VERSION = "1.20.2"
SUITE = "bookworm"
SOURCE = "kubernetes"
GO = "1.19"
BUILT = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubemark")
PROGRAMS = (*BUILT, "etcd")
PACKAGES = (f"golang-{GO}-go", f"golang-{GO}-src", "etcd-server")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DEFAULT_MIRROR = "http://deb.debian.org/debian"
PROGRESS_SECONDS = 15
# Two compilers at a time: more of them need more memory than a small machine has.
PARALLEL = 2
NEEDS = (
    bootstrap.Need(("dpkg-dev",), "unpacks the source package of Kubernetes", ("dpkg-source",)),
    bootstrap.Need(("patch",), "applies Debian's changes to it", ("patch",)),
    bootstrap.Need(("xz-utils",), "unpacks packages", ("xz",)),
    bootstrap.Need(("make",), "runs the build of Kubernetes", ("make",)),
    bootstrap.Need(("rsync",), "used by the build of Kubernetes", ("rsync",)),
    bootstrap.Need(("debian-archive-keyring",), "verifies Debian's packages", files=(KEYRING,)),
)


class BuildError(Exception):
    """The programs cannot be built; the message says what failed and where its output is."""


def cache(env: Mapping[str, str]) -> Path:
    """The folder below which every version has its own."""
    own = env.get("AIDC_OPS_KUBERNETES_CACHE")
    if own:
        return Path(own)
    return Path(env.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aidc_ops" / "kubernetes"


def programs(env: Mapping[str, str]) -> Path:
    """The folder of the programs, there or not."""
    return cache(env) / VERSION


def missing(folder: Path) -> list[str]:
    """The programs that are not in the folder."""
    return [name for name in PROGRAMS if not os.access(folder / name, os.X_OK)]


def mirror(env: Mapping[str, str], known: str) -> str:
    """The Debian archive to use; ``known`` are the addresses that apt of this machine knows, one in a line."""
    chosen = env.get("AIDC_OPS_LAB_MIRROR")
    if chosen:
        return chosen.rstrip("/")
    for line in known.splitlines():
        if re.fullmatch(r"https?://\S+/debian/?", line.strip()):
            return line.strip().rstrip("/")
    return DEFAULT_MIRROR


def sources(address: str) -> str:
    """A package list of our own, so that the machine's stays as it is."""
    options = f"[signed-by={KEYRING}]"
    return "".join(f"{kind} {options} {address} {SUITE} main\n" for kind in ("deb", "deb-src"))


def apt_options(work: Path) -> list[str]:
    """Options that keep the lists and the cache of apt below ``work``."""
    values = {
        "Dir::Etc::SourceList": work / "sources.list",
        "Dir::Etc::SourceParts": "-",
        "Dir::State::Lists": work / "lists",
        "Dir::Cache": work / "cache",
        "APT::Sandbox::User": "",
        "APT::Get::Only-Source": "true",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
    }
    return [word for name, value in values.items() for word in ("-o", f"{name}={value}")]


class Builder:
    """One build below ``work``, with a log of all output."""

    def __init__(self, work: Path, log: Path, address: str) -> None:
        self._work = work
        self._log = log
        self._address = address
        self._tree = work / "gopath" / "src" / "k8s.io" / "kubernetes"
        self._go = work / "packages" / "usr" / "lib" / f"go-{GO}"

    def build(self) -> dict[str, Path]:
        """Make everything; path of each program by name."""
        self._fetch()
        self._compile()
        made = {name: self._output() / name for name in BUILT}
        made["etcd"] = self._work / "packages" / "usr" / "bin" / "etcd"
        return made

    def _fetch(self) -> None:
        for name in ("lists/partial", "cache/archives/partial", "downloads", "packages"):
            (self._work / name).mkdir(parents=True)
        (self._work / "sources.list").write_text(sources(self._address), encoding="utf-8")
        downloads = self._work / "downloads"
        say(f"package lists of {self._address} {SUITE}")
        self._run(["apt-get", *apt_options(self._work), "--quiet", "update"], downloads)
        say(f"downloading {', '.join(PACKAGES)} and the source of {SOURCE}")
        self._run(["apt-get", *apt_options(self._work), "--quiet", "download", *PACKAGES], downloads)
        self._run(["apt-get", *apt_options(self._work), "--quiet", "--download-only", "source", SOURCE], downloads)
        for package in sorted(downloads.glob("*.deb")):
            self._run(["dpkg-deb", "-x", str(package), str(self._work / "packages")], downloads)
        description = sorted(downloads.glob(f"{SOURCE}_*.dsc"))
        if len(description) != 1:
            raise BuildError(f"{len(description)} source packages {SOURCE} were downloaded, not one")
        if VERSION not in description[0].name:
            raise BuildError(f"{SUITE} has another Kubernetes than {VERSION}: {description[0].name}")
        self._tree.parent.mkdir(parents=True)
        self._run(["dpkg-source", "--no-check", "-x", str(description[0]), str(self._tree)], downloads)

    def _compile(self) -> None:
        # An unpacked archive has no git to take its version from; clients look at what the server says.
        version = self._work / "version"
        version.write_text(
            "KUBE_GIT_COMMIT='unknown'\nKUBE_GIT_TREE_STATE='archive'\n"
            f"KUBE_GIT_VERSION='v{VERSION}'\nKUBE_GIT_MAJOR='1'\nKUBE_GIT_MINOR='20'\n",
            encoding="utf-8",
        )
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("GO", "KUBE_"))},
            "PATH": f"{self._go / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "GOROOT": str(self._go),
            "GOPATH": str(self._work / "gopath"),
            "GOCACHE": str(self._work / "gocache"),
            "GO111MODULE": "off",
            "GOPROXY": "off",
            "GOFLAGS": f"-p={PARALLEL}",
            "GOLDFLAGS": "-s -w",
            "CGO_ENABLED": "0",
            "KUBE_GIT_VERSION_FILE": str(version),
            "LC_ALL": "C",
        }
        say(f"compiling {', '.join(BUILT)}; about 10 minutes")
        self._run(["make", "WHAT=" + " ".join(f"cmd/{name}" for name in BUILT)], self._tree, env)

    def _output(self) -> Path:
        found = sorted(self._tree.glob(f"_output/local/bin/*/*/{BUILT[0]}"))
        if not found:
            raise BuildError(f"the build ended well but made no {BUILT[0]} (all of its output: {self._log})")
        return found[0].parent

    def _run(self, line: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> None:
        """One command at low priority; its output goes to the log, a sign of life now and then to the screen."""
        begun = time.monotonic()
        with self._log.open("ab") as log:
            log.write(f"$ {shlex.join(line)}\n".encode())
            log.flush()
            process = subprocess.Popen(
                ["nice", "-n", "10", *line],
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                while True:
                    try:
                        code = process.wait(PROGRESS_SECONDS)
                        break
                    except subprocess.TimeoutExpired:
                        say(f"    {time.monotonic() - begun:4.0f} s  {tail(self._log, 1)[-1][:90]}")
            except BaseException:
                process.terminate()
                process.wait()
                raise
        if code:
            shown = "\n".join("    " + text for text in tail(self._log, 20))
            raise BuildError(f"this command failed: {shlex.join(line)}\n{shown}\nAll of its output: {self._log}")


def tail(log: Path, lines: int) -> list[str]:
    """The last lines of the log; at least one, be it empty."""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 20000))
        return stream.read().decode(errors="replace").splitlines()[-lines:] or [""]


def place(made: Mapping[str, Path], folder: Path) -> None:
    """Put the programs into the folder, which gets its name when it is whole and every one of them has started once."""
    unfinished = folder.parent / f"{folder.name}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for name, path in made.items():
        target = unfinished / name
        shutil.copy2(path, target)
        target.chmod(0o755)
        # kubemark is many programs in one and has no version of its own.
        words = ["--help"] if name == "kubemark" else ["--version"]
        done = subprocess.run(
            [str(target), *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
        )
        said = (done.stdout or done.stderr).strip().splitlines()[:1]
        if done.returncode or (name in BUILT and name != "kubemark" and f"v{VERSION}" not in "".join(said)):
            raise BuildError(f"{name} was made but does not start as version {VERSION}: {said}")
        say(f"{name}: {''.join(said)}")
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)


def say(text: str) -> None:
    print("[kubernetes] " + text, flush=True)


def ensure(env: Mapping[str, str], again: bool = False) -> Path:
    """The folder of the programs; builds them if they are not there. BuildError if that fails."""
    folder = programs(env)
    root = folder.parent
    root.mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another build runs; waiting for it (log: {root / 'build.log'})")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not again and not missing(folder):
            return folder
        log = root / "build.log"
        log.write_bytes(b"")
        say(f"log: {log}")
        try:
            bootstrap.install(NEEDS)
        except bootstrap.BootstrapError as error:
            raise BuildError(str(error)) from error
        known = bootstrap.captured(["apt-get", "indextargets", "--format", "$(REPO_URI)"]).stdout.decode()
        work = root / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        begun = time.monotonic()
        place(Builder(work, log, mirror(env, known)).build(), folder)
        # Go makes what it unpacks read-only; nothing here is needed again.
        subprocess.run(["chmod", "-R", "u+w", str(work)], check=False)
        shutil.rmtree(work)
        say(f"built in {time.monotonic() - begun:.0f} s: {folder}")
    return folder


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Build the Kubernetes programs that tests/kubernetes runs.")
    parser.add_argument("--where", action="store_true", help="print the folder of the programs and end")
    parser.add_argument("--again", action="store_true", help="build even if they are there")
    options = parser.parse_args(argv)
    folder = programs(os.environ)
    if options.where:
        print(folder)
        return 1 if missing(folder) else 0
    try:
        say(f"ready: {ensure(os.environ, options.again)}")
    except BuildError as error:
        print(f"[kubernetes] {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
