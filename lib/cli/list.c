/* list.c - the segments on this machine. */
#include <conveyor/segment.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "options.h"
#include "system.h"
#include "text.h"
#include "units.h"
#include "width.h"

enum { NAME_WIDTH = 16 }; /* of the column, at least */

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

struct row {
    char name[256]; /* of a file */
    struct cvb_settings settings;
    uint64_t bytes;
    struct state state;
};

struct rows {
    struct row *row;
    size_t count, room;
};

static int add(const char *name, const struct cvb_settings *settings, uint64_t bytes, void *data)
{
    struct rows *rows = data;
    if (rows->count == rows->room) {
        size_t room = rows->room ? 2 * rows->room : 16;
        struct row *more = realloc(rows->row, room * sizeof *more);
        if (!more)
            return CVB_ESYSTEM;
        rows->row = more;
        rows->room = room;
    }
    struct row *r = &rows->row[rows->count++];
    *r = (struct row){.settings = *settings, .bytes = bytes, .state = look(name)};
    snprintf(r->name, sizeof r->name, "%s", name);
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct row *)a)->name, ((const struct row *)b)->name);
}

static void print_row(const struct row *r, int width)
{
    char size[32], longest[32];
    printf("%s%*s %10s %10u %10u %10u %10s", r->name, width - cli_width(r->name), "",
           cli_bytes(r->bytes, size, sizeof size), r->settings.max_total_records, r->settings.max_per_stage,
           r->settings.max_per_source, cli_bytes(r->settings.payload_size, longest, sizeof longest));
    if (r->state.known)
        printf(" %10u %6.1f %% %8zu  %s\n", r->state.buffered, r->state.utilization * 100, r->state.handles,
               cli_signal_name(r->state.signal));
    else
        printf(" %10s %8s %8s  -\n", "-", "-", "-");
}

/* Scripts get nothing for nothing; who sits before a terminal is told. */
static int print_table(const struct rows *rows)
{
    int width = NAME_WIDTH;
    for (size_t i = 0; i < rows->count; i++)
        width = cli_wider(width, rows->row[i].name);
    if (rows->count)
        printf("%-*s %10s %10s %10s %10s %10s %10s %8s %8s  %s\n", width, "SEGMENT", "memory", "at most", "per stage",
               "per source", "longest", "buffered", "fill", "handles", "signal");
    else if (isatty(STDOUT_FILENO))
        cli_complain("there is no segment that this user may open; 'conveyor create NAME' makes one");
    for (size_t i = 0; i < rows->count; i++)
        print_row(&rows->row[i], width);
    return cli_close_output();
}

static json_t *object(const struct row *r)
{
    json_t *object = json_pack(
        "{s:o,s:I,s:I,s:I,s:I,s:I}", "name", cli_json_text(r->name), "bytes", (json_int_t)r->bytes, "max_total_records",
        (json_int_t)r->settings.max_total_records, "max_per_stage", (json_int_t)r->settings.max_per_stage,
        "max_per_source", (json_int_t)r->settings.max_per_source, "payload_size", (json_int_t)r->settings.payload_size);
    if (r->state.known)
        json_object_update_new(object,
                               json_pack("{s:I,s:f,s:I,s:s}", "buffered", (json_int_t)r->state.buffered, "utilization",
                                         r->state.utilization, "handles", (json_int_t)r->state.handles, "backpressure",
                                         cli_signal_name(r->state.signal)));
    return object;
}

static int print_json(const struct rows *rows)
{
    json_t *segments = json_array();
    for (size_t i = 0; i < rows->count; i++)
        json_array_append_new(segments, object(&rows->row[i]));
    return cli_json_print(json_pack("{s:i,s:o}", "version", 1, "segments", segments));
}

static int failed(int error)
{
    char text[300];
    int reason = error == CVB_ESYSTEM ? errno : 0;
    const char *cause = cli_system_cause(reason, 0, text, sizeof text);
    cli_complain("cannot list the segments: %s", cause ? cause : reason ? strerror(reason) : cvb_error_text(error));
    return CLI_FAILED;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    bool json = false;
    struct rows rows = {0};
    const struct cli_option options[] = {{"json", CLI_FLAG, NULL, "as one JSON object", &json, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], NULL, 0);
    if (status != CLI_GO)
        return status;
    int error = cvb_list(add, &rows);
    if (!error && rows.count)
        qsort(rows.row, rows.count, sizeof *rows.row, compare);
    status = error ? failed(error) : json ? print_json(&rows) : print_table(&rows);
    free(rows.row);
    return status;
}

const struct cli_command cli_list = {
    "list", "[--json]", "show the segments on this machine that you may open",
    "By name, each with the memory that it takes, the limits of all records, of a stage and of a source, the longest\n"
    "record, and what is in it now: records, how full, handles, and the strongest signal that any stage or source is\n"
    "told; a dash stands for what this user, or nobody, can look into. With no segments standard output is empty.",
    run};
