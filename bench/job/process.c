/* process.c - one process of the job: attaches, does its role until it is told to stop, detaches. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "job.h"

#define WAIT_NS 20000000 /* a worker looks for the end of the job this often */
#define RETRY_NS 1000000 /* a refused forward is tried again after this */

static uint64_t read_clock(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t job_now_ns(void) { return read_clock(CLOCK_MONOTONIC); }
uint64_t job_cpu_ns(void) { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

#define CLOCK_READINGS 1000

/* What one reading of the clock of processor time takes: at batches of 1 it is more than a call of the library. */
static uint64_t clock_ns(void)
{
    const uint64_t start = job_cpu_ns();
    uint64_t end = start;
    for (int i = 0; i < CLOCK_READINGS; i++)
        end = job_cpu_ns();
    return (end - start) / CLOCK_READINGS;
}

/* The time of this process so far, without the clock readings around calls of the library. */
static void note_cpu(struct job_process *p) { p->slot->cpu_ns = job_cpu_ns() - p->clocks_ns; }

void job_sleep_ns(uint64_t ns)
{
    struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    while (nanosleep(&t, &t))
        ;
}

static int attach(struct job_process *p)
{
    int error = cvb_attach(p->job->segment, &p->handle);
    for (enum job_role r = JOB_FILTER; r < JOB_ROLES && !error; r++)
        error = cvb_stage(p->handle, job_role_name(r), &p->stage[r]);
    return error;
}

/* Sends leases on, all of them: what is refused for lack of room is tried again until the job is stopped. */
int job_send(struct job_process *p, uint32_t stage, const struct cvb_lease *leases, const struct cvb_record *results,
             size_t count)
{
    for (size_t done = 0; done < count;) {
        int why = 0;
        size_t left = count - done;
        int n =
            JOB_LIBRARY(p, results ? cvb_forward_records(p->handle, stage, leases + done, results + done, left, &why)
                                   : cvb_forward(p->handle, stage, leases + done, left, &why));
        if (n < 0)
            return n;
        done += (size_t)n;
        if (done == count)
            break;
        if ((why != CVB_ESTAGE_FULL && why != CVB_EMEMORY_FULL) || atomic_load(&p->job->board->stop))
            return why ? why : CVB_ECORRUPT;
        p->slot->refused++;
        job_sleep_ns(RETRY_NS);
    }
    return 0;
}

/* The work on a batch is done and nothing is settled: the moment at which the coordinator kills its victim. */
void job_work_done(struct job_process *p, size_t held)
{
    p->slot->held = held;
    if (atomic_load(&p->job->board->victim) == p->index && held >= atomic_load(&p->job->board->least))
        raise(SIGSTOP);
}

static void count_batch(struct job_process *p, const struct cvb_lease *leases, int n)
{
    for (int i = 0; i < n; i++) {
        p->slot->bytes += leases[i].length;
        p->slot->redelivered += leases[i].retry_count > 0;
    }
}

static int work(struct job_process *p)
{
    struct cvb_lease leases[JOB_BATCH];
    uint32_t stage = p->stage[p->slot->role];
    while (!atomic_load(&p->job->board->stop)) {
        int n = JOB_LIBRARY(p, cvb_get_batch(p->handle, stage, leases, p->job->batch));
        if (n < 0)
            return n;
        if (!n) {
            n = JOB_LIBRARY(p, cvb_wait_records(p->handle, &stage, 1, WAIT_NS));
            if (n < 0 && n != CVB_ETIMEDOUT)
                return n;
            continue;
        }
        count_batch(p, leases, n);
        int error = p->job->roles[p->slot->role].batch(p, leases, (size_t)n);
        if (error)
            return error;
        p->slot->held = 0;
        note_cpu(p);
        p->slot->records += (uint64_t)n;
    }
    return 0;
}

int job_process_main(const struct job *job, int index)
{
    struct job_process p = {
        .job = job, .slot = &job->board->slots[index], .index = index, .clock_ns = clock_ns(), .file = -1};
    int error = attach(&p);
    p.room = malloc((size_t)JOB_BATCH * job->settings.payload_size);
    if (!error && !p.room)
        error = CVB_ESYSTEM;
    const struct job_part *part = &job->roles[p.slot->role];
    if (!error && part->begin)
        error = part->begin(&p);
    if (!error && part->batch)
        error = work(&p);
    if (!error)
        error = cvb_detach(p.handle);
    note_cpu(&p);
    p.slot->system_error = errno;
    p.slot->error = error;
    free(p.room);
    return error ? 1 : 0;
}
