# Documentation of what the inventory plugins of this collection have in common.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Used together with constructed and inventory_cache; the code is plugin_utils/_inventory.py."""

    DOCUMENTATION = r"""
options:
  filters:
    description:
      - Which hosts are taken. The first filter whose condition is true for a host decides; a host that none decides
        about is taken.
      - The conditions see the variables of this source, before anything of O(compose) is added.
    type: list
    elements: dict
    suboptions:
      include:
        description: A Jinja2 condition. A host for which it is true is taken.
        type: str
      exclude:
        description: A Jinja2 condition. A host for which it is true is left out.
        type: str
  allow_empty:
    description: Take a source that answers and knows no host for what it says. Otherwise that is an error.
    type: bool
    default: false
notes:
  - A source that fails, times out, denies access or answers in part is an error that names it, and none of its hosts is
    added. Ansible itself goes on with the other sources and only warns, unless C(any_unparsed_is_failed) is set in the
    section C([inventory]) of C(ansible.cfg) or E(ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED) is true. Set it.
  - What the source says is text and never a template.
  - Two sources that know one node, by the variable C(aidc_ops_node_id), make one host, which keeps the name that it got
    first.
"""
