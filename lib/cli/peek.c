/* peek.c - the records that wait in a stage, without taking them. */
#include <conveyor/segment.h>
#include <conveyor/state.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "names.h"
#include "options.h"
#include "text.h"
#include "waiting.h"

struct peek {
    const char *segment, *stage_name;
    uint32_t stage, count;
    bool raw;
    struct cvb_handle *handle;
};

static int print_table(struct peek *p)
{
    uint64_t found;
    int error = cli_waiting_print(p->handle, p->stage, &(struct cli_filter){.count = p->count}, &found);
    if (error)
        return cli_segment_failed(p->segment, error);
    printf(found == 1 ? "1 record waits\n" : "%llu records wait\n", (unsigned long long)found);
    return cli_close_output();
}

static int print_raw(struct peek *p)
{
    struct cvb_settings settings;
    struct cvb_cursor cursor = {0};
    struct cvb_lease seen;
    int one = cvb_settings_of(p->handle, &settings);
    if (one)
        return cli_segment_failed(p->segment, one);
    char *payload = malloc(settings.payload_size + 1);
    if (!payload)
        return cli_segment_failed(p->segment, CVB_ESYSTEM);
    for (uint32_t i = 0; (!p->count || i < p->count) && !ferror(stdout); i++) {
        one = cvb_peek(p->handle, p->stage, &cursor, &seen, payload, settings.payload_size);
        if (one <= 0)
            break;
        fwrite(payload, 1, seen.length < settings.payload_size ? seen.length : settings.payload_size, stdout);
        putchar('\n');
    }
    free(payload);
    return one < 0 ? cli_segment_failed(p->segment, one) : cli_close_output();
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct peek p = {0};
    const struct cli_option options[] = {{"stage", CLI_NEED, "NAME", "the stage to look into", &p.stage_name, 0, 0},
                                         {"count", CLI_WHOLE, "N", "show only the first N", &p.count, 1, UINT32_MAX},
                                         {"raw", CLI_FLAG, NULL, "each payload whole, as a line", &p.raw, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &p.segment, 1);
    if (status != CLI_GO || (status = cli_observe(p.segment, &p.handle)))
        return status;
    status = cli_find_stage(p.handle, p.segment, "--stage", p.stage_name, "", &p.stage);
    if (!status)
        status = p.raw ? print_raw(&p) : print_table(&p);
    cvb_detach(p.handle);
    return status;
}

const struct cli_command cli_peek = {
    "peek", "SEG --stage NAME [--count N] [--raw]", "show the records that wait in a stage, without taking them",
    "They stay where they are, and nobody is kept from taking them meanwhile. The table has the beginning of each\n"
    "payload; age is the time since the record was put; retries, how often it was returned or its consumer died.",
    run};
