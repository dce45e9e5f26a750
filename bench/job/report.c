/* report.c - what was done, what was checked, and whether it held; for somebody who sees it for the first time. */
#include <inttypes.h>
#include <stdio.h>

#include "job.h"

static uint64_t sum(const struct job *job, const struct job_outcome *o, enum job_role role, size_t field)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < o->slots; i++) {
        const struct job_slot *s = &job->board->slots[i];
        if (s->role == role)
            n += atomic_load((const _Atomic uint64_t *)(const void *)((const char *)s + field));
    }
    return n;
}
#define SUM(role, field) sum(job, o, role, offsetof(struct job_slot, field))

/* 63,666 for 63666; good for eight numbers in one printf. */
static const char *grouped(uint64_t n)
{
    static char text[8][32];
    static unsigned next;
    char *at = &text[next++ % 8][31];
    for (unsigned digits = 0; digits == 0 || n; digits++, n /= 10) {
        if (digits && digits % 3 == 0)
            *--at = ',';
        *--at = (char)('0' + n % 10);
    }
    return at;
}

static void what_was_done(const struct job *job, const struct job_outcome *o)
{
    const struct cvb_settings *s = &job->settings;
    printf("\nWhat was done\n");
    printf("  input      %s stanzas of the Debian package index, %.1f MB, the longest %s bytes; %" PRIu32
           " times over\n",
           grouped(job->input.count), (double)job->input.bytes / 1e6, grouped(job->input.longest), job->passes);
    printf(
        "  pipeline   %d sources -> filter (keeps what has Depends) -> enrich (adds size and hash) -> sink (writes);\n"
        "             %d workers for each stage, every one a process, batches of %" PRIu32 "\n",
        JOB_SOURCES, JOB_WORKERS, job->batch);
    printf("  limits     %s records in all, %s for a stage, %s for a source (the defaults)\n",
           grouped(s->max_total_records), grouped(s->max_per_stage), grouped(s->max_per_source));
    printf("  memory     ");
    for (uint32_t i = 0; i < s->class_count; i++)
        printf("%s%s x %s bytes", i ? ", " : "", grouped(s->classes[i].count), grouped(s->classes[i].bytes));
    printf(" (the default split)\n");
    if (o->victim >= 0) {
        const struct job_slot *v = &job->board->slots[o->victim];
        printf("  killed     %s-%" PRIu32 " with SIGKILL after %s records had left the pipeline; it held %s records,\n"
               "             %s and not settled; %s-%" PRIu32 " took its place\n",
               job_role_name(v->role), v->number, grouped(o->killed_at), grouped(o->held),
               v->role == JOB_SINK ? "written" : "worked on", job_role_name(v->role),
               job->board->slots[o->heir].number);
    }
}

/* How much of the job's processor time is the buffer's. What reading the kernel's clock around each call takes is in
 * neither of the two. */
static void print_share(const struct job *job, const struct job_outcome *o)
{
    double library, all;
    job_times(job, o, &library, &all);
    printf("  library  %11.1f %% of the processor time of all processes (%.2f of %.2f s) is in calls of the library, "
           "with the\n"
           "           copies of payloads, the page faults of new memory and the system calls of waiting\n",
           all > 0 ? library / all * 100 : 0, library, all);
}

static void rates(const struct job *job, const struct job_outcome *o)
{
    printf("\nRates (%.2f s from the first put to the empty buffer; one process without a buffer does the same in %.2f "
           "s)\n",
           o->seconds, o->difference.sequential_s);
    for (enum job_role r = JOB_SOURCE; r < JOB_ROLES; r++) {
        uint64_t n = SUM(r, records), bytes = SUM(r, bytes);
        printf("  %-8s %11s records %11s records/s  %7.1f MB/s\n", job_role_name(r), grouped(n),
               grouped((uint64_t)((double)n / o->seconds)), (double)bytes / 1e6 / o->seconds);
    }
    print_share(job, o);
    printf("\nBackpressure\n");
    for (uint32_t i = 0; i < o->slots; i++) {
        const struct job_slot *s = &job->board->slots[i];
        if (s->role == JOB_SOURCE)
            printf("  source-%" PRIu32 ": told to slow down %" PRIu64 " times and to pause %" PRIu64
                   " times, slept %.2f s; %" PRIu64 " puts were cut short and done again\n",
                   s->number, s->slowed, s->paused, (double)s->slept_ns / 1e9, s->refused);
    }
    printf("  most records seen in the buffer at once: %" PRId64 "; forwards that waited for room: %" PRIu64 "\n",
           o->peak, SUM(JOB_FILTER, refused) + SUM(JOB_ENRICH, refused));
}

static int check(bool ok, const char *what)
{
    printf("  %-6s %s", ok ? "OK" : "WRONG", what);
    return !ok;
}

static int check_records(const struct job *job, const struct job_outcome *o)
{
    const struct job_difference *d = &o->difference;
    uint64_t put = SUM(JOB_SOURCE, records);
    int wrong = check(put == job->records, "the sources put everything in");
    printf(": %s of %s\n", grouped(put), grouped(job->records));
    wrong += check(d->lost == 0, "nothing was lost");
    printf(": %s of the %s records that a sequential pass gives are in the output\n", grouped(d->expected - d->lost),
           grouped(d->expected));
    wrong += check(!d->wrong && !d->torn, "nothing was changed");
    printf(": %" PRIu64 " records differ from the sequential pass, %" PRIu64 " are torn\n", d->wrong, d->torn);
    return wrong;
}

static int check_crash(const struct job *job, const struct job_outcome *o)
{
    bool at_end = o->victim >= 0 && job->board->slots[o->victim].role == JOB_SINK;
    uint64_t again = SUM(JOB_FILTER, redelivered) + SUM(JOB_ENRICH, redelivered) + SUM(JOB_SINK, redelivered);
    int wrong = check(o->victim >= 0 && o->held > 0, "a worker was killed with records in hand");
    printf(": %" PRIu64 "\n", o->held);
    wrong += check(again == o->held, "these and only these were delivered again");
    printf(": %" PRIu64 "\n", again);
    wrong +=
        check(o->difference.twice == (at_end ? o->held : 0), "in the output twice is what was written by the dead");
    printf(": %" PRIu64 " (expected %" PRIu64 ")\n", o->difference.twice, at_end ? o->held : 0);
    return wrong;
}

static int check_state(const struct job *job, const struct job_outcome *o)
{
    const struct cvb_audit *a = &o->audit;
    uint64_t told = SUM(JOB_SOURCE, slowed) + SUM(JOB_SOURCE, paused);
    int wrong = check(told > 0, "backpressure reached the sources");
    printf(": %" PRIu64 " times\n", told);
    int64_t most = JOB_SOURCES * (int64_t)job->settings.max_per_source;
    wrong += check(o->peak <= most && o->stage_peak <= job->settings.max_per_stage, "the limits were not exceeded");
    printf(": at most %s of %s seen in all, %s of %s in a stage\n", grouped((uint64_t)o->peak), grouped((uint64_t)most),
           grouped((uint64_t)o->stage_peak), grouped(job->settings.max_per_stage));
    wrong += check(a->exact && !a->problems && a->free == a->capacity && a->reserved + a->queued + a->leased == 0,
                   "the audit");
    printf(": free %s + reserved %s + queued %s + leased %s = capacity %s; problems: %" PRIu32 " %s\n",
           grouped(a->free), grouped(a->reserved), grouped(a->queued), grouped(a->leased), grouped(a->capacity),
           a->problems, a->problems ? a->first_problem : "");
    return wrong;
}

int job_report(const struct job *job, const struct job_outcome *o)
{
    what_was_done(job, o);
    rates(job, o);
    printf("\nWhat was checked\n");
    int wrong = check_records(job, o) + check_crash(job, o) + check_state(job, o);
    if (wrong)
        printf("\nNOT OK: %d of the checks failed.\n", wrong);
    else
        printf("\nOK: nothing lost, %" PRIu64 " records delivered twice after the kill, all checks passed.\n",
               o->difference.twice);
    return wrong;
}
