# Tests of how the role exporter installs a program from an archive: real runs, in a folder, from a local web server.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import functools
import hashlib
import http.server
import io
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from exporter_rendered import PROGRAM

ROOT = Path(__file__).resolve().parents[3]
NAME = str(PROGRAM["name"])


class Site:
    """A folder with archives behind a web server, and the programs that were installed from them."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.programs, self.archives = folder, folder / "programs", folder / "archives"
        self.archives.mkdir()
        self.url = f"http://127.0.0.1:{port}"

    def archive(self, version: str, script: str = "#!/bin/sh\necho {version}\n", name: str = NAME) -> str:
        """Make the archive of a version as the authors of exporters do; returns its checksum."""
        path = self.archives / f"{NAME}-{version}.tar.gz"
        content = script.replace("{version}", version).encode()
        with tarfile.open(path, "w:gz") as made:
            for member, text in (("LICENSE", b"free\n"), (name, content)):
                entry = tarfile.TarInfo(f"{NAME}-{version}.linux-amd64/{member}")
                entry.size, entry.mode = len(text), 0o755
                made.addfile(entry, io.BytesIO(text))
        return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"

    def install(self, version: str, checksum: str, *flags: str) -> subprocess.CompletedProcess[str]:
        program = PROGRAM | {
            "install": "archive",
            "handler": "Tell",
            "version": version,
            "archive_url": f"{self.url}/{NAME}-{version}.tar.gz",
            "archive_checksum": checksum,
        }
        play = {
            "name": "Install",
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": {
                "ansible_python_interpreter": sys.executable,
                "ansible_facts": {"architecture": "x86_64"},
            },
            "tasks": [
                {
                    "name": "Install",
                    "ansible.builtin.import_role": {"name": "aidc.ops.exporter", "tasks_from": "archive"},
                    "vars": {"exporter_program": program},
                }
            ],
            # In place of a restart.
            "handlers": [{"name": "Tell", "ansible.builtin.debug": {"msg": "restarted"}}],
        }
        playbook = self.folder / "play.yml"
        playbook.write_text(yaml.safe_dump([play]))
        extra = f"__exporter_archive_dir={self.programs}"
        command = [str(Path(sys.executable).parent / "ansible-playbook"), str(playbook), "-e", extra, *flags]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        environment |= {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible" / "collections"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"),
            "ANSIBLE_REMOTE_TEMP": str(self.folder / "tmp"),
            "ANSIBLE_NOCOLOR": "1",
        }
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)

    def says(self) -> str:
        """What the program says that the link shows."""
        program = self.programs / NAME / "current" / NAME
        return subprocess.run([program], capture_output=True, text=True, check=True, timeout=10).stdout.strip()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "archives"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Site(tmp_path, server.server_address[1])
        server.shutdown()


@pytest.mark.slow
def test_install_again_and_upgrade(site: Site) -> None:
    first, second = site.archive("1.0.0"), site.archive("1.1.0")

    checked = site.install("1.0.0", first, "--check")
    assert checked.returncode == 0, checked.stdout
    assert "Would install demo_exporter 1.0.0" in checked.stdout
    assert not site.programs.exists()

    installed = site.install("1.0.0", first)
    assert installed.returncode == 0, installed.stdout
    assert "restarted" in installed.stdout
    assert site.says() == "1.0.0"

    again = site.install("1.0.0", first)
    assert "changed=0" in again.stdout, again.stdout
    assert "restarted" not in again.stdout

    upgraded = site.install("1.1.0", second)
    assert upgraded.returncode == 0, upgraded.stdout
    assert "restarted" in upgraded.stdout
    assert site.says() == "1.1.0"
    assert (site.programs / NAME / "1.0.0" / NAME).exists(), "to go back to"


@pytest.mark.slow
def test_nothing_takes_the_place_of_what_runs_unless_it_is_right(site: Site) -> None:
    assert site.install("1.0.0", site.archive("1.0.0")).returncode == 0

    site.archive("1.1.0")
    wrong = site.install("1.1.0", "sha256:" + "0" * 64)
    assert wrong.returncode != 0
    assert "checksum" in wrong.stdout

    broken = site.install("1.2.0", site.archive("1.2.0", "\x7fELF of another processor"))
    assert broken.returncode != 0
    assert "does not run on localhost" in broken.stdout

    other = site.install("1.3.0", site.archive("1.3.0", name="readme"))
    assert other.returncode != 0
    assert "has 0 files with the name" in other.stdout

    assert site.says() == "1.0.0"
    assert sorted(path.name for path in (site.programs / NAME).iterdir()) == ["1.0.0", "current"]
