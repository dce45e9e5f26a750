/* notify.c - the contract of notify.h: the descriptor tells of records in any of the stages, once for each arming; the
 * thread sleeps when it has told; forked children and closing are as documented.
 */
#include "../support/support.h"
#include "layout.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PATIENCE_MS = 60000 };
static const char *name;
static struct cvb_handle *h;
static uint32_t stages[2], source;
static struct cvb_notifier *n;

static void setup(void)
{
    struct cvb_settings s = small_settings(1000, 500, 500);
    name = segment_name("notify");
    h = make_segment(name, &s);
    cr_assert_not_null(h);
    cr_assert_eq(cvb_stage(h, "filter", &stages[0]), 0);
    cr_assert_eq(cvb_stage(h, "sink", &stages[1]), 0);
    cr_assert_eq(cvb_source(h, "kafka-1", &source), 0);
    cr_assert(name_everything(h));
    cr_assert_eq(cvb_notify_open(name, stages, 2, &n), 0);
}

static void teardown(void)
{
    cvb_notify_close(n);
    cvb_detach(h);
    cvb_unlink(name);
}

TestSuite(notify, .init = setup, .fini = teardown, .timeout = 120);

static bool readable_within(int milliseconds)
{
    struct pollfd p = {.fd = cvb_notify_fd(n), .events = POLLIN};
    int ready = poll(&p, 1, milliseconds);
    cr_assert_geq(ready, 0);
    return ready == 1 && p.revents == POLLIN;
}

static void put(uint32_t stage, uint64_t number) { cr_assert_eq(put_numbers(h, stage, source, number, 1, NULL), 1); }

Test(notify, tells_of_each_stage)
{
    for (unsigned i = 0; i < 10; i++) {
        cr_assert(!readable_within(0));
        put(stages[i % 2], i);
        cr_assert(readable_within(PATIENCE_MS));
        cr_assert_eq(drain(h, stages[i % 2]), 1);
        cr_assert_eq(cvb_notify_rearm(n), 0);
    }
}

Test(notify, tells_until_it_is_armed_again_and_again_if_there_are_more)
{
    put(stages[0], 1);
    put(stages[1], 2);
    cr_assert(readable_within(PATIENCE_MS));
    cr_assert_eq(drain(h, stages[0]), 1);
    cr_assert(readable_within(0), "nobody has armed it");
    cr_assert_eq(cvb_notify_rearm(n), 0);
    cr_assert(readable_within(PATIENCE_MS), "the other stage has a record");
    eventfd_t count;
    cr_assert_eq(eventfd_read(cvb_notify_fd(n), &count), 0);
    cr_assert_eq(cvb_notify_rearm(n), 0, "whether it was read or not");
    cr_assert(readable_within(PATIENCE_MS));
    cr_assert_eq(drain(h, stages[1]), 1);
}

/* A line of the thread's status in /proc; the thread is found by its name. */
static long status_of_thread(const char *line)
{
    DIR *tasks = opendir("/proc/self/task");
    long value = -1;
    for (struct dirent *e; (e = readdir(tasks));) {
        char path[300], text[4096];
        snprintf(path, sizeof path, "/proc/self/task/%s/status", e->d_name);
        int fd = open(path, O_RDONLY);
        ssize_t bytes = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
        close(fd);
        text[bytes > 0 ? bytes : 0] = 0;
        const char *found = strstr(text, line);
        if (strstr(text, "Name:\tconveyor-notify\n") && found)
            value = line[0] == 'S' ? found[strlen(line)] : strtol(found + strlen(line), NULL, 10);
    }
    closedir(tasks);
    return value;
}

static bool thread_sleeps(void *unused)
{
    (void)unused;
    return status_of_thread("State:\t") == 'S';
}

/* How often the thread was on a processor since it has told. */
static long switches(void) { return status_of_thread("\nvoluntary_ctxt_switches:\t"); }

Test(notify, sleeps_when_it_has_told)
{
    put(stages[0], 0);
    cr_assert(readable_within(PATIENCE_MS));
    cr_assert(wait_until(thread_sleeps, NULL, PATIENCE_MS));
    long before = switches();
    cr_assert_gt(before, 0);
    for (uint64_t i = 0; i < 20000; i++) {
        put(stages[i % 2], i);
        cr_assert_geq(drain(h, stages[i % 2]), 1);
    }
    cr_assert_leq(switches() - before, 1, "20,000 records came, and one waking at most was on its way");
    cr_assert(readable_within(0));
}

static int put_many(void *argument)
{
    const uint64_t *count = argument;
    struct cvb_handle *mine;
    int error = cvb_attach(name, &mine);
    for (uint64_t i = 0; !error && i < *count; i++)
        while (!error && put_numbers(mine, stages[i % 2], source, i, 1, NULL) != 1)
            error = cvb_wait_credits(mine, stages[i % 2], source, -1);
    return error ? 1 : -cvb_detach(mine);
}

Test(notify, a_loop_gets_all)
{
    uint64_t count = 30000, seen = 0, next[2] = {0, 1};
    pid_t child = spawn(put_many, &count);
    while (seen < count) {
        struct cvb_lease l[16];
        cr_assert(readable_within(PATIENCE_MS), "after %lu records", (unsigned long)seen);
        for (unsigned s = 0; s < 2; s++) {
            int got = cvb_get_batch(h, stages[s], l, 16); /* not all of them */
            cr_assert_geq(got, 0);
            for (int i = 0; i < got; i++, next[s] += 2)
                cr_assert_eq(number_of(&l[i]), next[s]);
            cr_assert_eq(cvb_ack(h, l, (size_t)got), 0);
            seen += (uint64_t)got;
        }
        cr_assert_eq(cvb_notify_rearm(n), 0);
    }
    cr_assert_eq(reap(child), 0);
    cr_assert_null(audit_says(h, 0, 0));
}

static unsigned seats_in_use(void)
{
    unsigned used = 0;
    struct cvb_peer p;
    for (uint32_t seat = 0; !cvb_peer(h, seat, &p); seat++)
        used += p.state != CVB_PEER_NONE;
    return used;
}

Test(notify, has_a_seat_until_it_is_closed)
{
    cr_assert_eq(seats_in_use(), 2);
    int fd = cvb_notify_fd(n);
    cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    cr_assert_eq(cvb_notify_close(n), 0);
    cr_assert_eq(seats_in_use(), 1);
    cr_assert(fcntl(fd, F_GETFD) < 0 && errno == EBADF);
    cr_assert_lt(switches(), 0, "the thread is gone");
    put(stages[0], 0);
    cr_assert_eq(cvb_notify_open(name, stages, 2, &n), 0);
    cr_assert(readable_within(PATIENCE_MS), "records that were there before are told of");
    cr_assert_eq(cvb_notify_close(n), 0, "also when it has told");
    cr_assert_eq(cvb_notify_open(name, stages, 2, &n), 0);
}

static int use_in_child(void *unused)
{
    (void)unused;
    struct cvb_notifier *own;
    if (cvb_notify_rearm(n) != CVB_EFORKED || cvb_notify_close(n) != CVB_EFORKED)
        return 1;
    if (cvb_notify_open(name, stages, 1, &own))
        return 2;
    struct pollfd p = {.fd = cvb_notify_fd(own), .events = POLLIN};
    if (poll(&p, 1, PATIENCE_MS) != 1 || cvb_notify_rearm(own))
        return 3;
    return -cvb_notify_close(own);
}

Test(notify, a_forked_child_opens_its_own)
{
    for (unsigned told = 0; told < 2; told++) { /* the thread is in its wait, or on its condition variable */
        cr_assert_eq(readable_within(told ? PATIENCE_MS : 0), told);
        cr_assert(wait_until(thread_sleeps, NULL, PATIENCE_MS));
        pid_t child = spawn(use_in_child, NULL);
        put(stages[0], 0);
        cr_assert_eq(reap(child), 0);
    }
    cr_assert_eq(drain(h, stages[0]), 2);
    cr_assert_eq(cvb_notify_rearm(n), 0);
    put(stages[1], 1);
    cr_assert(readable_within(PATIENCE_MS));
}

Test(notify, errors)
{
    struct cvb_notifier *other = NULL;
    uint32_t unknown = 8, many[65] = {0};
    cr_assert_eq(cvb_notify_open(name, NULL, 1, &other), CVB_EINVAL);
    cr_assert_eq(cvb_notify_open(name, stages, 0, &other), CVB_EINVAL);
    cr_assert_eq(cvb_notify_open(name, many, 65, &other), CVB_EINVAL);
    cr_assert_eq(cvb_notify_open(name, stages, 1, NULL), CVB_EINVAL);
    cr_assert_eq(cvb_notify_open(name, &unknown, 1, &other), CVB_EUNKNOWN);
    cr_assert_eq(cvb_notify_open("conveyor-test-nowhere", stages, 1, &other), CVB_ENOENT);
    cr_assert_null(other);
    cr_assert_eq(seats_in_use(), 2, "a failed one leaves no seat");
    cr_assert_eq(cvb_notify_fd(NULL), CVB_EINVAL);
    cr_assert_eq(cvb_notify_rearm(NULL), CVB_EINVAL);
    cr_assert_eq(cvb_notify_close(NULL), CVB_EINVAL);
    struct cvb_handle *all[22];
    for (unsigned i = 0; i < 22; i++)
        cr_assert_eq(cvb_attach(name, &all[i]), 0);
    cr_assert_eq(cvb_notify_open(name, stages, 1, &other), CVB_EHANDLES);
    for (unsigned i = 0; i < 22; i++)
        cr_assert_eq(cvb_detach(all[i]), 0);
}

/* Every slot of every ring names a unit that there is not. */
static void damage_rings(void)
{
    struct cvb_settings s;
    struct cvb_geometry g;
    char path[128];
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    cr_assert_eq(cvb_settings_of(h, &s), 0);
    cvb_geometry_of(&s, &g);
    int fd = open(path, O_RDWR);
    char *base = mmap(NULL, g.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    cr_assert_neq(base, MAP_FAILED);
    close(fd);
    uint64_t *slot = (uint64_t *)(void *)(base + g.rings);
    for (uint64_t i = 0; i < (g.cells - g.rings) / sizeof *slot; i++)
        slot[i] = UINT64_C(1) << 24 | 0xffffff;
    munmap(base, g.size);
}

Test(notify, an_error_of_the_segment_is_told_too)
{
    damage_rings();
    cr_assert(readable_within(PATIENCE_MS));
    cr_assert_eq(cvb_notify_rearm(n), CVB_ECORRUPT);
    cr_assert(readable_within(0));
}
