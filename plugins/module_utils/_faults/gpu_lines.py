# What the NVIDIA driver says about GPUs and NVSwitches: XIDs and SXIDs, with everything that their texts tell.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is believed about an XID, first to last: what XID 154 asks for, the decoded registers of NVLink5, NVIDIA's table
of codes (through the fault classes), and for a code that the table does not know, a person.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ansible_collections.aidc.ops.plugins.module_utils._faults._table_nvlink5 import NVLINK5
from ansible_collections.aidc.ops.plugins.module_utils._faults._table_sxid import SXIDS

_PCI = r"(?:PCI:)?(?P<domain>[0-9a-fA-F]{4,8}):(?P<bus>[0-9a-fA-F]{2}):(?P<slot>[0-9a-fA-F]{2})(?:\.[0-7])?"
# Behind the address: which MIG instance it was.
_MIG = r"(?: GPU-I:[0-9]{1,3}(?: GPU-CI:[0-9]{1,3})?)?"
_XID = re.compile(r"NVRM: Xid \(" + _PCI + _MIG + r"\): (?P<code>[0-9]{1,6})(?=[,\s]|$)")
_SXID = re.compile(r"nvidia-nvswitch[0-9]{1,3}: SXid \(" + _PCI + r"\): (?P<code>[0-9]{1,6})(?=[,\s]|$)")

_RECOVERY = re.compile(
    r"GPU recovery action changed from (?:0x[0-9a-fA-F]{1,8} )?\([^()]{0,40}\) to "
    r"(?:0x(?P<number>[0-9a-fA-F]{1,8}) )?\((?P<text>[^()]{0,40})\)"
)
# As the driver writes them, and with the numbers that NVML gives them.
_RECOVERY_TEXTS = {
    "none": "none",
    "gpu reset required": "reset",
    "gpu reset": "reset",
    "node reboot required": "reboot",
    "node reboot": "reboot",
    "drain p2p": "reset_group",
    "drain and reset": "reset",
}
_RECOVERY_NUMBERS = {0: "none", 1: "reset", 2: "reboot", 3: "reset_group", 4: "reset"}

_GPC = re.compile(r"\(GPC (?P<gpc>[0-9]{1,3}), TPC (?P<tpc>[0-9]{1,3})(?:, SM [0-9]{1,3})?\)")
_MMU = re.compile(r"MMU Fault: ENGINE (?P<engine>[A-Z0-9_]{1,32}) (?P<client>[A-Z0-9_]{1,32})")
_NVLINK4 = re.compile(r"NVLink: [a-z ]{1,40} link (?P<link>[0-9]{1,3})\b")
_NVLINK5 = re.compile(
    r"(?P<name>[A-Za-z0-9_]{2,32}(?:/[A-Za-z0-9_]{2,32})?)\s{1,4}(?P<word>Nonfatal|Non-fatal|Fatal)\s{1,4}"
    r"XC[0-9]{1,3} i[0-9]{1,3} Link (?P<link>-?[0-9]{1,3})"
    r"(?: \((?P<info>0x[0-9a-fA-F]{1,8})(?: (?P<status>0x[0-9a-fA-F]{1,8}))?)?"
)
_FOLLOWS = re.compile(r" caused by previous Xid (?P<code>[0-9]{1,6})$")
_SXID_WORD = re.compile(r", (?P<word>Fatal|Non-fatal|Severity [0-9])\b")
_SXID_LINK = re.compile(r"Link (?P<link>[0-9]{1,3})\b")
# Between the code and its text stand process id and name. A user chooses the name, so it must not pass for the text.
_PROCESS = re.compile(r", pid=(?:[0-9]{1,10}|'?<unknown>'?)(?:, name=[^,]{0,64})?(?=,|$)")
_MAX_TEXT = 512

_NVLINK5_CODES = frozenset(row[0] for row in NVLINK5)
# What an action of the decode table asks for; the most cautious has the highest number.
_NVLINK5_ACTIONS = {"IGNORE": (0, "none"), "XID_154_EVAL": (1, "none"), "RESET_GPU": (2, "reset")}
# The first driver branch whose registers are laid out anew.
_NEW_LAYOUT = 575


class XidLine(NamedTuple):
    """``pci``: match with the groups domain, bus, slot. ``action``, ``location``, ``leader``: see Recognition."""

    pci: re.Match[str]
    code: int
    action: str
    location: str
    leader: int | None


class SxidLine(NamedTuple):
    """``fatal`` None: neither the driver nor the table of codes says it, and the table does not know the code."""

    pci: re.Match[str]
    code: int
    fatal: bool | None
    location: str


def xid_line(message: str, driver: int | None = None) -> XidLine | None:
    """An XID, from a message that begins with the driver's words. ``driver``: branch (575), where it is known."""
    found = _XID.match(message)
    if found is None:
        return None
    code = int(found.group("code"))
    rest = message[found.end() : found.end() + _MAX_TEXT]
    process = _PROCESS.match(rest)
    text = rest[process.end() :] if process else rest
    action = location = ""
    leader = None
    if code == 154:
        action = recovery_action(text)
    elif code == 13:
        place = _GPC.search(text)
        location = f"gpc{int(place.group('gpc'))}.tpc{int(place.group('tpc'))}" if place else ""
    elif code == 31:
        place = _MMU.search(text)
        location = f"{place.group('engine')}.{place.group('client')}".lower() if place else ""
    elif code == 45:
        place = _FOLLOWS.search(text)
        leader = int(place.group("code")) if place else None
    elif code == 74:
        place = _NVLINK4.search(text)
        location = f"link{int(place.group('link'))}" if place else ""
    elif code in _NVLINK5_CODES:
        action, location = _nvlink5(code, text, driver)
    return XidLine(found, code, action, location, leader)


def sxid_line(message: str) -> SxidLine | None:
    """An SXID, from a message that begins with the driver's words.

    The driver's own word counts, but never makes less of a code that NVIDIA calls always fatal.
    """
    found = _SXID.match(message)
    if found is None:
        return None
    code = int(found.group("code"))
    rest = message[found.end() : found.end() + _MAX_TEXT]
    word = _SXID_WORD.match(rest)
    known = SXIDS[code][1] if code in SXIDS else None
    fatal: bool | None
    if known == "always":
        fatal = True
    elif word:
        # The severity is 1 for fatal ones; they have the word as well, in a line before.
        fatal = word.group("word") in ("Fatal", "Severity 1")
    elif known is None:
        if rest.startswith(", Data {"):
            # Only registers, of a message that came before and said what it was.
            return None
        fatal = None
    else:
        fatal = known == "possible"
    place = _SXID_LINK.search(rest)
    return SxidLine(found, code, fatal, f"link{int(place.group('link'))}" if place else "")


def recovery_action(text: str) -> str:
    """What XID 154 asks for, as one of ACTIONS; "" if the text does not say it, "support" if the word is new."""
    found = _RECOVERY.search(text)
    if found is None:
        return ""
    word = found.group("text").strip().lower()
    if word in _RECOVERY_TEXTS:
        return _RECOVERY_TEXTS[word]
    number = found.group("number")
    return _RECOVERY_NUMBERS.get(int(number, 16), "support") if number else "support"


def decode_nvlink5(code: int, name: str, info: int, status: int, driver: int | None = None) -> str | None:
    """NVIDIA's immediate action (IGNORE, XID_154_EVAL, RESET_GPU) for the first two registers; None if no row fits.

    ``driver``: branch, which decides how the first register is laid out. Without one both layouts are tried, and where
    they differ the more cautious action counts.
    """
    old, new = driver is None or driver < _NEW_LAYOUT, driver is None or driver >= _NEW_LAYOUT
    parts = set(name.split("/"))
    actions = []
    for row in NVLINK5:
        if row[0] != code or not parts & set(row[1].split("/")) or not _has_status(row[1], row[4], status):
            continue
        for wanted, mask, second in ((old, row[2], row[6]), (new, row[3], row[7])):
            if wanted and second and _masked(second, info):
                actions.append(row[8])
            elif wanted and _masked(mask, info):
                actions.append(row[5])
    return max(actions, key=lambda action: _NVLINK5_ACTIONS[action][0], default=None)


def _nvlink5(code: int, text: str, driver: int | None) -> tuple[str, str]:
    """Action and location. A line that cannot be decoded leaves the decision to the class, a fatal one asks for a
    reset."""
    found = _NVLINK5.search(text)
    if found is None:
        return "", ""
    link = int(found.group("link"))
    location = f"link{link}" if link >= 0 else ""
    answer = None
    if found.group("info") and found.group("status"):
        info, status = int(found.group("info"), 16), int(found.group("status"), 16)
        answer = decode_nvlink5(code, found.group("name"), info, status, driver)
    if answer is not None:
        return _NVLINK5_ACTIONS[answer][1], location
    return ("reset" if found.group("word") == "Fatal" else ""), location


def _has_status(name: str, statuses: str, status: int) -> bool:
    """A row without a status fits any. Events are numbers; elsewhere each bit is an error, and several may be set."""
    wanted = [int(text, 16) for text in statuses.split("/") if text]
    if not wanted:
        return True
    if name.startswith(("NETIR", "MSE")):
        return status in wanted
    return any(status & value for value in wanted)


def _masked(mask: str, register: int) -> bool:
    """Whether a register has the bits of a mask: thirty-two of 0, 1 and "-" (any), the highest first."""
    bits = f"{register:032b}"
    return all(want in ("-", bit) for want, bit in zip(mask, bits))
