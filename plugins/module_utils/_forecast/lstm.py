# A small recurrent network, for who has torch; the mean of the other models is nearly as good and costs far less.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One layer of 32 cells reads the last three seasons and gives all steps of the horizon at once, as differences from
the last value. Weights and order of training begin from a fixed seed and one thread computes, so that the same history
gives the same answer.
"""

from __future__ import annotations

import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._errors import ForecastError

CELLS = 32
EPOCHS = 60
BATCH = 64
SEASONS_READ = 3
RATE = 3e-3


def fit(
    torch: t.Any, history: t.Sequence[float], season: int, ahead: int
) -> t.Callable[[t.Sequence[float], int], list[float]]:
    """Train on every window of the history. What is fitted foretells up to *ahead* steps."""
    read = SEASONS_READ * max(season, 8)
    windows = len(history) - read - ahead + 1
    if windows < BATCH:
        raise ForecastError(
            f"the model lstm needs {read + ahead + BATCH - 1} values to learn from, and there are {len(history)}"
        )
    values = torch.tensor(list(history), dtype=torch.float32)
    middle, width = values.mean(), values.std() + 1e-9
    scaled = (values - middle) / width
    inputs = torch.stack([scaled[n : n + read] for n in range(windows)]).unsqueeze(-1)
    wanted = torch.stack([scaled[n + read : n + read + ahead] - scaled[n + read - 1] for n in range(windows)])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        network = _train(torch, inputs, wanted)
    finally:
        torch.set_num_threads(threads)

    def predict(past: t.Sequence[float], steps: int) -> list[float]:
        if steps > ahead:
            raise ForecastError(f"the model lstm was trained for {ahead} steps ahead, not for {steps}")
        last = (torch.tensor(list(past[-read:]), dtype=torch.float32) - middle) / width
        with torch.no_grad():
            found = (network(last.view(1, -1, 1))[0] + last[-1]) * width + middle
        return [float(value) for value in found[:steps]]

    return predict


def _train(torch: t.Any, inputs: t.Any, wanted: t.Any) -> t.Callable[[t.Any], t.Any]:
    """The trained network, from a batch of windows to a batch of differences."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        cells = torch.nn.LSTM(1, CELLS, batch_first=True)
        out = torch.nn.Linear(CELLS, wanted.shape[1])
        order = torch.Generator().manual_seed(0)
        optimiser = torch.optim.Adam([*cells.parameters(), *out.parameters()], RATE)

        def network(batch: t.Any) -> t.Any:
            return out(cells(batch)[0][:, -1])

        for _epoch in range(EPOCHS):
            shuffled = torch.randperm(len(inputs), generator=order)
            for begin in range(0, len(shuffled), BATCH):
                chosen = shuffled[begin : begin + BATCH]
                optimiser.zero_grad()
                torch.nn.functional.l1_loss(network(inputs[chosen]), wanted[chosen]).backward()
                optimiser.step()
    return network
