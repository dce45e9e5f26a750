/* reuse.c - a put claims an idle unit that fits, with its credits (PROTOCOL.md, section 4).
 *
 * Overview: a handle remembers for each kind of put which entries of the lists it has seen and not yet tried, and where
 * it goes on looking (struct cvb_look). Only the unit's word decides, by the CAS IDLE -> RES; all else is a hint.
 */
#include <string.h>

#include "credit/idle.h"

/* Groups that a list must have before a put takes their lines away from the seat that fills them; fewer if that is more
 * than half of what a source may have. A put that finds fewer takes new credits instead, so soon enough units are on
 * their way for both sides to stay some lines apart. The longer a line is not used, the less it costs to have it back:
 * from the second-level cache of a consumer more than twice as much as from what both share. */
#ifndef CVB_LOOK_LEAST
#define CVB_LOOK_LEAST 64u
#endif
#define LOOK_PART 2u    /* of what a source may have; */
#define LOOK_FEW 56u    /* if that is fewer records, no distance can be kept: all are looked into */
#define LOOK_GROUPS 32u /* that a put passes in one list, */
#define LOOK_LISTS 3u   /* and lists that have news */
#define LOOK_AGAIN 1024u
#define AHEAD 4u /* so many puts before its own a unit's payload is fetched */

/* True if the unit is IDLE and of this kind; *w is its word. */
static inline bool fits(struct cvb_unit *unit, uint64_t kind, struct cvb_pair *w)
{
    *w = cvb_load_pair(&unit->word);
    return cvb_lo_state(w->lo) == CVB_IDLE && kind_of_unit(unit, w->hi) == kind;
}

static uint32_t left_of(const struct cvb_look *look) { return look->end - look->next; }

static void see(struct cvb_handle *h, struct cvb_look *look, struct cvb_idle_group *g, uint64_t header)
{
    const uint32_t before = look->end;
    for (unsigned i = 0; i < CVB_IDLE_ENTRIES; i++) {
        uint64_t entry = cvb_load64_acq(&g->entry[i]);
        if (!entry || unit_of(entry) >= h->segment.geometry.unit_count)
            continue;
        look->seen[look->end++] = (struct cvb_sight){&g->entry[i], entry};
        cvb_prefetch_write(cvb_unit_at(h, unit_of(entry)));
    }
    if (look->end > before)
        look->groups[look->count++] = (struct cvb_seen_group){g, header, look->end};
}

/* Remembers entries of the key that are listed by a seat, from where the last look ended; all lines of their units
 * come at the same time. A group that is still being filled is left to its owner, unless there is no other way: its
 * line would come and go with each entry. */
static void look_into(struct cvb_handle *h, uint32_t seat, struct cvb_look *look, enum cvb_effort effort)
{
    struct cvb_idle *list = list_of(h, seat);
    uint64_t first, end = window(h, list, &first), number = look->from[seat];
    if (number < first || number > end)
        number = first;
    if (effort == CVB_LOOK_FAR && end - number < look->least)
        return;
    if (end - number > LOOK_GROUPS)
        end = number + LOOK_GROUPS;
    for (; number < end && look->end + CVB_IDLE_ENTRIES <= CVB_LOOK_MOST && look->count < CVB_LOOK_GROUPS; number++) {
        struct cvb_idle_group *g = group_at(h, list, number);
        uint64_t header = cvb_load64_acq(&g->header);
        bool mine = header != GROUP_EMPTY && (header & KEY_MASK) == look->key, open = !(header & HEADER_CLOSED);
        if (mine && (!open || effort == CVB_LOOK_ALL))
            see(h, look, g, header);
        if (mine && open)
            break; /* more will come here, and nothing behind it */
    }
    look->from[seat] = number;
}

/* Empties the entries of the units that were claimed of the group that was tried last. If all of its units were
 * claimed, the group is emptied as a whole, by one locked instruction instead of seven. */
CVB_RARE static void empty_claimed(struct cvb_look *look)
{
    const struct cvb_seen_group *seen = &look->groups[look->group];
    const uint32_t begin = look->group ? seen[-1].end : 0;
    unsigned claimed = 0;
    for (uint32_t i = begin; i < look->next; i++)
        claimed += look->seen[i].at != NULL;
    if (claimed < CVB_IDLE_ENTRIES || !cvb_cas64(&seen->group->header, seen->header, GROUP_EMPTY))
        for (uint32_t i = begin; i < look->next; i++)
            if (look->seen[i].at)
                cvb_cas64(look->seen[i].at, look->seen[i].entry, 0);
}

/* Drops the candidates that were not tried: other processes may claim them. */
static void forget(struct cvb_look *look)
{
    empty_claimed(look);
    look->next = look->end = look->group = look->count = 0;
}

/* When no candidate is left: scans the list that has served last, then some of the others. */
CVB_RARE static void look_around(struct cvb_handle *h, struct cvb_look *look, enum cvb_effort effort)
{
    uint32_t seats = h->segment.settings.max_handles;
    forget(look);
    for (uint32_t i = 0, looked = 0; i <= seats && looked < LOOK_LISTS && !look->end; i++) {
        uint32_t seat = i ? look->turn : look->donor;
        if (i && ++look->turn >= seats)
            look->turn = 0;
        if (cvb_load64_acq(&list_of(h, seat)->groups) == look->from[seat])
            continue;
        looked++;
        look_into(h, seat, look, effort);
        if (look->end)
            look->donor = seat;
    }
    if (!look->end && !(++look->fruitless % LOOK_AGAIN)) /* what was just being listed when we came by */
        memset(look->from, 0, seats * sizeof *look->from);
}

/* Selects the cache for a kind of put that is another one than the last. */
CVB_RARE static struct cvb_look *look_anew(struct cvb_handle *h, struct cvb_want want)
{
    uint32_t key = key_of(&want), a_group = CVB_IDLE_ENTRIES * want.count;
    uint32_t few = h->segment.settings.max_per_source / (LOOK_PART * a_group);
    uint32_t place = place_of(key, CVB_LOOKS);
    struct cvb_look *look = h->looked = &h->look[place];
    if (look->kind != kind_wanted(&want)) {
        look->kind = kind_wanted(&want);
        look->from = h->looked_from + place * (size_t)h->segment.settings.max_handles;
        look->rows = rows_of(h, NOTE_CLAIM, &want);
        look->room_of_source = cvb_flag_at(h, cvb_flag_of_source(h, want.source));
        look->room_of_stage = cvb_flag_at(h, cvb_flag_of_room(h, want.stage));
        look->key = key;
        look->least = few * a_group < LOOK_FEW ? 0 : few < CVB_LOOK_LEAST ? few : CVB_LOOK_LEAST;
        forget(look);
        memset(look->from, 0, h->segment.settings.max_handles * sizeof *look->from);
    } else {
        rows_anew(&look->rows); /* claims of other kinds have changed some of them since */
    }
    return look;
}

/* True if a limit that the put is under was lowered below the credits in use. Then no idle unit may serve it, because
 * idle units hold some of those credits. */
bool cvb_is_over(struct cvb_handle *h, const struct cvb_want *want)
{
    uint32_t counter[3];
    bool over = false;
    cvb_counters_of(h, want->source, want->stage, counter);
    for (unsigned x = 0; x < 3; x++) {
        const uint32_t *word = cvb_flag_at(h, cvb_flag_of(h, counter[x]));
        if (cvb_load32_acq(word) & CVB_FLAG_OVER)
            cvb_level_correct(h, counter[x], false);
        over |= cvb_load32_acq(word) & CVB_FLAG_OVER;
    }
    return over;
}

/* A unit that was claimed goes back if a limit is over what it allows; true if it does. Looked at after the claim: what
 * was claimed before a limit was lowered was a record before (L2). */
static inline bool goes_back(struct cvb_handle *h, const struct cvb_look *look, const struct cvb_want *want, uint32_t u)
{
    cvb_fence_after_cas();
    const uint32_t all = cvb_load32_acq(cvb_flag_at(h, CVB_FLAG_TOTAL)) | cvb_load32_acq(look->room_of_stage) |
                         cvb_load32_acq(look->room_of_source);
    if (__builtin_expect(!(all & CVB_FLAG_OVER), 1) || !cvb_is_over(h, want))
        return false;
    cvb_give(h, u);
    return true;
}

/* Claims an IDLE unit that fits: it becomes RES of this seat, with the word *w. False if this scan found none. */
bool cvb_claim_idle(struct cvb_handle *h, const struct cvb_want *want, enum cvb_effort effort, uint32_t *unit,
                    struct cvb_pair *w)
{
    const uint64_t kind = kind_wanted(want);
    struct cvb_look *look = h->looked && h->looked->kind == kind ? h->looked : look_anew(h, *want);
    if (!left_of(look))
        look_around(h, look, effort);
    while (left_of(look)) {
        if (look->next == look->groups[look->group].end) {
            empty_claimed(look);
            look->group++;
        }
        struct cvb_sight *s = &look->seen[look->next++];
        const uint32_t u = unit_of(s->entry);
        if (left_of(look) >= AHEAD)
            cvb_prefetch_payloads(h, unit_of(s[AHEAD].entry), want->count);
        if (!fits(cvb_unit_at(h, u), kind, w) || !claim(h, u, w, want->count, &look->rows)) {
            s->at = NULL; /* it is not ours to empty */
            continue;
        }
        if (goes_back(h, look, want, u))
            break;
        *unit = u;
        return true;
    }
    return false;
}

/* Before a handle leaves: what it has claimed and not emptied yet. */
void cvb_idle_leave(struct cvb_handle *h)
{
    for (unsigned i = 0; i < CVB_LOOKS; i++)
        forget(&h->look[i]);
}

/* The unit that a put of the same kind as the last one tries first. */
uint32_t cvb_idle_next(struct cvb_handle *h)
{
    struct cvb_look *look = h->looked;
    return look && left_of(look) ? unit_of(look->seen[look->next].entry) : CVB_NO_UNIT;
}

/* The next look of the kind of put that looked last begins there. */
void cvb_look_from(struct cvb_handle *h, uint32_t seat, uint64_t number)
{
    struct cvb_look *look = h->looked;
    look->from[seat] = number;
    look->donor = seat;
}
