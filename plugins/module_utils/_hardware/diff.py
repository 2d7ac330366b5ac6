# Compares two hardware records: what is missing, added, changed or degraded, and what nobody can tell.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the expected record (a baseline) and the one that was found in, findings out.

Null is "nobody could ask". Null against a known value is therefore a finding of its own kind, C(unknown), and neither
a loss nor a change.
"""

from __future__ import annotations

import typing as t

from . import diff_rules as rules
from .record import check

KINDS = ("missing", "added", "changed", "degraded", "unknown")
_SHOWN_FAULTS = 3

Record = t.Mapping[str, t.Any]
Finding = t.Dict[str, t.Any]
# A device in both records; a pair of None and a device was added, one of a device and None is missing.
Pair = t.Tuple[t.Optional[Record], t.Optional[Record]]


class _Findings:
    """Collects findings by kind. C(told): PCI addresses of devices that are known to be gone, or new, already."""

    def __init__(self, own_maximum: bool) -> None:
        self.by_kind: dict[str, list[Finding]] = {kind: [] for kind in KINDS}
        self.own_maximum = own_maximum
        self.told: set[str | None] = set()

    def add(
        self, kind: str, part: str, device: str | None, field: str | None, expected: t.Any, found: t.Any, text: str
    ) -> None:
        self.by_kind[kind].append(
            {
                "part": part,
                "device": device,
                "field": field,
                "expected": expected,
                "found": found,
                "message": text,
            }
        )


def _get(thing: t.Any, path: str) -> t.Any:
    """The value under a dotted path; None if any step of it is unknown or, in an older record, not there yet."""
    for key in path.split("."):
        if not isinstance(thing, t.Mapping):
            return None
        thing = thing.get(key)
    return thing


def _shown(value: t.Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_shown, value)) or "none"
    return str(value)


def _name(device: Record, keys: t.Sequence[str]) -> str:
    """What a device is called: the first of these keys that it tells; for an adapter's port all of them."""
    known = [str(device[key]) for key in keys if device.get(key) is not None]
    if not known:
        return "unnamed"
    return "/".join(known) if keys == ("device", "port") else known[0]


def _about(device: Record, keys: t.Sequence[str]) -> str:
    known = [str(device[key]) for key in keys if device.get(key) is not None]
    return f" ({', '.join(known)})" if known else ""


def _by_key(devices: t.Sequence[Record], keys: t.Sequence[str]) -> dict[tuple[t.Any, ...], int]:
    """Position of each device that tells these keys and shares them with no other."""
    positions: dict[tuple[t.Any, ...], list[int]] = {}
    for position, device in enumerate(devices):
        value = tuple(device.get(key) for key in keys)
        if None not in value:
            positions.setdefault(value, []).append(position)
    return {value: found[0] for value, found in positions.items() if len(found) == 1}


def match(expected: t.Sequence[Record], found: t.Sequence[Record], part: rules.Part) -> list[Pair]:
    """Return the devices in pairs: by what they carry with them first, so that a device that moved is not two."""
    left_expected, left_found = list(expected), list(found)
    pairs: list[Pair] = []
    for keys in (*part.identity, *part.place):
        there = _by_key(left_found, keys)
        both = [(at, there[value]) for value, at in _by_key(left_expected, keys).items() if value in there]
        pairs += [(left_expected[one], left_found[other]) for one, other in both]
        gone_expected, gone_found = {one for one, _other in both}, {other for _one, other in both}
        left_expected = [device for at, device in enumerate(left_expected) if at not in gone_expected]
        left_found = [device for at, device in enumerate(left_found) if at not in gone_found]
    order = {id(device): at for at, device in enumerate(expected)}
    pairs += [(device, None) for device in left_expected]
    pairs.sort(key=lambda pair: order[id(pair[0])])
    return pairs + [(None, device) for device in left_found]


def _compare_field(
    findings: _Findings, part: str, device: str | None, field: str, values: tuple[t.Any, t.Any], rule: rules.Rule
) -> None:
    expected, found = values
    what = field if device is None else f"{device}: {field}"
    if expected == found:
        return
    if found is None:
        findings.add("unknown", part, device, field, expected, found, f"{what} was {_shown(expected)}, now unknown")
    elif expected is None:
        text = f"{what} is {_shown(found)}, unknown in the baseline"
        findings.add("unknown", part, device, field, expected, found, text)
    else:
        kind = rule(expected, found)
        if kind != rules.SAME:
            text = f"{what} is {_shown(found)}, was {_shown(expected)}"
            findings.add(kind, part, device, field, expected, found, text)


def _compare_fields(
    findings: _Findings,
    part: str,
    device: str | None,
    pair: tuple[t.Any, t.Any],
    fields: t.Mapping[str, rules.Rule],
) -> None:
    for field, rule in fields.items():
        _compare_field(findings, part, device, field, (_get(pair[0], field), _get(pair[1], field)), rule)


def _identity(findings: _Findings, part: str, device: str, pair: tuple[Record, Record], keys: t.Sequence[str]) -> None:
    """One finding for another device at the same place, however many keys tell it."""
    expected, found = pair
    # A serial number says more to whoever has to find the part than a UUID.
    ordered = sorted(keys, key=lambda key: key != "serial")
    other = [key for key in ordered if None not in (expected.get(key), found.get(key)) and expected[key] != found[key]]
    if other:
        key = other[0]
        text = f"{device}: {key} is {found[key]}, was {expected[key]}"
        findings.add("changed", part, device, key, expected[key], found[key], text)
        return
    for key in ordered:
        _compare_field(findings, part, device, key, (expected.get(key), found.get(key)), rules.changed)


class _Link(t.NamedTuple):
    """Where a PCIe link's values stand, and whether its device may rest."""

    speed: str
    max_speed: str
    slowest: float
    width: str
    max_width: str


_GPU_LINK = _Link("pcie.generation", "pcie.max_generation", rules.SLOWEST_GENERATION, "pcie.width", "pcie.max_width")
_PCIE_LINK = _Link("speed_gtps", "max_speed_gtps", rules.SLOWEST_GTPS, "width", "max_width")


def _pcie(findings: _Findings, part: str, device: str, pair: Pair, link: _Link, may_rest: bool) -> None:
    """A link may be neither narrower or slower than the baseline says, nor than the device is made for.

    A GPU without work slows its link down to save power. A link at the slowest speed of all tells nothing then.
    """
    for field, limit in ((link.width, link.max_width), (link.speed, link.max_speed)):
        expected, found = _get(pair[0], field), _get(pair[1], field)
        most = _get(pair[1], limit) if findings.own_maximum else None
        resting = field == link.speed and may_rest and found is not None and found <= link.slowest
        if resting and any(other is not None and found < other for other in (expected, most)):
            text = f"{device}: {field} is {found} while it rests; only a link with work on it can be judged"
            findings.add("unknown", part, device, field, most if expected is None else expected, found, text)
        elif None not in (found, most) and found < most and (expected is None or found >= expected):
            text = f"{device}: {field} is {found}, {most} is possible"
            if expected is not None:
                text += " (so it was in the baseline)"
            findings.add(rules.DEGRADED, part, device, field, most, found, text)
        elif not resting:
            _compare_field(findings, part, device, field, (expected, found), rules.less)


def _nvlinks(findings: _Findings, device: str, expected: Record, found: Record) -> None:
    """What each NVLink leads to; how many there are is counted elsewhere."""
    before = {link.get("link"): link for link in expected.get("nvlinks") or () if link.get("active")}
    now = {link.get("link"): link for link in found.get("nvlinks") or () if link.get("active")}
    for number in [number for number in before if number in now]:
        for key, rule in (("remote_pci_address", rules.changed), ("version", rules.less)):
            values = (before[number].get(key), now[number].get(key))
            _compare_field(findings, "gpus", device, f"nvlinks.{number}.{key}", values, rule)


def _mig(findings: _Findings, device: str, expected: Record, found: Record) -> None:
    """The layout; the identities of MIG devices are new whenever somebody makes the same layout again."""

    def layout(gpu: Record) -> list[str] | None:
        devices = gpu.get("mig_devices")
        return None if devices is None else sorted(str(device.get("profile")) for device in devices)

    # Null is what a GPU without MIG says, and mig_mode tells that already.
    if expected.get("mig_mode") and found.get("mig_mode"):
        values = (layout(expected), layout(found))
        _compare_field(findings, "gpus", device, "mig_devices", values, rules.changed)


def _gpu(findings: _Findings, device: str, expected: Record, found: Record) -> None:
    _pcie(findings, "gpus", device, (expected, found), _GPU_LINK, not found.get("processes"))
    _nvlinks(findings, device, expected, found)
    _mig(findings, device, expected, found)


def _readable(findings: _Findings, part: str, device: str, expected: Record, found: Record) -> bool:
    """Whether there is anything to compare of a device that can answer with an error."""
    if found.get("lost"):
        findings.told.add(_pci_address(found))
        text = f"{device} no longer answers (lost)"
        findings.add("missing", part, device, "lost", expected.get("lost"), True, text)
        return False
    if found.get("error") is not None and expected.get("error") is None and part == "filesystems":
        text = f"{device}: {found['error']}"
        findings.add(rules.DEGRADED, part, device, "error", None, found["error"], text)
        return False
    reasons = [one.get("error") or ("it was lost" if one.get("lost") else None) for one in (expected, found)]
    if reasons == [None, None]:
        return True
    if None in reasons:
        text = f"{device} cannot be read: {reasons[1]}"
        if reasons[1] is None:
            text = f"{device} could not be read for the baseline: {reasons[0]}"
        findings.add("unknown", part, device, "error", expected.get("error"), found.get("error"), text)
    return False


def _pci_address(device: Record) -> str | None:
    """The PCI address as the kernel writes it."""
    name = device.get("device")
    if isinstance(name, str) and name.startswith("gpu:"):
        return name[len("gpu:") :] + ".0"
    return device.get("pci_address")


def _gpus_with_link(record: Record) -> set[str | None]:
    """PCI addresses whose link the GPU's own library tells."""
    return {
        _pci_address(gpu)
        for gpu in record.get("gpus") or ()
        if _get(gpu, "pcie.width") is not None and _get(gpu, "pcie.generation") is not None
    }


def _compare_devices(findings: _Findings, part: str, one: Record, other: Record) -> None:
    expected, found = _get(one, part), _get(other, part)
    if expected is None and found is None:
        return
    if expected is None or found is None:
        counts = tuple(None if devices is None else len(devices) for devices in (expected, found))
        text = f"{part}: {counts[0]} in the baseline, now nobody can tell"
        if expected is None:
            text = f"{part}: {counts[1]} found, the baseline does not tell"
        findings.add("unknown", part, None, None, counts[0], counts[1], text)
        return
    if part == "pcie_links":
        # The GPU's own library tells its link, and a device that is gone is told where it belongs.
        told = findings.told | (_gpus_with_link(one) & _gpus_with_link(other))
        expected = [link for link in expected if link.get("pci_address") not in told]
        found = [link for link in found if link.get("pci_address") not in told]
    for pair in match(expected, found, rules.PARTS[part]):
        _compare_pair(findings, part, pair)


def _meaningless(part: str, expected: Record, found: Record) -> tuple[str, ...]:
    """Fields that say nothing about this device as it is."""
    if part == "filesystems" and not str(found.get("source")).startswith("/dev/"):
        # A server, and a pool that others share, give another size each time.
        return ("size_bytes",)
    if part == "nics" and "down" in (expected.get("state"), found.get("state")):
        # A link that is down has no speed.
        return ("speed_mbps", "duplex")
    return ()


def _compare_pair(findings: _Findings, part: str, pair: Pair) -> None:
    rule = rules.PARTS[part]
    expected, found = pair
    if found is None or found.get("state") == "absent":
        if expected is not None and expected.get("state") != "absent":
            findings.told.add(_pci_address(expected))
            device = _name(expected, rule.label)
            text = f"{device} is missing{_about(expected, rule.about)}"
            findings.add("missing", part, device, None, device, None, text)
        return
    device = _name(found, rule.label)
    if expected is None or expected.get("state") == "absent":
        findings.told.add(_pci_address(found))
        text = f"{device} was added{_about(found, rule.about)}"
        findings.add("added", part, device, None, None, device, text)
        return
    if not _readable(findings, part, device, expected, found):
        return
    _identity(findings, part, device, (expected, found), [keys[0] for keys in rule.identity if len(keys) == 1])
    skipped = _meaningless(part, expected, found)
    fields = {field: how for field, how in rule.fields.items() if field not in skipped}
    _compare_fields(findings, part, device, (expected, found), fields)
    if part == "gpus":
        _gpu(findings, device, expected, found)
    elif part == "pcie_links":
        resting = str(found.get("class_id")).startswith(rules.RESTING_CLASSES)
        _pcie(findings, part, device, (expected, found), _PCIE_LINK, resting)


def _checked(record: t.Any, whose: str) -> Record:
    faults = check(record)
    if faults:
        more = f" (and {len(faults) - _SHOWN_FAULTS} more)" if len(faults) > _SHOWN_FAULTS else ""
        raise ValueError(f"the {whose} record is no hardware record: {'; '.join(faults[:_SHOWN_FAULTS])}{more}")
    return t.cast(Record, record)


def diff(expected: t.Any, found: t.Any, own_maximum: bool = True) -> dict[str, list[Finding]]:
    """Return the findings by kind, each list in the order of the record's parts; ValueError if one is no record.

    With C(own_maximum) a link is also compared with what its device is made for, so that a baseline that was taken from
    a bad link does not hide it.
    """
    one, other = _checked(expected, "expected"), _checked(found, "found")
    findings = _Findings(own_maximum)
    for part, fields in rules.OBJECTS.items():
        pair = (one.get(part), other.get(part))
        if pair[0] is None and pair[1] is None:
            continue
        if None in pair:
            text = f"{part}: nobody can tell now" if pair[1] is None else f"{part}: the baseline does not tell"
            findings.add("unknown", part, None, None, None, None, text)
            continue
        _compare_fields(findings, part, None, pair, fields)
    for part in rules.PARTS:
        _compare_devices(findings, part, one, other)
    return findings.by_kind
