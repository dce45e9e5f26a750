/* reuse.c - a put claims an idle unit that fits, with its credits (PROTOCOL.md, section 4).
 *
 * Overview: for each kind of put a handle has a cache of candidates: entries of the lists that it has seen and not yet
 * tried (struct cvb_claim_cache). A scan of a list serves all kinds that the handle puts: what it finds of each becomes
 * that kind's, so the next scan of the list begins behind it, for whichever kind. Only the unit's word decides, by the
 * CAS IDLE -> RES; all else is a hint.
 */
#include "credit/idle.h"
#include "place/named.h"

/* Groups that a list must have before a put takes their lines away from the seat that fills them; fewer if that is more
 * than half of what a source may have. A put that finds fewer takes new credits instead, so soon enough units are on
 * their way for both sides to stay some lines apart. The longer a line is not used, the less it costs to have it back:
 * from the second-level cache of a consumer more than twice as much as from what both share. */
#ifndef CVB_SCAN_LEAST
#define CVB_SCAN_LEAST 64u
#endif
#define SCAN_PART 2u     /* the part of what a source may have: a half */
#define SCAN_FEW 56u     /* records: if that part is fewer, no distance can be kept, and all groups are scanned */
#define KINDS_MANY 8u    /* a kind for so many places of a list */
#define SCAN_GROUPS 32u  /* groups that one scan passes in a list */
#define SCAN_LISTS 3u    /* lists with new groups that one scan goes through */
#define SCAN_AGAIN 1024u /* scans in vain after which a walk goes through all lists from their beginning */

/* True if the unit is IDLE and of the cache's kind, which is also what is wanted; *w is its word. */
static inline bool fits(struct cvb_unit *unit, const struct cvb_claim_cache *cache, const struct cvb_want *want,
                        struct cvb_pair *w)
{
    *w = cvb_load_halves(&unit->word);
    if (!CVB_USUALLY(cvb_lo_state(w->lo) == CVB_IDLE))
        return false;
    if (!CVB_USUALLY(cvb_hi_anew(w->hi, 0) == cache->whole))
        return kind_of_unit(unit, w->hi) == cache->kind;
    return CVB_USUALLY(cvb_load16_rlx(&unit->source) == cvb_place_of(want->source)) &&
           CVB_USUALLY(cvb_load16_rlx(&unit->class) == want->class);
}

static uint32_t left_of(const struct cvb_claim_cache *cache) { return cache->end - cache->next; }

/* The entries of a group become candidates, and their units are fetched. */
static void remember_group(struct cvb_handle *h, struct cvb_claim_cache *cache, struct cvb_idle_group *g,
                           uint64_t header)
{
    struct cvb_unit *const units = h->units; /* read once: to the compiler each access to the segment may change it */
    const uint32_t unit_count = h->segment.geometry.unit_count;
    struct cvb_candidate *const first = &cache->candidates[cache->end], *next = first;
    for (uint64_t *at = g->entry; at < g->entry + CVB_IDLE_ENTRIES; at++) {
        const uint64_t entry = cvb_load64_acq(at);
        if (!entry || unit_of(entry) >= unit_count)
            continue;
        *next++ = (struct cvb_candidate){at, entry};
        cvb_prefetch_write(units + unit_of(entry));
    }
    if (next == first)
        return;
    cache->end += (uint32_t)(next - first);
    cache->groups[cache->count++] = (struct cvb_candidate_group){g, header, cache->end};
}

static bool takes_more(const struct cvb_claim_cache *cache)
{
    return cache->end + CVB_IDLE_ENTRIES <= CVB_CANDIDATES && cache->count < CVB_CANDIDATE_GROUPS;
}

/* The group is to be looked at again. */
static void postpone(struct cvb_claim_cache *cache, struct cvb_idle *list, struct cvb_idle_group *g, uint64_t header)
{
    for (uint32_t i = 0; i < cache->waits; i++)
        if (cache->waiting[i].group == g && cache->waiting[i].header == header)
            return;
    if (cache->waits < CVB_WAITING_GROUPS)
        cache->waiting[cache->waits++] = (struct cvb_waiting_group){list, g, header};
    else
        cache->missed = true;
}

/* What a scan finds of the cache's kind. A group that is still being filled is left to its owner, unless `effort` asks
 * for all: its line would come and go with each entry. */
CVB_RARE static void see_group(struct cvb_handle *h, struct cvb_claim_cache *cache, struct cvb_idle *list,
                               struct cvb_idle_group *g, uint64_t header, enum cvb_effort effort)
{
    const bool open = !(header & HEADER_CLOSED), more = takes_more(cache);
    if (more && (!open || effort == CVB_SCAN_ALL))
        remember_group(h, cache, g, header);
    if (open || !more)
        postpone(cache, list, g, header & ~HEADER_CLOSED);
}

/* Groups that a list must have for a put to take some of them; none where kinds are many for the list's places: between
 * two of one kind there are enough of the others. */
static inline uint32_t least_of(const struct cvb_handle *h, const struct cvb_claim_cache *cache)
{
    return h->put.used > h->idle_mask / KINDS_MANY ? 0 : cache->least;
}

/* As see_group, for another kind than the one that is scanned for, if this handle puts it. */
CVB_RARE static void see_group_of_other(struct cvb_handle *h, uint32_t key, struct cvb_idle *list,
                                        struct cvb_idle_group *g, uint64_t header)
{
    const uint32_t number = kind_find(&h->put, key);
    if (number != NO_NUMBER && h->cache[number].key == key)
        see_group(h, &h->cache[number], list, g, header, CVB_SCAN_FAR);
}

/* Scans the list of a seat, from where the last scan ended, for groups of all kinds that this handle puts: so each
 * group is passed once, however many kinds take turns. All lines of its units come at the same time. It ends when the
 * cache has no more room. */
static void scan_list(struct cvb_handle *h, uint32_t seat, struct cvb_claim_cache *cache, enum cvb_effort effort)
{
    struct cvb_idle *list = list_of(h, seat);
    uint64_t first, end = window(h, list, &first), number = h->scan.from[seat];
    if (number < first || number > end)
        number = first;
    if (effort == CVB_SCAN_FAR && end - number < least_of(h, cache))
        return;
    if (end - number > SCAN_GROUPS)
        end = number + SCAN_GROUPS;
    for (; number < end && takes_more(cache); number++) {
        struct cvb_idle_group *g = group_at(h, list, number);
        const uint64_t header = cvb_load64_acq(&g->header);
        const uint32_t key = (uint32_t)(header & KEY_MASK);
        if (header == GROUP_EMPTY)
            continue;
        if (key == cache->key && (header & HEADER_CLOSED))
            remember_group(h, cache, g, header);
        else if (key == cache->key)
            see_group(h, cache, list, g, header, effort);
        else if (h->put.used > 1)
            see_group_of_other(h, key, list, g, header);
    }
    h->scan.from[seat] = number;
}

/* Looks again at the groups that scans have passed and postponed. */
static void look_again(struct cvb_handle *h, struct cvb_claim_cache *cache, enum cvb_effort effort)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < cache->waits; i++) {
        const struct cvb_waiting_group w = cache->waiting[i];
        const uint64_t behind = cvb_load64_acq(&w.list->groups) - (w.header >> NUMBER_SHIFT);
        bool keep = !takes_more(cache) || (effort == CVB_SCAN_FAR && behind < least_of(h, cache));
        if (!keep) {
            const uint64_t header = cvb_load64_acq(&w.group->header);
            keep = header == w.header;
            if (header == (w.header | HEADER_CLOSED) || (keep && effort == CVB_SCAN_ALL))
                remember_group(h, cache, w.group, header);
        }
        if (keep)
            cache->waiting[kept++] = w;
    }
    cache->waits = kept;
}

/* Goes on with the walk for groups that scans have passed: before the kind was known to this handle, or when its cache
 * had no room. It ends, in each list, where scans have come to. */
CVB_RARE static void walk(struct cvb_handle *h, struct cvb_claim_cache *cache, enum cvb_effort effort)
{
    const uint32_t seats = h->segment.settings.max_handles;
    if (!cache->walk_lists) {
        cache->missed = false;
        cache->walk_lists = seats;
        cache->walk_seat = h->scan.donor;
        cache->walk_number = 0;
    }
    for (uint32_t left = SCAN_GROUPS; cache->walk_lists && left && takes_more(cache);) {
        struct cvb_idle *list = list_of(h, cache->walk_seat);
        uint64_t first, end = window(h, list, &first), number = cache->walk_number;
        number = number < first ? first : number;
        end = end < h->scan.from[cache->walk_seat] ? end : h->scan.from[cache->walk_seat];
        for (; number < end && left && takes_more(cache); number++, left--) {
            struct cvb_idle_group *g = group_at(h, list, number);
            const uint64_t header = cvb_load64_acq(&g->header);
            if (header != GROUP_EMPTY && (header & KEY_MASK) == cache->key)
                see_group(h, cache, list, g, header, effort);
        }
        cache->walk_number = number;
        if (number < end)
            break;
        cache->walk_number = 0;
        cache->walk_lists--;
        cache->walk_seat = cache->walk_seat + 1 < seats ? cache->walk_seat + 1 : 0;
    }
}

/* Empties the entries of the units that were claimed of the group that was tried last. If all of its units were
 * claimed, the group is emptied as a whole, by one locked instruction instead of seven. */
CVB_RARE static void empty_claimed(struct cvb_claim_cache *cache)
{
    const struct cvb_candidate_group *tried = &cache->groups[cache->group];
    const uint32_t begin = cache->group ? tried[-1].end : 0;
    const unsigned claimed = cache->next - begin - cache->not_ours;
    cache->not_ours = 0;
    if (claimed < CVB_IDLE_ENTRIES || !cvb_cas64(&tried->group->header, tried->header, GROUP_EMPTY))
        for (uint32_t i = begin; i < cache->next; i++)
            if (cache->candidates[i].at)
                cvb_cas64(cache->candidates[i].at, cache->candidates[i].entry, 0);
}

/* Drops the candidates that were not tried: other processes may claim them. */
static void forget(struct cvb_claim_cache *cache)
{
    empty_claimed(cache);
    cache->next = cache->group_end = cache->end = cache->group = cache->count = 0;
}

/* When no candidate is left: scans the list that has served last, then some of the others. */
static void scan_lists(struct cvb_handle *h, struct cvb_claim_cache *cache, enum cvb_effort effort)
{
    const uint32_t seats = cvb_seats_used(h);
    forget(cache);
    if (cache->waits)
        look_again(h, cache, effort);
    if (!cache->end && (cache->missed || cache->walk_lists))
        walk(h, cache, effort);
    for (uint32_t i = 0, looked = 0; i <= seats && looked < SCAN_LISTS && !cache->end; i++) {
        uint32_t seat = i ? h->scan.turn : h->scan.donor;
        if (i && ++h->scan.turn >= seats)
            h->scan.turn = 0;
        if (cvb_load64_acq(&list_of(h, seat)->groups) == h->scan.from[seat])
            continue;
        looked++;
        scan_list(h, seat, cache, effort);
        if (cache->end)
            h->scan.donor = seat;
    }
    if (!cache->end && !(++cache->fruitless % SCAN_AGAIN))
        cache->missed = true;
}

/* The cache begins with a kind of put that this handle has not put before, or has forgotten. */
static void begin_kind(struct cvb_handle *h, struct cvb_claim_cache *cache, const struct cvb_want *want, uint32_t key)
{
    const uint32_t a_group = CVB_IDLE_ENTRIES * want->count;
    const struct cvb_settings *s = &h->segment.settings;
    const uint32_t few = s->max_per_source / (SCAN_PART * a_group), longest = s->classes[want->class].bytes;
    forget(cache);
    cache->kind = kind_wanted(want);
    cache->key = key;
    cache->whole = cvb_hi(UINT32_MAX >> (CVB_UNIT_MEMBERS - want->count), want->stage, 0, 0);
    cache->rows = rows_of(h, NOTE_CLAIM, want);
    cache->of_stage = &h->tallies[want->stage];
    cache->of_source = &h->tallies[h->segment.settings.max_stages + cvb_place_of(want->source)];
    cache->room_of_source = cvb_flag_at(h, cvb_flag_of_source(h, want->source));
    cache->room_of_stage = cvb_flag_at(h, cvb_flag_of_room(h, want->stage));
    cache->least = few * a_group < SCAN_FEW ? 0 : few < CVB_SCAN_LEAST ? few : CVB_SCAN_LEAST;
    cache->waits = cache->walk_lists = 0;
    cache->stage = CVB_NO_KIND;
    cache->shortest = want->class ? s->classes[want->class - 1].bytes + 1 : 0;
    cache->span = (longest < s->payload_size ? longest : s->payload_size) - cache->shortest;
    cache->missed = h->put.used > 1 && !h->put.turn; /* where kinds lose their numbers all the time it finds little */
}

/* A cache that is not the last one serves the next put: claims of other kinds have changed some of its rows since. */
void cvb_use_cache(struct cvb_handle *h, struct cvb_claim_cache *cache)
{
    h->last_cache = cache;
    rows_anew(&cache->rows);
}

/* Selects the cache for a kind of put that is another one than the last. */
CVB_RARE static struct cvb_claim_cache *select_cache(struct cvb_handle *h, struct cvb_want want)
{
    const uint32_t key = key_of(&want);
    struct cvb_claim_cache *cache = &h->cache[cvb_kind_number(&h->put, key)];
    if (cache->kind != kind_wanted(&want))
        begin_kind(h, cache, &want, key);
    cvb_use_cache(h, cache);
    return cache;
}

/* Fills the cache, which has no candidate left. Returns the cache of the put's kind, which may be another one then. */
CVB_RARE static struct cvb_claim_cache *fill_cache(struct cvb_handle *h, struct cvb_claim_cache *cache,
                                                   enum cvb_effort effort)
{
    if (kind_is_spare(&h->put, (uint32_t)(cache - h->cache)))
        cache = select_cache(h, want_of_kind(cache->kind)); /* it may get a number now */
    if (effort != CVB_SCAN_FAR || !kind_is_spare(&h->put, (uint32_t)(cache - h->cache)))
        scan_lists(h, cache, effort);
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

/* As goes_back, where something is unusual. */
CVB_RARE static bool goes_back_after_all(struct cvb_handle *h, const struct cvb_want *want, uint32_t u)
{
    if (cvb_source_stays(h, want->source) && !cvb_is_over(h, want))
        return false;
    cvb_give(h, u);
    return true;
}

/* A unit that was claimed goes back if a limit is over what it allows, or if the source was retired; true if it does.
 * Looked at after the claim: what was claimed before a limit was lowered was a record before (L2), and as long as a
 * unit is claimed the name stays (E1). */
static inline bool goes_back(struct cvb_handle *h, const struct cvb_claim_cache *cache, const struct cvb_want *want,
                             uint32_t u)
{
    cvb_fence_after_cas();
    const struct cvb_flag *of_source = (const struct cvb_flag *)(const void *)cache->room_of_source;
    const uint32_t all = cvb_load32_acq(cvb_flag_at(h, CVB_FLAG_TOTAL)) | cvb_load32_acq(cache->room_of_stage) |
                         cvb_load32_acq(&of_source->word);
    const bool named = cvb_load64_acq(&of_source->named.lo) == want->source;
    if (__builtin_expect(named && !(all & CVB_FLAG_OVER), 1))
        return false;
    return goes_back_after_all(h, want, u);
}

/* All candidates of a group were tried: those of the next one follow. False if there is none. */
CVB_RARE static bool next_group(struct cvb_claim_cache *cache)
{
    if (!left_of(cache))
        return false;
    if (cache->group_end) {
        empty_claimed(cache);
        cache->group++;
    }
    cache->group_end = cache->groups[cache->group].end;
    return true;
}

/* The cache of the put's kind with a candidate, which may be another cache then; NULL if this scan found none. */
CVB_RARE static struct cvb_claim_cache *find_candidates(struct cvb_handle *h, struct cvb_claim_cache *cache,
                                                        enum cvb_effort effort)
{
    if (!left_of(cache))
        cache = fill_cache(h, cache, effort);
    return next_group(cache) ? cache : NULL;
}

/* The cache for what a put wants. */
struct cvb_claim_cache *cvb_cache_for(struct cvb_handle *h, const struct cvb_want *want)
{
    return h->last_cache && h->last_cache->kind == kind_wanted(want) ? h->last_cache : select_cache(h, *want);
}

/* As cvb_claim_idle, for a put whose cache this is. */
bool cvb_claim_of(struct cvb_handle *h, struct cvb_claim_cache *cache, const struct cvb_want *want,
                  enum cvb_effort effort, uint32_t *unit, struct cvb_pair *w)
{
    if (cache->next == cache->group_end) {
        cache = find_candidates(h, cache, effort);
        if (!cache)
            return false;
    }
    do {
        struct cvb_candidate *s = &cache->candidates[cache->next++];
        const uint32_t u = unit_of(s->entry);
        if (left_of(cache) >= CVB_AHEAD_UNITS)
            cvb_prefetch_payloads(h, unit_of(s[CVB_AHEAD_UNITS].entry), want->count);
        if (!fits(cvb_unit_at(h, u), cache, want, w) || !cvb_claim(h, u, w, want->count, &cache->rows)) {
            s->at = NULL; /* it is not ours to empty */
            cache->not_ours++;
            continue;
        }
        if (goes_back(h, cache, want, u))
            break;
        *unit = u;
        return true;
    } while (cache->next < cache->group_end || next_group(cache));
    return false;
}

/* As cvb_claim_of, for a put of one record in the usual case: the next candidate can be claimed, and was never taken
 * apart. False: nothing was done, or what was claimed is given back. Without a loop, so that it costs little more than
 * its accesses. */
bool cvb_claim_next(struct cvb_handle *h, struct cvb_claim_cache *cache, const struct cvb_want *want, uint32_t *unit,
                    struct cvb_pair *w)
{
    if (!CVB_USUALLY(cache->next != cache->group_end) && !next_group(cache))
        return false;
    const struct cvb_candidate *s = &cache->candidates[cache->next];
    const uint32_t u = unit_of(s->entry);
    if (CVB_USUALLY(left_of(cache) > CVB_AHEAD_UNITS))
        cvb_prefetch_payloads(h, unit_of(s[CVB_AHEAD_UNITS].entry), 1);
    if (!CVB_USUALLY(fits(cvb_unit_at(h, u), cache, want, w)) || cvb_hi_anew(w->hi, 0) != cache->whole ||
        !CVB_USUALLY(cvb_claim(h, u, w, 1, &cache->rows)))
        return false;
    cache->next++;
    if (goes_back(h, cache, want, u))
        return false;
    *unit = u;
    return true;
}

/* Claims an IDLE unit that fits: it becomes RES of this seat, with the word *w. False if this scan found none. */
bool cvb_claim_idle(struct cvb_handle *h, const struct cvb_want *want, enum cvb_effort effort, uint32_t *unit,
                    struct cvb_pair *w)
{
    return cvb_claim_of(h, cvb_cache_for(h, want), want, effort, unit, w);
}

/* Before a handle leaves: what it has claimed and not emptied yet. */
void cvb_idle_leave(struct cvb_handle *h)
{
    for (unsigned i = 0; i < h->put.used; i++)
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
    h->scan.donor = seat;
    if (h->put.used == 1) {
        h->scan.from[seat] = number;
    } else if (number < h->scan.from[seat]) {
        cache->missed |= cache->walk_lists > 0;
        cache->walk_lists = 1;
        cache->walk_seat = seat;
        cache->walk_number = number;
    }
}
