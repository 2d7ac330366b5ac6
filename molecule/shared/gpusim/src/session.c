/* Initialisation, error texts, node-wide queries, and the way from an index, UUID, serial or PCI id to a handle. */
/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (c) 2026 aidc.ops contributors */

#define _GNU_SOURCE
#include "session.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "mig.h"

struct nvmlDevice_st {
    int slot;
};

static struct nvmlDevice_st handles[STATE_MAX_GPUS];
static struct nvmlDevice_st mig_handles[STATE_MAX_GPUS][MIG_MAX_DEVICES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int sessions;

nvmlReturn_t session_leave(nvmlReturn_t result)
{
    pthread_mutex_unlock(&lock);
    return result;
}

/* True when the comma-separated text holds the name. */
static bool listed(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; (at = strstr(at, name)) != NULL; at += length)
        if ((at == list || at[-1] == ',') && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

nvmlReturn_t session_enter(const char *function, bool arguments_ok)
{
    const char *missing = NULL;
    pthread_mutex_lock(&lock);
    if (sessions == 0)
        return session_leave(NVML_ERROR_UNINITIALIZED);
    nvmlReturn_t result = state_refresh();
    if (result != NVML_SUCCESS)
        return session_leave(result);
    if (state_text("functions_missing", STATE_NODE, &missing) == NVML_SUCCESS && listed(missing, function))
        return session_leave(NVML_ERROR_FUNCTION_NOT_FOUND);
    result = (nvmlReturn_t)state_number_or("error_call", STATE_NODE, NVML_SUCCESS);
    if (result == NVML_SUCCESS && !arguments_ok)
        result = NVML_ERROR_INVALID_ARGUMENT;
    return result == NVML_SUCCESS ? result : session_leave(result);
}

/* Slot and place of the handle of a MIG device; false: it is none. */
static bool find_mig(nvmlDevice_t device, int *slot, int *place)
{
    for (*slot = 0; *slot < STATE_MAX_GPUS; (*slot)++)
        for (*place = 0; *place < MIG_MAX_DEVICES; (*place)++)
            if (device == &mig_handles[*slot][*place])
                return true;
    *slot = *place = -1;
    return false;
}

nvmlReturn_t session_enter_gpu_or_mig(const char *function, nvmlDevice_t device, bool arguments_ok, int *slot,
                                      int *place)
{
    nvmlReturn_t result = session_enter(function, arguments_ok);
    if (result != NVML_SUCCESS)
        return result;
    if (!find_mig(device, slot, place))
        *slot = session_slot(device);
    if (*slot < 0 || *slot >= state_slots())
        return session_leave(NVML_ERROR_INVALID_ARGUMENT);
    if (session_lost(*slot))
        return session_leave(NVML_ERROR_GPU_IS_LOST);
    result = (nvmlReturn_t)state_number_or("error_query", *slot, NVML_SUCCESS);
    return result == NVML_SUCCESS ? result : session_leave(result);
}

nvmlReturn_t session_enter_device(const char *function, nvmlDevice_t device, bool arguments_ok, int *slot)
{
    int place = -1;
    nvmlReturn_t result = session_enter_gpu_or_mig(function, device, arguments_ok, slot, &place);
    if (result == NVML_SUCCESS && place >= 0)
        result = session_leave(NVML_ERROR_INVALID_ARGUMENT); /* a call for whole GPUs only */
    return result;
}

nvmlDevice_t session_mig_handle(int slot, int place)
{
    mig_handles[slot][place].slot = slot;
    return &mig_handles[slot][place];
}

nvmlDevice_t session_handle(int slot)
{
    handles[slot].slot = slot;
    return &handles[slot];
}

int session_slot(nvmlDevice_t device)
{
    for (int slot = 0; slot < STATE_MAX_GPUS; slot++)
        if (device == &handles[slot])
            return slot;
    return -1;
}

static bool missing_since_boot(int slot)
{
    return state_number_or("missing", slot, 0) != 0;
}

bool session_lost(int slot)
{
    return state_number_or("lost", slot, 0) != 0 || missing_since_boot(slot);
}

nvmlReturn_t session_put_text(char *target, unsigned int size, const char *text)
{
    size_t needed = strlen(text) + 1;
    if (needed > size)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    memcpy(target, text, needed);
    return NVML_SUCCESS;
}

nvmlReturn_t session_uint(const char *key, int slot, unsigned int *value)
{
    unsigned long long number = 0;
    nvmlReturn_t result = state_number(key, slot, &number);
    if (result != NVML_SUCCESS)
        return result;
    if (number > UINT_MAX)
        return NVML_ERROR_UNKNOWN;
    *value = (unsigned int)number;
    return NVML_SUCCESS;
}

/* ---- start and end ---- */

NVML_API nvmlReturn_t nvmlInitWithFlags(unsigned int flags)
{
    (void)flags; /* NO_GPUS and NO_ATTACH change nothing here: nothing is attached */
    pthread_mutex_lock(&lock);
    nvmlReturn_t result = state_refresh();
    if (result == NVML_SUCCESS)
        result = (nvmlReturn_t)state_number_or("error_init", STATE_NODE, NVML_SUCCESS);
    if (result == NVML_SUCCESS)
        sessions++;
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlInit_v2(void)
{
    return nvmlInitWithFlags(0);
}

NVML_API nvmlReturn_t nvmlInit(void)
{
    return nvmlInitWithFlags(0);
}

NVML_API nvmlReturn_t nvmlShutdown(void)
{
    pthread_mutex_lock(&lock);
    nvmlReturn_t result = sessions > 0 ? NVML_SUCCESS : NVML_ERROR_UNINITIALIZED;
    if (sessions > 0)
        sessions--;
    return session_leave(result);
}

NVML_API const char *nvmlErrorString(nvmlReturn_t result)
{
    static const struct {
        nvmlReturn_t code;
        const char *text;
    } texts[] = {
        {0, "Success"},
        {1, "Uninitialized"},
        {2, "Invalid Argument"},
        {3, "Not Supported"},
        {4, "Insufficient Permissions"},
        {5, "Already Initialized"},
        {6, "Not Found"},
        {7, "Insufficient Size"},
        {8, "Insufficient External Power"},
        {9, "Driver Not Loaded"},
        {10, "Timeout"},
        {11, "Interrupt Request Issue"},
        {12, "NVML Shared Library Not Found"},
        {13, "Function Not Found"},
        {14, "Corrupted infoROM"},
        {15, "GPU is lost"},
        {16, "GPU requires reset"},
        {17, "The operating system has blocked the request"},
        {18, "Driver/library version mismatch"},
        {19, "In use by another client"},
        {20, "Insufficient Memory"},
        {21, "No data"},
        {23, "Insufficient Resources"},
        {25, "Argument version mismatch"},
        {26, "Deprecated"},
        {27, "Not Ready"},
        {28, "GPU not found"},
        {29, "Invalid State"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].code == result)
            return texts[i].text;
    return "Unknown Error";
}

/* ---- the node ---- */

static nvmlReturn_t node_text(const char *function, const char *key, char *text, unsigned int size)
{
    const char *found = NULL;
    nvmlReturn_t result = session_enter(function, text != NULL);
    if (result != NVML_SUCCESS)
        return result;
    result = state_text(key, STATE_NODE, &found);
    return session_leave(result ? result : session_put_text(text, size, found));
}

NVML_API nvmlReturn_t nvmlSystemGetDriverVersion(char *text, unsigned int size)
{
    return node_text(__func__, "driver_version", text, size);
}

NVML_API nvmlReturn_t nvmlSystemGetNVMLVersion(char *text, unsigned int size)
{
    return node_text(__func__, "nvml_version", text, size);
}

NVML_API nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version)
{
    unsigned int number = 0;
    ENTER_NODE(version != NULL);
    result = session_uint("cuda_version", STATE_NODE, &number);
    if (result == NVML_SUCCESS)
        *version = (int)number;
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version)
{
    return nvmlSystemGetCudaDriverVersion(version);
}

/* ---- handles ---- */

/* GPUs that the driver found at boot: a lost one still counts, one that was missing at boot does not. */
static unsigned int visible_count(void)
{
    unsigned int count = 0;
    for (int slot = 0; slot < state_slots(); slot++)
        count += !missing_since_boot(slot);
    return count;
}

static unsigned int index_of(int wanted)
{
    unsigned int index = 0;
    for (int slot = 0; slot < wanted; slot++)
        index += !missing_since_boot(slot);
    return index;
}

static int slot_of(unsigned int index)
{
    for (int slot = 0; slot < state_slots(); slot++)
        if (!missing_since_boot(slot) && index-- == 0)
            return slot;
    return -1;
}

static nvmlReturn_t open_slot(int slot, nvmlDevice_t *device)
{
    if (session_lost(slot))
        return NVML_ERROR_GPU_IS_LOST;
    nvmlReturn_t result = (nvmlReturn_t)state_number_or("error_handle", slot, NVML_SUCCESS);
    if (result == NVML_SUCCESS)
        *device = session_handle(slot);
    return result;
}

NVML_API nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count)
{
    ENTER_NODE(count != NULL);
    *count = visible_count();
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlDeviceGetCount(unsigned int *count)
{
    return nvmlDeviceGetCount_v2(count);
}

NVML_API nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
    ENTER_NODE(device != NULL);
    int slot = slot_of(index);
    return session_leave(slot < 0 ? NVML_ERROR_INVALID_ARGUMENT : open_slot(slot, device));
}

NVML_API nvmlReturn_t nvmlDeviceGetHandleByIndex(unsigned int index, nvmlDevice_t *device)
{
    return nvmlDeviceGetHandleByIndex_v2(index, device);
}

/* The MIG device with this UUID; NOT_FOUND: there is none. */
static nvmlReturn_t open_mig(const char *uuid, nvmlDevice_t *device)
{
    mig_device_t mig;
    for (int slot = 0; slot < state_slots(); slot++)
        for (int place = 0; !session_lost(slot) && mig_device(slot, place, &mig) == NVML_SUCCESS; place++)
            if (strcmp(mig.uuid, uuid) == 0) {
                *device = session_mig_handle(slot, place);
                return NVML_SUCCESS;
            }
    return NVML_ERROR_NOT_FOUND;
}

static nvmlReturn_t open_by_text(const char *key, const char *wanted, nvmlDevice_t *device)
{
    bool any_lost = false;
    for (int slot = 0; slot < state_slots(); slot++) {
        const char *text = NULL;
        if (missing_since_boot(slot))
            continue;
        any_lost = any_lost || session_lost(slot);
        if (state_text(key, slot, &text) == NVML_SUCCESS && strcmp(text, wanted) == 0)
            return open_slot(slot, device);
    }
    return any_lost ? NVML_ERROR_GPU_IS_LOST : NVML_ERROR_NOT_FOUND; /* a lost GPU cannot be asked for its name */
}

NVML_API nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device)
{
    ENTER_NODE(uuid != NULL && device != NULL);
    if (open_mig(uuid, device) == NVML_SUCCESS)
        return session_leave(NVML_SUCCESS);
    return session_leave(open_by_text("uuid", uuid, device));
}

NVML_API nvmlReturn_t nvmlDeviceGetHandleBySerial(const char *serial, nvmlDevice_t *device)
{
    ENTER_NODE(serial != NULL && device != NULL);
    return session_leave(open_by_text("serial", serial, device));
}

NVML_API nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, nvmlDevice_t *device)
{
    unsigned int domain, bus, unit, has_domain, has_bus, has_unit;
    ENTER_NODE(bus_id != NULL && device != NULL);
    bool whole = sscanf(bus_id, "%x:%x:%x", &domain, &bus, &unit) == 3;
    if (!whole) {
        domain = 0; /* the domain may be left out */
        if (sscanf(bus_id, "%x:%x", &bus, &unit) != 2)
            return session_leave(NVML_ERROR_INVALID_ARGUMENT);
    }
    for (int slot = 0; slot < state_slots(); slot++) {
        const char *text = NULL;
        if (!missing_since_boot(slot) && state_text("bus_id", slot, &text) == NVML_SUCCESS &&
            sscanf(text, "%x:%x:%x", &has_domain, &has_bus, &has_unit) == 3 && has_domain == domain &&
            has_bus == bus && has_unit == unit)
            return session_leave(open_slot(slot, device));
    }
    return session_leave(NVML_ERROR_NOT_FOUND);
}

NVML_API nvmlReturn_t nvmlDeviceGetHandleByPciBusId(const char *bus_id, nvmlDevice_t *device)
{
    return nvmlDeviceGetHandleByPciBusId_v2(bus_id, device);
}

/* The one query that a lost GPU still answers: DCGM needs it to tell whose XID 79 it was, and does report that XID. */
NVML_API nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int *index)
{
    ENTER_NODE(index != NULL);
    int slot = session_slot(device);
    if (slot < 0 || slot >= state_slots() || missing_since_boot(slot))
        return session_leave(NVML_ERROR_INVALID_ARGUMENT);
    *index = index_of(slot);
    return session_leave(result);
}

/* Not part of NVML: the stand-in of nvidia-smi names a lost GPU by its PCI id, as the real one does, and resets a slot. */
NVML_API nvmlReturn_t gpusimSlotByIndex(unsigned int index, unsigned int *slot, char *bus_id, unsigned int size)
{
    const char *found = NULL;
    ENTER_NODE(slot != NULL && bus_id != NULL);
    int number = slot_of(index);
    if (number < 0)
        return session_leave(NVML_ERROR_INVALID_ARGUMENT);
    *slot = (unsigned int)number;
    result = state_text("bus_id", number, &found);
    return session_leave(result ? result : session_put_text(bus_id, size, found));
}
