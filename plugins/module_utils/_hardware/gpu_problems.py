# Judges the GPUs of a node: which of them must not take work, and why.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure: the answer of the module gpu_info in, a list of problems out. An empty list means healthy."""

from __future__ import annotations

import typing as t

Problem = t.Dict[str, str]


def _problem(device: str, problem: str, text: str) -> Problem:
    return {"device": device, "problem": problem, "text": text}


def _of_gpu(gpu: t.Mapping[str, t.Any]) -> t.Iterator[Problem]:
    device = gpu.get("device") or "node"
    name = "GPU %s" % (gpu.get("device") or "with index {}".format(gpu.get("index")))
    if gpu.get("lost"):
        yield _problem(device, "lost", f"{name} no longer answers (lost)")
    elif gpu.get("error"):
        yield _problem(device, "unreadable", "{} cannot be read: {}".format(name, gpu["error"]))
    rows = gpu.get("remapped_rows") or {}
    if rows.get("failure"):
        yield _problem(device, "row_remap_failure", f"{name} failed to replace a bad memory row")
    if rows.get("pending"):
        yield _problem(device, "row_remap_pending", f"{name} waits for a reset to replace a bad memory row")
    errors = gpu.get("ecc_uncorrected_volatile")
    if errors:
        yield _problem(
            device,
            "ecc_uncorrected",
            f"{name} has {errors} uncorrected memory errors since its driver was loaded",
        )
    action = gpu.get("recovery_action")
    if action not in (None, "none"):
        yield _problem(device, "recovery_action", f"the driver asks for {action} of {name}")


def gpu_problems(answer: t.Mapping[str, t.Any], expected_gpus: int | None = None) -> list[Problem]:
    """Return the problems of one node as C({"device", "problem", "text"}).

    Raises ValueError if the input is no answer of gpu_info.

    C(expected_gpus) is how many GPUs the node should have; None: at least one. No answer is a problem too, unless
    none is expected.
    """
    if expected_gpus is not None and (
        isinstance(expected_gpus, bool) or not isinstance(expected_gpus, int) or expected_gpus < 0
    ):
        raise ValueError(f"expected_gpus must be a whole number of GPUs or null, not {expected_gpus!r}")
    gpus = answer.get("gpus") if isinstance(answer, t.Mapping) else None
    if (
        not isinstance(gpus, t.Sequence)
        or not all(isinstance(gpu, t.Mapping) for gpu in gpus)
        or not isinstance(answer.get("available"), bool)
    ):
        raise ValueError("this is not an answer of aidc.ops.gpu_info: it needs 'available' and a list 'gpus'")
    wanted = 1 if expected_gpus is None else expected_gpus
    problems = []
    if wanted and not answer["available"]:
        problems.append(
            _problem("node", "unavailable", "no GPU is available: %s" % (answer.get("reason") or "reason unknown"))
        )
    elif len(gpus) < wanted:
        problems.append(_problem("node", "count", f"the node shows {len(gpus)} GPUs instead of {wanted}"))
    for gpu in gpus:
        problems.extend(_of_gpu(gpu))
    return problems
