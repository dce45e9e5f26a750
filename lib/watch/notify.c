/* notify.c - waiting for records in a thread, and telling of them through an eventfd.
 *
 * Overview: armed - the thread waits for records; told - it has made the descriptor readable and sleeps on a condition
 * variable until it is armed again; closing - it ends.
 *
 * Why none is missed: an armed thread calls cvb_wait_records, which looks at the stages before it sleeps. Records that
 * came while it was told are seen then. Why it does not burn: once told it waits for nothing but the next arming.
 */
#include <conveyor/notify.h>
#include <conveyor/segment.h>
#include <conveyor/wait.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "flow/flow.h"
#include "system.h"

#define NOTIFY_STACK_BYTES (256u << 10)

struct cvb_notifier {
    struct cvb_handle *handle; /* used by the thread alone while it runs */
    int fd;
    pthread_t thread;
    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t changed;
    enum { CVB_ARMED, CVB_TOLD, CVB_CLOSING } state;
    int error; /* what ended the waiting, or 0 */
    size_t count;
    uint32_t stages[CVB_WAIT_MAX];
};

static void tell(struct cvb_notifier *n, int error)
{
    pthread_mutex_lock(&n->mutex);
    if (n->state == CVB_ARMED)
        n->state = CVB_TOLD;
    n->error = error;
    eventfd_write(n->fd, 1);
    pthread_mutex_unlock(&n->mutex);
}

/* False: it is time to end. */
static bool wait_until_armed(struct cvb_notifier *n)
{
    pthread_mutex_lock(&n->mutex);
    while (n->state == CVB_TOLD)
        pthread_cond_wait(&n->changed, &n->mutex);
    bool go_on = n->state == CVB_ARMED;
    pthread_mutex_unlock(&n->mutex);
    return go_on;
}

static void *watch(void *argument)
{
    struct cvb_notifier *n = argument;
    while (wait_until_armed(n)) {
        int found = cvb_wait_records(n->handle, n->stages, n->count, -1);
        if (found != CVB_EINTERRUPTED)
            tell(n, found < 0 ? found : 0);
    }
    return NULL;
}

/* The thread is none of the program's business: signals go to the program's own. 0 or an errno. */
static int start(struct cvb_notifier *n)
{
    pthread_attr_t attributes;
    sigset_t all, before;
    int reason = pthread_attr_init(&attributes);
    if (reason)
        return reason;
    pthread_attr_setstacksize(&attributes, NOTIFY_STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    reason = cvb_system.start(&n->thread, &attributes, watch, n);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (!reason)
        pthread_setname_np(n->thread, "conveyor-notify");
    return reason;
}

static int open_all(struct cvb_notifier *n, const char *name)
{
    int error = cvb_attach(name, &n->handle);
    for (size_t i = 0; !error && i < n->count; i++)
        if (!cvb_id_known(n->handle, CVB_KIND_STAGE, n->stages[i]))
            error = CVB_EUNKNOWN;
    if (error)
        return error;
    n->fd = cvb_system.event();
    if (n->fd >= 0 && !(errno = start(n)))
        return 0;
    return CVB_ESYSTEM;
}

/* In a forked child the mutex and the condition variable are as some thread of the parent's held them: they are left.
 */
static void free_all(struct cvb_notifier *n, bool forked)
{
    int kept = errno;
    if (n->handle)
        cvb_detach(n->handle);
    if (n->fd >= 0)
        cvb_close(n->fd);
    if (!forked) {
        pthread_cond_destroy(&n->changed);
        pthread_mutex_destroy(&n->mutex);
    }
    cvb_system.release(n);
    errno = kept;
}

static int make_notifier(const char *name, const uint32_t *stages, size_t count, struct cvb_notifier **notifier)
{
    struct cvb_notifier *n = cvb_system.allocate(1, sizeof *n);
    if (!n)
        return CVB_ESYSTEM;
    n->fd = -1;
    n->count = count;
    memcpy(n->stages, stages, count * sizeof *stages);
    pthread_mutex_init(&n->mutex, NULL);
    pthread_cond_init(&n->changed, NULL);
    int error = open_all(n, name);
    if (error)
        free_all(n, false);
    else
        *notifier = n;
    return error;
}

int cvb_notify_open(const char *name, const uint32_t *stages, size_t count, struct cvb_notifier **notifier)
{
    if (!stages || !count || count > CVB_WAIT_MAX || !notifier)
        return CVB_EINVAL;
    int before = cvb_guard(), error = make_notifier(name, stages, count, notifier);
    cvb_unguard(before);
    return error;
}

int cvb_notify_fd(const struct cvb_notifier *n) { return n ? n->fd : CVB_EINVAL; }

static int rearm(struct cvb_notifier *n)
{
    eventfd_t count;
    pthread_mutex_lock(&n->mutex);
    int error = n->error;
    if (!error) {
        eventfd_read(n->fd, &count); /* EAGAIN: somebody has read it already */
        n->state = CVB_ARMED;
        pthread_cond_signal(&n->changed);
    }
    pthread_mutex_unlock(&n->mutex);
    return error;
}

int cvb_notify_rearm(struct cvb_notifier *n)
{
    int error = n ? cvb_handle_reads(n->handle) : CVB_EINVAL;
    if (error)
        return error;
    int before = cvb_guard();
    error = rearm(n);
    cvb_unguard(before);
    return error;
}

/* The thread may sleep in a wait, or until it is armed. */
static void end_thread(struct cvb_notifier *n)
{
    pthread_mutex_lock(&n->mutex);
    n->state = CVB_CLOSING;
    pthread_cond_signal(&n->changed);
    pthread_mutex_unlock(&n->mutex);
    cvb_wake(n->handle);
    pthread_join(n->thread, NULL);
}

int cvb_notify_close(struct cvb_notifier *n)
{
    int error = n ? cvb_handle_reads(n->handle) : CVB_EINVAL;
    if (error && error != CVB_EFORKED)
        return error;
    int before = cvb_guard();
    if (!error)
        end_thread(n);
    free_all(n, error);
    cvb_unguard(before);
    return error;
}
