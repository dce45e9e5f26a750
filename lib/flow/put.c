/* put.c - records go in: a run of records of one source and pipeline becomes one unit. */
#include <assert.h>
#include <conveyor/flow.h>
#include <stddef.h>
#include <string.h>

#include "flow/flow.h"

/* The smallest class that holds length bytes. */
uint32_t cvb_class_for(struct cvb_handle *h, uint32_t length)
{
    uint32_t p = 0;
    while (p < h->segment.settings.class_count && h->segment.settings.classes[p].bytes < length)
        p++;
    return p;
}

/* May records be put into the stage? The dead-letter stage is entered by the library alone. */
int cvb_stage_check(struct cvb_handle *h, uint32_t stage)
{
    return stage != CVB_STAGE_DEAD_LETTER && cvb_id_known(h, CVB_KIND_STAGE, stage) ? 0 : CVB_EUNKNOWN;
}

int cvb_record_check(struct cvb_handle *h, const struct cvb_record *r)
{
    const struct cvb_settings *s = &h->segment.settings;
    if (r->length > s->payload_size)
        return CVB_ETOOLONG;
    if (!cvb_id_known(h, CVB_KIND_SOURCE, r->source) || !cvb_id_known(h, CVB_KIND_PIPELINE, r->pipeline))
        return CVB_EUNKNOWN;
    return r->length && !r->payload ? CVB_EINVAL : 0;
}

static_assert(offsetof(struct cvb_record, source) == offsetof(struct cvb_record, length) + sizeof(uint32_t), "shape");

/* What most records of a batch have in common: length, source and pipeline. */
struct shape {
    uint64_t length_source;
    uint32_t pipeline;
};

static inline struct shape shape_of(const struct cvb_record *r)
{
    struct shape s = {0, r->pipeline};
    memcpy(&s.length_source, (const char *)r + offsetof(struct cvb_record, length), sizeof s.length_source);
    return s;
}

static inline bool same_shape(struct shape a, struct shape b)
{
    return a.length_source == b.length_source && a.pipeline == b.pipeline;
}

/* How many of the records may be one unit: same source, pipeline and class. */
static unsigned run_length(struct cvb_handle *h, const struct cvb_record *r, size_t count)
{
    if (count == 1)
        return 1;
    uint32_t class = cvb_class_for(h, r->length), most = h->segment.settings.classes[class].bytes;
    uint32_t least = class ? h->segment.settings.classes[class - 1].bytes + 1 : 0;
    if (most > h->segment.settings.payload_size)
        most = h->segment.settings.payload_size;
    if (count > CVB_UNIT_MEMBERS)
        count = CVB_UNIT_MEMBERS;
    const struct shape first = shape_of(r);
    const struct cvb_record *q = r + 1, *end = r + count;
    while (q < end && (q->payload || !q->length) &&
           (same_shape(shape_of(q), first) ||
            (q->source == r->source && q->pipeline == r->pipeline && q->length >= least && q->length <= most)))
        q++;
    return (unsigned)(q - r);
}

/* A free unit of the class, or of a larger one, becomes HELD: a train or a single cell, the other one if there is none.
 */
static int hold_any(struct cvb_handle *h, uint32_t class, bool train, uint32_t *unit, uint32_t *part)
{
    const struct cvb_geometry *g = &h->segment.geometry;
    int error = CVB_EMEMORY_FULL;
    for (*part = class; *part < g->parts; ++*part) {
        uint32_t trains = CVB_BITMAP_TRAINS(g, *part), singles = CVB_BITMAP_SINGLES(g, *part);
        error = cvb_hold_either(h, train ? trains : singles, train ? singles : trains, unit);
        if (error != CVB_EMEMORY_FULL)
            break;
    }
    return error;
}

/* A HELD unit of at most n cells of the record's class, or of a larger one. */
int cvb_hold_cells(struct cvb_handle *h, uint32_t length, unsigned n, uint32_t *unit)
{
    uint32_t part, class = cvb_class_for(h, length);
    int error;
    do
        error = hold_any(h, class, n > 1, unit, &part);
    while (error == CVB_EMEMORY_FULL && cvb_search_anew(h));
    if (error)
        return error;
    error = cvb_gather(h, unit, part, n);
    return error ? error : cvb_shrink(h, unit, n);
}

/* Short payloads without a call: 8 or 16 bytes at a time, the last ones again. A line as one piece. */
static inline void copy(char *to, const char *from, size_t n)
{
    if (__builtin_expect(n == 64, 1)) {
        memcpy(to, from, 64);
        return;
    }
    if (n - 8 < 8) {
        memcpy(to, from, 8);
        memcpy(to + n - 8, from + n - 8, 8);
        return;
    }
    if (n < 16 || n > 128) {
        if (n)
            memcpy(to, from, n);
        return;
    }
    for (size_t i = 0; i + 16 < n; i += 16)
        memcpy(to + i, from + i, 16);
    memcpy(to + n - 16, from + n - 16, 16);
}

static inline void write_record(struct cvb_member *m, char *payload, const struct cvb_record *r)
{
    const uint32_t length = r->length;
    if (cvb_load32_rlx(&m->length) != length)
        cvb_store32_rlx(&m->length, length); /* a line that does not change stays with its readers */
    copy(payload, r->payload, length);
}

static inline int write_member(struct cvb_handle *h, struct cvb_member *m, const struct cvb_record *r)
{
    char *payload = cvb_payload(h, cvb_load32_rlx(&m->cell), r->length);
    if (!payload)
        return CVB_ECORRUPT;
    write_record(m, payload, r);
    return 0;
}

/* While a train is written: of long records so much is fetched before its turn, of others all that the next train has;
 * the processor's own prefetchers fetch for a writer too late. */
#define AHEAD_BYTES 4096u
#define LONG_BYTES 256u

static inline void prefetch_place(const char *at, uint64_t bytes)
{
    for (uint64_t k = 0; at && k < bytes; k += 64)
        cvb_prefetch_write(at + k);
}

/* One record into each of the unit's first n members; how many went in before something was not as it is in a train,
 * whose cells are all of the class found last. Meanwhile the places for others come near: in this train if they are
 * long, and in the next, of unit `next`. */
CVB_RARE static unsigned write_train(struct cvb_handle *h, uint32_t u, unsigned n, const struct cvb_record *r,
                                     uint32_t next)
{
    const struct cvb_cells cells = h->cells;
    const uint64_t stride = cells.stride, most = stride < AHEAD_BYTES ? stride : AHEAD_BYTES;
    const unsigned distance = stride > LONG_BYTES ? (unsigned)(AHEAD_BYTES / most) : n;
    struct cvb_member *m = cvb_members_of(h, u);
    struct cvb_ahead ahead = cvb_train_ahead(h, next, n, &cells);
    for (unsigned i = 0; i < n; i++) {
        char *payload = cvb_payload_in(&cells, cvb_load32_rlx(&m[i].cell), r[i].length);
        if (!payload)
            return i;
        prefetch_place(ahead.at, stride <= LONG_BYTES && ahead.stride ? stride : 1);
        ahead.at += ahead.stride;
        if (i + distance < n)
            prefetch_place(cvb_payload_in(&cells, cvb_load32_rlx(&m[i + distance].cell), 0), most);
        write_record(&m[i], payload, &r[i]);
    }
    return n;
}

/* One record into each member of the unit that the mask has. `next`: the unit that will be written after it. */
int cvb_write_records(struct cvb_handle *h, uint32_t u, uint32_t mask, const struct cvb_record *r, uint32_t next)
{
    struct cvb_member *m = cvb_members_of(h, u);
    if (!cvb_has_room(h, u, mask))
        return CVB_ECORRUPT;
    if (cvb_is_train(mask)) {
        unsigned done = write_train(h, u, cvb_mask_count(mask), r, next);
        r += done;
        mask = cvb_mask_after(mask, done);
    }
    for (; mask; mask &= mask - 1, r++) {
        int error = write_member(h, &m[__builtin_ctz(mask)], r);
        if (error)
            return error;
    }
    return 0;
}

void cvb_tally_refusal(struct cvb_handle *h, uint32_t stage, uint32_t source, int error)
{
    if (error == CVB_ESTAGE_FULL)
        cvb_tally(h, stage, source, CVB_N_REFUSED_STAGE, 1);
    else if (error == CVB_ESOURCE_FULL)
        cvb_tally(h, stage, source, CVB_N_REFUSED_SOURCE, 1);
    else if (error == CVB_ETOTAL_FULL)
        cvb_tally(h, stage, source, CVB_N_REFUSED_TOTAL, 1);
    else if (error == CVB_EMEMORY_FULL)
        cvb_tally(h, stage, source, CVB_N_REFUSED_MEMORY, 1);
}

/* A HELD unit of at most n cells gets credits for them: RES, with the word *w. */
static int refill(struct cvb_handle *h, uint32_t stage, const struct cvb_record *r, unsigned n, uint32_t *u,
                  struct cvb_pair *w)
{
    int error = cvb_hold_cells(h, r->length, n, u);
    if (error)
        return error;
    cvb_store16_rlx(&cvb_unit_at(h, *u)->source, (uint16_t)r->source);
    cvb_store16_rlx(&cvb_unit_at(h, *u)->pipeline, (uint16_t)r->pipeline);
    error = cvb_refill(h, *u, stage);
    if (error)
        cvb_unhold(h, *u);
    else
        *w = cvb_load_pair(&cvb_unit_at(h, *u)->word);
    return error;
}

/* At a limit, and no idle unit was found that would not be one just acked: a rest may bring some. Not if the limit is
 * but a few of them. */
static bool claim_after_rest(struct cvb_handle *h, const struct cvb_want *want, uint32_t *u, struct cvb_pair *w)
{
    if (!h->looked->least || !cvb_rest(&h->rest))
        return false;
    bool claimed = cvb_claim_idle(h, want, CVB_LOOK_FULL, u, w);
    cvb_rested(&h->rest, claimed);
    return claimed;
}

/* Where limits have no room for all of it, or refusal is 0 and new credits would lift a counter to its high watermark:
 * for then all that is idle would be given back, and each of the next puts would move counters. True: an idle unit
 * serves the put, or credits came back and *u is as before. */
static bool find_idle(struct cvb_handle *h, const struct cvb_want *want, int refusal, bool rest, uint32_t *u,
                      struct cvb_pair *w)
{
    if (!refusal)
        return cvb_claim_idle(h, want, CVB_LOOK_FULL, u, w);
    return (rest && claim_after_rest(h, want, u, w)) || cvb_claim_idle(h, want, CVB_LOOK_ALL, u, w) ||
           cvb_try_again(h, refusal, want, u, w);
}

/* Counters move: a unit for up to n records gets its credits anew. */
CVB_RARE static int obtain_new(struct cvb_handle *h, const struct cvb_want *want, const struct cvb_record *r,
                               uint32_t *u, struct cvb_pair *w)
{
    int error;
    unsigned n = want->count;
    cvb_refusal_begin(h);
    for (bool rested = false;; rested = true) {
        uint32_t below, room = cvb_room(h, want->source, want->stage, &below, &error);
        *u = CVB_NO_UNIT;
        if (below < n && find_idle(h, want, room < n ? error : 0, !rested, u, w)) {
            if (*u == CVB_NO_UNIT)
                continue;
            error = 0;
            break;
        }
        if (!room)
            break;
        n = room < n ? room : n;
        error = refill(h, want->stage, r, n, u, w);
        if (!cvb_is_refusal(error) || (n == 1 && !cvb_try_again(h, error, want, NULL, NULL)))
            break;
        n = n > 1 ? n / 2 : 1; /* others were quicker: a shorter prefix may fit */
    }
    return error;
}

/* A unit for up to n records of r's kind that holds their credits: RES, with the word *w. Idle ones serve first. */
int cvb_obtain(struct cvb_handle *h, uint32_t stage, const struct cvb_record *r, unsigned n, uint32_t *u,
               struct cvb_pair *w)
{
    const struct cvb_want want = {r->source, stage, n, cvb_class_for(h, r->length)};
    cvb_stay_near(h, stage, (uint64_t)n * r->length);
    if (!cvb_claim_idle(h, &want, CVB_LOOK_FAR, u, w)) {
        const struct cvb_want copy = want; /* copies, so that the usual case keeps all of these in registers */
        uint32_t unit;
        struct cvb_pair word;
        int error = obtain_new(h, &copy, r, &unit, &word);
        if (error)
            return error;
        const uint32_t mask = cvb_hi_mask(word.hi);
        if (!mask || cvb_mask_count(mask) > n || word.hi != cvb_hi(mask, stage, h->seat, 0))
            return CVB_ECORRUPT; /* the caller has so many records, and the stage is an index from now on */
        *u = unit;
        *w = word;
    }
    cvb_store16_rlx(&cvb_unit_at(h, *u)->pipeline, (uint16_t)r->pipeline);
    return 0;
}

/* Puts up to n records of one kind as one unit; returns how many. */
static inline int put_run(struct cvb_handle *h, uint32_t stage, const struct cvb_record *r, unsigned n)
{
    uint32_t u;
    struct cvb_pair w;
    int error = cvb_obtain(h, stage, r, n, &u, &w);
    if (error)
        return error;
    const uint32_t mask = cvb_hi_mask(w.hi), source = r->source;
    n = cvb_mask_count(mask);
    const uint64_t now = cvb_now_ns();
    cvb_store64_rlx(&cvb_unit_at(h, u)->buffered_at_ns, now);
    error = mask == 1 ? write_member(h, cvb_members_of(h, u), r)
                      : cvb_write_records(h, u, mask, r, n > CVB_SHORT_TRAIN ? cvb_idle_next(h) : CVB_NO_UNIT);
    if (!error)
        error = cvb_enqueue_own(h, u, w, stage);
    if (error)
        return CVB_ECORRUPT;
    cvb_tally(h, stage, source, CVB_N_ACCEPTED, n);
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
    return error ? error : put_run(h, stage, r, run_length(h, r, count));
}

/* Puts what is left after the first put, which returned `put`. */
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
    if (cvb_is_refusal(error))
        cvb_tally_refusal(h, stage, records[done].source, error);
    if (why)
        *why = error;
    h->refused_class = error == CVB_EMEMORY_FULL ? cvb_class_for(h, records[done].length) : CVB_NO_CLASS;
    return cvb_count_or_error(error, done);
}

CVB_FLAT int cvb_buffer_batch_for_stage(struct cvb_handle *h, uint32_t stage, const struct cvb_record *records,
                                        size_t count, int *why)
{
    CVB_ONE_USER(h);
    int error = cvb_handle_check(h);
    if (error)
        return error;
    if ((!records && count) || count > INT32_MAX)
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
