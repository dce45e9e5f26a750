/* output.c - bytes on a descriptor, and how many of them its reader has taken.
 *
 * A pipe takes writes of up to PIPE_BUF bytes as a whole: lines go into it in such pieces, so that those of two pulls
 * never mix and none is cut when one is killed. A file may be cut anywhere by a kill; the next pull begins a new line.
 *
 * What lies unread in a pipe is lost when its reader ends. The kernel tells how many bytes that are, so a record counts
 * as taken only when all of its bytes have been read. The descriptor may be shared with other processes: its flags are
 * left alone, writes may block, and a signal interrupts them.
 */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "signals.h"

#define GRACE_NS INT64_C(200000000) /* so long a line that a signal interrupted may take to be completed */
enum { PIECES = 512 };              /* of records, in one writev */

/* True if the byte before the place where fd would write is something else than a newline. */
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

int cli_output_open(struct cli_output *o, int fd)
{
    struct stat st;
    *o = (struct cli_output){.fd = fd, .most = SIZE_MAX};
    if (fstat(fd, &st))
        return errno;
    o->regular = S_ISREG(st.st_mode);
    o->unread = S_ISFIFO(st.st_mode) ? FIONREAD : S_ISSOCK(st.st_mode) ? SIOCOUTQ : 0;
    if (o->unread)
        o->most = PIPE_BUF;
    return 0;
}

int cli_output_begin_line(struct cli_output *o)
{
    return o->regular && inside_a_line(o->fd) && write(o->fd, "\n", 1) < 0 ? errno : 0;
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

static bool has_room(int fd, int64_t until_ns)
{
    int64_t left = until_ns - cli_now_ns();
    return left > 0 && poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, (int)(left / 1000000) + 1) > 0;
}

/* A signal came when something of v was written: the rest follows only if there is room for it within a moment. What
 * poll has found room for does not block. */
static int complete(struct cli_output *o, struct iovec *v, int count)
{
    int64_t until = cli_now_ns() + GRACE_NS;
    while (count) {
        if (!has_room(o->fd, until)) {
            if (cli_now_ns() >= until)
                return EINTR;
            continue; /* another signal came */
        }
        ssize_t n = write(o->fd, v->iov_base, v->iov_len < PIPE_BUF ? v->iov_len : PIPE_BUF);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return errno;
        o->written += n > 0 ? (size_t)n : 0;
        skip(&v, &count, n > 0 ? (size_t)n : 0);
    }
    return 0;
}

int cli_output_write(struct cli_output *o, struct iovec *v, int count)
{
    uint64_t before = o->written;
    skip(&v, &count, 0);
    while (count) {
        if (cli_signals())
            return o->written == before ? EINTR : complete(o, v, count);
        ssize_t n = writev(o->fd, v, count);
        if (n >= 0) {
            o->written += (size_t)n;
            skip(&v, &count, (size_t)n);
        } else if (errno == EAGAIN)
            poll(&(struct pollfd){.fd = o->fd, .events = POLLOUT}, 1, 100);
        else if (errno != EINTR)
            return errno;
    }
    return 0;
}

/* How many records the next write takes, and their pieces in v; ends[i] becomes what `written` is after record i. */
static size_t next_write(const struct cli_output *o, const struct cli_format *f, const struct cvb_lease *leases,
                         size_t count, struct iovec *v, uint64_t *ends)
{
    static char scratch[PIECES][CLI_PIECE_BYTES];
    size_t n = 0, bytes = 0;
    for (; n < count && (n + 1) * f->count <= PIECES; n++) {
        bytes += cli_format_record(f, &leases[n], v + n * f->count, scratch[n * f->count]);
        if (n && bytes > o->most)
            break;
        ends[n] = o->written + bytes;
    }
    return n;
}

int cli_output_records(struct cli_output *o, const struct cli_format *f, const struct cvb_lease *leases, size_t count,
                       uint64_t *ends)
{
    struct iovec v[PIECES];
    while (count) {
        size_t n = next_write(o, f, leases, count, v, ends);
        int reason = cli_output_write(o, v, (int)(n * f->count));
        if (reason)
            return reason;
        leases += n;
        ends += n;
        count -= n;
    }
    return 0;
}

uint64_t cli_output_taken(struct cli_output *o)
{
    int unread = 0;
    if (!o->unread || ioctl(o->fd, o->unread, &unread) || unread < 0)
        return o->taken = o->written;
    bool lost =
        o->unread == SIOCOUTQ && cli_output_gone(o); /* what the other end of a socket has not read is dropped */
    if (!lost && (uint64_t)unread < o->written - o->taken)
        o->taken = o->written - (uint64_t)unread;
    return o->taken;
}

bool cli_output_gone(const struct cli_output *o)
{
    struct pollfd fd = {.fd = o->fd};
    return poll(&fd, 1, 0) > 0 && fd.revents & (POLLERR | POLLHUP);
}
