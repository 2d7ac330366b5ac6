# Writes the health of this host's drives, read through smartctl, as metrics for node_exporter's textfile collector.
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026 aidc.ops contributors
"""Ask every drive once and replace the text file; a timer runs it again and again.

Three promises decide the shape of this program:

* A run always ends. A drive can hang so hard that not even a kill ends the program that asks it. So each drive is
  asked by a smartctl of its own for a bounded time, and one that still hangs from an earlier run is not asked again.
* Nothing is hidden. Each drive has an ``aidc_disk_exporter_device_state`` that says ok, standby, timeout or failed,
  and a drive that is not ok has no other samples: no value is not a good value.
* Nothing is woken. A drive in standby stays in standby.

Metric names are those of smartctl_exporter. What a drive says about itself is data: text is cut and escaped, and what
is not the number it should be has no sample. Runs on Python 3.8 and newer without other packages.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping, Sequence, Tuple

# What smartctl is told to exit with when it left a drive in standby alone; none of its own results has both bits.
STANDBY_STATUS = 3
# Bits of smartctl's exit status: it was called wrongly, or the drive could not be opened.
USELESS = 0b11
# Drives asked at the same time.
WORKERS = 16
LONGEST_TEXT = 128
NVME_UNIT_BYTES = 512000
# Attributes of ATA drives whose raw values foretell a failure, or tell wear; makers number them alike.
ATTRIBUTES = frozenset((5, 10, 173, 177, 181, 182, 184, 187, 188, 196, 197, 198, 199, 202, 231, 232, 233))

# OpenMetrics would add "_total" to the names of counters, and nobody would find them by their known names.
GAUGE, COUNTER = "gauge", "untyped"
# Metric -> type and help. The order is that of the file.
FAMILIES: dict[str, tuple[str, str]] = {
    "aidc_disk_exporter_up": (GAUGE, "Whether the drives of this host could be listed."),
    "aidc_disk_exporter_last_run_timestamp_seconds": (GAUGE, "When the drives were asked last, in seconds since 1970."),
    "aidc_disk_exporter_run_duration_seconds": (GAUGE, "How long it took to ask all drives."),
    "aidc_disk_exporter_devices": (GAUGE, "Drives that were found."),
    "aidc_disk_exporter_device_state": (GAUGE, "1 for what came of asking the drive: ok, standby, timeout or failed."),
    "smartctl_device": (GAUGE, "A drive."),
    "smartctl_device_smartctl_exit_status": (GAUGE, "Exit status of smartctl for the drive, a bit mask."),
    "smartctl_device_capacity_bytes": (GAUGE, "Size of the drive."),
    "smartctl_device_smart_status": (GAUGE, "Whether the drive calls itself healthy."),
    "smartctl_device_temperature": (GAUGE, "Temperature in degrees Celsius."),
    "smartctl_device_power_on_seconds": (COUNTER, "How long the drive has been switched on in its life."),
    "smartctl_device_power_cycle_count": (COUNTER, "How often the drive was switched on."),
    "smartctl_device_percentage_used": (GAUGE, "Share of its rated life that the drive has used; can exceed 100."),
    "smartctl_device_available_spare": (GAUGE, "Spare capacity that is left, in percent."),
    "smartctl_device_available_spare_threshold": (GAUGE, "Spare capacity at which the drive warns, in percent."),
    "smartctl_device_critical_warning": (GAUGE, "Warnings of an NVMe drive, a bit mask."),
    "smartctl_device_media_errors": (COUNTER, "Errors of data integrity that the drive did not recover from."),
    "smartctl_device_num_err_log_entries": (COUNTER, "Entries in the error log in the life of the drive."),
    "smartctl_device_bytes_read": (COUNTER, "Bytes read in the life of the drive."),
    "smartctl_device_bytes_written": (COUNTER, "Bytes written in the life of the drive."),
    "smartctl_device_attribute": (GAUGE, "Attributes of ATA drives that foretell a failure or tell wear."),
    "smartctl_scsi_grown_defect_list": (GAUGE, "Defects that a SCSI drive found since it was made."),
    "smartctl_read_total_uncorrected_errors": (COUNTER, "Reads that a SCSI drive could not correct."),
    "smartctl_write_total_uncorrected_errors": (COUNTER, "Writes that a SCSI drive could not correct."),
}

Labels = Tuple[Tuple[str, str], ...]


class SmartctlError(Exception):
    """smartctl cannot be had or gives no answer; the message says what and why."""


class HangsError(SmartctlError):
    """smartctl did not end in its time."""


@dataclass(frozen=True)
class Drive:
    """A drive as smartctl names it. The type matters where one name stands for many drives behind a RAID controller."""

    name: str
    type: str

    @property
    def label(self) -> str:
        """The name without its folder, the type added where the name alone is not enough."""
        short = self.name[len("/dev/") :] if self.name.startswith("/dev/") else self.name
        return clean(re.sub(r"[^A-Za-z0-9_.:-]+", "_", f"{short}_{self.type}" if "," in self.type else short))

    @property
    def arguments(self) -> list[str]:
        """What smartctl gets to find the drive. A plain type is a guess from the name; smartctl finds out itself."""
        return ["--device", self.type, self.name] if "," in self.type else [self.name]


class Samples:
    """Samples by metric; of two with equal labels the first stays, since a file with both is void."""

    def __init__(self) -> None:
        self.families: dict[str, dict[Labels, float]] = {name: {} for name in FAMILIES}

    def put(self, family: str, value: float | None, **labels: str) -> None:
        """Add a sample, unless its value is not known."""
        if value is not None:
            self.families[family].setdefault(tuple(labels.items()), value)

    def lines(self) -> Iterator[str]:
        for family, (kind, text) in FAMILIES.items():
            if self.families[family]:
                yield f"# HELP {family} {text}"
                yield f"# TYPE {family} {kind}"
            for labels, value in self.families[family].items():
                inner = ",".join(f'{name}="{escaped(content)}"' for name, content in labels)
                yield f"{family}{'{' + inner + '}' if inner else ''} {value!r}"

    def text(self) -> str:
        return "\n".join(self.lines()) + "\n"


def clean(value: Any) -> str:
    """Text without control characters and not too long; empty if it is no text."""
    if not isinstance(value, str):
        return ""
    return "".join(sign if sign.isprintable() else " " for sign in value).strip()[:LONGEST_TEXT]


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def number(value: Any, factor: float = 1) -> float | None:
    """A finite number that is not negative, or nothing."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        scaled = float(value) * factor
    except OverflowError:
        return None
    return scaled if math.isfinite(scaled) and scaled >= 0 else None


def inside(value: Any, *path: str) -> Any:
    """What lies at a path of keys, or nothing if there is no such path."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def rows(value: Any) -> Iterator[Mapping[str, Any]]:
    """The objects in a list; nothing if it is no list."""
    if isinstance(value, list):
        for row in value:
            if isinstance(row, Mapping):
                yield row


def parsed(text: str) -> Mapping[str, Any]:
    """The object that smartctl printed; raises SmartctlError if it is none."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise SmartctlError(f"smartctl did not answer in JSON: {exc}") from exc
    if not isinstance(answer, Mapping):
        raise SmartctlError("smartctl did not answer with an object")
    return answer


def complaint(answer: Mapping[str, Any]) -> str:
    """What smartctl says went wrong."""
    said = [clean(row.get("string")) for row in rows(inside(answer, "smartctl", "messages"))]
    return "; ".join(text for text in said if text) or "no reason given"


def drives_of(answer: Mapping[str, Any]) -> list[Drive]:
    """The drives of a scan, each once."""
    found: dict[str, Drive] = {}
    for row in rows(answer.get("devices")):
        name, kind = row.get("name"), row.get("type")
        # A name becomes an argument of smartctl, so it has to be one.
        if isinstance(name, str) and re.match(r"/dev/[\w/.:-]+\Z", name):
            usable = isinstance(kind, str) and re.match(r"[\w,+/.:-]+\Z", kind) and not kind.startswith("-")
            drive = Drive(name, str(kind) if usable else "")
            found.setdefault(drive.label, drive)
    return list(found.values())


def add_drive(samples: Samples, device: str, answer: Mapping[str, Any]) -> None:
    """Add what one drive said."""
    samples.put(
        "smartctl_device",
        1.0,
        device=device,
        interface=clean(inside(answer, "device", "type")),
        protocol=clean(inside(answer, "device", "protocol")),
        model_family=clean(answer.get("model_family")),
        model_name=clean(answer.get("model_name") or answer.get("scsi_model_name")),
        serial_number=clean(answer.get("serial_number")),
        firmware_version=clean(answer.get("firmware_version")),
    )
    health = inside(answer, "nvme_smart_health_information_log")
    passed = inside(answer, "smart_status", "passed")
    hours = number(inside(answer, "power_on_time", "hours"), 3600)
    minutes = number(inside(answer, "power_on_time", "minutes"), 60)
    values: dict[str, float | None] = {
        "capacity_bytes": number(inside(answer, "user_capacity", "bytes")),
        "smart_status": float(passed) if isinstance(passed, bool) else None,
        "power_on_seconds": None if hours is None else hours + (minutes or 0.0),
        "power_cycle_count": number(answer.get("power_cycle_count")),
        "percentage_used": first(
            number(inside(health, "percentage_used")),
            number(inside(answer, "endurance_used", "current_percent")),
            number(answer.get("scsi_percentage_used_endurance_indicator")),
        ),
        "available_spare": first(
            number(inside(health, "available_spare")), number(inside(answer, "spare_available", "current_percent"))
        ),
        "available_spare_threshold": first(
            number(inside(health, "available_spare_threshold")),
            number(inside(answer, "spare_available", "threshold_percent")),
        ),
        "critical_warning": number(inside(health, "critical_warning")),
        "media_errors": number(inside(health, "media_errors")),
        "num_err_log_entries": number(inside(health, "num_err_log_entries")),
        "bytes_read": first(number(inside(health, "data_units_read"), NVME_UNIT_BYTES), sectors(answer, "Read")),
        "bytes_written": first(
            number(inside(health, "data_units_written"), NVME_UNIT_BYTES), sectors(answer, "Written")
        ),
    }
    for name, value in values.items():
        samples.put(f"smartctl_device_{name}", value, device=device)
    celsius = number(inside(answer, "temperature", "current"))
    samples.put("smartctl_device_temperature", celsius, device=device, temperature_type="current")
    samples.put("smartctl_scsi_grown_defect_list", number(answer.get("scsi_grown_defect_list")), device=device)
    for way in ("read", "write"):
        errors = number(inside(answer, "scsi_error_counter_log", way, "total_uncorrected_errors"))
        samples.put(f"smartctl_{way}_total_uncorrected_errors", errors, device=device)
    add_attributes(samples, device, answer)


def add_attributes(samples: Samples, device: str, answer: Mapping[str, Any]) -> None:
    """Add the attributes of an ATA drive that matter."""
    for row in rows(inside(answer, "ata_smart_attributes", "table")):
        known = row.get("id")
        if not isinstance(known, int) or known not in ATTRIBUTES:
            continue
        values = {
            "raw": number(inside(row, "raw", "value")),
            "value": number(row.get("value")),
            "worst": number(row.get("worst")),
            "thresh": number(row.get("thresh")),
        }
        for kind, value in values.items():
            samples.put(
                "smartctl_device_attribute",
                value,
                device=device,
                attribute_id=str(known),
                attribute_name=clean(row.get("name")),
                attribute_value_type=kind,
            )


def first(*values: float | None) -> float | None:
    """The first value that is known."""
    return next((value for value in values if value is not None), None)


def sectors(answer: Mapping[str, Any], way: str) -> float | None:
    """Bytes that an ATA drive counted as read or written, from its device statistics."""
    size = number(answer.get("logical_block_size")) or 512
    for page in rows(inside(answer, "ata_device_statistics", "pages")):
        for row in rows(page.get("table")):
            if row.get("name") == f"Logical Sectors {way}" and inside(row, "flags", "valid") is not False:
                return number(row.get("value"), size)
    return None


class Smartctl:
    """The program smartctl, waited for at most `timeout` seconds. `proc` is where the kernel shows processes."""

    def __init__(self, program: str, timeout: float, proc: Path = Path("/proc")) -> None:
        self.program, self.timeout, self.proc = program, timeout, proc

    def scan(self) -> list[Drive]:
        """The drives of this host. They are not opened, so none wakes up."""
        status, answer = self._run(["--scan"])
        if status & USELESS:
            raise SmartctlError(f"smartctl cannot list the drives: {complaint(answer)}")
        return drives_of(answer)

    def ask(self, drive: Drive, samples: Samples) -> tuple[str, str]:
        """Add what the drive says; returns its state and, unless that is good, why."""
        wanted = [
            "--info",
            "--health",
            "--attributes",
            "--log=devstat",
            f"--nocheck=standby,{STANDBY_STATUS}",
            *drive.arguments,
        ]
        try:
            status, answer = self._run(wanted)
        except HangsError as exc:
            return "timeout", str(exc)
        except SmartctlError as exc:
            return "failed", str(exc)
        if status == STANDBY_STATUS:
            return "standby", ""
        if status & USELESS:
            return "failed", complaint(answer)
        samples.put("smartctl_device_smartctl_exit_status", float(status), device=drive.label)
        add_drive(samples, drive.label, answer)
        return "ok", ""

    def _run(self, arguments: Sequence[str]) -> tuple[int, Mapping[str, Any]]:
        """Exit status and answer; raises SmartctlError."""
        line = [self.program, "--json=c", *arguments]
        if self._hangs(line):
            raise HangsError("smartctl still hangs since an earlier run")
        try:
            process = subprocess.Popen(
                line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError as exc:
            raise SmartctlError(f"{self.program} cannot be started: {exc.strerror}; install smartmontools") from exc
        try:
            output, _errors = process.communicate(timeout=self.timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            try:
                process.communicate(timeout=1)
            except subprocess.TimeoutExpired:
                # It waits in the kernel for a drive that does not answer; nobody can end it.
                pass
            raise HangsError(f"no answer within {self.timeout:g} seconds") from None
        if process.returncode < 0:
            raise SmartctlError(f"smartctl was ended by signal {-process.returncode}")
        return process.returncode, parsed(output.decode("utf-8", "replace"))

    def _hangs(self, line: Sequence[str]) -> bool:
        """Whether a process with exactly this command line exists; runs of this program do not overlap."""
        wanted = b"\0".join(os.fsencode(word) for word in line) + b"\0"
        for entry in self.proc.iterdir():
            if entry.name.isdigit():
                try:
                    if (entry / "cmdline").read_bytes() == wanted:
                        return True
                except OSError:
                    continue
        return False


def collect(smartctl: Smartctl, clock: Any = time.time) -> tuple[Samples, list[str]]:
    """Ask all drives at once; returns the samples and the complaints for the journal."""
    began = time.monotonic()
    samples = Samples()
    problems: list[str] = []
    try:
        drives: list[Drive] = smartctl.scan()
    except SmartctlError as exc:
        drives = []
        problems.append(str(exc))
    samples.put("aidc_disk_exporter_up", 0.0 if problems else 1.0)
    if not problems:
        samples.put("aidc_disk_exporter_devices", float(len(drives)))
    with ThreadPoolExecutor(WORKERS) as pool:
        apart = [Samples() for _drive in drives]
        states = list(pool.map(smartctl.ask, drives, apart))
    for drive, own, (state, problem) in zip(drives, apart, states):
        merge(samples, own)
        samples.put("aidc_disk_exporter_device_state", 1.0, device=drive.label, state=state)
        if problem:
            problems.append(f"{drive.label}: {problem}")
    samples.put("aidc_disk_exporter_last_run_timestamp_seconds", float(int(clock())))
    samples.put("aidc_disk_exporter_run_duration_seconds", round(time.monotonic() - began, 3))
    return samples, problems


def merge(samples: Samples, more: Samples) -> None:
    for family, found in more.families.items():
        for labels, value in found.items():
            samples.families[family].setdefault(labels, value)


def replace(path: Path, text: str) -> None:
    """Give a file new content at once: whoever reads it sees the old text or the new, never half of one."""
    handle, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=str(path.parent))
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # The node exporter runs as another user.
        os.chmod(scratch, 0o644)
        os.replace(scratch, path)
    except BaseException:
        os.unlink(scratch)
        raise


def main(argv: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write the health of the drives as metrics.")
    parser.add_argument("--output", type=Path, required=True, help="file in the directory of text files, *.prom")
    parser.add_argument("--smartctl", default="/usr/sbin/smartctl", help="the program (default: %(default)s)")
    parser.add_argument("--timeout", type=float, default=30, help="seconds a drive may take (default: %(default)s)")
    options = parser.parse_args(None if argv is None else list(argv))

    samples, problems = collect(Smartctl(options.smartctl, options.timeout))
    for problem in problems:
        print(f"disk_exporter: {problem}", file=sys.stderr)
    try:
        replace(options.output, samples.text())
    except OSError as exc:
        print(f"disk_exporter: {options.output} cannot be written: {exc.strerror}", file=sys.stderr)
        return 1
    return 0 if samples.families["aidc_disk_exporter_up"].get(()) else 1


if __name__ == "__main__":
    sys.exit(main())
