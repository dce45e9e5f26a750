/* job.h - what the processes of the job share: the input, the board with their counts, and what each stage does.
 *
 * The job: stanzas of the Debian package index go through source -> filter -> enrich -> sink. The coordinator forks
 * every process; each attaches to the segment by itself, as a program of its own would.
 */
#ifndef BENCH_JOB_H
#define BENCH_JOB_H

#include <conveyor/buffer.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { JOB_SOURCES = 2, JOB_WORKERS = 2, JOB_BATCH = 64, JOB_SLOTS = 16, JOB_EXTRA_BYTES = 256 };
enum job_role { JOB_SOURCE, JOB_FILTER, JOB_ENRICH, JOB_SINK, JOB_ROLES };

/* The stanzas of the input, one after the other in `text`. */
struct job_stanza {
    uint64_t offset;
    uint32_t length;
};
struct job_input {
    const char *text;
    uint64_t bytes;
    struct job_stanza *stanzas;
    uint32_t count, longest;
};

/* One process, written by that process alone; the coordinator reads. Everything only ever grows. */
struct job_slot {
    _Alignas(128) enum job_role role; /* this line is written before the process starts */
    uint32_t number;
    _Alignas(128) _Atomic uint64_t records; /* put, or taken and settled */
    _Atomic uint64_t bytes;
    _Atomic uint64_t dropped;     /* filter: settled without being forwarded */
    _Atomic uint64_t redelivered; /* leases with retry_count above 0 */
    _Atomic uint64_t refused;     /* puts or forwards that a limit cut short */
    _Atomic uint64_t slowed, paused, slept_ns;
    _Atomic uint64_t cpu_ns, library_ns; /* processor time of the process, and of its calls of the library */
    _Atomic uint64_t held;               /* leases in hand, their work done, not yet settled */
    _Atomic int error;                   /* why the process gave up, and errno then */
    _Atomic int system_error;
};

/* Shared memory of the coordinator and its children. */
struct job_board {
    _Atomic int stop;       /* workers end when they see it */
    _Atomic int victim;     /* the slot that stops itself to be killed, its leases in hand; -1: none */
    _Atomic uint64_t least; /* leases, at least */
    struct job_slot slots[JOB_SLOTS];
};

struct job_process;

/* What a process of a role does: once when it has attached, and with each batch of its stage. NULL: nothing. */
struct job_part {
    int (*begin)(struct job_process *p);
    int (*batch)(struct job_process *p, const struct cvb_lease *leases, size_t count);
};

struct job {
    const struct job_part *roles; /* by role */
    struct job_input input;
    uint32_t passes;  /* the input goes through so often */
    uint32_t records; /* passes * stanzas: positions are 0 to records - 1 */
    struct job_board *board;
    uint32_t batch;        /* records put or taken at once, JOB_BATCH at most */
    uint32_t kept;         /* records that the filter keeps */
    bool positions;        /* the sources' records have positions: those of the job, from 1 on */
    uint32_t seconds;      /* the job is to last about so long, to be watched; 0: as fast as can be */
    const char *directory; /* where the sinks write */
    char segment[CVB_NAME_MAX];
    struct cvb_settings settings;
};

/* A process of the job after it attached. */
struct job_process {
    const struct job *job;
    struct job_slot *slot;
    int index; /* of the slot */
    struct cvb_handle *handle;
    uint64_t clock_ns, clocks_ns; /* what reading the clock of processor time takes, and has taken around calls */
    uint32_t stage[JOB_ROLES];    /* ids; [JOB_SOURCE] is not used */
    char *room;                   /* JOB_BATCH records of the largest size */
    int file;                     /* sink: its output */
};

/* input.c */
int job_input_read(const char *path, struct job_input *input);

/* work.c - what happens to one record; used by the stages and by the sequential pass alike. */
const char *job_role_name(enum job_role role);
uint32_t job_make(const struct job_input *input, uint32_t position, char *out);
bool job_keep(const char *text, uint32_t length);
uint32_t job_enrich(const char *text, uint32_t length, char *out);

/* process.c - attaching, the loop of a worker, sending on. */
int job_process_main(const struct job *job, int index);
int job_send(struct job_process *p, uint32_t stage, const struct cvb_lease *leases, const struct cvb_record *results,
             size_t count);
void job_work_done(struct job_process *p, size_t held);
void job_sleep_ns(uint64_t ns);
uint64_t job_now_ns(void);
uint64_t job_cpu_ns(void); /* that this thread has used */

/* The processor time since a reading of the clock, without what one reading takes: the second half of the first one and
 * the first half of the next are in it. */
static inline uint64_t job_call_ns(struct job_process *p, uint64_t start_ns)
{
    const uint64_t ns = job_cpu_ns() - start_ns;
    p->clocks_ns += 2 * p->clock_ns;
    return ns > p->clock_ns ? ns - p->clock_ns : 0;
}

/* What a call of the library returns; the processor time that it took is noted. */
#define JOB_LIBRARY(process, call)                                                                                     \
    ({                                                                                                                 \
        uint64_t job_start_ns = job_cpu_ns();                                                                          \
        int job_result = (call);                                                                                       \
        (process)->slot->library_ns += job_call_ns(process, job_start_ns);                                             \
        job_result;                                                                                                    \
    })

/* One file for each role. */
int job_source(struct job_process *p);
int job_filter(struct job_process *p, const struct cvb_lease *leases, size_t count);
int job_enrich_batch(struct job_process *p, const struct cvb_lease *leases, size_t count);
int job_sink_open(struct job_process *p);
int job_sink(struct job_process *p, const struct cvb_lease *leases, size_t count);
void job_sink_path(const struct job *job, uint32_t number, char *path, size_t size);

/* compare.c - the output beside what a sequential pass gives. */
struct job_difference {
    uint64_t expected; /* records that a sequential pass gives */
    uint64_t found;    /* whole records in the output */
    uint64_t lost;     /* expected and not there */
    uint64_t twice;    /* there more than once, counted above the first */
    uint64_t wrong;    /* there and not expected, or not byte for byte the same */
    uint64_t torn;     /* pieces at the end of a file */
    double sequential_s;
};
int job_compare(const struct job *job, uint32_t sinks, struct job_difference *difference);

/* coordinate.c and report.c */
struct job_outcome {
    double seconds;
    double others;    /* the part of the processors that other programs took */
    int victim, heir; /* slots; -1 if none was killed */
    uint64_t held, killed_at;
    pid_t killed_pid;
    uint32_t slots, sinks;
    int64_t peak, stage_peak; /* most records seen at once, in the segment and in a stage */
    struct cvb_audit audit;
    struct job_difference difference;
};
int job_coordinate(struct job *job, enum job_role victim_role, struct job_outcome *outcome);
int job_report(const struct job *job, const struct job_outcome *outcome);

/* share.c - seconds of processor time of all processes, and how many of them in calls of the library. */
struct results_output;
void job_times(const struct job *job, const struct job_outcome *outcome, double *library_s, double *all_s);
int job_write_results(const struct job *job, const struct job_outcome *outcome, const struct results_output *output,
                      int wrong);

/* main.c: the roles and a board; with job_prepare also the input, and the settings that it needs. 0, or 1 after a
 * complaint. */
int job_begin(struct job *job);
int job_prepare(struct job *job, const char *path);
int job_main(int argc, char **argv);

/* part.c: one process of the job as a program of its own, and the comparison of what such programs wrote. */
int job_part_main(int argc, char **argv);
int job_compare_main(int argc, char **argv);

#endif
