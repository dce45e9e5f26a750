/* descriptors.c - a program closes descriptors that are not its own, as daemons do: no seat is lost by that, nobody who
 * lives is taken for dead, and the dead are found again as long as the segment has its name.
 */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char name[64];
static uint32_t stage, source;

static struct cvb_handle *make(void)
{
    struct cvb_settings s = small_settings(60, 40, 50);
    snprintf(name, sizeof name, "%s", segment_name("closed"));
    return make_stage(name, &s, &stage, &source);
}

static struct shared {
    atomic_int ready, stop;
} * shared;

static bool is_ready(void *unused) { return (void)unused, shared->ready; }

static int lease_and_stay(void *unused)
{
    struct cvb_handle *h;
    struct cvb_lease l[5];
    (void)unused;
    if (cvb_attach(name, &h) || cvb_get_batch(h, stage, l, 5) != 5)
        return 1;
    shared->ready = 1;
    for (;;)
        pause();
    return 0;
}

static pid_t start_peer(void)
{
    shared = shared_memory(sizeof *shared);
    pid_t peer = spawn(lease_and_stay, NULL);
    return wait_until(is_ready, NULL, 20000) ? peer : -1;
}

static enum cvb_peer_state state_of(struct cvb_handle *h, pid_t pid)
{
    struct cvb_peer peer;
    for (uint32_t s = 0; !cvb_peer(h, s, &peer); s++)
        if (peer.pid == pid)
            return peer.state;
    return CVB_PEER_NONE;
}

static void close_from(int first) { syscall(SYS_close_range, first, ~0U, 0); }

/* Descriptors of another file, that of the segment's among their numbers. */
static void take_numbers(int first)
{
    for (int i = first; i < first + 40; i++)
        dup2(2, i);
}

/* In a process of its own: with the descriptors closed, and their numbers given to others, it goes on. */
static int go_on(void *others)
{
    struct cvb_handle *h;
    if (cvb_attach(name, &h))
        return 1;
    close_from(3);
    if (others)
        take_numbers(3);
    pid_t peer = start_peer();
    if (peer < 0 || state_of(h, peer) != CVB_PEER_ALIVE || cvb_recover(h))
        return 2;
    if (put_numbers(h, stage, source, 100, 3, NULL) != 3)
        return 3;
    kill(peer, SIGKILL);
    reap(peer);
    if (state_of(h, peer) != CVB_PEER_DEAD || cvb_recover(h) != 1 || drain(h, stage) != 13)
        return 4;
    if (others && fcntl(3, F_GETFD) < 0)
        return 5; /* it was not ours to close */
    return cvb_detach(h) ? 6 : others && fcntl(42, F_GETFD) < 0 ? 7 : 0;
}

static void closed_and(bool others)
{
    struct cvb_handle *h = make();
    cr_assert_not_null(h);
    cr_assert_eq(put_numbers(h, stage, source, 0, 10, NULL), 10);
    cr_assert_eq(reap(spawn(go_on, others ? h : NULL)), 0);
    cr_assert_eq(cvb_recover(h), 0, "it has left by itself");
    cr_assert_null(audit_says(h, 0, 0));
    cvb_detach(h);
    cvb_unlink(name);
}

Test(descriptors, all_closed, .timeout = 60) { closed_and(false); }
Test(descriptors, numbers_given_to_other_files, .timeout = 60) { closed_and(true); }

/* The segment has no name any more: this process cannot ask. Another, which can, does. */
static int cannot_ask(void *unused)
{
    struct cvb_handle *h;
    (void)unused;
    if (cvb_attach(name, &h))
        return 1;
    pid_t peer = start_peer();
    cvb_unlink(name);
    close_from(3);
    take_numbers(3);
    kill(peer, SIGKILL);
    reap(peer);
    if (state_of(h, peer) != CVB_PEER_ALIVE || cvb_recover(h))
        return 2;
    uint32_t other = stage;
    struct cvb_lease l;
    if (cvb_get_batch(h, other, &l, 1) != 1 || cvb_ack(h, &l, 1))
        return 3;
    return cvb_detach(h) ? 4 : 0;
}

Test(descriptors, closed_and_the_name_removed, .timeout = 60)
{
    struct cvb_handle *h = make();
    cr_assert_not_null(h);
    cr_assert_eq(put_numbers(h, stage, source, 0, 10, NULL), 10);
    cr_assert_eq(reap(spawn(cannot_ask, NULL)), 0);
    cr_assert_eq(cvb_recover(h), 1);
    cr_assert_eq(drain(h, stage), 9);
    cr_assert_null(audit_says(h, 0, 0));
    cvb_detach(h);
}

/* The name is another segment's now, where the same seats are free. */
static int name_of_another(void *unused)
{
    struct cvb_handle *h;
    struct cvb_settings s = small_settings(60, 40, 50);
    (void)unused;
    if (cvb_attach(name, &h))
        return 1;
    pid_t peer = start_peer();
    if (cvb_unlink(name) || cvb_create(name, &s))
        return 2;
    close_from(3);
    return state_of(h, peer) != CVB_PEER_ALIVE || cvb_recover(h) ? 3 : cvb_detach(h) ? 4 : 0;
}

Test(descriptors, closed_and_the_name_given_to_another_segment, .timeout = 60)
{
    struct cvb_handle *h = make();
    cr_assert_not_null(h);
    cr_assert_eq(put_numbers(h, stage, source, 0, 10, NULL), 10);
    cr_assert_eq(reap(spawn(name_of_another, NULL)), 0);
    cvb_detach(h);
    cvb_unlink(name);
}

static void *close_again_and_again(void *unused)
{
    while (!shared->stop) {
        close_from(3);
        take_numbers(3);
    }
    return unused;
}

/* Recovery beside a thread that closes and takes numbers all the time. */
static int closed_meanwhile(void *unused)
{
    struct cvb_handle *h;
    pthread_t thread;
    (void)unused;
    if (cvb_attach(name, &h))
        return 1;
    pid_t peer = start_peer();
    pthread_create(&thread, NULL, close_again_and_again, NULL);
    int wrong = 0;
    uint64_t end = now_ms() + 1000;
    for (int i = 0; i < 20000 && now_ms() < end && !wrong; i++)
        wrong = state_of(h, peer) == CVB_PEER_DEAD || cvb_recover(h) > 0;
    shared->stop = 1;
    pthread_join(thread, NULL);
    kill(peer, SIGKILL);
    reap(peer);
    return wrong ? 2 : cvb_recover(h) == 1 ? 0 : 3;
}

Test(descriptors, closed_while_it_asks, .timeout = 60)
{
    struct cvb_handle *h = make();
    cr_assert_not_null(h);
    cr_assert_eq(put_numbers(h, stage, source, 0, 10, NULL), 10);
    cr_assert_eq(reap(spawn(closed_meanwhile, NULL)), 0);
    cr_assert_eq(cvb_recover(h), 1, "the child, which has ended without leaving");
    cr_assert_eq(drain(h, stage), 10);
    cr_assert_null(audit_says(h, 0, 0));
    cvb_detach(h);
    cvb_unlink(name);
}

/* The number of a notifier's descriptor is a pipe's that nobody reads: a write would wait for ever. */
Test(descriptors, number_of_a_notifier_given_to_another_file, .timeout = 60)
{
    struct cvb_handle *h = make();
    struct cvb_notifier *n;
    struct cvb_watch fired;
    struct stat st;
    int ends[2];
    char bytes[4096] = {0};
    cr_assert_not_null(h);
    alarm(50); /* a hang is a failure */
    cr_assert(!cvb_notify_create(name, &n) && !pipe(ends));
    const int fd = cvb_notify_fd(n);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    while (write(ends[1], bytes, sizeof bytes) > 0)
        ;
    fcntl(ends[1], F_SETFL, 0);
    cr_assert_eq(dup2(ends[1], fd), fd);
    cr_assert_eq(cvb_notify_watch(n, &(struct cvb_watch){.what = CVB_WATCH_RECORDS, .stage = stage}), 0);
    cr_assert_eq(put_numbers(h, stage, source, 0, 1, NULL), 1);
    for (int told = 0; !told; usleep(1000))
        cr_assert((told = cvb_notify_fired(n, &fired, 1)) >= 0);
    cr_assert_eq(cvb_notify_rearm(n), 0);
    cr_assert_eq(cvb_notify_close(n), 0);
    cr_assert(!fstat(fd, &st) && S_ISFIFO(st.st_mode), "it is open still");
    cr_assert_eq(drain(h, stage), 1);
    cvb_detach(h);
    cvb_unlink(name);
}

/* No descriptor of the library's is a standard one, also if those are free. */
static int join_without_standard_descriptors(void *unused)
{
    struct cvb_handle *h, *observer;
    struct cvb_notifier *n;
    struct cvb_settings s = small_settings(10, 10, 10);
    const char *other = segment_name("other");
    struct stat st;
    (void)unused;
    close_range(0, 2, 0);
    if (cvb_create(other, &s) || cvb_attach(name, &h) || cvb_observe(name, &observer) ||
        cvb_notify_open(name, &stage, 1, &n))
        return 1;
    for (int fd = 0; fd < 3; fd++)
        if (!fstat(fd, &st))
            return 2;
    return cvb_notify_close(n) || cvb_detach(observer) || cvb_detach(h) || cvb_unlink(other) ? 3 : 0;
}

Test(descriptors, none_is_a_standard_one, .timeout = 60)
{
    struct cvb_handle *h = make();
    cr_assert_not_null(h);
    cr_assert_eq(reap(spawn(join_without_standard_descriptors, NULL)), 0);
    cvb_detach(h);
    cvb_unlink(name);
}
