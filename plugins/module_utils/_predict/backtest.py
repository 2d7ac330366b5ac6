# Trains on the past, chooses there, and compares with the trend rules on the time after it, which nothing saw.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass

from ansible_collections.aidc.ops.plugins.module_utils._errors import PredictionError

from . import fit
from .judge import Outcome, beats, judge
from .kinds import KINDS
from .model import Model
from .series import DAY, Device
from .table import Table, build, moments, numpy
from .trends import Trend

# With fewer it is luck who wins.
FEWEST_FAILURES = 20
_THRESHOLDS = 40

Flags = t.Dict[int, t.List[float]]


@dataclass(frozen=True)
class Result:
    """A model and how it was found. *outcomes* are by way; *reasons* say why it is not enabled (none: it is)."""

    model: Model
    outcomes: t.Mapping[str, Outcome]
    reasons: tuple[str, ...]
    report: dict[str, t.Any]


def flagged_by(rules: t.Mapping[str, Trend], devices: t.Sequence[Device], when: t.Sequence[float]) -> Flags:
    """The times at which at least one trend rule is true, by place of the device."""
    found: Flags = {}
    for place, device in enumerate(devices):
        if any(device.series.values()):
            true = [
                moment
                for moment in when
                if device.begin <= moment <= device.end and any(rule(device.series, moment) for rule in rules.values())
            ]
            if true:
                found[place] = true
    return found


def flagged_from(table: Table, mask: t.Any, risk: t.Any, threshold: float) -> Flags:
    found: Flags = {}
    over = risk >= threshold
    for place, moment in zip(table.device[mask][over].tolist(), table.moment[mask][over].tolist()):
        found.setdefault(place, []).append(moment)
    return found


def train(
    kind_name: str,
    devices: t.Sequence[Device],
    now: float,
    horizon_days: float = 30,
    step_days: float = 1,
    held_out: float = 0.3,
) -> Result:
    """Learn to tell which devices fail within the horizon, and compare with the trend rules.

    The last *held_out* of the time is used for nothing but the comparison. No row is learned from whose horizon reaches
    into the time that it is tested with. Raises PredictionError.
    """
    kind = KINDS[kind_name]
    measures = [one.name for one in kind.measures if any(device.series.get(one.name) for device in devices)]
    if not measures:
        raise PredictionError(f"there is no history of any {kind.name}: not one sample of its measures")
    horizon = horizon_days * DAY
    begin, end = min(device.begin for device in devices), max(device.end for device in devices)
    when = moments(begin, end, step_days * DAY)
    cut = begin + (1 - held_out) * (end - begin)
    if cut - begin < 4 * horizon or end - cut < horizon:
        raise PredictionError(
            f"{(end - begin) / DAY:.0f} days of history are too few for a horizon of {horizon_days:g} days: before the"
            f" last {held_out:.0%} of the time there have to be four horizons, and one in it"
        )
    table = build(devices, measures, when, horizon)
    names = [f"{device.node} {device.name}" for device in devices]
    edges = [begin + (cut - begin) * (2 + number) / (2 + fit.FOLDS) for number in range(fit.FOLDS + 1)]
    best, scores, parameters, risk = _choose(table, edges, horizon, names)
    # The model that is kept is the one of the last fold: only of risks that it gave to what it had not seen is known
    # which of them are high.
    fold, chosen_in = edges[-2], table.between(edges[-2], cut)
    rules = {**kind.shipped, **kind.likewise}
    flags = flagged_by(rules, devices, [moment for moment in when if moment >= fold])

    def outcome(found: Flags, first: float, last: float) -> Outcome:
        inside = {place: [x for x in times if first <= x < last] for place, times in found.items()}
        return judge(devices, inside, first, last, horizon)

    threshold = _threshold(
        outcome(flags, fold, cut),
        risk,
        lambda limit: outcome(flagged_from(table, chosen_in, risk, limit), fold, cut),
    )
    after = table.moment >= cut
    later = fit.risks(parameters, table, after)
    last = end + 1
    shipped = flagged_by(kind.shipped, devices, [moment for moment in when if moment >= cut])
    outcomes = {
        "trend rules as shipped": outcome(shipped, cut, last),
        "trend rules, and their like": outcome(flags, cut, last),
        "predictor": outcome(flagged_from(table, after, later, threshold), cut, last),
    }
    reasons = [beats(outcomes["predictor"], other) for way, other in outcomes.items() if way != "predictor"]
    found = outcomes["predictor"]
    # What alarms about every device, all the time, would be worth by the same measure.
    chance = outcome(flagged_from(table, after, later, -math.inf), cut, last).precision or 0.0
    least = found.precision_at_least
    if found.right and least <= chance:
        reasons.append(f"its precision, at least {least:.3f}, may be luck: alarms about everything have {chance:.3f}")
    failures = found.failures
    if failures < FEWEST_FAILURES:
        reasons.append(f"{failures} failures in the time held out are too few to tell; at least {FEWEST_FAILURES}")
    reasons = list(dict.fromkeys(reason for reason in reasons if reason))
    model = Model(kind.name, tuple(measures), horizon_days, threshold, not reasons, now, parameters)
    report = {
        "devices": len(devices),
        "failures": sum(device.failed_at is not None for device in devices),
        "failures_learned_from": len(
            {int(place) for place in table.device[table.fails & (table.moment < fold - horizon)]}
        ),
        "begin": begin,
        "held_out_from": cut,
        "end": end,
        "horizon_days": horizon_days,
        "step_days": step_days,
        "seed": fit.SEED,
        "algorithm": best,
        "average_precision": scores,
        "precision_of_chance": chance,
        "threshold": threshold,
        "enabled": not reasons,
        "reasons": reasons,
        "held_out": {way: one.as_dict() for way, one in outcomes.items()},
    }
    return Result(model, outcomes, tuple(reasons), report)


def _choose(
    table: Table, edges: t.Sequence[float], horizon: float, names: t.Sequence[str]
) -> tuple[str, dict[str, float], fit.Parameters, t.Any]:
    """The better algorithm, the mean score of each over the folds, and of the last fold the better one's model and the
    risks that it gave.
    """
    scores: dict[str, list[float]] = {name: [] for name in fit.ALGORITHMS}
    last: dict[str, tuple[fit.Parameters, t.Any]] = {}
    for begin, end in zip(edges, edges[1:]):
        mask = table.between(begin, end)
        for name in fit.ALGORITHMS:
            learned = fit.learn(name, table, table.moment < begin - horizon, names)
            last[name] = learned, fit.risks(learned, table, mask)
            if table.fails[mask].any():
                scores[name].append(fit.average_precision(table.fails[mask], last[name][1]))
    means = {name: sum(values) / len(values) if values else 0.0 for name, values in scores.items()}
    # The simpler one, unless the other is better.
    best = max(fit.ALGORITHMS, key=lambda name: means[name])
    return (best, means, *last[best])


def _threshold(rules: Outcome, risk: t.Any, outcome: t.Callable[[float], Outcome]) -> float:
    """The risk from which to flag: where the model beats the rules, else anywhere, the one with the best F1."""
    np = numpy()
    shares = np.geomspace(0.0002, 0.5, _THRESHOLDS)
    limits = sorted({float(np.quantile(risk, 1 - share)) for share in shares}) if len(risk) else []
    best, found = (False, -1.0), math.inf
    for limit in limits:
        one = outcome(limit)
        precision, recall = one.precision or 0.0, one.recall or 0.0
        both = precision + recall
        grade = (not beats(one, rules), 2 * precision * recall / both if both else 0.0)
        if grade > best:
            best, found = grade, limit
    return found if math.isfinite(found) else 1.0
