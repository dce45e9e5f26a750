/* put.c - records go in: a run of records of one source and pipeline becomes one unit. */
#include <conveyor/flow.h>
#include <stddef.h>
#include <string.h>

#include "flow/flow.h"
#include "flow/header.h"

/* 0 if records may be put into the stage. Only the library puts into the stage of dead letters. */
int cvb_stage_check(struct cvb_handle *h, uint32_t stage)
{
    return stage != CVB_STAGE_DEAD_LETTER && cvb_id_known(h, CVB_KIND_STAGE, stage) ? 0 : CVB_EUNKNOWN;
}

/* True if the record has what few have: a header, a position, or something that later versions add. */
static inline bool has_more(const struct cvb_record *r)
{
    return (r->position | r->header_length | r->reserved[0]) != 0;
}

CVB_RARE static int check_more(struct cvb_handle *h, const struct cvb_record *r)
{
    if (cvb_asks_more(r))
        return CVB_EINVAL;
    int error = cvb_header_check(h, r);
    return error || !r->position ? error : cvb_position_check(h, r->source, r->position);
}

int cvb_record_check(struct cvb_handle *h, const struct cvb_record *r)
{
    const struct cvb_settings *s = &h->segment.settings;
    if (r->length > s->payload_size)
        return CVB_ETOOLONG;
    if (!cvb_id_known(h, CVB_KIND_SOURCE, r->source) || !cvb_id_known(h, CVB_KIND_PIPELINE, r->pipeline))
        return CVB_EUNKNOWN;
    if (r->length && !r->payload)
        return CVB_EINVAL;
    return has_more(r) ? check_more(h, r) : 0;
}

/* What most records of a batch have in common: length, source, pipeline, and the header's length. */
struct shape {
    uint64_t length_source, pipeline_header;
};
static_assert(offsetof(struct cvb_record, header_length) + sizeof(uint32_t) ==
                  offsetof(struct cvb_record, length) + sizeof(struct shape),
              "shape");

static inline struct shape shape_of(const struct cvb_record *r)
{
    struct shape s;
    memcpy(&s, (const char *)r + offsetof(struct cvb_record, length), sizeof s);
    return s;
}

static inline bool same_shape(struct shape a, struct shape b)
{
    return a.length_source == b.length_source && a.pipeline_header == b.pipeline_header;
}

/* Records of one unit have no positions; or the position of each is above that of the one before it, and the last not
 * too far above the first. True if a record's position may come next in a unit whose records have positions. */
static inline bool follows(uint64_t first, uint64_t before, uint64_t position)
{
    return position > before && position - first <= CVB_BEHIND_MOST;
}

/* How many of n records may be one unit by their positions, which lie `stride` bytes apart. */
size_t cvb_positions_together(const uint64_t *first, size_t stride, size_t n)
{
    const char *at = (const char *)first;
    size_t i = 1;
    for (uint64_t before = *first; i < n; i++) {
        const uint64_t position = *(const uint64_t *)(const void *)(at += stride);
        if (*first ? !follows(*first, before, position) : position != 0)
            break;
        before = position;
    }
    return i;
}

/* What the records of one unit have in common with its first one. */
struct run {
    const struct cvb_record *first;
    struct shape shape;
    uint32_t least, most, header_most; /* lengths */
    bool headed;                       /* the segment's records have headers; if not, no length but 0 passes */
};

static inline struct run run_of(struct cvb_handle *h, const struct cvb_record *r)
{
    const struct cvb_settings *s = &h->segment.settings;
    const uint32_t class = cvb_class_for(h, r->length), most = s->classes[class].bytes;
    return (struct run){.first = r,
                        .shape = shape_of(r),
                        .least = class ? s->classes[class - 1].bytes + 1 : 0,
                        .most = most < s->payload_size ? most : s->payload_size,
                        .header_most = s->header_size,
                        .headed = h->cells.header_room};
}

/* True if the record may be in one unit with the first of the run, but for its position. */
static inline bool belongs_to(const struct run *run, const struct cvb_record *r)
{
    if ((!r->payload && r->length) || cvb_asks_more(r) || (run->headed && !r->header && r->header_length))
        return false;
    return same_shape(shape_of(r), run->shape) ||
           (r->source == run->first->source && r->pipeline == run->first->pipeline &&
            r->header_length <= run->header_most && r->length >= run->least && r->length <= run->most);
}

/* How many of the records, up to `end`, may be one unit with the run's first one. `placed`: that has a position. */
static inline unsigned run_until(const struct run *run, const struct cvb_record *end, const bool placed)
{
    const struct cvb_record *q = run->first + 1;
    const uint64_t first = run->first->position;
    for (uint64_t before = first; q < end; before = q++->position)
        if ((placed ? !follows(first, before, q->position) : q->position != 0) || !belongs_to(run, q))
            break;
    return (unsigned)(q - run->first);
}

/* How many of the records may be one unit: same source, pipeline and class, and positions that go together. */
static unsigned run_length(struct cvb_handle *h, const struct cvb_record *r, size_t count)
{
    if (count == 1)
        return 1;
    const struct run run = run_of(h, r);
    const struct cvb_record *end = r + (count < CVB_UNIT_MEMBERS ? count : CVB_UNIT_MEMBERS);
    return r->position ? run_until(&run, end, true) : run_until(&run, end, false);
}

/* The flag of what refused, and where its refusals are counted. False if the error is no refusal. */
static bool refused_by(struct cvb_handle *h, uint32_t stage, uint32_t source, int error, uint32_t *flag,
                       enum cvb_count *count)
{
    switch (error) {
    case CVB_ESTAGE_FULL:
        *flag = cvb_flag_of_room(h, stage);
        *count = CVB_N_REFUSED_STAGE;
        return true;
    case CVB_ESOURCE_FULL:
        *flag = cvb_flag_of_source(h, source);
        *count = CVB_N_REFUSED_SOURCE;
        return true;
    case CVB_ETOTAL_FULL:
        *flag = CVB_FLAG_TOTAL;
        *count = CVB_N_REFUSED_TOTAL;
        return true;
    case CVB_EMEMORY_FULL:
        *flag = CVB_FLAG_MEMORY;
        *count = CVB_N_REFUSED_MEMORY;
        return true;
    default:
        return false;
    }
}

void cvb_tally_refusal(struct cvb_handle *h, uint32_t stage, uint32_t source, int error)
{
    uint32_t flag;
    enum cvb_count count;
    if (!refused_by(h, stage, source, error, &flag, &count) || !cvb_id_known(h, CVB_KIND_SOURCE, source))
        return;
    cvb_tally(h, stage, source, count, 1);
    cvb_flag_tell_refusal(h, flag, error);
}

/* Puts up to n records, which may be one unit, as one unit. Returns how many it put, or an error. */
static inline int put_run(struct cvb_handle *h, uint32_t stage, const struct cvb_record *r, unsigned n)
{
    uint32_t u;
    struct cvb_pair w;
    const uint64_t now = cvb_now_ns(); /* first: a call for which little need be kept */
    int error = cvb_obtain(h, stage, r, n, &u, &w);
    if (error)
        return error;
    const uint32_t mask = cvb_hi_mask(w.hi), source = r->source;
    n = n == 1 ? 1 : cvb_mask_count(mask);
    cvb_store64_rlx(&cvb_unit_at(h, u)->buffered_at_ns, now);
    cvb_store64_rlx(&cvb_unit_at(h, u)->first, r->position);
    error = mask == 1 ? cvb_write_single(h, u, r)
                      : cvb_write_records(h, u, mask, r, n > CVB_SHORT_TRAIN ? cvb_idle_next(h) : CVB_NO_UNIT);
    if (!error)
        error = cvb_enqueue_own(h, u, w, stage);
    if (error)
        return CVB_ECORRUPT;
    if (r->position)
        h->next_position[source] = r[n - 1].position + 1;
    cvb_own_add64(&h->last_cache->of_stage->n[CVB_N_ACCEPTED], n);
    cvb_own_add64(&h->last_cache->of_source->n[CVB_N_ACCEPTED], n);
    cvb_level_after_put(h, stage, source, n);
    if (now != h->put_ns) {
        h->put_ns = now;
        cvb_recover_at_times(h, true);
    }
    return (int)n;
}

CVB_FLAT static int put_next(struct cvb_handle *h, uint32_t stage, const struct cvb_record *r, size_t count)
{
    int error = cvb_record_check(h, r);
    if (error)
        return error;
    const unsigned n = run_length(h, r, count);
    return put_run(h, stage, r, n);
}

/* Puts the records that are left after a first put, which returned `put`. */
CVB_RARE static int put_others(struct cvb_handle *h, uint32_t stage, const struct cvb_record *records, size_t count,
                               int put, int *why)
{
    size_t done = 0;
    int error = 0;
    for (bool looked = false;;) {
        error = put < 0 ? put : 0;
        if (cvb_refused_by_dead(h, error, &looked))
            error = 0;
        done += put < 0 ? 0 : (unsigned)put;
        if (done == count || error)
            break;
        put = put_next(h, stage, &records[done], count - done);
    }
    return cvb_call_ends(h, stage, &records[done], error, done, why);
}

CVB_FLAT int cvb_buffer_batch_for_stage(struct cvb_handle *h, uint32_t stage, const struct cvb_record *records,
                                        size_t count, int *why)
{
    CVB_ONE_USER(h);
    int error = cvb_handle_check(h);
    if (error)
        return error;
    if ((!records || count - 1 >= INT32_MAX) && count)
        return CVB_EINVAL;
    error = cvb_stage_check(h, stage);
    if (error) {
        if (why)
            *why = error;
        return error;
    }
    int put = count == 1 ? put_next(h, stage, records, 1) : 0; /* without a loop */
    if (put != 1)
        return put_others(h, stage, records, count, put, why);
    h->refused_class = CVB_NO_CLASS;
    if (why)
        *why = 0;
    return 1;
}

int cvb_buffer_for_stage(struct cvb_handle *h, uint32_t stage, const struct cvb_record *record)
{
    int why = 0, done = cvb_buffer_batch_for_stage(h, stage, record, 1, &why);
    return done < 0 ? done : done ? 0 : why;
}
