# DMTF's Redfish service validator on our simulator, so that what we test against is really Redfish.
# Copyright (c) 2026 aidc.ops contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The validator downloads DMTF's schemas; here it gets the facts of them that we keep (see tools/redfish_facts.py)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from bmcsim import resources
from bmcsim.model import STYLES, Bmc
from schemas import TABLE, write_schemas
from sites import ADDRESSES, Site


@pytest.fixture(scope="module")
def schema_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_schemas(tmp_path_factory.mktemp("schemas"))


def validate(site: Site, schema_folder: Path, folder: Path) -> tuple[int, int, int, str]:
    """Passed, warned, failed, and what it said."""
    command = [str(Path(sys.executable).parent / "rf_service_validator"), "--skipschema", "--user", "admin"]
    command += ["--password", "secret", "--rhost", f"https://{ADDRESSES[0]}:{site.port}"]
    command += ["--schema_directory", str(schema_folder), "--logdir", str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    log = "".join(path.read_text(errors="replace") for path in folder.rglob("*.log"))
    table = re.search(r"\|\s+([0-9]+)\s+\|\s+([0-9]+)\s+\|\s+([0-9]+)\s+\|\s+[0-9]+\s+\|", done.stdout)
    assert table, done.stdout + done.stderr
    passed, warned, failed = map(int, table.groups())
    wrong = "\n".join(line for line in log.splitlines() if " FAIL " in line or " WARN " in line)
    return passed, warned, failed, wrong


@pytest.mark.parametrize("style", STYLES)
def test_the_simulator_is_redfish(site: Site, schema_folder: Path, tmp_path: Path, style: str) -> None:
    bmc = Bmc("gpu1", style=style, absent={"PSU2", "GPU_SXM_3"}, health={"FAN1": "Warning"})
    bmc.add_event("Critical", "PSU2 was removed", sensor_type="Power Supply / Converter", origin=resources.CHASSIS)
    bmc.subscribe("https://192.0.2.1/events", "context")
    site.start(bmc)
    passed, warned, failed, wrong = validate(site, schema_folder, tmp_path)
    assert failed == 0, wrong
    # Power and Thermal are out of date in the standard, and what most servers have.
    assert warned == (2 if style in ("old", "both") else 0), wrong
    assert passed > 700


def test_the_table_of_facts_is_whole(schema_folder: Path) -> None:
    """What tools/redfish_facts.py makes of schema files that were made of its table is the table."""
    import redfish_facts

    docs = redfish_facts.documents()
    table = redfish_facts.Collector(redfish_facts.Schemas(schema_folder), docs).table
    table = redfish_facts.shorten(table, {str(doc["@odata.type"])[1:] for _path, doc in docs})
    kept = json.loads(TABLE.read_text(encoding="utf-8"))
    assert json.dumps(table, sort_keys=True) == json.dumps(kept, sort_keys=True)


def test_the_validator_would_notice(
    site: Site, schema_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = resources.build

    def broken(bmc: Bmc) -> dict[str, resources.Doc]:
        docs = real(bmc)
        docs[resources.SYSTEM]["PowerState"] = "Sleepy"
        docs[resources.SYSTEM]["Colour"] = "grey"
        docs[resources.MANAGER]["FirmwareVersion"] = 7
        del docs[resources.CHASSIS]["ChassisType"]
        return docs

    monkeypatch.setattr("bmcsim.service.build", broken)
    site.start(Bmc("gpu1", gpus=1))
    _passed, _warned, failed, wrong = validate(site, schema_folder, tmp_path)
    assert failed == 4, wrong
    for name in ("PowerState", "Colour", "FirmwareVersion", "ChassisType"):
        assert name in wrong
