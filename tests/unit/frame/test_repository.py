# Tests that what the repository says about itself is so: README, versions, tables of content, example inventories.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def code_words(text: str) -> set[str]:
    return set(re.findall(r"`([a-z_]+)`", text))


@pytest.mark.parametrize(
    "pattern",
    [
        "roles/*",
        "playbooks/*.yml",
        "plugins/modules/*.py",
        "plugins/filter/*.py",
        "plugins/inventory/*.py",
        "plugins/lookup/*.py",
        "plugins/callback/*.py",
        "extensions/eda/plugins/event_source/*.py",
        "extensions/eda/plugins/event_filter/*.py",
        "extensions/eda/rulebooks/*.yml",
    ],
)
def test_the_readme_lists_all_content(pattern: str) -> None:
    names = {path.stem for path in ROOT.glob(pattern)} - {"__init__", "__pycache__"}
    assert names
    assert sorted(names - code_words(README.partition("## Included content")[2])) == []


def test_the_readme_has_its_headings() -> None:
    found = re.findall(r"^## (.+)$", README, re.MULTILINE)
    wanted = ["Quick start", "Safe by default", "Tested with", "External requirements", "Included content"]
    wanted += ["Using this collection", "Contributing", "Release notes and versioning", "Licence"]
    assert [heading for heading in found if heading in wanted] == wanted


@pytest.mark.parametrize("page", ["README.md", "docs/README.md"])
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    links = re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if "://" not in link and not (path.parent / link).exists()] == []


def test_every_guide_is_in_both_tables_of_content() -> None:
    guides = {path.stem for path in (ROOT / "docs" / "docsite" / "rst").glob("*.rst")}
    listed = re.findall(r"docsite/rst/(\w+)\.rst", (ROOT / "docs" / "README.md").read_text(encoding="utf-8"))
    sections = yaml.safe_load((ROOT / "docs" / "docsite" / "extra-docs.yml").read_text())["sections"]
    on_the_site = [page for section in sections for page in section["toctree"]]
    assert sorted(listed) == sorted(guides) == sorted(on_the_site)


def test_every_variable_of_the_lab_is_in_its_guide() -> None:
    guide = (ROOT / "docs" / "docsite" / "rst" / "guide_lab.rst").read_text(encoding="utf-8")
    known = set(re.findall(r'"(AIDC_OPS_LAB_[A-Z_]+)"', (ROOT / "tools" / "demo_plan.py").read_text(encoding="utf-8")))
    assert known
    assert sorted(name for name in known if f"``{name}``" not in guide) == []


def test_every_target_that_the_pages_name_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    single = re.search(r"^SINGLE := (.+)$", makefile, re.MULTILINE)
    assert single
    known = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)) | set(single.group(1).split())
    pages = [README, (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")]
    pages += [path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "docsite" / "rst").glob("*.rst")]
    named = {word for page in pages for word in re.findall(r"`make ([a-z][a-z-]*[a-z])[` ]", page)}
    assert named
    assert sorted(named - known) == []


def test_one_ansible_version_everywhere() -> None:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())
    assert runtime["requires_ansible"] == ">=2.19.0"
    assert re.search(r"^ansible-core==2\.19\.", (ROOT / "requirements.txt").read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "requirements-importer.txt"])
def test_every_requirement_is_pinned(name: str) -> None:
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith(("#", "-r "))]
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==([0-9]+!)?[0-9][0-9A-Za-z.]*", line)] == []


def test_the_ignore_list_of_ansible_test_is_empty() -> None:
    files = list((ROOT / "tests" / "sanity").glob("ignore-*.txt"))
    assert files
    assert [path.name for path in files if path.read_text().strip()] == []


def test_dependencies_are_in_the_bundle() -> None:
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    known = {"ansible.posix", "community.crypto", "community.general", "community.library_inventory_filtering_v1"}
    assert set(galaxy["dependencies"]) == known
    for name in galaxy["dependencies"]:
        namespace, _dot, collection = name.partition(".")
        assert any(Path(place, "ansible_collections", namespace, collection).is_dir() for place in sys.path)


# inventories/discovered asks servers; tests/unit/frame/lab/test_inventory_discovered.py loads it with some.
STATIC = sorted({path.name for path in (ROOT / "inventories").iterdir() if path.is_dir()} - {"discovered"})


@pytest.mark.parametrize("inventory", STATIC)
def test_inventories_load_and_have_the_groups_of_the_plays(inventory: str) -> None:
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-inventory")),
            "-i",
            str(ROOT / "inventories" / inventory),
            "--list",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert {"controller", "gpu", "monitoring", "slurm_controller", "storage"} <= set(json.loads(done.stdout))
