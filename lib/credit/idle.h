/* idle.h - what idle.c (acks list idle units; how one is claimed), reuse.c (puts look for them) and reclaim.c (refusals
 * give them back) share.
 *
 * A list is a ring of groups, a cache line each: a header that says what the units of its entries are good for, and
 * seven entries. So a search for units of one source passes the groups of the others a line at a time, and learns of
 * many units by one line. It is what Bonwick and Adams call a magazine: its owner loads it, any claimer unloads it as a
 * whole. That others take from a seat's list is work stealing.
 *
 *      first: all before it is empty      groups: the number of the next group
 *        v                                   v
 *   ...| 41 closed | 42 closed | 43 open |  44  |...       group n is at n modulo the number of places
 *                       |
 *                       v
 *      header {key, closed, number} | entry {unit, version} | entry | ... seven of them
 *
 * An entry, and the unit that it names:
 *
 *   empty --append--> listed --ack--> idle --claim--> claimed --empty_claimed, claim_entry--> empty
 *     unit:  LEASED     LEASED        IDLE           RES of the claimer
 *
 * The invariants are U2 and I1 to I6 of the rules in PROTOCOL.md.
 *
 * Who writes: the seat's owner opens groups and fills them in turn, and raises the version with each entry. The claimer
 * of a unit empties its entry by a CAS, at once or after some more claims; the claimer of all units of a group empties
 * it as a whole. An entry carries the version it was listed at, and a header its group's number, so a late CAS never
 * empties what is younger. Entries are hints: the unit's word decides. A group whose entries are still in use when its
 * place comes round again stays as it is, and its number is skipped. `first` passes only what is closed and empty, and
 * a group's number is used once, so what is before it stays empty.
 */
#ifndef CVB_LIB_IDLE_H
#define CVB_LIB_IDLE_H

#include "credit/credit.h"

/* An entry: unit 24 | version 40. A header: key 24 | closed 1 | number 39. A key: source 12 | stage 6 | what else 6. */
#define UNIT_MASK UINT64_C(0xffffff)
#define VERSION_SHIFT 24
#define KEY_BITS 24
#define KEY_MASK ((UINT64_C(1) << KEY_BITS) - 1)
#define KEY_SOURCE_SHIFT 12
#define KEY_STAGE_SHIFT 6
#define KEY_SOURCE_MASK (UINT64_C(0xfff) << KEY_SOURCE_SHIFT)
#define KEY_STAGE_MASK (UINT64_C(0x3f) << KEY_STAGE_SHIFT)
#define HEADER_CLOSED (UINT64_C(1) << KEY_BITS)
#define NUMBER_SHIFT (KEY_BITS + 1)

/* Takes the place of a closed group's header when one process has claimed the units of all its entries. That process
 * stores it by a CAS from the header, and the owner's next header differs: so it is never stored late. */
#define GROUP_EMPTY UINT64_MAX

/* A refused put searches a list from the first group in use to the last. If there are more groups than this between the
 * two, the units of the first one are of kinds that nobody puts now: the search gives them back, one group each time.
 */
#ifndef CVB_STRAGGLERS
#define CVB_STRAGGLERS 128u
#endif

static inline struct cvb_idle *list_of(struct cvb_handle *h, uint32_t seat)
{
    return (struct cvb_idle *)(void *)(h->idle + (uint64_t)seat * h->idle_stride);
}

static inline struct cvb_idle_group *group_at(struct cvb_handle *h, struct cvb_idle *list, uint64_t number)
{
    return &list->group[number & h->idle_mask];
}

static inline uint64_t header_of(uint32_t key, uint64_t number) { return number << NUMBER_SHIFT | key; }
static inline uint32_t unit_of(uint64_t entry) { return (uint32_t)(entry & UNIT_MASK); }

/* The groups that were opened and not overwritten have the numbers from *first on, up to but without the one that is
 * returned. */
static inline uint64_t window(struct cvb_handle *h, struct cvb_idle *list, uint64_t *first)
{
    uint64_t end = cvb_load64_acq(&list->groups), places = h->idle_mask + 1;
    *first = cvb_load64_rlx(&list->first);
    if (*first > end || end - *first > places)
        *first = end < places ? 0 : end - places;
    return end;
}

/* Units that a put cannot tell apart have the same key, and others seldom. */
static inline uint32_t key_of(const struct cvb_want *w)
{
    return (uint32_t)((uint64_t)w->source << KEY_SOURCE_SHIFT & KEY_SOURCE_MASK) |
           (uint32_t)((uint64_t)w->stage << KEY_STAGE_SHIFT & KEY_STAGE_MASK) |
           ((w->count - 1 + w->class * 11 + (w->stage >> 6) * 23) & ((1u << KEY_STAGE_SHIFT) - 1));
}

/* The key's place in a table of so many places: from the highest bits of a product, on which all bits of the key have
 * an influence. */
static inline uint32_t place_of(uint32_t key, uint32_t places)
{
    return (uint32_t)((uint64_t)(key * 0x9e3779b1u) * places >> 32);
}

#define KIND_PROBES 8u             /* places, from its own on, in which a key is looked for */
#define NO_NUMBER CVB_CLAIM_CACHES /* no kind's number */

/* Where more kinds take turns than have numbers, most of those that have one keep it: of so many that need one only one
 * gets that of another kind, and the others get the last one, which is spare. What is acked of a spare kind gives its
 * credits back, and a put of it takes new ones: nobody would find again what is idle. */
#ifndef CVB_KIND_STAYS
#define CVB_KIND_STAYS 16u
#endif
static inline bool kind_is_spare(const struct cvb_kinds *kinds, uint32_t number)
{
    return CVB_KIND_STAYS > 1 && kinds->turn && number == CVB_CLAIM_CACHES - 1;
}

/* The number of the kind with this key, or NO_NUMBER. */
static inline uint32_t kind_find(const struct cvb_kinds *kinds, uint32_t key)
{
    const uint32_t place = place_of(key, CVB_KIND_PLACES);
    for (uint32_t i = 0; i < KIND_PROBES; i++) {
        const uint32_t found = kinds->at[(place + i) % CVB_KIND_PLACES];
        if (found && kinds->key[found - 1] == key)
            return found - 1;
        if (!found && !kinds->turn)
            break; /* no kind has lost its number, so there are no gaps */
    }
    return NO_NUMBER;
}

/* Source, stage, number of records and class in one word; of a unit whose word has this hi; of what a put wants. */
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
    return kind_of((uint16_t)w->source, w->stage, w->count, w->class);
}

static inline struct cvb_want want_of_kind(uint64_t kind)
{
    return (struct cvb_want){kind & 0xffff, kind >> 32 & 0xfff, cvb_count_of_kind(kind), cvb_class_of_kind(kind)};
}

static inline void want_of(struct cvb_unit *unit, struct cvb_pair w, struct cvb_want *out)
{
    *out = (struct cvb_want){cvb_load16_rlx(&unit->source), cvb_hi_stage(w.hi), cvb_mask_count(cvb_hi_mask(w.hi)),
                             cvb_load16_rlx(&unit->class)};
}

/* Counts of idle records (rows): a seat's owner counts what it parked and what it claimed, of all kinds, of the stage
 * and of the source; their sums over all seats are what is idle (level.c). A row is {odd:1 | records:63}: each change
 * turns the highest bit, so that one bit says whether the last change is in it.
 *
 * A note stands before each change and says what it is, and how the rows' odd bits were before it:
 *   park:  note, IDLE store, rows        claim:  note, CAS IDLE -> RES, rows
 * So the recoverer of a dead seat completes its rows: had the unit changed (it is no longer LEASED by the dead, or it
 * is RES of the dead), then those rows whose bit is still as before lack it (note.c). A claim that failed has no note.
 *
 * A note: unit 24 | records less one 5 | stage 12 | source 16 | what 2 | odd: total 1, stage 1, source 1.
 */
enum note_kind { NOTE_NONE, NOTE_PARK, NOTE_CLAIM };
#define NOTE_COUNT_SHIFT 24
#define NOTE_STAGE_SHIFT 29
#define NOTE_SOURCE_SHIFT 41
#define NOTE_KIND_SHIFT 57
#define NOTE_ODD_SHIFT 59
#define NOTE_ODD_ALL (UINT64_C(7) << NOTE_ODD_SHIFT)

static inline uint64_t note_of(enum note_kind kind, const struct cvb_want *has)
{
    return (uint64_t)kind << NOTE_KIND_SHIFT | (uint64_t)(uint16_t)has->source << NOTE_SOURCE_SHIFT |
           (uint64_t)has->stage << NOTE_STAGE_SHIFT | (uint64_t)(has->count - 1) << NOTE_COUNT_SHIFT;
}

#define ROW_ODD_SHIFT 63
#define ROW_ODD (UINT64_C(1) << ROW_ODD_SHIFT)
static inline uint64_t row_count(uint64_t row) { return row & ~ROW_ODD; }
static inline uint64_t row_after(uint64_t row, uint32_t n) { return row + (ROW_ODD | n); } /* odd: what overflows */

/* Where a seat's owner counts idle records of a counter: what it parked, or what it claimed. */
static inline uint64_t *row_at(struct cvb_handle *h, uint32_t seat, uint32_t counter, enum note_kind kind)
{
    if (counter != CVB_COUNTER_TOTAL)
        return &cvb_tally_at(h, seat, counter - 1)->n[kind == NOTE_PARK ? CVB_N_PARKED : CVB_N_CLAIMED];
    return kind == NOTE_PARK ? &list_of(h, seat)->parked : &list_of(h, seat)->claimed;
}

/* The note of the next change gets the rows' odd bits as they are now. Called after changes by way of another struct
 * cvb_rows. */
static inline void rows_anew(struct cvb_rows *rows)
{
    rows->note &= ~NOTE_ODD_ALL;
    rows->note |= cvb_load64_rlx(rows->total) >> ROW_ODD_SHIFT << NOTE_ODD_SHIFT |
                  cvb_load64_rlx(rows->stage) >> ROW_ODD_SHIFT << (NOTE_ODD_SHIFT + 1) |
                  cvb_load64_rlx(rows->source) >> ROW_ODD_SHIFT << (NOTE_ODD_SHIFT + 2);
}

static inline struct cvb_rows rows_of(struct cvb_handle *h, enum note_kind kind, const struct cvb_want *has)
{
    struct cvb_rows rows = {row_at(h, h->seat, CVB_COUNTER_TOTAL, kind),
                            row_at(h, h->seat, cvb_counter_of_stage(has->stage), kind),
                            row_at(h, h->seat, cvb_counter_of_source(h, has->source), kind), note_of(kind, has)};
    rows_anew(&rows);
    return rows;
}

/* True if a unit can hold this; false only in a corrupt segment. */
static inline bool want_valid(const struct cvb_handle *h, const struct cvb_want *has)
{
    return has->source < h->segment.settings.max_sources && has->stage < h->segment.settings.max_stages && has->count;
}

/* idle.c */
uint32_t cvb_kind_number(struct cvb_kinds *kinds, uint32_t key);
bool cvb_claim(struct cvb_handle *h, uint32_t u, struct cvb_pair *w, uint32_t n, struct cvb_rows *rows);
bool cvb_claim_any(struct cvb_handle *h, uint32_t u, struct cvb_pair *w, const struct cvb_want *has);

#endif
