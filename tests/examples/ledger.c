/* ledger.c - the file and the keys in it; the keys are also in a tree. */
#include "ledger.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The key of a record. Those whose position is settled by cvb_source_progress never come again, and may be dropped. */
struct key {
    char source[CVB_NAME_MAX + 1];
    uint64_t position;
};

static int compare(const void *one, const void *other)
{
    const struct key *a = one, *b = other;
    return a->position != b->position ? (a->position < b->position ? -1 : 1) : strcmp(a->source, b->source);
}

static int add(struct ledger *l, const struct key *key)
{
    struct key *kept = malloc(sizeof *kept);
    if (!kept)
        return CVB_ESYSTEM;
    *kept = *key;
    struct key **found = tsearch(kept, &l->seen, compare);
    if (!found || *found != kept)
        free(kept);
    return found ? 0 : CVB_ESYSTEM;
}

static int add_line(struct ledger *l, const char *line)
{
    struct key key = {.position = 0};
    const size_t length = strcspn(line, "\t");
    if (!length || length > CVB_NAME_MAX || line[length] != '\t')
        return CVB_EINVAL;
    memcpy(key.source, line, length);
    key.position = strtoull(line + length, NULL, 10);
    return add(l, &key);
}

static int read_lines(struct ledger *l)
{
    char *line = NULL;
    size_t size = 0;
    int error = 0;
    long end = 0;
    while (!error && getline(&line, &size, l->file) > 0 && strchr(line, '\n')) {
        error = add_line(l, line);
        end = ftell(l->file);
    }
    free(line);
    if (error)
        return error;
    return fseek(l->file, end, SEEK_SET) || ftruncate(fileno(l->file), end) ? CVB_ESYSTEM : 0;
}

int ledger_open(struct ledger *l, struct cvb_handle *handle, const char *path)
{
    *l = (struct ledger){.handle = handle, .file = fopen(path, "a+")};
    return l->file ? read_lines(l) : CVB_ESYSTEM;
}

void ledger_close(struct ledger *l)
{
    tdestroy(l->seen, free);
    if (l->file)
        fclose(l->file);
}

static int key_of(const struct ledger *l, const struct cvb_lease *lease, struct key *key)
{
    key->position = lease->position;
    return cvb_source_name(l->handle, lease->source, key->source);
}

int ledger_knows(struct ledger *l, const struct cvb_lease *lease)
{
    struct key key;
    int error = key_of(l, lease, &key);
    return error ? error : key.position && tfind(&key, &l->seen, compare);
}

int ledger_write(struct ledger *l, const struct cvb_lease *lease, const char *text, size_t length)
{
    struct key key;
    int error = key_of(l, lease, &key);
    if (error)
        return error;
    if (fprintf(l->file, "%s\t%llu\t%.*s\n", key.source, (unsigned long long)key.position, (int)length, text) < 0)
        return CVB_ESYSTEM;
    return key.position ? add(l, &key) : 0;
}

int ledger_flush(struct ledger *l) { return fflush(l->file) ? CVB_ESYSTEM : 0; }
