# What the messages of BMCs mean: from the name of a message to a fault class.
# Copyright (c) 2026 aidc.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of DMTF's registries Power, Environmental and ResourceEvent, and of OpenBMC's, without their versions.

Only what says that a part has failed or is well again. A warning is for the trend, which Prometheus sees. Messages of
other vendors are added in the settings (webhook.mappings.redfish).
"""

from __future__ import annotations

import typing as t

_PSU, _FAN, _MEMORY, _MEMORY_TREND = "psu_failed", "fan_failed", "memory_uncorrectable", "memory_correctable"

MESSAGES: dict[str, str | dict[str, str]] = {
    "Power.PowerSupplyFailed": _PSU,
    "Power.PowerSupplyRestored": f"clear:{_PSU}",
    # A supply without input carries no load, whatever is wrong before it.
    "Power.LossOfInputPower": _PSU,
    "Power.LineInputPowerFault": _PSU,
    "Power.LineInputPowerRestored": f"clear:{_PSU}",
    "Environmental.FanFailed": _FAN,
    "Environmental.FanRestored": f"clear:{_FAN}",
    "Environmental.FanGroupCritical": _FAN,
    "Environmental.FanGroupNormal": f"clear:{_FAN}",
    "Environmental.TemperatureCritical": _FAN,
    "Environmental.TemperatureAboveUpperCriticalThreshold": _FAN,
    "Environmental.TemperatureAboveUpperFatalThreshold": _FAN,
    "Environmental.TemperatureBelowUpperCriticalThreshold": f"clear:{_FAN}",
    "Environmental.TemperatureNoLongerCritical": f"clear:{_FAN}",
    "Environmental.TemperatureNormal": f"clear:{_FAN}",
    "ResourceEvent.ResourceStatusChangedCritical": {"PowerSupplies": _PSU, "Fans": _FAN, "Memory": _MEMORY},
    "ResourceEvent.ResourceStatusChangedOK": {
        "PowerSupplies": f"clear:{_PSU}",
        "Fans": f"clear:{_FAN}",
        "Memory": f"clear:{_MEMORY}",
    },
    "ResourceEvent.ResourceErrorsDetected": {"PowerSupplies": _PSU, "Fans": _FAN, "Memory": _MEMORY_TREND},
    "ResourceEvent.ResourceErrorsCorrected": {
        "PowerSupplies": f"clear:{_PSU}",
        "Fans": f"clear:{_FAN}",
        "Memory": f"clear:{_MEMORY_TREND}",
    },
    "ResourceEvent.ResourceErrorThresholdExceeded": {"Memory": _MEMORY_TREND},
    "ResourceEvent.ResourceErrorThresholdCleared": {"Memory": f"clear:{_MEMORY_TREND}"},
    "OpenBMC.PowerSupplyFailed": _PSU,
    "OpenBMC.PowerSupplyFanFailed": _FAN,
    "OpenBMC.PowerSupplyFanRecovered": f"clear:{_FAN}",
    "OpenBMC.MemoryECCUncorrectable": _MEMORY,
    "OpenBMC.MemoryECCCorrectable": _MEMORY_TREND,
}


def message_key(message_id: str) -> str:
    """Return "Registry.Key" of a message id with its version ("Power.1.0.PowerSupplyFailed")."""
    parts: t.Sequence[str] = message_id.split(".")
    return f"{parts[0]}.{parts[-1]}" if len(parts) > 1 else message_id
