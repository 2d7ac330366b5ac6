# The collection's own exceptions: one base, one child for each kind of failure.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class AidcOpsError(Exception):
    """Base of every failure that this collection explains to a person.

    The text says what was wrong, where, and what to do about it.
    """


class CommandError(AidcOpsError):
    """A program could not be started, or it did not end in time."""


class SettingsError(AidcOpsError):
    """The settings file is missing, unreadable or has a wrong value; names the key."""


class CatalogueError(AidcOpsError):
    """A fault class of the catalogue, or a site's change to one, is wrong; names the class and the key."""


class LedgerError(AidcOpsError):
    """The ledger cannot be read or written. Callers stop: without a ledger nothing may be done to a node."""


class LeaseLostError(LedgerError):
    """The caller does not (or no longer) hold the lease of the case that it wants to change."""


class StepError(LedgerError):
    """A step was finished that had not been begun, or that is not a step of the case."""


class ReplayError(AidcOpsError):
    """What was recorded cannot be replayed; names the file and the line."""


class PrometheusError(AidcOpsError):
    """A Prometheus-compatible server did not answer, or not with all of what was asked; names its address."""


class ForecastError(AidcOpsError):
    """Demand cannot be forecast from what was given; names the series or the option."""


class PredictionError(AidcOpsError):
    """Failures of devices cannot be predicted from what was given; names the file, the series or the option."""


class StoragePlanError(AidcOpsError):
    """Replicas cannot be placed as asked; names the dataset or the node."""


class DatasetCopyError(AidcOpsError):
    """A piece of a dataset cannot be copied or removed; names the directory, and the option that is wrong."""


class EnergyError(AidcOpsError):
    """A power limit cannot be chosen from what was given; names the GPU model, the workload class or the value."""


class GpuConfigError(AidcOpsError):
    """A GPU cannot be set up as asked, or did not take it; names the GPU and the setting."""


class ResizeError(AidcOpsError):
    """A workload cannot be resized as asked; names the workload, the container or the option."""


class AutoscaleError(AidcOpsError):
    """The limits of an inference service make no sense; names the service and the option."""


class EngineError(AidcOpsError):
    """The scheduler could not be asked, or refused what was asked of it."""


class ForeignDrainError(EngineError):
    """A node was taken out of scheduling by somebody else, so it must be neither drained again nor resumed.

    ``nodes`` holds the names of those nodes, ``reasons`` what the scheduler gives as reason for each.
    """

    def __init__(self, message: str, reasons: dict[str, str]) -> None:
        super().__init__(message)
        self.reasons = dict(reasons)
        self.nodes = tuple(sorted(reasons))
