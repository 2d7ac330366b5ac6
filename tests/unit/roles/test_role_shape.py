# Tests that every role has the one shape, and that nothing in it contradicts its specification.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ast
import fnmatch
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
PHASES = ("preflight", "install", "configure", "service", "verify")
# Roles that act instead of providing something: there is nothing to install or to keep running.
ACTING = {"remediation", "report"}
INCLUDES = {"ansible.builtin.include_role", "ansible.builtin.import_role"}
FACTS = (
    "all_ipv4_addresses|architecture|default_ipv4|distribution|distribution_major_version|distribution_release|fqdn|hostname"
    "|kernel|lsb|machine_id|memtotal_mb|nodename|os_family|pkg_mgr|processor_cores|processor_count|processor_vcpus"
    "|python_version|service_mgr|system_vendor"
)

each_role = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def options(role: Path) -> dict[str, dict[str, Any]]:
    """The options of all entry points of a role."""
    specs = read(role / "meta" / "argument_specs.yml")["argument_specs"]
    return {name: option for spec in specs.values() for name, option in (spec.get("options") or {}).items()}


def text_files(role: Path) -> Iterator[tuple[str, str]]:
    """Name and text of everything in a role that Ansible itself reads."""
    for folder in ("defaults", "handlers", "tasks", "templates", "vars"):
        for path in sorted((role / folder).rglob("*")):
            if path.is_file():
                yield str(path.relative_to(role)), path.read_text(encoding="utf-8")


def tasks(node: Any) -> Iterator[dict[str, Any]]:
    """Every task in a parsed file, the ones within blocks too."""
    for task in node or []:
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks(task.get(part))


def role_tasks(role: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every task of a role with the name of its file."""
    for folder in ("tasks", "handlers"):
        for path in sorted((role / folder).glob("*.yml")):
            for task in tasks(read(path)):
                yield f"{folder}/{path.name}", task


def test_there_are_roles() -> None:
    assert len(ROLES) >= 8


@each_role
def test_shape_is_complete(role: Path) -> None:
    wanted = ["README.md", "meta/argument_specs.yml", "meta/main.yml", "tasks/main.yml"]
    if role.name not in ACTING:
        wanted += ["handlers/main.yml", "vars/main.yml", *(f"tasks/{phase}.yml" for phase in PHASES)]
    assert [name for name in wanted if not (role / name).is_file()] == []


@each_role
def test_meta_says_who_may_use_it_and_needs_no_other_role(role: Path) -> None:
    meta = read(role / "meta" / "main.yml")
    assert meta["dependencies"] == []
    info = meta["galaxy_info"]
    assert info.get("role_name", role.name) == role.name
    assert info["license"] == "GPL-3.0-or-later"
    assert info["min_ansible_version"] == "2.19"
    assert info["platforms"]
    assert info["description"]


@each_role
def test_specification_is_full(role: Path) -> None:
    problems = []
    texts = [text for _name, text in text_files(role)]
    for name, option in options(role).items():
        if not name.startswith(f"{role.name}_"):
            problems.append(f"{name}: does not begin with {role.name}_")
        if not option.get("description") or not option.get("type"):
            problems.append(f"{name}: needs a type and a description")
        guarded = re.compile(rf"\b{name} is (not )?defined|\b{name} \| (ansible\.builtin\.)?default")
        if not option.get("required") and "default" not in option and not any(map(guarded.search, texts)):
            problems.append(f"{name}: is neither required nor has a default, so it may be undefined")
        if option.get("type") == "list" and "elements" not in option:
            problems.append(f"{name}: a list needs elements")
        if (
            re.search(r"password|secret|token|private_key\b", name)
            and option.get("type") == "str"
            and "no_log" not in option
        ):
            problems.append(f"{name}: sounds like a secret, say no_log: true or false")
    assert problems == []


@each_role
def test_defaults_are_those_of_the_specification(role: Path) -> None:
    # Core validates with the specification but does not apply its defaults: both have to say the same.
    wanted = {name: option["default"] for name, option in options(role).items() if "default" in option}
    path = role / "defaults" / "main.yml"
    found = (read(path) or {}) if path.is_file() else {}

    def strip(value: Any) -> Any:
        return value.strip() if isinstance(value, str) else value

    assert {name: strip(value) for name, value in found.items()} == {
        name: strip(value) for name, value in wanted.items()
    }


@each_role
def test_internal_names_carry_the_prefix(role: Path) -> None:
    problems = []
    for path in sorted((role / "vars").glob("*.yml")):
        problems += [f"{path.name}: {name}" for name in read(path) or {} if not name.startswith(f"__{role.name}_")]
    for where, task in role_tasks(role):
        names = [task.get("register"), (task.get("loop_control") or {}).get("loop_var")]
        names += [*(task.get("ansible.builtin.set_fact") or {}), *(task.get("vars") or {})]
        for name in names:
            # Variables of an included role have the prefix of that role.
            if name is None or name == "cacheable" or INCLUDES & set(task):
                continue
            if not name.startswith((f"__{role.name}_", "ansible_")):
                problems.append(f"{where}: {task.get('name')}: {name}")
        if "loop" in task and "loop_var" not in (task.get("loop_control") or {}):
            problems.append(f"{where}: {task.get('name')}: the loop has no variable of its own")
    assert problems == []


@each_role
def test_phases_come_in_order_with_their_tags(role: Path) -> None:
    if role.name in ACTING:
        return
    seen: list[str] = []
    for task in tasks(read(role / "tasks" / "main.yml")):
        included = task.get("ansible.builtin.import_tasks") or task.get("ansible.builtin.include_tasks")
        if task.get("ansible.builtin.meta") == "flush_handlers":
            seen.append("flush_handlers")
        if included is None:
            continue
        phase = (included if isinstance(included, str) else included["file"]).removesuffix(".yml")
        if phase in PHASES:
            seen.append(phase)
            tags = task.get("tags") or []
            if phase != "preflight":
                assert f"{role.name}_{phase}" in tags, f"tags of {phase}: {tags}"
            assert role.name in tags, f"tags of {phase}: {tags}"
    assert seen == [*PHASES[:-1], "flush_handlers", PHASES[-1]]


@each_role
def test_no_habit_that_was_given_up(role: Path) -> None:
    rules = {
        "ignore_errors": re.compile(r"^\s*ignore_errors:", re.MULTILINE),
        "an inventory group": re.compile(r"\bgroups\s*[\[.]|\bgroup_names\b"),
        "an injected fact": re.compile(rf"(?<![\w'\".])ansible_({FACTS})\b"),
    }
    problems = [
        f"{name}: {what}" for name, text in text_files(role) for what, rule in rules.items() if rule.search(text)
    ]
    assert problems == []


@each_role
def test_readme_shows_a_play_and_every_option(role: Path) -> None:
    text = (role / "README.md").read_text(encoding="utf-8")
    purpose, _marker, table = text.partition("<!-- BEGIN_ANSIBLE_DOCS -->")
    assert "```yaml" in purpose, "an example play above the generated part"
    assert f"aidc.ops.{role.name}" in purpose
    assert [name for name in options(role) if name not in table] == []


@each_role
def test_every_template_is_rendered_in_a_test(role: Path) -> None:
    templates = {str(path.relative_to(role / "templates")) for path in (role / "templates").rglob("*.j2")}
    named: set[str] = set()
    for path in (ROOT / "tests" / "unit" / "roles").glob(f"*{role.name}_*.py"):
        source = path.read_text(encoding="utf-8")
        if "render(" in source:
            named |= texts(ast.parse(source))
    # Macros are rendered with the templates that use them.
    sources = [path.read_text(encoding="utf-8") for path in (role / "templates").rglob("*.j2")]
    used = {name for source in sources for name in re.findall(r"{% (?:from|import) '([^']+)'", source)}
    missing = [name for name in sorted(templates - used) if not any(fnmatch.fnmatchcase(name, text) for text in named)]
    assert missing == [], f"render them in tests/unit/roles/test_{role.name}_templates.py"


def texts(tree: ast.Module) -> set[str]:
    """Every string in a program that may name a template; what is filled in at run time as a ``*``."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            found.add("".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values))
    return {text for text in found if text.endswith(".j2") and not text.startswith("*")}
