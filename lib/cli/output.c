/* output.c - leased records as lines on a descriptor, straight from the segment.
 *
 * A pipe takes writes of up to PIPE_BUF bytes as a whole: lines go into it in such pieces, so that those of two pulls
 * never mix and none is cut when one is killed. A file may be cut anywhere by a kill; the next pull begins a new line.
 */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "signals.h"

enum { LINES = 256 }; /* in one writev */

/* Whether the byte before the place where fd would write is something else than a newline. */
static bool inside_a_line(int fd)
{
    char path[64], last = '\n';
    int flags = fcntl(fd, F_GETFL);
    off_t at = lseek(fd, 0, flags >= 0 && flags & O_APPEND ? SEEK_END : SEEK_CUR);
    if (at <= 0)
        return false;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int reader = open(path, O_RDONLY | O_CLOEXEC); /* fd itself may be for writing only */
    if (reader < 0)
        return false;
    bool read_it = pread(reader, &last, 1, at - 1) == 1;
    close(reader);
    return read_it && last != '\n';
}

int cli_output_begin(struct cli_output *o, int fd)
{
    struct stat st;
    *o = (struct cli_output){.fd = fd, .most = SIZE_MAX};
    if (fstat(fd, &st))
        return errno;
    if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))
        o->most = PIPE_BUF;
    if (S_ISREG(st.st_mode) && inside_a_line(fd) && write(fd, "\n", 1) < 0)
        return errno;
    return 0;
}

/* Leaves out the first n bytes. */
static void skip(struct iovec **v, int *count, size_t n)
{
    while (*count && n >= (*v)->iov_len) {
        n -= (*v)->iov_len;
        ++*v;
        --*count;
    }
    if (*count) {
        (*v)->iov_base = (char *)(*v)->iov_base + n;
        (*v)->iov_len -= n;
    }
}

int cli_write_all(int fd, struct iovec *v, int count)
{
    while (count) {
        ssize_t n = writev(fd, v, count);
        if (n >= 0)
            skip(&v, &count, (size_t)n);
        else if (errno == EAGAIN)
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 100);
        else if (errno != EINTR)
            return errno;
        if (n < 0 && cli_signals() > 1)
            return EINTR;
    }
    return 0;
}

/* How many lines the next write takes, and they in v. */
static size_t next_piece(const struct cli_output *o, const struct cvb_lease *leases, size_t count, struct iovec *v)
{
    static char newline = '\n';
    size_t n = 0, bytes = 0;
    for (; n < count && n < LINES; n++) {
        bytes += (size_t)leases[n].length + 1;
        if (n && bytes > o->most)
            break;
        v[2 * n] = (struct iovec){(void *)(uintptr_t)leases[n].payload, leases[n].length};
        v[2 * n + 1] = (struct iovec){&newline, 1};
    }
    return n;
}

int cli_output_lines(const struct cli_output *o, const struct cvb_lease *leases, size_t count)
{
    struct iovec v[2 * LINES];
    while (count) {
        size_t n = next_piece(o, leases, count, v);
        int reason = cli_write_all(o->fd, v, (int)(2 * n));
        if (reason)
            return reason;
        leases += n;
        count -= n;
    }
    return 0;
}
