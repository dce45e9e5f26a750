/* unit.h - units that are free or held, the journal of an operation on them, and members that move from one to another.
 * All verbs return 0 or a negative cvb_error, unless they say otherwise.
 */
#ifndef CVB_LIB_UNIT_H
#define CVB_LIB_UNIT_H

#include "wake/wake.h"

enum cvb_op { CVB_OP_NONE, CVB_OP_REFILL, CVB_OP_GIVE, CVB_OP_MOVE, CVB_OP_RESTAGE, CVB_OP_REPLACE, CVB_OP_LIMIT };
enum cvb_phase { CVB_CLOSED, CVB_OPEN, CVB_ABORT };
/* Steps of an operation on counters, bits of the head's done field. */
enum cvb_step {
    CVB_TAKE_SOURCE,
    CVB_TAKE_TOTAL,
    CVB_TAKE_STAGE,
    CVB_BACK_SOURCE,
    CVB_BACK_TOTAL,
    CVB_BACK_STAGE,
    CVB_BACK_TO_STAGE,
    CVB_LIMIT_SET /* takes nothing: only the tag of `taken` changes */
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

/* The steps that give back the credits that an aborted RESTAGE or REPLACE had taken; and those that give back the
 * credits that a completed one held before. */
static inline unsigned cvb_returns_of_abort(uint64_t head)
{
    unsigned taken = cvb_head_done(head);
    return (taken >> CVB_TAKE_SOURCE & 1) << CVB_BACK_SOURCE | (taken >> CVB_TAKE_STAGE & 1) << CVB_BACK_TO_STAGE;
}
static inline unsigned cvb_returns_of_move(const struct cvb_journal *f)
{
    return 1u << CVB_BACK_STAGE | (unsigned)(f->to_stage == CVB_STAGE_DEAD_LETTER) << CVB_BACK_SOURCE;
}

/* The marks SUSPECT and COMPANY of a lease, for a unit that was QUEUED with this hi. A suspect record is leased alone.
 */
static inline uint64_t cvb_marks_of_lease(const struct cvb_handle *h, uint64_t hi)
{
    return hi & CVB_HI_SUSPECT ? CVB_HI_SUSPECT : h->company;
}

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
bool cvb_journal_fields(struct cvb_journal *j, uint64_t head, struct cvb_journal *fields);
bool cvb_journal_valid(struct cvb_handle *h, uint64_t head, const struct cvb_journal *fields);

int cvb_journal_survey(struct cvb_handle *h, uint32_t seat, uint64_t *head, struct cvb_journal *fields);

/* position.c */
#define CVB_NO_POSITION UINT64_MAX
struct cvb_span {
    uint64_t lowest, highest; /* CVB_NO_POSITION and 0: none has a position */
    uint32_t source;
};
struct cvb_span cvb_span_of(struct cvb_handle *h, uint32_t unit, uint32_t members);
void cvb_row_high(struct cvb_handle *h, const struct cvb_span *span);
void cvb_row_low(struct cvb_handle *h, const struct cvb_span *span);
void cvb_copy_positions(struct cvb_handle *h, uint32_t a, uint32_t b);
/* Called by the owner of the tally's seat alone. What the seat's last owner wrote there stays. */
static inline void cvb_high_raise(struct cvb_tally *of_source, uint64_t position)
{
    if (cvb_load64_rlx(&of_source->n[CVB_N_HIGH]) < position)
        cvb_store64_rel(&of_source->n[CVB_N_HIGH], position);
}
/* True if a unit with this word is live for a survey: the buffer has its records. */
static inline bool cvb_is_live(struct cvb_pair w)
{
    return cvb_lo_state(w.lo) == CVB_QUEUED || cvb_lo_state(w.lo) == CVB_LEASED || cvb_lo_state(w.lo) == CVB_DELAYED;
}

/* move.c */
int cvb_carve(struct cvb_handle *h, uint32_t *unit, uint32_t *members);
uint32_t cvb_lowest(uint32_t mask, unsigned n);
int cvb_gather(struct cvb_handle *h, uint32_t *unit, uint32_t class, unsigned n);
int cvb_shrink(struct cvb_handle *h, uint32_t *unit, unsigned n);
int cvb_uncarve(struct cvb_handle *h, uint32_t t, uint32_t members, uint32_t t2);
int cvb_split_queued(struct cvb_handle *h, uint32_t unit, struct cvb_pair seen, unsigned want, uint32_t *taken);
void cvb_help_split(struct cvb_handle *h, uint32_t unit, struct cvb_pair seen);
bool cvb_move_happened(const struct cvb_journal *fields, uint32_t mover, struct cvb_pair word);

#endif
