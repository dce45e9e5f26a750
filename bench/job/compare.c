/* compare.c - is the output what a sequential pass gives? Each stanza is taken through the stages' functions here, in
 * order, by one process and without a buffer; then every record of the output is compared with that, byte for byte. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job.h"

struct expected {
    char *text;       /* all enriched records, one after the other */
    uint64_t *offset; /* count + 1 of them; equal to the next one: filtered out */
    uint32_t *seen;   /* how often each was found */
};

static int sequential_pass(const struct job *job, struct expected *e, uint64_t *kept)
{
    e->text = malloc(job->passes * job->input.bytes + (uint64_t)job->records * JOB_EXTRA_BYTES);
    e->offset = malloc(((size_t)job->records + 1) * sizeof *e->offset);
    e->seen = calloc((size_t)job->records + 1, sizeof *e->seen);
    char *record = malloc(job->settings.payload_size);
    if (!e->text || !e->offset || !e->seen || !record)
        return -1;
    uint64_t at = 0;
    for (uint32_t i = 0; i < job->records; i++) {
        e->offset[i] = at;
        uint32_t length = job_make(&job->input, i, record);
        if (job_keep(record, length)) {
            at += job_enrich(record, length, e->text + at);
            ++*kept;
        }
    }
    e->offset[job->records] = at;
    free(record);
    return 0;
}

static void compare_record(const struct job *job, struct expected *e, const char *text, uint32_t length,
                           struct job_difference *d)
{
    static const char prefix[] = "Position: ";
    size_t n = sizeof prefix - 1;
    d->found++;
    unsigned long position = length > n && !memcmp(text, prefix, n) ? strtoul(text + n, NULL, 10) : job->records;
    if (position >= job->records) {
        d->wrong++;
        return;
    }
    uint64_t expected = e->offset[position + 1] - e->offset[position];
    if (expected != length || memcmp(e->text + e->offset[position], text, length))
        d->wrong++;
    else
        d->twice += e->seen[position]++ > 0;
}

/* A whole record ends in a newline of its own and an empty line; what does not was torn. */
static int compare_file(const struct job *job, const char *path, struct expected *e, struct job_difference *d)
{
    struct job_input out;
    FILE *file = fopen(path, "r");
    if (!file || fseek(file, 0, SEEK_END))
        return -1;
    long size = ftell(file);
    fclose(file);
    if (size == 0)
        return 0;
    if (job_input_read(path, &out))
        return -1;
    for (uint32_t i = 0; i < out.count; i++) {
        uint64_t end = out.stanzas[i].offset + out.stanzas[i].length;
        if (end < out.bytes && out.text[end] == '\n')
            compare_record(job, e, out.text + out.stanzas[i].offset, out.stanzas[i].length, d);
        else
            d->torn++;
    }
    free(out.stanzas);
    return 0;
}

int job_compare(const struct job *job, uint32_t sinks, struct job_difference *d)
{
    struct expected e = {0};
    char path[4096];
    *d = (struct job_difference){0};
    uint64_t start = job_now_ns();
    int error = sequential_pass(job, &e, &d->expected);
    d->sequential_s = (double)(job_now_ns() - start) / 1e9;
    for (uint32_t i = 1; i <= sinks && !error; i++) {
        job_sink_path(job, i, path, sizeof path);
        error = compare_file(job, path, &e, d);
    }
    for (uint32_t i = 0; i < job->records && !error; i++)
        d->lost += e.offset[i + 1] != e.offset[i] && !e.seen[i];
    free(e.text);
    free(e.offset);
    free(e.seen);
    return error;
}
