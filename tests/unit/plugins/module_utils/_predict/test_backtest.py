# Tests of training and of the comparison, on drives that are made up.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.aidc.ops.plugins.module_utils._errors import PredictionError
from ansible_collections.aidc.ops.plugins.module_utils._predict import backtest, features, fit, scoring, table
from ansible_collections.aidc.ops.plugins.module_utils._predict.model import Model, dump, load
from ansible_collections.aidc.ops.plugins.module_utils._predict.series import DAY, Device, Series
from ansible_collections.aidc.ops.tests.unit.plugins.module_utils._predict.generated import drives

# Training takes seconds.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def won() -> backtest.Result:
    return backtest.train("drive", drives(300), 1e9, horizon_days=20, step_days=2)


def test_what_tells_is_learned_and_enabled(won: backtest.Result) -> None:
    predictor, rules = won.outcomes["predictor"], won.outcomes["trend rules, and their like"]
    assert rules.right, "the rules see these failures too; the mechanism is theirs"
    assert (predictor.precision or 0) > (rules.precision or 0)
    assert won.model.enabled
    assert won.report["reasons"] == []
    assert won.report["held_out_from"] == pytest.approx(0.7 * 300 * DAY)


def test_what_does_not_tell_is_not_enabled() -> None:
    lost = backtest.train("drive", drives(300, telling=False), 1e9, horizon_days=20, step_days=4)
    assert not lost.model.enabled
    assert lost.reasons


def test_few_failures_are_no_proof() -> None:
    few = backtest.train("drive", drives(200, failing=12), 1e9, horizon_days=20, step_days=4)
    assert any("too few to tell" in reason for reason in few.reasons)
    assert not few.model.enabled


def test_training_twice_gives_the_same_and_the_file_keeps_it(won: backtest.Result) -> None:
    text = dump(won.model, won.report)
    assert load(text, "x") == won.model
    again = backtest.train("drive", drives(300), 1e9, horizon_days=20, step_days=2)
    assert dump(again.model, again.report) == text


@pytest.mark.parametrize("algorithm", fit.ALGORITHMS)
def test_reckoning_without_scikit_learn_is_the_same(algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = drives(60, days=120)
    known = table.build(devices, ["reallocated"], table.moments(0, 120 * DAY, 5 * DAY), 20 * DAY)
    everything = known.moment >= 0
    theirs = {}
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    for name, kind in (("trees", GradientBoostingClassifier), ("logistic", LogisticRegression)):
        learn = kind.fit

        def keep(self, *given, learn=learn, name=name, **more):  # type: ignore[no-untyped-def]
            theirs[name] = self
            return learn(self, *given, **more)

        monkeypatch.setattr(kind, "fit", keep)
    learned = fit.learn(algorithm, known, everything, [device.name for device in devices])
    rows = known.numbers.astype("float64")
    given = rows
    if algorithm == "logistic":
        given = (rows - learned.means) / learned.scales
    expected = theirs[algorithm].predict_proba(given)[:, 1]
    assert fit.risks(learned, known, everything) == pytest.approx(expected, abs=1e-6)
    model = Model("drive", ("reallocated",), 20, 0.5, True, 0, learned)
    few = [model.risk(row) for row in known.numbers[:50].tolist()]
    assert few == pytest.approx(expected[:50].tolist(), abs=1e-6)


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        ([], "no history"),
        ([Device("n", "d", "m", {"reallocated": Series([])}, 0, 300 * DAY)], "no history"),
        (drives(40, days=40), "too few for a horizon"),
        ([one for one in drives(40) if one.failed_at is None], "nothing to tell apart"),
    ],
)
def test_what_cannot_be_learned_from_is_said(devices: list[Device], message: str) -> None:
    with pytest.raises(PredictionError, match=message):
        backtest.train("drive", devices, 1e9, horizon_days=20, step_days=5)


def test_without_scikit_learn_people_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sklearn.ensemble", None)
    with pytest.raises(PredictionError, match="install scikit-learn"):
        backtest.train("drive", drives(60), 1e9, horizon_days=20, step_days=10)


def test_nothing_is_learned_from_the_time_it_is_tested_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last moment of each lesson, and a horizon more, is not after the begin of the time it is tested with."""
    lessons, tests = [], []
    learn, risks = fit.learn, fit.risks

    def learned(algorithm, known, mask, names):  # type: ignore[no-untyped-def]
        lessons.append(float(known.moment[mask].max()))
        return learn(algorithm, known, mask, names)

    def tested(parameters, known, mask):  # type: ignore[no-untyped-def]
        tests.append(float(known.moment[mask].min()))
        return risks(parameters, known, mask)

    monkeypatch.setattr(fit, "learn", learned)
    monkeypatch.setattr(fit, "risks", tested)
    backtest.train("drive", drives(120), 1e9, horizon_days=20, step_days=5)
    assert len(lessons) == fit.FOLDS * len(fit.ALGORITHMS)
    assert all(lesson + 20 * DAY < test for lesson, test in zip(lessons, tests, strict=False))
    assert tests[-1] >= 0.7 * 300 * DAY > max(tests[:-1])


def test_risks_are_sorted_and_become_metrics(won: backtest.Result) -> None:
    now = 300 * DAY
    risks = scoring.score(won.model, drives(40), now)
    assert [one.risk for one in risks] == sorted((one.risk for one in risks), reverse=True)
    assert len(risks) < 40, "a device that failed long ago has no risk"
    text = scoring.render(won.model, [scoring.Risk('n"1', "d\\\n", 0.25)], now)
    assert 'aidc_failure_risk_ratio{node="n\\"1",device="d\\\\\\n",kind="drive"} 0.25\n' in text
    assert 'aidc_failure_predictor_enabled{kind="drive"} 1.0\n' in text
    assert scoring.score(won.model, [], now) == []


def test_numbers_of_a_row_have_names() -> None:
    (device,) = drives(1)
    measures = ["reallocated", "pending"]
    row = features.row(device, measures, 30 * DAY, {})
    names = features.names(measures)
    found = dict(zip(names, row, strict=True))
    assert found["pending_known"] == found["pending_level"] == 0
    assert found["reallocated_known"] == 1
