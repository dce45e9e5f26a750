/* idle.c - acked units keep their credits and wait for the next put of their source and stage (PROTOCOL.md, section 4).
 *
 * Overview: each seat has a list of entries that name IDLE units, and a version. An ack lists the unit in its own
 * seat's list and then makes it IDLE: no counter, no journal, no bitmap. A put claims one that fits: IDLE -> RES. So in
 * the steady state the counters do not move, and no two cores share anything but the units themselves and these lists.
 *
 * A list is a ring of groups, a cache line each: a header that says what the units of its entries are good for, and
 * seven entries. So whoever looks for units of one source passes those of the others a line at a time, and learns of
 * many units by one line. A handle remembers for each kind of put what it has seen and not yet tried (struct cvb_look).
 *
 * Who writes: the seat's owner opens groups and fills them in turn; he raises the version when the entry is there, and
 * again when the unit is IDLE. Whoever claimed a unit empties its entry, by a CAS. An entry carries the version it was
 * listed at, so a late CAS never empties a younger entry of the same place. Entries are hints: the unit's word decides.
 * A group whose entries are still in use when its place comes round again stays as it is, and its number is skipped.
 * `first` passes only what is closed and empty, and a group's number is used once, so what is before it stays empty.
 *
 * Why refusals are exact: a put that a limit refuses gives back every IDLE unit that holds a credit of that limit and
 * tries again; it is refused for good only if no version and no `returned` changed between two refusals with such a
 * search between them, in which nobody was quicker. What became IDLE unseen was listed after the first look at the
 * versions, or has raised its version since, or is the work of an ack that is not over yet. A process that is stopped
 * can hide nothing: its unit is still leased, or it is listed.
 */
#include <string.h>

#include "internal.h"

/* An entry: unit 24 | version 40. A header: key 12 | closed 1 | number 51. */
#define UNIT_MASK UINT64_C(0xffffff)
#define VERSION_SHIFT 24
#define HEADER_CLOSED (UINT64_C(1) << 12)
#define NUMBER_SHIFT 13
#define KEY_MASK 0xfffu

#define APPEND_TRIES 16u
/* Groups that make it worth while to take their lines away from whoever fills them; less if that is more than half of
 * what a source may have. A put that finds fewer takes new credits instead, so soon enough units are on their way for
 * both sides to stay some lines apart. The longer a line is not used, the less it costs to have it back: from the
 * second-level cache of a consumer more than twice as much as from what both share. */
#ifndef CVB_LOOK_LEAST
#define CVB_LOOK_LEAST 64u
#endif
#define LOOK_PART 2u    /* of what a source may have; */
#define LOOK_FEW 8u     /* if that is fewer groups, no distance can be kept: all are looked into */
#define LOOK_GROUPS 32u /* that a put passes in one list, */
#define LOOK_LISTS 3u   /* and lists that have news */
#define LOOK_AGAIN 1024u
/* A list from the first group in use to the last is searched by those who are refused. What lies so far behind the last
 * is wanted by nobody now: they give it back, a group at a time. */
#ifndef CVB_STRAGGLERS
#define CVB_STRAGGLERS 128u
#endif
#define AHEAD 4u /* so many puts before its own a unit's payload is fetched */

static struct cvb_idle *list_of(struct cvb_handle *h, uint32_t seat)
{
    return (struct cvb_idle *)(void *)(h->idle + (uint64_t)seat * h->idle_stride);
}

static struct cvb_idle_group *group_at(struct cvb_handle *h, struct cvb_idle *list, uint64_t number)
{
    return &list->group[number & h->idle_mask];
}

static uint64_t header_of(uint32_t key, uint64_t number) { return number << NUMBER_SHIFT | key; }
static uint32_t unit_of(uint64_t entry) { return (uint32_t)(entry & UNIT_MASK); }

/* The numbers of the groups that were opened and not overwritten: from *first to what is returned, less one. */
static uint64_t window(struct cvb_handle *h, struct cvb_idle *list, uint64_t *first)
{
    uint64_t end = cvb_load64_acq(&list->groups), places = h->idle_mask + 1;
    *first = cvb_load64_rlx(&list->first);
    if (*first > end || end - *first > places)
        *first = end < places ? 0 : end - places;
    return end;
}

/* 12 bits of what must be equal for a unit to serve a put. */
uint32_t cvb_idle_key(const struct cvb_want *w)
{
    uint32_t x = ((w->source * 0x9e3779b1u + w->stage) * 0x85ebca6bu + w->count) * 0xc2b2ae35u + w->class;
    return x * 0x9e3779b1u >> 20;
}

/* All four in one word; of what a unit holds and is good for, whose word has this hi. */
static inline uint64_t kind_of(uint64_t source, uint64_t stage, uint64_t count, uint64_t class)
{
    return source | count << 16 | stage << 32 | class << 44;
}
static inline uint64_t kind_of_unit(struct cvb_unit *unit, uint64_t hi)
{
    return kind_of(cvb_load16_rlx(&unit->source), cvb_hi_stage(hi), cvb_mask_count(cvb_hi_mask(hi)),
                   cvb_load16_rlx(&unit->class));
}
static inline uint64_t kind_wanted(const struct cvb_want *w)
{
    return kind_of(w->source, w->stage, w->count, w->class);
}

static bool same_want(const struct cvb_want *a, const struct cvb_want *b) { return kind_wanted(a) == kind_wanted(b); }

/* Does one of the group's entries still name a unit that waits? Those that do not are emptied. By the owner alone. */
static bool in_use(struct cvb_handle *h, struct cvb_idle_group *g)
{
    for (unsigned i = 0; i < CVB_IDLE_ENTRIES; i++) {
        uint64_t entry = cvb_load64_rlx(&g->entry[i]);
        uint32_t u = unit_of(entry);
        if (!entry)
            continue;
        if (u < h->segment.geometry.unit_count && cvb_lo_state(cvb_load64_acq(&cvb_unit_at(h, u)->word.lo)) == CVB_IDLE)
            return true;
        cvb_store64_rlx(&g->entry[i], 0);
    }
    return false;
}

/* Is it still there? It may have been overwritten as one that is not in use. */
static inline bool is_open(const struct cvb_open *open)
{
    return open->left && cvb_load64_rlx(&open->group->header) == open->header;
}

static void close_group(struct cvb_open *open)
{
    if (is_open(open))
        cvb_store64_rel(&open->group->header, open->header | HEADER_CLOSED);
    open->left = 0;
}

/* A seat's new owner: nothing more comes into the groups that the last one left open. */
void cvb_idle_enter(struct cvb_handle *h)
{
    struct cvb_idle *list = list_of(h, h->seat);
    uint64_t number;
    for (uint64_t end = window(h, list, &number); number < end; number++) {
        struct cvb_idle_group *g = group_at(h, list, number);
        uint64_t header = cvb_load64_rlx(&g->header);
        if (!(header & HEADER_CLOSED))
            cvb_store64_rel(&g->header, header | HEADER_CLOSED);
    }
}

/* A new group for the key, past places that are still in use; false if there are many of them: the next call goes on
 * behind them. */
CVB_RARE static bool open_group(struct cvb_handle *h, struct cvb_idle *list, struct cvb_open *open, uint32_t key)
{
    uint64_t number = cvb_load64_rlx(&list->groups), last = number + APPEND_TRIES;
    struct cvb_open *old = &h->open[number % CVB_OPEN_GROUPS];
    if (number - (old->header >> NUMBER_SHIFT) > CVB_STRAGGLERS)
        close_group(old);
    close_group(open); /* one of another key */
    while (number != last && in_use(h, group_at(h, list, number)))
        number++;
    if (number == last) {
        cvb_store64_rel(&list->groups, number);
        return false;
    }
    open->header = header_of(key, number);
    open->group = group_at(h, list, number);
    open->left = CVB_IDLE_ENTRIES;
    cvb_prefetch_write(group_at(h, list, number + 1));
    cvb_store64_rel(&open->group->header, open->header);
    cvb_store64_rel(&list->groups, number + 1);
    return true;
}

/* Has the group of h->parked a place? */
static inline bool has_place(const struct cvb_handle *h)
{
    return is_open(h->parked.open) && (h->parked.open->header & KEY_MASK) == h->parked.key;
}

/* Lists a unit that will be IDLE next, one of h->parked, where there is a place. */
static inline void append(struct cvb_handle *h, struct cvb_idle *list, uint32_t u)
{
    struct cvb_open *open = h->parked.open;
    const uint64_t version = cvb_load64_rlx(&list->version) + 1;
    cvb_store64_rel(&open->group->entry[CVB_IDLE_ENTRIES - open->left], u | version << VERSION_SHIFT);
    cvb_store64_rel(&list->version, version); /* listed: whoever missed it here looks again */
    if (open->left == 1)
        close_group(open);
    else
        open->left--;
}

/* The unit listed last is IDLE: whoever looked at it before that looks again. */
static inline void appended(struct cvb_idle *list)
{
    cvb_store64_rel(&list->version, cvb_load64_rlx(&list->version) + 1);
}

static inline void want_of(struct cvb_unit *unit, struct cvb_pair w, struct cvb_want *out)
{
    *out = (struct cvb_want){cvb_load16_rlx(&unit->source), cvb_hi_stage(w.hi), cvb_mask_count(cvb_hi_mask(w.hi)),
                             cvb_load16_rlx(&unit->class)};
}

/* IDLE -> RES of this seat, from exactly *w, which becomes the new word. */
static inline bool claim(struct cvb_handle *h, struct cvb_unit *unit, struct cvb_pair *w)
{
    struct cvb_pair mine = {cvb_lo_generation(CVB_RES, cvb_lo_number(w->lo)), cvb_hi_anew(w->hi, h->seat)};
    if (!cvb_cas_pair(&unit->word, *w, mine))
        return false;
    *w = mine;
    return true;
}

/* Is it IDLE, and of this kind? */
static inline bool fits(struct cvb_unit *unit, uint64_t kind, struct cvb_pair *w)
{
    *w = cvb_load_pair(&unit->word);
    return cvb_lo_state(w->lo) == CVB_IDLE && kind_of_unit(unit, w->hi) == kind;
}

/* The kind of unit that was acked is another one than the last; false if there is no such kind, in a corrupt segment.
 */
CVB_RARE static bool park_others(struct cvb_handle *h, struct cvb_unit *unit, struct cvb_pair w)
{
    struct cvb_want has;
    want_of(unit, w, &has);
    if (has.source >= h->segment.settings.max_sources || has.stage >= h->segment.settings.max_stages || !has.count)
        return false;
    const uint32_t key = cvb_idle_key(&has), stages = h->segment.settings.max_stages;
    h->parked = (struct cvb_parked){.kind = kind_wanted(&has),
                                    .key = key,
                                    .open = &h->open[key % CVB_OPEN_GROUPS],
                                    .of_stage = &h->tallies[has.stage],
                                    .of_source = &h->tallies[stages + has.source],
                                    .room_of_source = cvb_flag_at(h, cvb_flag_of_source(h, has.source)),
                                    .room_of_stage = cvb_flag_at(h, cvb_flag_of_room(h, has.stage))};
    return true;
}

/* Nobody sleeps until some of what was acked is given back. */
static inline bool quiet(struct cvb_handle *h)
{
    uint32_t all = cvb_load32_acq(h->parked.room_of_source) | cvb_load32_acq(h->parked.room_of_stage) |
                   cvb_load32_acq(cvb_flag_at(h, CVB_FLAG_TOTAL)) | cvb_load32_acq(cvb_flag_at(h, CVB_FLAG_MEMORY));
    return !(all & (CVB_FLAG_WAITERS | CVB_FLAG_WAITERS_ANY));
}

/* The lease of a unit of h->parked, which can be listed, ends. */
static inline int become_idle(struct cvb_handle *h, struct cvb_unit *unit, uint32_t u, struct cvb_pair w)
{
    struct cvb_idle *list = list_of(h, h->seat);
    append(h, list, u);
    const uint64_t next = cvb_load64_rlx(&unit->generation) + 1;
    cvb_store64_rlx(&unit->generation, next);
    struct cvb_pair idle = {cvb_lo_generation(CVB_IDLE, next), w.hi};
    cvb_store64_seq(&unit->word.lo, idle.lo);
    appended(list);
    cvb_fence_after_cas(); /* a sleeper has seen it IDLE, or is seen */
    h->noisy = !quiet(h);
    if (h->noisy && claim(h, unit, &idle)) /* somebody waits for it */
        return cvb_give(h, u);
    return 0;
}

static inline void tally_parked(struct cvb_handle *h, unsigned records)
{
    cvb_own_add64(&h->parked.of_stage->n[CVB_N_ACKED], records);
    cvb_own_add64(&h->parked.of_source->n[CVB_N_ACKED], records);
}

/* Ends the lease of a whole unit, whose word is w, as acked: IDLE if nobody is short of what it holds and there is a
 * place to list it; else FREE. */
int cvb_park(struct cvb_handle *h, uint32_t u, struct cvb_pair w)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    if (kind_of_unit(unit, w.hi) != h->parked.kind && !park_others(h, unit, w))
        return CVB_ECORRUPT;
    tally_parked(h, cvb_mask_count(cvb_hi_mask(w.hi)));
    if (cvb_hi_stage(w.hi) == CVB_STAGE_DEAD_LETTER || (h->noisy && !quiet(h)))
        return cvb_give(h, u);
    if (!has_place(h) && !open_group(h, list_of(h, h->seat), h->parked.open, h->parked.key))
        return cvb_give(h, u);
    return become_idle(h, unit, u, w);
}

/* The same for a unit of one record, if nothing is in the way of the usual: of the kind that was acked last, with a
 * place to list it, and nobody waited at the last ack. False: nothing was done. Calls nothing, so that it costs little
 * more than its stores. */
bool cvb_park_single(struct cvb_handle *h, uint32_t u, struct cvb_pair w, int *error)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    if (kind_of_unit(unit, w.hi) != h->parked.kind || cvb_hi_stage(w.hi) == CVB_STAGE_DEAD_LETTER || h->noisy ||
        !has_place(h))
        return false;
    tally_parked(h, 1);
    *error = become_idle(h, unit, u, w);
    return true;
}

static uint32_t left_of(const struct cvb_look *look) { return look->end - look->next; }

static void see(struct cvb_handle *h, struct cvb_look *look, uint64_t *at, uint64_t entry)
{
    if (!entry || unit_of(entry) >= h->segment.geometry.unit_count)
        return;
    look->seen[look->end++] = (struct cvb_sight){at, entry};
    cvb_prefetch_write(cvb_unit_at(h, unit_of(entry)));
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
    for (; number < end && look->end + CVB_IDLE_ENTRIES <= CVB_LOOK_MOST; number++) {
        struct cvb_idle_group *g = group_at(h, list, number);
        uint64_t header = cvb_load64_acq(&g->header);
        bool mine = (header & KEY_MASK) == look->key, open = !(header & HEADER_CLOSED);
        for (unsigned i = 0; mine && (!open || effort == CVB_LOOK_ALL) && i < CVB_IDLE_ENTRIES; i++)
            see(h, look, &g->entry[i], cvb_load64_acq(&g->entry[i]));
        if (mine && open)
            break; /* more will come here, and nothing behind it */
    }
    look->from[seat] = number;
}

/* When nothing is left: the list that has served last, then some of the others. */
CVB_RARE static void look_around(struct cvb_handle *h, struct cvb_look *look, enum cvb_effort effort)
{
    uint32_t seats = h->segment.settings.max_handles;
    look->next = look->end = 0;
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

/* Another kind of put than the last one. */
CVB_RARE static struct cvb_look *look_anew(struct cvb_handle *h, struct cvb_want want)
{
    uint32_t key = cvb_idle_key(&want), a_group = CVB_IDLE_ENTRIES * want.count;
    uint32_t few = h->segment.settings.max_per_source / (LOOK_PART * a_group);
    struct cvb_look *look = h->looked = &h->look[key % CVB_LOOKS];
    if (look->kind != kind_wanted(&want)) {
        look->kind = kind_wanted(&want);
        look->key = key;
        look->least = few < LOOK_FEW ? 0 : few < CVB_LOOK_LEAST ? few : CVB_LOOK_LEAST;
        look->next = look->end = 0;
        memset(look->from, 0, h->segment.settings.max_handles * sizeof *look->from);
    }
    return look;
}

/* An IDLE unit that fits becomes RES of this seat, with the word *w. False: none was found near by. */
bool cvb_claim_idle(struct cvb_handle *h, const struct cvb_want *want, enum cvb_effort effort, uint32_t *unit,
                    struct cvb_pair *w)
{
    const uint64_t kind = kind_wanted(want);
    struct cvb_look *look = h->looked && h->looked->kind == kind ? h->looked : look_anew(h, *want);
    if (!left_of(look))
        look_around(h, look, effort);
    while (left_of(look)) {
        const struct cvb_sight *s = &look->seen[look->next++];
        const uint32_t u = unit_of(s->entry);
        if (left_of(look) >= AHEAD)
            cvb_prefetch_payloads(h, unit_of(s[AHEAD].entry), want->count);
        if (!fits(cvb_unit_at(h, u), kind, w) || !claim(h, cvb_unit_at(h, u), w))
            continue;
        cvb_cas64(s->at, s->entry, 0);
        *unit = u;
        return true;
    }
    return false;
}

/* The unit that a put of the same kind as the last one tries first. */
uint32_t cvb_idle_next(struct cvb_handle *h)
{
    struct cvb_look *look = h->looked;
    return look && left_of(look) ? unit_of(look->seen[look->next].entry) : CVB_NO_UNIT;
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

/* Moves the hint past what is closed and empty. */
static void skip_empty(struct cvb_handle *h, struct cvb_idle *list, uint64_t first, uint64_t end)
{
    uint64_t from = first;
    for (; first < end; first++) {
        struct cvb_idle_group *g = group_at(h, list, first);
        uint64_t any = 0;
        if (!(cvb_load64_acq(&g->header) & HEADER_CLOSED))
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

/* Gives back the IDLE units of a group that hold what refused, at least so many records if there are, and if told so
 * all others too; false: no more. */
static bool reclaim_group(struct cvb_handle *h, struct cvb_idle_group *g, int refusal, const struct cvb_want *want,
                          bool all, uint64_t *given)
{
    for (unsigned i = 0; i < CVB_IDLE_ENTRIES && (all || *given < want->count); i++) {
        uint64_t entry = cvb_load64_acq(&g->entry[i]);
        struct cvb_pair w;
        struct cvb_want has;
        if (!waits(h, entry, &w, &has))
            continue;
        bool helps = holds(h, &has, refusal, want);
        if (!helps && (!all || same_want(&has, want)))
            continue;
        if (!claim(h, cvb_unit_at(h, unit_of(entry)), &w)) {
            h->refusal.refusal = 0; /* somebody has it, and may be about to give it back: look again */
            continue;
        }
        cvb_cas64(&g->entry[i], entry, 0);
        if (cvb_give(h, unit_of(entry)))
            return false;
        *given += helps ? has.count : 0;
    }
    return *given < want->count;
}

static void reclaim(struct cvb_handle *h, int refusal, const struct cvb_want *want)
{
    uint64_t given = 0;
    bool more = true;
    for (uint32_t s = 0; more && s < h->segment.settings.max_handles; s++) {
        struct cvb_idle *list = list_of(h, (h->seat + s) % h->segment.settings.max_handles);
        uint64_t first, end = window(h, list, &first);
        for (uint64_t number = first; more && number < end; number++)
            more = reclaim_group(h, group_at(h, list, number), refusal, want,
                                 number == first && end - first > CVB_STRAGGLERS, &given);
        skip_empty(h, list, first, end);
    }
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
