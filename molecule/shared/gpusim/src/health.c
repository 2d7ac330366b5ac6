/* How a GPU is: ECC counters, remapped rows, retired pages, fabric. */
/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (c) 2026 aidc.ops contributors */

#include "health.h"

#include <stdio.h>
#include <string.h>

#include "session.h"

/* ---- ECC ---- */

nvmlReturn_t ecc_errors(int slot, bool uncorrected, bool aggregate, int places, unsigned long long *count)
{
    static const char *const names[] = {"dram", "sram"};
    unsigned long long mode = 0;
    nvmlReturn_t result = state_number("ecc_mode_current", slot, &mode);
    if (result == NVML_SUCCESS && mode == 0)
        result = NVML_ERROR_NOT_SUPPORTED;
    *count = 0;
    for (int place = 0; place < 2 && result == NVML_SUCCESS; place++) {
        char key[STATE_MAX_KEY];
        unsigned long long errors = 0;
        if ((places & (1 << place)) == 0)
            continue;
        snprintf(key, sizeof key, "ecc_%s_%s_%s", uncorrected ? "uncorrected" : "corrected",
                 aggregate ? "aggregate" : "volatile", names[place]);
        result = state_number(key, slot, &errors);
        *count += errors;
    }
    return result;
}

NVML_API nvmlReturn_t nvmlDeviceGetEccMode(nvmlDevice_t device, unsigned int *now, unsigned int *pending)
{
    ENTER_DEVICE(device, now != NULL && pending != NULL);
    result = session_uint("ecc_mode_current", slot, now);
    if (result == NVML_SUCCESS)
        result = session_uint("ecc_mode_pending", slot, pending);
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlDeviceGetDefaultEccMode(nvmlDevice_t device, unsigned int *mode)
{
    ENTER_DEVICE(device, mode != NULL);
    result = session_uint("ecc_mode_current", slot, mode);
    if (result == NVML_SUCCESS)
        *mode = 1; /* data-centre boards leave the factory with ECC on */
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, unsigned int type, unsigned int counter,
                                                  unsigned long long *count)
{
    ENTER_DEVICE(device, count != NULL && type < 2 && counter < 2);
    return session_leave(ecc_errors(slot, type == 1, counter == 1, ECC_ALL, count));
}

NVML_API nvmlReturn_t nvmlDeviceGetMemoryErrorCounter(nvmlDevice_t device, unsigned int type, unsigned int counter,
                                                      unsigned int location, unsigned long long *count)
{
    enum { LOCATION_DRAM = 2, LOCATION_SRAM = 7, LOCATIONS = 8 };
    ENTER_DEVICE(device, count != NULL && type < 2 && counter < 2 && location < LOCATIONS);
    if (location != LOCATION_DRAM && location != LOCATION_SRAM)
        return session_leave(NVML_ERROR_NOT_SUPPORTED); /* since Ampere the caches are counted as one SRAM */
    return session_leave(
        ecc_errors(slot, type == 1, counter == 1, location == LOCATION_DRAM ? ECC_DRAM : ECC_SRAM, count));
}

NVML_API nvmlReturn_t nvmlDeviceGetSramEccErrorStatus(nvmlDevice_t device, nvmlEccSramErrorStatus_v1_t *status)
{
    ENTER_DEVICE(device, status != NULL);
    if (status->version != NVML_STRUCT_VERSION(nvmlEccSramErrorStatus_v1_t, 1))
        return session_leave(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    unsigned int version = status->version;
    memset(status, 0, sizeof *status);
    status->version = version;
    result = ecc_errors(slot, true, true, ECC_SRAM, &status->aggregateUncSecDed);
    if (result == NVML_SUCCESS)
        result = ecc_errors(slot, true, false, ECC_SRAM, &status->volatileUncSecDed);
    if (result == NVML_SUCCESS)
        result = ecc_errors(slot, false, true, ECC_SRAM, &status->aggregateCor);
    if (result == NVML_SUCCESS)
        result = ecc_errors(slot, false, false, ECC_SRAM, &status->volatileCor);
    status->aggregateUncBucketSm = status->aggregateUncSecDed;
    status->bThresholdExceeded = state_number_or("ecc_sram_threshold_exceeded", slot, 0) != 0;
    return session_leave(result);
}

/* ---- remapped rows and retired pages ---- */

NVML_API nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned int *correctable,
                                                unsigned int *uncorrectable, unsigned int *pending,
                                                unsigned int *failure)
{
    ENTER_DEVICE(device, correctable != NULL && uncorrectable != NULL && pending != NULL && failure != NULL);
    result = session_uint("remapped_rows_correctable", slot, correctable);
    if (result == NVML_SUCCESS)
        result = session_uint("remapped_rows_uncorrectable", slot, uncorrectable);
    if (result == NVML_SUCCESS)
        result = session_uint("remapped_rows_pending", slot, pending);
    if (result == NVML_SUCCESS)
        result = session_uint("remapped_rows_failure", slot, failure);
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlDeviceGetRowRemapperHistogram(nvmlDevice_t device, nvmlRowRemapperHistogramValues_t *banks)
{
    const char *text = NULL;
    ENTER_DEVICE(device, banks != NULL);
    result = state_text("remap_banks", slot, &text);
    if (result == NVML_SUCCESS && sscanf(text, "%u,%u,%u,%u,%u", &banks->max, &banks->high, &banks->partial,
                                         &banks->low, &banks->none) != 5)
        result = NVML_ERROR_UNKNOWN;
    return session_leave(result);
}

UINT_GETTER(nvmlDeviceGetRetiredPagesPendingStatus, "retired_pages_pending")

NVML_API nvmlReturn_t nvmlDeviceGetRetiredPages(nvmlDevice_t device, unsigned int cause, unsigned int *count,
                                                unsigned long long *addresses)
{
    unsigned int pages = 0, room;
    ENTER_DEVICE(device, count != NULL && cause < 2);
    result = session_uint(cause == 0 ? "retired_pages_single" : "retired_pages_double", slot, &pages);
    if (result != NVML_SUCCESS)
        return session_leave(result);
    room = addresses == NULL ? 0 : *count;
    for (unsigned int i = 0; i < pages && i < room; i++)
        addresses[i] = 0x10000ULL * (i + 1);
    *count = pages;
    return session_leave(pages > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS);
}

/* ---- NVLink fabric (Hopper and later) ---- */

typedef struct {
    unsigned char uuid[16];
    nvmlReturn_t status;
    unsigned int clique, state;
} fabric_t;

static nvmlReturn_t fabric_of(int slot, fabric_t *fabric)
{
    memset(fabric, 0, sizeof *fabric); /* no cluster UUID: a node of its own */
    nvmlReturn_t result = session_uint("fabric_state", slot, &fabric->state);
    fabric->status = (nvmlReturn_t)state_number_or("fabric_status", slot, NVML_SUCCESS);
    fabric->clique = (unsigned int)state_number_or("fabric_clique", slot, 0);
    return result;
}

NVML_API nvmlReturn_t nvmlDeviceGetGpuFabricInfo(nvmlDevice_t device, nvmlGpuFabricInfo_t *info)
{
    fabric_t fabric;
    ENTER_DEVICE(device, info != NULL);
    result = fabric_of(slot, &fabric);
    if (result != NVML_SUCCESS)
        return session_leave(result);
    memcpy(info->clusterUuid, fabric.uuid, sizeof info->clusterUuid);
    info->status = fabric.status;
    info->cliqueId = fabric.clique;
    info->state = (unsigned char)fabric.state;
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlDeviceGetGpuFabricInfoV(nvmlDevice_t device, nvmlGpuFabricInfo_v2_t *info)
{
    fabric_t fabric;
    ENTER_DEVICE(device, info != NULL);
    bool third = info->version == NVML_STRUCT_VERSION(nvmlGpuFabricInfo_v3_t, 3);
    if (!third && info->version != NVML_STRUCT_VERSION(nvmlGpuFabricInfo_v2_t, 2))
        return session_leave(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    result = fabric_of(slot, &fabric);
    if (result != NVML_SUCCESS)
        return session_leave(result);
    memcpy(info->clusterUuid, fabric.uuid, sizeof info->clusterUuid);
    info->status = fabric.status;
    info->cliqueId = fabric.clique;
    info->state = (unsigned char)fabric.state;
    info->healthMask = 0;
    if (third)
        ((nvmlGpuFabricInfo_v3_t *)(void *)info)->healthSummary = 0;
    return session_leave(result);
}
