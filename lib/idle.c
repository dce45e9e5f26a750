/* idle.c - acked units keep their credits and wait for the next put of their source and stage (PROTOCOL.md, section 4).
 *
 * Overview: each seat has a line of entries that name IDLE units, and a version. An ack lists the unit in its own
 * seat's line and then makes it IDLE: no counter, no journal, no bitmap. A put claims one that fits: IDLE -> RES. So in
 * the steady state the counters do not move, and no two cores share anything but the units themselves and these lines.
 *
 * Who writes: a list is a ring that the seat's owner appends to; he raises the version when the entry is there, and
 * again when the unit is IDLE. Anybody empties an entry by a CAS, but only of a unit that he claimed, or that he has
 * listed in his own list. An entry carries the version it was listed at, so a late CAS never empties a younger entry of
 * the same place. Entries are hints: the unit's word decides. `first` only grows truly: an entry number is used once,
 * so what is empty before it stays empty.
 *
 * Why refusals are exact: a put that a limit refuses gives back every IDLE unit that holds a credit of that limit and
 * tries again; it is refused for good only if no version and no `returned` changed between two refusals with such a
 * search between them, in which nobody was quicker. What became IDLE unseen was listed after the first look at the
 * versions, or has raised its version since, or is the work of an ack that is not over yet. A process that is stopped
 * can hide nothing: its unit is still leased, or it is listed.
 */
#include <string.h>

#include "internal.h"

#define UNIT_MASK UINT64_C(0xffffff)
#define KEY_SHIFT 24
#define VERSION_SHIFT 36
#define TRANSFER_MOST 24u
#define APPEND_TRIES 8u
#define LISTS_MOST 3u /* others' lists that a put looks into */

#define LOOK_OWN 16u  /* entries that a put looks at in its own list */
#define LOOK_MOST 64u /* and in another's */
#define LOOK_AGAIN 1024u

static struct cvb_idle *list_of(struct cvb_handle *h, uint32_t seat)
{
    return (struct cvb_idle *)(void *)(h->idle + (uint64_t)seat * h->idle_stride);
}

static uint64_t *entry_at(struct cvb_handle *h, struct cvb_idle *list, uint64_t number)
{
    return &list->entry[number & h->idle_mask];
}

/* The numbers of the entries that are listed: from *first to what is returned, less one. The last one's unit may not be
 * IDLE yet. */
static uint64_t window(struct cvb_handle *h, struct cvb_idle *list, uint64_t *first)
{
    uint64_t end = (cvb_load64_acq(&list->version) + 1) / 2;
    *first = cvb_load64_rlx(&list->first);
    uint64_t places = h->idle_mask + 1;
    if (*first > end || end - *first > places)
        *first = end < places ? 0 : end - places;
    return end;
}

/* 12 bits, never 0, of what must be equal for a unit to serve a put. */
static uint64_t key_of(const struct cvb_want *w)
{
    uint32_t x = ((w->source * 0x9e3779b1u + w->stage) * 0x85ebca6bu + w->count) * 0xc2b2ae35u + w->class;
    return (x * 0x9e3779b1u >> 21) | 0x800u;
}

/* Does the entry still name a unit that waits? */
static bool in_use(struct cvb_handle *h, uint64_t entry)
{
    uint32_t u = (uint32_t)(entry & UNIT_MASK);
    return entry && u < h->segment.geometry.unit_count &&
           cvb_lo_state(cvb_load64_acq(&cvb_unit_at(h, u)->word.lo)) == CVB_IDLE;
}

/* Appends to the own list, past places that are still in use; false if there are many of them. */
static bool append(struct cvb_handle *h, uint32_t u, uint64_t key)
{
    struct cvb_idle *list = list_of(h, h->seat);
    uint64_t number = (cvb_load64_rlx(&list->version) + 1) / 2, last = number + APPEND_TRIES;
    while (in_use(h, cvb_load64_rlx(entry_at(h, list, number))))
        if (++number == last)
            return false;
    uint64_t version = 2 * number + 1;
    cvb_store64_rel(entry_at(h, list, number), u | key << KEY_SHIFT | version << VERSION_SHIFT);
    cvb_store64_rel(&list->version, version); /* listed: whoever missed it here looks again */
    return true;
}

/* The unit listed last is IDLE, here alone: whoever looked at it before that, or in the list it came from, looks again.
 */
static void appended(struct cvb_handle *h)
{
    struct cvb_idle *list = list_of(h, h->seat);
    cvb_store64_rel(&list->version, cvb_load64_rlx(&list->version) + 1);
}

static void want_of(struct cvb_handle *h, uint32_t u, struct cvb_pair w, struct cvb_want *out)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    out->source = cvb_load16_rlx(&unit->source);
    out->stage = cvb_hi_stage(w.hi);
    out->count = cvb_mask_count(cvb_hi_mask(w.hi));
    out->class = cvb_load16_rlx(&unit->class);
}

/* IDLE -> RES of this seat, from exactly w. */
static bool claim(struct cvb_handle *h, uint32_t u, struct cvb_pair w)
{
    struct cvb_pair mine = {cvb_lo_generation(CVB_RES, cvb_lo_number(w.lo)),
                            cvb_hi(cvb_hi_mask(w.hi), cvb_hi_stage(w.hi), h->seat, 0)};
    return cvb_cas_pair(&cvb_unit_at(h, u)->word, w, mine);
}

/* Is u IDLE, and what would be wanted? */
static bool fits(struct cvb_handle *h, uint32_t u, const struct cvb_want *want, struct cvb_pair *w)
{
    struct cvb_want has;
    *w = cvb_load_pair(&cvb_unit_at(h, u)->word);
    if (cvb_lo_state(w->lo) != CVB_IDLE)
        return false;
    want_of(h, u, *w, &has);
    return has.source == want->source && has.stage == want->stage && has.count == want->count &&
           has.class == want->class;
}

/* Nobody sleeps until some of this is given back. */
static bool quiet(struct cvb_handle *h, uint32_t source, uint32_t stage)
{
    uint32_t all = cvb_load32_acq(cvb_flag_at(h, cvb_flag_of_source(h, source))) |
                   cvb_load32_acq(cvb_flag_at(h, cvb_flag_of_room(h, stage))) |
                   cvb_load32_acq(cvb_flag_at(h, CVB_FLAG_TOTAL)) | cvb_load32_acq(cvb_flag_at(h, CVB_FLAG_MEMORY));
    return !(all & (CVB_FLAG_WAITERS | CVB_FLAG_WAITERS_ANY));
}

/* Ends the lease of a whole unit: IDLE if nobody is short of what it holds and there is a place to list it; else FREE.
 */
int cvb_park(struct cvb_handle *h, uint32_t u, struct cvb_pair w)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    struct cvb_want has;
    want_of(h, u, w, &has);
    if (has.source >= h->segment.settings.max_sources || has.stage >= h->segment.settings.max_stages)
        return CVB_ECORRUPT;
    bool quick = has.stage != CVB_STAGE_DEAD_LETTER && (!h->noisy || quiet(h, has.source, has.stage));
    if (!quick || !append(h, u, key_of(&has)))
        return cvb_give(h, u);
    uint64_t next = cvb_load64_rlx(&unit->generation) + 1;
    cvb_store64_rlx(&unit->generation, next);
    struct cvb_pair idle = {cvb_lo_generation(CVB_IDLE, next), w.hi};
    cvb_store64_seq(&unit->word.lo, idle.lo);
    appended(h);
    h->noisy = !quiet(h, has.source, has.stage);
    if (h->noisy && claim(h, u, idle)) /* somebody waits for it */
        return cvb_give(h, u);
    return 0;
}

/* The next puts will write the units' words and their first payloads; all lines come at the same time. */
static void prefetch_units(struct cvb_handle *h, struct cvb_idle *list, uint64_t from, uint64_t end, uint64_t key)
{
    for (unsigned n = 0; from < end && n <= TRANSFER_MOST; from++) {
        uint64_t entry = cvb_load64_rlx(entry_at(h, list, from));
        uint32_t u = (uint32_t)(entry & UNIT_MASK);
        if (!entry || (entry >> KEY_SHIFT & 0xfff) != key || u >= h->segment.geometry.unit_count)
            continue;
        cvb_prefetch_write(cvb_unit_at(h, u));
        n++;
    }
}

static void prefetch_payload(struct cvb_handle *h, uint32_t u, struct cvb_pair w)
{
    uint32_t mask = cvb_hi_mask(w.hi);
    struct cvb_member *m = cvb_member_at(h, u, mask ? (unsigned)__builtin_ctz(mask) : 0);
    char *payload = cvb_payload(h, cvb_load32_rlx(&m->cell), 0);
    if (payload)
        cvb_prefetch_write(payload);
}

static bool take_own(struct cvb_handle *h, const struct cvb_want *want, uint64_t key, uint32_t *unit)
{
    struct cvb_idle *list = list_of(h, h->seat);
    uint64_t first, end = window(h, list, &first), number = h->idle_take < first ? first : h->idle_take;
    bool empty = number == first; /* all looked at so far */
    bool all = end - number <= LOOK_OWN;
    end = all ? end : number + LOOK_OWN;
    for (; number < end; number++) {
        uint64_t entry = cvb_load64_rlx(entry_at(h, list, number));
        uint32_t u = (uint32_t)(entry & UNIT_MASK);
        struct cvb_pair w;
        bool fitting = entry && (entry >> KEY_SHIFT & 0xfff) == key && u < h->segment.geometry.unit_count;
        bool mine = fitting && fits(h, u, want, &w) && claim(h, u, w);
        if (fitting && (mine || cvb_lo_state(w.lo) != CVB_IDLE))
            cvb_store64_rlx(entry_at(h, list, number),
                            0); /* an entry of one's own list was IDLE once: claimed by somebody */
        else
            empty = empty && !entry;
        if (empty && !(number % 16))
            cvb_store64_rlx(&list->first, number);
        if (!mine)
            continue;
        h->idle_take = number + 1;
        *unit = u;
        return true;
    }
    h->idle_take = all ? 0 : end;
    return false;
}

/* Moves the hint past what is empty. */
static void skip_empty(struct cvb_handle *h, struct cvb_idle *list, uint64_t first, uint64_t end)
{
    while (first < end && !cvb_load64_rlx(entry_at(h, list, first)))
        first++;
    if (first > cvb_load64_rlx(&list->first))
        cvb_store64_rlx(&list->first, first);
}

/* Claims one of another seat's and lists a few more in the own list, for the next puts. */
static bool take_from(struct cvb_handle *h, uint32_t seat, const struct cvb_want *want, uint64_t key, uint32_t *unit)
{
    struct cvb_idle *list = list_of(h, seat);
    uint64_t first, end = window(h, list, &first), from = h->idle_seen[seat], number;
    bool found = false;
    if (from == end)
        return false;
    if (from < first || from > end)
        from = first;
    if (end - from > LOOK_MOST)
        end = from + LOOK_MOST;
    unsigned moved = 0;
    uint64_t own = (cvb_load64_rlx(&list_of(h, h->seat)->version) + 1) / 2;
    prefetch_units(h, list, from, end, key);
    for (number = from; number < end && moved < TRANSFER_MOST; number++) {
        uint64_t entry = cvb_load64_acq(entry_at(h, list, number));
        uint32_t u = (uint32_t)(entry & UNIT_MASK);
        struct cvb_pair w;
        if (!entry || (entry >> KEY_SHIFT & 0xfff) != key || u >= h->segment.geometry.unit_count ||
            !fits(h, u, want, &w))
            continue;
        if (!found && claim(h, u, w)) {
            found = true;
            *unit = u;
        } else if (!found || !append(h, u, key)) {
            continue;
        } else {
            moved++;
        }
        prefetch_payload(h, u, w);
        cvb_cas64(entry_at(h, list, number), entry, 0);
        if (moved)
            appended(h);
    }
    h->idle_seen[seat] = number; /* nothing for us before this; all is looked at again when a limit refuses */
    if (moved)
        h->idle_take = own;
    if (from == first && found)
        skip_empty(h, list, first, number);
    return found;
}

/* An IDLE unit that fits becomes RES of this seat. False: none was found near by. */
bool cvb_claim_idle(struct cvb_handle *h, const struct cvb_want *want, uint32_t *unit)
{
    uint64_t key = key_of(want);
    uint32_t seats = h->segment.settings.max_handles;
    if (take_own(h, want, key, unit))
        return true;
    for (uint32_t i = 0, looked = 0; i <= seats && looked < LISTS_MOST; i++) {
        uint32_t seat = i ? h->idle_turn : h->idle_donor;
        if (i && ++h->idle_turn >= seats)
            h->idle_turn = 0;
        uint64_t end = (cvb_load64_acq(&list_of(h, seat)->version) + 1) / 2;
        if (seat == h->seat || end == h->idle_seen[seat])
            continue;
        looked++;
        if (take_from(h, seat, want, key, unit)) {
            h->idle_donor = seat;
            return true;
        }
    }
    if (!(++h->idle_fruitless % LOOK_AGAIN))
        memset(h->idle_seen, 0, seats * sizeof *h->idle_seen); /* what was just being listed when we came by */
    return false;
}

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

/* Gives back IDLE units that hold what refused, at least so many records if there are; returns how many. */
static uint64_t reclaim(struct cvb_handle *h, int refusal, const struct cvb_want *want)
{
    uint64_t given = 0;
    for (uint32_t s = 0; s < h->segment.settings.max_handles; s++) {
        struct cvb_idle *list = list_of(h, (h->seat + s) % h->segment.settings.max_handles);
        uint64_t number, end = window(h, list, &number), first = number;
        for (; number < end && given < want->count; number++) {
            uint64_t entry = cvb_load64_acq(entry_at(h, list, number));
            uint32_t u = (uint32_t)(entry & UNIT_MASK);
            struct cvb_want has;
            if (!entry || u >= h->segment.geometry.unit_count)
                continue;
            struct cvb_pair w = cvb_load_pair(&cvb_unit_at(h, u)->word);
            want_of(h, u, w, &has);
            if (cvb_lo_state(w.lo) != CVB_IDLE || !holds(h, &has, refusal, want))
                continue;
            if (!claim(h, u, w)) { /* somebody has it, and may be about to give it back: look again */
                h->refusal.refusal = 0;
                continue;
            }
            cvb_cas64(entry_at(h, list, number), entry, 0);
            if (cvb_give(h, u))
                return given;
            given += has.count;
        }
        if (number > first)
            skip_empty(h, list, first, number);
    }
    return given;
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
 * h->refusal.refusal to 0. */
bool cvb_try_again(struct cvb_handle *h, int refusal, const struct cvb_want *want)
{
    struct cvb_refusal *seen = &h->refusal;
    struct cvb_refusal now = {refusal, counter_of(h, refusal, want), want->class, versions(h), 0};
    now.returned = cvb_load64_acq(&cvb_counter_at(h, now.counter)->returned.lo);
    if (seen->refusal == refusal && seen->counter == now.counter && seen->class == now.class &&
        seen->versions == now.versions && seen->returned == now.returned)
        return false;
    *seen = now;
    reclaim(h, refusal, want);
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
    reclaim(h, refusal, &all);
}

/* Records whose credits of the counter only wait for reuse. Reads only. */
int64_t cvb_idle_count(struct cvb_handle *h, uint32_t counter)
{
    uint32_t stages = h->segment.settings.max_stages;
    int64_t sum = 0;
    for (uint32_t s = 0; s < h->segment.settings.max_handles; s++) {
        struct cvb_idle *list = list_of(h, s);
        uint64_t number;
        for (uint64_t end = window(h, list, &number); number < end; number++) {
            uint64_t entry = cvb_load64_acq(entry_at(h, list, number));
            uint32_t u = (uint32_t)(entry & UNIT_MASK);
            struct cvb_want has;
            if (!entry || u >= h->segment.geometry.unit_count)
                continue;
            struct cvb_pair w = cvb_load_pair(&cvb_unit_at(h, u)->word);
            want_of(h, u, w, &has);
            bool counts = counter == CVB_COUNTER_TOTAL || counter == cvb_counter_of_stage(has.stage) ||
                          (counter > stages && counter == cvb_counter_of_source(h, has.source));
            sum += cvb_lo_state(w.lo) == CVB_IDLE && counts ? has.count : 0;
        }
    }
    return sum;
}
