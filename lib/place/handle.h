/* handle.h - what a process keeps for each seat it owns, and where things lie in the segment. */
#ifndef CVB_LIB_HANDLE_H
#define CVB_LIB_HANDLE_H

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>

#include "segment.h"
#include "word.h"

/* All that a function of the hot path calls becomes part of it: a fifth fewer instructions. */
#define CVB_FLAT __attribute__((flatten))
#define CVB_RARE __attribute__((noinline)) /* but for these */
#define CVB_NO_UNIT UINT32_MAX
#define CVB_NO_CLASS UINT32_MAX
#define CVB_WAIT_MAX 64u
#ifndef CVB_HINT_PERIOD
#define CVB_HINT_PERIOD 16u
#endif

/* rest.c: rests that did not help, one after the other; occasions to be passed over. */
struct cvb_rest {
    uint32_t in_vain, skip;
};

/* A stage's ring as a handle sees it: where it lies, and its own lower bounds of its ends. */
struct cvb_ends {
    uint64_t head, tail;
    uint64_t *ring;
    struct cvb_hint *hint;
    uint64_t stream; /* from this position on the consumer may rest, if trains are short */
    uint64_t full;   /* all slots before this position were seen filled */
    uint64_t mask;   /* its places, less one */
    uint32_t bits;
    uint32_t ample;              /* the consumer has time to spare: for so many lines of slots, once it has caught up */
    uint64_t head_due, tail_due; /* before these the hints need not be raised */
    uint64_t near_due;           /* before this cvb_stay_near is not called for short records */
    struct cvb_rest rest, pace;  /* of a consumer that has caught up, of a producer that is far ahead */
    uint64_t between, bytes;     /* cvb_stay_near: positions from head to tail as seen last, bytes of the last put */
    struct cvb_tally *tally;     /* of this handle's seat; and a power of two it is, for the index */
};
static_assert(sizeof(struct cvb_ends) == 128, "an index is a shift");

/* Where the next search for a free unit starts, and how many are spared. */
struct cvb_search {
    uint32_t word, barren;
};

/* What refusals may still cost the operation in hand: looks at the limits, lists that it has not seen to the end, and
 * after them groups of idle units. */
struct cvb_refusal {
    uint32_t looks, lists, groups;
};

/* Where the next search for idle units to be given back begins. */
struct cvb_reclaim {
    uint32_t seat;
    uint64_t number;
};

/* A handle's part of a flag's slack, as of an epoch: level.c. */
#define CVB_SHARES 16u
struct cvb_share {
    uint32_t key, epoch, left; /* key: the counter and 1 */
};

/* A limit and its watermarks. */
struct cvb_marks {
    uint32_t limit, high, low;
};

/* What a put needs, or an idle unit is good for. */
struct cvb_want {
    uint32_t source, stage, count, class;
};

/* A group of the own idle list that has room, and its header. */
#define CVB_OPEN_GROUPS 32u
struct cvb_open {
    uint64_t header;
    struct cvb_idle_group *group;
    uint32_t left;
};

/* The rows of a seat's owner that a change is counted in. */
struct cvb_rows {
    uint64_t *total, *stage, *source;
};

/* Of a kind of units, `kind` in one word: their key, where they are listed, where they are counted, and the flags of
 * those who wait until they are given back. */
struct cvb_parked {
    uint64_t kind, note; /* note: of a unit that becomes idle, without the unit */
    uint32_t key;
    struct cvb_open *open;
    struct cvb_tally *of_stage, *of_source;
    struct cvb_rows rows;
    const uint32_t *room_of_source, *room_of_stage;
};

/* For one kind of put: idle units that were seen and not tried yet, and where the next look begins. */
#ifndef CVB_LOOKS
#define CVB_LOOKS 64u
#endif
#define CVB_LOOK_MOST 32u  /* entries */
#define CVB_LOOK_GROUPS 8u /* that have some */
struct cvb_sight {
    uint64_t *at, entry; /* at NULL: it was not claimed by this handle */
};
struct cvb_seen_group {
    struct cvb_idle_group *group;
    uint64_t header;
    uint32_t end; /* of its entries in seen */
};
struct cvb_look {
    uint64_t kind, note;  /* what is wanted, in one word; the note of a claim, without the unit */
    struct cvb_rows rows; /* where a claim is counted */
    const uint32_t *room_of_source, *room_of_stage; /* the flags of what it takes */
    uint32_t key, next, end;                        /* of those in seen */
    uint32_t group, count;                          /* the one that is being tried, of those in groups */
    uint32_t least;                                 /* groups that a list must have to be looked into */
    uint32_t donor;                                 /* the seat whose list served last */
    uint32_t turn;                                  /* the next one to look at */
    uint32_t fruitless;
    uint64_t *from; /* by seat: the group where the next look begins */
    struct cvb_sight seen[CVB_LOOK_MOST];
    struct cvb_seen_group groups[CVB_LOOK_GROUPS];
};

/* The cells of one class, and the longest record in them. */
struct cvb_cells {
    char *base;
    uint64_t stride;
    uint32_t first, count, most;
};

/* A pass over all units, for the seats that this handle has found dead: recover.c. */
struct cvb_pass {
    uint64_t *died_in; /* by seat: the state word that it died in, an odd number; 0: the pass is not for it */
    uint32_t seats;    /* that the pass is for */
    uint32_t next;     /* the unit that is looked at next */
};

struct cvb_mapping;
struct cvb_handle {
    struct cvb_handle *next;     /* of this process */
    struct cvb_mapping *mapping; /* shared by the handles of this process */
    struct cvb_segment segment;
    struct cvb_unit *units; /* where things lie: bound once, because each use of the offsets would load them again */
    struct cvb_extension *extensions;
    struct cvb_counter *counters;
    struct cvb_flag *flags;
    struct cvb_cells cells; /* of the class that was looked at last */
    char *idle;
    uint64_t idle_stride, idle_mask;
    struct cvb_idle *list;      /* of this handle's seat */
    struct cvb_tally *tallies;  /* of this handle's seat */
    const uint64_t *seat_state; /* the word of this handle's seat, */
    uint64_t entered;           /* and what it says as long as the seat is this handle's */
    uint32_t seat;
    uint32_t serial; /* tells the leases of this handle from those of any other, in whichever process */
    uintptr_t user;  /* debug builds: the thread that is in a call, or 0 */
    void *lock;      /* process.c: the mapping that holds the seat's lock, or NULL */
    uint32_t *names; /* known.c: entries, a power of two */
    uint32_t names_size, names_count;
    int question;                                      /* process.c: the descriptor of this round of questions */
    bool poisoned;                                     /* cvb_poison */
    const uint32_t *same_process;                      /* a page that a fork wipes: 1 in the process that attached */
    uint64_t seq;                                      /* of the journal */
    struct cvb_search search[2 * CVB_CLASSES_MAX + 2]; /* by bitmap */
    bool passed_over;                                  /* a bitmap, since the last cvb_search_anew */
    struct cvb_ends *ends;                             /* by stage */
    uint32_t known[CVB_KINDS];                         /* ids below these are known to have a name */
    struct cvb_refusal refusal;
    struct cvb_reclaim reclaim;
    struct cvb_share share[CVB_SHARES];
    uint64_t company;            /* CVB_HI_COMPANY while a get asks for several records */
    uint32_t refused_class;      /* of the last put, if memory refused it */
    uint32_t calls, calls_due;   /* since the last look at the clock, and how many there may be */
    uint64_t tick_ns;            /* of that look: the coarse clock */
    uint64_t put_ns, taken_ns;   /* the times of the last put, and of the record taken last */
    struct cvb_pass pass;        /* recovery's, begun and not over */
    struct cvb_lookout *lookout; /* in the segment */
    uint64_t promise_ns;         /* what this handle wrote there last as the lookout; 0: it is not the lookout */
    uint32_t flag_turn;          /* the flag that the lookout looks at next */
    uint32_t spin;               /* turns before a wait sleeps */
    uint32_t wake;               /* futex.c: 1 when cvb_wake was called and no wait has ended by it yet */
    int interruptible;           /* a signal ends a wait */
    unsigned near;               /* counters that this handle has seen at their high watermark: bits as enum cvb_step */
    struct cvb_rest rest;        /* of a producer */
    bool alone;                  /* what was leased last is suspect: a get gives nothing with it */
    bool noisy;                  /* the last ack found somebody waiting for what it ended */
    struct cvb_pending *pending; /* pending.c: by open journal */
    uint64_t *counted;           /* idle.c: units, a bit each */
    struct cvb_open open[CVB_OPEN_GROUPS];    /* idle.c: by key */
    struct cvb_parked parked;                 /* of what was acked last */
    struct cvb_look look[CVB_LOOKS], *looked; /* the last one used */
    uint64_t *looked_from;
    struct cvb_marks marks[3]; /* of a source, the total, a stage */
};

static inline struct cvb_unit *cvb_unit_at(struct cvb_handle *h, uint32_t u) { return h->units + u; }

static inline bool cvb_is_large(const struct cvb_handle *h, uint32_t u) { return u < h->segment.geometry.large_count; }

static inline unsigned cvb_unit_room(const struct cvb_handle *h, uint32_t u)
{
    return cvb_is_large(h, u) ? CVB_UNIT_MEMBERS : CVB_INLINE_MEMBERS;
}

/* Has the unit room for all members of a mask? If not, the segment is corrupt. */
static inline bool cvb_has_room(const struct cvb_handle *h, uint32_t u, uint32_t mask)
{
    return cvb_is_large(h, u) || !(mask >> CVB_INLINE_MEMBERS);
}

static inline struct cvb_member *cvb_members_of(struct cvb_handle *h, uint32_t u)
{
    return cvb_is_large(h, u) ? h->extensions[u].member : cvb_unit_at(h, u)->member;
}

/* For any i: that of a corrupt mask is not outside the segment at least. */
static inline struct cvb_member *cvb_member_at(struct cvb_handle *h, uint32_t u, unsigned i)
{
    return cvb_members_of(h, u) + (i < cvb_unit_room(h, u) ? i : 0);
}

static inline struct cvb_seat *cvb_seat_at(struct cvb_handle *h, uint32_t s)
{
    return (struct cvb_seat *)(void *)(h->segment.base + h->segment.geometry.seats) + s;
}

/* Counters: 0 the total, then the stages, then the sources. */
static inline struct cvb_counter *cvb_counter_at(struct cvb_handle *h, uint32_t index) { return h->counters + index; }
#define CVB_COUNTER_TOTAL 0u
#define CVB_NO_COUNTER UINT32_MAX
static inline uint32_t cvb_counter_of_stage(uint32_t stage) { return 1 + stage; }
static inline uint32_t cvb_counter_of_source(struct cvb_handle *h, uint32_t source)
{
    return 1 + h->segment.settings.max_stages + source;
}

/* Flags: LAYOUT.md has the order. */
#define CVB_FLAG_TOTAL 0u
#define CVB_FLAG_MEMORY 1u
#define CVB_FLAG_ANY 2u
static inline uint32_t cvb_flag_of_data(uint32_t stage) { return 3 + stage; }
static inline uint32_t cvb_flag_of_room(struct cvb_handle *h, uint32_t stage)
{
    return 3 + h->segment.settings.max_stages + stage;
}
static inline uint32_t cvb_flag_of_source(struct cvb_handle *h, uint32_t source)
{
    return 3 + 2 * h->segment.settings.max_stages + source;
}
static inline uint32_t *cvb_flag_at(struct cvb_handle *h, uint32_t flag) { return &h->flags[flag].word; }

#define CVB_FLAG_PAUSED 1u
#define CVB_FLAG_WAITERS 2u /* somebody sleeps on this word */
/* Somebody sleeps on the word of CVB_FLAG_ANY instead: a kernel without futex_waitv. */
#define CVB_FLAG_WAITERS_ANY 4u
#define CVB_FLAG_WAITERS_EITHER (CVB_FLAG_WAITERS | CVB_FLAG_WAITERS_ANY)
#define CVB_FLAG_NEAR 8u /* not paused, but idle units keep the counter at its high watermark: level.c */
#define CVB_FLAG_LEVEL (CVB_FLAG_PAUSED | CVB_FLAG_NEAR)
#define CVB_FLAG_WOKEN 16u /* nobody has announced a sleep since the last waker: flag.c */
#define CVB_FLAG_BITS 31u
#define CVB_FLAG_ONE 32u /* of the count */

/* A seat's tally of a stage; that of a source is max_stages + source. */
static inline struct cvb_tally *cvb_tally_at(struct cvb_handle *h, uint32_t seat, uint32_t index)
{
    const struct cvb_settings *s = &h->segment.settings;
    return (struct cvb_tally *)(void *)(h->segment.base + h->segment.geometry.tallies) +
           (uint64_t)seat * (s->max_stages + s->max_sources) + index;
}

/* Stage and source are valid: whoever calls has checked them. */
static inline void cvb_tally(struct cvb_handle *h, uint32_t stage, uint32_t source, enum cvb_count what, uint64_t n)
{
    cvb_own_add64(&h->ends[stage].tally->n[what], n);
    cvb_own_add64(&h->tallies[h->segment.settings.max_stages + source].n[what], n);
}

static inline uint64_t *cvb_bitmap_at(struct cvb_handle *h, uint32_t which)
{
    return (uint64_t *)(void *)(h->segment.base + h->segment.geometry.bitmaps) +
           (uint64_t)which * h->segment.geometry.bitmap_words;
}

/* handle.c */
uint32_t cvb_part_of_cell(const struct cvb_handle *h, uint32_t cell);
bool cvb_find_cells(struct cvb_handle *h, uint32_t cell);

/* NULL if the cell is none of these, or no record in it can be so long. */
static inline char *cvb_payload_in(const struct cvb_cells *cells, uint32_t cell, uint32_t length)
{
    uint32_t index = cell - cells->first;
    return index >= cells->count || length > cells->most ? NULL : cells->base + index * cells->stride;
}

/* The same for any cell. The class that was found last is looked at first; whoever needs many payloads of one class
 * keeps a copy of h->cells at hand. */
static inline char *cvb_payload(struct cvb_handle *h, uint32_t cell, uint32_t length)
{
    if (cell - h->cells.first >= h->cells.count && !cvb_find_cells(h, cell))
        return NULL;
    return cvb_payload_in(&h->cells, cell, length);
}

/* Stores into a line of a payload what is there: by who has leased it, so nobody else writes it. A line that was read
 * by one core after another one had written it is the most expensive one for the other to write again: each core keeps
 * a copy, and neither prefetchw nor stores that wait get the writer his right to write ahead of time (Zen 4: 6 to 20
 * ns; 2 to 4 if the reader has written it too, which costs him less than 1). */
static inline void cvb_own_line(char *payload)
{
    uint64_t *word = (uint64_t *)(void *)payload;
    cvb_store64_rlx(word, cvb_load64_rlx(word));
}

/* How many payloads of a unit that will be used soon are worth fetching all at once. Those of a longer train are
 * fetched one by one while the train before it is written or handed out: so many lines at a time would keep the core
 * waiting. */
#ifndef CVB_SHORT_TRAIN
#define CVB_SHORT_TRAIN 8u
#endif
static inline unsigned cvb_payloads_ahead(unsigned records) { return records > CVB_SHORT_TRAIN ? 1 : records; }

static inline void cvb_prefetch_payload(struct cvb_handle *h, const struct cvb_member *m)
{
    const char *payload = cvb_payload(h, cvb_load32_rlx(&m->cell), 0);
    if (payload)
        cvb_prefetch_write(payload);
}

/* The first payloads of a unit of so many records, whose line is here: whoever puts writes them, and whoever takes
 * writes back what it has read. */
void cvb_prefetch_others(struct cvb_handle *h, uint32_t u, unsigned records); /* handle.c: but for the first */
static inline void cvb_prefetch_payloads(struct cvb_handle *h, uint32_t u, unsigned records)
{
    if (u == CVB_NO_UNIT)
        return;
    cvb_prefetch_payload(h, cvb_members_of(h, u));
    if (records > 1)
        cvb_prefetch_others(h, u, cvb_payloads_ahead(records));
}

/* A long train that was never taken apart: just the first members. */
static inline bool cvb_is_train(uint32_t mask) { return mask >> CVB_SHORT_TRAIN && !(mask & (mask + 1)); }

/* The mask without the first n members. */
static inline uint32_t cvb_mask_after(uint32_t mask, unsigned n) { return n < CVB_UNIT_MEMBERS ? mask >> n << n : 0; }

/* 16 bytes as a register holds them. */
typedef uint64_t cvb_piece __attribute__((vector_size(16)));

/* Payloads to be fetched one after the other. */
struct cvb_ahead {
    const char *at;
    uint64_t stride;
};

/* Those of the train that comes next, if both are long, equally long, and its cells lie in a row, as those of trains do
 * that were never taken apart. Otherwise a line that is here anyway, again and again. */
static inline struct cvb_ahead cvb_train_ahead(struct cvb_handle *h, uint32_t next, unsigned records,
                                               const struct cvb_cells *cells)
{
    const struct cvb_ahead nothing = {(const char *)h, 0};
    if (records <= CVB_SHORT_TRAIN || !cvb_is_large(h, next))
        return nothing;
    const struct cvb_member *member = h->extensions[next].member;
    uint32_t first = cvb_load32_rlx(&member->cell) - cells->first;
    uint32_t last = cvb_load32_rlx(&member[records - 1].cell) - cells->first;
    bool row = last - first == records - 1 && first < last && last < cells->count;
    return row ? (struct cvb_ahead){cells->base + first * cells->stride, cells->stride} : nothing;
}

/* Has somebody named the id? Names are given in order and for ever. */
bool cvb_learn_id(struct cvb_handle *h, enum cvb_kind kind, uint32_t id); /* name.c */
static inline bool cvb_id_known(struct cvb_handle *h, enum cvb_kind kind, uint32_t id)
{
    return id < h->known[kind] || cvb_learn_id(h, kind, id);
}

int cvb_why_not(const struct cvb_handle *h); /* handle.c */

/* 0 if the handle may change the segment: it is of this process, and its seat is still its own. */
static inline int cvb_handle_check(const struct cvb_handle *h)
{
    if (h && *h->same_process && cvb_load64_rlx(h->seat_state) == h->entered)
        return 0;
    return cvb_why_not(h);
}

/* Debug builds tell the second thread that uses a handle at the same time: the first statement of a public function.
 * Calls may be nested. */
#ifdef NDEBUG
#define CVB_ONE_USER(h) (void)0
#else
#define CVB_ONE_USER(h)                                                                                                \
    struct cvb_handle *used __attribute__((cleanup(cvb_unuse))) = NULL;                                                \
    if (!cvb_use(h, &used))                                                                                            \
    return CVB_EBUSY
static inline bool cvb_use(struct cvb_handle *h, struct cvb_handle **used)
{
    uintptr_t nobody = 0, self = (uintptr_t)pthread_self();
    if (!h || !*h->same_process || __atomic_load_n(&h->user, __ATOMIC_RELAXED) == self)
        return true;
    if (!__atomic_compare_exchange_n(&h->user, &nobody, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return false;
    *used = h;
    return true;
}
static inline void cvb_unuse(struct cvb_handle **used)
{
    if (*used)
        __atomic_store_n(&(*used)->user, 0, __ATOMIC_RELEASE);
}
#endif

/* 0 if the handle may read: also if it has lost its seat. */
static inline int cvb_handle_reads(const struct cvb_handle *h)
{
    return !h ? CVB_EINVAL : *h->same_process ? 0 : CVB_EFORKED;
}

#endif
