/* reuse.c - a put claims an idle unit that fits, with its credits (PROTOCOL.md, section 4).
 *
 * Overview: for each kind of put a handle has a cache of candidates: entries of the lists that it has seen and not yet
 * tried, and where its next scan of each list begins (struct cvb_claim_cache). Only the unit's word decides, by the CAS
 * IDLE -> RES; all else is a hint.
 */
#include <string.h>

#include "credit/idle.h"

/* Groups that a list must have before a put takes their lines away from the seat that fills them; fewer if that is more
 * than half of what a source may have. A put that finds fewer takes new credits instead, so soon enough units are on
 * their way for both sides to stay some lines apart. The longer a line is not used, the less it costs to have it back:
 * from the second-level cache of a consumer more than twice as much as from what both share. */
#ifndef CVB_SCAN_LEAST
#define CVB_SCAN_LEAST 64u
#endif
#define SCAN_PART 2u     /* the part of what a source may have: a half */
#define SCAN_FEW 56u     /* records: if that part is fewer, no distance can be kept, and all groups are scanned */
#define SCAN_GROUPS 32u  /* groups that one scan passes in a list */
#define SCAN_LISTS 3u    /* lists with new groups that one scan goes through */
#define SCAN_AGAIN 1024u /* scans in vain after which all lists are scanned from their beginning */

/* True if the unit is IDLE and of this kind; *w is its word. */
static inline bool fits(struct cvb_unit *unit, uint64_t kind, struct cvb_pair *w)
{
    *w = cvb_load_pair(&unit->word);
    return cvb_lo_state(w->lo) == CVB_IDLE && kind_of_unit(unit, w->hi) == kind;
}

static uint32_t left_of(const struct cvb_claim_cache *cache) { return cache->end - cache->next; }

/* The entries of a group become candidates, and their units are fetched. */
static void remember_group(struct cvb_handle *h, struct cvb_claim_cache *cache, struct cvb_idle_group *g,
                           uint64_t header)
{
    const uint32_t before = cache->end;
    for (unsigned i = 0; i < CVB_IDLE_ENTRIES; i++) {
        uint64_t entry = cvb_load64_acq(&g->entry[i]);
        if (!entry || unit_of(entry) >= h->segment.geometry.unit_count)
            continue;
        cache->candidates[cache->end++] = (struct cvb_candidate){&g->entry[i], entry};
        cvb_prefetch_write(cvb_unit_at(h, unit_of(entry)));
    }
    if (cache->end > before)
        cache->groups[cache->count++] = (struct cvb_candidate_group){g, header, cache->end};
}

/* Scans the list of a seat, from where the last scan ended, for groups of the cache's key. All lines of their units
 * come at the same time. A group that is still being filled is left to its owner, unless `effort` asks for all: its
 * line would come and go with each entry. */
static void scan_list(struct cvb_handle *h, uint32_t seat, struct cvb_claim_cache *cache, enum cvb_effort effort)
{
    struct cvb_idle *list = list_of(h, seat);
    uint64_t first, end = window(h, list, &first), number = cache->from[seat];
    if (number < first || number > end)
        number = first;
    if (effort == CVB_SCAN_FAR && end - number < cache->least)
        return;
    if (end - number > SCAN_GROUPS)
        end = number + SCAN_GROUPS;
    for (; number < end && cache->end + CVB_IDLE_ENTRIES <= CVB_CANDIDATES && cache->count < CVB_CANDIDATE_GROUPS;
         number++) {
        struct cvb_idle_group *g = group_at(h, list, number);
        uint64_t header = cvb_load64_acq(&g->header);
        bool mine = header != GROUP_EMPTY && (header & KEY_MASK) == cache->key, open = !(header & HEADER_CLOSED);
        if (mine && (!open || effort == CVB_SCAN_ALL))
            remember_group(h, cache, g, header);
        if (mine && open)
            break; /* more will come here, and nothing behind it */
    }
    cache->from[seat] = number;
}

/* Empties the entries of the units that were claimed of the group that was tried last. If all of its units were
 * claimed, the group is emptied as a whole, by one locked instruction instead of seven. */
CVB_RARE static void empty_claimed(struct cvb_claim_cache *cache)
{
    const struct cvb_candidate_group *tried = &cache->groups[cache->group];
    const uint32_t begin = cache->group ? tried[-1].end : 0;
    unsigned claimed = 0;
    for (uint32_t i = begin; i < cache->next; i++)
        claimed += cache->candidates[i].at != NULL;
    if (claimed < CVB_IDLE_ENTRIES || !cvb_cas64(&tried->group->header, tried->header, GROUP_EMPTY))
        for (uint32_t i = begin; i < cache->next; i++)
            if (cache->candidates[i].at)
                cvb_cas64(cache->candidates[i].at, cache->candidates[i].entry, 0);
}

/* Drops the candidates that were not tried: other processes may claim them. */
static void forget(struct cvb_claim_cache *cache)
{
    empty_claimed(cache);
    cache->next = cache->end = cache->group = cache->count = 0;
}

/* When no candidate is left: scans the list that has served last, then some of the others. */
CVB_RARE static void scan_lists(struct cvb_handle *h, struct cvb_claim_cache *cache, enum cvb_effort effort)
{
    uint32_t seats = h->segment.settings.max_handles;
    forget(cache);
    for (uint32_t i = 0, looked = 0; i <= seats && looked < SCAN_LISTS && !cache->end; i++) {
        uint32_t seat = i ? cache->turn : cache->donor;
        if (i && ++cache->turn >= seats)
            cache->turn = 0;
        if (cvb_load64_acq(&list_of(h, seat)->groups) == cache->from[seat])
            continue;
        looked++;
        scan_list(h, seat, cache, effort);
        if (cache->end)
            cache->donor = seat;
    }
    if (!cache->end &&
        !(++cache->fruitless % SCAN_AGAIN)) /* finds groups that were being filled when they were passed */
        memset(cache->from, 0, seats * sizeof *cache->from);
}

/* Selects the cache for a kind of put that is another one than the last. */
CVB_RARE static struct cvb_claim_cache *select_cache(struct cvb_handle *h, struct cvb_want want)
{
    uint32_t key = key_of(&want), a_group = CVB_IDLE_ENTRIES * want.count;
    uint32_t few = h->segment.settings.max_per_source / (SCAN_PART * a_group);
    uint32_t place = place_of(key, CVB_CLAIM_CACHES);
    struct cvb_claim_cache *cache = h->last_cache = &h->cache[place];
    if (cache->kind != kind_wanted(&want)) {
        cache->kind = kind_wanted(&want);
        cache->from = h->caches_from + place * (size_t)h->segment.settings.max_handles;
        cache->rows = rows_of(h, NOTE_CLAIM, &want);
        cache->room_of_source = cvb_flag_at(h, cvb_flag_of_source(h, want.source));
        cache->room_of_stage = cvb_flag_at(h, cvb_flag_of_room(h, want.stage));
        cache->key = key;
        cache->least = few * a_group < SCAN_FEW ? 0 : few < CVB_SCAN_LEAST ? few : CVB_SCAN_LEAST;
        forget(cache);
        memset(cache->from, 0, h->segment.settings.max_handles * sizeof *cache->from);
    } else {
        rows_anew(&cache->rows); /* claims of other kinds have changed some of them since */
    }
    return cache;
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
static inline bool goes_back(struct cvb_handle *h, const struct cvb_claim_cache *cache, const struct cvb_want *want,
                             uint32_t u)
{
    cvb_fence_after_cas();
    const uint32_t all = cvb_load32_acq(cvb_flag_at(h, CVB_FLAG_TOTAL)) | cvb_load32_acq(cache->room_of_stage) |
                         cvb_load32_acq(cache->room_of_source);
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
    struct cvb_claim_cache *cache =
        h->last_cache && h->last_cache->kind == kind ? h->last_cache : select_cache(h, *want);
    if (!left_of(cache))
        scan_lists(h, cache, effort);
    while (left_of(cache)) {
        if (cache->next == cache->groups[cache->group].end) {
            empty_claimed(cache);
            cache->group++;
        }
        struct cvb_candidate *s = &cache->candidates[cache->next++];
        const uint32_t u = unit_of(s->entry);
        if (left_of(cache) >= CVB_AHEAD_UNITS)
            cvb_prefetch_payloads(h, unit_of(s[CVB_AHEAD_UNITS].entry), want->count);
        if (!fits(cvb_unit_at(h, u), kind, w) || !cvb_claim(h, u, w, want->count, &cache->rows)) {
            s->at = NULL; /* it is not ours to empty */
            continue;
        }
        if (goes_back(h, cache, want, u))
            break;
        *unit = u;
        return true;
    }
    return false;
}

/* Before a handle leaves: what it has claimed and not emptied yet. */
void cvb_idle_leave(struct cvb_handle *h)
{
    for (unsigned i = 0; i < CVB_CLAIM_CACHES; i++)
        forget(&h->cache[i]);
}

/* The unit that a put of the same kind as the last one tries first. */
uint32_t cvb_idle_next(struct cvb_handle *h)
{
    struct cvb_claim_cache *cache = h->last_cache;
    return cache && left_of(cache) ? unit_of(cache->candidates[cache->next].entry) : CVB_NO_UNIT;
}

/* The next look of the kind of put that looked last begins there. */
void cvb_scan_from(struct cvb_handle *h, uint32_t seat, uint64_t number)
{
    struct cvb_claim_cache *cache = h->last_cache;
    cache->from[seat] = number;
    cache->donor = seat;
}
