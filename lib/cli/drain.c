/* drain.c - takes a stage's records in batches, hands each to a writer, and settles it only when its reader has it.
 *
 * A record is held from the time when it is leased until its reader has taken it (cli_output_taken). It ends in one of
 * three ways: taken and settled; not taken, and given back to its stage as if it had never been leased; or, when this
 * process is killed, delivered again to another. So a record may be seen twice, but is never missed.
 *
 * What a reader has read from a pipe is the reader's, also if it then uses two lines of it and ends, as head does.
 * Therefore a pipe gets one record at first, and twice as many each time all of them have been read: a reader that ends
 * early, or is slow, has been given few more records than it wanted. For a fast one there are up to AHEAD batches on
 * the way, so that it need not wait; with a batch of one there is never more than one.
 *
 * Nothing says when a pipe is emptied, so its reader is looked at again and again: at once, and then less and less
 * often down to LONGEST_NAP.
 */
#include "drain.h"

#include <conveyor/crash.h>
#include <conveyor/flow.h>
#include <conveyor/segment.h>
#include <conveyor/wait.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attach.h"
#include "command.h"
#include "feed.h"
#include "names.h"
#include "removed.h"
#include "signals.h"
#include "text.h"

#define MILLISECOND INT64_C(1000000)
#define WAIT_SLICE (100 * MILLISECOND) /* the longest time until a signal, or a reader that has gone, is seen */
#define ROOM_SLICE (20 * MILLISECOND)
#define LEAVE_NS (200 * MILLISECOND) /* after a signal the reader may still take what it has been given, so long */
#define LONGEST_NAP (50 * MILLISECOND)
#define NAP_BEGIN 50000 /* nanoseconds, after YIELDS looks without a sleep */
enum { YIELDS = 16, AHEAD = 16, MOST_AHEAD = 1024, CLI_STOP = -1000 }; /* CLI_STOP: a complaint was made */

static int failed(struct cli_drain *d, int error)
{
    cli_progress_break(&d->progress);
    return cli_segment_failed(d->segment, error);
}

/* Gives back what is held. If this fails, leaving the segment does it. */
static void give_back(struct cli_drain *d)
{
    if (d->held)
        cvb_release(d->handle, d->leases, d->held);
    d->given_back += d->held;
    d->held = 0;
}

int cli_drain_not_written(struct cli_drain *d, int reason)
{
    size_t n = d->given_back;
    unsigned long long records = d->progress.records;
    cli_progress_break(&d->progress);
    cli_complain("cannot write to %s: %s; %llu record%s delivered, %zu given back to stage '%s' untried", d->target,
                 reason == EPIPE ? "nobody reads it any more (Broken pipe)" : strerror(reason), records,
                 records == 1 ? "" : "s", n, d->stage_name);
    return CLI_FAILED;
}

void cli_drain_end(struct cli_drain *d)
{
    char more[80] = "";
    if (d->given_back)
        snprintf(more, sizeof more, ", %zu given back untried", d->given_back);
    cli_progress_end(&d->progress, more);
}

/* True if what is written is read by nobody any more. */
static bool gone(const struct cli_drain *d) { return d->output && cli_output_gone(d->output); }

/* Waits for room in the target, a slice of time at most. A dead letter that is retried needs a credit of its source. */
static int wait_for_room(struct cli_drain *d, uint32_t to, uint32_t source)
{
    int64_t start = cli_now_ns();
    int error = cvb_wait_credits(d->handle, to, source, ROOM_SLICE);
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

/* Sends the first `count` on: 0 or an error; *done of them. A signal ends the wait for room. */
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
        if (cli_signals() || gone(d))
            return 0;
        int error = wait_for_room(d, to, why == CVB_ESOURCE_FULL ? d->leases[*done].source : CVB_NO_SOURCE);
        if (error)
            return error;
    }
    return 0;
}

/* How many of the held records the reader has. */
static size_t count_taken(const struct cli_drain *d)
{
    if (!d->output)
        return d->held;
    uint64_t taken = d->held ? cli_output_taken(d->output) : 0;
    size_t n = 0;
    while (n < d->held && d->ends[n] <= taken)
        n++;
    return n;
}

/* Settles what the reader has: 0 or an error. */
static int settle_taken(struct cli_drain *d)
{
    size_t n = count_taken(d), done = n;
    if (!n)
        return 0;
    bool on = d->to_name || d->to_origin;
    int error = on ? forward(d, n, &done) : cvb_ack(d->handle, d->leases, n);
    if (error && !on)
        return error;
    d->progress.records += done;
    d->held -= done;
    memmove(d->leases, d->leases + done, d->held * sizeof *d->leases);
    memmove(d->ends, d->ends + done, d->held * sizeof *d->ends);
    d->nap_ns = -YIELDS;
    if (!d->held && d->window < d->most)
        d->window = d->window * 2 < d->most ? d->window * 2 : d->most;
    return error;
}

/* How many records may be held on their way to the reader of a pipe. */
static size_t most_ahead(uint32_t batch)
{
    size_t most = batch == 1 ? 1 : (size_t)batch * AHEAD;
    return most < MOST_AHEAD ? most : batch > MOST_AHEAD ? batch : MOST_AHEAD;
}

/* How many records may be leased now. */
static size_t room(const struct cli_drain *d)
{
    size_t most = d->window > d->held ? d->window - d->held : 0;
    most = most < d->batch ? most : d->batch;
    uint64_t left = d->count ? d->count - d->progress.records - d->held : most;
    return left < most ? (size_t)left : most;
}

/* Leases and writes what there is room for: how many, an error, or CLI_STOP after a complaint. A signal that ends the
 * write is seen by the caller. */
static int take(struct cli_drain *d)
{
    size_t want = room(d);
    int n = want ? cvb_get_batch(d->handle, d->stage, d->leases + d->held, want) : 0;
    if (n <= 0)
        return n;
    uint64_t *ends = d->ends + d->held;
    for (int i = 0; i < n; i++)
        ends[i] = UINT64_MAX; /* until the writer says better */
    int reason = d->write ? d->write(d->writer, d->leases + d->held, (size_t)n, ends) : 0;
    d->held += (size_t)n;
    d->last_record_ns = cli_now_ns();
    if (!reason || reason == EINTR)
        return n;
    int error = settle_taken(d);
    give_back(d);
    if (error)
        return error;
    cli_drain_not_written(d, reason);
    return CLI_STOP;
}

/* Something is held: waits a little for its reader, and for records if there is room for them. 1 or an error. */
static int nap(struct cli_drain *d)
{
    if (d->nap_ns < 0) {
        d->nap_ns++;
        sched_yield();
        return 1;
    }
    d->nap_ns = d->nap_ns < NAP_BEGIN ? NAP_BEGIN : d->nap_ns * 2 < LONGEST_NAP ? d->nap_ns * 2 : LONGEST_NAP;
    if (!room(d)) {
        cli_sleep(d->nap_ns);
        return 1;
    }
    int error = cvb_wait_records(d->handle, &d->stage, 1, d->nap_ns);
    return error < 0 && error != CVB_ETIMEDOUT ? error : 1;
}

/* The stage is empty, and nothing is held: 1 go on, 0 end, or an error. What dead peers had leased comes back before it
 * counts as empty. */
static int when_empty(struct cli_drain *d)
{
    if (!d->follow) {
        int freed = cvb_recover(d->handle);
        return freed > 0 ? 1 : freed;
    }
    if (cli_is_removed(d->handle, &d->next_look_ns)) {
        cli_progress_break(&d->progress);
        cli_complain_removed(d->segment);
        return CLI_STOP;
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

/* One turn: 1 go on, 0 end, an error, or CLI_STOP. */
static int turn(struct cli_drain *d)
{
    int n = settle_taken(d);
    if (n)
        return n;
    if (cli_signals() || gone(d) || (d->count && d->progress.records >= d->count))
        return 0;
    n = take(d);
    if (n)
        return n;
    return d->held ? nap(d) : when_empty(d);
}

/* The reader may take what it has been given for a moment; the rest is given back. */
static int leave(struct cli_drain *d)
{
    int64_t end = cli_now_ns() + LEAVE_NS;
    int error = settle_taken(d);
    while (!error && d->held && !gone(d) && cli_now_ns() < end) {
        poll(NULL, 0, 2);
        error = settle_taken(d);
    }
    if (!error)
        error = settle_taken(d); /* a reader that has gone reads no more: this count is the last */
    give_back(d);
    return error;
}

static int drain_all(struct cli_drain *d)
{
    int n;
    d->last_record_ns = cli_now_ns();
    d->window = d->output && d->output->unread ? 1 : d->most;
    while ((n = turn(d)) > 0)
        cli_progress_tick(&d->progress);
    if (n == CLI_STOP)
        return CLI_FAILED;
    bool left_alone = !cli_signals() && gone(d) && !(d->count && d->progress.records >= d->count);
    int error = n < 0 ? n : leave(d);
    if (error)
        return failed(d, error);
    return left_alone ? cli_drain_not_written(d, EPIPE) : CLI_DONE;
}

int cli_drain_run(struct cli_drain *d)
{
    int status = CLI_FAILED;
    d->most = d->output && d->output->unread ? most_ahead(d->batch) : d->batch;
    d->leases = calloc(d->most, sizeof *d->leases);
    d->ends = calloc(d->most, sizeof *d->ends);
    if (d->leases && d->ends)
        status = drain_all(d);
    else
        failed(d, CVB_ESYSTEM);
    free(d->leases);
    free(d->ends);
    return status;
}

static int find_names(struct cli_drain *d)
{
    int status = cli_find_stage(d->handle, d->segment, "--stage", d->stage_name, "", &d->stage);
    if (!status && d->to_name)
        status = cli_find_stage(d->handle, d->segment, "--to", d->to_name, "", &d->to);
    if (status || !d->to_name || (d->to != d->stage && d->to != CVB_STAGE_DEAD_LETTER))
        return status;
    cli_complain("--to '%s': records cannot be forwarded to %s", d->to_name,
                 d->to == d->stage ? "the stage they come from" : "the dead-letter stage");
    return CLI_USAGE;
}

int cli_drain_open(struct cli_drain *d)
{
    int64_t until_ns = cli_now_ns() + (int64_t)(d->wait_seconds * 1e9);
    int status = cli_attach_until(d->segment, d->stage_name, d->to_name, until_ns, &d->handle);
    if (status)
        return status;
    if (!d->handle) {
        cli_drain_end(d);
        return CLI_DONE;
    }
    status = find_names(d);
    if (status)
        cvb_detach(d->handle);
    return status;
}

void cli_drain_close(struct cli_drain *d) { cvb_detach(d->handle); }
