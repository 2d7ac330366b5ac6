# Runs a module's main as Ansible does, against a controller in a temporary folder.
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.aidc.ops.plugins.module_utils._cases.ledger import Ledger
from ansible_collections.aidc.ops.plugins.module_utils._cases.model import Signal
from ansible_collections.aidc.ops.plugins.module_utils._cases.settings import load_settings
from ansible_collections.aidc.ops.plugins.module_utils._faults import recognise_line

SLURM = Path(__file__).parents[3] / "integration" / "targets" / "setup_case_ledger" / "files"


class Controller:
    """A settings file, a ledger with a case on gpu2, and a scheduler of two scripts (gpu3 belongs to somebody else)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = str(folder / "controller.json")
        (folder / "nodes").mkdir()
        for program in ("scontrol", "squeue"):
            shutil.copy(SLURM / program, folder / program)
        for node, content in (("gpu2", "IDLE\n\n"), ("gpu3", "IDLE+DRAIN\nKim works here\n")):
            (folder / "nodes" / node).write_text(content, encoding="utf-8")
        (folder / "jobs").write_text("", encoding="utf-8")
        modes = dict.fromkeys(("contain", "reset", "reboot", "restart_service", "resume"), "act")
        settings = {
            "schema_version": 1,
            "ledger": str(folder / "ledger.sqlite"),
            "evidence_dir": "/none",
            "ticket_dir": "/none",
            "engine": {"scontrol": str(folder / "scontrol"), "squeue": str(folder / "squeue")},
            "nodes": {"gpu2": {}, "gpu3": {}},
            "gate": {"out_percent": 100, "modes": modes},
        }
        Path(self.config).write_text(json.dumps(settings), encoding="utf-8")
        self.settings = load_settings(self.config)
        self.ledger = Ledger(self.settings.ledger)
        text = "NVRM: Xid (PCI:0000:1b:00): 79, {{ 7 * 7 }}"
        line = Signal("kernel", "gpu2", "b:1", time.time(), "k1", text, recognise_line(text))
        self.ledger.record([line], None, self.settings)


@pytest.fixture
def controller(tmp_path: Path) -> Controller:
    return Controller(tmp_path)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], controller: Controller) -> Callable[..., dict[str, Any]]:
    """Calls a module's main with arguments; its answer, with ``failed`` set when it failed."""

    def run(main: Callable[[], None], check: bool = False, **arguments: Any) -> dict[str, Any]:
        given = {"config": controller.config, "_ansible_check_mode": check, **arguments}
        given = {name: value for name, value in given.items() if value is not None}
        with patch_module_args(given), pytest.raises(SystemExit):
            main()
        return dict(json.loads(capsys.readouterr().out))

    return run
