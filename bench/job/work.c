/* work.c - what the stages do to one record. Pure functions: the sequential pass calls the same ones. */
#include <stdio.h>
#include <string.h>

#include "job.h"

const char *job_role_name(enum job_role role)
{
    static const char *const names[JOB_ROLES] = {"source", "filter", "enrich", "sink"};
    return names[role];
}

/* Source: the stanza with its position in front, as a connector adds an offset. */
uint32_t job_make(const struct job_input *input, uint32_t position, char *out)
{
    const struct job_stanza *s = &input->stanzas[position % input->count];
    int n = sprintf(out, "Position: %u\n", position);
    memcpy(out + n, input->text + s->offset, s->length);
    return (uint32_t)n + s->length;
}

/* Filter: keeps the packages that depend on others. */
bool job_keep(const char *text, uint32_t length) { return memmem(text, length, "\nDepends: ", 10) != NULL; }

/* Enrich: adds the record's size and its FNV-1a hash. */
uint32_t job_enrich(const char *text, uint32_t length, char *out)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (uint32_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    memcpy(out, text, length);
    return length +
           (uint32_t)sprintf(out + length, "Record-Size: %u\nRecord-Hash: %016llx\n", length, (unsigned long long)hash);
}
