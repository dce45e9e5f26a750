/* stubs.c - stands for what a model leaves out of the library: it decides nothing, and changes nothing.
 *
 * It is compiled by itself, and linked to each model: what the model defines itself, or the library's files that it
 * includes, overrides what is here.
 */
#include "segment.h"

#include <watch/watch.h>

#define UNUSED (void)h

uint32_t cvb_class_of_cell(const struct cvb_handle *h, uint32_t cell)
{
    UNUSED, (void)cell;
    return 0;
}
bool cvb_find_cells(struct cvb_handle *h, uint32_t cell)
{
    UNUSED, (void)cell;
    return false;
}
int cvb_why_not(const struct cvb_handle *h) { return UNUSED, CVB_ELOST; }
int cvb_mapping_check(struct cvb_handle *h) { return UNUSED, 0; }
bool cvb_learn_id(struct cvb_handle *h, enum cvb_kind kind, uint32_t id) { return UNUSED, (void)kind, (void)id, true; }
bool cvb_source_stays(struct cvb_handle *h, uint32_t id) { return UNUSED, (void)id, true; }
void cvb_enters_stage(struct cvb_unit *unit) { (void)unit; } /* decides nothing */
void cvb_prefetch_others(struct cvb_handle *h, uint32_t u, unsigned records) { UNUSED, (void)u, (void)records; }

void cvb_help_split(struct cvb_handle *h, uint32_t unit, struct cvb_pair seen) { UNUSED, (void)unit, (void)seen; }
int cvb_split_queued(struct cvb_handle *h, uint32_t unit, struct cvb_pair seen, unsigned want, uint32_t *taken)
{
    UNUSED, (void)unit, (void)seen, (void)want, (void)taken;
    return CVB_ESETTLED;
}
bool cvb_move_happened(const struct cvb_journal *fields, uint32_t mover, struct cvb_pair word)
{
    (void)fields, (void)mover, (void)word;
    return false;
}

/* Records without positions. */
struct cvb_span cvb_span_of(struct cvb_handle *h, uint32_t u, uint32_t mask)
{
    UNUSED, (void)u, (void)mask;
    return (struct cvb_span){.lowest = CVB_NO_POSITION};
}
void cvb_row_high(struct cvb_handle *h, const struct cvb_span *span) { UNUSED, (void)span; }
void cvb_row_low(struct cvb_handle *h, const struct cvb_span *span) { UNUSED, (void)span; }

void cvb_flag_wake(struct cvb_handle *h, uint32_t flag, uint32_t most) { UNUSED, (void)flag, (void)most; }
void cvb_flag_wake_any(struct cvb_handle *h) { UNUSED; }
uint32_t cvb_flag_of(struct cvb_handle *h, uint32_t counter) { return UNUSED, (void)counter, CVB_FLAG_TOTAL; }
void cvb_hand_wake(struct cvb_handle *h, uint32_t flag) { UNUSED, (void)flag; }
uint64_t cvb_given(struct cvb_handle *h, uint32_t flag) { return cvb_load64_acq(&h->flags[flag].given); }
void cvb_flag_tell_level(struct cvb_handle *h, uint32_t flag, bool paused) { UNUSED, (void)flag, (void)paused; }
void cvb_flag_tell_refusal(struct cvb_handle *h, uint32_t flag, int error) { UNUSED, (void)flag, (void)error; }
void cvb_flag_tell_dead_letter(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t records)
{
    UNUSED, (void)stage, (void)source, (void)records;
}

/* Events decide nothing. */
void cvb_event(struct cvb_handle *h, const struct cvb_event *e) { UNUSED, (void)e; }
void cvb_event_death(struct cvb_handle *h, uint32_t dead, uint64_t state) { UNUSED, (void)dead, (void)state; }
void cvb_event_gone(struct cvb_handle *h, uint32_t dead, int32_t pid) { UNUSED, (void)dead, (void)pid; }
void cvb_event_recovery(struct cvb_handle *h, uint32_t dead, int32_t pid) { UNUSED, (void)dead, (void)pid; }
uint32_t cvb_event_tick(void) { return 1; }
void cvb_event_set(struct cvb_handle *h, uint32_t stage, uint32_t source, const char *setting, uint64_t before,
                   uint64_t after)
{
    UNUSED, (void)stage, (void)source, (void)setting, (void)before, (void)after;
}

void cvb_level_returned(struct cvb_handle *h, uint32_t counter, uint32_t n) { UNUSED, (void)counter, (void)n; }
void cvb_level_raised(struct cvb_handle *h, uint32_t stage, uint32_t source, uint32_t n, unsigned which)
{
    UNUSED, (void)stage, (void)source, (void)n, (void)which;
}
void cvb_levels_renew(struct cvb_handle *h) { UNUSED; }
void cvb_level_begin(struct cvb_handle *h, uint32_t counter) { UNUSED, (void)counter; }
int64_t cvb_counter_used(struct cvb_handle *h, uint32_t counter) { return UNUSED, (void)counter, 0; }

const struct cvb_marks *cvb_marks_of(struct cvb_handle *h, uint32_t counter)
{
    static const struct cvb_marks marks = {LIMIT, LIMIT, LIMIT - 1, 0};
    return UNUSED, (void)counter, &marks;
}
uint32_t cvb_retries_of(struct cvb_handle *h, uint32_t stage) { return UNUSED, (void)stage, 0; }

int cvb_take_credits(struct cvb_handle *h, enum cvb_step step, const struct cvb_journal *f)
{
    UNUSED, (void)step, (void)f;
    return 0;
}
void cvb_return_credits(struct cvb_handle *h, enum cvb_step step, const struct cvb_journal *f)
{
    UNUSED, (void)step, (void)f;
}
int cvb_recover_credits(struct cvb_handle *h, uint32_t dead, uint64_t seq, enum cvb_step step,
                        const struct cvb_journal *f)
{
    UNUSED, (void)dead, (void)seq, (void)step, (void)f;
    return 1;
}

int cvb_give(struct cvb_handle *h, uint32_t unit)
{
    UNUSED, (void)unit;
    return 0;
}

int cvb_ring_has_data(struct cvb_handle *h, uint32_t stage)
{
    UNUSED, (void)stage;
    return 0;
}

bool cvb_reclaim_for(struct cvb_handle *h, int refusal, const struct cvb_want *want, uint32_t *unit, struct cvb_pair *w)
{
    UNUSED, (void)refusal, (void)want, (void)unit, (void)w;
    return 0;
}
int cvb_note_recover(struct cvb_handle *h, uint32_t dead, uint64_t state)
{
    UNUSED, (void)dead, (void)state;
    return 0;
}

/* Units that are free: the mover of a model holds its empty unit from the start. */
#define MODEL_EMPTY 1u
void cvb_set_free_hint(struct cvb_handle *h, uint32_t u) { UNUSED, (void)u; }
void cvb_unhold(struct cvb_handle *h, uint32_t u) { UNUSED, (void)u; }
int cvb_hold(struct cvb_handle *h, uint32_t bitmap, uint32_t *u)
{
    UNUSED, (void)bitmap, (void)u;
    return CVB_EMEMORY_FULL;
}
bool cvb_search_anew(struct cvb_handle *h) { return (void)h, false; }
bool cvb_free_empty(struct cvb_handle *h, uint32_t u, struct cvb_pair w)
{
    UNUSED, (void)u, (void)w;
    return true;
}
int cvb_memory_left(struct cvb_handle *h, uint32_t class)
{
    UNUSED, (void)class;
    return 1;
}
int cvb_hold_empty(struct cvb_handle *h, unsigned members, uint32_t *u)
{
    UNUSED, (void)members;
    *u = MODEL_EMPTY;
    return 0;
}

void cvb_delay_announce(struct cvb_handle *h, uint32_t u) { UNUSED, (void)u; }
int cvb_delay_end(struct cvb_handle *h, uint64_t now_ns) { return UNUSED, (void)now_ns, 0; }

bool cvb_pacer_rest(struct cvb_handle *h, struct cvb_pacer *r) { return UNUSED, (void)r, false; }
void cvb_pacer_rested(struct cvb_pacer *r, bool helped) { (void)r, (void)helped; }
uint64_t cvb_lookout_slice(struct cvb_handle *h) { return UNUSED, 0; }
bool cvb_lookout_promise(struct cvb_handle *h, uint64_t now) { return UNUSED, (void)now, false; }
void cvb_lookout_leave(struct cvb_handle *h) { UNUSED; }
int cvb_lookout_look(struct cvb_handle *h) { return UNUSED, 0; }
void cvb_wake_sleepers(struct cvb_handle *h) { UNUSED; }
bool cvb_recover_at_times(struct cvb_handle *h, bool busy) { return UNUSED, (void)busy, false; }
bool cvb_refused_by_dead(struct cvb_handle *h, int error, bool *looked)
{
    return UNUSED, (void)error, (void)looked, false;
}
int cvb_recover(struct cvb_handle *h)
{
    UNUSED;
    return 0;
}
bool cvb_name_known(struct cvb_handle *h, int kind, const char *text, size_t n, uint32_t *id)
{
    UNUSED, (void)kind, (void)text, (void)n, (void)id;
    return false;
}
void cvb_name_remember(struct cvb_handle *h, int kind, const char *text, size_t n, uint32_t id)
{
    UNUSED, (void)kind, (void)text, (void)n, (void)id;
}
