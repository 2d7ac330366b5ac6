/* Event sets: XID and ECC events, delivered from the event file in the order in which they were appended. */
/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (c) 2026 aidc.ops contributors */

#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "session.h"

enum { POLL_MS = 50 };

/* The event file is "<state>.events", one "<slot> <type> <number>" per line; a boot puts a new file in its place. */
struct nvmlEventSet_st {
    unsigned long long mask[STATE_MAX_GPUS];
    dev_t device; /* the file that `offset` belongs to */
    ino_t inode;
    off_t offset;
};

static FILE *open_events(struct stat *identity)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s.events", state_path()) >= sizeof path)
        return NULL;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "r");
    if (file == NULL && descriptor >= 0)
        close(descriptor);
    if (file != NULL && (fstat(fileno(file), identity) != 0 || !S_ISREG(identity->st_mode))) {
        fclose(file);
        file = NULL;
    }
    return file;
}

NVML_API nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set)
{
    struct stat identity;
    ENTER_NODE(set != NULL);
    *set = calloc(1, sizeof **set);
    if (*set == NULL)
        return session_leave(NVML_ERROR_MEMORY);
    FILE *file = open_events(&identity);
    if (file != NULL) { /* only what happens from now on is delivered */
        (*set)->device = identity.st_dev;
        (*set)->inode = identity.st_ino;
        (*set)->offset = identity.st_size;
        fclose(file);
    }
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set)
{
    ENTER_NODE(set != NULL);
    free(set);
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, unsigned long long *types)
{
    ENTER_DEVICE(device, types != NULL);
    *types = NVML_EVENT_SINGLE_BIT_ECC | NVML_EVENT_DOUBLE_BIT_ECC | NVML_EVENT_PSTATE | NVML_EVENT_XID |
             NVML_EVENT_CLOCK;
    return session_leave(result);
}

NVML_API nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long types, nvmlEventSet_t set)
{
    ENTER_DEVICE(device, set != NULL);
    set->mask[slot] |= types;
    return session_leave(result);
}

/* One line of the event file as an event. */
static bool parse_event(const char *line, int *slot, unsigned long long *type, unsigned long long *data)
{
    static const struct {
        const char *name;
        unsigned long long type;
    } names[] = {
        {"xid", NVML_EVENT_XID}, {"sbe", NVML_EVENT_SINGLE_BIT_ECC}, {"dbe", NVML_EVENT_DOUBLE_BIT_ECC}};
    char name[8];
    if (sscanf(line, "%d %7s %llu", slot, name, data) != 3 || *slot < 0 || *slot >= STATE_MAX_GPUS)
        return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i].name, name) == 0) {
            *type = names[i].type;
            return true;
        }
    return false;
}

/* Take the next event that the set asked for. Needs the session lock. */
static bool next_event(nvmlEventSet_t set, nvmlEventData_t *event)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    struct stat identity;
    bool found = false;
    FILE *file = open_events(&identity);
    if (file == NULL)
        return false;
    if (identity.st_dev != set->device || identity.st_ino != set->inode || identity.st_size < set->offset) {
        set->device = identity.st_dev;
        set->inode = identity.st_ino;
        set->offset = 0;
    }
    if (fseeko(file, set->offset, SEEK_SET) == 0)
        while (!found && (length = getline(&line, &room, file)) > 0 && line[length - 1] == '\n') {
            int slot = -1;
            unsigned long long type = 0, data = 0;
            set->offset += length;
            found = parse_event(line, &slot, &type, &data) && (set->mask[slot] & type) != 0;
            if (found)
                *event = (nvmlEventData_t){session_handle(slot), type, data, UINT_MAX, UINT_MAX};
        }
    free(line);
    fclose(file);
    return found;
}

static bool any_registered_lost(const struct nvmlEventSet_st *set)
{
    for (int slot = 0; slot < state_slots(); slot++)
        if (set->mask[slot] != 0 && session_lost(slot))
            return true;
    return false;
}

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static nvmlReturn_t event_wait(const char *function, nvmlEventSet_t set, nvmlEventData_t *event, unsigned int timeout_ms)
{
    long long deadline = now_ms() + timeout_ms;
    for (;;) {
        nvmlReturn_t result = session_enter(function, set != NULL && event != NULL);
        if (result != NVML_SUCCESS)
            return result;
        if (next_event(set, event))
            return session_leave(NVML_SUCCESS);
        bool lost = any_registered_lost(set);
        session_leave(result); /* never wait with the lock: other threads go on asking */
        long long left = deadline - now_ms();
        if (left <= 0)
            return lost ? NVML_ERROR_GPU_IS_LOST : NVML_ERROR_TIMEOUT;
        usleep((useconds_t)(left < POLL_MS ? left : POLL_MS) * 1000);
    }
}

NVML_API nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *event, unsigned int timeout_ms)
{
    return event_wait(__func__, set, event, timeout_ms);
}

NVML_API nvmlReturn_t nvmlEventSetWait(nvmlEventSet_t set, nvmlEventData_t *event, unsigned int timeout_ms)
{
    return event_wait(__func__, set, event, timeout_ms);
}
