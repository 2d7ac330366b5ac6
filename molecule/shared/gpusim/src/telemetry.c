/* What a GPU does now: memory, utilisation, temperature, power, clocks, PCIe, settings. */
/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (c) 2026 aidc.ops contributors */

#include <stdlib.h>
#include <string.h>

#include "mig.h"
#include "session.h"

UINT_GETTER(nvmlDeviceGetPowerUsage, "power_usage")
UINT_GETTER(nvmlDeviceGetPowerManagementLimit, "power_limit")
UINT_GETTER(nvmlDeviceGetEnforcedPowerLimit, "power_limit")
UINT_GETTER(nvmlDeviceGetPowerManagementDefaultLimit, "power_limit_default")
UINT_GETTER(nvmlDeviceGetPowerManagementMode, "power_management")
UINT_GETTER(nvmlDeviceGetPerformanceState, "performance_state")
UINT_GETTER(nvmlDeviceGetPowerState, "performance_state")
UINT_GETTER(nvmlDeviceGetPersistenceMode, "persistence_mode")
UINT_GETTER(nvmlDeviceGetComputeMode, "compute_mode")
UINT_GETTER(nvmlDeviceGetAccountingMode, "accounting_mode")
UINT_GETTER(nvmlDeviceGetFanSpeed, "fan_speed")
UINT_GETTER(nvmlDeviceGetCurrPcieLinkGeneration, "pcie_generation")
UINT_GETTER(nvmlDeviceGetCurrPcieLinkWidth, "pcie_width")
UINT_GETTER(nvmlDeviceGetMaxPcieLinkGeneration, "pcie_generation_max")
UINT_GETTER(nvmlDeviceGetGpuMaxPcieLinkGeneration, "pcie_generation_max")
UINT_GETTER(nvmlDeviceGetMaxPcieLinkWidth, "pcie_width_max")
UINT_GETTER(nvmlDeviceGetPcieReplayCounter, "pcie_replay")
ULL_GETTER(nvmlDeviceGetTotalEnergyConsumption, "energy")
ULL_GETTER(nvmlDeviceGetCurrentClocksEventReasons, "clocks_event_reasons")
ULL_GETTER(nvmlDeviceGetCurrentClocksThrottleReasons, "clocks_event_reasons")
ULL_GETTER(nvmlDeviceGetSupportedClocksEventReasons, "clocks_event_reasons_supported")
ULL_GETTER(nvmlDeviceGetSupportedClocksThrottleReasons, "clocks_event_reasons_supported")

/* ---- memory ---- */

static nvmlReturn_t memory_of(int slot, nvmlMemory_v2_t *memory)
{
    nvmlReturn_t result = state_number("memory_total", slot, &memory->total);
    if (result == NVML_SUCCESS)
        result = state_number("memory_reserved", slot, &memory->reserved);
    if (result == NVML_SUCCESS)
        result = state_number("memory_used", slot, &memory->used);
    if (result == NVML_SUCCESS &&
        (memory->reserved > memory->total || memory->used > memory->total - memory->reserved))
        result = NVML_ERROR_UNKNOWN;
    if (result == NVML_SUCCESS)
        memory->free = memory->total - memory->reserved - memory->used;
    return result;
}

/* Nobody uses the memory of a MIG device here. */
static nvmlReturn_t memory_of_mig(int slot, int place, nvmlMemory_v2_t *memory)
{
    mig_device_t mig;
    nvmlReturn_t result = mig_device(slot, place, &mig);
    if (result == NVML_SUCCESS) {
        memory->total = memory->free = mig.memory;
        memory->reserved = memory->used = 0;
    }
    return result;
}

NVML_API nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
    nvmlMemory_v2_t all = {0};
    ENTER_GPU_OR_MIG(device, memory != NULL);
    result = place < 0 ? memory_of(slot, &all) : memory_of_mig(slot, place, &all);
    if (result == NVML_SUCCESS) /* the first version counts what the driver reserves as used */
        *memory = (nvmlMemory_t){all.total, all.free, all.used + all.reserved};
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
    ENTER_GPU_OR_MIG(device, memory != NULL);
    if (memory->version != NVML_STRUCT_VERSION(nvmlMemory_v2_t, 2))
        return session_leave(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    return session_leave(place < 0 ? memory_of(slot, memory) : memory_of_mig(slot, place, memory));
}

NVML_API nvmlReturn_t nvmlDeviceGetBAR1MemoryInfo(nvmlDevice_t device, nvmlBAR1Memory_t *memory)
{
    ENTER_DEVICE(device, memory != NULL);
    result = state_number("bar1_total", slot, &memory->bar1Total);
    memory->bar1Used = state_number_or("bar1_used", slot, 0);
    memory->bar1Free = memory->bar1Total - memory->bar1Used;
    return session_leave(result);
}

/* ---- utilisation ---- */

NVML_API nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization)
{
    ENTER_DEVICE(device, utilization != NULL);
    result = session_uint("utilization_gpu", slot, &utilization->gpu);
    if (result == NVML_SUCCESS)
        result = session_uint("utilization_memory", slot, &utilization->memory);
    return session_leave(result);
}

#define ENGINE_GETTER(name, key)                                                                     \
    NVML_API nvmlReturn_t name(nvmlDevice_t device, unsigned int *percent, unsigned int *period_us)   \
    {                                                                                                \
        ENTER_DEVICE(device, percent != NULL && period_us != NULL);                                  \
        *period_us = 100000;                                                                         \
        return session_leave(session_uint(key, slot, percent));                                      \
    }

ENGINE_GETTER(nvmlDeviceGetEncoderUtilization, "utilization_encoder")
ENGINE_GETTER(nvmlDeviceGetDecoderUtilization, "utilization_decoder")
ENGINE_GETTER(nvmlDeviceGetJpgUtilization, "utilization_jpeg")
ENGINE_GETTER(nvmlDeviceGetOfaUtilization, "utilization_ofa")

/* ---- temperature ---- */

NVML_API nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, unsigned int sensor, unsigned int *celsius)
{
    ENTER_DEVICE(device, celsius != NULL && sensor == 0); /* 0: the GPU's only sensor */
    return session_leave(session_uint("temperature_gpu", slot, celsius));
}

NVML_API nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_v1_t *temperature)
{
    unsigned int celsius = 0;
    ENTER_DEVICE(device, temperature != NULL && temperature->sensorType == 0);
    if (temperature->version != NVML_STRUCT_VERSION(nvmlTemperature_v1_t, 1))
        return session_leave(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    result = session_uint("temperature_gpu", slot, &celsius);
    if (result == NVML_SUCCESS)
        temperature->temperature = (int)celsius;
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlDeviceGetTemperatureThreshold(nvmlDevice_t device, unsigned int which, unsigned int *celsius)
{
    static const char *const keys[] = {"temperature_shutdown", "temperature_slowdown", "temperature_memory_max",
                                       "temperature_gpu_max"};
    ENTER_DEVICE(device, celsius != NULL && which < 8);
    if (which >= sizeof keys / sizeof *keys)
        return session_leave(NVML_ERROR_NOT_SUPPORTED); /* acoustic thresholds: only boards with a fan */
    return session_leave(session_uint(keys[which], slot, celsius));
}

NVML_API nvmlReturn_t nvmlDeviceGetMarginTemperature(nvmlDevice_t device, nvmlMarginTemperature_v1_t *margin)
{
    unsigned int now = 0, limit = 0;
    ENTER_DEVICE(device, margin != NULL);
    if (margin->version != NVML_STRUCT_VERSION(nvmlMarginTemperature_v1_t, 1))
        return session_leave(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    if (state_number_or("temperature_margin_supported", slot, 0) == 0)
        return session_leave(NVML_ERROR_NOT_SUPPORTED);
    result = session_uint("temperature_gpu", slot, &now);
    if (result == NVML_SUCCESS)
        result = session_uint("temperature_gpu_max", slot, &limit);
    margin->marginTemperature = (int)limit - (int)now;
    return session_leave(result);
}

/* ---- power ---- */

NVML_API nvmlReturn_t nvmlDeviceGetPowerManagementLimitConstraints(nvmlDevice_t device, unsigned int *lowest,
                                                                   unsigned int *highest)
{
    ENTER_DEVICE(device, lowest != NULL && highest != NULL);
    result = session_uint("power_limit_min", slot, lowest);
    if (result == NVML_SUCCESS)
        result = session_uint("power_limit_max", slot, highest);
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlDeviceGetViolationStatus(nvmlDevice_t device, unsigned int policy,
                                                   nvmlViolationTime_t *violation)
{
    static const char *const keys[] = {
        "violation_power",           "violation_thermal",     "violation_sync_boost", "violation_board_limit",
        "violation_low_utilization", "violation_reliability", NULL,                   NULL,
        NULL,                        NULL,                    "violation_app_clocks", "violation_base_clocks"};
    ENTER_DEVICE(device, violation != NULL && policy < sizeof keys / sizeof *keys && keys[policy] != NULL);
    violation->referenceTime = 0;
    return session_leave(state_number(keys[policy], slot, &violation->violationTime));
}

/* ---- clocks ---- */

enum { CLOCK_GRAPHICS, CLOCK_SM, CLOCK_MEMORY, CLOCK_VIDEO, CLOCK_KINDS };

/* A clock in MHz, held inside the range that a setter has locked it to. */
static nvmlReturn_t clock_now(int slot, unsigned int kind, unsigned int *mhz)
{
    static const char *const keys[] = {"clock_graphics", "clock_sm", "clock_memory", "clock_video"};
    bool memory = kind == CLOCK_MEMORY;
    nvmlReturn_t result = session_uint(keys[kind], slot, mhz);
    if (result != NVML_SUCCESS || kind == CLOCK_VIDEO)
        return result;
    unsigned long long low = state_number_or(memory ? "locked_memory_min" : "locked_graphics_min", slot, 0);
    unsigned long long high = state_number_or(memory ? "locked_memory_max" : "locked_graphics_max", slot, 0);
    if (high != 0 && *mhz < low)
        *mhz = (unsigned int)low;
    else if (high != 0 && *mhz > high)
        *mhz = (unsigned int)high;
    return result;
}

static nvmlReturn_t clock_max(int slot, unsigned int kind, unsigned int *mhz)
{
    static const char *const keys[] = {"clock_graphics_max", "clock_sm_max", "clock_memory_max", "clock_video_max"};
    return session_uint(keys[kind], slot, mhz);
}

static nvmlReturn_t clock_application(int slot, unsigned int kind, bool factory, unsigned int *mhz)
{
    if (kind == CLOCK_VIDEO)
        return NVML_ERROR_NOT_SUPPORTED;
    if (kind == CLOCK_MEMORY)
        return session_uint(factory ? "app_clock_memory_default" : "app_clock_memory", slot, mhz);
    return session_uint(factory ? "app_clock_graphics_default" : "app_clock_graphics", slot, mhz);
}

NVML_API nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, unsigned int kind, unsigned int *mhz)
{
    ENTER_DEVICE(device, mhz != NULL && kind < CLOCK_KINDS);
    return session_leave(clock_now(slot, kind, mhz));
}

NVML_API nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, unsigned int kind, unsigned int *mhz)
{
    ENTER_DEVICE(device, mhz != NULL && kind < CLOCK_KINDS);
    return session_leave(clock_max(slot, kind, mhz));
}

NVML_API nvmlReturn_t nvmlDeviceGetMaxCustomerBoostClock(nvmlDevice_t device, unsigned int kind, unsigned int *mhz)
{
    return nvmlDeviceGetMaxClockInfo(device, kind, mhz);
}

NVML_API nvmlReturn_t nvmlDeviceGetApplicationsClock(nvmlDevice_t device, unsigned int kind, unsigned int *mhz)
{
    ENTER_DEVICE(device, mhz != NULL && kind < CLOCK_KINDS);
    return session_leave(clock_application(slot, kind, false, mhz));
}

NVML_API nvmlReturn_t nvmlDeviceGetDefaultApplicationsClock(nvmlDevice_t device, unsigned int kind, unsigned int *mhz)
{
    ENTER_DEVICE(device, mhz != NULL && kind < CLOCK_KINDS);
    return session_leave(clock_application(slot, kind, true, mhz));
}

NVML_API nvmlReturn_t nvmlDeviceGetClock(nvmlDevice_t device, unsigned int kind, unsigned int which, unsigned int *mhz)
{
    ENTER_DEVICE(device, mhz != NULL && kind < CLOCK_KINDS && which < 4);
    switch (which) {
    case 0:
        return session_leave(clock_now(slot, kind, mhz));
    case 1:
        return session_leave(clock_application(slot, kind, false, mhz));
    case 2:
        return session_leave(clock_application(slot, kind, true, mhz));
    default:
        return session_leave(clock_max(slot, kind, mhz));
    }
}

NVML_API nvmlReturn_t nvmlDeviceGetSupportedMemoryClocks(nvmlDevice_t device, unsigned int *count, unsigned int *mhz)
{
    const char *list = NULL;
    unsigned int needed = 0, room;
    ENTER_DEVICE(device, count != NULL);
    result = state_text("clock_memory_supported", slot, &list);
    if (result != NVML_SUCCESS)
        return session_leave(result);
    room = mhz == NULL ? 0 : *count;
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (needed < room)
            mhz[needed] = (unsigned int)strtoul(at, NULL, 10);
        needed++;
    }
    *count = needed;
    return session_leave(needed > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS);
}

NVML_API nvmlReturn_t nvmlDeviceGetSupportedGraphicsClocks(nvmlDevice_t device, unsigned int memory_mhz,
                                                           unsigned int *count, unsigned int *mhz)
{
    enum { STEP = 15 }; /* MHz between two steps on all models of the table */
    unsigned int lowest = 0, highest = 0, needed, room;
    ENTER_DEVICE(device, count != NULL);
    (void)memory_mhz; /* every memory clock of our models goes with every graphics clock */
    result = session_uint("clock_graphics_min", slot, &lowest);
    if (result == NVML_SUCCESS)
        result = session_uint("clock_graphics_max", slot, &highest);
    if (result == NVML_SUCCESS && lowest > highest)
        result = NVML_ERROR_UNKNOWN;
    if (result != NVML_SUCCESS)
        return session_leave(result);
    needed = (highest - lowest) / STEP + 1;
    room = mhz == NULL ? 0 : *count;
    for (unsigned int i = 0; i < needed && i < room; i++)
        mhz[i] = highest - i * STEP;
    *count = needed;
    return session_leave(needed > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS);
}

/* ---- PCIe ---- */

NVML_API nvmlReturn_t nvmlDeviceGetPcieThroughput(nvmlDevice_t device, unsigned int counter, unsigned int *kb_per_second)
{
    ENTER_DEVICE(device, kb_per_second != NULL && counter < 2);
    return session_leave(session_uint(counter == 0 ? "pcie_tx" : "pcie_rx", slot, kb_per_second));
}
