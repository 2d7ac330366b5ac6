#!/usr/bin/env python3
# Makes the checkout importable as ansible_collections.aidc.ops, and checks that nothing hides it.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage: tools/collection_link.py [--check]

Ansible finds collections in ansible_collections/NAMESPACE/NAME directories. A link under .ansible/collections gives the
checkout that name without a copy. Some tools install a copy in the home directory when they are called without our
settings; that copy would then be tested in place of the checkout, so its existence is an error.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = Path("ansible_collections/aidc/ops")
TARGET = "../../../.."


def make_link(root: Path) -> bool:
    """Create or correct the link; True if something changed."""
    link = root / ".ansible" / "collections" / NAME
    if link.is_symlink() and os.readlink(link) == TARGET:
        return False
    if link.exists() and not link.is_symlink():
        raise FileExistsError(f"{link} is not a link; remove it, it hides the checkout")
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(TARGET)
    return True


def problems(root: Path, elsewhere: Sequence[Path]) -> list[str]:
    """What keeps the checkout from being the collection that is used; elsewhere are other collection roots."""
    found = []
    link = root / ".ansible" / "collections" / NAME
    if not link.exists() or link.resolve() != root.resolve():
        found.append(f"{link} does not lead to the checkout (make setup)")
    for place in elsewhere:
        if (place / NAME).exists():
            found.append(f"{place / NAME} is another copy of this collection; remove it, it may hide the checkout")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make the checkout importable as a collection.")
    parser.add_argument("--check", action="store_true", help="change nothing, only say what is wrong")
    options = parser.parse_args(argv)
    if not options.check:
        make_link(ROOT)
    found = problems(ROOT, (Path.home() / ".ansible" / "collections", Path("/usr/share/ansible/collections")))
    for line in found:
        print(f"collection_link: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
