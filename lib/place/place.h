/* place.h - where things lie in the segment, whether a handle may use them, the time, and which peers live. */
#ifndef CVB_LIB_PLACE_H
#define CVB_LIB_PLACE_H

#include <pthread.h>

#include "place/cells.h"
#include "place/handle.h"

static inline struct cvb_seat *cvb_seat_at(struct cvb_handle *h, uint32_t s)
{
    return (struct cvb_seat *)(void *)(h->segment.base + h->segment.geometry.seats) + s;
}

/* Counters: 0 the total, then the stages, then the sources. */
static inline struct cvb_counter *cvb_counter_at(struct cvb_handle *h, uint32_t index) { return h->counters + index; }
#define CVB_COUNTER_TOTAL 0u
#define CVB_NO_COUNTER UINT32_MAX
static inline uint32_t cvb_counter_of_stage(uint32_t stage) { return 1 + stage; }
/* Of a source by its place, or by its id. */
static inline uint32_t cvb_counter_of_source(struct cvb_handle *h, uint32_t source)
{
    return 1 + h->segment.settings.max_stages + (uint16_t)source;
}

/* A seat's tally of a stage; that of a source is max_stages + source. */
static inline struct cvb_tally *cvb_tally_at(struct cvb_handle *h, uint32_t seat, uint32_t index)
{
    const struct cvb_settings *s = &h->segment.settings;
    return (struct cvb_tally *)(void *)(h->segment.base + h->segment.geometry.tallies) +
           (uint64_t)seat * (s->max_stages + s->max_sources) + index;
}

static inline struct cvb_moved *cvb_moved_at(struct cvb_handle *h, uint32_t seat, uint32_t source)
{
    return (struct cvb_moved *)(void *)(h->segment.base + h->segment.geometry.moved) +
           (uint64_t)seat * h->segment.settings.max_sources + source;
}

/* Counts n records of a stage and a source, both of which the caller has checked. */
static inline void cvb_tally(struct cvb_handle *h, uint32_t stage, uint32_t source, enum cvb_count what, uint64_t n)
{
    cvb_own_add64(&h->rings[stage].tally->n[what], n);
    cvb_own_add64(&h->tallies[h->segment.settings.max_stages + source].n[what], n);
}

static inline uint64_t *cvb_bitmap_at(struct cvb_handle *h, uint32_t which)
{
    return (uint64_t *)(void *)(h->segment.base + h->segment.geometry.bitmaps) +
           (uint64_t)which * h->segment.geometry.bitmap_words;
}

static inline uint32_t *cvb_references_at(struct cvb_handle *h, int kind)
{
    return (uint32_t *)(void *)(h->segment.base + h->segment.geometry.references[kind]);
}

static inline bool cvb_is_refusal(int error) { return error <= CVB_ESTAGE_FULL && error >= CVB_EMEMORY_FULL; }

/* check.c */
/* True if the id has a name; of sources: if the place with this number had one ever (named.h has the rest). Any thread
 * may ask, also beside a call with the handle. */
bool cvb_id_named(struct cvb_handle *h, enum cvb_kind kind, uint32_t id);
/* True if the id has a name; it is then remembered. */
bool cvb_learn_id(struct cvb_handle *h, enum cvb_kind kind, uint32_t id);
static inline bool cvb_id_known(struct cvb_handle *h, enum cvb_kind kind, uint32_t id)
{
    return id < h->known[kind] || cvb_learn_id(h, kind, id);
}

int cvb_why_not(const struct cvb_handle *h); /* the error of a handle that may not change the segment */

/* 0 if the handle may change the segment: it is of this process, and its seat is still its own. */
static inline int cvb_handle_check(const struct cvb_handle *h)
{
    if (h && *h->same_process && cvb_load64_rlx(h->seat_state) == h->entered)
        return 0;
    return cvb_why_not(h);
}

/* Debug builds tell the second thread that uses a handle at the same time: the first statement of a public function.
 * Calls may be nested. */
#ifdef NDEBUG
#define CVB_ONE_USER(h) (void)0
#else
#define CVB_ONE_USER(h)                                                                                                \
    struct cvb_handle *used __attribute__((cleanup(cvb_unuse))) = NULL;                                                \
    if (!cvb_use(h, &used))                                                                                            \
    return CVB_EBUSY
static inline bool cvb_use(struct cvb_handle *h, struct cvb_handle **used)
{
    uintptr_t nobody = 0, self = (uintptr_t)pthread_self();
    if (!h || !*h->same_process || __atomic_load_n(&h->user, __ATOMIC_RELAXED) == self)
        return true;
    if (!__atomic_compare_exchange_n(&h->user, &nobody, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return false;
    *used = h;
    return true;
}
static inline void cvb_unuse(struct cvb_handle **used)
{
    if (*used)
        __atomic_store_n(&(*used)->user, 0, __ATOMIC_RELEASE);
}
#endif

/* 0 if the handle may read what the segment holds: it may change it, or it is an observer's. The rule for a function
 * that only reads, so that it works on an observer, whose mapping cannot be written: it begins with this check in place
 * of cvb_handle_check, and stores nothing into the segment, no hint and no flag that it sees wrong either. */
static inline int cvb_reader_check(const struct cvb_handle *h)
{
    int error = cvb_handle_check(h);
    return error == CVB_EREADONLY ? 0 : error;
}

/* 0 if the handle is this process's: also if it has lost its seat. */
static inline int cvb_handle_reads(const struct cvb_handle *h)
{
    return !h ? CVB_EINVAL : *h->same_process ? 0 : CVB_EFORKED;
}

/* How many seats were ever entered: those before the first one that never was (B8). The others hold nothing. */
static inline uint32_t cvb_seats_used(struct cvb_handle *h)
{
    while (h->seats_used < h->segment.settings.max_handles && cvb_load64_acq(&cvb_seat_at(h, h->seats_used)->state))
        h->seats_used++;
    return h->seats_used;
}

/* The next attach begins there, if no lower seat is free: so the same few seats are used again and again, with what
 * waits in their lists. A hint. */
static inline void cvb_seat_freed(struct cvb_handle *h, uint32_t seat)
{
    if (seat < cvb_load32_rlx(&h->lookout->seat))
        cvb_store32_rlx(&h->lookout->seat, seat);
}

/* After CVB_ECORRUPT with an open journal: this handle changes nothing any more, so that recovery completes it. */
void cvb_poison(struct cvb_handle *h);
static inline int cvb_corrupt_at_work(struct cvb_handle *h)
{
    cvb_poison(h);
    return CVB_ECORRUPT;
}
int cvb_mapping_check(struct cvb_handle *h); /* cvb_reader_check, and that the file is as long as it was */

/* clock.c */
uint64_t cvb_monotonic_ns(void);
uint64_t cvb_coarse_ns(void); /* of the monotonic clock */
uint64_t cvb_now_ns(void);    /* of the day: what records are stamped with */

/* How many records one source may have in one stage at most. */
static inline uint32_t cvb_least_limit(const struct cvb_settings *s)
{
    const uint32_t limit = cvb_most_in_stage(s);
    return limit < s->max_per_source ? limit : s->max_per_source;
}

/* pacer.c */
bool cvb_pacer_rest(struct cvb_handle *h, struct cvb_pacer *r);
void cvb_pacer_rested(struct cvb_pacer *r, bool helped);

/* process.c */
/* Maps private memory whose first page the kernel clears in every forked child, also after a raw clone. 0, or an error.
 */
int cvb_map_wiped(size_t size, void **memory);
int cvb_join_mapping(struct cvb_handle *h, const char *name); /* an observer's is read-only */
void cvb_leave_mapping(struct cvb_handle *h);
int cvb_lock_number(struct cvb_handle *h, uint64_t number); /* this handle lives; 1 if somebody else has the number */
void cvb_unlock_number(struct cvb_handle *h);
/* A round of questions which owners of seats live: begin (1; 0 if no question can be asked; CVB_ETRUNCATED if the file
 * has become too short), any number of questions, and confirm before a seat whose number is not locked is taken for
 * dead. */
int cvb_look_begin(struct cvb_handle *h);
int cvb_number_locked(struct cvb_handle *h, uint64_t number); /* 1, 0, or an error */
bool cvb_look_confirm(struct cvb_handle *h);                  /* True if what was asked was the segment's file. */

#endif
