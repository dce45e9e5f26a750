/* feed.c - puts records into a stage, and does what the signals say. What is refused is tried again after a bounded
 * wait, so that a signal to this process is seen and no wake-up is relied on. */
#include "feed.h"

#include <conveyor/flow.h>
#include <conveyor/wait.h>

#include "removed.h"
#include "signals.h"

#define MILLISECOND INT64_C(1000000)
#define WAIT_SLICE (100 * MILLISECOND)
#define DELAY_SLICE (2 * MILLISECOND)

bool cli_is_refusal(int error)
{
    return error == CVB_ESTAGE_FULL || error == CVB_ESOURCE_FULL || error == CVB_ETOTAL_FULL ||
           error == CVB_EMEMORY_FULL;
}

/* Waits for room, a slice of time at most, and sees whether the segment is still there. */
static int wait_for_room(struct cli_feed *f, uint32_t source)
{
    int64_t start = cli_now_ns();
    int error = cvb_wait_credits(f->handle, f->stage, source, WAIT_SLICE);
    f->progress->stalled_ns += cli_now_ns() - start;
    cli_progress_tick(f->progress);
    f->removed = cli_is_removed(f->handle, &f->next_look_ns);
    return error == CVB_ETIMEDOUT ? 0 : error;
}

/* One slice of the sleep that SLOW_DOWN asks for; *slept_ns grows by what it took. */
static void slow_down(struct cli_feed *f, int64_t left, int64_t *slept_ns)
{
    int64_t start = cli_now_ns();
    cli_sleep(left < DELAY_SLICE ? left : DELAY_SLICE);
    int64_t slept = cli_now_ns() - start;
    *slept_ns += slept;
    f->progress->stalled_ns += slept;
    cli_progress_tick(f->progress);
}

/* Does as the signal says: PAUSE waits until it is over; SLOW_DOWN sleeps, looking whether the delay shrinks. */
static int throttle(struct cli_feed *f, uint32_t source)
{
    struct cvb_backpressure now;
    int64_t slept = 0; /* since the last pause */
    while (!cli_signals() && !f->removed) {
        int error = cvb_backpressure(f->handle, f->stage, source, &now);
        if (error)
            return error;
        if (now.signal == CVB_SIGNAL_PAUSE) {
            error = wait_for_room(f, source);
            if (error)
                return error;
            slept = 0;
            continue;
        }
        int64_t left = now.signal == CVB_SIGNAL_SLOW_DOWN && f->slow_down ? now.delay_ms * MILLISECOND - slept : 0;
        if (left <= 0)
            break;
        slow_down(f, left, &slept);
    }
    return 0;
}

int cli_feed_put(struct cli_feed *f, const struct cvb_record *records, size_t count)
{
    for (size_t done = 0; done < count;) {
        int why = 0, error = throttle(f, records[done].source);
        if (error || cli_signals() || f->removed)
            return error;
        int n = cvb_buffer_batch_for_stage(f->handle, f->stage, records + done, count - done, &why);
        if (n < 0)
            return n;
        done += (size_t)n;
        f->progress->records += (uint64_t)n;
        if (done == count)
            break;
        if (why && !cli_is_refusal(why))
            return why;
        error = wait_for_room(f, records[done].source);
        if (error)
            return error;
    }
    return 0;
}
