/* source.c - a source connector: puts its share of the stanzas in, and does what backpressure says. It drops nothing:
 * what does not fit is put again when there is room. */
#include <conveyor/progress.h>
#include <stdio.h>

#include "job.h"

#define WAIT_NS 100000000

/* Sleeps as long as the signal asks for. 0 or an error. */
static int heed(struct job_process *p, uint32_t source)
{
    struct cvb_backpressure b;
    int error = JOB_LIBRARY(p, cvb_backpressure(p->handle, p->stage[JOB_FILTER], source, &b));
    if (error || b.signal == CVB_SIGNAL_NONE)
        return error;
    uint64_t start = job_now_ns();
    if (b.signal == CVB_SIGNAL_SLOW_DOWN) {
        p->slot->slowed++;
        job_sleep_ns(b.delay_ms * UINT64_C(1000000));
    } else {
        p->slot->paused++;
        do
            error = JOB_LIBRARY(p, cvb_wait_credits(p->handle, p->stage[JOB_FILTER], source, WAIT_NS));
        while (error == CVB_ETIMEDOUT && !atomic_load(&p->job->board->stop));
    }
    p->slot->slept_ns += job_now_ns() - start;
    return error;
}

/* Puts a batch in, all of it. */
static int put(struct job_process *p, const struct cvb_record *records, size_t count)
{
    for (size_t done = 0; done < count;) {
        int why = 0, error = heed(p, records->source);
        if (error)
            return error;
        size_t left = count - done;
        int n = JOB_LIBRARY(p, cvb_buffer_batch_for_stage(p->handle, p->stage[JOB_FILTER], records + done, left, &why));
        if (n < 0)
            return n;
        for (int i = 0; i < n; i++)
            p->slot->bytes += records[done + (size_t)i].length;
        done += (size_t)n;
        p->slot->records += (uint64_t)n;
        if (done == count)
            break;
        if (why > CVB_ESTAGE_FULL || why < CVB_EMEMORY_FULL || atomic_load(&p->job->board->stop))
            return why ? why : CVB_ECORRUPT;
        p->slot->refused++;
        error = JOB_LIBRARY(p, cvb_wait_credits(p->handle, p->stage[JOB_FILTER], records->source, WAIT_NS));
        if (error && error != CVB_ETIMEDOUT)
            return error;
    }
    return 0;
}

int job_source(struct job_process *p)
{
    struct cvb_record records[JOB_BATCH];
    uint32_t source, pipeline;
    char name[32];
    snprintf(name, sizeof name, "source-%u", p->slot->number);
    int error = cvb_source(p->handle, name, &source);
    if (!error)
        error = cvb_pipeline(p->handle, "packages", &pipeline);
    uint32_t next = p->slot->number - 1;
    bool positions = p->job->positions;
    if (!error && positions)
        error = cvb_source_open(p->handle, source, NULL);
    while (!error && next < p->job->records) {
        size_t n = 0;
        char *at = p->room;
        for (; n < p->job->batch && next < p->job->records; n++, next += JOB_SOURCES) {
            uint32_t length = job_make(&p->job->input, next, at);
            records[n] = (struct cvb_record){.payload = at,
                                             .length = length,
                                             .source = source,
                                             .pipeline = pipeline,
                                             .position = positions ? next + 1 : 0};
            at += length;
        }
        error = put(p, records, n);
    }
    return error;
}
