/* enrich.c - the second stage: each record goes on with a new, longer payload. */
#include "job.h"

int job_enrich_batch(struct job_process *p, const struct cvb_lease *leases, size_t count)
{
    struct cvb_record results[JOB_BATCH];
    char *at = p->room;
    for (size_t i = 0; i < count; i++) {
        uint32_t length = job_enrich(leases[i].payload, leases[i].length, at);
        results[i] = (struct cvb_record){
            .payload = at, .length = length, .source = leases[i].source, .pipeline = leases[i].pipeline};
        at += length;
    }
    job_work_done(p, count);
    return job_send(p, p->stage[JOB_SINK], leases, results, count);
}
