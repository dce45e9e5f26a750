/* reclaim.c - after a refusal idle units give back the credits that they keep (PROTOCOL.md, section 4).
 *
 * Overview: a put that a limit refuses asks how many credits of it idle units keep (level.c). None: it is refused.
 * Some: it looks for units that hold one, from where the last such search of this handle ended, claims them, and gives
 * them back, as many as it needs; one of its own kind serves it as it is.
 *
 * Why refusals are exact when nobody else is at work: an IDLE unit is listed and counted, and a group is passed over by
 * its header, which its owner wrote before the first entry. So a search over all groups finds what is counted. Why they
 * end: an operation looks so many times, and after each list has been seen to its end only at so many groups more
 * (cvb_refusal_begin); what it has not found then its successors go on to look for. A process that is stopped hides
 * nothing: a unit that it has made IDLE and not counted is in its note.
 */
#include <string.h>

#include "credit/idle.h"

/* True if a unit that holds `has` holds a credit of the limit that refused, or cells that are large enough. */
static bool holds(struct cvb_handle *h, const struct cvb_want *has, int refusal, const struct cvb_want *want)
{
    switch (refusal) {
    case CVB_ESOURCE_FULL:
        return has->source == (uint16_t)want->source;
    case CVB_ESTAGE_FULL:
        return has->stage == want->stage;
    case CVB_EMEMORY_FULL:
        return has->class >= want->class && has->class < h->segment.geometry.parts;
    default:
        return true;
    }
}

/* Moves the list's `first` past groups that are closed and empty. */
static void skip_empty(struct cvb_handle *h, struct cvb_idle *list, uint64_t first, uint64_t end)
{
    uint64_t from = first;
    for (; first < end; first++) {
        struct cvb_idle_group *g = group_at(h, list, first);
        uint64_t any = 0, header = cvb_load64_acq(&g->header);
        if (header == GROUP_EMPTY)
            continue;
        if (!(header & HEADER_CLOSED))
            break;
        for (unsigned i = 0; i < CVB_IDLE_ENTRIES; i++)
            any |= cvb_load64_rlx(&g->entry[i]);
        if (any)
            break;
    }
    if (first > from && first > cvb_load64_rlx(&list->first))
        cvb_store64_rlx(&list->first, first);
}

/* The unit of an entry, if it is IDLE, and what it holds. */
static bool waits(struct cvb_handle *h, uint64_t entry, struct cvb_pair *w, struct cvb_want *has)
{
    uint32_t u = unit_of(entry);
    if (!entry || u >= h->segment.geometry.unit_count)
        return false;
    *w = cvb_load_pair(&cvb_unit_at(h, u)->word);
    want_of(cvb_unit_at(h, u), *w, has);
    return cvb_lo_state(w->lo) == CVB_IDLE;
}

/* A search after a refusal. */
struct search {
    int refusal;
    const struct cvb_want *want;
    uint32_t *unit; /* for a put: a unit of just its kind, RES, with the word *w */
    struct cvb_pair *w;
    uint64_t given, wanted; /* records' credits: where a limit was lowered, also those above it */
    bool lost;              /* somebody was quicker */
};

/* True if units of a group with this header may hold what the limit refuses. `others`: any unit will do. */
static bool may_hold(uint64_t header, const struct search *s, bool others)
{
    if (header == GROUP_EMPTY || others)
        return header != GROUP_EMPTY;
    const uint64_t differs = header ^ key_of(s->want);
    switch (s->refusal) {
    case CVB_ESOURCE_FULL:
        return !(differs & KEY_SOURCE_MASK);
    case CVB_ESTAGE_FULL:
        return !(differs & KEY_STAGE_MASK);
    default:
        return true;
    }
}

/* The unit of an entry, which was IDLE with the word *w, becomes RES of this seat; false if somebody was quicker. */
static bool claim_entry(struct cvb_handle *h, uint64_t *at, uint64_t entry, struct cvb_pair *w,
                        const struct cvb_want *has)
{
    if (!want_valid(h, has) || !cvb_claim_any(h, unit_of(entry), w, has))
        return false;
    cvb_cas64(at, entry, 0);
    return true;
}

/* Gives back the IDLE units of a group that hold what the limit refuses, as many as are wanted; with `others`, all of
 * them. True if one serves the put as it is. */
static bool reclaim_group(struct cvb_handle *h, struct cvb_idle_group *g, struct search *s, bool others)
{
    for (unsigned i = 0; i < CVB_IDLE_ENTRIES && (others || s->given < s->wanted); i++) {
        uint64_t entry = cvb_load64_acq(&g->entry[i]);
        struct cvb_pair w;
        struct cvb_want has;
        if (!waits(h, entry, &w, &has))
            continue;
        bool helps = holds(h, &has, s->refusal, s->want), same = kind_wanted(&has) == kind_wanted(s->want);
        if (!helps && (!others || same))
            continue;
        if (!claim_entry(h, &g->entry[i], entry, &w, &has)) {
            s->lost = true; /* it may be about to be given back: look again */
            continue;
        }
        if (same && s->unit && !cvb_is_over(h, s->want)) {
            *s->unit = unit_of(entry);
            *s->w = w;
            return true;
        }
        if (!cvb_give(h, unit_of(entry)) && helps)
            s->given += has.count;
    }
    return false;
}

/* True if the operation in hand may look at another group. */
static bool may_look(struct cvb_handle *h)
{
    if (h->refusal.lists)
        return true;
    return h->refusal.groups && h->refusal.groups--;
}

/* Gives back units of one list, from group number `from` on. True if the put gets one as it is: its next scan begins in
 * that group. */
static bool reclaim_list(struct cvb_handle *h, uint32_t seat, uint64_t from, struct search *s)
{
    struct cvb_idle *list = list_of(h, seat);
    uint64_t first, end = window(h, list, &first), number = first > from ? first : from;
    bool found = false;
    if (from == 0)
        skip_empty(h, list, first, end);
    for (; !found && number < end && s->given < s->wanted && may_look(h); number++) {
        struct cvb_idle_group *g = group_at(h, list, number);
        bool others = number == first && end - first > CVB_STRAGGLERS;
        if (may_hold(cvb_load64_acq(&g->header), s, others))
            found = reclaim_group(h, g, s, others);
    }
    if (number >= end && h->refusal.lists)
        h->refusal.lists--;
    h->reclaim = (struct cvb_reclaim){seat, number};
    if (found)
        cvb_scan_from(h, seat, number - 1);
    return found;
}

/* Goes over all lists, from the group where the last search ended. So that group's list is searched twice: its last
 * part first, and the whole of it at the end. True if the put has a unit. */
static bool reclaim(struct cvb_handle *h, struct search *s)
{
    const uint32_t seats = cvb_seats_used(h), start = h->reclaim.seat < seats ? h->reclaim.seat : 0;
    const uint64_t middle = h->reclaim.number;
    for (uint32_t i = 0; seats && i <= seats && s->given < s->wanted && (h->refusal.lists || h->refusal.groups); i++)
        if (reclaim_list(h, (start + i) % seats, i ? 0 : middle, s))
            return true;
    return false;
}

static uint32_t counter_of(struct cvb_handle *h, int refusal, const struct cvb_want *want)
{
    return refusal == CVB_ESOURCE_FULL  ? cvb_counter_of_source(h, want->source)
           : refusal == CVB_ESTAGE_FULL ? cvb_counter_of_stage(want->stage)
                                        : CVB_COUNTER_TOTAL;
}

/* True if an idle unit keeps a credit of the counter. Notes first, counts then: what is not in a note any more is
 * counted. */
static bool some_idle(struct cvb_handle *h, uint32_t counter)
{
    if (cvb_idle_count(h, counter) > 0)
        return true;
    for (uint32_t s = 0; s < cvb_seats_used(h); s++)
        if (cvb_note_pending(h, s, counter) > 0)
            return true;
    return cvb_idle_count(h, counter) > 0;
}

/* Changes when a unit is listed, and when it has become idle. */
static uint64_t versions(struct cvb_handle *h)
{
    const uint32_t used = cvb_seats_used(h);
    uint64_t sum = 0;
    for (uint32_t s = 0; s < used; s++)
        sum += cvb_load64_acq(&list_of(h, s)->version) + cvb_load64_acq(&list_of(h, s)->parked);
    return sum;
}

/* True if there is room by now, because another process has given something back since the refusal. */
static bool has_room(struct cvb_handle *h, int refusal, const struct cvb_want *want)
{
    uint32_t counter = counter_of(h, refusal, want);
    return refusal == CVB_EMEMORY_FULL ? cvb_memory_left(h, want->class)
                                       : cvb_counter_used(h, counter) < cvb_marks_of(h, counter)->limit;
}

/* How many credits of the counter there are above its limit: none, unless that was lowered. Then the flag says so, from
 * the first refusal on. */
static uint64_t above_limit(struct cvb_handle *h, uint32_t counter)
{
    const int64_t above = cvb_counter_used(h, counter) - cvb_marks_of(h, counter)->limit;
    if (above <= 0)
        return 0;
    cvb_level_correct(h, counter, false);
    return (uint64_t)above;
}

/* Called after a refusal, with the journal closed. Makes idle units give credits back. True if the operation is to try
 * again: because they did, because other processes were quicker with a unit, or because a unit was listed or became
 * idle meanwhile. (Without the last, a unit that is idle at the end was idle all the time, and was found.) For a put,
 * `unit` is not NULL: a unit that fits becomes RES of this seat, with the word *w; otherwise *unit is left as it is. */
bool cvb_reclaim_for(struct cvb_handle *h, int refusal, const struct cvb_want *want, uint32_t *unit, struct cvb_pair *w)
{
    if (!h->refusal.looks)
        return false;
    h->refusal.looks--;
    const uint64_t before = versions(h);
    const uint32_t counter = counter_of(h, refusal, want);
    struct search s = {refusal, want, unit, w, 0, want->count, false};
    if (refusal != CVB_EMEMORY_FULL)
        s.wanted += above_limit(h, counter);
    const bool idle = some_idle(h, counter);
    if (idle && (reclaim(h, &s) || s.given || s.lost))
        return true;
    return has_room(h, refusal, want) || versions(h) != before || (idle && some_idle(h, counter));
}

/* What idle units keep of the source's credits comes back, as far as one operation searches. */
void cvb_reclaim_source(struct cvb_handle *h, uint32_t source)
{
    const struct cvb_want all = {.source = source, .count = INT32_MAX};
    cvb_refusal_begin(h);
    while (some_idle(h, cvb_counter_of_source(h, source)) && cvb_reclaim_for(h, CVB_ESOURCE_FULL, &all, NULL, NULL))
        continue;
}

/* Marks the units that lists name in h->counted. */
static void mark_listed(struct cvb_handle *h)
{
    memset(h->counted, 0, h->segment.geometry.bitmap_words * sizeof *h->counted);
    for (uint32_t s = 0; s <= h->segment.settings.max_handles; s++) {
        struct cvb_idle *list = list_of(h, s);
        uint64_t number;
        for (uint64_t end = window(h, list, &number); number < end; number++) {
            struct cvb_idle_group *g = group_at(h, list, number);
            bool empty = cvb_load64_acq(&g->header) == GROUP_EMPTY;
            for (unsigned i = 0; i < CVB_IDLE_ENTRIES && !empty; i++) {
                uint64_t entry = cvb_load64_acq(&g->entry[i]);
                if (entry && unit_of(entry) < h->segment.geometry.unit_count)
                    h->counted[unit_of(entry) / 64] |= UINT64_C(1) << unit_of(entry) % 64;
            }
        }
    }
}

/* True if the unit is IDLE and no list names it. After mark_listed. */
static bool is_lost(struct cvb_handle *h, uint32_t u, struct cvb_pair *w)
{
    *w = cvb_load_pair(&cvb_unit_at(h, u)->word);
    return cvb_lo_state(w->lo) == CVB_IDLE && !(h->counted[u / 64] >> u % 64 & 1);
}

/* The number of records in idle units that no list names, so that no search finds their credits. Reads only. */
uint32_t cvb_idle_lost(struct cvb_handle *h)
{
    uint32_t lost = 0;
    struct cvb_pair w;
    mark_listed(h);
    for (uint32_t u = 0; u < h->segment.geometry.unit_count; u++)
        lost += is_lost(h, u, &w) ? cvb_mask_count(cvb_hi_mask(w.hi)) : 0;
    return lost;
}

/* Idle units that no list names give their credits back. Returns the number of their records, or an error. */
int64_t cvb_repair_idle(struct cvb_handle *h)
{
    int64_t given = 0;
    struct cvb_pair w;
    struct cvb_want has;
    mark_listed(h);
    for (uint32_t u = 0; u < h->segment.geometry.unit_count; u++) {
        if (!is_lost(h, u, &w))
            continue;
        want_of(cvb_unit_at(h, u), w, &has);
        if (!want_valid(h, &has))
            return CVB_ECORRUPT;
        if (!cvb_claim_any(h, u, &w, &has))
            continue;
        int error = cvb_give(h, u);
        if (error)
            return error;
        given += has.count;
    }
    return given;
}
