# Keeps the baseline of each node on the controller, and compares what was found with it.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing becomes a baseline by itself: a person accepts what was found, and replacing an older baseline is asked for
apart. A record that could not tell everything, or has a broken GPU in it, is refused either way.
"""

from __future__ import annotations

import json
import os
import re
import typing as t

from ansible_collections.aidc.ops.plugins.module_utils._errors import AidcOpsError
from ansible_collections.aidc.ops.plugins.module_utils._hardware import atomic_file
from ansible_collections.aidc.ops.plugins.module_utils._hardware.baseline import unfit
from ansible_collections.aidc.ops.plugins.module_utils._hardware.diff import diff
from ansible_collections.aidc.ops.plugins.module_utils._hardware.record import check, steady

Record = t.Mapping[str, t.Any]

NONE, KEPT, ACCEPTED, REPLACED, REFUSED = "none", "kept", "accepted", "replaced", "refused"

# The name becomes the name of a file.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:-]{0,199}")


class BaselineError(AidcOpsError):
    """A baseline cannot be read or written, or the record is none."""


class Wanted(t.NamedTuple):
    """What to do with the record of the node that the inventory calls ``name``."""

    record: Record
    folder: str
    name: str
    mode: int
    accept: bool
    replace: bool
    own_maximum: bool


def _text(record: Record) -> str:
    return json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _read(path: str) -> Record | None:
    """The baseline; None if there is none."""
    if not os.path.isdir(os.path.dirname(path)):
        return None
    try:
        found = atomic_file.find(path).text
        record = None if found is None else json.loads(found)
    except atomic_file.FileError as exc:
        raise BaselineError(str(exc)) from exc
    except (ValueError, RecursionError) as exc:
        raise BaselineError(
            f"the baseline {path} is no JSON ({exc}); restore it, or remove it and accept anew"
        ) from exc
    faults = [] if found is None else check(record)
    if faults:
        raise BaselineError(f"the baseline {path} is no hardware record: {'; '.join(faults[:3])}")
    return record


def _decide(wanted: Wanted, baseline: Record | None, reasons: t.Sequence[str]) -> str:
    if baseline is None:
        asked, done = wanted.accept or wanted.replace, ACCEPTED
    else:
        asked, done = wanted.replace and any(diff(baseline, wanted.record, own_maximum=False).values()), REPLACED
    if not asked:
        return NONE if baseline is None else KEPT
    return REFUSED if reasons else done


def compare(wanted: Wanted, dry: bool) -> dict[str, t.Any]:
    """Compare with the baseline as it was before, then write a new one where that was asked for.

    Without a baseline there are only the findings that need none. BaselineError if something cannot be done.
    """
    if not _NAME.fullmatch(wanted.name):
        raise BaselineError(f"{wanted.name!r:.100} cannot be the name of a baseline: letters, digits and . _ : - can")
    faults = check(wanted.record)
    if faults:
        raise BaselineError(f"this is no hardware record: {'; '.join(faults[:3])}")
    path = os.path.join(os.path.abspath(wanted.folder), f"{wanted.name}.json")
    baseline = _read(path)
    reasons = unfit(wanted.record)
    state = _decide(wanted, baseline, reasons)
    changed = state in (ACCEPTED, REPLACED)
    if changed and not dry:
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            atomic_file.write(path, _text(wanted.record), wanted.mode)
        except atomic_file.FileError as exc:
            raise BaselineError(str(exc)) from exc
        except OSError as exc:
            raise BaselineError(f"{wanted.folder} cannot be made: {exc.strerror}") from exc
    return {
        "changed": changed,
        "name": wanted.name,
        "node_id": wanted.record["node"]["id"],
        "path": path,
        "baseline": state,
        "refused": reasons if state == REFUSED else [],
        "problems": wanted.record["problems"],
        "findings": diff(wanted.record if baseline is None else baseline, wanted.record, wanted.own_maximum),
        "diff": _diff(path, baseline, wanted.record) if changed else [],
    }


def _diff(path: str, before: Record | None, after: Record) -> dict[str, str]:
    return {
        "before_header": path if before is not None else "no baseline",
        "after_header": path,
        "before": "" if before is None else _text(steady(before)),
        "after": _text(steady(after)),
    }
