/* sink.c - the last stage: appends each record and an empty line to a file of its own, and acks after the write. A
 * worker that dies between the two has written records that are delivered again: at least once. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#include "job.h"

void job_sink_path(const struct job *job, uint32_t number, char *path, size_t size)
{
    snprintf(path, size, "%s/sink-%u.out", job->directory, number);
}

int job_sink_open(struct job_process *p)
{
    char path[4096];
    job_sink_path(p->job, p->slot->number, path, sizeof path);
    p->file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
    return p->file < 0 ? CVB_ESYSTEM : 0;
}

/* writev may stop short: goes on until all is written. */
static int write_all(int fd, struct iovec *v, int n)
{
    while (n) {
        ssize_t done = writev(fd, v, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return CVB_ESYSTEM;
        for (; n && (size_t)done >= v->iov_len; v++, n--)
            done -= (ssize_t)v->iov_len;
        if (n) {
            v->iov_base = (char *)v->iov_base + done;
            v->iov_len -= (size_t)done;
        }
    }
    return 0;
}

int job_sink(struct job_process *p, const struct cvb_lease *leases, size_t count)
{
    struct iovec v[2 * JOB_BATCH];
    static char newline[] = "\n";
    for (size_t i = 0; i < count; i++) {
        v[2 * i] = (struct iovec){(void *)(uintptr_t)leases[i].payload, leases[i].length};
        v[2 * i + 1] = (struct iovec){newline, 1};
    }
    int error = write_all(p->file, v, (int)(2 * count));
    if (error)
        return error;
    if (p->job->seconds)
        job_sleep_ns(count * p->job->seconds * UINT64_C(1000000000) * JOB_WORKERS / (p->job->kept + 1));
    job_work_done(p, count);
    return JOB_LIBRARY(p, cvb_ack(p->handle, leases, count));
}
