# The models: each is fitted once, and foretells from any history with what it was fitted to.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two steps, so that a back-test with many origins costs one fit: the estimation is slow, going on from another
history with its result is quick. The statistical family is that of statsforecast: ARIMA and exponential smoothing
after Hyndman and Khandakar (J. Stat. Softw. 27(3), 2008), the Theta method (Assimakopoulos and Nikolopoulos, Int. J.
Forecast. 16(4), 2000), complex exponential smoothing (Svetunkov, Kourentzes and Ord, Nav. Res. Logist. 69(8), 2022).
"""

from __future__ import annotations

import math
import os
import typing as t
import warnings

from ansible_collections.aidc.ops.plugins.module_utils._errors import ForecastError
from ansible_collections.aidc.ops.plugins.module_utils._forecast import lstm


class MissingLibraryError(ForecastError):
    """What a model needs is not installed."""


Predict = t.Callable[[t.Sequence[float], int], t.List[float]]
"""History and number of steps ahead give that many values."""

STATISTICAL = {"arima": "AutoARIMA", "ets": "AutoETS", "theta": "AutoTheta", "ces": "AutoCES"}
MEANS = {
    "mean": ("seasonal_naive", "theta", "ces"),
    "mean_with_last": ("seasonal_naive", "theta", "ces", "last_value"),
}
"""What ``auto`` takes means of: the last value helps where demand wanders, and harms where it only swings."""


def seasonal_naive(season: int) -> Predict:
    """What was one season ago; with season 1 the last value."""

    def predict(history: t.Sequence[float], ahead: int) -> list[float]:
        last = list(history[-season:])
        return [last[index % len(last)] for index in range(ahead)]

    return predict


def fit(name: str, history: t.Sequence[float], season: int, ahead: int) -> Predict:
    """Fit one model. Raises ForecastError where its library is missing or it cannot be fitted to this history."""
    if name == "seasonal_naive":
        return seasonal_naive(season)
    if name == "last_value":
        return seasonal_naive(1)
    try:
        if name == "lstm":
            found = lstm.fit(_torch(), history, season, ahead)
        else:
            found = _fit_statistical(STATISTICAL[name], history, season)
        _finite(found(history, 1))
    except ForecastError:
        raise
    # A library's own trouble with a history (a singular matrix, no convergence) is one model less, no failure of all.
    except Exception as exc:
        raise ForecastError(f"the model {name} cannot be fitted to these {len(history)} values: {exc!s:.200}") from exc
    return found


def not_below_zero(model: Predict) -> Predict:
    """The same model, for demand that cannot be negative."""

    def predict(history: t.Sequence[float], ahead: int) -> list[float]:
        return [max(0.0, value) for value in model(history, ahead)]

    return predict


def _library() -> t.Any:
    # The matrices are small: threads would only wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from statsforecast import models
    except ImportError as exc:
        raise MissingLibraryError(
            f"the models arima, ets, theta and ces need the Python package statsforecast, which cannot be imported here"
            f" ({exc}); install it, or choose the model auto, which then does without, or seasonal_naive"
        ) from exc
    return models


def _torch() -> t.Any:
    try:
        import torch
    except ImportError as exc:
        raise MissingLibraryError(
            f"the model lstm needs the Python package torch, which cannot be imported here ({exc}); install it (its"
            " CPU build is enough), or choose the model auto"
        ) from exc
    return torch


def _fit_statistical(which: str, history: t.Sequence[float], season: int) -> Predict:
    library = _library()
    import numpy

    model = getattr(library, which)(season_length=season)
    with warnings.catch_warnings():
        # Of the estimation; what it gives is judged by the back-test.
        warnings.simplefilter("ignore")
        model.fit(numpy.asarray(history, dtype=numpy.float64))

    def predict(values: t.Sequence[float], ahead: int) -> list[float]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _finite(model.forward(y=numpy.asarray(values, dtype=numpy.float64), h=ahead)["mean"])

    return predict


def _finite(values: t.Iterable[float]) -> list[float]:
    found = [float(value) for value in values]
    if not all(math.isfinite(value) for value in found):
        raise ForecastError("the model foretells values that are no finite numbers")
    return found
