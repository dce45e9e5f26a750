/* internal.h - the verbs of the protocol that more than one file uses. All return 0 or a negative cvb_error. */
#ifndef CVB_LIB_INTERNAL_H
#define CVB_LIB_INTERNAL_H

#include "place/handle.h"

enum cvb_op { CVB_OP_NONE, CVB_OP_REFILL, CVB_OP_GIVE, CVB_OP_MOVE, CVB_OP_RESTAGE, CVB_OP_REPLACE };
enum cvb_phase { CVB_CLOSED, CVB_OPEN, CVB_ABORT };
/* Steps of an operation on counters, bits of the head's done field. */
enum cvb_step {
    CVB_TAKE_SOURCE,
    CVB_TAKE_TOTAL,
    CVB_TAKE_STAGE,
    CVB_BACK_SOURCE,
    CVB_BACK_TOTAL,
    CVB_BACK_STAGE,
    CVB_BACK_STAGE2
};

#define CVB_SEQ_MASK ((UINT64_C(1) << 50) - 1)
static inline uint64_t cvb_head(uint64_t seq, unsigned op, unsigned phase, unsigned done)
{
    return (seq & CVB_SEQ_MASK) | (uint64_t)op << 50 | (uint64_t)phase << 54 | (uint64_t)done << 56;
}
static inline uint64_t cvb_head_seq(uint64_t head) { return head & CVB_SEQ_MASK; }
static inline unsigned cvb_head_op(uint64_t head) { return (unsigned)(head >> 50) & 15; }
static inline unsigned cvb_head_phase(uint64_t head) { return (unsigned)(head >> 54) & 3; }
static inline unsigned cvb_head_done(uint64_t head) { return (unsigned)(head >> 56); }

/* The steps that give back what an aborted RESTAGE or REPLACE had taken, and what one that happened leaves behind. */
static inline unsigned cvb_returns_of_abort(uint64_t head)
{
    unsigned taken = cvb_head_done(head);
    return (taken >> CVB_TAKE_SOURCE & 1) << CVB_BACK_SOURCE | (taken >> CVB_TAKE_STAGE & 1) << CVB_BACK_STAGE2;
}
static inline unsigned cvb_returns_of_move(const struct cvb_journal *f)
{
    return 1u << CVB_BACK_STAGE | (unsigned)(f->stage2 == CVB_STAGE_DEAD_LETTER) << CVB_BACK_SOURCE;
}

/* process.c */
int cvb_join_mapping(struct cvb_handle *h, const char *name);
void cvb_leave_mapping(struct cvb_handle *h);
int cvb_lock_seat(struct cvb_handle *h, uint32_t seat); /* 1 if somebody else has it */
void cvb_unlock_seat(struct cvb_handle *h);
/* A round of questions who lives: begin (1; 0 if nobody can be asked, CVB_ETRUNCATED if the file has become too short),
 * any number of questions, and confirm before a seat that nobody holds is believed to be a dead one's. */
int cvb_look_begin(struct cvb_handle *h);
int cvb_peer_locked(struct cvb_handle *h, uint32_t seat); /* 1, 0, or an error */
bool cvb_look_confirm(struct cvb_handle *h);              /* True if what was asked was the segment's file. */
/* name.c, known.c */
const struct cvb_name *cvb_name_of_id(struct cvb_handle *h, int kind, uint32_t id);
bool cvb_name_known(struct cvb_handle *h, int kind, const char *text, size_t n, uint32_t *id);
void cvb_name_remember(struct cvb_handle *h, int kind, const char *text, size_t n, uint32_t id);
/* handle.c */
void cvb_poison(struct cvb_handle *h); /* after CVB_ECORRUPT with an open journal: nothing more by this handle */
static inline int cvb_corrupt_at_work(struct cvb_handle *h)
{
    cvb_poison(h);
    return CVB_ECORRUPT;
}
int cvb_mapping_check(struct cvb_handle *h); /* cvb_handle_check, and that the file is as long as it was */
/* unit.c */
int cvb_hold(struct cvb_handle *h, uint32_t bitmap, uint32_t *unit);
int cvb_hold_either(struct cvb_handle *h, uint32_t first, uint32_t second, uint32_t *unit);
bool cvb_search_anew(struct cvb_handle *h);
void cvb_unhold(struct cvb_handle *h, uint32_t u);
void cvb_set_free_hint(struct cvb_handle *h, uint32_t u);
int cvb_hold_empty(struct cvb_handle *h, unsigned members, uint32_t *unit);
bool cvb_free_empty(struct cvb_handle *h, uint32_t u, struct cvb_pair w);
int cvb_memory_left(struct cvb_handle *h, uint32_t class);
/* journal.c: fields are copied while the head is closed. */
void cvb_journal_open(struct cvb_handle *h, enum cvb_op op, const struct cvb_journal *fields);
void cvb_journal_close(struct cvb_handle *h);
bool cvb_journal_read(struct cvb_handle *h, uint32_t seat, uint64_t *head, struct cvb_journal *fields);
int cvb_journal_recover(struct cvb_handle *h, uint32_t dead, uint64_t state);
/* move.c */
int cvb_carve(struct cvb_handle *h, uint32_t *unit, uint32_t *members);
uint32_t cvb_lowest(uint32_t mask, unsigned n);
int cvb_gather(struct cvb_handle *h, uint32_t *unit, uint32_t class, unsigned n);
int cvb_shrink(struct cvb_handle *h, uint32_t *unit, unsigned n);
int cvb_uncarve(struct cvb_handle *h, uint32_t t, uint32_t members, uint32_t t2);
int cvb_split_queued(struct cvb_handle *h, uint32_t unit, struct cvb_pair seen, unsigned want, uint32_t *taken);
void cvb_help_split(struct cvb_handle *h, uint32_t unit, struct cvb_pair seen);
bool cvb_move_happened(const struct cvb_journal *fields, uint32_t mover, struct cvb_pair word);
/* credit.c */
int cvb_refill(struct cvb_handle *h, uint32_t unit, uint32_t stage);
int cvb_give(struct cvb_handle *h, uint32_t unit);
uint32_t cvb_room(struct cvb_handle *h, uint32_t source, uint32_t stage, uint32_t *below, int *refusal);
int cvb_counter_step(struct cvb_handle *h, uint32_t actor_seat, uint64_t seq, enum cvb_step step,
                     const struct cvb_journal *fields, bool own);
bool cvb_step_happened(struct cvb_handle *h, uint32_t actor_seat, uint64_t seq, enum cvb_step step,
                       const struct cvb_journal *fields, uint32_t *counter);
/* pending.c */
struct cvb_pending {
    uint32_t unit; /* whose word is taken for `word`; CVB_NO_UNIT: no unit's */
    struct cvb_pair word;
    struct {
        uint32_t counter, n;
    } credit[3];
    unsigned credits;
    uint64_t head;
};
uint32_t cvb_pending_all(struct cvb_handle *h);
struct cvb_pair cvb_pending_word(struct cvb_handle *h, uint32_t u, uint32_t n);
/* idle.c */
int cvb_park(struct cvb_handle *h, uint32_t u, struct cvb_pair leased);
bool cvb_park_single(struct cvb_handle *h, uint32_t u, struct cvb_pair leased, int *error);
void cvb_idle_enter(struct cvb_handle *h);
/* reuse.c */
/* Where a put looks for idle units: only where many of them are listed; in whatever groups are full; everywhere. */
enum cvb_effort { CVB_LOOK_FAR, CVB_LOOK_FULL, CVB_LOOK_ALL };
uint32_t cvb_idle_next(struct cvb_handle *h);
void cvb_idle_leave(struct cvb_handle *h);
bool cvb_claim_idle(struct cvb_handle *h, const struct cvb_want *want, enum cvb_effort effort, uint32_t *unit,
                    struct cvb_pair *word);
void cvb_look_from(struct cvb_handle *h, uint32_t seat, uint64_t number);
/* reclaim.c */
bool cvb_try_again(struct cvb_handle *h, int refusal, const struct cvb_want *want, uint32_t *unit,
                   struct cvb_pair *word);
/* Each operation has so many looks; it sees each list once to its end, and so many groups again: a refusal ends after a
 * bounded number of steps, whatever others do, and misses nothing when nobody else is at work. */
#define CVB_REFUSAL_LOOKS 8u
#ifndef CVB_REFUSAL_GROUPS
#define CVB_REFUSAL_GROUPS 2048u /* some 40 us */
#endif
static inline void cvb_refusal_begin(struct cvb_handle *h)
{
    h->refusal = (struct cvb_refusal){
        .looks = CVB_REFUSAL_LOOKS,
        .lists =
            h->segment.settings.max_handles + 1 + CVB_REFUSAL_LOOKS, /* the first twice; a look may begin at an end */
        .groups = CVB_REFUSAL_GROUPS,
    };
}
uint32_t cvb_idle_lost(struct cvb_handle *h);
int64_t cvb_repair_idle(struct cvb_handle *h);
/* note.c */
int cvb_note_recover(struct cvb_handle *h, uint32_t dead, uint64_t state);
/* What notes of changes at work say beyond the counts of idle records: to be added to that of the counter. */
int64_t cvb_note_pending(struct cvb_handle *h, uint32_t seat, uint32_t counter);
static inline bool cvb_is_refusal(int error) { return error <= CVB_ESTAGE_FULL && error >= CVB_EMEMORY_FULL; }
/* What a call returns that did so many records before it met an error: their number, unless it did none and no limit
 * was the reason. */
static inline int cvb_count_or_error(int error, size_t done)
{
    return error && !cvb_is_refusal(error) && (!done || error == CVB_ECORRUPT) ? error : (int)done;
}
/* restage.c */
int cvb_admit(struct cvb_handle *h, uint32_t to, uint32_t *members);
bool cvb_restage_again(struct cvb_handle *h, int error, uint32_t n, uint32_t source, uint32_t to);
int cvb_restage(struct cvb_handle *h, uint32_t unit, uint32_t to);
int cvb_replace(struct cvb_handle *h, uint32_t a, uint32_t b, uint32_t to);
/* futex.c: until_ns is of the monotonic clock; both waits may return early. */
enum cvb_slept {
    CVB_SLEPT_CHANGED, /* a word has changed, or may have */
    CVB_SLEPT_TIMED_OUT,
    CVB_SLEPT_INTERRUPTED, /* by cvb_wake, or by a signal that may: the wait ends */
    CVB_SLEPT_MISSING,     /* there is no futex_waitv; cvb_futex_has_waitv is false from now on */
    CVB_SLEPT_REFUSED      /* the system lets nobody sleep; errno says why: the wait ends */
};
/* Wakes up to `most` of those who sleep on the word; how many there were. */
uint32_t cvb_futex_wake(uint32_t *word, uint32_t most);
/* On the word that serves all who have no futex_waitv; its value was read before what is waited for was looked at. */
enum cvb_slept cvb_futex_wait(struct cvb_handle *h, uint32_t *word, uint32_t value, uint64_t until_ns);
/* On one or more words, at most CVB_WAIT_MAX. */
enum cvb_slept cvb_futex_wait_any(struct cvb_handle *h, uint32_t *const *word, const uint32_t *value, size_t count,
                                  uint64_t until_ns);
bool cvb_is_woken(struct cvb_handle *h); /* True if cvb_wake was called; the call is then used up. */
bool cvb_futex_has_waitv(void);
void cvb_futex_forget_waitv(void); /* for tests */
uint64_t cvb_monotonic_ns(void);
uint64_t cvb_coarse_ns(void);
/* rest.c */
bool cvb_rest(struct cvb_rest *r);
void cvb_rested(struct cvb_rest *r, bool helped);
/* flag.c */
uint32_t cvb_flag_of(struct cvb_handle *h, uint32_t counter);
#define CVB_WAKE_ALL ((uint32_t)INT32_MAX)
void cvb_flag_wake(struct cvb_handle *h, uint32_t flag, uint32_t most);
void cvb_flag_wake_any(struct cvb_handle *h);
/* level.c */
/* The counters that a put moves; a forward moves the stage's only. */
#define CVB_RISES_ALL 7u
#define CVB_RISES_SOURCE 1u
#define CVB_RISES_STAGE 4u
void cvb_marks_set(struct cvb_handle *h);
const struct cvb_marks *cvb_marks_of(const struct cvb_handle *h, uint32_t counter);
int64_t cvb_counter_used(struct cvb_handle *h, uint32_t counter);
int64_t cvb_idle_sum(struct cvb_handle *h, uint32_t counter);
int64_t cvb_idle_count(struct cvb_handle *h, uint32_t counter);
int64_t cvb_live(struct cvb_handle *h, uint32_t counter);
bool cvb_level_correct(struct cvb_handle *h, uint32_t counter, bool renew);
void cvb_level_moved(struct cvb_handle *h, uint32_t counter, uint32_t n);
void cvb_level_returned(struct cvb_handle *h, uint32_t counter, uint32_t n);
void cvb_level_raised(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t n, unsigned which);
void cvb_levels_renew(struct cvb_handle *h);
/* After a put or a reservation of n records of the kind that looked for idle units last, whose counters or counts have
 * changed by a locked instruction or before a full fence. */
static inline void cvb_level_after_put(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t n)
{
    uint32_t all = cvb_load32_acq(cvb_flag_at(h, CVB_FLAG_TOTAL)) | cvb_load32_acq(h->looked->room_of_stage) |
                   cvb_load32_acq(h->looked->room_of_source);
    if (h->near || (all & CVB_FLAG_NEAR))
        cvb_level_raised(h, stage, source, n, CVB_RISES_ALL);
}
/* recover.c */
int cvb_recover_seat(struct cvb_handle *h, uint32_t dead, uint64_t state);
int cvb_recover_reserved(struct cvb_handle *h);
int cvb_recover_some(struct cvb_handle *h);
int cvb_leave(struct cvb_handle *h);
bool cvb_recover_at_times(struct cvb_handle *h, bool busy);
bool cvb_refused_by_dead(struct cvb_handle *h, int error, bool *looked);
/* The most calls between two looks at the coarse clock, of those calls that have no time of their own: 7 ns each eighth
 * time. Who was quick and is slow now needs so many calls until it looks in each of them. */
#ifndef CVB_RECOVER_CALLS
#define CVB_RECOVER_CALLS 8u
#endif
/* Asked by all calls that put, take or settle: those who are always busy neither wait nor are refused, and must notice
 * the dead too. True if it is time to look at the clock. */
static inline bool cvb_recover_due(struct cvb_handle *h) { return ++h->calls >= h->calls_due; }
static inline void cvb_recover_if_due(struct cvb_handle *h)
{
    if (__builtin_expect(cvb_recover_due(h), 0))
        cvb_recover_at_times(h, true);
}
/* The next call looks at the clock. */
static inline void cvb_recover_soon(struct cvb_handle *h) { h->calls_due = 0; }
/* lookout.c */
uint64_t cvb_lookout_slice(struct cvb_handle *h);
bool cvb_lookout_promise(struct cvb_handle *h, uint64_t now);
void cvb_lookout_leave(struct cvb_handle *h);
int cvb_lookout_look(struct cvb_handle *h);
void cvb_wake_sleepers(struct cvb_handle *h);
int cvb_release_unit(struct cvb_handle *h, uint32_t unit, uint32_t unused);
/* put.c */
int cvb_stage_check(struct cvb_handle *h, uint32_t stage);
int cvb_record_check(struct cvb_handle *h, const struct cvb_record *r);
uint32_t cvb_class_for(struct cvb_handle *h, uint32_t length);
int cvb_obtain(struct cvb_handle *h, uint32_t stage, const struct cvb_record *r, unsigned n, uint32_t *u,
               struct cvb_pair *word);
int cvb_hold_cells(struct cvb_handle *h, uint32_t length, unsigned n, uint32_t *unit);
int cvb_write_records(struct cvb_handle *h, uint32_t unit, uint32_t members, const struct cvb_record *r, uint32_t next);
void cvb_tally_refusal(struct cvb_handle *h, uint32_t stage, uint32_t source, int error);
uint64_t cvb_now_ns(void);
/* settle.c: leases or reservations as the caller gave them */
struct cvb_places {
    const struct cvb_place *first;
    size_t stride, count;
    enum cvb_state state;
};
typedef int (*cvb_settle_fn)(struct cvb_handle *h, uint32_t unit, uint32_t stage);
int cvb_place_check(struct cvb_handle *h, const struct cvb_place *p, enum cvb_state state);
bool cvb_places_whole(struct cvb_handle *h, const struct cvb_places *p, struct cvb_pair *word);
int cvb_places_check(struct cvb_handle *h, const struct cvb_places *p);
int cvb_places_run(struct cvb_handle *h, const struct cvb_places *p, size_t i, uint32_t *members, size_t *n);
int cvb_settle(struct cvb_handle *h, const struct cvb_places *p, cvb_settle_fn how, const uint32_t *to, size_t *done);
/* ring.c */
/* What a lease's hi has besides, of a unit that was QUEUED with this hi. What is suspect is leased alone. */
static inline uint64_t cvb_marks_of_lease(const struct cvb_handle *h, uint64_t hi)
{
    return hi & CVB_HI_SUSPECT ? CVB_HI_SUSPECT : h->company;
}
/* tries: what CVB_HI_TRIES has of the new word */
int cvb_enqueue(struct cvb_handle *h, uint32_t unit, struct cvb_pair from, unsigned stage, uint64_t tries);
int cvb_enqueue_own(struct cvb_handle *h, uint32_t unit, struct cvb_pair reserved, unsigned stage);
int cvb_publish_helped(struct cvb_handle *h, uint32_t unit, struct cvb_pair queued);
uint32_t cvb_unit_ahead(struct cvb_handle *h, uint32_t stage, uint64_t position);
void cvb_stay_near(struct cvb_handle *h, uint32_t stage, uint64_t bytes);
int cvb_ring_has_data(struct cvb_handle *h, uint32_t stage);
bool cvb_lease_single(struct cvb_handle *h, uint32_t stage, uint32_t *unit, struct cvb_pair *word);
int cvb_lease_next(struct cvb_handle *h, uint32_t stage, size_t want, bool split, uint32_t *unit,
                   struct cvb_pair *word);

#endif
