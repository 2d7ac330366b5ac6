/* Reads, checks and rewrites the state file. */
/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copyright (c) 2026 aidc.ops contributors */

#define _GNU_SOURCE
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    const char *key;
    const char *text;
} entry_t;

typedef struct {
    char *buffer;     /* the file, its line ends and '=' replaced by NUL */
    entry_t *entries; /* sorted by key */
    size_t count;
    int slots;
    struct stat identity;
} snapshot_t;

static snapshot_t current;

const char *state_path(void)
{
    const char *path = getenv("GPUSIM_STATE");
    return path != NULL && *path != '\0' ? path : "/var/lib/gpusim/state";
}

static void snapshot_free(snapshot_t *snapshot)
{
    free(snapshot->buffer);
    free(snapshot->entries);
    memset(snapshot, 0, sizeof *snapshot);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const entry_t *)a)->key, ((const entry_t *)b)->key);
}

/* A key is a lower-case name, with ".<slot>" behind it when it belongs to one GPU. */
static bool valid_key(const char *key)
{
    size_t length = strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_");
    if (length == 0 || length >= STATE_MAX_KEY || key[0] < 'a')
        return false;
    if (key[length] == '\0')
        return true;
    char *end = NULL;
    const char *number = key + length + 1;
    if (key[length] != '.' || *number < '0' || *number > '9')
        return false;
    unsigned long slot = strtoul(number, &end, 10);
    return *end == '\0' && slot < STATE_MAX_GPUS && strlen(number) <= 2 && (number[0] != '0' || number[1] == '\0');
}

static bool valid_text(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

/* Cut the buffer into entries. False: the file is no complete, well-formed state. */
static bool parse(snapshot_t *snapshot, size_t size)
{
    const char *first = NULL, *last = NULL;
    snapshot->entries = calloc(STATE_MAX_ENTRIES, sizeof *snapshot->entries);
    if (snapshot->entries == NULL || memchr(snapshot->buffer, '\0', size) != NULL)
        return false;
    for (char *line = snapshot->buffer, *next; *line != '\0'; line = next) {
        char *end = strchr(line, '\n');
        if (end == NULL || end - line >= STATE_MAX_LINE)
            return false; /* every line ends with a line feed: a missing one is a torn file */
        *end = '\0';
        next = end + 1;
        if (*line == '\0' || *line == '#')
            continue;
        char *equals = strchr(line, '=');
        if (equals == NULL || snapshot->count == STATE_MAX_ENTRIES)
            return false;
        *equals = '\0';
        if (!valid_key(line) || !valid_text(equals + 1))
            return false;
        snapshot->entries[snapshot->count++] = (entry_t){line, equals + 1};
        first = first == NULL ? line : first;
        last = line;
    }
    if (first == NULL || strcmp(first, "gpusim") != 0 || strcmp(last, "end") != 0)
        return false; /* the marks of the first and the last line prove that nothing is cut off */
    qsort(snapshot->entries, snapshot->count, sizeof *snapshot->entries, by_key);
    for (size_t i = 1; i < snapshot->count; i++)
        if (by_key(&snapshot->entries[i - 1], &snapshot->entries[i]) == 0)
            return false;
    return true;
}

static const char *find(const snapshot_t *snapshot, const char *key)
{
    entry_t wanted = {key, NULL};
    entry_t *found = bsearch(&wanted, snapshot->entries, snapshot->count, sizeof wanted, by_key);
    return found == NULL ? NULL : found->text;
}

static bool read_all(int descriptor, char *buffer, size_t size)
{
    while (size > 0) {
        ssize_t got = read(descriptor, buffer, size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false; /* shorter than it was a moment ago: somebody is writing in place */
        buffer += got;
        size -= (size_t)got;
    }
    return true;
}

static nvmlReturn_t load(snapshot_t *snapshot)
{
    nvmlReturn_t result = NVML_ERROR_UNKNOWN;
    /* O_NONBLOCK: a FIFO in the place of the file must not hang the caller. */
    int descriptor = open(state_path(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return errno == ENOENT || errno == ENOTDIR ? NVML_ERROR_DRIVER_NOT_LOADED : NVML_ERROR_UNKNOWN;
    if (fstat(descriptor, &snapshot->identity) == 0 && S_ISREG(snapshot->identity.st_mode) &&
        snapshot->identity.st_size <= STATE_MAX_FILE) {
        size_t size = (size_t)snapshot->identity.st_size;
        snapshot->buffer = calloc(1, size + 1);
        if (snapshot->buffer == NULL)
            result = NVML_ERROR_MEMORY;
        else if (read_all(descriptor, snapshot->buffer, size) && parse(snapshot, size)) {
            const char *version = find(snapshot, "gpusim"), *slots = find(snapshot, "gpus");
            char *end = NULL;
            unsigned long number = slots == NULL ? ULONG_MAX : strtoul(slots, &end, 10);
            if (strcmp(version, "1") == 0 && number <= STATE_MAX_GPUS && end != slots && *end == '\0') {
                snapshot->slots = (int)number;
                result = NVML_SUCCESS;
            }
        }
    }
    close(descriptor);
    return result;
}

nvmlReturn_t state_refresh(void)
{
    struct stat now;
    if (current.buffer != NULL && stat(state_path(), &now) == 0 && same_file(&now, &current.identity))
        return NVML_SUCCESS;
    snapshot_t fresh = {0};
    nvmlReturn_t result = load(&fresh);
    snapshot_free(&current);
    if (result == NVML_SUCCESS)
        current = fresh;
    else
        snapshot_free(&fresh);
    return result;
}

int state_slots(void)
{
    return current.slots;
}

/* The text as it stands in the file, or NULL. */
static const char *raw_text(const char *key, int slot)
{
    if (slot >= 0) {
        char own[STATE_MAX_KEY + 16];
        snprintf(own, sizeof own, "%s.%d", key, slot);
        const char *text = find(&current, own);
        if (text != NULL)
            return text;
    }
    return find(&current, key);
}

static bool parse_number(const char *text, unsigned long long *value)
{
    char *end = NULL;
    if (*text < '0' || *text > '9')
        return false; /* strtoull would take a sign or leading blanks */
    errno = 0;
    *value = strtoull(text, &end, 0);
    return errno == 0 && *end == '\0';
}

nvmlReturn_t state_text(const char *key, int slot, const char **text)
{
    const char *raw = raw_text(key, slot);
    unsigned long long error = 0;
    if (raw == NULL || strcmp(raw, "N/A") == 0)
        return NVML_ERROR_NOT_SUPPORTED;
    if (raw[0] == '!')
        return parse_number(raw + 1, &error) && error > 0 && error <= NVML_ERROR_UNKNOWN ? (nvmlReturn_t)error
                                                                                        : NVML_ERROR_UNKNOWN;
    *text = raw;
    return NVML_SUCCESS;
}

nvmlReturn_t state_number(const char *key, int slot, unsigned long long *value)
{
    const char *text = NULL;
    nvmlReturn_t result = state_text(key, slot, &text);
    if (result == NVML_SUCCESS && !parse_number(text, value))
        result = NVML_ERROR_UNKNOWN;
    return result;
}

unsigned long long state_number_or(const char *key, int slot, unsigned long long fallback)
{
    unsigned long long value = 0;
    return state_number(key, slot, &value) == NVML_SUCCESS ? value : fallback;
}

/* Copy every line of the file but those that are replaced, then the new ones and the end mark. */
static void write_changed(FILE *in, FILE *out, int slot, const state_text_change_t *changes, size_t count)
{
    char line[STATE_MAX_LINE + 2], key[STATE_MAX_KEY + 16];
    while (fgets(line, sizeof line, in) != NULL) {
        bool keep = strncmp(line, "end=", 4) != 0;
        for (size_t i = 0; keep && i < count; i++) {
            int length = snprintf(key, sizeof key, slot < 0 ? "%s=" : "%s.%d=", changes[i].key, slot);
            keep = strncmp(line, key, (size_t)length) != 0;
        }
        if (keep)
            fputs(line, out);
    }
    for (size_t i = 0; i < count; i++) {
        if (slot < 0)
            fprintf(out, "%s=%s\n", changes[i].key, changes[i].text);
        else
            fprintf(out, "%s.%d=%s\n", changes[i].key, slot, changes[i].text);
    }
    fputs("end=1\n", out);
}

static nvmlReturn_t error_of_errno(void)
{
    return errno == EACCES || errno == EPERM || errno == EROFS ? NVML_ERROR_NO_PERMISSION : NVML_ERROR_UNKNOWN;
}

/* Write the changed file beside the state and put it in its place in one step. */
static nvmlReturn_t replace(int slot, const state_text_change_t *changes, size_t count)
{
    char temporary[PATH_MAX];
    nvmlReturn_t result = NVML_ERROR_UNKNOWN;
    if ((size_t)snprintf(temporary, sizeof temporary, "%s.XXXXXX", state_path()) >= sizeof temporary)
        return result;
    int descriptor = mkostemp(temporary, O_CLOEXEC);
    if (descriptor < 0)
        return error_of_errno();
    FILE *in = fopen(state_path(), "re"), *out = fdopen(descriptor, "w");
    if (in != NULL && out != NULL) {
        write_changed(in, out, slot, changes, count);
        bool written = fflush(out) == 0 && !ferror(out) && !ferror(in) && fchmod(descriptor, 0644) == 0;
        if (written && rename(temporary, state_path()) == 0)
            result = NVML_SUCCESS;
    }
    if (in != NULL)
        fclose(in);
    if (out != NULL)
        fclose(out);
    else
        close(descriptor);
    if (result != NVML_SUCCESS)
        unlink(temporary);
    return result;
}

nvmlReturn_t state_change_texts(int slot, const state_text_change_t *changes, size_t count)
{
    char lock[PATH_MAX];
    if ((size_t)snprintf(lock, sizeof lock, "%s.lock", state_path()) >= sizeof lock)
        return NVML_ERROR_UNKNOWN;
    int descriptor = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor < 0)
        return error_of_errno();
    nvmlReturn_t result = NVML_ERROR_UNKNOWN;
    if (flock(descriptor, LOCK_EX) == 0) {
        /* Another writer may have been faster: change what is there now, and only if it is whole. */
        result = state_refresh();
        if (result == NVML_SUCCESS)
            result = replace(slot, changes, count);
        if (result == NVML_SUCCESS)
            result = state_refresh();
    }
    close(descriptor);
    return result;
}

nvmlReturn_t state_change(int slot, const state_change_t *changes, size_t count)
{
    char numbers[STATE_MAX_CHANGES][24];
    state_text_change_t texts[STATE_MAX_CHANGES];
    if (count > STATE_MAX_CHANGES)
        return NVML_ERROR_UNKNOWN;
    for (size_t i = 0; i < count; i++) {
        snprintf(numbers[i], sizeof numbers[i], "%llu", changes[i].value);
        texts[i] = (state_text_change_t){changes[i].key, numbers[i]};
    }
    return state_change_texts(slot, texts, count);
}
