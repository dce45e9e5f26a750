/* observe.c - looking without a seat: all that reads works, all that would change the segment is refused, and no byte
 * changes; whoever is stopped, however many seats are taken, with permission to read only. */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORKERS 4
#define ROUNDS 15
#define NOBODY 65534

static const char *name;
static struct cvb_handle *h;
static uint32_t stage, next, source;

static void make(uint32_t mode, uint32_t handles)
{
    struct cvb_settings s = small_settings(40, 20, 30);
    s.mode = mode;
    s.max_handles = handles;
    name = segment_name("observe");
    h = make_segment(name, &s);
    cr_assert_not_null(h);
    cr_assert_eq(cvb_stage(h, "filter", &stage), 0);
    cr_assert_eq(cvb_stage(h, "enrich", &next), 0);
    cr_assert_eq(cvb_source(h, "kafka-1", &source), 0);
}

static void setup(void) { make(0600, 24); }

static void teardown(void)
{
    cvb_detach(h);
    cvb_unlink(name);
}

TestSuite(observe, .init = setup, .fini = teardown);

static int open_segment(int flags)
{
    char path[256];
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    return open(path, flags | O_CLOEXEC);
}

/* Of all bytes of the segment. */
static uint64_t fingerprint(void)
{
    struct stat st;
    uint64_t hash = 0;
    int fd = open_segment(O_RDONLY);
    cr_assert(fd >= 0 && !fstat(fd, &st));
    const uint64_t *word = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    cr_assert_neq((const void *)word, MAP_FAILED);
    for (off_t i = 0; i < st.st_size / 8; i++)
        hash = (hash ^ word[i]) * UINT64_C(0x100000001b3);
    munmap((void *)(uintptr_t)word, (size_t)st.st_size);
    close(fd);
    return hash;
}

/* How many mappings of the segment this process has whose permissions are these. */
static unsigned mappings(const char *permissions)
{
    char line[512];
    unsigned n = 0;
    FILE *f = fopen("/proc/self/maps", "re");
    cr_assert_not_null(f);
    while (fgets(line, sizeof line, f))
        n += strstr(line, name) && strstr(line, permissions);
    fclose(f);
    return n;
}

static int visit(const char *seen, const struct cvb_settings *s, uint64_t bytes, void *data)
{
    (void)s;
    (void)bytes;
    *(bool *)data |= !strcmp(seen, name);
    return 0;
}

/* Everything that can be read; 0, or the number of what failed. */
static int read_all(struct cvb_handle *o)
{
    struct cvb_settings s;
    struct cvb_census total, stages[8], sources[8], handles[24];
    struct cvb_counts counts;
    struct cvb_peer peer;
    struct cvb_audit audit;
    struct cvb_backpressure told;
    struct cvb_given given;
    struct cvb_event event;
    struct cvb_progress progress, each[8];
    struct cvb_cursor cursor = {0};
    struct cvb_lease seen;
    char buffer[64], text[CVB_NAME_MAX + 1];
    uint32_t id, with[8];
    uint64_t at = 0;
    double low, high;
    bool listed = false;
    if (cvb_settings_of(o, &s) || cvb_is_linked(o) != 1 || cvb_list(visit, &listed) || !listed)
        return 1;
    if (cvb_stage_size(o, stage) < 0 || cvb_stage_size(o, 0) < 0 || cvb_total_buffered(o) < 0 ||
        cvb_stage_utilization(o, stage) < 0 || cvb_global_utilization(o) < 0 || cvb_stages_with_data(o, with, 8) < 0)
        return 2;
    if (cvb_stage_counts(o, stage, &counts) || cvb_source_counts(o, source, &counts) || cvb_peer_counts(o, 0, &counts))
        return 3;
    if (cvb_census(o, &total, stages, sources, handles))
        return 4;
    for (uint32_t seat = 0; seat < s.max_handles; seat++)
        if (cvb_peer(o, seat, &peer))
            return 5;
    for (int one = 1; one;)
        if ((one = cvb_peek(o, stage, &cursor, &seen, buffer, sizeof buffer)) < 0)
            return 6;
    if (cvb_stage_name(o, stage, text) || cvb_source_name(o, source, text) || cvb_pipeline_name(o, 0, text))
        return 7;
    if (cvb_stage(o, "filter", &id) || id != stage || cvb_source(o, "kafka-1", &id) || id != source ||
        cvb_pipeline(o, "default", &id) || id)
        return 8;
    if (cvb_stage(o, "nowhere", &id) != CVB_EUNKNOWN || cvb_source(o, "nobody", &id) != CVB_EUNKNOWN)
        return 9;
    if (cvb_backpressure(o, stage, source, &told) || cvb_should_backpressure(o, source) < 0 ||
        cvb_available_credits(o, source) < 0)
        return 10;
    if (cvb_signal_of(o, CVB_NO_STAGE, source, &given) || cvb_hold_of(o, stage, &given) ||
        cvb_event_next(o, &at, &event, NULL) < 0 || cvb_source_progress(o, source, &progress) ||
        cvb_progress_all(o, each))
        return 13;
    if (cvb_limit_of(o, CVB_NO_STAGE, source) <= 0 || cvb_max_retries_of(o, CVB_NO_STAGE) < 0 ||
        cvb_thresholds_of(o, &low, &high))
        return 14;
    if (cvb_audit(o, &audit) || !audit.exact || audit.problems)
        return 11;
    return audit.free + audit.reserved + audit.queued + audit.leased == audit.capacity ? 0 : 12;
}

/* 5 queued, 4 leased and 3 reserved in stage. */
static void fill_some(struct cvb_lease *l, struct cvb_slot *s)
{
    struct cvb_record shape = {.length = 8, .source = source};
    cr_assert_eq(put_numbers(h, stage, source, 0, 9, NULL), 9);
    cr_assert_eq(cvb_get_batch(h, stage, l, 4), 4);
    cr_assert_eq(cvb_reserve(h, stage, &shape, s, 3, NULL), 3);
}

Test(observe, reads_all_and_writes_no_byte)
{
    struct cvb_handle *o;
    struct cvb_lease l[4];
    struct cvb_slot s[3];
    struct cvb_census total;
    fill_some(l, s);
    uint64_t before = fingerprint();
    cr_assert_eq(mappings("r--s"), 0);
    cr_assert_eq(cvb_observe(name, &o), 0);
    cr_assert_eq(mappings("r--s"), 1);
    cr_assert_eq(read_all(o), 0);
    cr_assert_eq(cvb_census(o, &total, NULL, NULL, NULL), 0);
    cr_assert(total.queued == 5 && total.leased == 4 && total.reserved == 3);
    cr_assert_eq(cvb_detach(o), 0);
    cr_assert_eq(fingerprint(), before);
    cr_assert_eq(mappings("r--s"), 0);
    cr_assert_eq(cvb_ack(h, l, 4), 0);
}

Test(observe, whatever_would_change_the_segment_or_wait_is_refused)
{
    struct cvb_handle *o;
    struct cvb_lease l[4], got;
    struct cvb_slot s[3];
    struct cvb_record r = {.payload = "12345678", .length = 8, .source = source}, taken;
    char buffer[64];
    int why = 0;
    fill_some(l, s);
    cr_assert_eq(cvb_observe(name, &o), 0);
    uint64_t before = fingerprint();
    cr_expect_eq(cvb_buffer_for_stage(o, stage, &r), CVB_EREADONLY);
    cr_expect_eq(cvb_buffer_batch_for_stage(o, stage, &r, 1, &why), CVB_EREADONLY);
    cr_expect_eq(cvb_reserve(o, stage, &r, s, 1, &why), CVB_EREADONLY);
    cr_expect_eq(cvb_publish(o, s, 3), CVB_EREADONLY);
    cr_expect_eq(cvb_cancel(o, s, 3), CVB_EREADONLY);
    cr_expect_eq(cvb_get_batch(o, stage, &got, 1), CVB_EREADONLY);
    cr_expect_eq(cvb_take_batch(o, stage, &taken, 1, buffer, sizeof buffer), CVB_EREADONLY);
    cr_expect_eq(cvb_ack(o, l, 1), CVB_EREADONLY);
    cr_expect_eq(cvb_ack(o, l, 4), CVB_EREADONLY);
    cr_expect_eq(cvb_return_to_buffer(o, l, 1), CVB_EREADONLY);
    cr_expect_eq(cvb_release(o, l, 1), CVB_EREADONLY);
    cr_expect_eq(cvb_forward(o, next, l, 1, &why), CVB_EREADONLY);
    cr_expect_eq(cvb_forward_records(o, next, l, &r, 1, &why), CVB_EREADONLY);
    cr_expect_eq(cvb_signal(o, stage, CVB_NO_SOURCE, CVB_SIGNAL_PAUSE, 0, NULL), CVB_EREADONLY);
    cr_expect_eq(cvb_hold_stage(o, stage, 1, NULL), CVB_EREADONLY);
    cr_expect_eq(cvb_source_open(o, source, NULL), CVB_EREADONLY);
    cr_expect_eq(cvb_wait_settled(o, source, 1, 0), CVB_EREADONLY);
    cr_expect_eq(cvb_set_limit(o, stage, CVB_NO_SOURCE, 1), CVB_EREADONLY);
    cr_expect_eq(cvb_set_thresholds(o, 0.9, 0.1), CVB_EREADONLY);
    cr_expect_eq(cvb_set_max_retries(o, stage, 1), CVB_EREADONLY);
    cr_expect_eq(cvb_recover(o), CVB_EREADONLY);
    cr_expect_eq(cvb_repair(o), CVB_EREADONLY);
    cr_expect_eq(cvb_wait_records(o, &stage, 1, 0), CVB_EREADONLY);
    cr_expect_eq(cvb_wait_credits(o, stage, source, 0), CVB_EREADONLY);
    cr_expect_eq(cvb_wait_room(o, stage, source, 0), CVB_EREADONLY);
    cr_expect_eq(cvb_wake(o), CVB_EREADONLY);
    cr_expect_eq(cvb_interruptible(o, 1), CVB_EREADONLY);
    cr_expect_eq(fingerprint(), before);
    cr_assert_eq(cvb_detach(o), 0);
    cr_assert_eq(cvb_cancel(h, s, 3), 0);
    cr_assert_eq(cvb_release(h, l, 4), 0);
    cr_assert_null(audit_says(h, 9, 0));
}

/* A user who may read and nothing else, if this one may become one; 2: it may not. */
static int read_as_nobody(void *unused)
{
    struct cvb_handle *o, *none;
    (void)unused;
    if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
        return 2;
    if (cvb_attach(name, &none) != CVB_EPERM)
        return 3;
    int error = cvb_observe(name, &o);
    if (error)
        return 4;
    error = read_all(o);
    return error ? 10 + error : cvb_detach(o) ? 5 : 0;
}

Test(observe, needs_permission_to_read_only_and_no_seat)
{
    struct cvb_handle *o, *none;
    cvb_detach(h);
    make(0444, 1);
    cr_assert_eq(put_numbers(h, stage, source, 0, 9, NULL), 9);
    if (!geteuid())
        cr_assert_eq(cvb_attach(name, &none), CVB_EHANDLES);
    uint64_t before = fingerprint();
    cr_assert_eq(cvb_observe(name, &o), 0);
    cr_assert_eq(read_all(o), 0, "the only seat is taken");
    if (!geteuid()) {
        cr_assert_eq(reap(spawn(read_as_nobody, NULL)), 0);
    } else {
        cr_assert_eq(cvb_attach(name, &none), CVB_EPERM);
    }
    cr_assert_eq(cvb_detach(o), 0);
    cr_assert_eq(fingerprint(), before);
}

/* Without end: puts, forwards, returns, acks. */
static int work(void *unused)
{
    struct cvb_handle *own;
    struct cvb_lease l[3];
    uint64_t seed = (uint64_t)getpid(), number = 0;
    (void)unused;
    if (cvb_attach(name, &own))
        return 1;
    for (;;) {
        put_numbers(own, stage, source, number++, 1 + random_below(&seed, 4), NULL);
        int n = cvb_get_batch(own, random_below(&seed, 2) ? stage : next, l, 1 + random_below(&seed, 3));
        if (n < 0)
            return 2;
        unsigned what = random_below(&seed, 4);
        int done = what == 0   ? cvb_return_to_buffer(own, l, (size_t)n)
                   : what == 1 ? cvb_forward(own, next, l, (size_t)n, NULL)
                               : 0;
        if (done < 0)
            return 3;
        if (what != 0 && cvb_ack(own, l + done, (size_t)(n - done)))
            return 4;
        cvb_take_batch(own, CVB_STAGE_DEAD_LETTER, (struct cvb_record[1]){{0}}, 1, (char[64]){0}, 64);
    }
}

static bool are_stopped(void *pids)
{
    for (int i = 0; i < WORKERS; i++)
        if (process_state(((pid_t *)pids)[i]) != 'T')
            return false;
    return true;
}

static unsigned peers(struct cvb_handle *o, enum cvb_peer_state state)
{
    struct cvb_peer peer;
    unsigned n = 0;
    for (uint32_t seat = 0; seat < 24; seat++)
        n += !cvb_peer(o, seat, &peer) && peer.state == state;
    return n;
}

static bool are_there(void *unused)
{
    (void)unused;
    return peers(h, CVB_PEER_ALIVE) == WORKERS + 1;
}

Test(observe, whoever_is_stopped_wherever, .timeout = 60)
{
    pid_t pid[WORKERS];
    uint64_t seed = 1;
    struct cvb_handle *o;
    for (int i = 0; i < WORKERS; i++)
        pid[i] = spawn(work, NULL);
    cr_assert(wait_until(are_there, NULL, 20000));
    for (int round = 0; round < ROUNDS; round++) {
        usleep(2000 + random_below(&seed, 8000));
        for (int i = 0; i < WORKERS; i++)
            kill(pid[i], SIGSTOP);
        cr_assert(wait_until(are_stopped, pid, 10000));
        uint64_t before = fingerprint();
        cr_assert_eq(cvb_observe(name, &o), 0);
        cr_expect_eq(read_all(o), 0, "round %d", round);
        cr_expect_eq(peers(o, CVB_PEER_STOPPED), WORKERS);
        cr_assert_eq(cvb_detach(o), 0);
        cr_expect_eq(fingerprint(), before, "round %d", round);
        for (int i = 0; i < WORKERS; i++)
            kill(pid[i], SIGCONT);
    }
    for (int i = 0; i < WORKERS; i++) {
        kill(pid[i], SIGKILL);
        cr_expect_eq(reap(pid[i]), SIGNALED + SIGKILL);
    }
}

static int use_parents(void *o)
{
    int64_t size = cvb_total_buffered(o);
    return size == CVB_EFORKED && cvb_detach(o) == CVB_EFORKED ? 0 : 1;
}

Test(observe, a_child_does_not_look_with_its_parents_handle)
{
    struct cvb_handle *o;
    cr_assert_eq(cvb_observe(name, &o), 0);
    cr_assert_eq(reap(spawn(use_parents, o)), 0);
    cr_assert_eq(read_all(o), 0);
    cr_assert_eq(cvb_detach(o), 0);
}

static int look_beyond(void *unused)
{
    struct cvb_audit audit;
    struct cvb_census total;
    struct cvb_handle *own;
    (void)unused;
    if (cvb_observe(name, &own))
        return 1;
    int fd = open_segment(O_RDWR);
    if (fd < 0 || ftruncate(fd, 8192) || cvb_audit(own, &audit) != CVB_ETRUNCATED)
        return 2;
    signal(SIGBUS, SIG_DFL); /* a sanitizer has a handler of its own */
    cvb_census(own, &total, NULL, NULL, NULL);
    return 3;
}

Test(observe, a_file_that_was_cut_is_told_where_it_is_looked_at_and_else_a_signal)
{
    cr_assert_eq(reap(spawn(look_beyond, NULL)), SIGNALED + SIGBUS);
}
