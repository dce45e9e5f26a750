/* faults.c - every system call of the library fails, at each of its occurrences, with each errno that its manual names.
 *
 * Checked for each: the error names the cause and errno is kept, or the call has worked by another way; nothing is left
 * (descriptors, mappings, memory, seats, files), and the same call without the fault works. The library's table of
 * calls (shm/system.h) is replaced by functions that count.
 */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "system.h"

enum call {
    OPEN,
    STATUS,
    READ,
    RESERVE,
    MODE,
    LINK,
    RENAME,
    UNLINK,
    LOCK,
    MAP,
    ADVISE,
    ALLOCATE,
    RANDOM,
    FUTEX,
    WAITV,
    SLEEP,
    EVENT,
    START,
    CALLS
};

static struct cvb_system real;
static struct plan {
    enum call call;
    unsigned at; /* its occurrence, from 1 on; 0: none */
    int reason;
} plan;
static atomic_uint seen[CALLS]; /* as all that a notifier's thread changes too */
static int always[CALLS];       /* an errno for each occurrence: what the system lacks altogether */
static atomic_bool fired, armed;
static atomic_long descriptors, mappings, blocks;

/* True if this occurrence fails; errno then says why. */
static bool fails(enum call call)
{
    bool now = armed && ++seen[call] == plan.at && plan.call == call;
    int reason = now ? plan.reason : armed ? always[call] : 0;
    if (now)
        fired = true;
    if (reason)
        errno = reason;
    return reason;
}

static int f_open(const char *path, int flags, mode_t mode)
{
    bool nameless = (flags & O_TMPFILE) == O_TMPFILE;
    int lacking = always[OPEN];
    always[OPEN] = nameless ? lacking : 0;
    int fd = fails(OPEN) ? -1 : real.open(path, flags, mode);
    always[OPEN] = lacking;
    descriptors += fd >= 0;
    return fd;
}

static int f_close(int fd)
{
    int result = real.close(fd);
    descriptors -= !result;
    errno = EIO; /* close may set it, and nobody may rely on it */
    return result;
}

static int f_status(int fd, struct stat *st) { return fails(STATUS) ? -1 : real.status(fd, st); }
static ssize_t f_read(int fd, void *to, size_t n, off_t at) { return fails(READ) ? -1 : real.read_at(fd, to, n, at); }
static int f_reserve(int fd, off_t at, off_t n) { return fails(RESERVE) ? errno : real.reserve(fd, at, n); }
static int f_mode(int fd, mode_t mode) { return fails(MODE) ? -1 : real.set_mode(fd, mode); }
static int f_link(const char *from, const char *to)
{
    int lacking = always[LINK]; /* /proc: other links work */
    always[LINK] = strncmp(from, "/proc", 5) ? 0 : lacking;
    int result = fails(LINK) ? -1 : real.link(from, to);
    always[LINK] = lacking;
    return result;
}

static int f_rename(const char *from, const char *to) { return fails(RENAME) ? -1 : real.rename_new(from, to); }
static int f_unlink(const char *path) { return fails(UNLINK) ? -1 : real.unlink(path); }
static int f_lock(int fd, int command, struct flock *l) { return fails(LOCK) ? -1 : real.lock(fd, command, l); }

static void *f_map(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *mapped = fails(MAP) ? (void *)-1 : real.map(at, size, protection, flags, fd, offset);
    mappings += mapped != (void *)-1;
    return mapped;
}

static int f_unmap(void *at, size_t size)
{
    mappings--;
    return real.unmap(at, size);
}

static int f_advise(void *at, size_t size, int advice) { return fails(ADVISE) ? -1 : real.advise(at, size, advice); }

static void *f_allocate(size_t count, size_t size)
{
    void *memory = fails(ALLOCATE) ? NULL : real.allocate(count, size);
    blocks += memory != NULL;
    return memory;
}

static void f_release(void *memory)
{
    blocks -= memory != NULL;
    real.release(memory);
    errno = EIO;
}

static ssize_t f_random(void *bytes, size_t size) { return fails(RANDOM) ? -1 : real.random(bytes, size); }

static long f_futex(uint32_t *word, int operation, uint32_t value, const struct timespec *until, uint32_t bits)
{
    return fails(FUTEX) ? -1 : real.futex(word, operation, value, until, bits);
}

static long f_waitv(const void *words, unsigned count, const struct timespec *until)
{
    return fails(WAITV) ? -1 : real.futex_waitv(words, count, until);
}

static int f_sleep(const struct timespec *until) { return fails(SLEEP) ? errno : real.sleep_until(until); }

static int f_event(void)
{
    int fd = fails(EVENT) ? -1 : real.event();
    descriptors += fd >= 0;
    return fd;
}

static int f_start(pthread_t *thread, const pthread_attr_t *with, void *(*run)(void *), void *argument)
{
    return fails(START) ? errno : real.start(thread, with, run, argument);
}

static const struct cvb_system faulty = {f_open,    f_close,  f_status, f_read,  f_reserve, f_mode,   f_link,
                                         f_rename,  f_unlink, f_lock,   f_map,   f_unmap,   f_advise, f_allocate,
                                         f_release, f_random, f_futex,  f_waitv, f_sleep,   f_event,  f_start};

static const int reasons[CALLS][12] = {
    [OPEN] = {EACCES, EPERM, EROFS, EMFILE, ENFILE, ENOMEM, ENOSPC, ENOENT, ENOTDIR, EINTR, EOPNOTSUPP},
    [STATUS] = {ENOMEM, EOVERFLOW, EIO},
    [READ] = {EIO, EINTR, EISDIR},
    [RESERVE] = {ENOSPC, EFBIG, EINTR, EINVAL, ENODEV, EPERM},
    [MODE] = {EPERM, EROFS, EIO},
    [LINK] = {ENOENT, EACCES, EPERM, ENOSPC, EROFS, EEXIST, EMLINK, EXDEV},
    [RENAME] = {EINVAL, ENOSYS, EPERM, EACCES, ENOSPC, EROFS, EEXIST},
    [UNLINK] = {EACCES, EPERM, EROFS, EBUSY, EIO},
    [LOCK] = {EINVAL, ENOLCK, ENOSYS, EPERM, EACCES, EOPNOTSUPP, EBADF},
    [MAP] = {ENOMEM, EAGAIN, ENODEV, EPERM},
    [ADVISE] = {EINVAL, ENOSYS, ENOMEM, EPERM},
    [ALLOCATE] = {ENOMEM},
    [RANDOM] = {EAGAIN, ENOSYS, EPERM, EINTR},
    [FUTEX] = {EAGAIN, EINTR, ETIMEDOUT, ENOSYS, EPERM, EACCES, EINVAL, EFAULT},
    [WAITV] = {EAGAIN, EINTR, ETIMEDOUT, ENOSYS, EPERM, EACCES, EINVAL, ENOMEM},
    [SLEEP] = {EINTR, ENOSYS, EPERM, EINVAL},
    [EVENT] = {EINVAL, EMFILE, ENFILE, ENODEV, ENOMEM},
    [START] = {EAGAIN, EINVAL, EPERM},
};

static char name[64];
static struct cvb_handle *live;
static uint32_t stage, source;

/* From here on the plan holds. */
static void begin(void)
{
    memset(seen, 0, sizeof seen);
    fired = false;
    armed = true;
}

static int end(int result)
{
    armed = false;
    memset(always, 0, sizeof always);
    return result;
}

/* The operations: each returns what the library's call says. What it made is undone without faults. */
static int do_create(void)
{
    const char *other = segment_name("other");
    struct cvb_settings s = small_settings(20, 20, 20);
    begin();
    int error = end(cvb_create(other, &s)), kept = errno;
    if (!error)
        cr_assert_eq(cvb_unlink(other), 0);
    errno = kept;
    return error;
}

static int do_create_without_links(void)
{
    always[LINK] = ENOENT;
    return do_create();
}

static int do_create_without_nameless_files(void)
{
    always[OPEN] = EOPNOTSUPP;
    return do_create();
}

static int detach_after(int error, struct cvb_handle *h)
{
    int kept = errno;
    if (!error)
        cr_assert_eq(cvb_detach(h), 0);
    errno = kept;
    return error;
}

static int do_attach(void)
{
    struct cvb_handle *h = NULL;
    begin();
    int error = end(cvb_attach(name, &h));
    return detach_after(error, h);
}

static int do_observe(void)
{
    struct cvb_handle *h = NULL;
    begin();
    int error = end(cvb_observe(name, &h));
    return detach_after(error, h);
}

/* The only handle of its process: it is unmapped, too. */
static int do_attach_first(void)
{
    cr_assert_eq(cvb_detach(live), 0);
    int error = do_attach(), kept = errno;
    uint32_t same;
    cr_assert_eq(cvb_attach(name, &live), 0);
    cr_assert_eq(cvb_stage(live, "a", &same), 0);
    errno = kept;
    return error;
}

static int do_detach(void)
{
    struct cvb_handle *h = NULL;
    cr_assert_eq(cvb_attach(name, &h), 0);
    begin();
    return end(cvb_detach(h));
}

static int do_wait(void)
{
    begin();
    int error = end(cvb_wait_records(live, &stage, 1, 20000000));
    return error == CVB_ETIMEDOUT ? 0 : error;
}

static int do_wait_without_waitv(void)
{
    always[WAITV] = ENOSYS;
    return do_wait();
}

static int do_wait_without_futexes(void)
{
    always[WAITV] = always[FUTEX] = EPERM;
    return do_wait();
}

static int do_notify(void)
{
    struct cvb_notifier *n = NULL;
    begin();
    int error = end(cvb_notify_open(name, &stage, 1, &n)), kept = errno;
    if (!error)
        cr_assert_eq(cvb_notify_close(n), 0);
    errno = kept;
    return error;
}

/* More watches than there is room for at first. */
static int watch_many(struct cvb_notifier *n)
{
    enum { MANY = 17 };
    int id = 0;
    for (int i = 0; i < MANY && id >= 0; i++)
        id = cvb_notify_watch(n, &(struct cvb_watch){.what = CVB_WATCH_RECORDS, .stage = stage});
    return id < 0 ? id : 0;
}

/* The notifier's thread waits for a record, which comes: it tells of that, or why it cannot. */
static int await_record(struct cvb_notifier *n)
{
    struct cvb_watch told_of;
    struct pollfd p = {.fd = cvb_notify_fd(n), .events = POLLIN};
    cr_assert_eq(put_numbers(live, stage, source, 1, 1, NULL), 1);
    cr_assert_eq(poll(&p, 1, 60000), 1);
    int told = cvb_notify_fired(n, &told_of, 1);
    if (told < 0)
        errno = plan.reason; /* the thread's own errno is not the caller's */
    return told < 0 ? told : 0;
}

static int do_watch(void)
{
    struct cvb_notifier *n = NULL;
    cr_assert_eq(cvb_notify_create(name, &n), 0);
    begin();
    int error = watch_many(n);
    if (!error)
        error = await_record(n);
    int kept = errno;
    end(0);
    cr_assert_eq(cvb_notify_close(n), 0);
    cr_assert_geq(drain(live, stage), 0);
    errno = kept;
    return error;
}

static int do_watch_without_waitv(void)
{
    always[WAITV] = ENOSYS;
    return do_watch();
}

static int die_attached(void *unused)
{
    struct cvb_handle *h;
    (void)unused;
    return cvb_detach(live) != CVB_EFORKED || cvb_attach(name, &h);
}

static int do_recover(void)
{
    cr_assert_eq(reap(spawn(die_attached, NULL)), 0);
    begin();
    int freed = end(cvb_recover(live)), kept = errno;
    cr_assert(freed <= 1);
    if (freed <= 0)
        cr_assert_eq(cvb_recover(live), 1, "and then the dead one is seen");
    errno = kept;
    return freed < 0 ? freed : 0;
}

static int do_audit(void)
{
    struct cvb_audit a;
    begin();
    return end(cvb_audit(live, &a));
}

static int do_peer(void)
{
    struct cvb_peer peer;
    struct cvb_handle *h;
    cr_assert_eq(cvb_attach(name, &h), 0);
    begin();
    int error = end(cvb_peer(live, 1, &peer)), kept = errno;
    cr_assert(error || peer.state != CVB_PEER_DEAD, "a living peer never looks dead");
    cr_assert_eq(cvb_detach(h), 0);
    errno = kept;
    return error;
}

static int visit(const char *found, const struct cvb_settings *settings, uint64_t bytes, void *there)
{
    (void)settings;
    (void)bytes;
    *(bool *)there |= !strcmp(found, name);
    return 0;
}

static int do_list(void)
{
    bool there = false;
    begin();
    int error = end(cvb_list(visit, &there));
    if (!error && !fired)
        cr_assert(there);
    return error;
}

static int do_unlink(void)
{
    const char *other = segment_name("other");
    struct cvb_settings s = small_settings(20, 20, 20);
    cr_assert_eq(cvb_create(other, &s), 0);
    begin();
    int error = end(cvb_unlink(other)), kept = errno;
    if (error)
        cr_assert_eq(cvb_unlink(other), 0);
    errno = kept;
    return error;
}

/* Which errors may stand for a cause. */
static bool names_cause(int error, int reason)
{
    switch (error) {
    case CVB_EEXIST:
        return reason == EEXIST;
    case CVB_EPERM:
        return reason == EACCES || reason == EPERM || reason == EROFS;
    case CVB_ENOSPC:
        return reason == ENOSPC || reason == EFBIG;
    case CVB_ENOENT:
        return reason == ENOENT;
    case CVB_EMAGIC:
        return reason == ENXIO || reason == EISDIR || reason == ELOOP;
    case CVB_EUNSUPPORTED:
    case CVB_ESYSTEM:
        return true;
    case CVB_EINTERRUPTED:
        return reason == EINTR;
    default:
        return false;
    }
}

static unsigned files_of_this_process(void)
{
    char pid[32];
    unsigned n = 0;
    snprintf(pid, sizeof pid, "-%d-", (int)getpid());
    DIR *d = opendir("/dev/shm");
    for (struct dirent *e; d && (e = readdir(d));)
        n += strstr(e->d_name, pid) != NULL;
    if (d)
        closedir(d);
    return n;
}

static unsigned seats_taken(void)
{
    unsigned n = 0;
    struct cvb_peer peer;
    for (uint32_t s = 0; !cvb_peer(live, s, &peer); s++)
        n += peer.state != CVB_PEER_NONE;
    return n;
}

static void check(const char *what, int (*operation)(void), enum call call, unsigned at, int reason)
{
    long before[] = {descriptors, mappings, blocks};
    unsigned files = files_of_this_process(), seats = seats_taken();
    plan = (struct plan){call, at, reason};
    errno = 0;
    int error = operation(), said = errno;
    cr_assert(!error || names_cause(error, reason), "%s, call %d at %u, errno %d: %s", what, call, at, reason,
              cvb_error_text(error));
    if (error == CVB_ESYSTEM || error == CVB_EUNSUPPORTED || error == CVB_EPERM || error == CVB_ENOSPC)
        cr_assert_eq(said, reason, "%s, call %d at %u, errno %d: errno is %d", what, call, at, reason, said);
    if (call == STATUS && descriptors == before[0] + 1)
        descriptors--; /* not closed, because it may have been somebody else's */
    cr_assert(descriptors == before[0] && mappings == before[1] && blocks == before[2],
              "%s, call %d at %u, errno %d leaves %ld descriptors, %ld mappings, %ld blocks", what, call, at, reason,
              descriptors - before[0], mappings - before[1], blocks - before[2]);
    cr_assert_eq(files_of_this_process(), files, "%s, call %d at %u, errno %d leaves a file", what, call, at, reason);
    cr_assert_eq(seats_taken(), seats, "%s, call %d at %u, errno %d leaves a seat", what, call, at, reason);
}

/* All calls of an operation, all their occurrences, all their errnos. */
static void try_all(const char *what, int (*operation)(void))
{
    unsigned tried = 0;
    check(what, operation, OPEN, 0, 0);
    for (enum call call = 0; call < CALLS; call++)
        for (unsigned at = 1;; at++) {
            bool reached = false;
            for (unsigned r = 0; reasons[call][r]; r++) {
                check(what, operation, call, at, reasons[call][r]);
                reached |= fired;
                tried += fired;
            }
            if (!reached || at == 40)
                break;
        }
    check(what, operation, OPEN, 0, 0);
    cr_log_info("%s: %u faults", what, tried);
}

static void set_up(void)
{
    snprintf(name, sizeof name, "%s", segment_name("faults"));
    real = cvb_system;
    struct cvb_settings s = small_settings(20, 20, 20);
    s.max_handles = 4;
    cvb_system = faulty;
    live = make_segment(name, &s);
    cr_assert_not_null(live);
    cr_assert_eq(cvb_stage(live, "a", &stage), 0);
    cr_assert_eq(cvb_source(live, "s", &source), 0);
}

static void tear_down(void)
{
    armed = false;
    cvb_detach(live);
    cr_expect_eq(cvb_unlink(name), 0);
    cr_expect_eq(files_of_this_process(), 0);
    cr_expect(!descriptors && !mappings && !blocks, "%ld descriptors, %ld mappings, %ld blocks are left", descriptors,
              mappings, blocks);
}

TestSuite(faults, .init = set_up, .fini = tear_down);

Test(faults, create) { try_all("create", do_create); }
Test(faults, create_without_links) { try_all("create without links", do_create_without_links); }
Test(faults, create_without_nameless_files) { try_all("create with a name", do_create_without_nameless_files); }
Test(faults, attach) { try_all("attach", do_attach); }
Test(faults, attach_first) { try_all("attach first", do_attach_first); }
Test(faults, observe) { try_all("observe", do_observe); }
Test(faults, detach) { try_all("detach", do_detach); }
Test(faults, wait) { try_all("wait", do_wait); }
Test(faults, wait_without_waitv) { try_all("wait without waitv", do_wait_without_waitv); }
Test(faults, wait_without_futexes) { try_all("wait without futexes", do_wait_without_futexes); }
Test(faults, notify) { try_all("notify", do_notify); }
Test(faults, watch) { try_all("watch", do_watch); }
Test(faults, watch_without_waitv) { try_all("watch without waitv", do_watch_without_waitv); }
Test(faults, recover) { try_all("recover", do_recover); }
Test(faults, audit) { try_all("audit", do_audit); }
Test(faults, peer) { try_all("peer", do_peer); }
Test(faults, list) { try_all("list", do_list); }
Test(faults, unlink) { try_all("unlink", do_unlink); }
