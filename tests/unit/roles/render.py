# Renders a template of a role the way Ansible's template module does.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, generate_ansible_template_vars, trust_as_template

ROOT = Path(__file__).resolve().parents[3]


def render(role: str, template: str, **variables: Any) -> str:
    """The text that the role would place, with its defaults and vars unless `variables` says otherwise.

    `template` is the path below roles/<role>/templates. Only what comes from the role's own files may contain
    templates; text in `variables` is data, as it is when it comes from a fact or an alert. Errors of the template are
    raised. What a role includes from another file under vars/ comes in with ``**load_variables(...)``.
    """
    path = ROOT / "roles" / role / "templates" / template
    names: dict[str, Any] = {"inventory_hostname": "node1", "ansible_facts": {}, "role_name": role}
    for source in ("defaults/main.yml", "vars/main.yml"):
        names.update(load_variables(ROOT / "roles" / role / source))
    names.update(generate_ansible_template_vars(str(path), fullpath=str(path), dest_path=f"/rendered/{path.stem}"))
    names.update(variables)

    loader = DataLoader()
    loader.set_basedir(str(ROOT / "roles" / role))
    templar = Templar(loader, variables=names).copy_with_new_env(
        searchpath=[str(path.parent), str(ROOT / "roles" / role / "templates")], available_variables=names
    )
    text = trust_as_template(path.read_text(encoding="utf-8"))
    return str(
        templar.template(text, escape_backslashes=False, overrides={"trim_blocks": True, "lstrip_blocks": False})
    )


def load_variables(path: Path) -> dict[str, Any]:
    """A variables file of a role with its templates still in it; empty if there is no such file."""
    return dict(_loaded(path))


# A thousand templates are rendered from a few dozen files.
@cache
def _loaded(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    return DataLoader().load_from_file(str(path), cache="none", trusted_as_template=True) or {}
