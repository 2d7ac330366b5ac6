# The real IPMI exporter, with the configuration of the role bmc_exporter, against a real IPMI BMC: ipmi_sim.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bmcsim.ipmi import RAW, IpmiBmc
from debian_package import library_path, unpacked
from prometheus_client.parser import text_string_to_metric_families
from render import render
from sites import free_port, wait_for

PACKAGES = (
    "prometheus-ipmi-exporter",
    "freeipmi-tools",
    "freeipmi-common",
    "libfreeipmi17",
    "libipmiconsole2",
    "libipmidetect0",
)
# ipmi_sim has no DCMI.
MODULE = {
    "name": "remote",
    "username": "admin",
    "password": "secret",
    "privilege": "admin",
    "workaround_flags": ["opensesspriv"],
    "collectors": ["bmc", "ipmi", "chassis", "sel"],
}

# The package's ipmimonitoring calls ipmi-sensors by its place on an installed machine, which caches in the user's home.
MONITORING = """#!/bin/sh
exec {tools}/ipmi-sensors --output-sensor-state --ignore-not-available-sensors --sdr-cache-directory={cache} "$@"
"""

Scrape = Callable[[str], "dict[str, float]"]


def tools(folder: Path, packages: Path) -> Path:
    """FreeIPMI's programs in a folder of their own."""
    made, cache = folder / "tools", folder / "cache"
    made.mkdir()
    cache.mkdir()
    for program in (packages / "usr" / "sbin").iterdir():
        if program.name != "ipmimonitoring":
            (made / program.name).symlink_to(program)
    (made / "ipmimonitoring").write_text(MONITORING.format(tools=made, cache=cache))
    (made / "ipmimonitoring").chmod(0o755)
    return made


@pytest.fixture(scope="module")
def scrape(ipmi_bmc: IpmiBmc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scrape]:
    """Ask the exporter about the BMC with a module, as Prometheus would."""
    folder, port, files = tmp_path_factory.mktemp("exporter"), free_port(), unpacked(*PACKAGES)
    config = folder / "ipmi.yml"
    modules = [MODULE, {**MODULE, "name": "wrong", "password": "wrong", "collectors": ["bmc"], "timeout": 3000}]
    config.write_text(render("bmc_exporter", "ipmi.yml.j2", bmc_exporter_modules=modules))
    command = [
        str(files / "usr" / "bin" / "prometheus-ipmi-exporter"),
        f"--config.file={config}",
        f"--freeipmi.path={tools(folder, files)}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    environment = {**os.environ, "LD_LIBRARY_PATH": library_path(files)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )

    def ask(module: str) -> dict[str, float]:
        url = f"http://127.0.0.1:{port}/ipmi?module={module}&target={ipmi_bmc.host}:{ipmi_bmc.port}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            text = answer.read().decode()
        return {
            sample.name
            + "".join(f"|{value}" for label, value in sorted(sample.labels.items()) if label != "id"): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    try:
        wait_for("127.0.0.1", port, process, folder / "log")
        yield ask
    finally:
        process.terminate()
        process.wait(10)


def test_what_the_rules_read_is_there(scrape: Scrape) -> None:
    found = scrape("remote")
    for collector in MODULE["collectors"]:
        assert found[f"ipmi_up|{collector}"] == 1, collector
    assert found["ipmi_temperature_celsius|CPU1 Temp"] == 45
    assert found["ipmi_fan_speed_rpm|FAN 1"] == 3000
    assert found["ipmi_fan_speed_state|FAN 1"] == 0
    assert found["ipmi_chassis_power_state"] == 1


def test_a_fan_that_is_too_slow_is_a_bad_state(scrape: Scrape, ipmi_bmc: IpmiBmc) -> None:
    try:
        ipmi_bmc.set_raw(2, 3)
        deadline = time.monotonic() + 20
        while scrape("remote")["ipmi_fan_speed_state|FAN 1"] <= 1:
            assert time.monotonic() < deadline
            time.sleep(0.5)
    finally:
        ipmi_bmc.set_raw(2, RAW[2])


def test_a_wrong_password_is_a_bmc_that_is_not_up(scrape: Scrape) -> None:
    assert scrape("wrong")["ipmi_up|bmc"] == 0


def test_the_password_is_in_no_argument(scrape: Scrape, ipmi_bmc: IpmiBmc, tmp_path: Path) -> None:
    watcher = subprocess.Popen(
        ["sh", "-c", "while :; do cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; echo; done"],
        stdout=(tmp_path / "seen").open("wb"),
        stderr=subprocess.DEVNULL,
    )
    try:
        scrape("remote")
    finally:
        watcher.terminate()
        watcher.wait(10)
    seen = [word for word in (tmp_path / "seen").read_bytes().split() if word == b"secret"]
    assert b"ipmi" in (tmp_path / "seen").read_bytes()
    assert seen == []
