/* filter.c - the first stage: forwards the records that are kept as they are, and acks the others. */
#include "job.h"

int job_filter(struct job_process *p, const struct cvb_lease *leases, size_t count)
{
    struct cvb_lease kept[JOB_BATCH], dropped[JOB_BATCH];
    size_t keep = 0, drop = 0;
    for (size_t i = 0; i < count; i++)
        if (job_keep(leases[i].payload, leases[i].length))
            kept[keep++] = leases[i];
        else
            dropped[drop++] = leases[i];
    job_work_done(p, count);
    int error = drop ? JOB_LIBRARY(p, cvb_ack(p->handle, dropped, drop)) : 0;
    if (error)
        return error;
    p->slot->dropped += drop;
    return job_send(p, p->stage[JOB_ENRICH], kept, NULL, keep);
}
