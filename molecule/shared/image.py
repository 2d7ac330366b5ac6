#!/usr/bin/env python3
# Builds the node image of one Debian release from Debian's packages, if its recipe changed since the last build.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build localhost/aidc-node:<suite> with mmdebstrap (or debootstrap) and podman import.

The recipe is images.yml, image_setup.sh and the suite; its hash is a label on the image, so an unchanged recipe costs
one look-up. These variables of the environment win over the recipe:

AIDC_OPS_LAB_IMAGE   name of the image without tag
AIDC_OPS_LAB_MIRROR  package mirror; else what apt on this machine uses for Debian, else the recipe's
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from lock import locked

HERE = Path(__file__).resolve().parent
RECIPE = HERE / "images.yml"
SETUP = HERE / "image_setup.sh"
CACHE = Path(os.environ.get("AIDC_OPS_LAB_CACHE", HERE.parent.parent / ".cache"))
LABEL = "aidc.ops.recipe"
# What a person set for apt on this machine and what downloading needs to work at all; nothing else is carried over.
APT_OPTION = re.compile(r'^(Acquire::(?:https?::|Check-|Retries)[\w:.-]*) "(.+)";$')


class ImageError(Exception):
    """The image cannot be built; the message says why."""


@dataclass(frozen=True)
class Recipe:
    """All that decides what is in an image."""

    name: str
    suite: str
    mirror: str
    packages: tuple[str, ...]
    left_out: tuple[str, ...]
    setup: str

    @property
    def tag(self) -> str:
        """Full name of the image."""
        return f"{self.name}:{self.suite}"

    @property
    def digest(self) -> str:
        """Hash of the content; the mirror is left out, since it serves the same packages."""
        parts = (self.suite, *sorted(self.packages), *self.left_out, self.setup)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def recipe(
    data: Mapping[str, Any], suite: str, setup: str, env: Mapping[str, str], apt_mirror: str | None = None
) -> Recipe:
    """Make the recipe of one suite from images.yml; raise ImageError for a suite that it lacks."""
    if suite not in data["suites"]:
        raise ImageError(f"no suite {suite!r} in {RECIPE.name}; there are {', '.join(sorted(data['suites']))}")
    return Recipe(
        name=env.get("AIDC_OPS_LAB_IMAGE") or data["name"],
        suite=suite,
        mirror=env.get("AIDC_OPS_LAB_MIRROR") or apt_mirror or data["mirror"],
        packages=tuple(data["packages"]) + tuple(data["suites"][suite].get("packages", ())),
        left_out=tuple(data["left_out"]),
        setup=setup,
    )


def debian_mirror(texts: list[str]) -> str | None:
    """Return the first Debian archive among apt source files (one-line or deb822 form), or None."""
    for text in texts:
        for line in text.splitlines():
            words = line.split()
            if words[:1] == ["deb"] or words[:1] == ["URIs:"]:
                for word in words[1:]:
                    if re.match(r"^https?://[^\s]+/debian/?$", word):
                        return word.rstrip("/")
    return None


def apt_options(dump: str) -> list[str]:
    """Return the download options in the output of `apt-config dump`, as name=value."""
    return [f'{m.group(1)} "{m.group(2)}";' for m in map(APT_OPTION.match, dump.splitlines()) if m]


def inspect(tag: str, template: str) -> str | None:
    """Return one property of an existing image by a Go template, None if there is no such image."""
    done = subprocess.run(
        ["podman", "image", "inspect", "--format", template, tag], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None


def bootstrap_command(item: Recipe, tree: str, options: list[str]) -> list[str]:
    """Return the command that makes the tree, or the tar (`-`: on its output), of Debian; ImageError without a tool."""
    include = ",".join(item.packages)
    if shutil.which("mmdebstrap"):
        command = ["mmdebstrap", "--variant=minbase", f"--include={include}", f"--customize-hook={SETUP}"]
        command += [f"--dpkgopt=path-exclude={path}" for path in item.left_out]
        # The Java package fails to configure where the folder of the manual pages is missing.
        command.append('--essential-hook=mkdir -p "$1/usr/share/man/man1"')
        command += [f"--aptopt={option}" for option in options]
        return [*command, item.suite, tree, item.mirror]
    if shutil.which("debootstrap"):
        return ["debootstrap", "--variant=minbase", f"--include={include}", item.suite, tree, item.mirror]
    raise ImageError("neither mmdebstrap nor debootstrap is installed (Debian, Ubuntu: apt-get install mmdebstrap)")


def _run(command: list[str], log: Any) -> None:
    if subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False).returncode != 0:
        raise _failure(command[0], log)


def _failure(program: str, log: Any) -> ImageError:
    log.flush()
    tail = "".join(Path(log.name).read_text(errors="replace").splitlines(keepends=True)[-15:])
    return ImageError(f"{program} failed; the log is {log.name} and ends with\n{tail}")


def build(item: Recipe) -> None:
    """Build the image and name it; raise ImageError with the end of the log when a tool fails."""
    CACHE.mkdir(parents=True, exist_ok=True)
    tree = CACHE / f"image-{item.suite}.tree"
    options = apt_options(subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout)
    changes = [f"LABEL {LABEL}={item.digest}", "STOPSIGNAL SIGRTMIN+3", 'CMD ["/lib/systemd/systemd"]']
    store = ["podman", "import", "--quiet", *(word for change in changes for word in ("--change", change)), "-"]
    try:
        with open(CACHE / f"image-{item.suite}.log", "w", encoding="utf-8") as log:
            command = bootstrap_command(item, "-", options)
            if command[0] != "mmdebstrap":
                shutil.rmtree(tree, ignore_errors=True)
                _run([*command[:-2], str(tree), command[-1]], log)
                _run([str(SETUP), str(tree)], log)
                command = ["tar", "-C", str(tree), "--exclude=./dev/*", "--one-file-system", "-cf", "-", "."]
            _run(["podman", "tag", _pipe(command, store, log), item.tag], log)
    finally:
        shutil.rmtree(tree, ignore_errors=True)


def _pipe(source: list[str], sink: list[str], log: Any) -> str:
    """Run both, the output of one into the other, and return what the second prints; ImageError when either fails.

    The engine unpacks while the archive is still made, and no archive of a gigabyte is ever stored.
    """
    with subprocess.Popen(source, stdout=subprocess.PIPE, stderr=log) as making:
        done = subprocess.run(sink, stdin=making.stdout, stdout=subprocess.PIPE, stderr=log, text=True, check=False)
    # A tool that stops early may leave an archive that looks whole.
    for command, status in ((source, making.returncode), (sink, done.returncode)):
        if status != 0:
            if done.returncode == 0:
                subprocess.run(["podman", "image", "rm", done.stdout.strip()], capture_output=True, check=False)
            raise _failure(command[0], log)
    return done.stdout.strip()


def _source_texts() -> Iterator[str]:
    apt = Path("/etc/apt")
    for path in [apt / "sources.list", *sorted(apt.glob("sources.list.d/*"))]:
        if path.is_file():
            yield path.read_text(errors="replace")


def main(argv: list[str] | None = None) -> int:
    """Entry point of the program: build if needed, say what was done."""
    parser = argparse.ArgumentParser(description="Build the node image of one Debian release if its recipe changed.")
    parser.add_argument("suite", nargs="?", default="bookworm")
    suite = parser.parse_args(argv).suite
    try:
        item = recipe(
            yaml.safe_load(RECIPE.read_text()),
            suite,
            SETUP.read_text(),
            os.environ,
            debian_mirror(list(_source_texts())),
        )
        with locked(CACHE, f"image-{suite}"):
            if inspect(item.tag, f'{{{{index .Labels "{LABEL}"}}}}') == item.digest:
                print(f"unchanged {item.tag}")
                return 0
            start = time.monotonic()
            print(
                f"building {item.tag} from {item.mirror} (log: {CACHE}/image-{suite}.log)", file=sys.stderr, flush=True
            )
            old = inspect(item.tag, "{{.Id}}")
            build(item)
            if old:
                # Fails while containers still run from it, and that is as it should be.
                subprocess.run(["podman", "image", "rm", old], capture_output=True, check=False)
            print(f"built {item.tag} in {time.monotonic() - start:.0f} s")
    except ImageError as error:
        print(f"image.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
