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
    if (!cvb_id_known(h, CVB_KIND_SOURCE, cvb_place_of(r->source)) || !cvb_id_known(h, CVB_KIND_PIPELINE, r->pipeline))
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
    source = cvb_place_of(source);
    if (!refused_by(h, stage, source, error, &flag, &count) || !cvb_id_known(h, CVB_KIND_SOURCE, source))
        return;
    cvb_tally(h, stage, source, count, 1);
    cvb_flag_tell_refusal(h, flag, error);
}

/* Ends a put of n records, which are published: they are counted, and a level may have changed. `now`: by its clock. */
static inline void was_put(struct cvb_handle *h, const struct cvb_claim_cache *cache, uint32_t stage, uint32_t source,
                           uint32_t n, uint64_t now)
{
    cvb_own_add64(&cache->of_stage->n[CVB_N_ACCEPTED], n);
    cvb_own_add64(&cache->of_source->n[CVB_N_ACCEPTED], n);
    cvb_level_after_put(h, cache, stage, source, n);
    if (now != h->put_ns) {
        h->put_ns = now;
        cvb_recover_at_times(h, true);
    }
}

/* Puts up to n records, which may be one unit, as one unit: a unit that is RES, with the word w. `position`: the first
 * record's. Returns how many it put, or an error. */
static inline int put_into(struct cvb_handle *h, uint32_t u, struct cvb_pair w, const struct cvb_want *want,
                           const struct cvb_record *r, const uint64_t position, const uint64_t now)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    const uint32_t mask = cvb_hi_mask(w.hi), n = want->count == 1 ? 1 : cvb_mask_count(mask);
    const uint32_t place = cvb_place_of(want->source);
    cvb_store64_rlx(&unit->buffered_at_ns, now);
    cvb_store64_rlx(&unit->first, cvb_position_within(h, place, position));
    int error = mask == 1 ? cvb_write_single(h, u, r, position)
                          : cvb_write_records(h, u, mask, r, n > CVB_SHORT_TRAIN ? cvb_idle_next(h) : CVB_NO_UNIT);
    if (!error)
        error = cvb_enqueue_own(h, u, w, want->stage);
    if (error)
        return CVB_ECORRUPT;
    if (position)
        h->next_position[place] = r[n - 1].position + 1;
    was_put(h, h->last_cache, want->stage, place, n, now);
    return (int)n;
}

/* Source and pipeline of a record in one word. */
static inline uint64_t ids_of(const struct cvb_record *r) { return (uint64_t)r->pipeline << 32 | r->source; }

/* True if a record of the cache's kind with the same ids was put before: then this one is allowed too, whatever its
 * length is in its class. */
static inline bool is_as_before(const struct cvb_claim_cache *cache, uint32_t stage, const struct cvb_record *r)
{
    return CVB_USUALLY(cache->stage == stage) && CVB_USUALLY(cache->ids == ids_of(r)) &&
           CVB_USUALLY(r->length - cache->shortest <= cache->span) && CVB_USUALLY(r->payload || !r->length);
}

/* True if a single record was put before with this cache that was as this one is. */
static inline bool serves_single(const struct cvb_claim_cache *cache, uint32_t stage, const struct cvb_record *r)
{
    return CVB_USUALLY(cache != NULL) && CVB_USUALLY(cvb_count_of_kind(cache->kind) == 1) &&
           CVB_USUALLY(is_as_before(cache, stage, r));
}

/* Where the cache of single records of the stage and the source is looked for. */
static inline struct cvb_claim_cache **recent_at(struct cvb_handle *h, uint32_t stage, uint32_t source)
{
    return &h->recent[(source + stage * 37) % CVB_RECENT_CACHES];
}

/* Where kinds take turns: the cache of a single record's kind, if it is found at once; else NULL. */
CVB_RARE static struct cvb_claim_cache *find_recent(struct cvb_handle *h, uint32_t stage, const struct cvb_record *r)
{
    struct cvb_claim_cache *cache = *recent_at(h, stage, r->source);
    if (!serves_single(cache, stage, r))
        return NULL;
    cvb_use_cache(h, cache);
    return cache;
}

/* 0 if what few records have is as it must be. */
static inline int more_check(struct cvb_handle *h, const struct cvb_record *r)
{
    return CVB_USUALLY(!has_more(r)) ? 0 : check_more(h, r);
}

/* Puts the first records, as many as may be one unit. Returns how many, or an error. */
static inline int put_next(struct cvb_handle *h, uint32_t stage, const struct cvb_record *r, size_t count)
{
    const bool as_before = h->last_cache && is_as_before(h->last_cache, stage, r);
    int error = as_before ? more_check(h, r) : cvb_record_check(h, r);
    if (error)
        return error;
    const struct cvb_want want = {r->source, stage, run_length(h, r, count),
                                  as_before ? cvb_class_of_kind(h->last_cache->kind) : cvb_class_for(h, r->length)};
    const uint64_t now = cvb_now_ns(); /* first: a call for which little need be kept */
    uint32_t u;
    struct cvb_pair w;
    error = cvb_obtain_of(h, cvb_cache_for(h, &want), want, r, &u, &w);
    if (error)
        return error;
    h->last_cache->ids = ids_of(r);
    h->last_cache->stage = stage;
    if (want.count == 1)
        *recent_at(h, stage, want.source) = h->last_cache;
    return put_into(h, u, w, &want, r, r->position, now);
}

/* 0 if records may be put by a call with these arguments, but for the records. */
static inline int check_call(struct cvb_handle *h, uint32_t stage, const struct cvb_record *records, size_t count,
                             int *why)
{
    int error = cvb_handle_check(h);
    if (error)
        return error;
    if ((!records || count - 1 >= INT32_MAX) && count)
        return CVB_EINVAL;
    error = cvb_stage_check(h, stage);
    if (error && why)
        *why = error;
    return error;
}

/* As cvb_buffer_batch_for_stage. `count` is 1 or any number: a single record needs no loop. */
static inline int put_records(struct cvb_handle *h, uint32_t stage, const struct cvb_record *records,
                              const size_t count, int *why)
{
    int error = check_call(h, stage, records, count, why);
    if (error)
        return error;
    size_t done = 0;
    for (bool looked = false; done < count;) {
        const int put = put_next(h, stage, &records[done], count - done);
        if (put > 0) {
            done += (unsigned)put;
            continue;
        }
        error = put;
        if (!cvb_refused_by_dead(h, error, &looked))
            break;
        error = 0;
    }
    return cvb_call_ends(h, stage, &records[done], error, done, why);
}

CVB_RARE CVB_FLAT static int put_single(struct cvb_handle *h, uint32_t stage, const struct cvb_record *r, int *why)
{
    return put_records(h, stage, r, 1, why);
}

CVB_RARE CVB_FLAT static int put_many(struct cvb_handle *h, uint32_t stage, const struct cvb_record *records,
                                      size_t count, int *why)
{
    return put_records(h, stage, records, count, why);
}

/* Puts a single record in the usual case: it is as those before, and an idle unit is at hand. Returns 1, an error, or 0
 * if nothing was done. */
static inline int put_quickly(struct cvb_handle *h, uint32_t stage, const struct cvb_record *r)
{
    struct cvb_claim_cache *cache =
        CVB_USUALLY(serves_single(h->last_cache, stage, r)) ? h->last_cache : find_recent(h, stage, r);
    if (!CVB_USUALLY(cache != NULL) || more_check(h, r))
        return 0;
    const uint64_t now = cvb_now_ns(); /* first: a call for which little need be kept */
    const struct cvb_want want = {(uint32_t)cache->ids, stage, 1, cvb_class_of_kind(cache->kind)};
    uint32_t u;
    struct cvb_pair w;
    if (!CVB_USUALLY(cvb_claim_next(h, cache, &want, &u, &w)))
        return 0;
    struct cvb_unit *unit = cvb_unit_at(h, u);
    const uint64_t position = r->position;
    const uint32_t place = cvb_place_of(r->source);
    cvb_store16_rlx(&unit->pipeline, (uint16_t)r->pipeline);
    cvb_store64_rlx(&unit->buffered_at_ns, now);
    cvb_store64_rlx(&unit->first, cvb_position_within(h, place, position));
    if (!CVB_USUALLY(!cvb_write_single(h, u, r, position)) || !CVB_USUALLY(!cvb_enqueue_own(h, u, w, stage)))
        return CVB_ECORRUPT;
    if (!CVB_USUALLY(!position))
        h->next_position[place] = position + 1;
    was_put(h, cache, stage, place, 1, now);
    return 1;
}

CVB_FLAT int cvb_buffer_batch_for_stage(struct cvb_handle *h, uint32_t stage, const struct cvb_record *records,
                                        size_t count, int *why)
{
    CVB_ONE_USER(h);
    if (!CVB_USUALLY(count == 1))
        return put_many(h, stage, records, count, why);
    if (!CVB_USUALLY(records != NULL) || !CVB_USUALLY(!cvb_handle_check(h)))
        return put_single(h, stage, records, why);
    const int put = put_quickly(h, stage, records);
    if (!CVB_USUALLY(put == 1))
        return put ? cvb_call_ends(h, stage, records, put, 0, why) : put_single(h, stage, records, why);
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
