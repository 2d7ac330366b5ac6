# Tests of the program that asks the drives, against a smartctl made of a shell script.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = ROOT / "roles" / "disk_exporter" / "files" / "disk_exporter.py"
FIXTURES = ROOT / "tests" / "unit" / "fixtures" / "smartctl"
NVME = json.loads((FIXTURES / "nvme.json").read_text())
ATA = json.loads((FIXTURES / "ata.json").read_text())


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("disk_exporter", PROGRAM)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["disk_exporter"] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


exporter = _load()


def series(text: str) -> dict[str, float]:
    """Every sample as ``name{label="value",…}`` without the labels of the drive's identity."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def drive(answer: Any, device: str = "nvme0") -> dict[str, float]:
    samples = exporter.Samples()
    exporter.add_drive(samples, device, answer)
    return series(samples.text())


class Host:
    """A folder with a smartctl whose answers and sleeps are told by drive, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked = folder / "asked"
        self.program = folder / "smartctl"
        self.program.write_text(
            f'#!/bin/sh\necho "$*" >> {self.asked}\n'
            'for last in "$@"; do :; done\n'
            f"here={folder}/answers/$(echo \"$last\" | tr -c 'a-zA-Z0-9\\n-' _)\n"
            'test -f "$here.sleep" && exec sleep "$(cat "$here.sleep")"\n'
            'cat "$here.json"\nexit "$(cat "$here.status" 2>/dev/null || echo 0)"\n'
        )
        self.program.chmod(0o755)
        (folder / "answers").mkdir()
        self.says("--scan", (FIXTURES / "scan.json").read_text())
        self.says("/dev/nvme0", (FIXTURES / "nvme.json").read_text())
        self.says("/dev/sda", (FIXTURES / "ata.json").read_text(), status=8)
        self.says("/dev/bus/0", (FIXTURES / "scsi.json").read_text())

    def path(self, what: str, kind: str) -> Path:
        name = "".join(sign if sign.isalnum() or sign == "-" else "_" for sign in what)
        return self.folder / "answers" / f"{name}.{kind}"

    def says(self, what: str, text: str, status: int = 0) -> None:
        self.path(what, "json").write_text(text)
        self.path(what, "status").write_text(str(status))

    def run(self, timeout: float = 10, proc: Path = Path("/proc")) -> tuple[dict[str, float], list[str]]:
        smartctl = exporter.Smartctl(str(self.program), timeout, proc)
        samples, problems = exporter.collect(smartctl, clock=lambda: 1700000000.4)
        return series(samples.text()), problems


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_an_nvme_drive() -> None:
    found = drive(NVME)
    assert (
        'smartctl_device{device="nvme0",interface="nvme",protocol="NVMe",model_family="",'
        'model_name="EXAMPLE NVME 3840",serial_number="NV0001",firmware_version="1.0.2"}'
    ) in found
    wanted = {
        "smart_status": 1,
        "percentage_used": 3,
        "available_spare": 98,
        "available_spare_threshold": 10,
        "critical_warning": 0,
        "media_errors": 1,
        "num_err_log_entries": 17,
        "power_on_seconds": 4321 * 3600,
        "power_cycle_count": 22,
        "bytes_read": 1000000 * 512000,
        "bytes_written": 2000000 * 512000,
        "capacity_bytes": 3840755982336,
    }
    for name, value in wanted.items():
        assert found[f'smartctl_device_{name}{{device="nvme0"}}'] == value, name
    assert found['smartctl_device_temperature{device="nvme0",temperature_type="current"}'] == 41


def test_an_ata_drive() -> None:
    found = drive(ATA, "sda")
    assert found['smartctl_device_smart_status{device="sda"}'] == 0
    assert found['smartctl_device_power_on_seconds{device="sda"}'] == 100 * 3600 + 30 * 60
    assert found['smartctl_device_bytes_written{device="sda"}'] == 1000 * 512
    assert found['smartctl_device_bytes_read{device="sda"}'] == 4000 * 512
    attribute = (
        'smartctl_device_attribute{{device="sda",attribute_id="{}",attribute_name="{}",attribute_value_type="{}"}}'
    )
    assert found[attribute.format(5, "Reallocated_Sector_Ct", "raw")] == 5120
    assert found[attribute.format(5, "Reallocated_Sector_Ct", "thresh")] == 10
    assert found[attribute.format(197, "Current_Pending_Sector", "raw")] == 16
    assert found[attribute.format(198, "Offline_Uncorrectable", "raw")] == 3
    assert not [name for name in found if "Raw_Read_Error_Rate" in name], "means another thing with every maker"
    assert not [name for name in found if "critical_warning" in name or "available_spare" in name]


def test_a_scsi_drive() -> None:
    found = drive(json.loads((FIXTURES / "scsi.json").read_text()), "sdb")
    assert found['smartctl_device_percentage_used{device="sdb"}'] == 7
    assert found['smartctl_scsi_grown_defect_list{device="sdb"}'] == 2
    assert found['smartctl_read_total_uncorrected_errors{device="sdb"}'] == 1
    assert found['smartctl_write_total_uncorrected_errors{device="sdb"}'] == 0


def test_life_and_spare_of_an_ata_ssd() -> None:
    found = drive(
        {"endurance_used": {"current_percent": 12}, "spare_available": {"current_percent": 90, "threshold_percent": 10}}
    )
    assert found['smartctl_device_percentage_used{device="nvme0"}'] == 12
    assert found['smartctl_device_available_spare{device="nvme0"}'] == 90
    assert found['smartctl_device_available_spare_threshold{device="nvme0"}'] == 10


def test_the_rules_find_the_names_they_ask_for() -> None:
    folder = ROOT / "roles" / "prometheus" / "templates" / "rules"
    rules = "".join(path.read_text() for path in folder.glob("*.j2"))
    asked = set(re.findall(r"\bsmartctl_(?!exporter)\w+", rules))
    assert asked, "the rules no longer ask for drives"
    assert asked <= set(exporter.FAMILIES)


@pytest.mark.parametrize(
    "value",
    [None, True, "7", "Infinity", [], {}, -1, float("nan"), float("inf"), 10**400],
    ids=lambda value: repr(value)[:12],
)
def test_what_is_no_number_has_no_sample(value: Any) -> None:
    answer = json.loads(json.dumps(NVME))
    answer["nvme_smart_health_information_log"]["percentage_used"] = value
    answer["temperature"]["current"] = value
    answer["power_on_time"] = value
    answer["smart_status"] = {"passed": value if value is not True else "yes"}
    found = drive(answer)
    for name in ("percentage_used", "temperature", "power_on_seconds", "smart_status"):
        assert not [one for one in found if one.startswith(f"smartctl_device_{name}{{")], name
    assert found['smartctl_device_media_errors{device="nvme0"}'] == 1, "the others stay"


@pytest.mark.parametrize(
    "wrong", [None, 7, "text", [], [1, [2], None], {"table": 5}, {"table": [{"id": []}, {"id": {}}, 3]}]
)
def test_no_shape_of_an_answer_ends_the_program(wrong: Any) -> None:
    for key in [*NVME, *ATA, "endurance_used", "scsi_error_counter_log", "devices"]:
        answer = {**NVME, **ATA, key: wrong}
        drive(answer)
        exporter.drives_of({"devices": wrong})
        exporter.complaint({"smartctl": wrong})
        exporter.complaint({"smartctl": {"messages": wrong}})


def test_text_of_a_drive_cannot_write_metrics() -> None:
    hostile = 'X"} 1\nsmartctl_device_smart_status{device="sdz"} 0\r\\ {{ 7 * 7 }}' + "x" * 1000
    found = drive({**NVME, "model_name": hostile, "serial_number": "\x00\x1b[31m\u202e"})
    assert not [name for name in found if 'device="sdz"' in name and not name.startswith("smartctl_device{")]
    (info,) = [name for name in found if name.startswith("smartctl_device{")]
    assert "\n" not in info
    assert len(info) < 500


def test_a_scan_names_every_drive_once() -> None:
    drives = exporter.drives_of(json.loads((FIXTURES / "scan.json").read_text()))
    assert [one.label for one in drives] == ["nvme0", "sda", "bus_0_megaraid_8", "bus_0_megaraid_9"]
    # A scan that opens nothing calls every SATA drive scsi.
    assert drives[1].arguments == ["/dev/sda"]
    assert drives[3].arguments == ["--device", "megaraid,9", "/dev/bus/0"]


@pytest.mark.parametrize("name", ["--help", "/etc/shadow", "/dev/sda --all", "/dev/sda\n", "", 7, None, "/dev/$(id)"])
def test_a_name_that_is_no_device_is_not_asked(name: Any) -> None:
    assert exporter.drives_of({"devices": [{"name": name, "type": "nvme"}]}) == []


def test_a_run_over_all_drives(host: Host) -> None:
    found, problems = host.run()
    assert problems == []
    assert found["aidc_disk_exporter_up"] == 1
    assert found["aidc_disk_exporter_devices"] == 4
    assert found["aidc_disk_exporter_last_run_timestamp_seconds"] == 1700000000
    for device in ("nvme0", "sda", "bus_0_megaraid_8", "bus_0_megaraid_9"):
        assert found[f'aidc_disk_exporter_device_state{{device="{device}",state="ok"}}'] == 1
    assert found['smartctl_device_smart_status{device="sda"}'] == 0, "a bad drive is read as well as a good one"
    assert found['smartctl_device_smartctl_exit_status{device="sda"}'] == 8
    assert all("--nocheck=standby,3" in line for line in host.asked.read_text().splitlines() if "--scan" not in line)


def test_a_drive_in_standby_is_said_to_be(host: Host) -> None:
    host.says("/dev/sda", '{"smartctl": {"exit_status": 3}}', status=3)
    found, problems = host.run()
    assert problems == []
    assert found['aidc_disk_exporter_device_state{device="sda",state="standby"}'] == 1
    assert not [name for name in found if name.startswith("smartctl_") and 'device="sda"' in name]


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        ('{"smartctl": {"messages": [{"string": "Permission denied"}]}}', 2, "Permission denied"),
        ('{"smartctl": {}}', 1, "no reason given"),
        ("", 0, "did not answer in JSON"),
        ('{"smartctl": ', 0, "did not answer in JSON"),
        ("[1, 2]", 0, "did not answer with an object"),
        ("[" * 100000, 0, "did not answer in JSON"),
    ],
)
def test_a_drive_that_cannot_be_read_is_named(host: Host, text: str, status: int, reason: str) -> None:
    host.says("/dev/sda", text, status)
    found, problems = host.run()
    assert found['aidc_disk_exporter_device_state{device="sda",state="failed"}'] == 1
    assert found['aidc_disk_exporter_device_state{device="nvme0",state="ok"}'] == 1
    (problem,) = problems
    assert problem.startswith("sda: ") and reason in problem


def test_a_drive_that_hangs_costs_its_time_and_no_more(host: Host) -> None:
    host.path("/dev/nvme0", "sleep").write_text("60")
    began = time.monotonic()
    found, problems = host.run(timeout=1)
    assert time.monotonic() - began < 20
    assert found['aidc_disk_exporter_device_state{device="nvme0",state="timeout"}'] == 1
    assert problems == ["nvme0: no answer within 1 seconds"]


def test_a_drive_that_still_hangs_is_not_asked_again(host: Host, tmp_path: Path) -> None:
    host.run()
    (line,) = [words for words in host.asked.read_text().splitlines() if words.endswith("/dev/nvme0")]
    proc = tmp_path / "proc"
    (proc / "17").mkdir(parents=True)
    (proc / "18").mkdir()
    (proc / "self").mkdir()
    # The kernel shows a script as its interpreter and the script; smartctl itself is no script.
    (proc / "17" / "cmdline").write_bytes("\0".join([str(host.program), *line.split()]).encode() + b"\0")
    host.asked.unlink()
    found, problems = host.run(proc=proc)
    assert found['aidc_disk_exporter_device_state{device="nvme0",state="timeout"}'] == 1
    assert problems == ["nvme0: smartctl still hangs since an earlier run"]
    assert "/dev/nvme0" not in host.asked.read_text()


@pytest.mark.parametrize(("text", "status"), [("{}", 1), ("nonsense", 0)])
def test_drives_that_cannot_be_listed_are_no_empty_host(host: Host, text: str, status: int) -> None:
    host.says("--scan", text, status)
    found, problems = host.run()
    assert found["aidc_disk_exporter_up"] == 0
    assert "aidc_disk_exporter_devices" not in found
    assert len(problems) == 1


def test_a_host_without_drives(host: Host) -> None:
    host.says("--scan", '{"smartctl": {"exit_status": 0}}')
    found, problems = host.run()
    assert (found["aidc_disk_exporter_up"], found["aidc_disk_exporter_devices"], problems) == (1, 0, [])


def test_the_file_is_replaced_as_a_whole(host: Host, tmp_path: Path) -> None:
    output = tmp_path / "texts" / "aidc_disks.prom"
    output.parent.mkdir()
    output.write_text("old\n")
    torn: list[str] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            text = output.read_text()
            if text != "old\n" and "aidc_disk_exporter_run_duration_seconds" not in text:
                torn.append(text)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _time in range(3):
            assert exporter.main(["--output", str(output), "--smartctl", str(host.program)]) == 0
    finally:
        stop.set()
        reader.join()
    assert torn == []
    assert os.stat(output).st_mode & 0o777 == 0o644
    assert [path.name for path in output.parent.iterdir()] == ["aidc_disks.prom"], "no scratch file is left"


def test_a_missing_smartctl_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "x.prom"
    assert exporter.main(["--output", str(output), "--smartctl", str(tmp_path / "none")]) == 1
    assert "install smartmontools" in capsys.readouterr().err
    assert "aidc_disk_exporter_up 0.0" in output.read_text()


def test_a_directory_that_is_not_there_is_said(host: Host, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exporter.main(["--output", str(tmp_path / "no" / "x.prom"), "--smartctl", str(host.program)]) == 1
    assert "cannot be written: No such file or directory" in capsys.readouterr().err


def test_the_program_is_python_3_8() -> None:
    ast.parse(PROGRAM.read_text(), feature_version=(3, 8))
