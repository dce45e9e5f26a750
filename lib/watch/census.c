/* census.c - counting the records that a segment holds, by their states. Reads only. */
#include <conveyor/state.h>
#include <string.h>

#include "flow/flow.h"
#include "sized.h"

/* Counts n records of a state in element `index` of the caller's array, which may be NULL, and whose elements may have
 * fewer fields than this version knows. */
static void count_in(struct cvb_census *array, size_t size, uint32_t index, unsigned state, uint32_t n)
{
    size_t at = state == CVB_QUEUED || state == CVB_DELAYED ? offsetof(struct cvb_census, queued)
                : state == CVB_LEASED                       ? offsetof(struct cvb_census, leased)
                : state == CVB_RES                          ? offsetof(struct cvb_census, reserved)
                                                            : SIZE_MAX;
    if (array && at < size)
        *(uint32_t *)(void *)((char *)array + index * size + at) += n;
    at = offsetof(struct cvb_census, delayed);
    if (array && at < size && state == CVB_DELAYED)
        *(uint32_t *)(void *)((char *)array + index * size + at) += n;
}

int cvb_census_sized(struct cvb_handle *h, struct cvb_census *total, struct cvb_census *stages,
                     struct cvb_census *sources, struct cvb_census *handles, size_t size)
{
    int error = cvb_reader_check(h);
    if (error || !total || size % sizeof(uint32_t))
        return error ? error : CVB_EINVAL;
    const struct cvb_settings *s = &h->segment.settings;
    cvb_sized_clear(total, size, 1);
    cvb_sized_clear(stages, size, s->max_stages);
    cvb_sized_clear(sources, size, s->max_sources);
    cvb_sized_clear(handles, size, s->max_handles);
    uint32_t pending = cvb_pending_all(h);
    for (uint32_t u = 0; u < h->segment.geometry.unit_count; u++) {
        struct cvb_pair w = cvb_pending_word(h, u, pending);
        unsigned state = cvb_lo_state(w.lo), n = cvb_mask_count(cvb_hi_mask(w.hi));
        uint32_t source = cvb_load16_rlx(&cvb_unit_at(h, u)->source);
        count_in(total, size, 0, state, n);
        if (cvb_hi_stage(w.hi) < s->max_stages)
            count_in(stages, size, cvb_hi_stage(w.hi), state, n);
        if (source < s->max_sources && cvb_hi_stage(w.hi) != CVB_STAGE_DEAD_LETTER)
            count_in(sources, size, source, state, n);
        if (state != CVB_QUEUED && state != CVB_DELAYED && cvb_hi_seat(w.hi) < s->max_handles)
            count_in(handles, size, cvb_hi_seat(w.hi), state, n);
    }
    return 0;
}

int cvb_leased_by(struct cvb_handle *h, uint32_t stage, uint32_t *handles)
{
    int error = cvb_reader_check(h);
    if (error || !handles)
        return error ? error : CVB_EINVAL;
    if (!cvb_id_known(h, CVB_KIND_STAGE, stage))
        return CVB_EUNKNOWN;
    memset(handles, 0, sizeof *handles * h->segment.settings.max_handles);
    for (uint32_t u = 0; u < h->segment.geometry.unit_count; u++) {
        const struct cvb_pair w = cvb_load_pair(&cvb_unit_at(h, u)->word);
        const uint32_t seat = cvb_hi_seat(w.hi);
        if (cvb_lo_state(w.lo) == CVB_LEASED && cvb_hi_stage(w.hi) == stage && seat < h->segment.settings.max_handles)
            handles[seat] += cvb_mask_count(cvb_hi_mask(w.hi));
    }
    return 0;
}
