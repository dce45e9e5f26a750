/* handle.h - what a process keeps for each seat that it owns: structs only. place.h says where things lie. */
#ifndef CVB_LIB_HANDLE_H
#define CVB_LIB_HANDLE_H

#include <assert.h>
#include <stdbool.h>

#include "segment.h"
#include "word.h"

/* All that a function of the hot path calls becomes part of it: a fifth fewer instructions. */
#define CVB_FLAT __attribute__((flatten))
#define CVB_RARE __attribute__((noinline)) /* but not these functions */
/* Of several conditions in a row, each of which is nearly always true: otherwise the compiler takes what follows them
 * for rare, and makes it short instead of quick. */
#define CVB_USUALLY(condition) __builtin_expect(condition, 1)
#define CVB_NO_UNIT UINT32_MAX
#define CVB_NO_CLASS UINT32_MAX
#define CVB_NO_KIND UINT64_MAX
#define CVB_DELAY_OF_SETTINGS UINT64_MAX
#define CVB_WAIT_MAX 64u
/* Positions by which a hint may lag behind: a CAS of a line that all share for each position would cost too much. */
#ifndef CVB_HINT_PERIOD
#define CVB_HINT_PERIOD 16u
#endif

/* pacer.c: how many rests in a row did not help; and how many occasions for a rest are to be passed over. */
struct cvb_pacer {
    uint32_t in_vain, skip;
};

/* A stage's ring as a handle sees it: where it lies, and lower bounds of its head and tail that the handle knows. */
struct cvb_ring_view {
    uint64_t head, tail;
    uint64_t *ring;
    struct cvb_hint *hint;
    uint64_t stream;             /* from this position on the consumer may rest, if trains are short */
    uint64_t full;               /* all slots before this position were seen filled */
    uint64_t mask;               /* the number of slots, less one */
    uint32_t bits;               /* the number of slots is 1 << bits */
    uint32_t spare_lines;        /* lines of slots for which a consumer that has caught up has time to spare */
    uint64_t head_due, tail_due; /* before these positions the hints need not be raised */
    struct cvb_pacer rest;       /* of a consumer that has caught up */
    struct cvb_tally *tally;     /* of the stage, in this handle's seat */
    struct cvb_flag *data;       /* the flag of the stage's data */
    uint64_t unused[3];
};
static_assert(sizeof(struct cvb_ring_view) == 128, "a power of two: the index of an array of them is a shift");

/* For each bitmap: the word where the next scan for a free unit starts, and how many scans are skipped before it. */
struct cvb_search {
    uint32_t word, skip_scans;
};

/* What the operation at work may still do before it is refused: searches, lists to be seen to their ends, and then
 * groups of idle units. */
struct cvb_refusal {
    uint32_t looks, lists, groups;
};

/* Where the next search for idle units to be given back begins. */
struct cvb_reclaim {
    uint32_t seat;
    uint64_t number;
};

/* level.c: a handle's part of the slack of a flag in one of its epochs. CVB_SHARES: of how many counters of a kind a
 * handle can have a share at a time. */
#define CVB_SHARES 16u
struct cvb_share {
    uint32_t key, epoch, left; /* key: the counter and 1 */
};

/* level.c: for the kind that was put or acked last: so many records more need no look at the levels of its three
 * counters, as long as their epochs stay. */
struct cvb_budget {
    uint64_t kind;
    const uint64_t *slack[3];
    uint32_t counter[3], epoch[3];
    uint32_t limits; /* a bit for each of the counters whose shares it was taken from */
    uint32_t left;
};

/* A limit, and the watermarks that follow from it and the thresholds. */
struct cvb_marks {
    uint32_t limit, high, low;
    uint64_t thresholds;
};

/* What a put needs, or an idle unit is good for. */
struct cvb_want {
    uint32_t source, stage, count, class; /* of a put the id of the source, otherwise its place */
};

/* Kinds of units that a handle remembers: as many that it puts, and as many that it acks. */
#ifndef CVB_CLAIM_CACHES
#define CVB_CLAIM_CACHES 1024u
#endif
#define CVB_RECENT_CACHES CVB_CLAIM_CACHES     /* places, a power of two: put.c, recent_at */
#define CVB_KIND_PLACES (4 * CVB_CLAIM_CACHES) /* a quarter is used, so that nearly each kind is found at once */

/* idle.h: numbers for kinds, by their keys. */
struct cvb_kinds {
    uint32_t used;                  /* numbers that were given to kinds: those below it */
    uint32_t turn;                  /* how often a kind needed one when all were used */
    uint16_t at[CVB_KIND_PLACES];   /* number and 1, from the key's place on; 0: none */
    uint32_t key[CVB_CLAIM_CACHES]; /* by number */
};

/* idle.h: the rows of this handle's seat in which a change of idle units is counted. */
struct cvb_rows {
    uint64_t *total, *stage, *source;
    uint64_t note; /* of the next change, without the unit */
};

/* For one kind of units that this handle acks: the group of its idle list that has room, and how much; where the units
 * are counted; and the flags of processes that wait until credits are given back. */
struct cvb_parked {
    uint64_t kind;
    uint64_t header;
    struct cvb_idle_group *group;
    uint32_t left, key;
    struct cvb_tally *of_stage, *of_source;
    struct cvb_rows rows;
    const uint32_t *room_of_source, *room_of_stage;
};

/* reuse.c: for one kind of put: idle units that were seen and not tried yet (candidates), and groups that are to be
 * looked at again. */
#define CVB_CANDIDATES 32u
#define CVB_CANDIDATE_GROUPS 8u
#define CVB_WAITING_GROUPS 8u
struct cvb_candidate {
    uint64_t *at, entry; /* at NULL: it was not claimed by this handle */
};
struct cvb_candidate_group {
    struct cvb_idle_group *group;
    uint64_t header;
    uint32_t end; /* of its entries in candidates */
};
struct cvb_waiting_group { /* when a scan passed it, it was still being filled, or there was no room */
    struct cvb_idle *list;
    struct cvb_idle_group *group;
    uint64_t header;
};
struct cvb_claim_cache {
    uint64_t kind;        /* source, stage, number of records and class, in one word */
    uint64_t whole;       /* what hi is but for its seat, if a unit of the kind has just the first members */
    struct cvb_rows rows; /* in which a claim is counted */
    const uint32_t *room_of_source, *room_of_stage; /* the flags of the credits that a put takes */
    struct cvb_tally *of_stage, *of_source;         /* in which a put is counted */
    /* put.c: what the records of the kind that was put last had in common: the next one like it needs no check. */
    uint64_t stage;                     /* CVB_NO_KIND: none was */
    uint64_t ids;                       /* source and pipeline */
    uint32_t shortest, span;            /* of the class: its shortest record, and by how much the longest is longer */
    uint32_t key, next, group_end, end; /* of the candidates: the next one; the end of those of its group, and of all */
    uint32_t group, count;              /* of the groups: the one that is being tried, and how many */
    uint32_t not_ours;                  /* candidates of that group that were not claimed */
    uint32_t least;                     /* groups that a list must have to be scanned */
    uint32_t fruitless;                 /* scans that found nothing */
    uint32_t waits;                     /* groups that wait */
    bool missed;                        /* scans may have passed groups of this kind: a walk looks for them */
    uint32_t walk_lists, walk_seat;     /* lists that the walk has to go through yet, and the next one, */
    uint64_t walk_number;               /* from this group on */
    struct cvb_candidate candidates[CVB_CANDIDATES];
    struct cvb_candidate_group groups[CVB_CANDIDATE_GROUPS];
    struct cvb_waiting_group waiting[CVB_WAITING_GROUPS];
};

/* reuse.c: how far the lists were scanned, for all kinds that this handle puts. */
struct cvb_scan {
    uint64_t *from; /* by seat: the group where the next scan begins */
    uint32_t donor; /* the seat whose list served last */
    uint32_t turn;  /* the seat whose list is scanned next */
};

/* The cells of one class, and the longest record in them. */
struct cvb_cells {
    char *base; /* of the first payload */
    uint64_t stride;
    uint32_t first, count, most;
    uint32_t header_room; /* before each payload; of all classes the same, and always set */
};

/* recover.c: a pass over all units, for the seats that this handle has found dead. */
struct cvb_pass {
    uint64_t *died_in; /* by seat: the state word that it died in, an odd number; 0: the pass is not for this seat */
    uint32_t seats;    /* that the pass is for */
    uint32_t next;     /* the unit that is looked at next */
};

/* survey.c: what a survey has found of a source. */
struct cvb_found {
    uint64_t bound;  /* what was accepted before it began: settled is not above it */
    uint64_t lowest; /* of the positions that count as live */
    uint64_t highest, live;
    uint64_t settled; /* as it was published before the walk for `highest` began */
};

struct cvb_mapping;
struct cvb_handle {
    struct cvb_handle *next;     /* of this process */
    struct cvb_mapping *mapping; /* shared by the handles of this process */
    struct cvb_segment segment;
    /* Where things lie: pointers, because each use of offsets would load them again. */
    struct cvb_unit *units;
    struct cvb_extension *extensions;
    struct cvb_counter *counters;
    struct cvb_flag *flags;
    struct cvb_flag *of_sources; /* those of the sources, by place */
    struct cvb_reason *reasons;
    struct cvb_event_ring *events;
    struct cvb_cells cells; /* of the class that was looked at last */
    char *idle;
    uint64_t idle_stride, idle_mask;
    struct cvb_idle *list;      /* of this handle's seat */
    struct cvb_tally *tallies;  /* of this handle's seat */
    const uint64_t *seat_state; /* the word of this handle's seat, */
    uint64_t entered;           /* and what it says as long as the seat is this handle's: its number, or 0 */
    uint64_t number;            /* odd, and no other handle's: that of the byte that this handle holds a lock on */
    uint32_t seat;
    uint32_t seats_used; /* as last seen: cvb_seats_used */
    uint32_t serial;     /* tells the leases of this handle from those of any other, in whichever process */
    uintptr_t user;      /* debug builds: the thread that is in a call, or 0 */
    void *lock;          /* process.c: the mapping that holds that lock, or NULL */
    uint32_t *names;     /* known.c: entries, a power of two */
    uint32_t names_size, names_count;
    void *tables; /* seat.c: the memory of all that hangs on the handle */
    size_t tables_size;
    int question;                                      /* process.c: the descriptor of this round of questions */
    bool poisoned;                                     /* cvb_poison */
    bool told;                                         /* that it has attached is an event */
    bool observer;                                     /* it has no seat and only reads: cvb_observe */
    const uint32_t *same_process;                      /* a page that a fork wipes: 1 in the process that attached */
    uint64_t seq;                                      /* of the journal */
    struct cvb_search search[2 * CVB_CLASSES_MAX + 2]; /* by bitmap */
    bool scan_skipped;                                 /* that of a bitmap, since the last cvb_search_anew */
    struct cvb_ring_view *rings;                       /* by stage */
    uint32_t known[CVB_KINDS];                         /* ids below these are known to have a name */
    struct cvb_refusal refusal;
    struct cvb_reclaim reclaim;
    struct cvb_share share[3][CVB_SHARES]; /* of sources, of the total, of stages: a put needs one of each */
    struct cvb_budget of_puts, of_acks;
    uint64_t company;            /* CVB_HI_COMPANY while a get asks for several records */
    uint32_t refused_class;      /* of the last put, if memory refused it */
    uint32_t calls, calls_due;   /* since the last look at the clock, and how many there may be */
    uint64_t tick_ns;            /* of that look: the coarse clock */
    uint64_t put_ns, taken_ns;   /* the times of the last put, and of the record taken last */
    uint64_t taken_seen;         /* stay.h: that time as it was read, */
    uint64_t taken_stamp;        /* and as it is written while the unit is leased */
    uint64_t counted_ns;         /* when a wait was counted last */
    struct cvb_pass pass;        /* recovery's, begun and not over */
    struct cvb_lookout *lookout; /* in the segment, as the next two */
    struct cvb_survey *survey;
    struct cvb_stand *stands; /* by source */
    uint64_t *next_position;  /* by source: the lowest that a put may have; 0: this handle has not opened it */
    struct cvb_found *found;  /* by source */
    struct cvb_retry *retry;
    uint64_t *due;               /* by unit: when it is due, if it is DELAYED */
    struct cvb_soonest *soonest; /* the nodes of the tree of due times, */
    struct cvb_soonest *root;    /* and the last of them */
    uint64_t delay_ms;           /* of the return at work; CVB_DELAY_OF_SETTINGS */
    uint64_t promise_ns;         /* what this handle promised last as the lookout; 0: it is not the lookout */
    uint32_t flag_turn;          /* the flag that the lookout looks at next */
    uint32_t spin;               /* turns before a wait sleeps */
    uint32_t wake;               /* futex.c: 1 when cvb_wake was called and no wait has ended by it yet */
    int interruptible;           /* cvb_interruptible: a signal ends a wait */
    int common;                  /* any.c: the handle has slept on the common word though there is futex_waitv */
    unsigned at_high;            /* counters that this handle has seen at their high watermark: bits as enum cvb_step */
    struct cvb_pacer rest;       /* of a producer */
    bool alone;                  /* the unit that was leased last is suspect: a get returns nothing besides */
    bool waiters_seen;           /* at the last ack a process waited for the credits that the unit keeps */
    struct cvb_pending *pending; /* pending.c: by open journal */
    uint64_t *counted;           /* idle.c: units, a bit each */
    struct cvb_parked *parked;   /* of what was acked last */
    struct cvb_claim_cache *last_cache; /* the last one used */
    struct cvb_scan scan;
    struct cvb_marks marks[3];         /* limit.c: as last computed for a source, the total, a stage */
    struct cvb_thresholds *thresholds; /* in the segment */
    /* By kind. Memory that is not touched before a kind needs it. */
    struct cvb_kinds acked, put;                       /* which kinds have numbers */
    struct cvb_claim_cache *recent[CVB_RECENT_CACHES]; /* put.c: by stage and source; NULL, or any cache */
    struct cvb_parked park[CVB_CLAIM_CACHES];          /* idle.c: by the number of a kind that was acked */
    struct cvb_claim_cache cache[CVB_CLAIM_CACHES];    /* reuse.c: by the number of a kind that was put */
};

#endif
