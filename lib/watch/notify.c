/* notify.c - a thread waits for what watches are for, and an eventfd tells when it is there.
 *
 * A watch: NONE --watch--> ARMED --it is there--> FIRED --fired--> TOLD --arm--> ARMED.
 *
 * Overview: the thread waits for all that is ARMED at once (cvb_wait_any), without the mutex; what it found becomes
 * FIRED and is queued, and the descriptor is readable while the queue is not empty. If nothing is ARMED it sleeps on a
 * condition variable. A call that arms, adds or removes a watch wakes it, so that it gathers anew.
 *
 * Why none is missed: an armed watch is looked at before the thread sleeps, so what came while it was not ARMED is seen
 * then. Why it does not burn: what has fired is not waited for.
 *
 * A program may close the descriptor with all others, and its number become another file's. That one is not touched:
 * the descriptor is looked at before it is read, written or closed.
 *
 * The wake-up for a record is one process's. If a watch has taken it and is removed, or its notifier closed, before it
 * was armed again, another sleeper is woken in its place.
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

#include "system.h"
#include "watch/watch.h"

#define NOTIFY_STACK_BYTES (256u << 10)
#define WATCHES_LEAST 16u /* that a notifier has room for at first */

struct watching {
    struct cvb_watch given;
    enum { CVB_NONE, CVB_ARMED, CVB_FIRED, CVB_TOLD } state;
    uint32_t round; /* grows with each arming, so that what was found for an earlier one is not taken for this one's */
    int next;       /* in the queue of those that have fired, or -1 */
    uint64_t gone, looked_ns; /* for what is settled: what its last look has seen */
};

struct cvb_notifier {
    struct cvb_handle *handle; /* used by the thread alone while it runs, but for cvb_wake and cvb_flag_wake */
    int fd;
    struct cvb_file file; /* what fd shows; all descriptors of this kind show the same */
    bool together;        /* made by cvb_notify_open: all watches are told as one */
    pthread_t thread;
    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t changed;
    bool closing, waiting; /* waiting: in a wait that nobody has ended yet */
    int error;             /* what ended the waiting, or 0 */
    struct watching *watch;
    int room, first, last;              /* of watches; ends of the queue, or -1 */
    struct cvb_awaited *list, *offered; /* the thread's own, and a longer one that it is to take instead, or NULL */
};

static void queue_fired(struct cvb_notifier *n, int id)
{
    n->watch[id].state = CVB_FIRED;
    n->watch[id].next = -1;
    if (n->first < 0)
        n->first = id;
    else
        n->watch[n->last].next = id;
    n->last = id;
}

static void unqueue_fired(struct cvb_notifier *n, int id)
{
    int before = -1;
    for (int i = n->first; i >= 0 && i != id; i = n->watch[i].next)
        before = i;
    *(before < 0 ? &n->first : &n->watch[before].next) = n->watch[id].next;
    if (n->last == id)
        n->last = before;
}

/* True also if the system does not tell. */
static bool has_descriptor(const struct cvb_notifier *n)
{
    uint64_t size;
    return cvb_shows_file(n->fd, &n->file, &size) != 0;
}

/* Makes the descriptor readable if there is anything to tell, and unreadable if not. */
static void show_fired(struct cvb_notifier *n)
{
    eventfd_t count;
    if (!has_descriptor(n))
        return;
    if (n->first >= 0 || n->error)
        eventfd_write(n->fd, 1);
    else
        eventfd_read(n->fd, &count); /* EAGAIN: somebody has read it already */
}

/* Wakes another sleeper in place of this notifier, which may have been woken for a record. */
static void pass_on(struct cvb_notifier *n, const struct watching *w)
{
    if (w->given.what == CVB_WATCH_RECORDS)
        cvb_flag_wake(n->handle, cvb_flag_of_data(w->given.stage), 1);
}

/* Puts all watches that are armed into the thread's list. Returns how many. */
static size_t gather_armed(struct cvb_notifier *n)
{
    size_t count = 0;
    if (n->offered) {
        cvb_system.release(n->list);
        n->list = n->offered;
        n->offered = NULL;
    }
    if (n->error || (n->together && n->first >= 0))
        return 0;
    for (int id = 0; id < n->room; id++) {
        const struct watching *w = &n->watch[id];
        if (w->state == CVB_ARMED)
            n->list[count++] = (struct cvb_awaited){.what = w->given.what,
                                                    .stage = w->given.stage,
                                                    .source = w->given.source,
                                                    .position = w->given.position,
                                                    .gone = w->gone,
                                                    .looked_ns = w->looked_ns,
                                                    .class = w->given.length ? cvb_class_for(n->handle, w->given.length)
                                                                             : CVB_NO_CLASS,
                                                    .id = (uint32_t)id,
                                                    .round = w->round};
    }
    return count;
}

/* Keeps what a wait has seen of what is settled: it spares the next wait a look at all units. */
static void keep_looks(struct cvb_notifier *n, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct cvb_awaited *a = &n->list[i];
        struct watching *w = &n->watch[a->id];
        if (w->round == a->round) {
            w->gone = a->gone;
            w->looked_ns = a->looked_ns;
        }
    }
}

/* Makes watches FIRED that the thread's wait has found there, or keeps the error that it has ended with. */
static void tell_found(struct cvb_notifier *n, size_t count, int found)
{
    n->error = found < 0 ? found : 0;
    for (size_t i = 0; found > 0 && i < count; i++) {
        const struct cvb_awaited *a = &n->list[i];
        struct watching *w = &n->watch[a->id];
        if (!a->there)
            continue;
        if (w->state == CVB_ARMED && w->round == a->round)
            queue_fired(n, (int)a->id);
        else if (a->what == CVB_WATCH_RECORDS)
            cvb_flag_wake(n->handle, cvb_flag_of_data(a->stage), 1);
    }
    show_fired(n);
}

/* The thread. */
static void *watch(void *argument)
{
    struct cvb_notifier *n = argument;
    pthread_mutex_lock(&n->mutex);
    while (!n->closing) {
        size_t count = gather_armed(n);
        if (!count) {
            pthread_cond_wait(&n->changed, &n->mutex);
            continue;
        }
        n->waiting = true;
        pthread_mutex_unlock(&n->mutex);
        int found = cvb_wait_any(n->handle, n->list, count, -1);
        pthread_mutex_lock(&n->mutex);
        n->waiting = false;
        keep_looks(n, count);
        if (found != CVB_EINTERRUPTED)
            tell_found(n, count, found);
    }
    pthread_mutex_unlock(&n->mutex);
    return NULL;
}

/* Makes the thread gather anew what is armed. */
static void nudge(struct cvb_notifier *n)
{
    if (n->waiting)
        cvb_wake(n->handle);
    else
        pthread_cond_signal(&n->changed);
    n->waiting = false; /* that is enough until it waits again */
}

/* Starts the thread, with all signals blocked: they go to the program's own threads. 0 or an errno. */
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

/* Room for twice as many watches. */
static int grow_watches(struct cvb_notifier *n)
{
    const size_t room = n->room ? 2 * (size_t)n->room : WATCHES_LEAST;
    struct watching *watches = room > INT32_MAX ? NULL : cvb_system.allocate(room, sizeof *watches);
    struct cvb_awaited *list = watches ? cvb_system.allocate(room, sizeof *list) : NULL;
    if (!list) {
        cvb_system.release(watches);
        errno = ENOMEM;
        return CVB_ESYSTEM;
    }
    if (n->room)
        memcpy(watches, n->watch, (size_t)n->room * sizeof *watches);
    cvb_system.release(n->watch);
    cvb_system.release(n->offered);
    n->watch = watches;
    n->offered = list;
    n->room = (int)room;
    return 0;
}

static void arm_watch(struct watching *w)
{
    w->state = CVB_ARMED;
    w->round++;
}

static int add_watch(struct cvb_notifier *n, const struct cvb_watch *given)
{
    int id = 0;
    while (id < n->room && n->watch[id].state != CVB_NONE)
        id++;
    int error = id == n->room ? grow_watches(n) : 0;
    if (error)
        return error;
    struct watching *w = &n->watch[id];
    w->given = *given;
    w->given.id = id;
    w->gone = UINT64_MAX;
    arm_watch(w);
    return id;
}

static int stages_watched(struct cvb_notifier *n, const uint32_t *stages, size_t count)
{
    int error = 0;
    for (size_t i = 0; error >= 0 && i < count; i++)
        error = !cvb_id_named(n->handle, CVB_KIND_STAGE, stages[i])
                    ? CVB_EUNKNOWN
                    : add_watch(n, &(struct cvb_watch){.what = CVB_WATCH_RECORDS, .stage = stages[i]});
    return error < 0 ? error : 0;
}

static int make_descriptor(struct cvb_notifier *n)
{
    struct stat st;
    n->fd = cvb_system.event();
    if (n->fd < 0)
        return CVB_ESYSTEM;
    if (!cvb_system.status(n->fd, &st)) {
        n->file = (struct cvb_file){st.st_dev, st.st_ino};
        return 0;
    }
    cvb_close(n->fd);
    n->fd = -1;
    return CVB_ESYSTEM;
}

static int open_all(struct cvb_notifier *n, const char *name, const uint32_t *stages, size_t count)
{
    int error = cvb_attach(name, &n->handle);
    if (!error)
        error = stages_watched(n, stages, count);
    if (!error)
        error = make_descriptor(n);
    if (error)
        return error;
    errno = start(n);
    return errno ? CVB_ESYSTEM : 0;
}

/* In a forked child the mutex and the condition variable are as some thread of the parent's held them: they are left.
 */
static void free_all(struct cvb_notifier *n, bool forked)
{
    int kept = errno;
    if (n->handle)
        cvb_detach(n->handle);
    if (has_descriptor(n))
        cvb_close(n->fd);
    if (!forked) {
        pthread_cond_destroy(&n->changed);
        pthread_mutex_destroy(&n->mutex);
    }
    cvb_system.release(n->watch);
    cvb_system.release(n->list);
    cvb_system.release(n->offered);
    cvb_system.release(n);
    errno = kept;
}

static int make_notifier(const char *name, const uint32_t *stages, size_t count, struct cvb_notifier **notifier)
{
    int before = cvb_guard(), error = CVB_ESYSTEM;
    struct cvb_notifier *n = cvb_system.allocate(1, sizeof *n);
    if (n) {
        n->fd = n->first = n->last = -1;
        n->together = stages;
        pthread_mutex_init(&n->mutex, NULL);
        pthread_cond_init(&n->changed, NULL);
        error = open_all(n, name, stages, count);
        if (error)
            free_all(n, false);
        else
            *notifier = n;
    }
    cvb_unguard(before);
    return error;
}

int cvb_notify_create(const char *name, struct cvb_notifier **notifier)
{
    return notifier ? make_notifier(name, NULL, 0, notifier) : CVB_EINVAL;
}

int cvb_notify_open(const char *name, const uint32_t *stages, size_t count, struct cvb_notifier **notifier)
{
    if (!stages || !count || count > CVB_WAIT_MAX || !notifier)
        return CVB_EINVAL;
    return make_notifier(name, stages, count, notifier);
}

int cvb_notify_fd(const struct cvb_notifier *n) { return n ? n->fd : CVB_EINVAL; }

/* 0, or why there can be no such watch. Reads what never changes of the thread's handle. */
static int watch_check(struct cvb_notifier *n, const struct cvb_watch *w)
{
    const bool records = w->what == CVB_WATCH_RECORDS, settled = w->what == CVB_WATCH_SETTLED,
               no_stage = settled || (w->stage == CVB_NO_STAGE && !records),
               no_source = records || w->source == CVB_NO_SOURCE;
    if (w->id || w->reserved_word || w->reserved[0] || w->reserved[1] || w->reserved[2] ||
        w->what < CVB_WATCH_RECORDS || w->what > CVB_WATCH_SETTLED || (no_stage && no_source) ||
        (!settled && w->position) || (settled && (w->stage || w->length)) || (records && (w->source || w->length)))
        return CVB_EINVAL;
    if (w->length > n->handle->segment.settings.payload_size)
        return CVB_ETOOLONG;
    const bool known = (no_stage || cvb_id_named(n->handle, CVB_KIND_STAGE, w->stage)) &&
                       (no_source || cvb_source_known(n->handle, w->source));
    return known && !(w->what == CVB_WATCH_ROOM && w->stage == CVB_STAGE_DEAD_LETTER) ? 0 : CVB_EUNKNOWN;
}

/* The calling thread has the notifier for itself until leave_notifier. 0, or an error if it is not of this process. */
static int enter_notifier(struct cvb_notifier *n, int *before)
{
    int error = n ? cvb_handle_reads(n->handle) : CVB_EINVAL;
    if (error)
        return error;
    *before = cvb_guard();
    pthread_mutex_lock(&n->mutex);
    return 0;
}

static int leave_notifier(struct cvb_notifier *n, int before, int result)
{
    pthread_mutex_unlock(&n->mutex);
    cvb_unguard(before);
    return result;
}

int cvb_notify_watch(struct cvb_notifier *n, const struct cvb_watch *given)
{
    int before, error = given ? enter_notifier(n, &before) : CVB_EINVAL;
    if (error)
        return error;
    error = watch_check(n, given);
    if (!error)
        error = add_watch(n, given);
    if (error >= 0)
        nudge(n);
    return leave_notifier(n, before, error);
}

int cvb_notify_fired(struct cvb_notifier *n, struct cvb_watch *fired, size_t count)
{
    int before, error = fired && count && count <= INT32_MAX ? enter_notifier(n, &before) : CVB_EINVAL;
    if (error)
        return error;
    int told = 0;
    while (!n->error && n->first >= 0 && told < (int)count) {
        struct watching *w = &n->watch[n->first];
        fired[told++] = w->given;
        w->state = CVB_TOLD;
        n->first = w->next;
    }
    show_fired(n);
    return leave_notifier(n, before, n->error ? n->error : told);
}

/* The watch of that id, or NULL. */
static struct watching *watch_of(struct cvb_notifier *n, int id)
{
    return id >= 0 && id < n->room && n->watch[id].state != CVB_NONE ? &n->watch[id] : NULL;
}

int cvb_notify_arm(struct cvb_notifier *n, int id)
{
    int before, error = enter_notifier(n, &before);
    if (error)
        return error;
    struct watching *w = watch_of(n, id);
    if (w && w->state == CVB_TOLD) {
        arm_watch(w);
        nudge(n);
    }
    return leave_notifier(n, before, w ? 0 : CVB_EINVAL);
}

int cvb_notify_position(struct cvb_notifier *n, int id, uint64_t position)
{
    int before, error = enter_notifier(n, &before);
    if (error)
        return error;
    struct watching *w = watch_of(n, id);
    const bool settled = w && w->given.what == CVB_WATCH_SETTLED;
    if (settled) {
        if (w->state == CVB_FIRED)
            unqueue_fired(n, id);
        w->given.position = position;
        arm_watch(w);
        show_fired(n);
        nudge(n);
    }
    return leave_notifier(n, before, settled ? 0 : CVB_EINVAL);
}

int cvb_notify_unwatch(struct cvb_notifier *n, int id)
{
    int before, error = enter_notifier(n, &before);
    if (error)
        return error;
    struct watching *w = watch_of(n, id);
    if (w) {
        if (w->state == CVB_FIRED)
            unqueue_fired(n, id);
        if (w->state == CVB_ARMED)
            nudge(n);
        else
            pass_on(n, w);
        w->state = CVB_NONE;
        show_fired(n);
    }
    return leave_notifier(n, before, w ? 0 : CVB_EINVAL);
}

int cvb_notify_rearm(struct cvb_notifier *n)
{
    int before, error = enter_notifier(n, &before);
    if (error)
        return error;
    if (!n->error) {
        n->first = -1;
        for (int id = 0; id < n->room; id++)
            if (n->watch[id].state == CVB_FIRED || n->watch[id].state == CVB_TOLD)
                arm_watch(&n->watch[id]);
        show_fired(n);
        nudge(n);
    }
    return leave_notifier(n, before, n->error);
}

/* Ends the thread, whether it sleeps in a wait or until something is armed; passes on the wake-ups that it has used. */
static void end_thread(struct cvb_notifier *n)
{
    pthread_mutex_lock(&n->mutex);
    n->closing = true;
    pthread_cond_signal(&n->changed);
    pthread_mutex_unlock(&n->mutex);
    cvb_wake(n->handle);
    pthread_join(n->thread, NULL);
    for (int id = 0; id < n->room; id++)
        if (n->watch[id].state == CVB_FIRED || n->watch[id].state == CVB_TOLD)
            pass_on(n, &n->watch[id]);
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
