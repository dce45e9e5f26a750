/* system.h - the seam between the library and the system: each call that can be refused, one function pointer each.
 *
 * Usage: cvb_system.close(fd). There is one table in a program. Nothing but a test writes to it: it puts functions of
 * its own there that fail with an errno, are interrupted or come late. The members have the meaning, the results and
 * the errno of the calls that they are named after.
 */
#ifndef CVB_SHM_SYSTEM_H
#define CVB_SHM_SYSTEM_H

#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

struct cvb_system {
    /* files; no descriptor of the library is 0, 1 or 2 */
    int (*open)(const char *path, int flags, mode_t mode);
    int (*close)(int fd);
    int (*status)(int fd, struct stat *st); /* fstat */
    ssize_t (*read_at)(int fd, void *bytes, size_t size, off_t offset);
    int (*reserve)(int fd, off_t offset, off_t size); /* posix_fallocate: returns an errno */
    int (*set_mode)(int fd, mode_t mode);
    int (*link)(const char *from, const char *to);       /* follows a link in /proc/self/fd */
    int (*rename_new)(const char *from, const char *to); /* EEXIST if there is one already */
    int (*unlink)(const char *path);
    int (*lock)(int fd, int command, struct flock *lock); /* fcntl with F_OFD_SETLK and F_OFD_GETLK */
    /* memory */
    void *(*map)(void *at, size_t size, int protection, int flags, int fd, off_t offset);
    int (*unmap)(void *at, size_t size);
    int (*advise)(void *at, size_t size, int advice);
    void *(*allocate)(size_t count, size_t size); /* calloc */
    void (*release)(void *memory);                /* free */
    ssize_t (*random)(void *bytes, size_t size);  /* getrandom, which does not wait for the kernel to have some */
    /* waiting */
    long (*futex)(uint32_t *word, int operation, uint32_t value, const struct timespec *until, uint32_t bits);
    long (*futex_waitv)(const void *words, unsigned count, const struct timespec *until);
    int (*sleep_until)(const struct timespec *until); /* of the monotonic clock; returns an errno */
    /* of a notifier */
    int (*event)(void); /* a new eventfd */
    int (*start)(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);
};

extern struct cvb_system cvb_system;

/* A thread that is cancelled inside the library would leave the process's mutex locked: a public function that reaches
 * a cancellation point stands between these two. */
static inline int cvb_guard(void)
{
    int before;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
    return before;
}

static inline void cvb_unguard(int before)
{
    int disabled;
    pthread_setcancelstate(before, &disabled);
}

#endif
