#!/usr/bin/python
# Module: brings a piece of a dataset to this node, or removes it where another copy is equal.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dataset_copy
version_added: 0.1.0
short_description: Copy a piece of a dataset to this node, or remove it
description:
  - Copies a directory from another node, or from another place on this one, with C(rsync). It is written beside its
    target under a name that begins with a dot and ends with C(.aidc_ops_partial), compared with the source, put on the
    disk, and only then given its name. So whoever reads finds all of it or nothing.
  - A copy that was interrupted, even in the middle of a file, is continued by the next run. What is there and equal is
    not copied again. What is there and differs is never overwritten.
  - Removes a directory only if another copy is equal to it. It gets another name before the last look at the other
    copy, so that a directory which is reached in two ways is not taken for two copies.
  - The data must not change while it is copied or compared. If it does, nothing is renamed and nothing is removed.
  - Files, directories and links are copied, with their times, permissions and numbers of owner and group. Devices,
    pipes and sockets are not, and a directory that has one is refused. Access lists, extended attributes and the fact
    that two names are one file are not kept.
author:
  - aidc.ops contributors (!UNKNOWN)
extends_documentation_fragment:
  - aidc.ops._attributes
attributes:
  check_mode:
    support: full
    details:
      - With C(--check) the source is read and compared, and the room on this node is looked at.
  diff_mode:
    support: full
  idempotent:
    support: full
requirements:
  - rsync 3.1 or newer on this node, and on the other one if there is one
  - ssh on this node, where the other directory is on another one. The user of the task has to be let in there by a key,
    without a question, and the key of that host has to be known
options:
  dest:
    description:
      - The directory of the piece on this node. It is taken literally, neither C(~) nor variables are expanded.
      - Directories of the system, such as F(/etc) and F(/home), hold no pieces.
    type: str
    required: true
  root:
    description:
      - The directory below which O(dest) has to be, also after links were followed. It has to be there.
      - Best it is one in the mounted filesystem, and not the place where that is mounted. Then nothing is written where
        nothing is mounted.
    type: str
    required: true
  source:
    description:
      - Where to copy from, C(host:path), C(user@host:path) or an absolute path on this node.
      - On another node the path must have none of C(*), C(?), C([), C(]) and C(\\) in it.
      - An empty directory is refused, since it is more likely one where nothing is mounted.
    type: str
  keep:
    description: Where the copy is that stays when this one is removed, named as O(source) is.
    type: str
  state:
    description:
      - V(present) means that the piece is here and equal to O(source).
      - V(absent) means that it is not, nor what an interrupted copy or removal left of it. It is removed only if
        O(keep) is equal to it.
    type: str
    choices: [present, absent]
    default: present
  bytes_per_second:
    description: How fast to copy at most, at least 1024. The comparison is not limited. By default there is no limit.
    type: int
  checksum:
    description:
      - Whether to compare contents. It reads all data on both sides. Otherwise files of the same size and time of
        change are the same.
    type: bool
    default: false
  timeout:
    description: Seconds that all of it may take. A copy that is stopped then is continued by the next run.
    type: int
    default: 21600
seealso:
  - module: aidc.ops.dataset_plan
"""

EXAMPLES = r"""
- name: Bring a piece here with at most 200 MB/s
  aidc.ops.dataset_copy:
    root: /srv/datasets
    dest: /srv/datasets/images/0
    source: st1:/srv/datasets/images/0
    bytes_per_second: 200000000
  become: true

- name: Remove it from where it was
  aidc.ops.dataset_copy:
    root: /srv/datasets
    dest: /srv/datasets/images/0
    keep: st3:/srv/datasets/images/0
    state: absent
  become: true
  delegate_to: st1
"""

RETURN = r"""
proved:
  description: That the piece is here and equal to its source, or is not here any more. In check mode, that it would be.
  returned: success
  type: bool
real_path:
  description: The directory without links.
  returned: success
  type: str
bytes:
  description: Bytes of the files of the source.
  returned: when O(state=present)
  type: int
files:
  description: Files, directories and links of the source.
  returned: when O(state=present)
  type: int
copied_bytes:
  description: Bytes that were sent. Less than RV(bytes) where an interrupted copy was continued.
  returned: when O(state=present)
  type: int
resumed:
  description: Whether an interrupted copy was continued.
  returned: when O(state=present)
  type: bool
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.aidc.ops.plugins.module_utils._dataset_copy.carry import Outcome, bring, take_away
from ansible_collections.aidc.ops.plugins.module_utils._dataset_copy.places import check_apart, place, target
from ansible_collections.aidc.ops.plugins.module_utils._dataset_copy.rsync import LEAST_RATE, Rsync
from ansible_collections.aidc.ops.plugins.module_utils._errors import DatasetCopyError


def shown(path: str, state: str, done: Outcome) -> dict[str, t.Any]:
    """The outcome as the module returns it."""
    found: dict[str, t.Any] = {"changed": done.changed, "proved": True, "real_path": path}
    if done.size is not None:
        found.update(bytes=done.size.bytes, files=done.size.files, copied_bytes=done.copied, resumed=done.resumed)
    before = {"present": "absent", "absent": "present"}[state] if done.changed else state
    found["diff"] = {
        "before_header": path,
        "after_header": path,
        "before": {"state": before},
        "after": {"state": state},
    }
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "dest": {"type": "str", "required": True},
            "root": {"type": "str", "required": True},
            "source": {"type": "str"},
            "keep": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "bytes_per_second": {"type": "int"},
            "checksum": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 21600},
        },
        required_if=[("state", "present", ("source",)), ("state", "absent", ("keep",))],
        supports_check_mode=True,
    )
    params = module.params
    state, rate = params["state"], params["bytes_per_second"]
    if rate is not None and rate < LEAST_RATE:
        module.fail_json(msg=f"bytes_per_second has to be at least {LEAST_RATE}, not {rate}")
    if params["timeout"] < 1:
        module.fail_json(msg=f"timeout has to be at least 1 second, not {params['timeout']}")
    program = module.get_bin_path("rsync")
    if program is None:
        module.fail_json(msg="rsync is not on this node; install the package rsync here, and on the other node too")
    try:
        mine = target(params["dest"], params["root"])
        option = "source" if state == "present" else "keep"
        other = place(option, params[option])
        check_apart(option, other, mine)
        rsync = Rsync(program, params["timeout"], mine.path)
        if state == "present":
            done = bring(rsync, other, mine, rate, params["checksum"], module.check_mode)
        else:
            done = take_away(rsync, other, mine, params["checksum"], module.check_mode)
    except DatasetCopyError as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=f"{exc.filename or params['dest']}: {exc.strerror}")
    module.exit_json(**shown(mine.path, state, done))


if __name__ == "__main__":
    main()
