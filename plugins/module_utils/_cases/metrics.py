# The ledger's counters as Prometheus text.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.aidc.ops.plugins.module_utils._cases.model import CLOSED_STATES, OPEN_STATES
from ansible_collections.aidc.ops.plugins.module_utils._cases.upkeep import DURATION_BUCKETS
from ansible_collections.aidc.ops.plugins.module_utils._faults import CLASSES, FaultClass

WORKFLOWS = ("remove", "when_idle", "in_service", "ticket", "notify", "record")


def render(counters: Mapping[str, Any], classes: Mapping[str, FaultClass] = CLASSES) -> str:
    """The answer of ``Ledger.counters()`` in Prometheus' text format; ``classes`` are those of the site's catalogue."""
    # Every state is always there, so that a rate or an absence never depends on which cases have happened yet.
    cases = {state: counters["cases"].get(state, 0) for state in (*OPEN_STATES, *CLOSED_STATES)}
    return "".join(
        [
            _family("cases", "gauge", "Cases by state.", _by_label("state", cases)),
            _family(
                "signals_refused_total",
                "counter",
                "Signals that made nothing, by reason.",
                _by_label("reason", counters["refused"]),
            ),
            _family(
                "attempts_total",
                "counter",
                "Ended attempts at steps.",
                [
                    ({"step": step, "outcome": outcome}, value)
                    for (step, outcome), value in sorted(counters["attempts"].items())
                ],
            ),
            _family(
                "skipped_total",
                "counter",
                "Steps that the gate or a limit did not allow, by reason.",
                _by_label("reason", counters["skipped"]),
            ),
            _family(
                "oldest_case_timestamp_seconds",
                "gauge",
                "When the oldest open case was opened, by state.",
                _by_label("state", counters["oldest"]),
            ),
            _durations(counters["durations"], classes),
            _family("opt_outs", "gauge", "What persons want left alone now.", [({}, counters["opt_outs"])]),
            _family("paused", "gauge", "Whether a person paused all actions.", [({}, counters["paused"])]),
            _family(
                "breaker_tripped", "gauge", "Whether the breaker stops removals.", [({}, counters["breaker_tripped"])]
            ),
            _family(
                "source_heartbeat_timestamp_seconds",
                "gauge",
                "When a source of signals was last known to work.",
                _by_label("source", counters["heartbeats"]),
            ),
        ]
    )


def workflow_word(steps: Sequence[str]) -> str:
    """What the loop does about a class with this workflow, in the word that its alerts have as label workflow."""
    if "await_idle" in steps:
        return "when_idle"
    if "cordon" in steps:
        return "remove"
    if "repair" in steps:
        return "in_service"
    if "ticket" in steps:
        return "ticket"
    return "notify" if steps else "record"


def write_textfile(path: str, text: str) -> None:
    """Replaces ``path`` in one step, readable for the collector (mode 0644); OSError when that fails."""
    handle, temporary = tempfile.mkstemp(prefix=".aidc_ops-", dir=os.path.dirname(path) or ".")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            os.fchmod(stream.fileno(), 0o644)
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def _durations(
    durations: Mapping[tuple[str, str], tuple[float, Sequence[int]]], classes: Mapping[str, FaultClass]
) -> str:
    """A histogram for each word and state; all are there from the start, so that the first case of a kind is a rise."""
    bounds = (*map(str, DURATION_BUCKETS), "+Inf")
    found = {(word, state): (0.0, [0] * len(bounds)) for word in WORKFLOWS for state in CLOSED_STATES}
    for (name, state), (seconds, within) in durations.items():
        # A case outlives the class that a site has taken out of its catalogue.
        word = workflow_word(classes[name].workflow if name in classes else ())
        total, sums = found[word, state]
        found[word, state] = (total + seconds, [ours + theirs for ours, theirs in zip(sums, within)])
    full = "aidc_remediation_case_duration_seconds"
    lines = [f"# HELP {full} From the opening of a case to its end, by what the loop does and how it ended."]
    lines.append(f"# TYPE {full} histogram")
    for (word, state), (total, sums) in sorted(found.items()):
        labels = f'workflow="{word}",state="{state}"'
        lines += [f'{full}_bucket{{{labels},le="{bound}"}} {count}' for bound, count in zip(bounds, sums)]
        lines += [f"{full}_sum{{{labels}}} {total}", f"{full}_count{{{labels}}} {sums[-1]}"]
    return "\n".join(lines) + "\n"


def _by_label(label: str, values: Mapping[str, float]) -> list[tuple[dict[str, str], float]]:
    return [({label: name}, value) for name, value in sorted(values.items())]


def _family(name: str, kind: str, text: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> str:
    full = f"aidc_remediation_{name}"
    lines = [f"# HELP {full} {text}", f"# TYPE {full} {kind}"]
    for labels, value in samples:
        inner = ",".join(f'{label}="{_escape(content)}"' for label, content in labels.items())
        lines.append(f"{full}{{{inner}}} {value}" if inner else f"{full} {value}")
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
