# A BMC that speaks IPMI: the program ipmi_sim (Debian package openipmi) with a server of ours behind it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sensors read their values from files, so that a test breaks something by writing a number into one."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from .ipmi_records import (
    BOARD,
    CELSIUS,
    FAN,
    FAN_ENTITY,
    POWER_SUPPLY,
    PROCESSOR,
    RPM,
    SENSOR_SPECIFIC,
    SUPPLY_ENTITY,
    TEMPERATURE,
    THRESHOLD,
    WATTS,
    Sensor,
    fru,
    full_sensor_record,
)

SENSORS = (
    Sensor(1, "CPU1 Temp", TEMPERATURE, CELSIUS, PROCESSOR, 1, upper_critical=95),
    Sensor(2, "FAN 1", FAN, RPM, FAN_ENTITY, 1, factor=100, lower_critical=500),
    Sensor(3, "PS1 Input Power", POWER_SUPPLY, WATTS, SUPPLY_ENTITY, 1, factor=20),
    Sensor(4, "PS1 Status", POWER_SUPPLY, 0, SUPPLY_ENTITY, 1),
    Sensor(5, "PS2 Status", POWER_SUPPLY, 0, SUPPLY_ENTITY, 2),
    Sensor(6, "GPU 1 Temp", TEMPERATURE, CELSIUS, BOARD, 1, upper_critical=90),
)
RAW = {1: 45, 2: 30, 3: 40, 4: 1, 5: 0, 6: 60}
"""What the sensors read at first: a raw byte for those with a unit, state bits for the others."""

_POWER = """#!/bin/sh
# ipmi_sim calls it with: MC get|set power [value]
state="{state}"
case "$2 $3" in
  "get power") echo "power:$(cat "$state")" ;;
  "set power") echo "$4" > "$state" ;;
esac
"""


class IpmiError(Exception):
    """ipmi_sim did not start; the message has what it said."""


class IpmiBmc:
    """Use it in a ``with`` block; the folder holds its files."""

    def __init__(
        self,
        folder: Path,
        port: int,
        users: Sequence[tuple[str, str, str]] = (("admin", "secret", "admin"),),
        product: Mapping[str, str] | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.folder, self.port, self.host = folder, port, host
        self._users = users
        self._product = {
            "manufacturer": "Example Systems",
            "name": "GPU Server 8",
            "part": "GS8",
            "version": "A1",
            "serial": "SN0042",
            "asset_tag": "AT-7",
            **(product or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> IpmiBmc:
        self._write_files()
        log = (self.folder / "ipmi_sim.log").open("wb")
        command = ["ipmi_sim", "-c", "lan.conf", "-f", "bmc.emu", "-s", "state", "-n", "-d"]
        self._process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        try:
            self._wait()
        except IpmiError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_unused: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)

    @property
    def power(self) -> bool:
        return (self.folder / "power.state").read_text().strip() == "1"

    def set_raw(self, number: int, value: int) -> None:
        """What a sensor reads from now on (it is polled each half second)."""
        (self.folder / f"sensor{number}").write_text(f"{value}\n")

    def _wait(self) -> None:
        """The port opens only after the last command of the file worked."""
        username, password, _privilege = self._users[0]
        ask = ["ipmitool", "-I", "lanplus", "-C", "3", "-N", "1", "-R", "1", "-H", self.host, "-p", str(self.port)]
        for _attempt in range(10):
            done = subprocess.run(
                [*ask, "-U", username, "-P", password, "mc", "info"], capture_output=True, timeout=30, check=False
            )
            if done.returncode == 0:
                return
            if self._process is None or self._process.poll() is not None:
                break
            time.sleep(0.3)
        raise IpmiError((self.folder / "ipmi_sim.log").read_text(errors="replace"))

    def _write_files(self) -> None:
        (self.folder / "state").mkdir(exist_ok=True)
        (self.folder / "power.state").write_text("1\n")
        script = self.folder / "power.sh"
        script.write_text(_POWER.format(state=self.folder / "power.state"))
        script.chmod(0o755)
        for number, raw in RAW.items():
            self.set_raw(number, raw)
        (self.folder / "lan.conf").write_text(self._lan())
        (self.folder / "bmc.emu").write_text(self._emulator())

    def _lan(self) -> str:
        levels = "".join(
            f"    allowed_auths_{level} none md2 md5 straight\n" for level in ("callback", "user", "operator", "admin")
        )
        users = "".join(
            f'  user {number} true "{name}" "{password}" {privilege} 10 none md2 md5 straight\n'
            for number, (name, password, privilege) in enumerate(self._users, 2)
        )
        return (
            'name "bmcsim"\nset_working_mc 0x20\n'
            f"  startlan 1\n    addr {self.host} {self.port}\n    priv_limit admin\n{levels}"
            "    guid a123456789abcdefa123456789abcdef\n  endlan\n"
            f'  chassis_control "{self.folder / "power.sh"} 0x20"\n{users}'
        )

    def _emulator(self) -> str:
        lines = ["mc_setbmc 0x20", "mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02"]
        lines.append("sel_enable 0x20 1000 0x0a")
        for sensor in SENSORS:
            reading = SENSOR_SPECIFIC if sensor.discrete else THRESHOLD
            place = self.folder / f"sensor{sensor.number}"
            lines.append(f'sensor_add 0x20 0 {sensor.number} {sensor.kind:#04x} {reading:#04x} poll 500 file "{place}"')
            if not sensor.discrete:
                lines.append(self._thresholds(sensor))
            every = "000111111111111"
            lines.append(
                f"sensor_set_event_support 0x20 0 {sensor.number} enable scanning per-state " + " ".join([every] * 4)
            )
        for number, sensor in enumerate(SENSORS, 1):
            lines.append("main_sdr_add 0x20 " + _bytes(full_sensor_record(sensor, number)))
        data = fru(
            {"part": "CH-1000", "serial": "CSN0042"},
            {"manufacturer": "Example Systems", "product": "Board X", "serial": "BRD0042", "part": "BP-1"},
            self._product,
        )
        lines.append(f"mc_add_fru_data 0x20 0 {len(data)} data {_bytes(data)}")
        lines.append("mc_enable 0x20")
        return "\n".join(lines) + "\n"

    @staticmethod
    def _thresholds(sensor: Sensor) -> str:
        """Upper non-recoverable first, lower non-critical last; 1 where the threshold is in use."""
        upper, lower = sensor.upper_critical, sensor.lower_critical
        used = f"0{int(upper is not None)}00{int(lower is not None)}0"
        values = f"0 {(upper or 0) // sensor.factor} 0 0 {(lower or 0) // sensor.factor} 0"
        return f"sensor_set_threshold 0x20 0 {sensor.number} settable {used} {values}"


def _bytes(data: bytes) -> str:
    return " ".join(f"{byte:#04x}" for byte in data)
