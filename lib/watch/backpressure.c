/* backpressure.c - what the limits tell a source: go on, slow down, or pause; and how much room there is. */
#include <conveyor/wait.h>

#include "place/stay.h"
#include "sized.h"
#include "watch/watch.h"

/* What a source is told to wait between two puts, from just above the low watermark to just below the high one. */
#define DELAY_LEAST_MS 10
#define DELAY_MOST_MS 100

unsigned cvb_limits_of(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t counter[3])
{
    unsigned n = 0;
    if (source != CVB_NO_SOURCE) {
        counter[n++] = cvb_counter_of_source(h, cvb_place_of(source));
        counter[n++] = CVB_COUNTER_TOTAL;
    }
    if (stage != CVB_NO_STAGE && stage != CVB_STAGE_DEAD_LETTER)
        counter[n++] = cvb_counter_of_stage(stage);
    return n;
}

int cvb_check_ids(struct cvb_handle *h, uint32_t stage, uint32_t source)
{
    int error = cvb_reader_check(h);
    if (error)
        return error;
    if (source == CVB_NO_SOURCE && stage == CVB_NO_STAGE)
        return CVB_EINVAL;
    bool known = (source == CVB_NO_SOURCE || cvb_source_known(h, source)) &&
                 (stage == CVB_NO_STAGE || cvb_id_known(h, CVB_KIND_STAGE, stage));
    return known ? 0 : CVB_EUNKNOWN;
}

/* What the counter's level says. */
static struct cvb_backpressure computed_of(struct cvb_handle *h, uint32_t counter)
{
    if (h->observer ? cvb_level_pauses(h, counter) : cvb_level_correct(h, counter, false))
        return (struct cvb_backpressure){CVB_SIGNAL_PAUSE, 0};
    const struct cvb_marks *m = cvb_marks_of(h, counter);
    int64_t used = cvb_counter_used(h, counter);
    if (used > m->low)
        used = cvb_live(h, counter);
    if (used <= m->low)
        return (struct cvb_backpressure){CVB_SIGNAL_NONE, 0};
    int64_t above = (used < m->high ? used : m->high) - m->low, range = m->high - m->low;
    int64_t delay = DELAY_LEAST_MS + above * (DELAY_MOST_MS - DELAY_LEAST_MS) / range;
    return (struct cvb_backpressure){CVB_SIGNAL_SLOW_DOWN, (uint32_t)delay};
}

/* What was given by hand. A signal that nobody can have given, in a corrupt segment, is none. */
static struct cvb_backpressure given_of(struct cvb_handle *h, uint32_t counter)
{
    const uint64_t given = cvb_given(h, cvb_flag_of(h, counter));
    const uint32_t signal = cvb_given_signal(given);
    if (signal > CVB_SIGNAL_PAUSE)
        return (struct cvb_backpressure){CVB_SIGNAL_NONE, 0};
    return (struct cvb_backpressure){signal, signal == CVB_SIGNAL_SLOW_DOWN ? cvb_given_delay(given) : 0};
}

static struct cvb_backpressure stronger(struct cvb_backpressure a, struct cvb_backpressure b)
{
    return a.signal > b.signal || (a.signal == b.signal && a.delay_ms > b.delay_ms) ? a : b;
}

int cvb_backpressure_sized(struct cvb_handle *h, uint32_t stage, uint32_t source, struct cvb_backpressure *told,
                           size_t size)
{
    int error = told ? cvb_check_ids(h, stage, source) : CVB_EINVAL;
    if (error)
        return error;
    uint32_t counter[3];
    unsigned n = cvb_limits_of(h, stage, source, counter);
    struct cvb_backpressure b = {CVB_SIGNAL_NONE, 0};
    for (unsigned i = 0; i < n; i++)
        b = stronger(stronger(computed_of(h, counter[i]), given_of(h, counter[i])), b);
    cvb_sized_give(told, size, &b, sizeof b);
    return 0;
}

int cvb_should_backpressure(struct cvb_handle *h, uint32_t source)
{
    struct cvb_backpressure b;
    int error = cvb_backpressure(h, CVB_NO_STAGE, source, &b);
    return error ? error : b.signal == CVB_SIGNAL_PAUSE;
}

int64_t cvb_available_credits(struct cvb_handle *h, uint32_t source)
{
    int error = cvb_check_ids(h, CVB_NO_STAGE, source);
    if (error)
        return error;
    const uint32_t counter = cvb_counter_of_source(h, cvb_place_of(source));
    int64_t own = cvb_marks_of(h, counter)->limit - cvb_live(h, counter);
    int64_t all = cvb_marks_of(h, CVB_COUNTER_TOTAL)->limit - cvb_live(h, CVB_COUNTER_TOTAL);
    int64_t least = own < all ? own : all;
    return least < 0 ? 0 : least;
}

int64_t cvb_room(struct cvb_handle *h, uint32_t stage, uint32_t source)
{
    int error = cvb_check_ids(h, stage, source);
    if (error || stage == CVB_STAGE_DEAD_LETTER)
        return error ? error : CVB_EUNKNOWN;
    uint32_t counter[3];
    int64_t least = INT64_MAX;
    for (unsigned i = 0, n = cvb_limits_of(h, stage, source, counter); i < n; i++) {
        int64_t room = cvb_room_of(h, counter[i]);
        least = room < least ? room : least;
    }
    return least;
}
