/* notify.c - the contract of notify.h: the descriptor tells of records in any of the stages, and of what watches are
 * for, once for each arming; the thread sleeps when it has told; forked children and closing are as documented.
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

static bool thread_is_gone(void *unused)
{
    (void)unused;
    return status_of_thread("State:\t") < 0;
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
    cr_assert(wait_until(thread_is_gone, NULL, PATIENCE_MS)); /* /proc shows it a little longer than it runs */
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
    struct cvb_watch w = {.what = CVB_WATCH_RECORDS, .stage = stages[0]};
    if (cvb_notify_watch(n, &w) != CVB_EFORKED || cvb_notify_fired(n, &w, 1) != CVB_EFORKED ||
        cvb_notify_arm(n, 0) != CVB_EFORKED || cvb_notify_position(n, 0, 1) != CVB_EFORKED ||
        cvb_notify_unwatch(n, 0) != CVB_EFORKED || cvb_notify_rearm(n) != CVB_EFORKED ||
        cvb_notify_close(n) != CVB_EFORKED)
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

/* A notifier with watches instead of the one with stages. */
static void open_watches(void)
{
    cr_assert_eq(cvb_notify_close(n), 0);
    cr_assert_eq(cvb_notify_create(name, &n), 0);
}

static int watch(uint32_t what, uint32_t stage, uint32_t of, uintptr_t data)
{
    int id = cvb_notify_watch(n, &(struct cvb_watch){.what = what, .stage = stage, .source = of, .data = (void *)data});
    cr_assert_geq(id, 0, "%s", cvb_error_text(id));
    return id;
}

/* The only one that has fired. */
static uintptr_t fired(void)
{
    struct cvb_watch w[3];
    cr_assert(readable_within(PATIENCE_MS));
    cr_assert_eq(cvb_notify_fired(n, w, 3), 1);
    cr_assert(!readable_within(0), "all is told");
    return (uintptr_t)w[0].data;
}

static void nothing_fired(void)
{
    struct cvb_watch w;
    cr_assert(wait_until(thread_sleeps, NULL, PATIENCE_MS));
    cr_assert(!readable_within(0));
    cr_assert_eq(cvb_notify_fired(n, &w, 1), 0);
}

Test(notify, each_watch_tells_once_until_it_is_armed)
{
    open_watches();
    put(stages[0], 0);
    int first = watch(CVB_WATCH_RECORDS, stages[0], 0, 10), second = watch(CVB_WATCH_RECORDS, stages[1], 0, 20);
    cr_assert_neq(first, second);
    cr_assert_eq(fired(), 10, "it was there before");
    put(stages[0], 1);
    nothing_fired();
    put(stages[1], 2);
    cr_assert_eq(fired(), 20, "the other one is armed still");
    cr_assert_eq(cvb_notify_arm(n, second), 0);
    cr_assert_eq(fired(), 20, "arming looks first");
    cr_assert_eq(drain(h, stages[1]), 1);
    cr_assert_eq(cvb_notify_arm(n, second), 0);
    cr_assert_eq(drain(h, stages[0]), 2);
    cr_assert_eq(cvb_notify_arm(n, first), 0);
    nothing_fired();
    put(stages[0], 3);
    cr_assert_eq(fired(), 10);
}

Test(notify, what_was_not_told_yet_stays_readable)
{
    struct cvb_watch w;
    open_watches();
    put(stages[0], 0);
    put(stages[1], 0);
    watch(CVB_WATCH_RECORDS, stages[0], 0, 10);
    watch(CVB_WATCH_RECORDS, stages[1], 0, 20);
    uintptr_t sum = 0;
    for (int i = 0; i < 2; i++) {
        cr_assert(readable_within(PATIENCE_MS));
        cr_assert_eq(cvb_notify_fired(n, &w, 1), 1);
        sum += (uintptr_t)w.data;
    }
    cr_assert_eq(sum, 30);
    nothing_fired();
}

/* The source may have 500 and pauses at 400 until 250. */
Test(notify, credits_and_room_are_watched_too)
{
    open_watches();
    int credits = watch(CVB_WATCH_CREDITS, stages[0], source, 10);
    cr_assert_eq(fired(), 10, "credits are there at first");
    for (unsigned i = 0; i < 10; i++)
        cr_assert_eq(put_numbers(h, stages[i % 2], source, i, 50, NULL), 50);
    cr_assert_eq(cvb_notify_arm(n, credits), 0);
    int room = watch(CVB_WATCH_ROOM, stages[0], source, 20);
    nothing_fired();
    struct cvb_lease l[50];
    int got = cvb_get_batch(h, stages[0], l, 50);
    cr_assert_gt(got, 1);
    cr_assert_eq(cvb_ack(h, l, 1), 0);
    cr_assert_eq(fired(), 20, "one less is room, and does not mean to go on");
    cr_assert_eq(cvb_ack(h, l + 1, (size_t)got - 1), 0);
    cr_assert_eq(cvb_notify_arm(n, room), 0);
    cr_assert_eq(fired(), 20);
    drain(h, stages[0]);
    cr_assert_eq(fired(), 10);
    cr_assert_eq(cvb_notify_unwatch(n, room), 0);
    cr_assert_eq(cvb_notify_arm(n, room), CVB_EINVAL);
    cr_assert_eq(cvb_notify_unwatch(n, room), CVB_EINVAL);
    cr_assert_eq(watch(CVB_WATCH_ROOM, stages[0], CVB_NO_SOURCE, 30), room, "the id is used again");
    cr_assert_eq(fired(), 30);
}

static void put_at(uint64_t position)
{
    struct cvb_record r = {.payload = "x", .length = 1, .source = source, .position = position};
    cr_assert_eq(cvb_buffer_for_stage(h, stages[0], &r), 0);
}

Test(notify, what_is_settled_is_watched_too)
{
    open_watches();
    put_at(5);
    put_at(7);
    struct cvb_watch w = {.what = CVB_WATCH_SETTLED, .source = source, .position = 5, .data = (void *)10};
    int id = cvb_notify_watch(n, &w);
    cr_assert_geq(id, 0, "%s", cvb_error_text(id));
    int records = watch(CVB_WATCH_RECORDS, stages[1], 0, 20);
    nothing_fired();
    put(stages[1], 0);
    cr_assert_eq(fired(), 20, "others are told meanwhile");
    struct cvb_lease l[2];
    cr_assert_eq(get_all(h, stages[0], l, 2), 2);
    cr_assert_eq(cvb_ack(h, &l[0], 1), 0);
    cr_assert_eq(fired(), 10);
    cr_assert_eq(cvb_notify_position(n, id, 7), 0);
    nothing_fired();
    cr_assert_eq(cvb_ack(h, &l[1], 1), 0);
    cr_assert_eq(fired(), 10);
    cr_assert_eq(cvb_notify_position(n, records, 7), CVB_EINVAL);
    cr_assert_eq(cvb_notify_position(n, 1000, 7), CVB_EINVAL);
}

Test(notify, a_removed_watch_tells_nothing)
{
    open_watches();
    int first = watch(CVB_WATCH_RECORDS, stages[0], 0, 10), second = watch(CVB_WATCH_RECORDS, stages[1], 0, 20);
    cr_assert_eq(cvb_notify_unwatch(n, first), 0);
    put(stages[0], 0);
    nothing_fired();
    put(stages[1], 0);
    cr_assert(readable_within(PATIENCE_MS));
    cr_assert_eq(cvb_notify_unwatch(n, second), 0, "it has fired and was not told");
    nothing_fired();
}

/* More watches than a futex_waitv takes words. */
Test(notify, any_number_of_watches)
{
    enum { WATCHES = 500 };
    open_watches();
    for (unsigned i = 0; i < WATCHES; i++)
        watch(CVB_WATCH_RECORDS, stages[0], 0, 1000 + i);
    int other = watch(CVB_WATCH_RECORDS, stages[1], 0, 1);
    nothing_fired();
    put(stages[1], 0);
    cr_assert_eq(fired(), 1);
    put(stages[0], 0);
    struct cvb_watch w[WATCHES];
    int told = 0;
    while (told < WATCHES) {
        cr_assert(readable_within(PATIENCE_MS));
        told += cvb_notify_fired(n, w, WATCHES);
    }
    cr_assert_eq(told, WATCHES);
    cr_assert_eq(drain(h, stages[1]), 1);
    cr_assert_eq(cvb_notify_arm(n, other), 0);
    nothing_fired();
    put(stages[1], 0);
    cr_assert_eq(fired(), 1);
}

Test(notify, more_flags_than_a_sleep_takes)
{
    struct cvb_settings s = small_settings(100000, 100000, 10);
    const uint32_t sources = source = 300;
    s.max_sources = sources + 1; /* one more, for what is put into the other stage */
    cr_assert_eq(cvb_notify_close(n), 0);
    cvb_detach(h);
    h = make_segment(name, &s);
    cr_assert(name_everything(h));
    cr_assert_eq(cvb_notify_create(name, &n), 0);
    for (uint32_t i = 0; i < sources; i++)
        cr_assert_eq(put_numbers(h, stages[0], i, i, 10, NULL), 10);
    for (uint32_t i = 0; i < sources; i++)
        watch(CVB_WATCH_CREDITS, stages[0], i, i);
    nothing_fired();
    int records = watch(CVB_WATCH_RECORDS, stages[1], 0, 1000);
    nothing_fired();
    put(stages[1], 0);
    cr_assert_eq(fired(), 1000);
    cr_assert_eq(cvb_notify_unwatch(n, records), 0);
    cr_assert_eq(drain(h, stages[0]), 3000);
    bool seen[300] = {false}; /* each source once */
    for (uint32_t told = 0; told < sources;) {
        struct cvb_watch w[64];
        cr_assert(readable_within(PATIENCE_MS));
        int got = cvb_notify_fired(n, w, 64);
        for (int i = 0; i < got; i++, told++) {
            cr_assert(!seen[(uintptr_t)w[i].data]);
            seen[(uintptr_t)w[i].data] = true;
        }
    }
    nothing_fired();
}

Test(notify, errors_of_watches)
{
    struct cvb_watch w = {.what = CVB_WATCH_RECORDS, .stage = stages[0]};
    open_watches();
    cr_assert_eq(cvb_notify_create(name, NULL), CVB_EINVAL);
    cr_assert_eq(cvb_notify_create(NULL, &n), CVB_ENAME);
    cr_assert_eq(cvb_notify_watch(NULL, &w), CVB_EINVAL);
    cr_assert_eq(cvb_notify_watch(n, NULL), CVB_EINVAL);
    static const struct {
        struct cvb_watch watch;
        int error;
    } bad[] = {{{.what = 0, .stage = 1}, CVB_EINVAL},
               {{.what = 99, .stage = 1}, CVB_EINVAL},
               {{.what = CVB_WATCH_RECORDS, .stage = CVB_NO_STAGE}, CVB_EUNKNOWN},
               {{.what = CVB_WATCH_RECORDS, .stage = 8}, CVB_EUNKNOWN},
               {{.what = CVB_WATCH_RECORDS, .stage = 1, .length = 1}, CVB_EINVAL},
               {{.what = CVB_WATCH_CREDITS, .stage = 1, .source = 8}, CVB_EUNKNOWN},
               {{.what = CVB_WATCH_CREDITS, .stage = CVB_NO_STAGE, .source = CVB_NO_SOURCE}, CVB_EINVAL},
               {{.what = CVB_WATCH_ROOM, .stage = CVB_STAGE_DEAD_LETTER}, CVB_EUNKNOWN},
               {{.what = CVB_WATCH_ROOM, .stage = 1, .length = 65}, CVB_ETOOLONG},
               {{.what = CVB_WATCH_ROOM, .stage = 1, .position = 1}, CVB_EINVAL},
               {{.what = CVB_WATCH_SETTLED, .stage = 1, .position = 1}, CVB_EINVAL},
               {{.what = CVB_WATCH_SETTLED, .source = CVB_NO_SOURCE, .position = 1}, CVB_EINVAL},
               {{.what = CVB_WATCH_SETTLED, .source = 8, .position = 1}, CVB_EUNKNOWN},
               {{.what = CVB_WATCH_ROOM, .stage = 1, .id = 1}, CVB_EINVAL},
               {{.what = CVB_WATCH_ROOM, .stage = 1, .reserved = {0, 0, 1}}, CVB_EINVAL}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_eq(cvb_notify_watch(n, &bad[i].watch), bad[i].error, "watch %zu", i);
    cr_assert_eq(cvb_notify_fired(n, NULL, 1), CVB_EINVAL);
    cr_assert_eq(cvb_notify_fired(n, &w, 0), CVB_EINVAL);
    cr_assert_eq(cvb_notify_fired(NULL, &w, 1), CVB_EINVAL);
    cr_assert_eq(cvb_notify_arm(n, -1), CVB_EINVAL);
    cr_assert_eq(cvb_notify_arm(n, 1000), CVB_EINVAL);
    cr_assert_eq(cvb_notify_arm(NULL, 0), CVB_EINVAL);
    cr_assert_eq(cvb_notify_unwatch(n, 0), CVB_EINVAL);
    nothing_fired();
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
