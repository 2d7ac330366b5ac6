# The names of all metrics of a real node exporter, with an InfiniBand adapter and a broken array that are files.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import fcntl
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "node_exporter"
PACKAGE = "prometheus-node-exporter"
COUNTERS = (
    "link_downed",
    "link_error_recovery",
    "port_rcv_data",
    "port_rcv_errors",
    "port_xmit_data",
    "port_xmit_discards",
    "port_xmit_wait",
    "symbol_error",
)
MDSTAT = """\
Personalities : [raid1]
md0 : active raid1 sdb1[1] sda1[0](F)
      1000 blocks super 1.2 [2/1] [_U]

unused devices: <none>
"""


def program() -> Path:
    """Where the program is; its package is downloaded and unpacked, not installed, which would start it."""
    installed = shutil.which(PACKAGE)
    if installed:
        return Path(installed)
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = CACHE / "usr" / "bin" / PACKAGE
        if not found.exists():
            done = subprocess.run(
                ["apt-get", "download", PACKAGE], cwd=CACHE, capture_output=True, text=True, check=False
            )
            packages = list(CACHE.glob("*.deb"))
            assert len(packages) == 1, f"the package {PACKAGE} cannot be downloaded: {done.stderr}"
            subprocess.run(["dpkg-deb", "-x", packages[0].name, "."], cwd=CACHE, check=True)
            packages[0].unlink()
    return found


def kernel_files(folder: Path) -> tuple[Path, Path]:
    """A /sys and a /proc: those of this machine, and in them the devices that it does not have."""
    sys_folder, proc = folder / "sys", folder / "proc"
    (sys_folder / "class").mkdir(parents=True)
    for entry in os.scandir("/sys/class"):
        if entry.name != "infiniband":
            (sys_folder / "class" / entry.name).symlink_to(entry.path)
    for name in ("devices", "block", "fs"):
        if Path("/sys", name).exists():
            (sys_folder / name).symlink_to(Path("/sys", name))
    port = sys_folder / "class" / "infiniband" / "mlx5_0" / "ports" / "1"
    (port / "counters").mkdir(parents=True)
    for name, text in (("state", "4: ACTIVE"), ("phys_state", "5: LinkUp"), ("rate", "400 Gb/sec (4X NDR)")):
        (port / name).write_text(text + "\n")
    for name in COUNTERS:
        (port / "counters" / name).write_text("7\n")
    (port.parent.parent / "fw_ver").write_text("28.1\n")
    (port.parent.parent / "board_id").write_text("X\n")
    (port.parent.parent / "hca_type").write_text("MT4129\n")
    proc.mkdir()
    for name in ("1", "cpuinfo", "diskstats", "meminfo", "net", "pressure", "self", "stat", "uptime", "vmstat", "sys"):
        if Path("/proc", name).exists():
            (proc / name).symlink_to(Path("/proc", name))
    (proc / "mdstat").write_text(MDSTAT)
    return sys_folder, proc


def names(folder: Path) -> set[str]:
    """The names of all metrics."""
    sys_folder, proc = kernel_files(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    log = folder / "log"
    line = [str(program()), f"--web.listen-address={address}", f"--path.sysfs={sys_folder}", f"--path.procfs={proc}"]
    with log.open("wb") as target:
        process = subprocess.Popen(line, stdout=target, stderr=target)
    try:
        give_up_at = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
                    text = answer.read().decode()
                return set(re.findall(r"^(node_\w+)", text, re.MULTILINE))
            except urllib.error.URLError:
                assert time.monotonic() < give_up_at and process.poll() is None, log.read_text(errors="replace")
                time.sleep(0.1)
    finally:
        process.terminate()
        process.wait(10)
