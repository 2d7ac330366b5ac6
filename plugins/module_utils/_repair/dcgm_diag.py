# Reads what "dcgmi diag -j" wrote, of DCGM 3 and of DCGM 4.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure. What is not understood never passes: a word that nobody knows is a failure, and no result is no answer.

Two shapes are in use. DCGM 3: C("DCGM GPU Diagnostic") with results that name C(gpu_ids) (one number, or several with
commas) and warnings as texts. DCGM 4: C("DCGM Diagnostic") with results that name C(entity_group) and C(entity_id),
warnings as objects with C(error_id) and C(error_severity), and a C(test_summary). Both may have lines of text before
the JSON, and nulls between tests.
"""

from __future__ import annotations

import json
import re
import typing as t

RESULTS = ("fail", "warn", "pass", "skip")
"""Worst first; a test that was skipped says nothing, so anything that ran outweighs it."""

# dcgm_errors.h: severity of a finding about how the node is set up, and the error "persistence mode is off".
_SEVERITY_CONFIG = 5
_PERSISTENCE_MODE = 29

_WORDS = {
    "pass": "pass",
    "passed": "pass",
    "ok": "pass",
    "fail": "fail",
    "failed": "fail",
    "error": "fail",
    "warn": "warn",
    "warning": "warn",
    "skip": "skip",
    "skipped": "skip",
    "not run": "skip",
    "not applicable": "skip",
    "n/a": "skip",
}
_ROOTS = ("DCGM Diagnostic", "DCGM GPU Diagnostic")
_MAX_TEXT = 1000
_CONTROL = re.compile("[\x00-\x1f\x7f]+")

Result = t.Dict[str, t.Any]


class DiagError(Exception):
    """There is no result to read; the message says what was there instead."""


class Diagnosis(t.NamedTuple):
    """What a diagnosis found."""

    results: list[Result]
    version: str | None
    driver_version: str | None


def one_result(
    test: str, category: str | None, gpu: int | None, result: str, message: str = "", error_id: int | None = None
) -> Result:
    """Return a result as the module reports it; C(gpu) is None for the node as a whole."""
    text = _CONTROL.sub(" ", message)[:_MAX_TEXT].strip()
    return {"test": test, "category": category, "gpu": gpu, "result": result, "message": text, "error_id": error_id}


def worst(results: t.Iterable[Result]) -> str:
    """Return the worst of the results, C(skip) if there is none."""
    found = {result["result"] for result in results}
    return next((name for name in RESULTS if name in found), "skip")


def parse_diag(text: str) -> Diagnosis:
    """Return the results of each test and GPU; DiagError if there are none."""
    document = _document(text)
    root = next((document[name] for name in _ROOTS if isinstance(document.get(name), dict)), document)
    trouble = root.get("runtime_error") or document.get("runtime_error")
    if trouble:
        raise DiagError(f"the diagnosis ended with an error: {str(trouble)[:_MAX_TEXT]}")
    results = [result for test, category in _tests(root) for result in _of_test(test, category)]
    if not results:
        raise DiagError("dcgmi wrote no result of any test")
    meta = document.get("metadata")
    places = [root, document, meta if isinstance(meta, dict) else {}]
    return Diagnosis(
        results,
        _first(places, "version"),
        _first(places, "Driver Version Detected", "driver_version"),
    )


def _document(text: str) -> dict[str, t.Any]:
    start = text.find("{")
    if start < 0:
        said = _CONTROL.sub(" ", text).strip()[:_MAX_TEXT]
        raise DiagError(f"dcgmi wrote no JSON: {said or 'nothing at all'}")
    try:
        found, _end = json.JSONDecoder().raw_decode(text[start:])
    except (ValueError, RecursionError) as exc:
        raise DiagError(f"what dcgmi wrote is not JSON, or is cut off: {str(exc)[:200]}") from exc
    return dict(found) if isinstance(found, dict) else {}


def _objects(value: t.Any) -> list[dict[str, t.Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _tests(root: t.Mapping[str, t.Any]) -> t.Iterator[tuple[dict[str, t.Any], str | None]]:
    for category in _objects(root.get("test_categories")):
        name = category.get("category")
        for test in _objects(category.get("tests")):
            yield test, name if isinstance(name, str) else None
    for test in _objects(root.get("tests")):
        yield test, None


def _of_test(test: t.Mapping[str, t.Any], category: str | None) -> t.Iterator[Result]:
    name = str(test.get("name") or "unnamed")[:200]
    found = _objects(test.get("results"))
    for result in found:
        for gpu in _gpus(result):
            yield _judge(name, category, gpu, result)
    summary = test.get("test_summary")
    if isinstance(summary, dict) and (not found or _word(summary.get("status")) == "fail"):
        # A test may fail as a whole while no single GPU is to blame.
        judged = _judge(name, category, None, summary)
        if not any(_word(result.get("status")) == "fail" for result in found):
            yield judged


def _gpus(result: t.Mapping[str, t.Any]) -> list[int | None]:
    """Return the GPUs that a result is about; None where it is about something else."""
    if "entity_id" in result:
        group = str(result.get("entity_group", "GPU")).upper()
        number = result.get("entity_id")
        return [number] if group == "GPU" and isinstance(number, int) and not isinstance(number, bool) else [None]
    ids = result.get("gpu_ids", result.get("gpu_id"))
    numbers = [int(word) for word in re.findall(r"[0-9]{1,4}", str(ids))] if ids is not None else []
    return list(numbers) or [None]


def _judge(name: str, category: str | None, gpu: int | None, result: t.Mapping[str, t.Any]) -> Result:
    word = _word(result.get("status"))
    warnings = _warnings(result.get("warnings"))
    texts = [text for text, _id, _severity in warnings] or _texts(result.get("info"))
    if word is None:
        return one_result(name, category, gpu, "fail", f"unknown status {result.get('status')!r}; {'; '.join(texts)}")
    if word == "fail" and warnings and all(_is_setting(*warning) for warning in warnings):
        # The node is set up in a way that the diagnosis does not like; the GPU is not broken.
        word = "warn"
    error = next((number for _text, number, _severity in warnings if number is not None), None)
    return one_result(name, category, gpu, word, "; ".join(texts), error)


def _word(value: t.Any) -> str | None:
    return _WORDS.get(" ".join(str(value).lower().split()))


def _warnings(value: t.Any) -> list[tuple[str, int | None, int | None]]:
    """Return (text, error number, severity) of each warning."""
    found: list[tuple[str, int | None, int | None]] = []
    for item in value if isinstance(value, list) else ([] if value is None else [value]):
        if isinstance(item, dict):
            found.append((str(item.get("warning", "")), _number(item, "error_id"), _number(item, "error_severity")))
        elif isinstance(item, str):
            found.append((item, None, None))
    return found


def _number(item: t.Mapping[str, t.Any], key: str) -> int | None:
    value = item.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _is_setting(text: str, error: int | None, severity: int | None) -> bool:
    if severity is None and error is None:
        # DCGM 3 says it in words only.
        return text.lower().startswith("persistence mode")
    return severity == _SEVERITY_CONFIG or error == _PERSISTENCE_MODE


def _texts(value: t.Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _first(places: t.Sequence[t.Mapping[str, t.Any]], *keys: str) -> str | None:
    for place in places:
        for key in keys:
            if isinstance(place.get(key), str):
                return str(place[key])[:100]
    return None
