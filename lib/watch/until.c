/* until.c - putting, getting and forwarding with a deadline: try, sleep until it may go on, try again.
 *
 * No wake-up is lost: each sleep looks at its condition after it has announced itself (wait.c), and what another
 * process takes between the wake and the next try only means one more turn. After the deadline there is one more try,
 * because a sleep for credits ends at the low watermark, and there may be room before that.
 */
#include <conveyor/flow.h>
#include <conveyor/wait.h>

#include "watch/watch.h"

/* How long a call may still wait. Its end is not known before it must: a call that need not wait asks no clock. */
struct patience {
    int64_t timeout_ns;
    uint64_t end_ns; /* 0: not known yet */
    bool over;
};

/* How long the next wait may be. */
static int64_t patience_left(struct patience *p)
{
    if (p->timeout_ns <= 0)
        return p->timeout_ns;
    uint64_t now = cvb_monotonic_ns();
    if (!p->end_ns)
        p->end_ns = now + (uint64_t)p->timeout_ns;
    return p->end_ns > now ? (int64_t)(p->end_ns - now) : 0;
}

/* What ends the call after a wait that returned this and was to last so long; 0: one more try. */
static int wait_ended(struct patience *p, int64_t left, int error)
{
    p->over = !left || error == CVB_ETIMEDOUT;
    return error == CVB_ETIMEDOUT || error > 0 ? 0 : error;
}

/* What a call returns that has done `done` records. */
static int did(int error, size_t done, int *why)
{
    if (why)
        *why = error;
    return error && !done ? error : (int)done;
}

/* What a try returned, and why it did no more: their sum; the rest is up to the caller if *error is not 0. */
static size_t tried(const struct patience *p, int n, int why, size_t done, int *error)
{
    *error = n < 0 ? n : why;
    if (p->over && cvb_is_full(*error))
        *error = CVB_ETIMEDOUT;
    return done + (n > 0 ? (size_t)n : 0);
}

int cvb_put_wait(struct cvb_handle *h, uint32_t stage, const struct cvb_record *records, size_t count,
                 int64_t timeout_ns, int *why)
{
    CVB_ONE_USER(h);
    struct patience p = {timeout_ns, 0, false};
    size_t done = 0;
    for (int error;;) {
        int refused = 0, n = cvb_buffer_batch_for_stage(h, stage, records + done, count - done, &refused);
        done = tried(&p, n, refused, done, &error);
        if (!cvb_is_full(error))
            return did(error, done, why);
        int64_t left = patience_left(&p);
        error = wait_ended(&p, left, cvb_wait_credits(h, stage, records[done].source, left));
        if (error)
            return did(error, done, why);
    }
}

/* With results, or with the leases' own payloads if there are none. */
static int forward_until(struct cvb_handle *h, uint32_t stage, const struct cvb_lease *leases,
                         const struct cvb_record *results, size_t count, int64_t timeout_ns, int *why)
{
    struct patience p = {timeout_ns, 0, false};
    size_t done = 0;
    for (int error;;) {
        int refused = 0, n = results
                                 ? cvb_forward_records(h, stage, leases + done, results + done, count - done, &refused)
                                 : cvb_forward(h, stage, leases + done, count - done, &refused);
        done = tried(&p, n, refused, done, &error);
        if (!cvb_is_full(error))
            return did(error, done, why);
        int64_t left = patience_left(&p);
        error = wait_ended(&p, left, cvb_wait_forward(h, stage, leases[done].source, error, left));
        if (error)
            return did(error, done, why);
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
    struct patience p = {timeout_ns, 0, false};
    for (;;) {
        int n = cvb_get_batch(h, stage, leases, count);
        if (n || !count)
            return n;
        if (p.over)
            return CVB_ETIMEDOUT;
        int64_t left = patience_left(&p);
        int error = wait_ended(&p, left, cvb_wait_records(h, &stage, 1, left));
        if (error)
            return error;
    }
}
