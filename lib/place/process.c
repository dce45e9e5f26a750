/* process.c - what the handles of one process share: a mapping for each segment, and the mutex that fork waits for.
 *
 * Overview: a segment is mapped once, however many handles a process has on it (found by device and inode), and once
 * more, read-only, for all its observers. That a handle lives is told by a lock whose only reference is a mapping
 * (shm/attach.c). To ask about the locks of others a descriptor is needed: each mapping has one, whose open file holds
 * no lock. A process may close all its descriptors, as daemons do, or give their numbers to other files; so a round of
 * questions looks what file the descriptor shows, before, and again before an answer "nobody holds it" is believed. If
 * it shows another file, the segment is opened again by its name. If the name leads to another file too, this process
 * finds nobody dead, and leaves that to others: a living peer is never taken for a dead one.
 *
 * Fork: the handlers hold the mutex over a fork in any thread, so a child never sees half of an attach, nor the
 * descriptor that an attach has open for a moment. The child's handles are marked as the parent's, by a page that the
 * kernel wipes.
 *
 * A thread that has the mutex has signals blocked, so a handler that forks does not wait for its own thread. While a
 * thread forks the mutex is its own: the fork handlers of others may attach and detach, and fork again.
 *
 * Only attach, detach, fork and the opening of a lost descriptor take the mutex; it is the process's own, and nothing
 * waits for another process under it. There is no destructor, no data of threads, and no thread here: dlclose takes
 * away the fork handlers, and nothing else is left.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include <conveyor/state.h>

#include "place/place.h"
#include "system.h"

struct cvb_mapping {
    struct cvb_mapping *next;
    struct cvb_segment segment;
    struct cvb_file file;
    int question; /* the descriptor to ask with, or -1 */
    unsigned users;
    bool read_only;
    char name[CVB_SEGMENT_NAME_MAX + 2];
};

/* A thread that wants the mutex holds `queue` until it has the mutex: so a thread that takes the mutex again and again
 * does not keep a fork waiting. */
static pthread_mutex_t queue = PTHREAD_MUTEX_INITIALIZER, mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int handlers_error; /* an errno */
static struct cvb_mapping *mappings;
static struct cvb_handle *attached;

/* The thread that holds the mutex over a fork, 0 if none does: only that thread itself writes and finds its number. */
static uintptr_t forker;
static unsigned forks; /* of the forker: those that have begun, one within the handlers of another */

/* A word on a page that the kernel clears in every forked child, as long as the process has mappings: so a child knows
 * that its handles are still its parent's. qemu's user mode takes any advice and clears nothing. */
enum { NEW_CHILD, FIRST, CLEANED };
static uint32_t *generation;

static bool is_forker(void) { return __atomic_load_n(&forker, __ATOMIC_RELAXED) == (uintptr_t)pthread_self(); }

static void set_forker(uintptr_t thread) { __atomic_store_n(&forker, thread, __ATOMIC_RELAXED); }

static void block_signals(sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

static void unblock_signals(const sigset_t *before) { pthread_sigmask(SIG_SETMASK, before, NULL); }

/* Closes the mapping's descriptor, if it is still its own. */
static void close_question(struct cvb_mapping *m)
{
    uint64_t size;
    int fd = m->question;
    __atomic_store_n(&m->question, -1, __ATOMIC_RELAXED);
    if (cvb_shows_file(fd, &m->file, &size) == 1)
        cvb_close(fd);
}

/* The kernel has cleared the handle's page in the child and left its lock's out. qemu's user mode takes any advice and
 * heeds hardly any: there the child does both. */
static void leave_to_parent(struct cvb_handle *h)
{
    if (*h->same_process) {
        if (h->lock)
            cvb_lock_drop(h->lock);
        *(uint32_t *)(uintptr_t)h->same_process = 0;
    }
    h->lock = NULL;
}

static void leave_all_to_parent(void)
{
    for (struct cvb_handle *h = attached; h; h = h->next)
        leave_to_parent(h);
    attached = NULL;
    for (struct cvb_mapping *m = mappings; m; m = m->next)
        close_question(m);
    if (generation && *generation == NEW_CHILD)
        *generation = CLEANED;
}

/* Takes the mutex; signals are blocked until unlock_process. The forker has it already, also in the child, where the
 * handlers of others may be called before the one below. */
static void lock_process(sigset_t *before)
{
    if (!is_forker()) {
        block_signals(before);
        pthread_mutex_lock(&queue);
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&queue);
    }
    if (generation && *generation == NEW_CHILD)
        leave_all_to_parent();
}

static void unlock_process(const sigset_t *before)
{
    if (is_forker())
        return;
    pthread_mutex_unlock(&mutex);
    unblock_signals(before);
}

static void before_fork(void)
{
    sigset_t before;
    if (!is_forker()) {
        block_signals(&before);
        pthread_mutex_lock(&queue);
        pthread_mutex_lock(&mutex);
        set_forker((uintptr_t)pthread_self());
        unblock_signals(&before);
    }
    forks++;
}

static void after_fork_parent(void)
{
    sigset_t before;
    if (--forks)
        return;
    block_signals(&before);
    set_forker(0);
    pthread_mutex_unlock(&mutex);
    pthread_mutex_unlock(&queue);
    unblock_signals(&before);
}

/* What the child's own fork handlers have attached before stays its own. */
static void after_fork_child(void)
{
    if (generation && *generation != CLEANED)
        leave_all_to_parent();
    after_fork_parent();
}

static void prepare(void) { handlers_error = pthread_atfork(before_fork, after_fork_parent, after_fork_child); }

static struct cvb_mapping *find(const struct cvb_file *file, bool read_only)
{
    struct cvb_mapping *m = mappings;
    while (m && (m->file.device != file->device || m->file.inode != file->inode || m->read_only != read_only))
        m = m->next;
    return m;
}

int cvb_map_wiped(size_t size, void **memory)
{
    *memory = cvb_system.map(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (*memory == MAP_FAILED)
        return CVB_ESYSTEM;
    if (!cvb_system.advise(*memory, CVB_PAGE, MADV_WIPEONFORK))
        return 0;
    int kept = errno;
    cvb_system.unmap(*memory, size);
    errno = kept;
    return CVB_EUNSUPPORTED;
}

static int begin_generation(void)
{
    void *page;
    int error = generation ? 0 : cvb_map_wiped(CVB_PAGE, &page);
    if (!generation && !error) {
        generation = page;
        *generation = is_forker() ? CLEANED : FIRST;
    }
    return error;
}

static void end_generation(void)
{
    int kept = errno;
    cvb_system.unmap(generation, CVB_PAGE);
    generation = NULL;
    errno = kept;
}

static struct cvb_mapping *map(int fd, const char *name, const struct cvb_file *file, const struct cvb_segment *segment,
                               bool read_only)
{
    struct cvb_mapping *m = cvb_system.allocate(1, sizeof *m);
    if (!m)
        return NULL;
    m->segment = *segment;
    m->file = *file;
    m->question = -1;
    m->read_only = read_only;
    strncpy(m->name, name, sizeof m->name - 1);
    if (cvb_segment_map(&m->segment, fd, read_only)) {
        int kept = errno;
        cvb_system.release(m);
        errno = kept;
        return NULL;
    }
    m->next = mappings;
    mappings = m;
    return m;
}

static void unmap(struct cvb_mapping *m)
{
    struct cvb_mapping **at = &mappings;
    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    close_question(m);
    cvb_segment_unmap(&m->segment);
    cvb_system.release(m);
    if (!mappings)
        end_generation();
}

/* The descriptor becomes the mapping's, or is closed if the mapping has one. */
static void keep_question(struct cvb_mapping *m, int fd)
{
    uint64_t size;
    if (cvb_shows_file(m->question, &m->file, &size))
        cvb_close(fd);
    else
        __atomic_store_n(&m->question, fd, __ATOMIC_RELAXED);
}

/* The handle becomes one of a mapping of the segment. Called under the mutex. */
static int join(struct cvb_handle *h, const char *name)
{
    struct cvb_segment segment;
    struct cvb_file file;
    int fd = cvb_segment_open(name, h->observer, &segment, &file);
    if (fd < 0)
        return fd;
    struct cvb_mapping *m = find(&file, h->observer);
    int error = begin_generation();
    if (!error && !m) {
        m = map(fd, name, &file, &segment, h->observer);
        error = m ? 0 : CVB_ESYSTEM;
    }
    if (error) {
        cvb_close(fd);
        if (generation && !mappings)
            end_generation();
        return error;
    }
    keep_question(m, fd);
    m->users++;
    h->mapping = m;
    h->segment = m->segment;
    h->next = attached;
    attached = h;
    return 0;
}

int cvb_join_mapping(struct cvb_handle *h, const char *name)
{
    pthread_once(&once, prepare);
    if (handlers_error) {
        errno = handlers_error;
        return CVB_ESYSTEM;
    }
    sigset_t signals;
    lock_process(&signals);
    int error = join(h, name);
    unlock_process(&signals);
    return error;
}

void cvb_leave_mapping(struct cvb_handle *h)
{
    sigset_t signals;
    lock_process(&signals);
    struct cvb_handle **at = &attached;
    while (*at && *at != h)
        at = &(*at)->next;
    if (*at)
        *at = h->next;
    cvb_unlock_number(h);
    if (!--h->mapping->users)
        unmap(h->mapping);
    unlock_process(&signals);
}

int cvb_lock_number(struct cvb_handle *h, uint64_t number)
{
    sigset_t signals;
    lock_process(&signals);
    int fd = cvb_segment_reopen(h->mapping->name, false, &h->mapping->file);
    int taken = fd < 0 ? fd : cvb_lock_take(fd, number, &h->lock);
    if (fd >= 0)
        cvb_close(fd);
    unlock_process(&signals);
    return taken;
}

/* In a child that was forked past the handlers the address is not the lock's. */
void cvb_unlock_number(struct cvb_handle *h)
{
    if (h->lock && *h->same_process)
        cvb_lock_drop(h->lock);
    h->lock = NULL;
}

/* Called when the descriptor is lost: opens a new one, unless another thread has done so. Returns as cvb_shows_file. */
CVB_RARE static int find_question(struct cvb_handle *h, uint64_t *size)
{
    struct cvb_mapping *m = h->mapping;
    sigset_t signals;
    int before = cvb_guard();
    lock_process(&signals);
    if (!cvb_shows_file(m->question, &m->file, size))
        __atomic_store_n(&m->question, cvb_segment_reopen(m->name, m->read_only, &m->file), __ATOMIC_RELAXED);
    h->question = m->question;
    unlock_process(&signals);
    cvb_unguard(before);
    return cvb_shows_file(h->question, &m->file, size);
}

int cvb_look_begin(struct cvb_handle *h)
{
    uint64_t size;
    int kept = errno;
    h->question = __atomic_load_n(&h->mapping->question, __ATOMIC_RELAXED);
    int shows = cvb_shows_file(h->question, &h->mapping->file, &size);
    if (!shows)
        shows = find_question(h, &size);
    errno = kept;
    if (shows != 1)
        return 0;
    return size < h->segment.geometry.size ? CVB_ETRUNCATED : 1;
}

int cvb_number_locked(struct cvb_handle *h, uint64_t number)
{
    return number == h->number ? 1 : cvb_lock_held(h->question, number);
}

bool cvb_look_confirm(struct cvb_handle *h)
{
    uint64_t size;
    return cvb_shows_file(h->question, &h->mapping->file, &size) == 1;
}

int cvb_is_linked(struct cvb_handle *h)
{
    struct stat st;
    int error = cvb_reader_check(h), before = cvb_guard();
    int shows = error ? error : cvb_look_begin(h);
    if (shows == 1)
        shows = cvb_system.status(h->question, &st) ? CVB_ESYSTEM : st.st_nlink > 0;
    cvb_unguard(before);
    return shows; /* 0 also if no descriptor can be had, because the name leads to another file, or to none */
}
