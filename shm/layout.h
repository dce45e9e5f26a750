/* layout.h - the structs of the segment and where they lie: LAYOUT.md says it in words, fields.h in numbers. */
#ifndef CVB_SHM_LAYOUT_H
#define CVB_SHM_LAYOUT_H

#include <assert.h>
#include <conveyor/types.h>

#include "order.h"

#define CVB_MAGIC UINT64_C(0x315652594556434e) /* "NCVEYRV1" */
#define CVB_LAYOUT_VERSION 10u
#define CVB_PAGE 4096u
#define CVB_LINE 64u
#define CVB_INLINE_MEMBERS 2u
#define CVB_UNIT_MEMBERS 32u
#define CVB_KINDS 3 /* of names: stage, source, pipeline */

enum cvb_kind { CVB_KIND_STAGE, CVB_KIND_SOURCE, CVB_KIND_PIPELINE };

/* A counter of a limit: who changed it last stands beside it. Changed by a 16-byte CAS only. Beside `taken` is what a
 * process that takes a credit reads as well. */
struct cvb_counter {
    struct cvb_pair taken;
    uint64_t limit;       /* as cvb_set_limit left it 32 | of a source: the id that it is for 32; 0: as it was made */
    uint32_t max_retries; /* of a stage, and of the total for those that have none: 0 for none, else one more */
    uint8_t pad_taken[100];
    struct cvb_pair returned;
    uint8_t pad_returned[112];
};

struct cvb_hint {
    uint64_t head;
    uint8_t pad_head[56];
    uint64_t tail;
    uint8_t pad_tail[56];
};

struct cvb_member {
    uint32_t cell;
    uint32_t extent; /* length:21 | its position less the unit's first one:11 */
};
#define CVB_LENGTH_BITS 21
#define CVB_BEHIND_MOST 2047u /* so far the positions of a unit may be behind its first one */

/* A unit: see PROTOCOL.md, section 1. All but the word is written only while it is HELD or reserved. */
struct cvb_unit {
    struct cvb_pair word;
    uint64_t generation;
    uint16_t source;
    uint16_t pipeline;
    uint16_t origin;         /* the stage a dead letter came from */
    uint16_t class;          /* of its cells */
    uint64_t buffered_at_ns; /* when it was put, and since when it is where it is: lib/place/stay.h */
    uint64_t first;          /* the position of the first record that it was published with; 0: its records have none */
    struct cvb_member member[CVB_INLINE_MEMBERS];
};
struct cvb_extension {
    struct cvb_member member[CVB_UNIT_MEMBERS]; /* of a large unit, whose own ones are not used */
};

/* The journal of a seat: PROTOCOL.md, section 5. Fields are written by the owner while the head is closed. */
struct cvb_journal {
    uint64_t head;          /* seq:50 | op:4 | phase:2 | done:8 */
    uint32_t unit;          /* u, a, or T */
    uint32_t to_unit;       /* b, or T2 */
    struct cvb_pair before; /* word of u or a; MOVE: lo of T and B */
    struct cvb_pair after;
    struct cvb_pair to_before; /* word of b or T2 */
    struct cvb_pair to_after;
    uint32_t count;
    uint16_t source;
    uint16_t stage;    /* A */
    uint16_t to_stage; /* B */
    uint8_t pad_to_stage[6];
    uint64_t low; /* MOVE, REPLACE: the lowest position of `source` that moves; all ones: none */
    uint8_t pad[24];
};

/* A handle's place. state: generation << 1 | active. */
struct cvb_seat {
    uint64_t state;
    uint32_t pid;
    uint32_t staged[CVB_KINDS]; /* the name slot this seat writes into */
    uint64_t told_dead;         /* the state whose owner's death is an event already: place/event.h */
    uint8_t pad_state[32];
    struct cvb_journal journal;
    uint64_t active_ns;                           /* of the monotonic clock: when its owner was seen in a call last */
    uint64_t deaths, recoveries, pauses, signals; /* what its owners have noticed, done and given */
    uint8_t pad[280];
};

/* What waits for reuse, as its seat's owner has listed it: lib/credit/idle.h. */
#ifndef CVB_IDLE_ENTRIES
#define CVB_IDLE_ENTRIES 7u
#endif
struct cvb_idle_group {
    uint64_t header;                  /* key:24 | closed:1 | number:39; all ones: its entries name nothing */
    uint64_t entry[CVB_IDLE_ENTRIES]; /* unit:24 | version:40 */
    uint64_t unused[8 - 1 - CVB_IDLE_ENTRIES];
};
struct cvb_idle {
    uint64_t version;         /* raised when a unit is listed */
    uint64_t note;            /* the last change of a unit to or from IDLE by the seat's owner: lib/credit/idle.h */
    uint64_t parked, claimed; /* all records, as CVB_N_PARKED and CVB_N_CLAIMED count those of a stage and a source */
    uint8_t pad_version[32];
    uint64_t groups; /* how many were opened: number n is at n mod 2 ^ idle_bits */
    uint64_t first;  /* hint: all groups before this number are empty */
    uint8_t pad_groups[48];
    struct cvb_idle_group group[];
};

/* A flag word: PROTOCOL.md, section 8. A line of its own, because the hot path reads it and hardly anybody writes it;
 * the slack has another. */
struct cvb_flag {
    /* paused:1 | waiters:1 | waiters on any:1 | near:1 | woken:1 | over:1 | room:1 | count:25 */
    uint32_t word;
    uint32_t hand;  /* of those whom `given` stops: waiters:1 | waiters on any:1 | woken:1 | count:25, as in word */
    uint64_t given; /* the signal by hand, or of a stage's data the hold: wake/hand.c */
    uint32_t told;  /* which of its events were recorded: wake/flag.c */
    uint32_t dead;  /* of a source: the id that has had dead letters last; or 0 */
    uint64_t pad_told;
    struct cvb_pair named; /* of a source: lo: id:32 | state:32, hi: slot of its name:17 | changes:47. place/named.h */
    uint8_t pad_word[16];
    uint64_t slack; /* epoch:32 | records:32 that may come or go before the level must be looked at: credit/level.c */
    uint8_t pad_slack[56];
};

/* Why a signal or a hold was given by hand, and by whom: wake/hand.c. All but the owner's word are written only while
 * it is being prepared. */
#define CVB_REASON_WORDS 8u
struct cvb_reason {
    struct cvb_pair owner; /* lo: generation:62 | state:2, hi: the seat's state:37 | seat:10 | flag:17 */
    uint64_t at_ns;        /* wall clock */
    uint64_t since_ns;     /* monotonic clock */
    uint32_t pid;
    uint32_t source; /* the id that it was given to, if it was given to a source */
    uint64_t text[CVB_REASON_WORDS];
    uint8_t pad_text[24];
};

/* What has happened: the last CVB_EVENTS events, number n at n mod CVB_EVENTS. place/event.h. */
#ifndef CVB_EVENTS
#define CVB_EVENTS 1024u
#endif
struct cvb_event_slot {
    struct cvb_pair word; /* lo: number:62 | state:2, hi: the writer's seat's state:37 | seat:10 | 0:17 */
    uint64_t at_ns;       /* wall clock */
    uint32_t kind, code, pid, stage, source, pad;
    uint64_t before, after;
    uint64_t text[CVB_REASON_WORDS];
};
struct cvb_event_ring {
    uint64_t next; /* the number of the next event */
    uint8_t pad_next[56];
    struct cvb_event_slot slot[];
};

/* The thresholds as cvb_set_thresholds left them, in billionths: backpressure 32 | resume 32; 0: as the segment was
 * made. Read at each look at a level, seldom written. */
struct cvb_thresholds {
    uint64_t word;
    uint8_t pad[56];
};

/* Who looks for the dead, and when: hints, times of the monotonic clock. lib/crash/lookout.c. */
struct cvb_lookout {
    uint64_t until_ns;    /* a sleeper has promised to look until then */
    uint64_t look_due_ns; /* those who put and get look no sooner */
    uint32_t turn;        /* the seat that the next look begins with */
    uint32_t seat;        /* where the next attach begins to search for a free one */
    uint64_t attaches;    /* so many have begun: each has a number of its own, and a lock on the byte of that number */
    struct cvb_pair naming; /* of sources: lo: namings so far, hi: the last one's id:32 | slot:32. seat/intern.c */
    uint64_t dead_moves;    /* MOVEs of dead letters that have begun: seat/retire.c */
    uint8_t pad[8];
};

/* How long a record that failed waits before it is tried again: as the segment was made, until somebody sets it. Read
 * by who returns records, seldom written. */
struct cvb_retry {
    uint64_t word; /* milliseconds: the first time 32, 0: not at all | doubled each time up to this 32 */
    uint8_t pad[56];
};

/* A node of the tree of due times: lib/ring/delay.c. All zero: nothing is delayed. */
#ifndef CVB_DUE_BITS
#define CVB_DUE_BITS 6u
#endif
#define CVB_DUE_CHILDREN (1u << CVB_DUE_BITS)
#define CVB_DUE_LEVELS 6u
struct cvb_soonest {
    struct cvb_pair bound; /* lo: changes so far; hi: nothing below it is due before this time, 0: nothing is delayed */
};

/* What the owners of a seat did in a stage, or with a source. Written by the seat's owner alone, summed by readers. */
enum cvb_count {
    /* of the usual way, on one line */
    CVB_N_ACCEPTED,
    CVB_N_CLAIMED, /* idle.h: records of idle units that were claimed, and whether their number is odd */
    CVB_N_DELIVERED,
    CVB_N_PARKED, /* the same of units that were acked and became idle */
    CVB_N_ACKED,  /* that gave their credits back at once */
    CVB_N_HIGH,   /* no count: the highest position of the source that this seat has taken out of a unit (G1) */
    CVB_N_RETURNED,
    CVB_N_RELEASED,
    /* the rest */
    CVB_N_REDELIVERED,
    CVB_N_FORWARDED,
    CVB_N_DEAD_LETTERED,
    CVB_N_REFUSED_STAGE,
    CVB_N_REFUSED_SOURCE,
    CVB_N_REFUSED_TOTAL,
    CVB_N_REFUSED_MEMORY,
    CVB_N_STALLED_NS,
    CVB_N_COUNTS
};
struct cvb_tally {
    uint64_t n[16];
};
static_assert(CVB_N_COUNTS <= 16, "layout");

/* Of a seat and a source, beside CVB_N_HIGH: the lowest position that the seat's owners have moved from a unit to
 * another since survey `epoch` began. Written by the seat's owner alone, never reset: lib/unit/position.c. */
struct cvb_moved {
    uint64_t low, epoch;
};

/* Surveys: walks over all units that tell which positions are settled (PROTOCOL.md, section 9). */
struct cvb_survey {
    uint64_t number;            /* of the one that began last */
    uint64_t begun_ns, took_ns; /* hints: when the last one began, of the monotonic clock, and how long one takes */
    uint8_t pad[40];
};

/* The progress of a source. */
struct cvb_stand {
    /* the producer with positions: generation of the source:16 | word of its seat's state:38 | seat:10; 0: none yet */
    uint64_t claim;
    uint64_t settled; /* no record at or below this position is in the buffer; it only grows */
    uint64_t base;    /* the positions in the segment are above this by what the source's own are */
    uint8_t pad_base[40];
    struct cvb_tally before; /* what seats had counted when the place's last name was retired */
};

/* How long records had been in a stage when a seat's owner took them: lib/place/stay.h. */
#define CVB_WAIT_BUCKETS 56u
struct cvb_window {
    uint32_t number;                  /* of the time that it is of */
    uint32_t longest;                 /* units of 2^20 ns */
    uint16_t count[CVB_WAIT_BUCKETS]; /* saturates */
};
struct cvb_stay {
    struct cvb_window window[2];
    uint64_t died;   /* dead letters because consumers died */
    uint64_t pauses; /* of the stage's level */
};
static_assert(sizeof(struct cvb_stay) == 256, "whole lines");

struct cvb_name {
    uint8_t length;
    char text[CVB_NAME_MAX];
};

/* A cell of a segment whose header_size is not 0 begins with this; the header's bytes follow, and at the next multiple
 * of 16 the payload. */
struct cvb_cell_header {
    uint32_t length; /* of the header */
    uint32_t pad;
};

/* Everything about a segment's shape; computed from the settings alone, so attach computes it anew and compares. */
struct cvb_geometry {
    uint64_t size;
    uint64_t counters, thresholds, flags, reasons, events, lookout, hints, seats, idle, tallies, stays, moved, survey,
        stands, references[CVB_KINDS], names[CVB_KINDS], units, extensions, bitmaps, retry, due, soonest, rings, cells;
    uint32_t reason_count;
    uint32_t due_levels, due_first[CVB_DUE_LEVELS]; /* from the lowest nodes up to the root: its first node */
    uint32_t unit_count, large_count, cell_count, bitmap_words, bitmap_count;
    uint32_t ring_bits, dead_ring_bits, idle_bits, name_limit[CVB_KINDS];
    uint32_t header_room; /* of each cell: the payload begins behind it */
    struct {
        uint64_t offset;
        uint32_t first_cell, cell_count, stride, train;
    } part[CVB_CLASSES_MAX];
    uint32_t parts;
};

static inline uint64_t cvb_idle_stride(const struct cvb_geometry *g)
{
    return sizeof(struct cvb_idle) + (sizeof(struct cvb_idle_group) << g->idle_bits);
}

struct cvb_header {
    uint64_t magic;
    uint32_t version;
    uint32_t header_bytes;
    uint64_t fingerprint;
    uint64_t size;
    struct cvb_settings settings;
    uint8_t id[CVB_SEGMENT_ID_BYTES]; /* random: cvb_segment_id */
    uint64_t checksum;                /* of all before it */
};
static_assert(sizeof(struct cvb_header) <= CVB_PAGE, "layout");

/* The bitmaps: for each class free units of several cells, and of one; then empty large units, and empty small ones. */
#define CVB_BITMAP_TRAINS(g, part) (2u * (part))
#define CVB_BITMAP_SINGLES(g, part) (2u * (part) + 1)
#define CVB_BITMAP_LARGE(g) (2u * (g)->parts)
#define CVB_BITMAP_SMALL(g) (2u * (g)->parts + 1)

/* How many records one stage may have at most. */
static inline uint32_t cvb_most_in_stage(const struct cvb_settings *s)
{
    return s->max_per_stage < s->max_total_records ? s->max_per_stage : s->max_total_records;
}

/* Checks settings and fills in what is left to the library. 0, or EINVAL and a sentence that says what is wrong, in
 * `size` bytes of text. */
int cvb_settings_complete(struct cvb_settings *settings, char *text, size_t size);
/* The same with what the caller gave, `given_size` bytes of it, or with the defaults for NULL. */
int cvb_settings_take(struct cvb_settings *settings, const struct cvb_settings *given, size_t given_size, char *text,
                      size_t size);
void cvb_geometry_of(const struct cvb_settings *settings, struct cvb_geometry *geometry);
uint64_t cvb_fingerprint(void);
uint64_t cvb_hash(const void *data, size_t size);

#endif
