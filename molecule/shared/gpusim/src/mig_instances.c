/* GPU instances and compute instances: made, listed and destroyed. */
/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (c) 2026 aidc.ops contributors */
/* The state has two lists: mig_instances "gpu instance:slices:first eighth,..." and mig_devices, whose entries are the
 * compute instances (see mig.c). A compute instance is always as large as its GPU instance. */

#include <stdio.h>
#include <string.h>

#include "mig.h"
#include "processes.h"
#include "session.h"

enum { MAX_ID = 15, EIGHTHS = 8, LIST = 2048 };

struct nvmlGpuInstance_st {
    int slot;
    unsigned int id;
};

struct nvmlComputeInstance_st {
    int slot;
    unsigned int gpu_instance;
};

static struct nvmlGpuInstance_st gpu_handles[STATE_MAX_GPUS][MAX_ID + 1];
static struct nvmlComputeInstance_st compute_handles[STATE_MAX_GPUS][MAX_ID + 1];

/* By NVML's number of the profile. `id` is what nvidia-smi prints, and what creates an instance. */
typedef struct {
    unsigned int id, slices, eighths, places, starts[7];
} profile_t;

static const profile_t profiles[] = {
    {19, 1, 1, 7, {0, 1, 2, 3, 4, 5, 6}}, {14, 2, 2, 3, {0, 2, 4}}, {9, 3, 4, 2, {0, 4}},
    {5, 4, 4, 1, {0}},                    {0, 7, 8, 1, {0}},
};

enum { PROFILES = sizeof profiles / sizeof *profiles };

typedef struct {
    unsigned int id, slices, start;
} instance_t;

static const profile_t *profile_by_id(unsigned int id)
{
    for (int number = 0; number < PROFILES; number++)
        if (profiles[number].id == id)
            return &profiles[number];
    return NULL;
}

static const profile_t *profile_by_slices(unsigned int slices)
{
    for (int number = 0; number < PROFILES; number++)
        if (profiles[number].slices == slices)
            return &profiles[number];
    return NULL;
}

/* The GPU instances of a GPU. UNKNOWN: the state's list is malformed. */
static nvmlReturn_t instances_of(int slot, instance_t *list, unsigned int *count)
{
    const char *at = NULL;
    *count = 0;
    nvmlReturn_t result = state_text("mig_instances", slot, &at);
    if (result == NVML_ERROR_NOT_SUPPORTED || (result == NVML_SUCCESS && strcmp(at, "0") == 0))
        return NVML_SUCCESS; /* no list, or what a setter leaves, which writes numbers only */
    if (result != NVML_SUCCESS)
        return result;
    while (*at != '\0') {
        instance_t *one = &list[*count];
        int end = 0;
        if (*count == MIG_MAX_DEVICES || *at < '0' || *at > '9' ||
            sscanf(at, "%u:%u:%u%n", &one->id, &one->slices, &one->start, &end) != 3 || one->id > MAX_ID ||
            one->start >= EIGHTHS || profile_by_slices(one->slices) == NULL || (at[end] != ',' && at[end] != '\0'))
            return NVML_ERROR_UNKNOWN;
        (*count)++;
        at += end + (at[end] == ',');
    }
    return NVML_SUCCESS;
}

/* Enter a call on a GPU in MIG mode. */
static nvmlReturn_t enter_divided(const char *function, nvmlDevice_t device, bool arguments_ok, int *slot)
{
    unsigned int mode = 0;
    nvmlReturn_t result = session_enter_device(function, device, arguments_ok, slot);
    if (result != NVML_SUCCESS)
        return result;
    result = session_uint("mig_mode_current", *slot, &mode);
    if (result == NVML_SUCCESS && mode == 0)
        result = NVML_ERROR_NOT_SUPPORTED;
    return result == NVML_SUCCESS ? result : session_leave(result);
}

/* Enter a call on one GPU instance that still is there. */
static nvmlReturn_t enter_instance(const char *function, int slot, unsigned int id, bool arguments_ok, instance_t *found)
{
    instance_t list[MIG_MAX_DEVICES];
    unsigned int count = 0;
    nvmlReturn_t result = enter_divided(function, session_handle(slot), arguments_ok, &slot);
    if (result != NVML_SUCCESS)
        return result;
    result = instances_of(slot, list, &count);
    for (unsigned int i = 0; i < count && result == NVML_SUCCESS; i++)
        if (list[i].id == id) {
            *found = list[i];
            return NVML_SUCCESS;
        }
    return session_leave(result ? result : NVML_ERROR_NOT_FOUND);
}

/* The same by handle. A handle that is none of ours is an invalid argument. */
static nvmlReturn_t enter_gpu_instance(const char *function, nvmlGpuInstance_t handle, bool arguments_ok,
                                       instance_t *found)
{
    for (int slot = 0; slot < STATE_MAX_GPUS; slot++)
        for (unsigned int id = 0; id <= MAX_ID; id++)
            if (handle == &gpu_handles[slot][id])
                return enter_instance(function, slot, id, arguments_ok, found);
    return NVML_ERROR_INVALID_ARGUMENT;
}

/* The MIG device (its compute instance) of a GPU instance, and its place; NOT_FOUND: it has none. */
static nvmlReturn_t device_of(int slot, unsigned int id, mig_device_t *mig, int *place)
{
    nvmlReturn_t result = NVML_SUCCESS;
    for (*place = 0; (result = mig_device(slot, *place, mig)) == NVML_SUCCESS; (*place)++)
        if (mig->gpu_instance == id)
            return NVML_SUCCESS;
    return result;
}

static nvmlReturn_t enter_compute(const char *function, nvmlComputeInstance_t handle, bool arguments_ok, int *slot,
                                  mig_device_t *mig, int *place)
{
    instance_t instance;
    for (*slot = 0; *slot < STATE_MAX_GPUS; (*slot)++)
        for (unsigned int id = 0; id <= MAX_ID; id++)
            if (handle == &compute_handles[*slot][id]) {
                nvmlReturn_t result = enter_instance(function, *slot, id, arguments_ok, &instance);
                if (result != NVML_SUCCESS)
                    return result;
                result = device_of(*slot, id, mig, place);
                return result == NVML_SUCCESS ? result : session_leave(result);
            }
    return NVML_ERROR_INVALID_ARGUMENT;
}

static nvmlGpuInstance_t gpu_handle(int slot, unsigned int id)
{
    gpu_handles[slot][id] = (struct nvmlGpuInstance_st){slot, id};
    return &gpu_handles[slot][id];
}

static nvmlComputeInstance_t compute_handle(int slot, unsigned int id)
{
    compute_handles[slot][id] = (struct nvmlComputeInstance_st){slot, id};
    return &compute_handles[slot][id];
}

/* Name (3g.40gb) and bytes of a profile: the model's memory in eighths. */
static nvmlReturn_t describe(int slot, const profile_t *profile, char *name, size_t size, unsigned long long *bytes)
{
    unsigned long long total = 0, reserved = 0;
    nvmlReturn_t result = state_number("memory_total", slot, &total);
    if (result == NVML_SUCCESS)
        result = state_number("memory_reserved", slot, &reserved);
    if (result != NVML_SUCCESS)
        return result;
    *bytes = (total - reserved) * profile->eighths / EIGHTHS >> 20 << 20;
    double gigabytes = (double)total / (1 << 30) * profile->eighths / EIGHTHS;
    snprintf(name, size, "%ug.%ugb", profile->slices, (unsigned int)(gigabytes + 0.5));
    return NVML_SUCCESS;
}

/* Write both lists, unless the state says that setters are refused. */
static nvmlReturn_t write_lists(int slot, const instance_t *list, unsigned int count, const char *devices)
{
    char instances[LIST] = "";
    size_t length = 0;
    nvmlReturn_t refused = (nvmlReturn_t)state_number_or("error_set", STATE_NODE, NVML_SUCCESS);
    for (unsigned int i = 0; i < count; i++)
        length += (size_t)snprintf(instances + length, sizeof instances - length, "%s%u:%u:%u", i > 0 ? "," : "",
                                   list[i].id, list[i].slices, list[i].start);
    state_text_change_t changes[] = {{"mig_instances", count > 0 ? instances : "0"},
                                     {"mig_devices", *devices != '\0' ? devices : "0"}};
    return refused != NVML_SUCCESS ? refused : state_change_texts(slot, changes, 2);
}

/* The list of MIG devices without the one at a place (-1: all of them). */
static nvmlReturn_t devices_text(int slot, int without, char *text, size_t size)
{
    mig_device_t mig;
    size_t length = 0;
    nvmlReturn_t result = NVML_SUCCESS;
    text[0] = '\0';
    for (int place = 0; (result = mig_device(slot, place, &mig)) == NVML_SUCCESS; place++)
        if (place != without)
            length += (size_t)snprintf(text + length, size - length, "%s%u:%u:%s:%llu:%s", length > 0 ? "," : "",
                                       mig.gpu_instance, mig.compute_instance, mig.profile, mig.memory, mig.uuid);
    return result == NVML_ERROR_NOT_FOUND ? NVML_SUCCESS : result;
}

/* ---- profiles ---- */

static nvmlReturn_t gpu_profile(const char *function, nvmlDevice_t device, unsigned int number, bool arguments_ok,
                                nvmlGpuInstanceProfileInfo_v2_t *info)
{
    char name[32];
    unsigned long long mode = 0, bytes = 0;
    int slot = -1;
    nvmlReturn_t result = session_enter_device(function, device, arguments_ok, &slot);
    if (result != NVML_SUCCESS)
        return result;
    result = state_number("mig_mode_current", slot, &mode);
    if (result == NVML_SUCCESS && number >= PROFILES)
        result = NVML_ERROR_NOT_SUPPORTED;
    if (result == NVML_SUCCESS)
        result = describe(slot, &profiles[number], name, sizeof name, &bytes);
    if (result == NVML_SUCCESS) {
        memset(info, 0, sizeof *info);
        info->id = profiles[number].id;
        info->sliceCount = profiles[number].slices;
        info->instanceCount = profiles[number].places;
        info->memorySizeMB = bytes >> 20;
        snprintf(info->name, sizeof info->name, "MIG %s", name);
    }
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfo(nvmlDevice_t device, unsigned int number,
                                                          nvmlGpuInstanceProfileInfo_t *info)
{
    nvmlGpuInstanceProfileInfo_v2_t whole;
    nvmlReturn_t result = gpu_profile(__func__, device, number, info != NULL, &whole);
    if (result == NVML_SUCCESS)
        *info = (nvmlGpuInstanceProfileInfo_t){.id = whole.id,
                                               .sliceCount = whole.sliceCount,
                                               .instanceCount = whole.instanceCount,
                                               .memorySizeMB = whole.memorySizeMB};
    return result;
}

NVML_API nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfoV(nvmlDevice_t device, unsigned int number,
                                                           nvmlGpuInstanceProfileInfo_v2_t *info)
{
    nvmlGpuInstanceProfileInfo_v2_t whole;
    if (info != NULL && info->version != NVML_STRUCT_VERSION(nvmlGpuInstanceProfileInfo_v2_t, 2))
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    nvmlReturn_t result = gpu_profile(__func__, device, number, info != NULL, &whole);
    if (result == NVML_SUCCESS) {
        whole.version = info->version;
        *info = whole;
    }
    return result;
}

NVML_API nvmlReturn_t nvmlDeviceGetGpuInstancePossiblePlacements_v2(nvmlDevice_t device, unsigned int id,
                                                                    nvmlInstancePlacement_t *placements,
                                                                    unsigned int *count)
{
    int slot = -1;
    const profile_t *profile = profile_by_id(id);
    nvmlReturn_t result = enter_divided(__func__, device, count != NULL, &slot);
    if (result != NVML_SUCCESS)
        return result;
    if (profile == NULL)
        return session_leave(NVML_ERROR_NOT_SUPPORTED);
    *count = profile->places;
    for (unsigned int i = 0; placements != NULL && i < profile->places; i++)
        placements[i] = (nvmlInstancePlacement_t){profile->starts[i], profile->eighths};
    return session_leave(result);
}

/* ---- GPU instances ---- */

static bool is_free(const instance_t *list, unsigned int count, unsigned int start, unsigned int eighths)
{
    for (unsigned int i = 0; i < count; i++)
        if (start < list[i].start + profile_by_slices(list[i].slices)->eighths && list[i].start < start + eighths)
            return false;
    return true;
}

/* Create at the wanted eighth, or (NULL) at the first free one. */
static nvmlReturn_t create(const char *function, nvmlDevice_t device, unsigned int profile_id,
                           const nvmlInstancePlacement_t *wanted, nvmlGpuInstance_t *made)
{
    instance_t list[MIG_MAX_DEVICES + 1];
    char devices[LIST];
    unsigned int count = 0, id = 1, place = 0;
    int slot = -1;
    const profile_t *profile = profile_by_id(profile_id);
    nvmlReturn_t result = enter_divided(function, device, made != NULL, &slot);
    if (result != NVML_SUCCESS)
        return result;
    if (profile == NULL)
        return session_leave(NVML_ERROR_NOT_SUPPORTED);
    result = instances_of(slot, list, &count);
    if (result == NVML_SUCCESS)
        result = devices_text(slot, -1, devices, sizeof devices);
    if (result != NVML_SUCCESS)
        return session_leave(result);
    while (place < profile->places && ((wanted != NULL && profile->starts[place] != wanted->start) ||
                                       !is_free(list, count, profile->starts[place], profile->eighths)))
        place++;
    if (wanted != NULL && wanted->size != profile->eighths)
        return session_leave(NVML_ERROR_INVALID_ARGUMENT);
    if (place == profile->places || count == MIG_MAX_DEVICES)
        return session_leave(NVML_ERROR_INSUFFICIENT_RESOURCES);
    for (unsigned int i = 0; i < count; i++)
        if (list[i].id == id) {
            id++;
            i = (unsigned int)-1; /* look again from the first */
        }
    list[count] = (instance_t){id, profile->slices, profile->starts[place]};
    result = write_lists(slot, list, count + 1, devices);
    if (result == NVML_SUCCESS)
        *made = gpu_handle(slot, id);
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlDeviceCreateGpuInstance(nvmlDevice_t device, unsigned int profile_id, nvmlGpuInstance_t *made)
{
    return create(__func__, device, profile_id, NULL, made);
}

NVML_API nvmlReturn_t nvmlDeviceCreateGpuInstanceWithPlacement(nvmlDevice_t device, unsigned int profile_id,
                                                               const nvmlInstancePlacement_t *wanted,
                                                               nvmlGpuInstance_t *made)
{
    return wanted == NULL ? NVML_ERROR_INVALID_ARGUMENT : create(__func__, device, profile_id, wanted, made);
}

NVML_API nvmlReturn_t nvmlDeviceGetGpuInstances(nvmlDevice_t device, unsigned int profile_id, nvmlGpuInstance_t *array,
                                                unsigned int *count)
{
    instance_t list[MIG_MAX_DEVICES];
    unsigned int all = 0;
    int slot = -1;
    const profile_t *profile = profile_by_id(profile_id);
    nvmlReturn_t result = enter_divided(__func__, device, array != NULL && count != NULL, &slot);
    if (result != NVML_SUCCESS)
        return result;
    result = profile == NULL ? NVML_ERROR_NOT_SUPPORTED : instances_of(slot, list, &all);
    *count = 0;
    for (unsigned int i = 0; i < all && result == NVML_SUCCESS; i++)
        if (list[i].slices == profile->slices)
            array[(*count)++] = gpu_handle(slot, list[i].id);
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlDeviceGetGpuInstanceById(nvmlDevice_t device, unsigned int id, nvmlGpuInstance_t *found)
{
    instance_t instance;
    int slot = session_slot(device);
    if (slot < 0)
        return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t result = enter_instance(__func__, slot, id, found != NULL, &instance);
    if (result != NVML_SUCCESS)
        return result;
    *found = gpu_handle(slot, id);
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlGpuInstanceGetInfo(nvmlGpuInstance_t handle, nvmlGpuInstanceInfo_t *info)
{
    instance_t instance;
    nvmlReturn_t result = enter_gpu_instance(__func__, handle, info != NULL, &instance);
    if (result != NVML_SUCCESS)
        return result;
    const profile_t *profile = profile_by_slices(instance.slices);
    *info = (nvmlGpuInstanceInfo_t){session_handle(handle->slot), instance.id, profile->id,
                                    {instance.start, profile->eighths}};
    return session_leave(result);
}

/* In use while it has a compute instance. */
NVML_API nvmlReturn_t nvmlGpuInstanceDestroy(nvmlGpuInstance_t handle)
{
    instance_t instance, list[MIG_MAX_DEVICES];
    mig_device_t mig;
    char devices[LIST];
    unsigned int count = 0, kept = 0;
    int place = 0;
    nvmlReturn_t result = enter_gpu_instance(__func__, handle, true, &instance);
    if (result != NVML_SUCCESS)
        return result;
    result = device_of(handle->slot, instance.id, &mig, &place);
    if (result != NVML_ERROR_NOT_FOUND)
        return session_leave(result ? result : NVML_ERROR_IN_USE);
    result = devices_text(handle->slot, -1, devices, sizeof devices);
    if (result == NVML_SUCCESS)
        result = instances_of(handle->slot, list, &count);
    for (unsigned int i = 0; i < count && result == NVML_SUCCESS; i++)
        if (list[i].id != instance.id)
            list[kept++] = list[i];
    return session_leave(result ? result : write_lists(handle->slot, list, kept, devices));
}

/* ---- compute instances ---- */

static nvmlReturn_t compute_profile(const char *function, nvmlGpuInstance_t handle, unsigned int number,
                                    bool arguments_ok, nvmlComputeInstanceProfileInfo_v2_t *info)
{
    instance_t instance;
    nvmlReturn_t result = enter_gpu_instance(function, handle, arguments_ok, &instance);
    if (result != NVML_SUCCESS)
        return result;
    if (number >= PROFILES || profiles[number].slices != instance.slices)
        return session_leave(NVML_ERROR_NOT_SUPPORTED);
    memset(info, 0, sizeof *info);
    info->id = number;
    info->sliceCount = instance.slices;
    info->instanceCount = 1;
    snprintf(info->name, sizeof info->name, "MIG %uc.%ug", instance.slices, instance.slices);
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlGpuInstanceGetComputeInstanceProfileInfo(nvmlGpuInstance_t handle, unsigned int number,
                                                                   unsigned int engine,
                                                                   nvmlComputeInstanceProfileInfo_t *info)
{
    nvmlComputeInstanceProfileInfo_v2_t whole;
    nvmlReturn_t result = compute_profile(__func__, handle, number, info != NULL && engine == 0, &whole);
    if (result == NVML_SUCCESS)
        *info = (nvmlComputeInstanceProfileInfo_t){
            .id = whole.id, .sliceCount = whole.sliceCount, .instanceCount = whole.instanceCount};
    return result;
}

NVML_API nvmlReturn_t nvmlGpuInstanceGetComputeInstanceProfileInfoV(nvmlGpuInstance_t handle, unsigned int number,
                                                                    unsigned int engine,
                                                                    nvmlComputeInstanceProfileInfo_v2_t *info)
{
    nvmlComputeInstanceProfileInfo_v2_t whole;
    if (info != NULL && info->version != NVML_STRUCT_VERSION(nvmlComputeInstanceProfileInfo_v2_t, 2))
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    nvmlReturn_t result = compute_profile(__func__, handle, number, info != NULL && engine == 0, &whole);
    if (result == NVML_SUCCESS) {
        whole.version = info->version;
        *info = whole;
    }
    return result;
}

/* A UUID that follows from the GPU's and from where the instance is (FNV-1a, two lanes). */
static void make_uuid(const char *gpu, const instance_t *instance, char *uuid, size_t size)
{
    char text[160];
    unsigned long long high = 0xcbf29ce484222325ULL, low = 0x84222325cbf29ce4ULL;
    snprintf(text, sizeof text, "%s/%u/%u/%u", gpu, instance->id, instance->slices, instance->start);
    for (const char *at = text; *at != '\0'; at++) {
        high = (high ^ (unsigned char)*at) * 0x100000001b3ULL;
        low = (low ^ (unsigned char)*at) * 0x100000001b3ULL;
    }
    snprintf(uuid, size, "MIG-%08llx-%04llx-%04llx-%04llx-%012llx", high >> 32, high >> 16 & 0xffff, high & 0xffff,
             low >> 48, low & 0xffffffffffffULL);
}

NVML_API nvmlReturn_t nvmlGpuInstanceCreateComputeInstance(nvmlGpuInstance_t handle, unsigned int profile_id,
                                                           nvmlComputeInstance_t *made)
{
    instance_t instance, list[MIG_MAX_DEVICES];
    mig_device_t mig;
    char devices[LIST], name[32], uuid[80];
    const char *gpu = NULL;
    unsigned long long bytes = 0;
    unsigned int count = 0;
    int place = 0;
    nvmlReturn_t result = enter_gpu_instance(__func__, handle, made != NULL, &instance);
    if (result != NVML_SUCCESS)
        return result;
    if (profile_id >= PROFILES || profiles[profile_id].slices != instance.slices)
        return session_leave(NVML_ERROR_NOT_SUPPORTED);
    result = device_of(handle->slot, instance.id, &mig, &place);
    if (result != NVML_ERROR_NOT_FOUND)
        return session_leave(result ? result : NVML_ERROR_INSUFFICIENT_RESOURCES);
    result = describe(handle->slot, &profiles[profile_id], name, sizeof name, &bytes);
    if (result == NVML_SUCCESS)
        result = state_text("uuid", handle->slot, &gpu);
    if (result == NVML_SUCCESS)
        result = instances_of(handle->slot, list, &count);
    if (result == NVML_SUCCESS)
        result = devices_text(handle->slot, -1, devices, sizeof devices);
    if (result != NVML_SUCCESS)
        return session_leave(result);
    make_uuid(gpu, &instance, uuid, sizeof uuid);
    size_t length = strlen(devices);
    snprintf(devices + length, sizeof devices - length, "%s%u:0:%s:%llu:%s", length > 0 ? "," : "", instance.id, name,
             bytes, uuid);
    result = write_lists(handle->slot, list, count, devices);
    if (result == NVML_SUCCESS)
        *made = compute_handle(handle->slot, instance.id);
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlGpuInstanceGetComputeInstances(nvmlGpuInstance_t handle, unsigned int profile_id,
                                                         nvmlComputeInstance_t *array, unsigned int *count)
{
    instance_t instance;
    mig_device_t mig;
    int place = 0;
    nvmlReturn_t result = enter_gpu_instance(__func__, handle, array != NULL && count != NULL, &instance);
    if (result != NVML_SUCCESS)
        return result;
    *count = 0;
    if (profile_id >= PROFILES || profiles[profile_id].slices != instance.slices)
        return session_leave(NVML_ERROR_NOT_SUPPORTED);
    result = device_of(handle->slot, instance.id, &mig, &place);
    if (result == NVML_SUCCESS)
        array[(*count)++] = compute_handle(handle->slot, instance.id);
    return session_leave(result == NVML_ERROR_NOT_FOUND ? NVML_SUCCESS : result);
}

NVML_API nvmlReturn_t nvmlComputeInstanceGetInfo_v2(nvmlComputeInstance_t handle, nvmlComputeInstanceInfo_t *info)
{
    mig_device_t mig;
    int slot = -1, place = 0;
    nvmlReturn_t result = enter_compute(__func__, handle, info != NULL, &slot, &mig, &place);
    if (result != NVML_SUCCESS)
        return result;
    memset(info, 0, sizeof *info);
    info->device = session_handle(slot);
    info->gpuInstance = gpu_handle(slot, mig.gpu_instance);
    info->id = mig.compute_instance;
    sscanf(mig.profile, "%u", &info->placement.size);
    for (unsigned int number = 0; number < PROFILES; number++)
        if (profiles[number].slices == info->placement.size)
            info->profileId = number;
    return session_leave(result);
}

/* In use while a process holds the GPU: the simulator does not know on which instance a process is. */
NVML_API nvmlReturn_t nvmlComputeInstanceDestroy(nvmlComputeInstance_t handle)
{
    process_t processes[PROCESSES_MAX];
    instance_t list[MIG_MAX_DEVICES];
    mig_device_t mig;
    char devices[LIST];
    unsigned int held = 0, count = 0;
    int slot = -1, place = 0;
    nvmlReturn_t result = enter_compute(__func__, handle, true, &slot, &mig, &place);
    if (result != NVML_SUCCESS)
        return result;
    result = processes_of(slot, processes, &held);
    if (result == NVML_SUCCESS && held > 0)
        result = NVML_ERROR_IN_USE;
    if (result == NVML_SUCCESS)
        result = instances_of(slot, list, &count);
    if (result == NVML_SUCCESS)
        result = devices_text(slot, place, devices, sizeof devices);
    return session_leave(result ? result : write_lists(slot, list, count, devices));
}
