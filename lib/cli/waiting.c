/* waiting.c - a table of the records that wait in a stage, which stay where they are. */
#include "waiting.h"

#include <conveyor/state.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "text.h"

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

int cli_waiting_print(struct cvb_handle *handle, uint32_t stage, const struct cli_filter *f, uint64_t *found)
{
    struct cvb_cursor cursor = {0};
    struct cvb_lease seen;
    uint64_t now_ns = cli_wall_ns();
    char beginning[SHOWN_BYTES];
    int one;
    printf("%-16s %-16s %11s %7s  %-16s %s\n", "SOURCE", "PIPELINE", "age", "bytes",
           stage == CVB_STAGE_DEAD_LETTER ? "from" : "retries", "payload");
    *found = 0;
    while ((one = cvb_peek(handle, stage, &cursor, &seen, beginning, sizeof beginning)) > 0) {
        if (!cli_filter_matches(f, &seen, now_ns))
            continue;
        if (!f->count || *found < f->count)
            print_row(handle, &seen, now_ns);
        ++*found;
    }
    return one;
}

static json_t *object(struct cvb_handle *handle, const struct cvb_lease *seen, uint64_t now_ns)
{
    char source[CVB_NAME_MAX + 1] = "?", pipeline[CVB_NAME_MAX + 1] = "?", from[CVB_NAME_MAX + 1] = "?";
    uint32_t shown = seen->length < SHOWN_BYTES ? seen->length : SHOWN_BYTES;
    cvb_source_name(handle, seen->source, source);
    cvb_pipeline_name(handle, seen->pipeline, pipeline);
    cvb_stage_name(handle, seen->origin, from);
    char payload[SHOWN_BYTES + 1];
    memcpy(payload, seen->payload, shown);
    payload[shown] = 0;
    cli_printable(payload, shown);
    return json_pack("{s:s,s:s,s:I,s:I,s:s,s:I,s:s}", "source", source, "pipeline", pipeline, "age_ms",
                     (json_int_t)(now_ns > seen->buffered_at_ns ? (now_ns - seen->buffered_at_ns) / 1000000 : 0),
                     "bytes", (json_int_t)seen->length, "from", from, "retries", (json_int_t)seen->retry_count,
                     "payload", payload);
}

int cli_waiting_json(struct cvb_handle *handle, const char *segment, uint32_t stage, const struct cli_filter *f)
{
    struct cvb_cursor cursor = {0};
    struct cvb_lease seen;
    uint64_t now_ns = cli_wall_ns(), found = 0;
    char beginning[SHOWN_BYTES];
    json_t *records = json_array();
    int one;
    while ((one = cvb_peek(handle, stage, &cursor, &seen, beginning, sizeof beginning)) > 0)
        if (cli_filter_matches(f, &seen, now_ns) && (++found <= f->count || !f->count))
            json_array_append_new(records, object(handle, &seen, now_ns));
    if (one < 0) {
        json_decref(records);
        return one;
    }
    cli_json_print(json_pack("{s:i,s:o,s:I,s:o}", "version", 1, "segment", cli_json_text(segment), "found",
                             (json_int_t)found, "records", records));
    return 0;
}
