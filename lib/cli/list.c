/* list.c - the segments on this machine. */
#include <conveyor/segment.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "options.h"
#include "system.h"
#include "text.h"
#include "units.h"

/* What is in it now. */
struct state {
    bool known;
    uint32_t buffered;
    double utilization;
    size_t handles;
    enum cvb_signal signal; /* the strongest of any stage or source */
};

static struct state look(const char *name)
{
    struct cvb_handle *handle;
    struct cli_snapshot s;
    struct state x = {0};
    if (cvb_observe(name, &handle))
        return x;
    if (!cli_snapshot_take(handle, &s)) {
        x = (struct state){true, s.buffered, s.utilization, s.peer_count, CVB_SIGNAL_NONE};
        for (size_t i = 0; i < s.stage_count; i++)
            x.signal = s.stages[i].signal > x.signal ? s.stages[i].signal : x.signal;
        for (size_t i = 0; i < s.source_count; i++)
            x.signal = s.sources[i].backpressure.signal > x.signal ? s.sources[i].backpressure.signal : x.signal;
        cli_snapshot_free(&s);
    }
    cvb_detach(handle);
    return x;
}

static int print_row(const char *name, const struct cvb_settings *s, uint64_t bytes, void *data)
{
    char size[32], longest[32];
    bool *any = data;
    struct state x = look(name);
    if (!*any)
        printf("%-24s %10s %10s %10s %10s %10s %10s %8s %8s  %s\n", "SEGMENT", "memory", "records", "per stage",
               "per source", "longest", "buffered", "fill", "handles", "signal");
    *any = true;
    printf("%-24s %10s %10u %10u %10u %10s", name, cli_bytes(bytes, size, sizeof size), s->max_total_records,
           s->max_per_stage, s->max_per_source, cli_bytes(s->payload_size, longest, sizeof longest));
    if (x.known)
        printf(" %10u %6.1f %% %8zu  %s\n", x.buffered, x.utilization * 100, x.handles, cli_signal_name(x.signal));
    else
        printf(" %10s %8s %8s  -\n", "-", "-", "-");
    return 0;
}

static int add_object(const char *name, const struct cvb_settings *s, uint64_t bytes, void *data)
{
    struct state x = look(name);
    json_t *object =
        json_pack("{s:o,s:I,s:I,s:I,s:I,s:I}", "name", cli_json_text(name), "bytes", (json_int_t)bytes,
                  "max_total_records", (json_int_t)s->max_total_records, "max_per_stage", (json_int_t)s->max_per_stage,
                  "max_per_source", (json_int_t)s->max_per_source, "payload_size", (json_int_t)s->payload_size);
    if (x.known)
        json_object_update_new(object, json_pack("{s:I,s:f,s:I,s:s}", "buffered", (json_int_t)x.buffered, "utilization",
                                                 x.utilization, "handles", (json_int_t)x.handles, "backpressure",
                                                 cli_signal_name(x.signal)));
    return json_array_append_new(data, object);
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

const struct cli_command cli_list = {
    "list", "[--json]", "show the segments on this machine that you may open",
    "With no segments the table is empty, and so is standard output. The signal is the strongest that any stage or\n"
    "source is told; a dash stands for what this user, or nobody, can look into.",
    run};
