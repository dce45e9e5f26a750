/* ages.c - how old the records in a segment are, and how long records waited before they were leased. Reads only. */
#include <conveyor/state.h>

#include "flow/flow.h"
#include "place/stay.h"
#include "sized.h"

/* The caller's arrays, each of which may be NULL; their elements may have fewer fields than this version knows, or
 * more.
 */
struct age_arrays {
    void *total, *stages, *sources, *handles;
    size_t size;
};

/* Raises the number at offset `at` of an element to the age. */
static void older(void *array, size_t size, uint32_t index, size_t at, uint64_t age)
{
    if (!array || at + sizeof age > size)
        return;
    uint64_t *oldest = (uint64_t *)(void *)((char *)array + index * size + at);
    if (age > *oldest)
        *oldest = age;
}

/* The ages of one unit, whose word is w. */
static void add_ages(struct cvb_handle *h, uint32_t u, struct cvb_pair w, uint64_t now, const struct age_arrays *a)
{
    const struct cvb_settings *s = &h->segment.settings;
    const struct cvb_unit *unit = cvb_unit_at(h, u);
    const uint32_t state = cvb_lo_state(w.lo), stage = cvb_hi_stage(w.hi), seat = cvb_hi_seat(w.hi);
    const uint32_t source = cvb_load16_rlx(&unit->source);
    if ((state != CVB_QUEUED && state != CVB_LEASED && state != CVB_DELAYED) || !cvb_hi_mask(w.hi) ||
        stage >= s->max_stages)
        return;
    const uint64_t time = cvb_load64_rlx(&unit->buffered_at_ns);
    const bool leased = state == CVB_LEASED;
    const uint64_t age[2] = {cvb_age_ns(cvb_buffered_at(time), now), leased ? cvb_age_ns(cvb_since_ns(time), now) : 0};
    for (unsigned i = 0; i < 2; i++) {
        const size_t at = i ? offsetof(struct cvb_age, lease_ns) : offsetof(struct cvb_age, record_ns);
        older(a->total, a->size, 0, at, age[i]);
        older(a->stages, a->size, stage, at, age[i]);
        if (source < s->max_sources && stage != CVB_STAGE_DEAD_LETTER)
            older(a->sources, a->size, source, at, age[i]);
        if (leased && seat < s->max_handles)
            older(a->handles, a->size, seat, at, age[i]);
    }
}

int cvb_ages_sized(struct cvb_handle *h, struct cvb_age *total, struct cvb_age *stages, struct cvb_age *sources,
                   struct cvb_age *handles, size_t size)
{
    int error = cvb_reader_check(h);
    if (error || !total || size % sizeof(uint64_t))
        return error ? error : CVB_EINVAL;
    const struct cvb_settings *s = &h->segment.settings;
    const struct age_arrays all = {total, stages, sources, handles, size};
    cvb_sized_clear(total, size, 1);
    cvb_sized_clear(stages, size, s->max_stages);
    cvb_sized_clear(sources, size, s->max_sources);
    cvb_sized_clear(handles, size, s->max_handles);
    const uint64_t now = cvb_now_ns();
    for (uint32_t u = 0; u < h->segment.geometry.unit_count; u++)
        add_ages(h, u, cvb_load_pair(&cvb_unit_at(h, u)->word), now, &all);
    return 0;
}

/* Adds the windows of a seat that are of now or of just before. */
static void add_windows(struct cvb_stay *stay, uint32_t now, uint64_t *count, uint64_t *longest)
{
    for (unsigned i = 0; i < 2; i++) {
        struct cvb_window *w = &stay->window[i];
        if (now - cvb_load32_acq(&w->number) > 1)
            continue;
        for (unsigned b = 0; b < CVB_WAIT_BUCKETS; b++)
            count[b] += cvb_load16_rlx(&w->count[b]);
        const uint64_t seen = cvb_load32_rlx(&w->longest);
        *longest = seen > *longest ? seen : *longest;
    }
}

/* The wait in nanoseconds that `part` of the samples are not above: within a bucket as if they lay evenly in it. */
static uint64_t quantile(const uint64_t *count, uint64_t samples, double part, uint64_t longest)
{
    const double wanted = part * (double)samples;
    double below = 0, units = 0;
    for (unsigned b = 0; b < CVB_WAIT_BUCKETS; b++) {
        const double here = (double)count[b], least = (double)cvb_wait_least(b);
        if (here > 0 && below + here >= wanted) {
            units = least + (wanted - below) / here * ((double)cvb_wait_least(b + 1) - least);
            break;
        }
        below += here;
    }
    const uint64_t ns = (uint64_t)(units * (double)(UINT64_C(1) << CVB_SINCE_BITS)), most = longest << CVB_SINCE_BITS;
    return ns < most ? ns : most;
}

int cvb_stage_waits_sized(struct cvb_handle *h, uint32_t stage, struct cvb_waits *waits, size_t size)
{
    uint64_t count[CVB_WAIT_BUCKETS] = {0}, longest = 0;
    int error = cvb_reader_check(h);
    if (error || !waits)
        return error ? error : CVB_EINVAL;
    if (!cvb_id_known(h, CVB_KIND_STAGE, stage))
        return CVB_EUNKNOWN;
    const uint32_t now = (uint32_t)(cvb_now_ns() >> CVB_WINDOW_SHIFT);
    for (uint32_t seat = 0; seat < h->segment.settings.max_handles; seat++)
        if (cvb_load64_acq(&cvb_seat_at(h, seat)->state))
            add_windows(cvb_stay_at(h, seat, stage), now, count, &longest);
    struct cvb_waits found = {0};
    for (unsigned b = 0; b < CVB_WAIT_BUCKETS; b++)
        found.samples += count[b];
    found.p50_ns = quantile(count, found.samples, 0.5, longest);
    found.p99_ns = quantile(count, found.samples, 0.99, longest);
    found.max_ns = longest << CVB_SINCE_BITS;
    cvb_sized_give(waits, size, &found, sizeof found);
    return 0;
}
