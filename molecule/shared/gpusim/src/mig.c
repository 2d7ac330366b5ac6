/* MIG: the mode, and the instances from the state's list "gpu instance:compute instance:profile:bytes:uuid,...". */
/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (c) 2026 aidc.ops contributors */

#include "mig.h"

#include <stdio.h>
#include <string.h>

#include "session.h"

/* One entry of the list; false: it is malformed. */
static bool parse_device(const char *at, size_t length, mig_device_t *mig)
{
    char entry[256];
    int end = 0;
    if (length >= sizeof entry)
        return false;
    memcpy(entry, at, length);
    entry[length] = '\0';
    return strspn(entry, "0123456789") > 0 &&
           sscanf(entry, "%u:%u:%31[^:]:%llu:%79[^:]%n", &mig->gpu_instance, &mig->compute_instance, mig->profile,
                  &mig->memory, mig->uuid, &end) == 5 &&
           entry[end] == '\0';
}

nvmlReturn_t mig_device(int slot, int place, mig_device_t *mig)
{
    const char *at = NULL;
    unsigned long long mode = 0;
    nvmlReturn_t result = state_number("mig_mode_current", slot, &mode);
    if (result == NVML_SUCCESS && mode == 0)
        result = NVML_ERROR_NOT_FOUND;
    if (result == NVML_SUCCESS)
        result = state_text("mig_devices", slot, &at);
    if (result != NVML_SUCCESS)
        return result == NVML_ERROR_NOT_SUPPORTED ? NVML_ERROR_NOT_FOUND : result; /* no list: no devices */
    if (strcmp(at, "0") == 0)
        return NVML_ERROR_NOT_FOUND; /* what a setter leaves, which writes numbers only */
    for (int number = 0; *at != '\0' && number < MIG_MAX_DEVICES; number++) {
        size_t length = strcspn(at, ",");
        if (!parse_device(at, length, mig))
            return NVML_ERROR_UNKNOWN;
        if (number == place)
            return NVML_SUCCESS;
        at += length + (at[length] == ',');
    }
    return NVML_ERROR_NOT_FOUND;
}

NVML_API nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *now, unsigned int *pending)
{
    ENTER_DEVICE(device, now != NULL && pending != NULL);
    result = session_uint("mig_mode_current", slot, now);
    if (result == NVML_SUCCESS)
        result = session_uint("mig_mode_pending", slot, pending);
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned int *count)
{
    unsigned int mode = 0;
    ENTER_DEVICE(device, count != NULL);
    *count = session_uint("mig_mode_current", slot, &mode) == NVML_SUCCESS && mode == 1 ? MIG_MAX_DEVICES : 0;
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned int index, nvmlDevice_t *found)
{
    mig_device_t mig;
    ENTER_DEVICE(device, found != NULL && index < MIG_MAX_DEVICES);
    result = mig_device(slot, (int)index, &mig);
    if (result == NVML_SUCCESS)
        *found = session_mig_handle(slot, (int)index);
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t device, nvmlDevice_t *found)
{
    ENTER_GPU_OR_MIG(device, found != NULL);
    if (place < 0)
        return session_leave(NVML_ERROR_INVALID_ARGUMENT);
    *found = session_handle(slot);
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned int *is_mig)
{
    ENTER_GPU_OR_MIG(device, is_mig != NULL);
    *is_mig = place >= 0;
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t device, unsigned int *id)
{
    mig_device_t mig;
    ENTER_GPU_OR_MIG(device, id != NULL);
    result = place < 0 ? NVML_ERROR_NOT_SUPPORTED : mig_device(slot, place, &mig);
    if (result == NVML_SUCCESS)
        *id = mig.gpu_instance;
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlDeviceGetComputeInstanceId(nvmlDevice_t device, unsigned int *id)
{
    mig_device_t mig;
    ENTER_GPU_OR_MIG(device, id != NULL);
    result = place < 0 ? NVML_ERROR_NOT_SUPPORTED : mig_device(slot, place, &mig);
    if (result == NVML_SUCCESS)
        *id = mig.compute_instance;
    return session_leave(result);
}

/* How many slices of the GPU a MIG device has: the number before the "g" of its profile. */
NVML_API nvmlReturn_t nvmlDeviceGetAttributes_v2(nvmlDevice_t device, nvmlDeviceAttributes_t *attributes)
{
    mig_device_t mig;
    unsigned int slices = 0, compute = 0;
    ENTER_GPU_OR_MIG(device, attributes != NULL);
    result = place < 0 ? NVML_ERROR_NOT_SUPPORTED : mig_device(slot, place, &mig);
    if (result != NVML_SUCCESS)
        return session_leave(result);
    if (sscanf(mig.profile, "%uc.%ug.", &compute, &slices) != 2) {
        if (sscanf(mig.profile, "%ug.", &slices) != 1)
            return session_leave(NVML_ERROR_UNKNOWN);
        compute = slices;
    }
    memset(attributes, 0, sizeof *attributes);
    attributes->gpuInstanceSliceCount = slices;
    attributes->computeInstanceSliceCount = compute;
    attributes->memorySizeMB = mig.memory >> 20;
    return session_leave(result);
}
