# Tests of the small tools: setup, collection link, ansible-test, role specifications, rulebook schema, artifact.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import bootstrap
import build_and_import
import collection_link
import pytest
import role_specs
import rulebook_schema
import run_ansible_test
import yaml

ROOT = Path(__file__).resolve().parents[3]


# --- tools/bootstrap.py


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('openjdk version "17.0.21" 2026-10-20', 17),
        ('openjdk version "21" 2023-09-19', 21),
        ('java version "1.8.0_402"', 8),
        ("no java here", 0),
        ("", 0),
    ],
)
def test_java_version(text: str, version: int) -> None:
    assert bootstrap.java_version(text) == version


def test_a_python_in_the_range_is_used() -> None:
    assert bootstrap.find_python((3, 11), lambda _name: None) == sys.executable
    assert bootstrap.find_python((3, 13), lambda _name: None) == sys.executable


@pytest.mark.parametrize("version", [(3, 10), (3, 14)])
def test_another_python_is_looked_for_else_said(version: tuple[int, int]) -> None:
    assert bootstrap.find_python(version, lambda name: "/usr/bin/" + name) == "/usr/bin/python3.13"
    assert bootstrap.find_python(version, lambda name: "/opt/py" if name == "python3.11" else None) == "/opt/py"
    with pytest.raises(
        bootstrap.BootstrapError, match=rf"python3 is {version[0]}\.{version[1]}.*apt-get install python3\.11"
    ):
        bootstrap.find_python(version, lambda _name: None)


def test_root_needs_no_sudo_and_nobody_is_asked_for_a_password_without_a_terminal(tmp_path: Path) -> None:
    refuses, allows = tmp_path / "refuses", tmp_path / "allows"
    for program, status in ((refuses, 1), (allows, 0)):
        program.write_text(f"#!/bin/sh\nexit {status}\n")
        program.chmod(0o755)
    assert bootstrap.privilege(0, None, False) == []
    assert bootstrap.privilege(1000, None, True) is None
    assert bootstrap.privilege(1000, str(refuses), False) is None
    assert bootstrap.privilege(1000, str(allows), False) == [str(allows), "-n"]
    assert bootstrap.privilege(1000, str(refuses), True) == [str(refuses)]


def test_a_need_is_met_by_commands_and_by_any_of_its_files(tmp_path: Path) -> None:
    present, absent = str(tmp_path), str(tmp_path / "absent")
    assert bootstrap.Need(["x"], "", ["sh"]).met()
    assert not bootstrap.Need(["x"], "", ["sh", "no-such-program-x"]).met()
    assert bootstrap.Need(["x"], "", files=[absent, present]).met()
    assert not bootstrap.Need(["x"], "", files=[absent]).met()


def test_a_python_without_its_venv_module_needs_a_package(tmp_path: Path) -> None:
    assert bootstrap.VenvNeed(sys.executable).met()
    python = tmp_path / "python3"
    python.write_text('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\necho 3.12\n')
    python.chmod(0o755)
    need = bootstrap.VenvNeed(str(python))
    assert need.packages == ["python3.12-venv"]
    assert not need.met()


def test_the_machine_decides_what_is_needed() -> None:
    def names(cgroup_v2: bool, root: bool) -> set[str]:
        return {need.packages[0] for need in bootstrap.system_needs(cgroup_v2, root)}

    assert "runc" in names(cgroup_v2=False, root=True)
    assert "runc" not in names(cgroup_v2=True, root=True)
    assert {"uidmap", "slirp4netns"} & names(cgroup_v2=True, root=True) == set()
    assert {"uidmap", "slirp4netns"} <= names(cgroup_v2=True, root=False)
    assert {"podman", "netavark", "aardvark-dns", "mmdebstrap", "gcc"} <= names(cgroup_v2=True, root=True)
    assert all(need.why for need in bootstrap.system_needs(False, False))


def test_what_is_missing_is_said_before_it_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "privilege", lambda *_all: None)
    monkeypatch.setattr(
        bootstrap.shutil, "which", lambda name, path=None: "/usr/bin/" + name if name == "apt-get" else None
    )
    need = bootstrap.Need(["podman"], "runs the nodes", ["podman"])
    with pytest.raises(bootstrap.BootstrapError, match="as root, run: apt-get update && apt-get install podman"):
        bootstrap.install([need])
    assert "runs the nodes" in capsys.readouterr().out


def test_nothing_missing_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "privilege", lambda *_all: pytest.fail("asked for rights"))
    bootstrap.install([bootstrap.Need(["x"], "", ["sh"])])


def test_the_environment_is_made_again_only_for_other_requirements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []

    def command(line: list[str]) -> None:
        ran.append(line)
        (tmp_path / ".venv" / "bin").mkdir(parents=True, exist_ok=True)
        (tmp_path / ".venv" / "bin" / "python").write_text("#!/bin/sh\n")
        (tmp_path / ".venv" / "bin" / "python").chmod(0o755)

    monkeypatch.setattr(bootstrap, "command", command)
    for name in bootstrap.REQUIREMENTS:
        (tmp_path / name).write_text("one==1\n")
    venv = tmp_path / ".venv"
    assert bootstrap.make_venv(sys.executable, venv, tmp_path)
    assert len(ran) == 2
    assert not bootstrap.make_venv(sys.executable, venv, tmp_path)
    assert len(ran) == 2
    (tmp_path / bootstrap.REQUIREMENTS[0]).write_text("one==2\n")
    assert bootstrap.make_venv(sys.executable, venv, tmp_path)
    # Only the packages: the environment itself still works.
    assert len(ran) == 3


def test_a_command_that_fails_stops_the_setup_and_shows_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "LOG", tmp_path / "logs" / "setup.log")
    bootstrap.command(["sh", "-c", "echo many  lines of an installation"])
    with pytest.raises(bootstrap.BootstrapError, match=r"this command failed: sh -c .*setup\.log"):
        bootstrap.command(["sh", "-c", "echo no space left >&2; exit 3"])
    shown = capfd.readouterr()
    assert "\nmany lines" not in shown.out + shown.err
    assert "    no space left\n" in shown.err
    assert bootstrap.LOG.read_text() == "many lines of an installation\nno space left\n"


def test_a_command_that_takes_long_gives_signs_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "LOG", tmp_path / "setup.log")
    monkeypatch.setattr(bootstrap, "PROGRESS_SECONDS", 0.2)
    bootstrap.command(["sh", "-c", "echo unpacking; sleep 0.7"])
    assert "0 s  unpacking\n" in capfd.readouterr().out


# --- tools/collection_link.py


def test_the_link_is_made_once_and_corrected(tmp_path: Path) -> None:
    assert collection_link.problems(tmp_path, ()) != []
    assert collection_link.make_link(tmp_path)
    assert not collection_link.make_link(tmp_path)
    assert collection_link.problems(tmp_path, ()) == []
    link = tmp_path / ".ansible" / "collections" / collection_link.NAME
    link.unlink()
    link.symlink_to("/nowhere")
    assert collection_link.make_link(tmp_path)
    assert link.resolve() == tmp_path.resolve()


def test_a_copy_is_never_removed_but_named(tmp_path: Path) -> None:
    copy = tmp_path / ".ansible" / "collections" / collection_link.NAME
    copy.mkdir(parents=True)
    with pytest.raises(FileExistsError, match="hides the checkout"):
        collection_link.make_link(tmp_path)


def test_a_copy_elsewhere_is_a_problem(tmp_path: Path) -> None:
    collection_link.make_link(tmp_path)
    (tmp_path / "home" / collection_link.NAME).mkdir(parents=True)
    found = collection_link.problems(tmp_path, (tmp_path / "home", tmp_path / "other"))
    assert len(found) == 1
    assert "may hide the checkout" in found[0]


# --- tools/run_ansible_test.py


def test_the_bootstrap_script_is_only_replaced_when_the_download_fails(tmp_path: Path) -> None:
    asked: list[str] = []

    def reachable(url: str) -> bytes:
        asked.append(url)
        return b"# the original\n"

    assert run_ansible_test.provide_bootstrap("24.2", tmp_path / "a", reachable) == "downloaded"
    script = tmp_path / "a" / "get_pip_24_2.py"
    assert script.read_text() == "# the original\n"
    assert asked == ["https://ci-files.testing.ansible.com/ansible-test/get-pip-24.2.py"]
    assert run_ansible_test.provide_bootstrap("24.2", tmp_path / "a", lambda _url: None) == "present"
    assert script.read_text() == "# the original\n"

    assert run_ansible_test.provide_bootstrap("25.0", tmp_path / "b", lambda _url: None) == "stand-in written"
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["get_pip_25_0.py"]
    compile((tmp_path / "b" / "get_pip_25_0.py").read_text(), "stand-in", "exec")


def test_an_address_that_does_not_answer_is_no_content() -> None:
    assert run_ansible_test.download("http://127.0.0.1:1/get-pip.py") is None
    assert run_ansible_test.download("https://name.invalid/get-pip.py") is None


def test_the_pip_version_is_that_of_the_installed_ansible_test() -> None:
    assert run_ansible_test.pip_version("    pip='24.2',") == "24.2"
    with pytest.raises(run_ansible_test.AnsibleTestError, match="no longer says"):
        run_ansible_test.pip_version("pip = latest")


def test_ansible_test_is_called_locally_with_this_python() -> None:
    sanity = run_ansible_test.command_line(["sanity", "--test", "pep8"], Path("/venv/bin"), "3.12")
    assert sanity[:7] == ["/venv/bin/ansible-test", "sanity", "--local", "--python", "3.12", "--color", "no"]
    assert sanity[-2:] == ["--test", "pep8"]
    assert "--requirements" in sanity
    assert "--requirements" not in run_ansible_test.command_line(["integration"], Path("/venv/bin"), "3.12")
    # Nothing that the artifact contains is left out.
    ignored = yaml.safe_load((ROOT / "galaxy.yml").read_text())["build_ignore"]
    assert {folder.rstrip("/") for folder in run_ansible_test.OUTSIDE} <= set(ignored)
    assert run_ansible_test.main(["units"]) == 2
    assert run_ansible_test.main([]) == 2


# --- tools/role_specs.py


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection with one small role whose generated files are fresh."""
    tmp_path = tmp_path_factory.mktemp("collection")
    shutil.copy(ROOT / "galaxy.yml", tmp_path / "galaxy.yml")
    path = tmp_path / "roles" / "lamp"
    (path / "meta").mkdir(parents=True)
    (path / "meta" / "argument_specs.yml").write_text(
        "---\nargument_specs:\n  main:\n    short_description: A lamp\n    options:\n      lamp_colour:\n"
        "        type: str\n        default: red\n        description: Its colour.\n"
    )
    (path / "meta" / "main.yml").write_text(
        "---\ngalaxy_info:\n  author: nobody\n  description: A lamp.\n  license: GPL-3.0-or-later\n  platforms:\n"
        "    - name: Debian\n      versions: [bookworm]\ndependencies: []\n"
    )
    (path / "README.md").write_text(f"# Lamp\n\n{role_specs.BEGIN}\n{role_specs.END}\n")
    role_specs.generate(path)
    return tmp_path


@pytest.fixture
def role(fresh: Path, tmp_path: Path) -> Path:
    """That role, to be spoiled."""
    return shutil.copytree(fresh, tmp_path / "copy") / "roles" / "lamp"


def test_fresh_files_are_fresh_and_what_is_by_hand_stays(role: Path) -> None:
    assert list(role_specs.stale(role, role.parents[1] / "galaxy.yml")) == []
    assert (role / "README.md").read_text().startswith("# Lamp\n")
    assert "lamp_colour: red" in (role / "defaults" / "main.yml").read_text()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("defaults/main.yml", "red", "blue"),
        ("README.md", "Its colour.", "Something else."),
        ("meta/argument_specs.yml", "default: red", "default: blue"),
    ],
)
def test_any_difference_is_shown(role: Path, name: str, old: str, new: str) -> None:
    path = role / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    difference = "\n".join(role_specs.stale(role, role.parents[1] / "galaxy.yml"))
    assert old.split()[-1] in difference


def test_a_role_that_cannot_be_documented_is_an_error(role: Path) -> None:
    (role / "README.md").write_text("# Lamp\n")
    with pytest.raises(role_specs.RoleError, match=r"lamp: README\.md needs the lines"):
        list(role_specs.stale(role, role.parents[1] / "galaxy.yml"))
    (role / "meta" / "argument_specs.yml").unlink()
    with pytest.raises(role_specs.RoleError, match=r"argument_specs\.yml is missing"):
        role_specs.generate(role)


# --- tools/rulebook_schema.py


RULESET: dict[str, Any] = {
    "name": "Test",
    "hosts": "all",
    "sources": [{"name": "Tick", "aidc.ops.tick": {"seconds": 1}, "filters": [{"aidc.ops.guard": None}]}],
    "rules": [{"name": "Rule", "condition": "event.x is defined", "action": {"debug": None}}],
}


@pytest.fixture
def eda(tmp_path: Path) -> Path:
    """A plugins directory with one source and one filter."""
    for name in ("event_source/tick.py", "event_filter/guard.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("")
    (tmp_path / "event_source" / "schemas").mkdir()
    schema = {"type": "object", "properties": {"seconds": {}, "config": {}}, "required": ["seconds"]}
    (tmp_path / "event_source" / "schemas" / "tick.json").write_text(json.dumps(schema))
    return tmp_path


def rulebook_problems(eda: Path, text: str) -> list[str]:
    rulebook = eda / "rulebook.yml"
    rulebook.write_text(text)
    schema = json.loads(
        rulebook_schema.files("ansible_rulebook").joinpath("schema/ruleset_schema.json").read_text(encoding="utf-8")
    )
    return list(rulebook_schema.rulebook_problems(rulebook, schema, eda))


def test_a_good_rulebook_has_no_problem(eda: Path) -> None:
    assert rulebook_problems(eda, json.dumps([RULESET])) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"hosts": ["all"]}, "is not of type 'string'"),
        ({"rules": {}}, "is not of type"),
        ({"unknown": 1}, "unknown"),
        ({"sources": [{"aidc.ops.tock": {}}]}, "source aidc.ops.tock needs"),
        ({"sources": [{"aidc.ops.tick": {"second": 1}}]}, "has no argument second"),
        ({"sources": [{"aidc.ops.tick": None}]}, "needs the argument seconds"),
        (
            {"sources": [{"aidc.ops.tick": {"seconds": 1}, "filters": [{"aidc.ops.gard": {}}]}]},
            "filter aidc.ops.gard is not",
        ),
    ],
)
def test_a_wrong_rulebook_is_found(eda: Path, change: dict[str, Any], problem: str) -> None:
    assert any(problem in text for text in rulebook_problems(eda, json.dumps([{**RULESET, **change}])))


@pytest.mark.parametrize("text", ["a: [", "", "[]"])
def test_no_rulebook_at_all_is_found(eda: Path, text: str) -> None:
    assert rulebook_problems(eda, text)


# --- tools/build_and_import.py


def test_members_that_do_not_belong_into_the_artifact() -> None:
    good = ["MANIFEST.json", "plugins/modules/gpu_info.py", "roles/pki/README.md", "LICENSES/GPL-3.0-or-later.txt", "."]
    assert build_and_import.stray_members(good) == []
    bad = [
        ".venv/bin/python",
        "molecule/lab/molecule.yml",
        "plugins/__pycache__",
        "plugins/a.pyc",
        ".ruff_cache/x",
        "old.tar.gz",
    ]
    assert build_and_import.stray_members([*good, *bad]) == sorted(bad)


def test_what_is_private_to_the_checkout_is_ignored_by_the_build() -> None:
    ignored = yaml.safe_load((ROOT / "galaxy.yml").read_text())["build_ignore"]
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    top = {line.split("/")[0] for line in done.stdout.splitlines()}
    assert sorted(top - build_and_import.ALLOWED - {"galaxy.yml"} - set(ignored)) == []
