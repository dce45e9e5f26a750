/* pull.c - leases records in batches, writes them as lines, and settles them only when they are written.
 *
 * A batch ends in one of three ways: written and settled; not written, and returned to its stage; or, when this process
 * is killed, delivered again to another. So a record may be seen twice, and never not at all.
 */
#include <conveyor/crash.h>
#include <conveyor/flow.h>
#include <conveyor/segment.h>
#include <conveyor/wait.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "output.h"
#include "progress.h"
#include "signals.h"
#include "text.h"

#define WAIT_SLICE INT64_C(100000000)
#define ROOM_SLICE INT64_C(20000000)

struct pull {
    const char *segment, *stage_name, *to_name;
    uint32_t stage, to, batch, count;
    bool follow;
    double idle_seconds; /* negative: without end */
    int64_t last_record_ns;
    struct cvb_handle *handle;
    struct cvb_lease *leases;
    struct cli_output output;
    struct cli_progress progress;
};

static int failed(struct pull *p, int error)
{
    cli_progress_break(&p->progress);
    return cli_segment_failed(p->segment, error);
}

/* The batch could not be written: nothing of it counts as delivered. */
static int not_written(struct pull *p, size_t count, int reason)
{
    cvb_return_to_buffer(p->handle, p->leases, count); /* if this fails, leaving returns them */
    cli_progress_break(&p->progress);
    cli_complain("cannot write to standard output: %s; %llu records are delivered, %zu were returned to stage '%s'",
                 reason == EINTR ? "stopped by a second signal" : strerror(reason),
                 (unsigned long long)p->progress.records, count, p->stage_name);
    return CLI_FAILED;
}

static bool is_refusal(int error)
{
    return error == CVB_ESTAGE_FULL || error == CVB_ETOTAL_FULL || error == CVB_EMEMORY_FULL ||
           error == CVB_ESOURCE_FULL;
}

/* Waits for room in the target, a slice of time at most. */
static int wait_for_room(struct pull *p)
{
    int64_t start = cli_now_ns();
    int error = cvb_wait_credits(p->handle, p->to, CVB_NO_SOURCE, ROOM_SLICE);
    p->progress.stalled_ns += cli_now_ns() - start;
    cli_progress_tick(&p->progress);
    return error == CVB_ETIMEDOUT ? 0 : error;
}

/* Sends the batch on: 0 or an error; *done of it. A signal ends the wait for room, and the rest is returned. */
static int forward(struct pull *p, size_t count, size_t *done)
{
    for (*done = 0; *done < count;) {
        int why = 0, error = 0;
        int n = cvb_forward(p->handle, p->to, p->leases + *done, count - *done, &why);
        if (n < 0)
            return n;
        *done += (size_t)n;
        if (*done == count)
            return 0;
        if (why && !is_refusal(why))
            return why;
        if (cli_signals())
            return cvb_return_to_buffer(p->handle, p->leases + *done, count - *done);
        error = wait_for_room(p);
        if (error)
            return error;
    }
    return 0;
}

static int settle(struct pull *p, size_t count)
{
    size_t done = count;
    int error = p->to_name ? forward(p, count, &done) : cvb_ack(p->handle, p->leases, count);
    p->progress.records += error && !p->to_name ? 0 : done;
    return error;
}

/* One batch: how many records there were, or an error, or CLI_STOP after a complaint. */
enum { CLI_STOP = -1000 };
static int move_batch(struct pull *p, size_t want)
{
    int n = cvb_get_batch(p->handle, p->stage, p->leases, want);
    if (n <= 0)
        return n;
    int reason = cli_output_lines(&p->output, p->leases, (size_t)n);
    if (reason) {
        not_written(p, (size_t)n, reason);
        return CLI_STOP;
    }
    int error = settle(p, (size_t)n);
    return error ? error : n;
}

/* The stage is empty: 1 go on, 0 end, or an error. What dead peers had leased comes back before it counts as empty. */
static int when_empty(struct pull *p)
{
    if (!p->follow) {
        int freed = cvb_recover(p->handle);
        return freed > 0 ? 1 : freed;
    }
    int64_t idle = cli_now_ns() - p->last_record_ns, slice = WAIT_SLICE;
    if (p->idle_seconds >= 0) {
        int64_t left = (int64_t)(p->idle_seconds * 1e9) - idle;
        if (left <= 0)
            return 0;
        slice = left < slice ? left : slice;
    }
    int error = cvb_wait_records(p->handle, &p->stage, 1, slice);
    return error < 0 && error != CVB_ETIMEDOUT ? error : 1;
}

static int pull_all(struct pull *p)
{
    p->last_record_ns = cli_now_ns();
    while (!cli_signals() && (!p->count || p->progress.records < p->count)) {
        uint64_t left = p->count ? p->count - p->progress.records : p->batch;
        int n = move_batch(p, left < p->batch ? (size_t)left : p->batch);
        if (n > 0)
            p->last_record_ns = cli_now_ns();
        else if (!n)
            n = when_empty(p);
        if (n == CLI_STOP)
            return CLI_FAILED;
        if (n < 0)
            return failed(p, n);
        if (!n)
            break;
        cli_progress_tick(&p->progress);
    }
    cli_progress_end(&p->progress);
    return CLI_DONE;
}

static int find_names(struct pull *p)
{
    int error = cvb_stage(p->handle, p->stage_name, &p->stage);
    if (error)
        return cli_name_failed(p->segment, "stage", "stage", p->stage_name, error);
    if (!p->to_name)
        return 0;
    error = cvb_stage(p->handle, p->to_name, &p->to);
    if (error)
        return cli_name_failed(p->segment, "to", "stage", p->to_name, error);
    if (p->to == p->stage || p->to == CVB_STAGE_DEAD_LETTER) {
        cli_complain("--to '%s': records cannot be forwarded to %s", p->to_name,
                     p->to == p->stage ? "the stage they come from" : "the dead-letter stage");
        return CLI_USAGE;
    }
    return 0;
}

static int pull_attached(struct pull *p)
{
    int status = find_names(p);
    if (status)
        return status;
    int reason = cli_output_begin(&p->output, STDOUT_FILENO);
    if (reason)
        return not_written(p, 0, reason);
    p->leases = calloc(p->batch, sizeof *p->leases);
    if (!p->leases)
        return failed(p, CVB_ESYSTEM);
    status = pull_all(p);
    free(p->leases);
    return status;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct pull p = {.batch = 64, .idle_seconds = -1};
    bool progress = false;
    const struct cli_option options[] = {
        {"stage", CLI_NEED, "NAME", "the stage to take records from", &p.stage_name, 0, 0},
        {"batch", CLI_WHOLE, "N", "lease at most so many at once (64)", &p.batch, 1, 100000},
        {"count", CLI_WHOLE, "N", "end after so many records", &p.count, 1, UINT32_MAX},
        {"follow", CLI_FLAG, NULL, "wait for more when the stage is empty", &p.follow, 0, 0},
        {"exit-when-idle", CLI_REAL, "SECONDS", "wait for more, but end after so long without any", &p.idle_seconds, 0,
         1e9},
        {"to", CLI_TEXT, "STAGE", "forward the records to that stage when they are written", &p.to_name, 0, 0},
        {"progress", CLI_FLAG, NULL, "report on standard error once a second", &progress, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &p.segment, 1);
    if (status != CLI_GO)
        return status;
    p.follow = p.follow || p.idle_seconds >= 0;
    status = cli_attach(p.segment, &p.handle);
    if (status)
        return status;
    cli_note_signals();
    cli_progress_begin(&p.progress, "pulled", progress);
    status = pull_attached(&p);
    cvb_detach(p.handle);
    return status;
}

const struct cli_command cli_pull = {
    "pull", "SEG --stage NAME [--batch N] [--count N] [--follow] [--exit-when-idle SECONDS] [--to STAGE] [--progress]",
    "write each record as a line to standard output",
    "A record is acked (or forwarded) only after it was written. When it cannot be written, its batch goes back to "
    "the\n"
    "stage and the exit status is 1; after a kill others get it: a record may be seen twice, never not at all. "
    "Without\n"
    "--follow it ends when the stage is empty. SIGINT and SIGTERM end it with exit status 0 after the batch in hand.\n"
    "If standard output is a file whose last line was cut off, a new line is begun.",
    run};
