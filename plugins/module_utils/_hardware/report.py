# Tells a person what a discovery run found: a table of findings, and one line for each node.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: answers of hardware_baseline in, lines of text out."""

from __future__ import annotations

import typing as t

from .diff import KINDS

Result = t.Mapping[str, t.Any]

# What a run can be told to fail on, besides the kinds of findings.
OTHER_KINDS = ("problems", "no_result", "no_baseline")

_LONGEST = 240
_STATES = {
    "none": "no baseline",
    "kept": "as its baseline",
    "accepted": "is its baseline now",
    "replaced": "replaced its baseline",
    "refused": "is no baseline",
}


def _plain(text: t.Any) -> str:
    """Text of devices for a terminal: no control characters, and not endless."""
    shown = "".join(one if one.isprintable() else "?" for one in str(text))
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def _aligned(rows: t.Sequence[t.Sequence[str]]) -> list[str]:
    """The rows as lines with columns under each other; the last column is as long as it is."""
    widths = [max(map(len, column)) for column in zip(*(row[:-1] for row in rows))]
    return ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[-1]]).rstrip() for row in rows]


def _rows(result: Result) -> t.Iterator[tuple[str, str, str, str]]:
    name = _plain(result["name"])
    for kind in KINDS:
        for finding in result["findings"][kind]:
            yield name, kind, finding["part"], _plain(finding["message"])
    for problem in result["problems"]:
        device = "" if problem["device"] is None else f"{problem['device']}: "
        yield name, "problem", _plain(problem["part"]), _plain(device + problem["message"])


def _verdict(result: Result) -> str:
    counts = [f"{len(result['findings'][kind])} {kind}" for kind in KINDS if result["findings"][kind]]
    state = _STATES[result["baseline"]]
    if result["baseline"] == "kept" and counts:
        state = "differs from its baseline"
    if result["refused"]:
        state += f" because {_plain('; '.join(result['refused']))}"
    if result["problems"]:
        counts.append(f"{len(result['problems'])} problems")
    return ", ".join([state, *counts])


def _has(result: Result, kind: str) -> bool:
    if kind == "problems":
        return bool(result["problems"])
    if kind == "no_baseline":
        return result["baseline"] in ("none", "refused")
    return kind in KINDS and bool(result["findings"][kind])


def report(results: t.Any, silent: t.Mapping[str, t.Any] | None = None) -> dict[str, t.Any]:
    """Return C(lines) for people, and C(nodes): kind of finding -> names of the nodes that have one.

    C(silent) is name -> reason of the nodes that could not be compared. ValueError if the results are something else.
    """
    silent = {} if silent is None else silent
    wanted = ("name", "findings", "problems", "baseline", "refused")
    if not isinstance(results, (list, tuple)) or not isinstance(silent, t.Mapping):
        raise ValueError("it takes a list of answers of aidc.ops.hardware_baseline, and a dictionary of reasons")
    for result in results:
        if not isinstance(result, t.Mapping) or not all(key in result for key in wanted):
            raise ValueError("a result is no answer of aidc.ops.hardware_baseline")
    ordered = sorted(results, key=lambda result: str(result["name"]))
    rows = [row for result in ordered for row in _rows(result)]
    rows += [(_plain(name), "no result", "node", _plain(reason)) for name, reason in sorted(silent.items())]
    lines = _aligned([("NODE", "FINDING", "PART", "WHAT"), *rows]) if rows else ["Nothing to report."]
    verdicts = [(_plain(result["name"]), _verdict(result)) for result in ordered]
    verdicts += [(_plain(name), "no result") for name in sorted(silent)]
    nodes = {
        kind: sorted(str(result["name"]) for result in results if _has(result, kind)) for kind in (*KINDS, *OTHER_KINDS)
    }
    nodes["no_result"] = sorted(map(str, silent))
    return {"lines": [*lines, "", *_aligned(sorted(verdicts))], "nodes": nodes}
