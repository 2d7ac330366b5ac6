# Asks a BMC through the program ipmitool, over the network or in band.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each call of ipmitool opens a session and closes it again. The password is in its environment, not its arguments."""

from __future__ import annotations

import os
import re
import shutil
import typing as t

from .bmc_errors import Clock, MissingProgram, PartError, Silent
from .bmc_parts import Problems, Texts, problem
from .redfish_values import clean

CIPHER_SUITES = (17, 3)
"""Tried in this order: SHA-256 is what newer BMCs demand, SHA-1 what older ones have."""

# Debian's ipmitool is for everybody, others keep it where only root looks.
_SYSTEM_PATH = "/usr/sbin:/sbin"
_OTHER_SUITE = re.compile(r"invalid (?:authentication|integrity|confidentiality) algorithm|cipher suite", re.I)


class Answer(t.Protocol):
    """What a program answered."""

    @property
    def rc(self) -> int: ...

    @property
    def stdout(self) -> str: ...

    @property
    def stderr(self) -> str: ...


Run = t.Callable[[t.Sequence[str], float, t.Mapping[str, str]], Answer]
"""Runs a program for at most so many seconds with more environment; raises an exception if that fails."""


class IpmiAccess(t.NamedTuple):
    """Where a BMC is and how it lets us in; without an address the BMC of this machine is asked."""

    address: str | None = None
    port: int | None = None
    username: str | None = None
    password: str | None = None
    privilege: str = "operator"
    cipher_suite: int | None = None

    @property
    def name(self) -> str:
        return self.address or "the BMC of this machine"


class IpmiClient:
    """Runs ipmitool commands on one BMC."""

    def __init__(self, access: IpmiAccess, clock: Clock, run: Run) -> None:
        self._program = find_program()
        self._access = access
        self._clock = clock
        self._run = run
        suite = access.cipher_suite
        self._suites = list(CIPHER_SUITES) if suite is None else [suite]

    def ask(self, *command: str) -> str:
        """Return what a command printed; PartError if it failed and printed nothing."""
        answer = self._call(command)
        while answer.rc and len(self._suites) > 1 and _OTHER_SUITE.search(answer.stderr):
            del self._suites[0]
            answer = self._call(command)
        # Some devices of a list may be missing: ipmitool then prints the others and fails.
        if answer.rc and not answer.stdout.strip():
            raise PartError(_reason(answer), silent="Unable to establish" in answer.stderr)
        return answer.stdout

    def _call(self, command: t.Sequence[str]) -> Answer:
        try:
            return self._run([*self._arguments(), *command], self._clock.request(), self._environment())
        except PartError:
            raise
        except Exception as exc:
            raise PartError(str(exc), silent=True) from exc

    def _arguments(self) -> list[str]:
        access = self._access
        if access.address is None:
            return [self._program, "-I", "open"]
        arguments = [self._program, "-I", "lanplus", "-H", access.address, "-C", str(self._suites[0])]
        # A request is repeated after this many seconds, this many times; the time limit ends it in any case.
        arguments += ["-N", "2", "-R", "3", "-L", access.privilege.upper(), "-E"]
        if access.port is not None:
            arguments += ["-p", str(access.port)]
        if access.username is not None:
            arguments += ["-U", access.username]
        return arguments

    def _environment(self) -> dict[str, str]:
        # Times in the event log are printed in the local zone.
        environment = {"TZ": "UTC"}
        if self._access.address is not None:
            # The second name wins where a person has set it, so both are ours.
            password = self._access.password or ""
            environment.update(IPMI_PASSWORD=password, IPMITOOL_PASSWORD=password)
        return environment


def find_program() -> str:
    """Return the path of ipmitool; MissingProgram if there is none."""
    found = shutil.which("ipmitool", path=os.environ.get("PATH", os.defpath) + os.pathsep + _SYSTEM_PATH)
    if found is None:
        raise MissingProgram("the program ipmitool is missing: install the package ipmitool")
    return found


def read_texts(
    access: IpmiAccess, clock: Clock, run: Run, parts: t.Collection[str], max_events: int
) -> tuple[Texts, Problems]:
    """Return what ipmitool printed for the parts, and what failed; Silent if the BMC does not answer at all."""
    client = IpmiClient(access, clock, run)
    problems: Problems = []
    try:
        # The cheapest question tells whether there is a BMC.
        texts = Texts(mc_info=client.ask("mc", "info"))
    except PartError as exc:
        raise Silent(f"{access.name}: no answer through IPMI: {exc}") from exc
    questions = [
        ("lan", "bmc", ("bmc",), ("lan", "print")),
        ("fru", "system", ("system", "chassis", "power"), ("fru", "print")),
        ("chassis_status", "system", ("system",), ("chassis", "status")),
        ("sensors", "thermal", ("power", "thermal"), ("sdr", "elist")),
        ("events", "events", ("events",), ("sel", "elist", "last", str(max_events))),
    ]
    for field, part, needed_for, command in questions:
        if not set(needed_for) & set(parts):
            continue
        try:
            texts = texts._replace(**{field: client.ask(*command)})
        except PartError as exc:
            problems.append(problem(part, " ".join(command), str(exc)))
    return texts, problems


def _reason(answer: Answer) -> str:
    """Return the last line of what ipmitool complained, which is the one that says it."""
    lines = [line for line in answer.stderr.splitlines() if line.strip()]
    text = clean(lines[-1], 300) if lines else None
    if text and "Unable to establish" in text:
        return f"{text} (nobody there, a wrong user name or password, or a privilege that the user does not have)"
    return text or f"ipmitool ended with exit status {answer.rc}"
