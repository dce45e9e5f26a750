/* crash.h - what the parts of the single-step harness share; main.c says how it works. */
#ifndef CVB_TESTS_CRASH_H
#define CVB_TESTS_CRASH_H

#include <conveyor/buffer.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/* The segment: small, so that it can be copied at every instruction; large payloads make it have few spare cells. */
enum { DEAD_LETTERS, STAGE_A, STAGE_B, STAGE_C, STAGES_NAMED, STAGES };
enum {
    SOURCES = 5,
    SPARE = SOURCES,
    PLACES,
    PER_STAGE = 10,
    PER_SOURCE = 7,
    TOTAL = 16,
    RETRIES = 2,
    SEATS = 6,
    TRAIN = 4,
    PAYLOAD = 16384
};
enum { SOON_MS = 1 };
enum { LOWERED = 6 };    /* what the limit of STAGE_A may be set to */
enum { POSITIONED = 1 }; /* the source whose records have positions: their ids */
/* SPARE: the place of a source without records, for names that are retired. Its first id is its number. */
enum { NEXT_ID = 1 << 16 | SPARE };
#define SPARE_NAME "spare"
enum { HEADER_MOST = 8, RECORD_BYTES = 64 + HEADER_MOST };
enum { RECORDS_MOST = 128, BATCH = 8, BOUND = 200000, ACCESSES_BOUND = 10000 };

/* A record of the starting state, or of what the victim did before its operation. */
enum owner { QUEUED, OF_VICTIM, OF_DEAD, GONE };
struct known {
    uint64_t id;
    uint8_t stage, source, retry, owner;
};

/* What the operation does with records that are named before it begins; the first `done` of them were done. */
enum intent_kind { PUT, ACK, RETURN, RELEASE, FORWARD, REPLACE };
struct intent {
    enum intent_kind kind;
    uint64_t id, result; /* result: the record that REPLACE puts */
    uint8_t source;
};

/* Shared by the runner and its children: what is true of the segment, and how far the victim is. */
enum phase { PREPARING, RUNNING, OVER };
struct world {
    char segment[64]; /* the real one */
    char copy[64];    /* aftermaths are played here */
    char second[64];  /* a recoverer is stepped here */
    uint64_t next_id;
    struct known known[RECORDS_MOST];
    unsigned known_count;
    struct intent intent[BATCH];
    unsigned intent_count;
    bool takes, acks;   /* the operation leases records of STAGE_A; and acks them */
    unsigned dead;      /* peers that die before the operation begins */
    bool interns;       /* it makes the name NEW_NAME */
    bool retires, anew; /* it retires SPARE's name; it makes NEW_NAME that of the place, which was retired */
    uint32_t seat;      /* the victim's, */
    uint64_t number;    /* and the number of its handle */
    volatile int phase; /* of the victim */
    volatile int result;
    volatile unsigned done;
    uint64_t taken[BATCH];
    unsigned taken_count;
    volatile int built; /* the starting state is there */
    /* the helpers */
    volatile int helper_phase, progress;
    volatile uint64_t accesses_of[4]; /* of the operations that are counted */
    /* faults.c */
    volatile uint64_t accesses, stop_at, address;
    volatile bool before_write;
};
#define NEW_NAME "a name that is new"
#define REASON "a reason that is as long as one may be: whole, or not there .."

/* ledger.c: what must be found afterwards. */
struct fact {
    uint64_t id;
    uint64_t where; /* bits of place(): where it is found once the victim's seat was recovered */
    uint64_t seen;  /* where others may get it while the victim is only stopped */
    bool absent;    /* it may be gone instead */
    bool found;     /* it was got */
    bool ordered;   /* comes in order of ids with others of its source */
    bool extra;     /* put by a survivor */
    uint64_t at;    /* where it was got */
    bool put;       /* by the operation */
    uint64_t position;
    uint64_t header; /* the id that its header has */
    int16_t partner; /* exactly one of the two is there */
    int16_t before;  /* is there only if that one is */
    uint8_t source;
};
struct facts {
    struct fact fact[RECORDS_MOST];
    unsigned count;
    uint64_t last[STAGES][SOURCES];
    uint64_t accepted, settled; /* of POSITIONED: at least; the highest that was told */
};

const char *say(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t place(unsigned stage, unsigned retry);
struct cvb_record record_of(char bytes[RECORD_BYTES], uint64_t id, unsigned source);
void fill_payload(char *to, uint64_t id);
void fill_header(char *to, uint64_t id);
uint32_t header_length_of(uint64_t id);
bool header_is_kept(uint64_t result);
uint32_t length_of(uint64_t id);
struct known *ledger_add(struct world *w, uint64_t id, unsigned stage, unsigned source);
struct known *ledger_find(struct world *w, uint64_t id);
void facts_build(const struct world *w, bool over, struct facts *f);
const char *facts_got(struct facts *f, const struct cvb_lease *l, bool recovered);
void facts_settled(struct facts *f, uint64_t id, bool acked, const struct cvb_lease *l);
void facts_put(struct facts *f, uint64_t id, unsigned stage, unsigned source);
void facts_leave(struct facts *f, struct world *w);
const char *facts_after(struct facts *f, const struct facts *before);
const char *facts_complete(const struct facts *f);
const char *facts_accepted(const struct facts *f, uint64_t accepted);
uint64_t id_of(const struct cvb_lease *l);

/* bytes.c: the segment as bytes. */
struct bytes {
    char *base;
    uint64_t size;
};
bool bytes_map(const char *name, struct bytes *b);
void bytes_unmap(struct bytes *b);
size_t bytes_packed_size(void);
void bytes_pack(const struct bytes *b, char *packed);
void bytes_unpack(const struct bytes *b, const char *packed);
bool bytes_equal(const struct bytes *b, const char *packed);
bool bytes_equal_but_told(const struct bytes *b, const char *packed);
enum wrong_hints { HINTS_STALE, HINTS_NONE };
bool bytes_seat_active(const struct bytes *b, uint32_t seat);
uint64_t bytes_number(const char *segment, uint32_t seat);
void bytes_wrong_hints(const struct bytes *b, enum wrong_hints how);
void bytes_free_source(const struct bytes *b, unsigned source);
void bytes_survey_due(const char *segment);
extern uint32_t header_size; /* of this case's segments */
void settings_of_test(struct cvb_settings *s);

/* states.c and work.c: the tables. */
struct start {
    const char *name;
    void (*build)(struct world *w, struct cvb_handle *h);
    unsigned dead; /* peers that die before the operation begins; SEATS: as many as there are seats */
    bool hints;    /* are wrong */
    bool apart;    /* also for operations that are APART */
    unsigned only; /* for operations with this trait, if not 0. CELLS: records have headers */
};
extern const struct start starts[];
extern const unsigned start_count;
enum trait {
    BY_STEPS = 1, /* c is played by single steps: it sleeps on the segment, or has not mapped it yet */
    LONG_WAY = 2, /* has so many instructions that a quick run steps it from few states only */
    APART = 4, /* reads and writes no unit, ring or counter: it is stepped from few states, as the others add nothing */
    CELLS = 8, /* copies payloads: it is stepped with headers too */
    SWEEPS = 16 /* one of each kind that finds what was put off, and is due: all do it by the same function */
};
struct operation {
    const char *name;
    void (*prepare)(struct world *w);
    int (*run)(struct world *w);
    unsigned traits;
};
extern const struct operation operations[];
extern const unsigned operation_count;
int put_some(struct world *w, struct cvb_handle *h, unsigned stage, unsigned source, unsigned n);
int lease_some(struct world *w, struct cvb_handle *h, unsigned stage, unsigned n, enum owner owner,
               struct cvb_lease *l);
void make_dead_peers(struct world *w, unsigned count);

/* step.c: processes and single steps. */
pid_t start_traced(void (*run)(struct world *w, const void *what), struct world *w, const void *what);
bool step(pid_t pid);  /* false: it has ended or was struck by a signal */
bool go_on(pid_t pid); /* to its next stop */
pid_t start_child(void (*run)(struct world *w, const void *what), struct world *w, const void *what);
bool resume(pid_t pid); /* an untraced one, to its next stop */
uint64_t where_is(pid_t pid);
void end(pid_t pid);
void name_address(uint64_t address, char *text, size_t size);

/* faults.c: stops at accesses to the segment. */
enum faults { FAULT_WRITES, FAULT_AROUND_WRITES, FAULT_ALL };
void faults_begin(struct world *w, const char *segment, enum faults which);
void faults_end(void);

/* after.c: the aftermaths. NULL if all is well, else what is wrong. */
struct arena {
    struct world *w;
    struct bytes copy, second;
    int copy_fd, second_fd; /* of their own, for locks */
    pid_t recoverer, counter;
    uint64_t steps_most[4]; /* of a survivor's put, get, ack, return */
    uint64_t recoverer_states;
    bool each;  /* instructions are counted, not accesses */
    bool wreck; /* the hints as well */
};
const char *arena_open(struct arena *x, struct world *w);
void arena_close(struct arena *x);
const char *after_kill(struct arena *x, const char *packed, bool over);
const char *after_stop(struct arena *x, const char *packed, bool over);
const char *after_recoverer(struct arena *x, const char *packed, bool over, unsigned every);
const char *after_two(struct arena *x, const char *packed, bool over, uint64_t steps);
const char *after_counted(struct arena *x, const char *packed);
const char *lap(struct world *w, struct facts *delivered);
const char *check_all(struct world *w, const char *segment, struct facts *f);

#endif
