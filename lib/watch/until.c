/* until.c - putting, getting and forwarding with a deadline: try, sleep until it may go on, try again.
 *
 * No wake-up is lost: each sleep looks at its condition after it has announced itself (wait.c), and what another
 * process takes between the wake and the next try only means one more turn. After the deadline there is one more try,
 * because a sleep for credits ends at the low watermark, and there may be room before that.
 */
#include <conveyor/flow.h>
#include <conveyor/wait.h>

#include "watch/watch.h"

/* Until when a call may wait. The clock is asked when the call must wait, so a call that need not wait asks none. */
struct deadline {
    int64_t timeout_ns;
    uint64_t end_ns; /* 0: not known yet */
    bool over;       /* the next try is the last one */
};

/* How long the next wait may last, in nanoseconds; as timeout_ns if the call does not wait or waits without a limit. */
static int64_t time_left(struct deadline *d)
{
    if (d->timeout_ns <= 0)
        return d->timeout_ns;
    uint64_t now = cvb_monotonic_ns();
    if (!d->end_ns)
        d->end_ns = now + (uint64_t)d->timeout_ns;
    return d->end_ns > now ? (int64_t)(d->end_ns - now) : 0;
}

/* After a wait that might last `left` ns and returned `error`: 0 if there is to be one more try, or the error that ends
 * the call. */
static int after_wait(struct deadline *d, int64_t left, int error)
{
    d->over = !left || error == CVB_ETIMEDOUT;
    return error == CVB_ETIMEDOUT || error > 0 ? 0 : error;
}

/* What a call returns that did `done` records before the error. */
static int result_of(int error, size_t done, int *why)
{
    if (why)
        *why = error;
    return error && !done ? error : (int)done;
}

/* After a try that did n records (or n is an error) and stopped because of `why`: how many records are done in all, and
 * *error, why not the others. */
static size_t after_try(const struct deadline *d, int n, int why, size_t done, int *error)
{
    *error = n < 0 ? n : why;
    if (d->over && cvb_is_full(*error))
        *error = CVB_ETIMEDOUT;
    return done + (n > 0 ? (size_t)n : 0);
}

int cvb_put_wait(struct cvb_handle *h, uint32_t stage, const struct cvb_record *records, size_t count,
                 int64_t timeout_ns, int *why)
{
    CVB_ONE_USER(h);
    struct deadline d = {timeout_ns, 0, false};
    size_t done = 0;
    for (int error;;) {
        int refused = 0, n = cvb_buffer_batch_for_stage(h, stage, records + done, count - done, &refused);
        done = after_try(&d, n, refused, done, &error);
        if (!cvb_is_full(error))
            return result_of(error, done, why);
        int64_t left = time_left(&d);
        error = after_wait(&d, left, cvb_wait_credits(h, stage, records[done].source, left));
        if (error)
            return result_of(error, done, why);
    }
}

/* Forwards with results; or with the leases' own payloads, if `results` is NULL. */
static int forward_until(struct cvb_handle *h, uint32_t stage, const struct cvb_lease *leases,
                         const struct cvb_record *results, size_t count, int64_t timeout_ns, int *why)
{
    struct deadline d = {timeout_ns, 0, false};
    size_t done = 0;
    for (int error;;) {
        int refused = 0, n = results
                                 ? cvb_forward_records(h, stage, leases + done, results + done, count - done, &refused)
                                 : cvb_forward(h, stage, leases + done, count - done, &refused);
        done = after_try(&d, n, refused, done, &error);
        if (!cvb_is_full(error))
            return result_of(error, done, why);
        int64_t left = time_left(&d);
        error = after_wait(&d, left, cvb_wait_forward(h, stage, leases[done].source, error, left));
        if (error)
            return result_of(error, done, why);
    }
}

int cvb_forward_wait(struct cvb_handle *h, uint32_t stage, const struct cvb_lease *leases, size_t count,
                     int64_t timeout_ns, int *why)
{
    CVB_ONE_USER(h);
    return forward_until(h, stage, leases, NULL, count, timeout_ns, why);
}

int cvb_forward_records_wait(struct cvb_handle *h, uint32_t stage, const struct cvb_lease *leases,
                             const struct cvb_record *results, size_t count, int64_t timeout_ns, int *why)
{
    CVB_ONE_USER(h);
    if (!results && count) {
        if (why)
            *why = CVB_EINVAL;
        return CVB_EINVAL;
    }
    return forward_until(h, stage, leases, results, count, timeout_ns, why);
}

int cvb_get_wait(struct cvb_handle *h, uint32_t stage, struct cvb_lease *leases, size_t count, int64_t timeout_ns)
{
    CVB_ONE_USER(h);
    struct deadline d = {timeout_ns, 0, false};
    for (;;) {
        int n = cvb_get_batch(h, stage, leases, count);
        if (n || !count)
            return n;
        if (d.over)
            return CVB_ETIMEDOUT;
        int64_t left = time_left(&d);
        int error = after_wait(&d, left, cvb_wait_records(h, &stage, 1, left));
        if (error)
            return error;
    }
}
