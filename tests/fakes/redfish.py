# A Redfish client for tests that reads documents from a dictionary instead of a BMC.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sys
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "molecule" / "shared"))

from bmcsim.model import Bmc
from bmcsim.resources import build

from ansible_collections.aidc.ops.plugins.module_utils._hardware.bmc_errors import PartError

Doc = dict[str, t.Any]

__all__ = ["Bmc", "Doc", "FakeClient", "build"]


class FakeClient:
    """Answers from ``docs``; ``failures`` maps a path to the error that it raises, ``improper`` holds damaged ones."""

    def __init__(self, docs: dict[str, Doc], expands: bool = False) -> None:
        self.docs = docs
        self.failures: dict[str, PartError] = {}
        self.improper: set[str] = set()
        self.asked: list[str] = []
        self.root: Doc = dict(docs["/redfish/v1/"])
        self.root["ProtocolFeaturesSupported"] = {"ExpandQuery": {"NoLinks": expands, "Levels": expands}}

    @classmethod
    def of(cls, bmc: Bmc, expands: bool = False) -> FakeClient:
        return cls(build(bmc), expands)

    def get(self, path: str) -> tuple[Doc, bool]:
        self.asked.append(path)
        if path in self.failures:
            raise self.failures[path]
        plain, _mark, query = path.partition("?")
        if path in self.docs:
            return self.docs[path], path not in self.improper
        if plain not in self.docs:
            raise PartError("the BMC answers with HTTP status 404")
        doc = self.docs[plain]
        if "$expand" in query:
            doc = {**doc, "Members": [self.docs.get(member["@odata.id"], member) for member in doc["Members"]]}
        return doc, plain not in self.improper
