/* reclaim.c - what a limit refuses: idle units give back the credits that they only keep (PROTOCOL.md, section 4).
 *
 * Why refusals are exact: a put that a limit refuses gives back every IDLE unit that holds a credit of that limit and
 * tries again; it is refused for good only if no version and no `returned` changed between two refusals with such a
 * search between them, in which nobody was quicker. What became IDLE unseen was listed after the first look at the
 * versions, or has raised its version since, or is the work of an ack that is not over yet. A group is passed over by
 * its header, which its owner wrote before the first entry and so before the version. A process that is stopped can
 * hide nothing: its unit is still leased, or it is listed.
 */
#include <string.h>

#include "idle.h"

static bool holds(struct cvb_handle *h, const struct cvb_want *has, int refusal, const struct cvb_want *want)
{
    switch (refusal) {
    case CVB_ESOURCE_FULL:
        return has->source == want->source;
    case CVB_ESTAGE_FULL:
        return has->stage == want->stage;
    case CVB_EMEMORY_FULL:
        return has->class >= want->class && has->class < h->segment.geometry.parts;
    default:
        return true;
    }
}

/* Moves the hint past what is closed and empty. */
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
    uint64_t given; /* records' credits */
};

/* May units of a group with this header hold what refused, or be of any other use? */
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
static bool claim_entry(struct cvb_handle *h, uint64_t *at, uint64_t entry, struct cvb_pair *w)
{
    if (!claim(h, cvb_unit_at(h, unit_of(entry)), w)) {
        h->refusal.refusal = 0; /* somebody has it, and may be about to give it back: look again */
        return false;
    }
    cvb_cas64(at, entry, 0);
    return true;
}

/* Gives back the IDLE units of a group that hold what refused, as many as are wanted, and if told so others too. True:
 * the put has one as it is. */
static bool reclaim_group(struct cvb_handle *h, struct cvb_idle_group *g, struct search *s, bool others)
{
    for (unsigned i = 0; i < CVB_IDLE_ENTRIES && (others || s->given < s->want->count); i++) {
        uint64_t entry = cvb_load64_acq(&g->entry[i]);
        struct cvb_pair w;
        struct cvb_want has;
        if (!waits(h, entry, &w, &has))
            continue;
        bool helps = holds(h, &has, s->refusal, s->want), same = kind_wanted(&has) == kind_wanted(s->want);
        if ((!helps && (!others || same)) || !claim_entry(h, &g->entry[i], entry, &w))
            continue;
        if (same && s->unit) {
            *s->unit = unit_of(entry);
            *s->w = w;
            return true;
        }
        if (!cvb_give(h, unit_of(entry)) && helps)
            s->given += has.count;
    }
    return false;
}

/* The same in one list. Where the put got one, its next look begins. */
static bool reclaim_list(struct cvb_handle *h, uint32_t seat, struct search *s)
{
    struct cvb_idle *list = list_of(h, seat);
    uint64_t first, end = window(h, list, &first), number = first;
    bool found = false;
    for (; !found && number < end && s->given < s->want->count; number++) {
        struct cvb_idle_group *g = group_at(h, list, number);
        bool others = number == first && end - first > CVB_STRAGGLERS;
        if (may_hold(cvb_load64_acq(&g->header), s, others))
            found = reclaim_group(h, g, s, others);
    }
    if (found)
        cvb_look_from(h, seat, number - 1);
    skip_empty(h, list, first, end);
    return found;
}

static void reclaim(struct cvb_handle *h, int refusal, const struct cvb_want *want, uint32_t *unit, struct cvb_pair *w)
{
    const uint32_t seats = h->segment.settings.max_handles;
    struct search s = {refusal, want, unit, w, 0};
    for (uint32_t i = 0; i < seats && s.given < want->count; i++)
        if (reclaim_list(h, (h->seat + i) % seats, &s))
            break;
}

static uint64_t versions(struct cvb_handle *h)
{
    uint64_t sum = 0;
    for (uint32_t s = 0; s < h->segment.settings.max_handles; s++)
        sum += cvb_load64_acq(&list_of(h, s)->version);
    return sum;
}

static uint32_t counter_of(struct cvb_handle *h, int refusal, const struct cvb_want *want)
{
    return refusal == CVB_ESOURCE_FULL  ? cvb_counter_of_source(h, want->source)
           : refusal == CVB_ESTAGE_FULL ? cvb_counter_of_stage(want->stage)
                                        : CVB_COUNTER_TOTAL;
}

/* After a refusal, with the journal closed: true if it is worth trying again. False: nothing has changed since this
 * operation's last refusal of this kind, after which a search found nothing. Each operation searches anew: it sets
 * h->refusal.refusal to 0. unit, for a put: one that fits becomes RES of this seat, with the word *w; else *unit stays
 * as it is. */
bool cvb_try_again(struct cvb_handle *h, int refusal, const struct cvb_want *want, uint32_t *unit, struct cvb_pair *w)
{
    struct cvb_refusal *seen = &h->refusal;
    struct cvb_refusal now = {refusal, counter_of(h, refusal, want), want->class, versions(h), 0};
    now.returned = cvb_load64_acq(&cvb_counter_at(h, now.counter)->returned.lo);
    if (seen->refusal == refusal && seen->counter == now.counter && seen->class == now.class &&
        seen->versions == now.versions && seen->returned == now.returned)
        return false;
    *seen = now;
    reclaim(h, refusal, want, unit, w);
    return true;
}

/* All IDLE units that hold a credit of the counter give it back. */
void cvb_reclaim_all(struct cvb_handle *h, uint32_t counter)
{
    uint32_t stages = h->segment.settings.max_stages;
    struct cvb_want all = {.count = UINT32_MAX};
    int refusal = CVB_ETOTAL_FULL;
    if (counter > stages) {
        refusal = CVB_ESOURCE_FULL;
        all.source = counter - 1 - stages;
    } else if (counter) {
        refusal = CVB_ESTAGE_FULL;
        all.stage = counter - 1;
    }
    reclaim(h, refusal, &all, NULL, NULL);
}

/* A unit may be named twice: whoever listed or claimed it last may have died before its next step. */
static bool count_once(struct cvb_handle *h, uint64_t entry)
{
    uint64_t *word = &h->counted[unit_of(entry) / 64], bit = UINT64_C(1) << unit_of(entry) % 64;
    bool first = !(*word & bit);
    *word |= bit;
    return first;
}

static uint32_t count_group(struct cvb_handle *h, struct cvb_idle_group *g, uint32_t counter)
{
    uint32_t sum = 0, stages = h->segment.settings.max_stages;
    if (cvb_load64_acq(&g->header) == GROUP_EMPTY)
        return 0;
    for (unsigned i = 0; i < CVB_IDLE_ENTRIES; i++) {
        struct cvb_pair w;
        struct cvb_want has;
        uint64_t entry = cvb_load64_acq(&g->entry[i]);
        if (!waits(h, entry, &w, &has) || !count_once(h, entry))
            continue;
        bool counts = counter == CVB_COUNTER_TOTAL || counter == cvb_counter_of_stage(has.stage) ||
                      (counter > stages && counter == cvb_counter_of_source(h, has.source));
        sum += counts ? has.count : 0;
    }
    return sum;
}

/* Records whose credits of the counter only wait for reuse. Reads only. */
int64_t cvb_idle_count(struct cvb_handle *h, uint32_t counter)
{
    int64_t sum = 0;
    memset(h->counted, 0, h->segment.geometry.bitmap_words * sizeof *h->counted);
    for (uint32_t s = 0; s < h->segment.settings.max_handles; s++) {
        struct cvb_idle *list = list_of(h, s);
        uint64_t number;
        for (uint64_t end = window(h, list, &number); number < end; number++)
            sum += count_group(h, group_at(h, list, number), counter);
    }
    return sum;
}
