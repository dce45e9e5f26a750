/* system.c - the seam's table as it is in every program but a test: the calls themselves. */
#include "system.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

/* A program may have closed its standard descriptors. None of them becomes a file of the library: what the program
 * prints would be written over it. */
static int above_standard(int fd)
{
    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    int above = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), kept = errno;
    close(fd);
    errno = kept;
    return above;
}

static int open_path(const char *path, int flags, mode_t mode) { return above_standard(open(path, flags, mode)); }

static int link_path(const char *from, const char *to)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW);
}

static int rename_new_path(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
}

static int lock_file(int fd, int command, struct flock *lock) { return fcntl(fd, command, lock); }

static long futex_call(uint32_t *word, int operation, uint32_t value, const struct timespec *until, uint32_t bits)
{
    return syscall(SYS_futex, word, operation, value, until, NULL, bits);
}

static long futex_waitv_call(const void *words, unsigned count, const struct timespec *until)
{
    return syscall(SYS_futex_waitv, words, count, 0, until, CLOCK_MONOTONIC);
}

static int sleep_until_time(const struct timespec *until)
{
    return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, until, NULL);
}

static int new_event(void) { return above_standard(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

static ssize_t random_bytes(void *bytes, size_t size) { return getrandom(bytes, size, GRND_NONBLOCK); }

struct cvb_system cvb_system = {
    .open = open_path,
    .close = close,
    .status = fstat,
    .read_at = pread,
    .reserve = posix_fallocate,
    .set_mode = fchmod,
    .link = link_path,
    .rename_new = rename_new_path,
    .unlink = unlink,
    .lock = lock_file,
    .map = mmap,
    .unmap = munmap,
    .advise = madvise,
    .allocate = calloc,
    .release = free,
    .random = random_bytes,
    .futex = futex_call,
    .futex_waitv = futex_waitv_call,
    .sleep_until = sleep_until_time,
    .event = new_event,
    .start = pthread_create,
};
