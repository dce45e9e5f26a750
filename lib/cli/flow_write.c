/* flow_write.c - a stage's flow into a file, straight from the segment. */
#include <conveyor/state.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "flow.h"
#include "signals.h"

enum { RECORDS = 128, HEAD = 200 }; /* in one writev; bytes of a line before a payload */
enum { PARTS = 4 };                 /* of a record: that line, payload, header, newline */

static int write_first_line(struct cli_flow_writer *w, const char *stage)
{
    char line[HEAD];
    int n = snprintf(line, sizeof line, "conveyor-flow 1\t%s\n", stage);
    return cli_output_write(&w->output, &(struct iovec){line, (size_t)n}, 1);
}

int cli_flow_create(struct cli_flow_writer *w, struct cvb_handle *handle, const char *path, const char *segment,
                    const char *stage)
{
    *w = (struct cli_flow_writer){.handle = handle, .own = strcmp(path, "-") != 0};
    int fd = w->own ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666) : dup(STDOUT_FILENO);
    if (fd < 0)
        return errno;
    int reason = cli_output_open(&w->output, fd);
    if (!reason)
        reason = write_first_line(w, stage);
    cli_flow_clock_begin(&w->clock, segment);
    if (!reason)
        return 0;
    close(fd);
    if (w->own)
        unlink(path);
    return reason;
}

static uint64_t wall_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static size_t head(struct cli_flow_writer *w, const struct cvb_lease *lease, char line[HEAD])
{
    char source[CVB_NAME_MAX + 1] = "?", pipeline[CVB_NAME_MAX + 1] = "?";
    uint64_t time_ns = cli_flow_clock_next(&w->clock, lease, cli_now_ns(), wall_ns());
    cvb_source_name(w->handle, lease->source, source);
    cvb_pipeline_name(w->handle, lease->pipeline, pipeline);
    int n =
        snprintf(line, HEAD, "%llu\t%u\t%s\t%s", (unsigned long long)(time_ns / 1000), lease->length, source, pipeline);
    if (lease->header_length || lease->position)
        n += snprintf(line + n, HEAD - (size_t)n, "\t%u\t%llu", lease->header_length,
                      (unsigned long long)lease->position);
    line[n++] = '\n';
    return (size_t)n;
}

/* Up to RECORDS of them. */
static int write_some(struct cli_flow_writer *w, const struct cvb_lease *leases, size_t count, uint64_t *ends)
{
    static char newline = '\n';
    char heads[RECORDS][HEAD];
    struct iovec v[PARTS * RECORDS];
    uint64_t end = w->output.written;
    for (size_t i = 0; i < count; i++) {
        struct iovec *part = &v[PARTS * i];
        part[0] = (struct iovec){heads[i], head(w, &leases[i], heads[i])};
        part[1] = (struct iovec){(void *)(uintptr_t)leases[i].payload, leases[i].length};
        part[2] = (struct iovec){(void *)(uintptr_t)leases[i].header, leases[i].header_length};
        part[3] = (struct iovec){&newline, 1};
        ends[i] = end += part[0].iov_len + leases[i].length + leases[i].header_length + 1;
    }
    return cli_output_write(&w->output, v, (int)(PARTS * count));
}

/* Takes away what is left of a record that could not be written whole; `whole` bytes are of whole ones. */
static void cut_back(struct cli_flow_writer *w, uint64_t whole)
{
    if (w->own && w->output.regular && !ftruncate(w->output.fd, (off_t)whole))
        w->output.written = whole;
}

int cli_flow_write(void *writer, const struct cvb_lease *leases, size_t count, uint64_t *ends)
{
    struct cli_flow_writer *w = writer;
    uint64_t whole = w->output.written;
    for (size_t done = 0, n; done < count; done += n) {
        n = count - done < RECORDS ? count - done : RECORDS;
        int reason = write_some(w, leases + done, n, ends + done);
        for (size_t i = done; i < done + n && ends[i] <= w->output.written; i++)
            whole = ends[i];
        if (!reason)
            continue;
        if (whole < w->output.written)
            cut_back(w, whole);
        return reason;
    }
    return 0;
}

int cli_flow_close(struct cli_flow_writer *w) { return close(w->output.fd) ? errno : 0; }
