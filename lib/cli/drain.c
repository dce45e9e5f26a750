/* drain.c - takes a stage's records in batches, hands each to a writer, and settles it only when it is written.
 *
 * A batch ends in one of three ways: written and settled; not written, and returned to its stage; or, when this process
 * is killed, delivered again to another. So a record may be seen twice, and never not at all.
 */
#include "drain.h"

#include <conveyor/crash.h>
#include <conveyor/flow.h>
#include <conveyor/segment.h>
#include <conveyor/wait.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "feed.h"
#include "signals.h"
#include "text.h"

#define WAIT_SLICE INT64_C(100000000)
#define ROOM_SLICE INT64_C(20000000)

static int failed(struct cli_drain *d, int error)
{
    cli_progress_break(&d->progress);
    return cli_segment_failed(d->segment, error);
}

int cli_drain_not_written(struct cli_drain *d, size_t count, int reason)
{
    cli_progress_break(&d->progress);
    cli_complain("cannot write to %s: %s; %llu records are delivered, %zu were returned to stage '%s'", d->target,
                 reason == EINTR ? "stopped by a second signal" : strerror(reason),
                 (unsigned long long)d->progress.records, count, d->stage_name);
    return CLI_FAILED;
}

/* Waits for room in the target, a slice of time at most. */
static int wait_for_room(struct cli_drain *d, uint32_t to)
{
    int64_t start = cli_now_ns();
    int error = cvb_wait_credits(d->handle, to, CVB_NO_SOURCE, ROOM_SLICE);
    d->progress.stalled_ns += cli_now_ns() - start;
    cli_progress_tick(&d->progress);
    return error == CVB_ETIMEDOUT ? 0 : error;
}

/* How many of the leases go to the same stage as the first. */
static size_t same_way(const struct cli_drain *d, const struct cvb_lease *leases, size_t count)
{
    size_t n = 1;
    while (n < count && (!d->to_origin || leases[n].origin == leases[0].origin))
        n++;
    return n;
}

/* Sends the batch on: 0 or an error; *done of it. A signal ends the wait for room, and the rest is returned. */
static int forward(struct cli_drain *d, size_t count, size_t *done)
{
    for (*done = 0; *done < count;) {
        const struct cvb_lease *leases = d->leases + *done;
        uint32_t to = d->to_origin ? leases[0].origin : d->to;
        size_t want = same_way(d, leases, count - *done);
        int why = 0, n = cvb_forward(d->handle, to, leases, want, &why);
        if (n < 0)
            return n;
        *done += (size_t)n;
        if ((size_t)n == want)
            continue;
        if (why && !cli_is_refusal(why))
            return why;
        if (cli_signals())
            return cvb_return_to_buffer(d->handle, d->leases + *done, count - *done);
        int error = wait_for_room(d, to);
        if (error)
            return error;
    }
    return 0;
}

static int settle(struct cli_drain *d, size_t count)
{
    bool on = d->to_name || d->to_origin;
    size_t done = count;
    int error = on ? forward(d, count, &done) : cvb_ack(d->handle, d->leases, count);
    d->progress.records += error && !on ? 0 : done;
    return error;
}

/* One batch: how many records there were, or an error, or CLI_STOP after a complaint. */
enum { CLI_STOP = -1000 };
static int move_batch(struct cli_drain *d, size_t want)
{
    int n = cvb_get_batch(d->handle, d->stage, d->leases, want);
    if (n <= 0)
        return n;
    int reason = d->write ? d->write(d->writer, d->leases, (size_t)n) : 0;
    if (reason) {
        cvb_return_to_buffer(d->handle, d->leases, (size_t)n); /* if this fails, leaving returns them */
        cli_drain_not_written(d, (size_t)n, reason);
        return CLI_STOP;
    }
    int error = settle(d, (size_t)n);
    return error ? error : n;
}

/* The stage is empty: 1 go on, 0 end, or an error. What dead peers had leased comes back before it counts as empty. */
static int when_empty(struct cli_drain *d)
{
    if (!d->follow) {
        int freed = cvb_recover(d->handle);
        return freed > 0 ? 1 : freed;
    }
    int64_t idle = cli_now_ns() - d->last_record_ns, slice = WAIT_SLICE;
    if (d->idle_seconds >= 0) {
        int64_t left = (int64_t)(d->idle_seconds * 1e9) - idle;
        if (left <= 0)
            return 0;
        slice = left < slice ? left : slice;
    }
    int error = cvb_wait_records(d->handle, &d->stage, 1, slice);
    return error < 0 && error != CVB_ETIMEDOUT ? error : 1;
}

static int drain_all(struct cli_drain *d)
{
    d->last_record_ns = cli_now_ns();
    while (!cli_signals() && (!d->count || d->progress.records < d->count)) {
        uint64_t left = d->count ? d->count - d->progress.records : d->batch;
        int n = move_batch(d, left < d->batch ? (size_t)left : d->batch);
        if (n > 0)
            d->last_record_ns = cli_now_ns();
        else if (!n)
            n = when_empty(d);
        if (n == CLI_STOP)
            return CLI_FAILED;
        if (n < 0)
            return failed(d, n);
        if (!n)
            break;
        cli_progress_tick(&d->progress);
    }
    return CLI_DONE;
}

int cli_drain_run(struct cli_drain *d)
{
    d->leases = calloc(d->batch, sizeof *d->leases);
    if (!d->leases)
        return failed(d, CVB_ESYSTEM);
    int status = drain_all(d);
    free(d->leases);
    return status;
}

static int find_names(struct cli_drain *d)
{
    int error = cvb_stage(d->handle, d->stage_name, &d->stage);
    if (error)
        return cli_name_failed(d->segment, "stage", "stage", d->stage_name, error);
    if (!d->to_name)
        return 0;
    error = cvb_stage(d->handle, d->to_name, &d->to);
    if (error)
        return cli_name_failed(d->segment, "to", "stage", d->to_name, error);
    if (d->to == d->stage || d->to == CVB_STAGE_DEAD_LETTER) {
        cli_complain("--to '%s': records cannot be forwarded to %s", d->to_name,
                     d->to == d->stage ? "the stage they come from" : "the dead-letter stage");
        return CLI_USAGE;
    }
    return 0;
}

int cli_drain_open(struct cli_drain *d)
{
    int status = cli_attach(d->segment, &d->handle);
    if (status)
        return status;
    status = find_names(d);
    if (status)
        cvb_detach(d->handle);
    return status;
}

void cli_drain_close(struct cli_drain *d) { cvb_detach(d->handle); }
