# Learning from a table, with scikit-learn: two small models, and the better of them by time-ordered validation.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
import zlib

from ansible_collections.aidc.ops.plugins.module_utils._errors import PredictionError

from .model import Logistic, Node, Trees
from .table import Table, numpy

SEED = 20240101
ALGORITHMS = ("logistic", "trees")
FOLDS = 3
# So many rows of devices that live for each row of one that fails; the rest says the same again. They count for more
# in exchange, so that risks stay probabilities.
_LIVING = 30
_FEWEST_LIVING = 5000
_MOST_ROWS = 400000

Parameters = t.Union[Logistic, Trees]


def _learned(algorithm: str, numbers: t.Any, fails: t.Any, weights: t.Any) -> Parameters:
    try:
        from sklearn.ensemble import GradientBoostingClassifier
        from sklearn.linear_model import LogisticRegression
    except ImportError as exc:
        raise PredictionError(
            "training needs scikit-learn, which is not installed for this interpreter; install scikit-learn with pip"
        ) from exc
    if algorithm == "logistic":
        np = numpy()
        means = np.average(numbers, axis=0, weights=weights)
        spreads = np.sqrt(np.average((numbers - means) ** 2, axis=0, weights=weights))
        # What is the same everywhere tells nothing, whatever it is divided by.
        scales = np.where(spreads > 1e-9, spreads, 1.0)
        line = LogisticRegression(C=1.0, max_iter=2000).fit((numbers - means) / scales, fails, sample_weight=weights)
        lists = ([float(value) for value in values] for values in (means, scales, line.coef_[0]))
        return Logistic(float(line.intercept_[0]), *(tuple(values) for values in lists))
    boosted = GradientBoostingClassifier(
        n_estimators=80, max_depth=3, learning_rate=0.1, min_samples_leaf=20, subsample=0.7, random_state=SEED
    ).fit(numbers, fails, sample_weight=weights)
    trees = tuple(_nodes(one[0].tree_, boosted.learning_rate) for one in boosted.estimators_)
    # The constant is what the sum of the trees leaves of the whole.
    first = [float(value) for value in numbers[0]]
    return Trees(float(boosted.decision_function(numbers[:1])[0]) - Trees(0.0, trees).odds(first), trees)


def _nodes(tree: t.Any, rate: float) -> tuple[Node, ...]:
    found = []
    for place in range(tree.node_count):
        leaf = tree.children_left[place] == -1
        found.append(
            (
                -1 if leaf else int(tree.feature[place]),
                0.0 if leaf else float(tree.threshold[place]),
                0 if leaf else int(tree.children_left[place]),
                0 if leaf else int(tree.children_right[place]),
                rate * float(tree.value[place][0][0]) if leaf else 0.0,
            )
        )
    return tuple(found)


def learn(algorithm: str, table: Table, mask: t.Any, names: t.Sequence[str]) -> Parameters:
    """Learn from the rows of *mask*; *names* are those of the devices, by which rows are chosen alike every time."""
    np = numpy()
    failing = np.flatnonzero(mask & table.fails)
    living = np.flatnonzero(mask & ~table.fails)
    if not len(failing) or not len(living):
        raise PredictionError(
            f"there is nothing to tell apart: {len(failing)} of {len(failing) + len(living)} times of devices are"
            " followed by a failure; both kinds are needed"
        )
    wanted = min(max(_LIVING * len(failing), _FEWEST_LIVING), _MOST_ROWS)
    share = min(1.0, wanted / len(living))
    if share < 1:
        limit = int(share * 2**32)
        chosen = [
            zlib.crc32(f"{names[table.device[row]]} {table.moment[row]:.0f}".encode()) < limit
            for row in living.tolist()
        ]
        living = living[np.asarray(chosen)]
    rows = np.concatenate([failing, living])
    weights = np.concatenate([np.ones(len(failing)), np.full(len(living), 1 / share)])
    return _learned(algorithm, table.numbers[rows].astype(np.float64), table.fails[rows], weights)


def risks(parameters: Parameters, table: Table, mask: t.Any) -> t.Any:
    """The risk of each row of *mask*; as Model.risk, for many rows at once."""
    np = numpy()
    numbers = table.numbers[mask]
    if isinstance(parameters, Logistic):
        scaled = (numbers - np.asarray(parameters.means)) / np.asarray(parameters.scales)
        odds = parameters.intercept + scaled @ np.asarray(parameters.weights)
    else:
        odds = np.full(len(numbers), parameters.intercept)
        rows = np.arange(len(numbers))
        for tree in parameters.trees:
            feature, limit, low, high, value = (np.asarray(column) for column in zip(*tree))
            place = np.zeros(len(numbers), dtype=np.int64)
            while (feature[place] >= 0).any():
                inner = feature[place] >= 0
                goes_low = numbers[rows, np.maximum(feature[place], 0)] <= limit[place]
                place = np.where(inner, np.where(goes_low, low[place], high[place]), place)
            odds += value[place]
    return 1 / (1 + np.exp(-np.clip(odds, -500, 500)))


def average_precision(fails: t.Any, risk: t.Any) -> float:
    """The precision at each row that fails, rows by falling risk, on average (ties: the rows of a tie together)."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(fails, risk))
