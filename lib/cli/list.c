/* list.c - the segments on this machine. */
#include <conveyor/state.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "options.h"
#include "system.h"
#include "text.h"
#include "units.h"

static int print_row(const char *name, const struct cvb_settings *s, uint64_t bytes, void *data)
{
    char size[32], longest[32];
    bool *any = data;
    if (!*any)
        printf("%-24s %10s %10s %10s %10s %10s\n", "SEGMENT", "memory", "records", "per stage", "per source",
               "longest");
    *any = true;
    printf("%-24s %10s %10u %10u %10u %10s\n", name, cli_bytes(bytes, size, sizeof size), s->max_total_records,
           s->max_per_stage, s->max_per_source, cli_bytes(s->payload_size, longest, sizeof longest));
    return 0;
}

static int add_object(const char *name, const struct cvb_settings *s, uint64_t bytes, void *data)
{
    return json_array_append_new(data,
                                 json_pack("{s:o,s:I,s:I,s:I,s:I,s:I}", "name", cli_json_text(name), "bytes",
                                           (json_int_t)bytes, "max_total_records", (json_int_t)s->max_total_records,
                                           "max_per_stage", (json_int_t)s->max_per_stage, "max_per_source",
                                           (json_int_t)s->max_per_source, "payload_size", (json_int_t)s->payload_size));
}

static int failed(int error)
{
    char text[300];
    int reason = error == CVB_ESYSTEM ? errno : 0;
    const char *cause = cli_system_cause(reason, 0, text, sizeof text);
    cli_complain("cannot list the segments: %s", cause ? cause : reason ? strerror(reason) : cvb_error_text(error));
    return CLI_FAILED;
}

static int list_json(void)
{
    json_t *segments = json_array();
    int error = cvb_list(add_object, segments);
    if (error) {
        json_decref(segments);
        return failed(error);
    }
    return cli_json_print(json_pack("{s:i,s:o}", "version", 1, "segments", segments));
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    bool json = false, any = false;
    const struct cli_option options[] = {{"json", CLI_FLAG, NULL, "as one JSON object", &json, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], NULL, 0);
    if (status != CLI_GO)
        return status;
    if (json)
        return list_json();
    int error = cvb_list(print_row, &any);
    return error ? failed(error) : cli_close_output();
}

const struct cli_command cli_list = {"list", "[--json]", "show the segments on this machine that you may open",
                                     "With no segments the table is empty, and so is standard output.", run};
