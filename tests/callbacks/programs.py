# Programs of Debian packages for tests, with nothing installed on the machine.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import time
import typing as t
import urllib.error
import urllib.request
from pathlib import Path

import pytest

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "callbacks"


def command(package: str) -> list[str]:
    """How to start the program that is called as its package, downloaded and unpacked where it is not installed."""
    installed = shutil.which(package)
    if installed:
        return [installed]
    CACHE.mkdir(parents=True, exist_ok=True)
    target = CACHE / package
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            unfinished = CACHE / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            download = ["apt-get", "download", package]
            done = subprocess.run(download, cwd=unfinished, capture_output=True, text=True, check=False)
            if done.returncode and os.geteuid() == 0:
                # A machine that never asked for its package lists.
                subprocess.run(["apt-get", "update", "--quiet"], capture_output=True, check=False)
                done = subprocess.run(download, cwd=unfinished, capture_output=True, text=True, check=False)
            files = list(unfinished.glob("*.deb"))
            if done.returncode or len(files) != 1:
                pytest.skip(f"there is no {package}, and it cannot be downloaded: {done.stderr.strip()}")
            subprocess.run(["dpkg-deb", "-x", files[0].name, "."], cwd=unfinished, check=True)
            unfinished.rename(target)
    program, share = target / "usr" / "bin" / package, target / "usr" / "share"
    if not (share / "prometheus").exists():
        return [str(program)]
    # Some look for files of theirs in /usr/share, so they get their own one in a mount namespace.
    enter = [
        "unshare",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        f'mount --bind "{share}" /usr/share && exec "$@"',
        "sh",
    ]
    probe = subprocess.run([*enter, "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"{package} is not installed, and nobody may mount in a namespace: {probe.stderr.strip()}")
    return [*enter, str(program)]


@contextlib.contextmanager
def serving(package: str, folder: Path, *arguments: str) -> t.Iterator[str]:
    """Run a server with ``ADDRESS`` in its arguments replaced by a free one; its URL, once it answers."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with (folder / f"{package}.log").open("wb") as log:
        process = subprocess.Popen(
            [*command(package), *(argument.replace("ADDRESS", address) for argument in arguments)],
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        give_up_at = time.monotonic() + 30
        while True:
            try:
                get(f"http://{address}/-/ready")
                break
            except urllib.error.HTTPError:
                # It answers: not every server has that page.
                break
            except OSError:
                said = (folder / f"{package}.log").read_text()
                assert process.poll() is None and time.monotonic() < give_up_at, said
                time.sleep(0.1)
        yield f"http://{address}"
    finally:
        process.kill()
        process.wait()


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())
