# Judges whether a node is fit for work: a validation set and what was read of the node in, named checks out.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure. What nobody could look at is "not run", never "passed": no data is not health."""

from __future__ import annotations

import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._hardware.gpu_problems import gpu_problems

Answers = t.Mapping[str, t.Any]
Check = t.Dict[str, str]

_BASE = ("services", "scheduler")
SETS: dict[str, tuple[str, ...]] = {
    "V1": ("gpus", "gpu_diag", *_BASE),
    "V2": ("gpus", "gpu_diag", "gpu_bandwidth", *_BASE),
    "V3": ("gpus", "gpu_diag", "gpu_bandwidth", "gpu_pairwise", *_BASE),
    "Vh": ("filesystems", "memory", "disks", "network", *_BASE),
    "run": _BASE,
}
"""The checks of each set, in the order in which they are told."""

CHECKS = tuple(dict.fromkeys(name for names in SETS.values() for name in names))

# What a result does to the node, the worst first: "failed" stays until somebody repairs it, "waiting" may go away by
# itself, "warning" and "not_run" are told and keep nobody out.
RESULTS = ("failed", "waiting", "warning", "not_run", "passed")

# Words of the scheduler about a node, in lower case.
_REJECTED = ("inval", "invalid_reg")
_SILENT = ("not_responding", "unknown", "no_respond", "notready")

# A node that boots with newer firmware than its baseline is no broken node.
_NO_LOSS = ("firmware", "driver", "version", "bios")


def validate(
    answers: Answers, sets: str | t.Sequence[str], expected_gpus: int | None = None, require: t.Sequence[str] = ()
) -> dict[str, t.Any]:
    """Return the verdict on one node by all C(sets) together; ValueError if one or a name in C(require) is not known.

    C(answers) may hold C(gpus) (an answer of gpu_info), C(diag) (of gpu_diag), C(bandwidth) and C(pairwise) (of
    bandwidth_check), C(services) (unit to state), C(scheduler) (words; null where it could not be asked), C(record)
    (a hardware record), C(mounts) and C(interfaces) (names that have to be there), and C(baseline) (findings against
    the baseline, as the filter hardware_diff returns them). C(require): checks that may not stay "not_run".
    """
    wanted = sets.split(",") if isinstance(sets, str) else list(sets)
    for name in wanted or [""]:
        if name not in SETS:
            raise ValueError(f"there is no validation set {name!r}; known are {', '.join(SETS)}")
    unknown = sorted(set(require) - set(CHECKS))
    if unknown:
        raise ValueError(f"there is no check {unknown[0]!r}; known are {', '.join(CHECKS)}")
    checks: list[Check] = []
    for name in (check for check in CHECKS if any(check in SETS[one] for one in wanted)):
        if name.startswith("gpu") and expected_gpus == 0:
            continue
        found = _gpus(answers, expected_gpus) if name == "gpus" else _JUDGES[name](answers)
        if name in require:
            found = [_required(check) for check in found]
        checks.extend(found)
    checks.sort(key=lambda check: RESULTS.index(check["result"]))
    return _verdict("+".join(wanted), checks)


def _verdict(name: str, checks: list[Check]) -> dict[str, t.Any]:
    texts = {
        result: [check["text"] for check in checks if check["result"] == result and check["text"]] for result in RESULTS
    }
    problems = texts["failed"] + texts["waiting"]
    not_run = [check["check"] for check in checks if check["result"] == "not_run"]
    text = "; ".join(problems) or "the node is fit"
    if texts["warning"]:
        text += "; warning: " + "; ".join(texts["warning"])
    if not_run:
        text += "; not run: " + ", ".join(not_run)
    return {
        "set": name,
        "fit": not problems,
        "outcome": "failed" if texts["failed"] else "waiting" if texts["waiting"] else "done",
        "text": text,
        "problems": problems,
        "warnings": texts["warning"],
        "not_run": not_run,
        "checks": checks,
    }


def _check(name: str, result: str, text: str = "") -> Check:
    return {"check": name, "result": result, "text": text}


def _required(check: Check) -> Check:
    if check["result"] != "not_run":
        return check
    return {**check, "result": "failed", "text": f"{check['check']} has to run and did not: {check['text']}"}


def _or_passed(name: str, found: list[Check]) -> list[Check]:
    return found or [_check(name, "passed")]


def _failure(answer: t.Any, what: str) -> str:
    reason = answer.get("msg") if isinstance(answer, t.Mapping) else None
    return f"{what}: {reason or 'nothing was said'}"


def _gpus(answers: Answers, expected: int | None) -> list[Check]:
    answer = answers.get("gpus")
    if not isinstance(answer, t.Mapping) or not isinstance(answer.get("gpus"), list):
        # Soon after a boot the driver may still be loading.
        return [_check("gpus", "waiting", _failure(answer, "the GPUs cannot be read"))]
    found = [
        _check("gpus", "waiting" if problem["problem"] == "unavailable" else "failed", problem["text"])
        for problem in gpu_problems(answer, expected)
    ]
    return _or_passed("gpus", found)


def _gpu_diag(answers: Answers) -> list[Check]:
    answer = answers.get("diag")
    tested = isinstance(answer, t.Mapping) and answer.get("method") == "dcgm"
    found = _probe("gpu_diag", answer, "results")
    if found["result"] not in ("failed", "not_run") and not tested:
        return [_check("gpu_diag", "not_run", "dcgmi is not on the node, so only the driver was asked")]
    return [found]


def _gpu_bandwidth(answers: Answers) -> list[Check]:
    return [_probe("gpu_bandwidth", answers.get("bandwidth"), "measurements")]


def _gpu_pairwise(answers: Answers) -> list[Check]:
    answer = answers.get("pairwise")
    if answer is None:
        return [_check("gpu_pairwise", "warning", "no peer is named, so no test between two nodes was run")]
    return [_probe("gpu_pairwise", answer, "measurements")]


def _probe(name: str, answer: t.Any, parts: str) -> Check:
    """The check of a probe: C(result) is its worst one, and each of its C(parts) has C(test), C(result), C(message)."""
    if not isinstance(answer, t.Mapping):
        return _check(name, "not_run", "nothing was asked")
    # A task that may fail without ending the play has a message when it failed, whatever else it says.
    if answer.get("failed") or answer.get("msg") or "result" not in answer:
        return _check(name, "failed", _failure(answer, f"{name} came to no answer"))
    result = answer["result"]
    found = [one for one in answer.get(parts) or [] if one.get("result") == result]
    text = "; ".join(dict.fromkeys(f"{one.get('test')}: {one.get('message') or result}" for one in found))
    if result == "skip":
        return _check(name, "not_run", text or "nothing was tested")
    if result in ("pass", "warn"):
        return _check(name, "passed") if result == "pass" else _check(name, "warning", text or f"{name} warns")
    return _check(name, "failed", text or f"{name} failed")


def _services(answers: Answers) -> list[Check]:
    states = answers.get("services") or {}
    found = [_check("services", "waiting", f"{unit} is {state}") for unit, state in states.items() if state != "active"]
    return _or_passed("services", found)


def _scheduler(answers: Answers) -> list[Check]:
    words = answers.get("scheduler")
    if not words:
        return [_check("scheduler", "waiting", "the scheduler could not be asked")]
    words = [str(word).lower() for word in words]
    found = []
    if any(word in _REJECTED for word in words):
        found.append(_check("scheduler", "failed", "the scheduler rejects what the node says of itself"))
    if any(word in _SILENT or word.endswith("*") for word in words):
        found.append(_check("scheduler", "waiting", "the scheduler does not hear from the node"))
    return _or_passed("scheduler", found)


def _record(answers: Answers, name: str) -> tuple[t.Mapping[str, t.Any], list[Check]]:
    """The hardware record, or the check that says why there is none."""
    answer = answers.get("record")
    if isinstance(answer, t.Mapping) and isinstance(answer.get("record"), t.Mapping):
        return answer["record"], []
    return {}, [_check(name, "failed", _failure(answer, "the hardware cannot be read"))]


def _filesystems(answers: Answers) -> list[Check]:
    record, found = _record(answers, "filesystems")
    if found:
        return found
    mounted = {one["mount"]: one for one in record.get("filesystems") or []}
    found = [
        _check("filesystems", "failed", f"{mount} does not answer: {one['error']}")
        for mount, one in mounted.items()
        if one.get("error")
    ]
    for mount in answers.get("mounts") or []:
        if mount not in mounted:
            found.append(_check("filesystems", "waiting", f"{mount} is not mounted"))
        elif "ro" in (mounted[mount].get("options") or []):
            found.append(_check("filesystems", "failed", f"{mount} is mounted read-only"))
    return _or_passed("filesystems", found)


def _memory(answers: Answers) -> list[Check]:
    record, found = _record(answers, "memory")
    if found:
        return found
    memory = record.get("memory") or {}
    counters = memory.get("edac")
    found = [
        _check(
            "memory",
            "failed",
            f"memory controller {one['controller']} counted {one['uncorrected_errors']} uncorrected errors",
        )
        for one in counters or []
        if one.get("uncorrected_errors")
    ]
    found += _lost(answers, "memory", ("memory",))
    if not found and not counters:
        return [_check("memory", "not_run", "the node does not count memory errors")]
    return _or_passed("memory", found)


def _disks(answers: Answers) -> list[Check]:
    record, found = _record(answers, "disks")
    if found:
        return found
    found = [
        _check("disks", "failed", f"disk {one['name']} is {one['state']}")
        for one in record.get("disks") or []
        if one.get("state") not in (None, "live", "running")
    ]
    return _or_passed("disks", found + _lost(answers, "disks", ("disks",)))


def _network(answers: Answers) -> list[Check]:
    record, found = _record(answers, "network")
    if found:
        return found
    wanted = answers.get("interfaces") or []
    states = {one["name"]: one.get("state") for one in record.get("nics") or []}
    for port in record.get("infiniband_ports") or []:
        up = str(port.get("state")).upper() == "ACTIVE"
        states[port["device"]] = "up" if up else str(port.get("state")).lower()
    found = [
        _check("network", "waiting", f"{name} is {states.get(name) or 'not there'}")
        for name in wanted
        if states.get(name) != "up"
    ]
    found += _lost(answers, "network", ("nics", "infiniband_ports"))
    if not found and not wanted and answers.get("baseline") is None:
        return [_check("network", "not_run", "the node has no baseline, and no interface is named that has to be up")]
    return _or_passed("network", found)


def _lost(answers: Answers, name: str, parts: t.Sequence[str]) -> list[Check]:
    """What the node has lost of these parts against its baseline, where it has one."""
    findings = answers.get("baseline") or {}
    found = [*findings.get("missing", []), *findings.get("degraded", [])]
    return [
        _check(name, "failed", str(one["message"]))
        for one in found
        if one.get("part") in parts and not any(word in str(one.get("field")) for word in _NO_LOSS)
    ]


_JUDGES: t.Mapping[str, t.Callable[[Answers], t.Any]] = {
    "gpu_diag": _gpu_diag,
    "gpu_bandwidth": _gpu_bandwidth,
    "gpu_pairwise": _gpu_pairwise,
    "services": _services,
    "scheduler": _scheduler,
    "filesystems": _filesystems,
    "memory": _memory,
    "disks": _disks,
    "network": _network,
}
