/* Processes that hold a GPU, from the state's list "pid:bytes:name,...". */
/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (c) 2026 aidc.ops contributors */

#include "processes.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

/* One entry of the list; returns the place behind it, or NULL when it is malformed. */
static const char *parse_process(const char *at, process_t *process)
{
    char *end = NULL;
    size_t length;
    if (*at < '0' || *at > '9')
        return NULL;
    errno = 0;
    unsigned long pid = strtoul(at, &end, 10);
    if (errno != 0 || pid > UINT_MAX || *end != ':' || end[1] < '0' || end[1] > '9')
        return NULL;
    process->pid = (unsigned int)pid;
    process->memory = strtoull(end + 1, &end, 10);
    process->name[0] = '\0';
    if (*end == ':') {
        length = strcspn(end + 1, ",");
        if (length >= sizeof process->name)
            return NULL;
        memcpy(process->name, end + 1, length);
        process->name[length] = '\0';
        end += length + 1;
    }
    return errno == 0 && (*end == ',' || *end == '\0') ? end : NULL;
}

nvmlReturn_t processes_of(int slot, process_t *list, unsigned int *count)
{
    const char *at = NULL;
    nvmlReturn_t result = state_text("processes", slot, &at);
    *count = 0;
    if (result == NVML_ERROR_NOT_SUPPORTED)
        return NVML_SUCCESS; /* no list: nobody holds the GPU */
    if (result != NVML_SUCCESS)
        return result;
    while (*at != '\0') {
        if (*count == PROCESSES_MAX || (at = parse_process(at, &list[*count])) == NULL)
            return NVML_ERROR_UNKNOWN;
        (*count)++;
        at += *at == ',';
    }
    return NVML_SUCCESS;
}

static nvmlReturn_t compute_processes(const char *function, nvmlDevice_t device, unsigned int *count, void *array,
                                      bool first_version)
{
    process_t list[PROCESSES_MAX];
    unsigned int held = 0;
    int slot = -1;
    nvmlReturn_t result = session_enter_device(function, device, count != NULL, &slot);
    if (result != NVML_SUCCESS)
        return result;
    result = processes_of(slot, list, &held);
    if (result == NVML_SUCCESS && held > (array == NULL ? 0 : *count))
        result = NVML_ERROR_INSUFFICIENT_SIZE;
    for (unsigned int i = 0; i < held && result == NVML_SUCCESS; i++) {
        if (first_version)
            ((nvmlProcessInfo_v1_t *)array)[i] = (nvmlProcessInfo_v1_t){list[i].pid, list[i].memory};
        else /* not inside a MIG instance: all bits set */
            ((nvmlProcessInfo_v2_t *)array)[i] =
                (nvmlProcessInfo_v2_t){list[i].pid, list[i].memory, UINT_MAX, UINT_MAX};
    }
    if (result == NVML_SUCCESS || result == NVML_ERROR_INSUFFICIENT_SIZE)
        *count = held;
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlDeviceGetComputeRunningProcesses(nvmlDevice_t device, unsigned int *count,
                                                           nvmlProcessInfo_v1_t *array)
{
    return compute_processes(__func__, device, count, array, true);
}

NVML_API nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v2(nvmlDevice_t device, unsigned int *count,
                                                              nvmlProcessInfo_v2_t *array)
{
    return compute_processes(__func__, device, count, array, false);
}

NVML_API nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *count,
                                                              nvmlProcessInfo_v2_t *array)
{
    return compute_processes(__func__, device, count, array, false);
}

/* Graphics and MPS clients are not simulated: there are never any. */
#define NO_PROCESSES(name)                                                                     \
    NVML_API nvmlReturn_t name(nvmlDevice_t device, unsigned int *count, void *array)          \
    {                                                                                          \
        (void)array;                                                                           \
        ENTER_DEVICE(device, count != NULL);                                                   \
        *count = 0;                                                                            \
        return session_leave(result);                                                          \
    }

NO_PROCESSES(nvmlDeviceGetGraphicsRunningProcesses)
NO_PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v2)
NO_PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v3)
NO_PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses)
NO_PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses_v2)
NO_PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses_v3)

NVML_API nvmlReturn_t nvmlSystemGetProcessName(unsigned int pid, char *name, unsigned int size)
{
    process_t list[PROCESSES_MAX];
    ENTER_NODE(name != NULL && size > 0);
    for (int slot = 0; slot < state_slots(); slot++) {
        unsigned int held = 0;
        if (processes_of(slot, list, &held) != NVML_SUCCESS)
            continue;
        for (unsigned int i = 0; i < held; i++)
            if (list[i].pid == pid)
                return session_leave(session_put_text(name, size, list[i].name));
    }
    return session_leave(NVML_ERROR_NOT_FOUND);
}
