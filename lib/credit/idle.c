/* idle.c - acked units keep their credits and wait for the next put of their source and stage (PROTOCOL.md, section 4).
 *
 * Overview: each seat has a list of entries that name IDLE units, and a version (idle.h says how it is built). An ack
 * lists the unit in its own seat's list and then makes it IDLE: no counter, no journal, no bitmap. A put claims one
 * that fits (reuse.c). So in the steady state the counters do not move, and no two cores share anything but the units
 * themselves and these lists. A put that a limit refuses gives back what waits (reclaim.c).
 *
 * Why it is correct: listed first and IDLE then, so an IDLE unit is always listed; a process that dies between the two
 * leaves a leased unit, and an entry that says nothing. A sleeper who waits for what the unit holds is seen by the
 * ack's second look at the flags, or has seen the unit IDLE.
 */
#include "credit/idle.h"

/* Places of a list that are passed because they are still in use, before an acked unit gives its credits back instead.
 */
#ifndef CVB_APPEND_TRIES
#define CVB_APPEND_TRIES 16u
#endif

/* A place for the number of a kind that has none: the first empty one, or its own. */
static uint16_t *place_for(struct cvb_kinds *kinds, uint32_t key)
{
    const uint32_t place = place_of(key, CVB_KIND_PLACES);
    for (uint32_t i = 0; i < KIND_PROBES; i++)
        if (!kinds->at[(place + i) % CVB_KIND_PLACES])
            return &kinds->at[(place + i) % CVB_KIND_PLACES];
    return &kinds->at[place];
}

/* The kind that has the number loses it. */
static void forget_kind(struct cvb_kinds *kinds, uint32_t number)
{
    const uint32_t place = place_of(kinds->key[number], CVB_KIND_PLACES);
    for (uint32_t i = 0; i < KIND_PROBES; i++)
        if (kinds->at[(place + i) % CVB_KIND_PLACES] == number + 1)
            kinds->at[(place + i) % CVB_KIND_PLACES] = 0;
}

/* The number that a new or a spare kind gets when all are used. */
static uint32_t number_to_take(struct cvb_kinds *kinds)
{
    const uint32_t turn = kinds->turn++;
    return turn % CVB_KIND_STAYS ? CVB_CLAIM_CACHES - 1 : turn / CVB_KIND_STAYS % CVB_CLAIM_CACHES;
}

/* The number of the kind with this key; a new kind gets one, if need be that of another kind. */
CVB_RARE uint32_t cvb_kind_number(struct cvb_kinds *kinds, uint32_t key)
{
    const uint32_t found = kind_find(kinds, key);
    if (found != NO_NUMBER && !kind_is_spare(kinds, found))
        return found;
    const uint32_t number = kinds->used < CVB_CLAIM_CACHES ? kinds->used++ : number_to_take(kinds);
    if (number == found)
        return number;
    if (found != NO_NUMBER)
        forget_kind(kinds, found);
    if (kinds->turn)
        forget_kind(kinds, number);
    kinds->key[number] = key;
    *place_for(kinds, key) = (uint16_t)(number + 1);
    return number;
}

/* Stores the note, before the change of unit u that it describes. */
static inline void rows_begin(struct cvb_handle *h, const struct cvb_rows *rows, uint32_t u)
{
    cvb_store64_rel(&h->list->note, rows->note | u);
}

static inline void row_add(uint64_t *row, uint32_t n) { cvb_store64_rel(row, row_after(cvb_load64_rlx(row), n)); }

/* Claims a unit of n records: IDLE with the word *w, it becomes RES of this seat; *w is then the new word. False if its
 * word has changed. */
bool cvb_claim(struct cvb_handle *h, uint32_t u, struct cvb_pair *w, uint32_t n, struct cvb_rows *rows)
{
    rows_begin(h, rows, u);
    const struct cvb_pair mine = {w->lo - cvb_lo_position(CVB_IDLE - CVB_RES, 0), cvb_hi_anew(w->hi, h->seat)};
    if (!cvb_cas_pair(&cvb_unit_at(h, u)->word, *w, mine)) {
        cvb_store64_rel(&h->list->note, 0); /* it may become this seat's in another way */
        return false;
    }
    row_add(rows->total, n);
    row_add(rows->stage, n);
    row_add(rows->source, n);
    rows->note ^= NOTE_ODD_ALL;
    *w = mine;
    return true;
}

/* As cvb_claim, for a unit of any kind, which holds `has`. */
bool cvb_claim_any(struct cvb_handle *h, uint32_t u, struct cvb_pair *w, const struct cvb_want *has)
{
    struct cvb_rows rows = rows_of(h, NOTE_CLAIM, has);
    const bool claimed = cvb_claim(h, u, w, has->count, &rows);
    if (claimed && h->last_cache)
        rows_anew(&h->last_cache->rows);
    return claimed;
}

/* True if one of the group's entries still names a unit that waits. Those that do not are emptied. Called by the owner
 * alone. */
static bool in_use(struct cvb_handle *h, struct cvb_idle_group *g)
{
    const bool empty = cvb_load64_rlx(&g->header) == GROUP_EMPTY;
    for (unsigned i = 0; i < CVB_IDLE_ENTRIES; i++) {
        uint64_t entry = cvb_load64_rlx(&g->entry[i]);
        uint32_t u = unit_of(entry);
        if (!entry)
            continue;
        if (!empty && u < h->segment.geometry.unit_count &&
            cvb_lo_state(cvb_load64_acq(&cvb_unit_at(h, u)->word.lo)) == CVB_IDLE)
            return true;
        cvb_store64_rlx(&g->entry[i], 0);
    }
    return false;
}

/* True if the group has a place and is still there: it may have been overwritten when it was not in use any more. */
static inline bool is_open(const struct cvb_parked *open)
{
    return open->left && cvb_load64_rlx(&open->group->header) == open->header;
}

static inline void close_group(struct cvb_parked *open)
{
    cvb_store64_rel(&open->group->header, open->header | HEADER_CLOSED);
    open->left = 0;
}

/* A seat's new owner: nothing more comes into the groups that the last one left open. */
void cvb_idle_enter(struct cvb_handle *h)
{
    struct cvb_idle *list = h->list;
    uint64_t number;
    for (uint64_t end = window(h, list, &number); number < end; number++) {
        struct cvb_idle_group *g = group_at(h, list, number);
        uint64_t header = cvb_load64_rlx(&g->header);
        if (!(header & HEADER_CLOSED))
            cvb_store64_rel(&g->header, header | HEADER_CLOSED);
    }
}

/* A new group for the kind that was acked last, past places that are still in use; false if the kind is spare, or if
 * there are many of those places: the next call goes on behind them. */
CVB_RARE static bool open_group(struct cvb_handle *h, struct cvb_idle *list)
{
    struct cvb_parked *open = h->parked, *old;
    uint64_t number = cvb_load64_rlx(&list->groups), last = number + CVB_APPEND_TRIES;
    if (kind_is_spare(&h->acked, (uint32_t)(open - h->park))) {
        open->kind = CVB_NO_KIND; /* so that the next ack asks for a number */
        return false;
    }
    old = &h->park[number % h->acked.used];
    if ((header_of(0, number) - (old->header & ~KEY_MASK)) >> NUMBER_SHIFT > CVB_STRAGGLERS + h->acked.used &&
        is_open(old))
        close_group(old);
    while (number != last && in_use(h, group_at(h, list, number)))
        number++;
    if (number == last) {
        cvb_store64_rel(&list->groups, number);
        return false;
    }
    open->header = header_of(open->key, number);
    open->group = group_at(h, list, number);
    open->left = CVB_IDLE_ENTRIES;
    cvb_prefetch_write(group_at(h, list, number + 1));
    cvb_store64_rel(&open->group->header, open->header);
    cvb_store64_rel(&list->groups, number + 1);
    return true;
}

/* Lists a unit of the kind that will be IDLE next, where there is a place. */
static inline void append(struct cvb_idle *list, struct cvb_parked *open, uint32_t u)
{
    const uint64_t version = cvb_load64_rlx(&list->version) + 1;
    const uint32_t left = open->left;
    cvb_store64_rel(&open->group->entry[CVB_IDLE_ENTRIES - left], u | version << VERSION_SHIFT);
    cvb_store64_rel(&list->version, version);
    if (left == 1)
        close_group(open);
    else
        open->left = left - 1;
}

/* What was remembered of a kind is of another one from now on. A group of the same key stays open. */
static void begin_parked(struct cvb_handle *h, struct cvb_parked *p, const struct cvb_want *has)
{
    const uint32_t stages = h->segment.settings.max_stages;
    p->kind = kind_wanted(has);
    p->key = key_of(has);
    p->of_stage = &h->tallies[has->stage];
    p->of_source = &h->tallies[stages + has->source];
    p->rows = rows_of(h, NOTE_PARK, has);
    p->room_of_source = cvb_flag_at(h, cvb_flag_of_source(h, has->source));
    p->room_of_stage = cvb_flag_at(h, cvb_flag_of_room(h, has->stage));
    if (is_open(p) && (p->header & KEY_MASK) != p->key)
        close_group(p);
}

/* The kind of unit that was acked is another one than the last; false if there is no such kind, in a corrupt segment.
 */
CVB_RARE static bool park_others(struct cvb_handle *h, struct cvb_unit *unit, struct cvb_pair w)
{
    struct cvb_want has;
    want_of(unit, w, &has);
    if (!want_valid(h, &has))
        return false;
    h->parked = &h->park[cvb_kind_number(&h->acked, key_of(&has))];
    if (h->parked->kind != kind_wanted(&has))
        begin_parked(h, h->parked, &has);
    else
        rows_anew(&h->parked->rows); /* units of other kinds have changed some of them since */
    return true;
}

/* What the flags of all that an acked unit holds show, a bit of one is a bit of all. */
static inline uint32_t flags_of_parked(struct cvb_handle *h)
{
    const struct cvb_parked *p = h->parked;
    return cvb_load32_acq(p->room_of_source) | cvb_load32_acq(p->room_of_stage) |
           cvb_load32_acq(cvb_flag_at(h, CVB_FLAG_TOTAL)) | cvb_load32_acq(cvb_flag_at(h, CVB_FLAG_MEMORY));
}

/* Credits are wanted back: somebody sleeps for them, or there are more than a lowered limit allows. */
#define NEED (CVB_FLAG_WAITERS_EITHER | CVB_FLAG_OVER)

/* A unit that is IDLE now holds what somebody sleeps for, or pauses for: it is given back, or the level is told. */
CVB_RARE static int parked_in_need(struct cvb_handle *h, uint32_t u, struct cvb_pair idle, uint32_t flags)
{
    struct cvb_want has;
    const uint32_t counter[] = {(uint32_t)(h->parked->of_source - h->tallies) + 1, CVB_COUNTER_TOTAL,
                                (uint32_t)(h->parked->of_stage - h->tallies) + 1};
    if (flags & NEED) {
        h->waiters_seen = true;
        want_of(cvb_unit_at(h, u), idle, &has);
        if (cvb_claim_any(h, u, &idle, &has))
            return cvb_give(h, u);
        /* another process has it, perhaps since before the rows had it: who fell asleep then has counted one too few */
        for (unsigned x = 0; x < 3; x++)
            cvb_level_returned(h, counter[x], has.count);
        return 0;
    }
    cvb_budget_end(h, &h->of_acks);
    for (unsigned x = 0; x < 3; x++)
        if (cvb_load32_acq(cvb_flag_at(h, cvb_flag_of(h, counter[x]))) & CVB_FLAG_PAUSED)
            cvb_level_moved(h, counter[x], cvb_mask_count(cvb_hi_mask(idle.hi)));
    cvb_budget_begin(h, &h->of_acks, h->parked->kind, counter, CVB_FLAG_PAUSED);
    return 0;
}

/* G1, for a lease that ends: of h->parked-> */
static inline void raise_high(struct cvb_handle *h, struct cvb_unit *unit, uint32_t u, struct cvb_pair w)
{
    const uint64_t first = cvb_load64_rlx(&unit->first);
    const unsigned last = 31 - (unsigned)__builtin_clz(cvb_hi_mask(w.hi) | 1);
    if (first)
        cvb_high_raise(h->parked->of_source, first + cvb_behind_at(h, u, last));
}

/* The lease of a unit of h->parked, of n records, which can be listed, ends. The last row's store is the locked
 * instruction after which the flags are read: a sleeper has counted the unit, or is seen. */
static inline int become_idle(struct cvb_handle *h, struct cvb_unit *unit, uint32_t u, struct cvb_pair w, uint32_t n)
{
    struct cvb_parked *p = h->parked;
    append(h->list, p, u);
    rows_begin(h, &p->rows, u);
    const uint64_t next = cvb_load64_rlx(&unit->generation) + 1;
    cvb_store64_rlx(&unit->generation, next);
    cvb_store64_rel(&unit->word.lo, cvb_lo_generation(CVB_IDLE, next));
    row_add(p->rows.total, n);
    row_add(p->rows.stage, n);
    cvb_store64_seq(p->rows.source, row_after(cvb_load64_rlx(p->rows.source), n));
    p->rows.note ^= NOTE_ODD_ALL;
    cvb_fence_after_cas();
    const uint32_t flags = flags_of_parked(h);
    h->waiters_seen = false;
    if ((flags & NEED) || ((flags & CVB_FLAG_PAUSED) && !cvb_budget_covers(&h->of_acks, p->kind, n)))
        return parked_in_need(h, u, (struct cvb_pair){cvb_lo_generation(CVB_IDLE, next), w.hi}, flags);
    return 0;
}

/* An acked unit that is not listed: it gives its credits back. What is listed is counted as parked, so as acked too. */
CVB_RARE static int give_acked(struct cvb_handle *h, uint32_t u, struct cvb_pair w)
{
    const uint32_t records = cvb_mask_count(cvb_hi_mask(w.hi));
    cvb_own_add64(&h->parked->of_stage->n[CVB_N_ACKED], records);
    cvb_own_add64(&h->parked->of_source->n[CVB_N_ACKED], records);
    return cvb_give(h, u);
}

/* Ends the lease of a whole unit, whose word is w, as acked: IDLE if nobody is short of what it holds and there is a
 * place to list it; else FREE. */
int cvb_park(struct cvb_handle *h, uint32_t u, struct cvb_pair w)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    if (kind_of_unit(unit, w.hi) != h->parked->kind && !park_others(h, unit, w))
        return CVB_ECORRUPT;
    raise_high(h, unit, u, w);
    if (cvb_hi_stage(w.hi) == CVB_STAGE_DEAD_LETTER || (h->waiters_seen && (flags_of_parked(h) & NEED)))
        return give_acked(h, u, w);
    if (!is_open(h->parked) && !open_group(h, h->list))
        return give_acked(h, u, w);
    const uint32_t n = cvb_mask_count(cvb_hi_mask(w.hi));
    return become_idle(h, unit, u, w, n);
}

/* As cvb_park, for a unit of one record in the usual case: it is of the kind that was acked last, there is a place to
 * list it, and nobody waited at the last ack. False: nothing was done. Calls nothing, so that it costs little more than
 * its stores. */
bool cvb_park_single(struct cvb_handle *h, uint32_t u, struct cvb_pair w, int *error)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    const uint32_t stage = cvb_hi_stage(w.hi);
    const uint64_t kind = kind_of(cvb_load16_rlx(&unit->source), stage, 1, cvb_load16_rlx(&unit->class));
    if (kind != h->parked->kind || stage == CVB_STAGE_DEAD_LETTER || h->waiters_seen || !is_open(h->parked))
        return false;
    raise_high(h, unit, u, w);
    *error = become_idle(h, unit, u, w, 1);
    return true;
}
