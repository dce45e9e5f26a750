/* stay.c - the times of units, and the waits that a get counts. */
#include "place/stay.h"

void cvb_enters_stage(struct cvb_unit *unit)
{
    cvb_store64_rlx(&unit->buffered_at_ns, cvb_time_since(cvb_load64_rlx(&unit->buffered_at_ns), cvb_now_ns()));
}

/* Two buckets for each doubling of the time: 0, 1, 2, 3, 4, 6, 8, 12 ... units. */
unsigned cvb_wait_bucket(uint64_t units)
{
    if (units < 2)
        return (unsigned)units;
    const unsigned high = 63u - (unsigned)__builtin_clzll(units), bucket = 2 * high + (units >> (high - 1) & 1);
    return bucket < CVB_WAIT_BUCKETS ? bucket : CVB_WAIT_BUCKETS - 1;
}

uint64_t cvb_wait_least(unsigned bucket)
{
    return bucket < 2 ? bucket : (uint64_t)(2 | (bucket & 1)) << (bucket / 2 - 1);
}

/* The window of now; if it is one of an earlier time, it begins anew. */
static struct cvb_window *window_of(struct cvb_stay *stay, uint64_t now)
{
    const uint32_t number = (uint32_t)(now >> CVB_WINDOW_SHIFT);
    struct cvb_window *w = &stay->window[number & 1];
    if (cvb_load32_rlx(&w->number) == number)
        return w;
    for (unsigned i = 0; i < CVB_WAIT_BUCKETS; i++)
        cvb_store16_rlx(&w->count[i], 0);
    cvb_store32_rlx(&w->longest, 0);
    cvb_store32_rel(&w->number, number);
    return w;
}

static void count_wait(struct cvb_handle *h, uint32_t stage, uint64_t units, uint64_t now)
{
    struct cvb_window *w = window_of(cvb_stay_at(h, h->seat, stage), now);
    uint16_t *count = &w->count[cvb_wait_bucket(units)], was = cvb_load16_rlx(count);
    if (was < UINT16_MAX)
        cvb_store16_rlx(count, (uint16_t)(was + 1));
    if (units > cvb_load32_rlx(&w->longest))
        cvb_store32_rlx(&w->longest, units < UINT32_MAX ? (uint32_t)units : UINT32_MAX);
}

/* A unit of another time than the last one was taken, or the clock has moved on: the next call looks at the clock. */
CVB_RARE void cvb_took(struct cvb_handle *h, uint64_t time, uint32_t stage)
{
    const uint64_t now = cvb_now_ns();
    h->calls_due = 0;
    h->taken_seen = time;
    h->taken_ns = cvb_buffered_at(time);
    h->taken_stamp = cvb_time_since(time, now);
    if (now != h->counted_ns && stage < h->segment.settings.max_stages) {
        h->counted_ns = now;
        count_wait(h, stage, cvb_age_ns(cvb_since_ns(time), now) >> CVB_SINCE_BITS, now);
    }
}
