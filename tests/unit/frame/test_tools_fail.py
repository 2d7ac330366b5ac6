# Plants mistakes for each tool of the fast checks and wants the tool, with our settings, to find them and nothing else.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
FUTURE = "from __future__ import annotations\n"


def files_named(folder: Path, *command: str) -> set[str]:
    """Run a tool that has to fail; the files of the folder that its output names."""
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    output = done.stdout + done.stderr
    assert done.returncode != 0, output
    return {path.name for path in folder.rglob("*") if path.is_file() and path.name in output}


def plant(folder: Path, files: dict[str, str]) -> Path:
    """A folder with our settings and these files."""
    for name in (".yamllint", ".gitignore", "pyproject.toml", "REUSE.toml"):
        shutil.copy(ROOT / name, folder / name)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_yamllint(tmp_path: Path) -> None:
    bad = {
        "duplicate.yml": "a: 1\na: 2\n",
        "spaces.yml": "a:   1\n",
        "octal.yml": "mode: 0644\n",
        "truthy.yml": "a: yes\n",
        "comma.yml": "a: {b: 1,c: 2}\n",
        "long.yml": f"a: {'x ' * 90}\n",
        "trailing.yml": "a: 1 \n",
        "broken.yml": "a: [\n",
    }
    plant(tmp_path, {**bad, "good.yml": "---\n# Fine.\na: true\nmode: '0644'\n"})
    assert files_named(tmp_path, "yamllint", "--strict", ".") == set(bad)


def test_ruff(tmp_path: Path) -> None:
    bad = {
        "no_future.py": "import os\n\nprint(os.name)\n",
        "undefined.py": FUTURE + "\nx = undefined\n",
        "shell.py": FUTURE + "\nimport subprocess\n\nsubprocess.run('ls', shell=True)\n",
        "long.py": FUTURE + f"\nx = '{'y' * 120}'\n",
        # What runs on a node has to run on an old Python.
        "plugins/modules/too_new.py": FUTURE + "\nmatch 1:\n    case 1:\n        pass\n",
        "plugins/module_utils/too_new_as_well.py": FUTURE + "\nwith (open('a') as a, open('b') as b):\n    pass\n",
        "roles/x/files/too_new_too.py": FUTURE + "\ntry:\n    pass\nexcept* OSError:\n    pass\n",
    }
    plant(tmp_path, {**bad, "good.py": FUTURE, "tools/match.py": FUTURE + "\nmatch 1:\n    case 1:\n        pass\n"})
    assert files_named(tmp_path, "ruff", "check", ".") == {Path(name).name for name in bad}


def test_ruff_format(tmp_path: Path) -> None:
    plant(tmp_path, {"good.py": 'x = "a"\n', "quotes.py": "x = 'a'\n"})
    assert files_named(tmp_path, "ruff", "format", "--check", ".") == {"quotes.py"}


def test_mypy(tmp_path: Path) -> None:
    bad = {
        "untyped.py": "def f(x):\n    return x\n",
        "wrong.py": "def f(x: int) -> str:\n    return x\n",
        "ignored.py": "x: int = 1  # type: ignore\n",
    }
    plant(tmp_path, {**bad, "good.py": "def f(x: int) -> int:\n    return x\n"})
    assert files_named(tmp_path, "mypy", "good.py", *bad) == set(bad)


def test_reuse(tmp_path: Path) -> None:
    licence = "SPDX-License-" + "Identifier: GPL-3.0-or-later"
    plant(tmp_path, {"good.py": f"# A file.\n# {licence}\n", "data.json": "{}", "without.py": "# A file.\n"})
    shutil.copytree(ROOT / "LICENSES", tmp_path / "LICENSES")
    for name in (".yamllint", ".gitignore", "pyproject.toml"):
        (tmp_path / name).unlink()
    assert files_named(tmp_path, "reuse", "lint") == {"without.py"}


def test_antsibull_changelog(tmp_path: Path) -> None:
    bad = {
        "1-no-list.yml": "---\nbugfixes: no list\n",
        "2-section.yml": "---\nunknown:\n  - x\n",
        "3-broken.yml": "---\na: [\n",
    }
    fragments = {**bad, "4-good.yml": "---\nbugfixes:\n  - gpu_info - a fix.\n"}
    plant(tmp_path, {f"changelogs/fragments/{name}": text for name, text in fragments.items()})
    for name in ("galaxy.yml", "changelogs/config.yaml", "changelogs/changelog.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    assert files_named(tmp_path, "antsibull-changelog", "lint") == set(bad)
