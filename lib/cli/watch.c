/* watch.c - the object of `stat --json` again and again, a line each, for scripts. */
#include <conveyor/segment.h>
#include <time.h>

#include "json.h"
#include "options.h"
#include "removed.h"
#include "signals.h"
#include "text.h"

#define LOOK_SLICE INT64_C(1000000000) /* nanoseconds from one look at the segment to the next */

static int print(struct cvb_handle *handle, const char *segment)
{
    struct cli_snapshot snapshot;
    struct timespec now;
    int error = cli_snapshot_take(handle, &snapshot);
    if (!error)
        error = cli_snapshot_progress(handle, &snapshot);
    if (error)
        return cli_segment_failed(segment, error);
    json_t *object = cli_json_stat(segment, &snapshot);
    cli_snapshot_free(&snapshot);
    clock_gettime(CLOCK_REALTIME, &now);
    if (object)
        json_object_set_new(object, "time_ms", json_integer((json_int_t)now.tv_sec * 1000 + now.tv_nsec / 1000000));
    return cli_json_print(object);
}

/* Sleeps until the next line is due; false if the segment was removed meanwhile. */
static bool sleep_until(struct cvb_handle *handle, int64_t due)
{
    int64_t next_look = 0;
    for (int64_t left; !cli_signals() && (left = due - cli_now_ns()) > 0;) {
        if (cli_is_removed(handle, &next_look))
            return false;
        cli_sleep(left < LOOK_SLICE ? left : LOOK_SLICE);
    }
    next_look = 0;
    return !cli_is_removed(handle, &next_look);
}

static int watch(struct cvb_handle *handle, const char *segment, double interval, uint32_t count)
{
    int64_t next = cli_now_ns();
    for (uint32_t i = 0; !cli_signals() && (!count || i < count); i++) {
        if (i && !sleep_until(handle, next)) {
            cli_complain_removed(segment);
            return CLI_FAILED;
        }
        next += (int64_t)(interval * 1e9);
        int status = cli_signals() ? CLI_DONE : print(handle, segment);
        if (status)
            return status;
    }
    return CLI_DONE;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    const char *segment;
    double interval = 1;
    uint32_t count = 0;
    const struct cli_option options[] = {
        {"interval", CLI_REAL, "SECONDS", "time from one line to the next (1)", &interval, 0.01, 86400},
        {"count", CLI_WHOLE, "N", "end after N lines", &count, 1, UINT32_MAX}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &segment, 1);
    if (status != CLI_GO)
        return status;
    struct cvb_handle *handle;
    cli_note_signals();
    status = cli_observe(segment, &handle);
    if (status)
        return status;
    status = watch(handle, segment, interval, count);
    cvb_detach(handle);
    return status;
}

const struct cli_command cli_watch = {"watch", "SEG [--interval SECONDS] [--count N]",
                                      "print the object of stat --json as a line, again and again",
                                      "Each line has the key time_ms as well: the wall clock. SIGINT and SIGTERM end "
                                      "it with exit status 0;\nit ends with 1 when the segment is removed.",
                                      run};
