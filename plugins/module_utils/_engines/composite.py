# Several schedulers as one engine: each node belongs to one of them, and a dead one takes only its own nodes along.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TypeVar

from ansible_collections.aidc.ops.plugins.module_utils._engines import Engine, EngineJob, EngineNode, JobId
from ansible_collections.aidc.ops.plugins.module_utils._errors import EngineError, ForeignDrainError

DEFAULT = "engine"
"""How the engine is called, in the settings file and in messages, that has every node of which nothing else is said."""

_SILENCE_SECONDS = 15.0
"""An engine that did not answer is not asked for its nodes again for so long: its timeout would delay all others."""

_Answer = TypeVar("_Answer")


class CompositeEngine:
    """See Engine. ``chosen`` gives the name of the engine of a node; nodes without an entry are the default's.

    EngineError for a node whose engine is not among ``others``.
    """

    def __init__(
        self,
        default: Engine,
        others: Mapping[str, Engine],
        chosen: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engines: dict[str, Engine] = {DEFAULT: default, **others}
        self._chosen = dict(chosen)
        self._clock = clock
        self._silent: dict[str, tuple[float, EngineError]] = {}
        self._notes: list[str] = []
        for name in others:
            if name == DEFAULT or ":" in name:
                raise EngineError(f"{name!r:.80} cannot be the name of one of engines: it has another meaning.")
        for node, name in chosen.items():
            if name not in self._engines:
                known = ", ".join(sorted(self._engines))
                raise EngineError(f"The engine {name!r:.80} of node {node} is not in engines; known: {known}.")

    def notes(self) -> list[str]:
        """See Engine.notes."""
        return list(self._notes)

    def nodes(self) -> dict[str, EngineNode]:
        """The nodes of every engine that answers; notes() names those that do not. EngineError if none does."""
        now = self._clock()
        silent = {name: error for name, (until, error) in self._silent.items() if now < until}
        if len(silent) == len(self._engines):
            silent = {}
        answers, failures = self._ask({n: e.nodes for n, e in self._engines.items() if n not in silent})
        self._silent = {
            **{name: self._silent[name] for name in silent},
            **{name: (now + _SILENCE_SECONDS, error) for name, error in failures.items()},
        }
        failures = {**silent, **failures}
        if not answers:
            raise EngineError(_joined(failures))
        self._notes += [f"The nodes of {name} are unknown: {error}" for name, error in sorted(failures.items())]
        return {
            node.name: replace(node, jobs=tuple(self._full_id(name, job) for job in node.jobs))
            for name, nodes in answers.items()
            for node in nodes.values()
            if self._name_of(node.name) == name
        }

    def jobs(self, names: Sequence[str]) -> list[EngineJob]:
        """See Engine.jobs."""
        answers = self._each(names, lambda engine, own: engine.jobs(own))
        return [replace(job, id=str(self._full_id(name, job.id))) for name, jobs in answers.items() for job in jobs]

    def drain(self, names: Sequence[str], reasons: Mapping[str, str]) -> bool:
        """See Engine.drain. The engines are asked at once; EngineError after all of them were."""
        return any(self._each(names, lambda engine, own: engine.drain(own, reasons)).values())

    def resume(self, name: str, owner_token: str) -> bool:
        """See Engine.resume."""
        return any(self._each([name], lambda engine, own: engine.resume(name, owner_token)).values())

    def evict(self, name: str, owner_token: str, force: bool = True) -> bool:
        """See Engine.evict."""
        return any(self._each([name], lambda engine, own: engine.evict(name, owner_token, force)).values())

    def reserve(self, names: Sequence[str], owner_token: str, seconds: float) -> bool:
        """See Engine.reserve."""
        return any(self._each(names, lambda engine, own: engine.reserve(own, owner_token, seconds)).values())

    def unreserve(self, owner_token: str) -> bool:
        """See Engine.unreserve."""
        answers, failures = self._ask({n: partial(e.unreserve, owner_token) for n, e in self._engines.items()})
        if failures:
            raise EngineError(_joined(failures))
        return any(answers.values())

    def requeue(self, job_id: str) -> bool:
        """See Engine.requeue."""
        engine, rest = self._addressed(job_id)
        return engine.requeue(rest)

    def scale_out(self, workload: str, by: int, limit: int) -> int:
        """See Engine.scale_out. As with jobs, a workload of another engine than the default begins with its name."""
        engine, rest = self._addressed(workload)
        return engine.scale_out(rest, by, limit)

    def _name_of(self, node: str) -> str:
        return self._chosen.get(node, DEFAULT)

    def _addressed(self, text: str) -> tuple[Engine, str]:
        name, rest = address(text, self._engines)
        return self._engines[name], rest

    def _each(self, names: Sequence[str], call: Callable[[Engine, list[str]], _Answer]) -> dict[str, _Answer]:
        """The answers of the engines of these nodes, by engine. All are asked before any failure is raised."""
        own: dict[str, list[str]] = {}
        for node in names:
            own.setdefault(self._name_of(node), []).append(node)
        answers, failures = self._ask({name: partial(call, self._engines[name], own[name]) for name in own})
        foreign = {name: error for name, error in failures.items() if isinstance(error, ForeignDrainError)}
        if len(foreign) < len(failures):
            raise EngineError(_joined(failures))
        if foreign:
            reasons = {node: reason for error in foreign.values() for node, reason in error.reasons.items()}
            raise ForeignDrainError(" ".join(str(error) for error in foreign.values()), reasons)
        return answers

    def _ask(self, calls: Mapping[str, Callable[[], _Answer]]) -> tuple[dict[str, _Answer], dict[str, EngineError]]:
        """Makes the calls at the same time; answers and failures by engine."""
        answers: dict[str, _Answer] = {}
        failures: dict[str, EngineError] = {}
        with ThreadPoolExecutor(max_workers=max(1, len(calls))) as pool:
            running = {name: pool.submit(call) for name, call in calls.items()}
            for name, future in running.items():
                try:
                    answers[name] = future.result()
                except EngineError as error:
                    failures[name] = error
        self._notes = [note for name in calls for note in self._engines[name].notes()]
        return answers, failures

    def _full_id(self, name: str, job: JobId) -> JobId:
        """Two clusters count their jobs from 1; what is not the default's gets the name of its engine."""
        return job if name == DEFAULT else f"{name}:{job}"


def address(text: str, names: Collection[str]) -> tuple[str, str]:
    """The engine of a job or workload, and its name there; that of the default has no engine and colon in front."""
    name, colon, rest = text.partition(":")
    if not colon:
        return DEFAULT, text
    if name not in names:
        known = ", ".join(sorted(names))
        raise EngineError(f"{text!r:.120} begins with no engine that there is; known: {known}.")
    return name, rest


def _joined(failures: Mapping[str, EngineError]) -> str:
    return " ".join(f"{name}: {error}" for name, error in sorted(failures.items()))
