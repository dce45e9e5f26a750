/* coordinate.c - starts the processes, watches them, kills one with its leases in hand and replaces it, and ends the
 * job when the segment is empty. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "job.h"

#define TICK_NS UINT64_C(2000000)
#define DEADLINE_NS UINT64_C(100000000000)
#define STALL_NS UINT64_C(20000000000)
#define LOOK_NS UINT64_C(3000000000) /* a job that is watched shows its stopped victim for so long */

/* What the coordinator knows of its children; pid 0: not running. */
struct crew {
    struct job *job;
    struct job_outcome *out;
    struct cvb_handle *handle;
    uint32_t stage[JOB_ROLES];
    pid_t pid[JOB_SLOTS];
    uint64_t start, moved_at, moved, shown_at;
    enum job_role victim_role;
    bool ended[JOB_SLOTS];
};

static volatile sig_atomic_t interrupted;
static void on_signal(int number) { interrupted = number; }

static int fail(const char *what)
{
    fprintf(stderr, "\njob: %s\n", what);
    return -1;
}

static uint32_t numbered(struct crew *c, enum job_role role)
{
    uint32_t n = 1;
    for (uint32_t i = 0; i < c->out->slots; i++)
        n += c->job->board->slots[i].role == role;
    return n;
}

/* Starts a process of a role in the next slot; it dies with the coordinator. Returns the slot, or -1. */
static int start(struct crew *c, enum job_role role)
{
    pid_t parent = getpid();
    if (c->out->slots == JOB_SLOTS)
        return -1;
    uint32_t number = numbered(c, role);
    int i = (int)c->out->slots++;
    c->job->board->slots[i].role = role;
    c->job->board->slots[i].number = number;
    c->pid[i] = fork();
    if (c->pid[i])
        return c->pid[i] > 0 ? i : -1;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_IGN); /* the coordinator ends the job */
    if (getppid() != parent)
        _exit(1);
    cvb_detach(c->handle); /* in a child this frees its memory only */
    _exit(job_process_main(c->job, i));
}

static int start_all(struct crew *c, enum job_role role, int count)
{
    while (count-- > 0)
        if (start(c, role) < 0)
            return fail("cannot start a process");
    return 0;
}

static uint64_t records_of(struct crew *c, enum job_role role)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < c->out->slots; i++)
        n += c->job->board->slots[i].role == role ? atomic_load(&c->job->board->slots[i].records) : 0;
    return n;
}

/* Records that left the pipeline, at the filter or at its end. */
static uint64_t finished(struct crew *c)
{
    uint64_t n = records_of(c, JOB_SINK);
    for (uint32_t i = 0; i < c->out->slots; i++)
        n += atomic_load(&c->job->board->slots[i].dropped);
    return n;
}

/* The victim has stopped itself with leases in hand: kill it and start another. */
static int kill_and_replace(struct crew *c, int i)
{
    struct job_board *b = c->job->board;
    c->out->victim = i;
    c->out->killed_pid = c->pid[i];
    c->out->held = atomic_load(&b->slots[i].held);
    c->out->killed_at = finished(c);
    if (c->job->seconds) {
        fprintf(stderr, "job: %s-%u is stopped with %llu records in hand, and is killed in three seconds\n",
                job_role_name(b->slots[i].role), b->slots[i].number, (unsigned long long)c->out->held);
        job_sleep_ns(LOOK_NS);
    }
    if (kill(c->pid[i], SIGKILL) || waitpid(c->pid[i], NULL, 0) != c->pid[i])
        return fail("cannot kill the victim");
    c->pid[i] = 0;
    c->ended[i] = true;
    atomic_store(&b->victim, -1);
    fprintf(stderr, "job: killed %s-%u (SIGKILL) with %llu records in hand\n", job_role_name(b->slots[i].role),
            b->slots[i].number, (unsigned long long)c->out->held);
    c->out->heir = start(c, b->slots[i].role);
    return c->out->heir < 0 ? fail("cannot start the replacement") : 0;
}

static int ended(struct crew *c, int i, int status)
{
    const struct job_slot *s = &c->job->board->slots[i];
    c->pid[i] = 0;
    c->ended[i] = true;
    if (WIFEXITED(status) && !WEXITSTATUS(status))
        return 0;
    fprintf(stderr, "\njob: %s-%u failed: ", job_role_name(s->role), s->number);
    if (WIFSIGNALED(status))
        fprintf(stderr, "%s\n", strsignal(WTERMSIG(status)));
    else
        fprintf(stderr, "%s%s%s\n", cvb_error_text(atomic_load(&s->error)),
                atomic_load(&s->error) == CVB_ESYSTEM ? ": " : "",
                atomic_load(&s->error) == CVB_ESYSTEM ? strerror(atomic_load(&s->system_error)) : "");
    return -1;
}

static int reap(struct crew *c)
{
    int status, error = 0;
    for (uint32_t i = 0; i < c->out->slots && !error; i++) {
        if (!c->pid[i] || waitpid(c->pid[i], &status, WNOHANG | WUNTRACED) != c->pid[i])
            continue;
        if (!WIFSTOPPED(status))
            error = ended(c, (int)i, status);
        else if (atomic_load(&c->job->board->victim) == (int)i)
            error = kill_and_replace(c, (int)i);
    }
    return error;
}

static void choose_victim(struct crew *c)
{
    struct job_board *b = c->job->board;
    uint64_t done = finished(c) * 100 / c->job->records;
    atomic_store(&b->least, done < 60 ? c->job->batch / 2 : 1);
    if (c->out->victim >= 0 || atomic_load(&b->victim) >= 0 || done < 40)
        return;
    for (uint32_t i = 0; i < c->out->slots; i++)
        if (b->slots[i].role == c->victim_role) {
            atomic_store(&b->victim, (int)i);
            return;
        }
}

static void show(struct crew *c, uint64_t now)
{
    bool terminal = isatty(STDERR_FILENO);
    if (now - c->shown_at < (terminal          ? UINT64_C(100000000)
                             : c->job->seconds ? UINT64_C(2000000000)
                                               : UINT64_C(200000000)))
        return;
    c->shown_at = now;
    fprintf(stderr, "%sjob: %5.1f s  put %llu of %u, filtered %llu, enriched %llu, written %llu; in the buffer %lld%s",
            terminal ? "\r" : "", (double)(now - c->start) / 1e9, (unsigned long long)records_of(c, JOB_SOURCE),
            c->job->records, (unsigned long long)records_of(c, JOB_FILTER),
            (unsigned long long)records_of(c, JOB_ENRICH), (unsigned long long)records_of(c, JOB_SINK),
            (long long)cvb_total_buffered(c->handle), terminal ? "\033[K" : "\n");
}

static void look_at_sizes(struct crew *c)
{
    int64_t size = cvb_total_buffered(c->handle);
    if (size > c->out->peak)
        c->out->peak = size;
    for (enum job_role r = JOB_FILTER; r < JOB_ROLES; r++) {
        size = cvb_stage_size(c->handle, c->stage[r]);
        if (size > c->out->stage_peak)
            c->out->stage_peak = size;
    }
}

/* One look at everything; -1 when the job cannot go on. */
static int tick(struct crew *c)
{
    job_sleep_ns(TICK_NS);
    uint64_t now = job_now_ns(), moved = 0;
    for (enum job_role r = JOB_SOURCE; r < JOB_ROLES; r++)
        moved += records_of(c, r);
    if (moved != c->moved)
        c->moved_at = now;
    c->moved = moved;
    look_at_sizes(c);
    show(c, now);
    if (interrupted)
        return fail("interrupted");
    if (now - c->moved_at > STALL_NS)
        return fail("nothing has moved for 20 seconds");
    if (now - c->start > DEADLINE_NS + c->job->seconds * UINT64_C(1000000000))
        return fail("not done in time");
    return reap(c);
}

static bool sources_were_told(struct crew *c)
{
    for (uint32_t i = 0; i < c->out->slots; i++) {
        const struct job_slot *s = &c->job->board->slots[i];
        if (!c->ended[i] && !atomic_load(&s->slowed) && !atomic_load(&s->paused) && !atomic_load(&s->refused))
            return false;
    }
    return true;
}

static bool sources_ended(struct crew *c)
{
    for (int i = 0; i < JOB_SOURCES; i++)
        if (!c->ended[i])
            return false;
    return true;
}

/* Nothing is in the segment any more. The counts say when to look; the audit decides. */
static bool drained(struct crew *c)
{
    bool quiet = job_now_ns() - c->moved_at > UINT64_C(500000000);
    if (!sources_ended(c) || (!quiet && finished(c) < records_of(c, JOB_SOURCE)))
        return false;
    struct cvb_audit a;
    return !cvb_audit(c->handle, &a) && a.exact && a.queued + a.leased + a.reserved == 0;
}

static bool all_ended(struct crew *c)
{
    for (uint32_t i = 0; i < c->out->slots; i++)
        if (!c->ended[i])
            return false;
    return true;
}

/* The sources run ahead until backpressure reaches them; then the workers start. */
static int run(struct crew *c)
{
    int error = start_all(c, JOB_SOURCE, JOB_SOURCES);
    while (!error && !sources_were_told(c))
        error = tick(c);
    for (enum job_role r = JOB_FILTER; r < JOB_ROLES && !error; r++)
        error = start_all(c, r, JOB_WORKERS);
    while (!error && !drained(c)) {
        choose_victim(c);
        error = tick(c);
    }
    c->out->seconds = (double)(job_now_ns() - c->start) / 1e9;
    atomic_store(&c->job->board->stop, 1);
    while (!error && !all_ended(c))
        error = tick(c);
    return error;
}

static void end_children(struct crew *c)
{
    for (uint32_t i = 0; i < c->out->slots; i++)
        if (c->pid[i] > 0) {
            kill(c->pid[i], SIGKILL);
            waitpid(c->pid[i], NULL, 0);
        }
}

static int open_segment(struct crew *c)
{
    int error = cvb_create(c->job->segment, &c->job->settings);
    if (!error)
        error = cvb_attach(c->job->segment, &c->handle);
    for (enum job_role r = JOB_FILTER; r < JOB_ROLES && !error; r++)
        error = cvb_stage(c->handle, job_role_name(r), &c->stage[r]);
    if (!error)
        error = cvb_settings_of(c->handle, &c->job->settings);
    if (error)
        fprintf(stderr, "job: no segment: %s%s\n", cvb_error_text(error),
                error == CVB_ENOSPC ? " (see df -h /dev/shm)" : "");
    return error;
}

int job_coordinate(struct job *job, enum job_role victim_role, struct job_outcome *out)
{
    struct crew c = {.job = job, .out = out, .victim_role = victim_role};
    *out = (struct job_outcome){.victim = -1, .heir = -1};
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    int error = open_segment(&c);
    c.start = c.moved_at = c.shown_at = job_now_ns();
    if (!error)
        error = run(&c);
    end_children(&c);
    if (!error && cvb_audit(c.handle, &out->audit))
        error = fail("the audit failed");
    if (c.handle)
        cvb_detach(c.handle);
    cvb_unlink(job->segment);
    out->sinks = numbered(&c, JOB_SINK) - 1;
    return error;
}
