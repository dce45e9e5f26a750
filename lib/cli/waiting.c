/* waiting.c - a table of the records that wait in a stage, which stay where they are. */
#include "waiting.h"

#include <conveyor/state.h>
#include <stdio.h>
#include <time.h>

enum { SHOWN_BYTES = 60 };

static void print_payload(const struct cvb_lease *seen)
{
    const unsigned char *byte = seen->payload;
    for (uint32_t i = 0; i < seen->length && i < SHOWN_BYTES; i++)
        putchar(byte[i] >= 32 && byte[i] < 127 ? byte[i] : '.');
    puts(seen->length > SHOWN_BYTES ? "..." : "");
}

/* The last column but one: of a dead letter the stage it came from, of others how often their delivery failed. */
static void print_row(struct cvb_handle *handle, const struct cvb_lease *seen, uint64_t now_ns)
{
    char source[CVB_NAME_MAX + 1] = "?", pipeline[CVB_NAME_MAX + 1] = "?", from[CVB_NAME_MAX + 1] = "?";
    double age = now_ns > seen->buffered_at_ns ? (double)(now_ns - seen->buffered_at_ns) / 1e9 : 0;
    cvb_source_name(handle, seen->source, source);
    cvb_pipeline_name(handle, seen->pipeline, pipeline);
    if (seen->stage == CVB_STAGE_DEAD_LETTER)
        cvb_stage_name(handle, seen->origin, from);
    else
        snprintf(from, sizeof from, "%u", seen->retry_count);
    printf("%-16s %-16s %9.1f s %7u  %-16s ", source, pipeline, age, seen->length, from);
    print_payload(seen);
}

int cli_waiting_print(struct cvb_handle *handle, uint32_t stage, uint32_t most, uint64_t *found)
{
    struct cvb_cursor cursor = {0};
    struct cvb_lease seen;
    struct timespec now;
    char beginning[SHOWN_BYTES];
    int one;
    clock_gettime(CLOCK_REALTIME, &now);
    printf("%-16s %-16s %11s %7s  %-16s %s\n", "SOURCE", "PIPELINE", "age", "bytes",
           stage == CVB_STAGE_DEAD_LETTER ? "from" : "retries", "payload");
    for (*found = 0; (one = cvb_peek(handle, stage, &cursor, &seen, beginning, sizeof beginning)) > 0; ++*found)
        if (!most || *found < most)
            print_row(handle, &seen, (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
    return one;
}
