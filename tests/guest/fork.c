/* fork.c - fork at any moment in any thread: no child crashes, none keeps its parent's seats alive, each can attach
 * anew.
 */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FORKS = 400, HANDLES = 5, CHILDREN_MOST = 200, ATTACHES = 60 };
enum way { BY_FORK, BY_RAW_FORK, BY_RAW_CLONE, BY_SPAWN, BY_EXEC, WAYS };

static char name[64];
static atomic_int stop, handled;

static struct cvb_handle *make(uint32_t handles)
{
    struct cvb_settings s = small_settings(100, 50, 50);
    s.max_handles = handles;
    snprintf(name, sizeof name, "%s", segment_name("fork"));
    return make_segment(name, &s);
}

static void *attach_and_detach(void *unused)
{
    while (!stop) {
        struct cvb_handle *h;
        if (!cvb_attach(name, &h))
            cvb_detach(h);
    }
    return unused;
}

/* A child of a process whose other thread was at any point of an attach. */
static int attach_anew(struct cvb_handle *parents)
{
    struct cvb_handle *h;
    if (cvb_total_buffered(parents) != CVB_EFORKED || cvb_wake(parents) != CVB_EFORKED ||
        cvb_detach(parents) != CVB_EFORKED)
        return 1;
    return cvb_attach(name, &h) ? 2 : cvb_detach(h) ? 3 : 0;
}

Test(fork, beside_an_attach, .timeout = 60)
{
    struct cvb_handle *h = make(32);
    pthread_t thread;
    cr_assert_not_null(h);
    pthread_create(&thread, NULL, attach_and_detach, NULL);
    uint64_t end = now_ms() + 10000;
    for (int i = 0; i < FORKS && now_ms() < end; i++) {
        pid_t child = fork();
        if (!child) {
            alarm(20); /* a hang is a failure */
            _exit(i % 4 ? 0 : attach_anew(h));
        }
        cr_assert_eq(reap(child), 0, "fork %d", i);
    }
    stop = 1;
    pthread_join(thread, NULL);
    cr_assert_eq(cvb_detach(h), 0);
    cvb_unlink(name);
}

static pid_t start_living_child(enum way way)
{
    char *const arguments[] = {"sleep", "30", NULL};
    pid_t child = -1;
    if (way == BY_SPAWN)
        return posix_spawn(&child, "/bin/sleep", NULL, NULL, arguments, NULL) ? -1 : child;
#ifdef SYS_fork /* newer architectures have clone alone */
    if (way == BY_RAW_FORK)
        child = (pid_t)syscall(SYS_fork);
    else
#endif
        child = way == BY_RAW_FORK || way == BY_RAW_CLONE ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();
    if (!child) {
        alarm(30); /* if the test does not end it */
        if (way == BY_EXEC)
            execv("/bin/sleep", arguments);
        for (;;)
            pause();
    }
    return child;
}

struct victim {
    enum way way;
    atomic_int attached, ready, children;
    pid_t child[CHILDREN_MOST];
};

/* Has leases and many seats, and a child that lives on. */
static int lease_and_have_a_child(void *argument)
{
    struct victim *v = argument;
    struct cvb_handle *h[HANDLES];
    struct cvb_lease l[5];
    uint32_t stage;
    for (int i = 0; i < HANDLES; i++)
        if (cvb_attach(name, &h[i]))
            return 1;
    if (cvb_stage(h[0], "a", &stage) || cvb_get_batch(h[0], stage, l, 5) != 5)
        return 2;
    v->child[0] = start_living_child(v->way);
    v->children = 1;
    v->ready = 1;
    for (;;)
        pause();
    return 0;
}

static bool is_ready(void *argument) { return ((struct victim *)argument)->ready; }

static unsigned seats_of(struct cvb_handle *h, pid_t pid, enum cvb_peer_state state)
{
    struct cvb_peer peer;
    unsigned n = 0;
    for (uint32_t s = 0; !cvb_peer(h, s, &peer); s++)
        n += peer.pid == pid && peer.state == state;
    return n;
}

static void end_children(struct victim *v)
{
    for (int i = 0; i < v->children; i++)
        kill(v->child[i], SIGKILL);
}

Test(fork, no_child_keeps_the_seats_of_a_killed_parent, .timeout = 60)
{
    struct victim *v = shared_memory(sizeof *v);
    for (v->way = 0; v->way < WAYS; v->way++) {
        struct cvb_handle *h = make(24);
        uint32_t stage, source;
        cr_assert_not_null(h);
        cr_assert(!cvb_stage(h, "a", &stage) && !cvb_source(h, "s", &source));
        cr_assert_eq(put_numbers(h, stage, source, 0, 10, NULL), 10);
        v->ready = v->children = 0;
        pid_t parent = spawn(lease_and_have_a_child, v);
        cr_assert(wait_until(is_ready, v, 20000));
        cr_assert_eq(seats_of(h, parent, CVB_PEER_ALIVE), HANDLES);
        kill(parent, SIGKILL);
        cr_assert_eq(reap(parent), SIGNALED + SIGKILL);
        cr_assert_eq(kill(v->child[0], 0), 0, "the child lives");
        cr_assert_eq(seats_of(h, parent, CVB_PEER_DEAD), HANDLES, "way %d", v->way);
        cr_assert_eq(cvb_recover(h), HANDLES);
        cr_assert_eq(drain(h, stage), 10);
        cr_assert_null(audit_says(h, 0, 0));
        end_children(v);
        cvb_detach(h);
        cvb_unlink(name);
    }
}

static void *attach_many(void *argument)
{
    struct victim *v = argument;
    for (int i = 0; i < ATTACHES; i++) {
        struct cvb_handle *h;
        if (cvb_attach(name, &h))
            return NULL;
    }
    v->attached = 1;
    return NULL;
}

static int attach_and_fork(void *argument)
{
    struct victim *v = argument;
    pthread_t thread;
    pthread_create(&thread, NULL, attach_many, v);
    while (!v->attached && v->children < CHILDREN_MOST) {
        v->child[v->children] = start_living_child(BY_FORK);
        v->children++;
    }
    pthread_join(thread, NULL);
    v->ready = 1;
    for (;;)
        pause();
    return 0;
}

Test(fork, no_child_of_the_middle_of_an_attach_keeps_a_seat, .timeout = 60)
{
    struct cvb_handle *h = make(ATTACHES + 4);
    struct victim *v = shared_memory(sizeof *v);
    cr_assert_not_null(h);
    pid_t parent = spawn(attach_and_fork, v);
    cr_assert(wait_until(is_ready, v, 40000));
    kill(parent, SIGKILL);
    cr_assert_eq(reap(parent), SIGNALED + SIGKILL);
    cr_assert_eq(seats_of(h, parent, CVB_PEER_DEAD), ATTACHES, "%d children live", v->children);
    cr_assert_eq(cvb_recover(h), ATTACHES);
    end_children(v);
    cvb_detach(h);
    cvb_unlink(name);
}

/* Descriptors of the segment that the process has. */
static int descriptors_of_segment(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[300], target[300];
        snprintf(path, sizeof path, "/proc/self/fd/%s", e->d_name);
        ssize_t length = readlink(path, target, sizeof target - 1);
        target[length > 0 ? length : 0] = 0;
        n += strstr(target, name) != NULL;
    }
    if (d)
        closedir(d);
    return n;
}

Test(fork, a_child_inherits_no_descriptor, .timeout = 30)
{
    struct cvb_handle *h = make(8), *g;
    cr_assert_not_null(h);
    cr_assert_eq(cvb_attach(name, &g), 0);
    cr_assert_eq(descriptors_of_segment(), 1, "one to ask with for both");
    pid_t child = fork();
    if (!child)
        _exit(descriptors_of_segment());
    cr_assert_eq(reap(child), 0);
    cvb_detach(h);
    cvb_detach(g);
    cr_assert_eq(descriptors_of_segment(), 0);
    cvb_unlink(name);
}

/* A child of a child; both go on while the parent does. */
static int grandchild(void *argument)
{
    struct cvb_handle *h = argument;
    pid_t child = fork();
    if (!child)
        _exit(attach_anew(h));
    return reap(child) ? 1 : attach_anew(h);
}

Test(fork, children_of_children_attach_anew, .timeout = 30)
{
    struct cvb_handle *h = make(8);
    cr_assert_not_null(h);
    cr_assert_eq(reap(spawn(grandchild, h)), 0);
    cr_assert_null(audit_says(h, 0, 0));
    cr_assert_eq(cvb_detach(h), 0);
    cvb_unlink(name);
}

static void fork_in_a_handler(int number)
{
    (void)number;
    const int kept = errno;
    pid_t child = fork();
    if (!child)
        _exit(0);
    handled += reap(child) == 0;
    errno = kept;
}

/* The handler comes at any moment of an attach or a detach of its own thread. */
Test(fork, in_a_signal_handler, .timeout = 60)
{
    struct cvb_handle *h = make(8), *g;
    const struct itimerval often = {{0, 700}, {0, 700}}, never = {{0, 0}, {0, 0}};
    cr_assert_not_null(h);
    signal(SIGALRM, fork_in_a_handler);
    setitimer(ITIMER_REAL, &often, NULL);
    while (handled < FORKS)
        cr_assert(!cvb_attach(name, &g) && !cvb_detach(g));
    setitimer(ITIMER_REAL, &never, NULL);
    cr_assert_null(audit_says(h, 0, 0));
    cr_assert_eq(cvb_detach(h), 0);
    cvb_unlink(name);
}

static struct cvb_handle *own; /* each process that forks or was forked has one of its own */
static int attached_anew;

static void leave_before_fork(void) { attached_anew = own ? cvb_detach(own) : 0; }
static void attach_after_fork(void) { attached_anew |= cvb_attach(name, &own); }

static void fork_within_fork(void)
{
    static unsigned depth;
    if (depth++ >= 2)
        return;
    pid_t child = fork();
    if (!child)
        _exit(own && !cvb_total_buffered(own) ? 0 : 1);
    attached_anew |= reap(child);
}

/* The library's handlers are registered by the first attach: these come before it, so that they are called within. */
Test(fork, within_the_fork_handlers_of_others, .timeout = 60)
{
    alarm(50); /* a hang is a failure, in a child too */
    pthread_atfork(leave_before_fork, attach_after_fork, attach_after_fork);
    pthread_atfork(NULL, NULL, fork_within_fork);
    struct cvb_handle *h = make(24);
    cr_assert_not_null(h);
    for (int i = 0; i < 20; i++) {
        pid_t child = fork();
        if (!child)
            _exit(attached_anew || cvb_total_buffered(own) || cvb_total_buffered(h) != CVB_EFORKED || cvb_detach(own));
        cr_assert_eq(reap(child), 0);
        cr_assert_eq(attached_anew, 0);
        cr_assert_eq(cvb_total_buffered(own), 0);
    }
    cr_assert(cvb_recover(h) >= 0 && !cvb_detach(own));
    cr_assert_null(audit_says(h, 0, 0));
    cr_assert_eq(cvb_detach(h), 0);
    cvb_unlink(name);
}
