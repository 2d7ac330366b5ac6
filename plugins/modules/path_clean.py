#!/usr/bin/python
# Module: removes old files below directories that a site allows, oldest first, until enough is free.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: path_clean
version_added: 0.1.0
short_description: Remove old files below allowed directories until enough is free
description:
  - Removes regular files below the directories of O(paths), oldest first, until the targets are met. Directories, links
    and devices stay.
  - A directory is cleaned only if it is in one of those O(allowed), after links were resolved. F(/), F(/etc), F(/home),
    F(/usr) and other directories of the system and of services are never cleaned, whatever is allowed; neither is a
    mount point itself.
  - Links are never followed and other filesystems never entered, also if somebody swaps directories while the module
    works.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  allowed:
    description: The directories below which files may be removed at all.
    type: list
    elements: path
    required: true
  paths:
    description: What is to be cleaned.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: A directory. One that is not there is clean.
        type: path
        required: true
      older_than:
        description:
          - Only files that were last written this long ago, as a number with C(s), C(m), C(h), C(d) or C(w); a number
            alone means seconds.
        type: str
        default: 7d
      patterns:
        description: Only files whose name matches one of these shell patterns.
        type: list
        elements: str
        default: ['*']
      keep_bytes:
        description: Stop as soon as the files that match the patterns, old and new, take no more than this.
        type: int
      target_free_percent:
        description:
          - Stop as soon as this much of the filesystem is free for ordinary users.
          - With O(paths[].keep_bytes) too, both have to be met. With neither, all files that match are removed.
        type: float
  max_files:
    description: How many files are removed from one directory at most.
    type: int
    default: 100000
  timeout:
    description: Seconds that the whole work may take.
    type: int
    default: 600
notes:
  - A file that a process holds open takes its place until it is closed.
"""

EXAMPLES = r"""
- name: Make room on the scratch filesystem
  aidc.ops.path_clean:
    allowed: [/scratch, /var/log/pods]
    paths:
      - path: /scratch/tmp
        older_than: 3d
        target_free_percent: 20
      - path: /var/log/pods
        patterns: ['*.gz']
  become: true

- name: Keep 50 GB of container images
  aidc.ops.path_clean:
    allowed: [/raid/images]
    paths:
      - path: /raid/images/cache
        older_than: 1h
        patterns: ['*.sqsh']
        keep_bytes: 50000000000
  become: true
"""

RETURN = r"""
freed_bytes:
  description: Bytes that the removed files took. In check mode, that they would set free.
  returned: success
  type: int
removed_count:
  description: How many files were removed. In check mode, would be.
  returned: success
  type: int
removed:
  description: The first thousand of them. What is no text in a name is shown as C(\\x..).
  returned: success
  type: list
  elements: dict
  contains:
    path: {description: The file., type: str}
    bytes: {description: Bytes that it took; 0 if it has other names., type: int}
    modified: {description: When it was last written in seconds since 1970., type: float}
targets_met:
  description: Whether the targets of all directories are met; true where there are none.
  returned: success
  type: bool
paths:
  description: What became of each directory.
  returned: success
  type: list
  elements: dict
  contains:
    path: {description: The directory as it was named., type: str}
    real_path: {description: The directory without links., type: str}
    missing: {description: Whether it is not there., type: bool}
    removed_count: {description: Files removed., type: int}
    freed_bytes: {description: Bytes that they took., type: int}
    free_percent_before: {description: Part of the filesystem that was free., type: float}
    free_percent_after: {description: Part that is free. In check mode that would be., type: float}
    target_met: {description: Whether the targets are met; null if there are none., type: bool}
    skipped:
      description: Directories in it where something else is mounted, which were not entered.
      type: list
      elements: str
    problems: {description: What could not be read or removed., type: list, elements: str}
"""

import os
import re
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._hardware.child import (
    ChildFailed,
    ChildTimeout,
    Progress,
    call_bounded,
)
from ansible_collections.aidc.ops.plugins.module_utils._repair.denied_paths import check_place
from ansible_collections.aidc.ops.plugins.module_utils._repair.tree_clean import Tree, Unclean, Wanted, choose, met

MAX_SHOWN = 1000
_MAX_PROBLEMS = 50
_AGE = re.compile(r"^([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*([smhdw]?)\Z")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_GRACE_SECONDS = 15.0


def seconds_of(age: str) -> float:
    """Return the seconds of an age such as C(3d); ValueError for anything else."""
    match = _AGE.match(age.strip())
    if match is None:
        raise ValueError(f"older_than must be a number with s, m, h, d or w, not {age!r}")
    return float(match.group(1)) * _UNITS[match.group(2)]


def wanted_of(item: t.Mapping[str, t.Any]) -> Wanted:
    """Return what an entry of C(paths) wants; ValueError if it makes no sense."""
    percent, keep = item["target_free_percent"], item["keep_bytes"]
    if percent is not None and not 0 <= percent <= 100:
        raise ValueError(f"target_free_percent must be from 0 to 100, not {percent:g}")
    if keep is not None and keep < 0:
        raise ValueError(f"keep_bytes cannot be negative: {keep}")
    for pattern in item["patterns"]:
        if "/" in pattern or not pattern:
            raise ValueError(f"a pattern is for names of files, without a slash: {pattern!r}")
    return Wanted(tuple(item["patterns"]), seconds_of(item["older_than"]), keep, percent)


def clean(
    path: str, real: str, wanted: Wanted, check: bool, max_files: int, until: float, progress: Progress
) -> dict[str, t.Any]:
    """Clean one directory; Unclean if it cannot be done at all. Nothing is removed if C(check)."""
    nothing: dict[str, t.Any] = {"path": path, "real_path": real, "removed": [], "removed_count": 0, "freed_bytes": 0}
    if not os.path.isdir(real):
        return dict(
            nothing,
            missing=True,
            free_percent_before=None,
            free_percent_after=None,
            target_met=None,
            skipped=[],
            problems=[],
        )
    with Tree(real) as tree:
        progress(f"looking through {path}")
        free, total = tree.free()
        found, matching = tree.find(wanted, max_files, until)
        progress(f"removing files below {path}")
        answer = dict(nothing, missing=False, free_percent_before=_percent(free, total))
        for one in choose(found, wanted, matching, free, total):
            if time.monotonic() >= until:
                tree.problems.append("the time was up before all files were removed")
                break
            if check or tree.remove(one):
                answer["removed_count"] += 1
                answer["freed_bytes"] += one.size
                if len(answer["removed"]) < MAX_SHOWN:
                    shown = {"path": tree.name(one.parts), "bytes": one.size, "modified": one.modified_ns / 1e9}
                    answer["removed"].append(shown)
        after = free + answer["freed_bytes"] if check else tree.free()[0]
        answer["free_percent_after"] = _percent(after, total)
        has_target = wanted.keep_bytes is not None or wanted.target_free_percent is not None
        left = matching - answer["freed_bytes"]
        answer["target_met"] = met(wanted, left, after, total) if has_target else None
        answer["skipped"] = tree.skipped[:_MAX_PROBLEMS]
        answer["problems"] = tree.problems[:_MAX_PROBLEMS]
        return answer


def _percent(free: int, total: int) -> float | None:
    return round(100.0 * free / total, 2) if total > 0 else None


def work(module: AnsibleModule, jobs: t.Sequence[tuple[str, str, Wanted]], progress: Progress) -> dict[str, t.Any]:
    """Clean all directories, one after the other."""
    until = time.monotonic() + module.params["timeout"]
    paths = []
    for path, real, wanted in jobs:
        try:
            paths.append(clean(path, real, wanted, module.check_mode, module.params["max_files"], until, progress))
        except (Unclean, OSError) as exc:
            # What was done before stays done, and is told.
            return {"paths": paths, "problem": str(exc)}
    return {"paths": paths, "problem": None}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "allowed": {"type": "list", "elements": "path", "required": True},
            "paths": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "path", "required": True},
                    "older_than": {"type": "str", "default": "7d"},
                    "patterns": {"type": "list", "elements": "str", "default": ["*"]},
                    "keep_bytes": {"type": "int"},
                    "target_free_percent": {"type": "float"},
                },
            },
            "max_files": {"type": "int", "default": 100000},
            "timeout": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    params = module.params
    for name in ("max_files", "timeout"):
        if params[name] < 1:
            module.fail_json(msg=f"{name} must be at least 1, not {params[name]}")
    jobs = []
    for item in params["paths"]:
        # All are checked before the first file goes.
        reason, real = check_place(item["path"], params["allowed"])
        if reason is not None:
            module.fail_json(msg=f"nothing was removed: {reason}")
        try:
            jobs.append((item["path"], real, wanted_of(item)))
        except ValueError as exc:
            module.fail_json(msg=f"nothing was removed: {item['path']}: {exc}")
    try:
        # A filesystem that hangs keeps the child, not us.
        done = call_bounded(lambda progress: work(module, jobs, progress), params["timeout"] + _GRACE_SECONDS)
    except (ChildTimeout, ChildFailed) as exc:
        module.fail_json(msg=f"cleaning was given up, files may have been removed: {exc}")
    removed = [one for path in done["paths"] for one in path.pop("removed")]
    answer = {
        "changed": any(path["removed_count"] for path in done["paths"]),
        "removed": removed[:MAX_SHOWN],
        "removed_count": sum(path["removed_count"] for path in done["paths"]),
        "freed_bytes": sum(path["freed_bytes"] for path in done["paths"]),
        "targets_met": all(path["target_met"] is not False for path in done["paths"]),
        "paths": done["paths"],
    }
    if done["problem"]:
        module.fail_json(msg=done["problem"], **answer)
    module.exit_json(**answer)


if __name__ == "__main__":
    main()
