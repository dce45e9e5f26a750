/* flow_write.c - a stage's flow into a file, straight from the segment. */
#include <conveyor/state.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "flow.h"
#include "output.h"

enum { RECORDS = 128, HEAD = 200 }; /* in one writev */

static int write_first_line(struct cli_flow_writer *w, const char *stage)
{
    char line[HEAD];
    int n = snprintf(line, sizeof line, "conveyor-flow 1\t%s\n", stage);
    int reason = cli_write_all(w->fd, &(struct iovec){line, (size_t)n}, 1);
    w->bytes = (uint64_t)n;
    return reason;
}

int cli_flow_create(struct cli_flow_writer *w, struct cvb_handle *handle, const char *path, const char *stage)
{
    struct stat st;
    *w = (struct cli_flow_writer){.handle = handle};
    w->fd = strcmp(path, "-") ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666) : dup(STDOUT_FILENO);
    if (w->fd < 0 || fstat(w->fd, &st))
        return errno;
    w->is_file = S_ISREG(st.st_mode) && strcmp(path, "-");
    return write_first_line(w, stage);
}

/* Time does not run back in the file, whatever the clock did or whichever record came back into its stage. */
static uint64_t time_us(struct cli_flow_writer *w, uint64_t buffered_at_ns)
{
    if (!w->first_ns)
        w->first_ns = w->last_ns = buffered_at_ns;
    if (buffered_at_ns > w->last_ns)
        w->last_ns = buffered_at_ns;
    return (w->last_ns - w->first_ns) / 1000;
}

static size_t head(struct cli_flow_writer *w, const struct cvb_lease *lease, char line[HEAD])
{
    char source[CVB_NAME_MAX + 1] = "?", pipeline[CVB_NAME_MAX + 1] = "?";
    cvb_source_name(w->handle, lease->source, source);
    cvb_pipeline_name(w->handle, lease->pipeline, pipeline);
    return (size_t)snprintf(line, HEAD, "%llu\t%u\t%s\t%s\n", (unsigned long long)time_us(w, lease->buffered_at_ns),
                            lease->length, source, pipeline);
}

/* Up to RECORDS of them. */
static int write_some(struct cli_flow_writer *w, const struct cvb_lease *leases, size_t count)
{
    static char newline = '\n';
    char heads[RECORDS][HEAD];
    struct iovec v[3 * RECORDS];
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        v[3 * i] = (struct iovec){heads[i], head(w, &leases[i], heads[i])};
        v[3 * i + 1] = (struct iovec){(void *)(uintptr_t)leases[i].payload, leases[i].length};
        v[3 * i + 2] = (struct iovec){&newline, 1};
        bytes += v[3 * i].iov_len + leases[i].length + 1;
    }
    int reason = cli_write_all(w->fd, v, (int)(3 * count));
    if (!reason)
        w->bytes += bytes;
    return reason;
}

int cli_flow_write(void *writer, const struct cvb_lease *leases, size_t count)
{
    struct cli_flow_writer *w = writer;
    uint64_t before = w->bytes;
    for (size_t done = 0, n; done < count; done += n) {
        n = count - done < RECORDS ? count - done : RECORDS;
        int reason = write_some(w, leases + done, n);
        if (!reason)
            continue;
        if (w->is_file && ftruncate(w->fd, (off_t)before))
            return reason;
        w->bytes = before;
        return reason;
    }
    return 0;
}

int cli_flow_close(struct cli_flow_writer *w) { return close(w->fd) ? errno : 0; }
