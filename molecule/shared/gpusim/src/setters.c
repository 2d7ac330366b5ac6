/* The calls that change a GPU: they rewrite the state file. */
/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (c) 2026 aidc.ops contributors */

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "processes.h"
#include "session.h"

/* Write the changes unless the state says that setters are refused. */
static nvmlReturn_t change(int slot, const state_change_t *changes, size_t count)
{
    nvmlReturn_t refused = (nvmlReturn_t)state_number_or("error_set", STATE_NODE, NVML_SUCCESS);
    return refused != NVML_SUCCESS ? refused : state_change(slot, changes, count);
}

static nvmlReturn_t change_one(int slot, const char *key, unsigned long long value)
{
    state_change_t one = {key, value};
    return change(slot, &one, 1);
}

/* A setting that the model does not have cannot be set. */
static nvmlReturn_t supported(const char *key, int slot)
{
    unsigned long long ignored = 0;
    return state_number(key, slot, &ignored);
}

NVML_API nvmlReturn_t nvmlDeviceSetPersistenceMode(nvmlDevice_t device, unsigned int mode)
{
    ENTER_DEVICE(device, mode < 2);
    result = supported("persistence_mode", slot);
    return session_leave(result ? result : change_one(slot, "persistence_mode", mode));
}

NVML_API nvmlReturn_t nvmlDeviceSetComputeMode(nvmlDevice_t device, unsigned int mode)
{
    ENTER_DEVICE(device, mode < 4 && mode != 1); /* 1: exclusive thread, withdrawn long ago */
    result = supported("compute_mode", slot);
    return session_leave(result ? result : change_one(slot, "compute_mode", mode));
}

static nvmlReturn_t set_power_limit(int slot, unsigned int milliwatts)
{
    unsigned int lowest = 0, highest = 0;
    nvmlReturn_t result = session_uint("power_limit_min", slot, &lowest);
    if (result == NVML_SUCCESS)
        result = session_uint("power_limit_max", slot, &highest);
    if (result == NVML_SUCCESS && (milliwatts < lowest || milliwatts > highest))
        result = NVML_ERROR_INVALID_ARGUMENT;
    return result ? result : change_one(slot, "power_limit", milliwatts);
}

NVML_API nvmlReturn_t nvmlDeviceSetPowerManagementLimit(nvmlDevice_t device, unsigned int milliwatts)
{
    ENTER_DEVICE(device, true);
    return session_leave(set_power_limit(slot, milliwatts));
}

NVML_API nvmlReturn_t nvmlDeviceSetPowerManagementLimit_v2(nvmlDevice_t device, nvmlPowerValue_v2_t *power)
{
    ENTER_DEVICE(device, power != NULL);
    if (power->version != NVML_STRUCT_VERSION(nvmlPowerValue_v2_t, 2))
        return session_leave(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    if (power->powerScope != 0)
        return session_leave(NVML_ERROR_NOT_SUPPORTED); /* 0: the GPU; others: module and memory of Grace boards */
    return session_leave(set_power_limit(slot, power->powerValueMw));
}

/* ---- ECC ---- */

NVML_API nvmlReturn_t nvmlDeviceSetEccMode(nvmlDevice_t device, unsigned int mode)
{
    ENTER_DEVICE(device, mode < 2);
    result = supported("ecc_mode_pending", slot);
    return session_leave(result ? result : change_one(slot, "ecc_mode_pending", mode)); /* real from the next reset */
}

NVML_API nvmlReturn_t nvmlDeviceClearEccErrorCounts(nvmlDevice_t device, unsigned int counter)
{
    static const state_change_t volatile_counts[] = {{"ecc_corrected_volatile_dram", 0},
                                                     {"ecc_corrected_volatile_sram", 0},
                                                     {"ecc_uncorrected_volatile_dram", 0},
                                                     {"ecc_uncorrected_volatile_sram", 0}};
    static const state_change_t aggregate_counts[] = {{"ecc_corrected_aggregate_dram", 0},
                                                      {"ecc_corrected_aggregate_sram", 0},
                                                      {"ecc_uncorrected_aggregate_dram", 0},
                                                      {"ecc_uncorrected_aggregate_sram", 0}};
    ENTER_DEVICE(device, counter < 2);
    result = supported("ecc_mode_current", slot);
    return session_leave(result ? result : change(slot, counter == 0 ? volatile_counts : aggregate_counts, 4));
}

/* ---- MIG ---- */

/* The mode becomes current at once on an idle GPU; on a busy one it stays pending until the next reset. */
NVML_API nvmlReturn_t nvmlDeviceSetMigMode(nvmlDevice_t device, unsigned int mode, nvmlReturn_t *activation)
{
    process_t list[PROCESSES_MAX];
    unsigned int held = 0;
    ENTER_DEVICE(device, mode < 2 && activation != NULL);
    /* Without MIG mode there are no MIG devices. */
    state_change_t changes[] = {
        {"mig_mode_pending", mode}, {"mig_mode_current", mode}, {"mig_devices", 0}, {"mig_instances", 0}};
    result = supported("mig_mode_current", slot);
    if (result == NVML_SUCCESS)
        result = processes_of(slot, list, &held);
    if (result == NVML_SUCCESS)
        result = change(slot, changes, held > 0 ? 1 : mode == 0 ? 4 : 2);
    if (result == NVML_SUCCESS)
        *activation = held > 0 ? NVML_ERROR_IN_USE : NVML_SUCCESS;
    return session_leave(result);
}

/* ---- clocks ---- */

NVML_API nvmlReturn_t nvmlDeviceSetGpuLockedClocks(nvmlDevice_t device, unsigned int lowest, unsigned int highest)
{
    unsigned int limit = 0;
    state_change_t changes[] = {{"locked_graphics_min", lowest}, {"locked_graphics_max", highest}};
    ENTER_DEVICE(device, lowest <= highest && highest > 0);
    result = session_uint("clock_graphics_max", slot, &limit);
    if (result == NVML_SUCCESS && lowest > limit)
        result = NVML_ERROR_INVALID_ARGUMENT;
    return session_leave(result ? result : change(slot, changes, 2));
}

NVML_API nvmlReturn_t nvmlDeviceResetGpuLockedClocks(nvmlDevice_t device)
{
    static const state_change_t changes[] = {{"locked_graphics_min", 0}, {"locked_graphics_max", 0}};
    ENTER_DEVICE(device, true);
    return session_leave(change(slot, changes, 2));
}

NVML_API nvmlReturn_t nvmlDeviceSetMemoryLockedClocks(nvmlDevice_t device, unsigned int lowest, unsigned int highest)
{
    unsigned int limit = 0;
    state_change_t changes[] = {{"locked_memory_min", lowest}, {"locked_memory_max", highest}};
    ENTER_DEVICE(device, lowest <= highest && highest > 0);
    result = session_uint("clock_memory_max", slot, &limit);
    if (result == NVML_SUCCESS && lowest > limit)
        result = NVML_ERROR_INVALID_ARGUMENT;
    return session_leave(result ? result : change(slot, changes, 2));
}

NVML_API nvmlReturn_t nvmlDeviceResetMemoryLockedClocks(nvmlDevice_t device)
{
    static const state_change_t changes[] = {{"locked_memory_min", 0}, {"locked_memory_max", 0}};
    ENTER_DEVICE(device, true);
    return session_leave(change(slot, changes, 2));
}

/* True when the comma-separated list of the state holds the number. */
static bool offered(const char *key, int slot, unsigned int wanted)
{
    const char *at = NULL;
    if (state_text(key, slot, &at) != NVML_SUCCESS)
        return false;
    for (; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strtoul(at, NULL, 10) == wanted)
            return true;
    }
    return false;
}

NVML_API nvmlReturn_t nvmlDeviceSetApplicationsClocks(nvmlDevice_t device, unsigned int memory, unsigned int graphics)
{
    unsigned int lowest = 0, highest = 0;
    state_change_t changes[] = {{"app_clock_memory", memory}, {"app_clock_graphics", graphics}};
    ENTER_DEVICE(device, true);
    result = supported("app_clock_graphics", slot);
    if (result == NVML_SUCCESS)
        result = session_uint("clock_graphics_min", slot, &lowest);
    if (result == NVML_SUCCESS)
        result = session_uint("clock_graphics_max", slot, &highest);
    if (result == NVML_SUCCESS && (!offered("clock_memory_supported", slot, memory) || graphics < lowest ||
                                   graphics > highest || (highest - graphics) % 15 != 0))
        result = NVML_ERROR_INVALID_ARGUMENT;
    return session_leave(result ? result : change(slot, changes, 2));
}

NVML_API nvmlReturn_t nvmlDeviceResetApplicationsClocks(nvmlDevice_t device)
{
    unsigned int memory = 0, graphics = 0;
    ENTER_DEVICE(device, true);
    result = session_uint("app_clock_memory_default", slot, &memory);
    if (result == NVML_SUCCESS)
        result = session_uint("app_clock_graphics_default", slot, &graphics);
    state_change_t changes[] = {{"app_clock_memory", memory}, {"app_clock_graphics", graphics}};
    return session_leave(result ? result : change(slot, changes, 2));
}
