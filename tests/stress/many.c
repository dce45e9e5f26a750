/* many.c - many processes: waiters that cost nothing, records that wake as many as they feed, a lookout that dies or is
 * stopped, wakers that end before their wake, and many deaths at once.
 *
 * Each is shown with real processes. What is counted is processor time of the scheduler and wake-ups of the kernel,
 * with bounds that leave room for a busy machine; nothing is said of speed.
 */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef WITHOUT_SEAM
#include "system.h"
#include "wake/wake.h"
#endif

enum { IDLERS = 200, SLEEPERS = 20, DOOMED = 63, PATIENCE_MS = 60000 };

static const char *name;
static struct cvb_handle *h;
static uint32_t stage, next, source;

static struct crowd {
    unsigned ready, taken; /* processes that are about to wait, records that were taken */
    bool common_word;      /* as on a kernel without futex_waitv */
    unsigned count;
    pid_t pid[IDLERS];
} * crowd;

static void make(uint32_t handles)
{
    struct cvb_settings s = small_settings(1000, 500, 100);
    s.max_handles = handles;
    name = segment_name("many");
    h = make_segment(name, &s);
    cr_assert_not_null(h);
    cr_assert_eq(cvb_stage(h, "filter", &stage), 0);
    cr_assert_eq(cvb_stage(h, "enrich", &next), 0);
    cr_assert_eq(cvb_source(h, "kafka-1", &source), 0);
    crowd = shared_memory(sizeof *crowd);
}

static void teardown(void)
{
    for (unsigned i = 0; crowd && i < crowd->count; i++)
        if (crowd->pid[i] > 0) { /* 0 and -1 would be many processes */
            kill(crowd->pid[i], SIGKILL);
            reap(crowd->pid[i]);
        }
    cvb_detach(h);
    cvb_unlink(name);
}

TestSuite(many, .fini = teardown, .timeout = 240);

/* A number from a file of /proc, behind the text if there is one; 0 if it is not there. */
static uint64_t number_in(pid_t pid, const char *file, const char *text)
{
    char path[64], all[4096];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(all, 1, sizeof all - 1, f) : 0;
    if (f)
        fclose(f);
    all[n] = 0;
    const char *at = strstr(all, text);
    return at ? strtoull(at + strlen(text), NULL, 10) : 0;
}

static uint64_t cpu_ns(pid_t pid) { return number_in(pid, "schedstat", ""); }
static uint64_t wake_ups(pid_t pid) { return number_in(pid, "status", "\nvoluntary_ctxt_switches:"); }

static uint64_t of_all(uint64_t (*what)(pid_t))
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < crowd->count; i++)
        sum += crowd->pid[i] ? what(crowd->pid[i]) : 0;
    return sum;
}

/* Waits for records and acks each, again and again. */
static int consume(void *unused)
{
    struct cvb_handle *mine;
    struct cvb_lease l;
    (void)unused;
    if (cvb_attach(name, &mine))
        return 1;
#ifndef WITHOUT_SEAM
    if (crowd->common_word)
        cvb_futex_forget_waitv();
#endif
    __atomic_fetch_add(&crowd->ready, 1, __ATOMIC_SEQ_CST);
    for (;;) {
        if (cvb_wait_records(mine, &stage, 1, -1))
            return 2;
        int n = cvb_get_batch(mine, stage, &l, 1);
        if (n < 0 || (n && cvb_ack(mine, &l, 1)))
            return 3;
        __atomic_fetch_add(&crowd->taken, (unsigned)n, __ATOMIC_SEQ_CST);
    }
}

static bool all_ready(void *unused)
{
    (void)unused;
    return __atomic_load_n(&crowd->ready, __ATOMIC_SEQ_CST) >= crowd->count;
}

static bool is_asleep(void *pid) { return !*(pid_t *)pid || process_state(*(pid_t *)pid) == 'S'; }

/* Each of them is seen asleep, if not all at one moment: some of many wake up by the clock at any time. */
static bool all_fall_asleep(void)
{
    bool all = wait_until(all_ready, NULL, PATIENCE_MS);
    for (unsigned i = 0; all && i < crowd->count; i++)
        all = wait_until(is_asleep, &crowd->pid[i], PATIENCE_MS);
    return all;
}

static void start_crowd(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        crowd->pid[crowd->count] = spawn(consume, NULL);
        cr_assert_gt(crowd->pid[crowd->count++], 0);
    }
    cr_assert(all_fall_asleep(), "%u of %u are ready", crowd->ready, crowd->count);
}

static unsigned expected;
static bool all_taken(void *unused)
{
    (void)unused;
    return __atomic_load_n(&crowd->taken, __ATOMIC_SEQ_CST) >= expected;
}

/* What all of the crowd cost in a time: it begins before the first count and ends after the last one. */
struct cost {
    uint64_t took_ms, cpu_ns, switches;
};

static struct cost cost_of_a_while(void)
{
    const struct timespec period = {3, 0};
    uint64_t start = now_ms(), cpu = of_all(cpu_ns), switches = of_all(wake_ups);
    nanosleep(&period, NULL);
    struct cost c = {0, of_all(cpu_ns) - cpu, of_all(wake_ups) - switches};
    c.took_ms = now_ms() - start;
    return c;
}

static double part_of_core(const struct cost *c) { return (double)c->cpu_ns / (double)c->took_ms / 1e6; }

/* 200 that wait use less than a twentieth of a core: each one's own look 20 times a second took a third to all of it.
 * What the machine's host takes from a processor may count as used, so processor time is counted up to three times:
 * waiters that cost something do so each time. */
Test(many, waiters_cost_nothing)
{
    make(IDLERS + 2);
    start_crowd(IDLERS);
    struct cost c = cost_of_a_while();
    for (unsigned again = 0; again < 2 && part_of_core(&c) >= 0.05; again++)
        c = cost_of_a_while();
    cr_log_info("%u waiters: %.2f %% of a core, %.1f wake-ups a second", IDLERS, 100 * part_of_core(&c),
                (double)c.switches * 1e3 / (double)c.took_ms);
    cr_expect_lt(part_of_core(&c), 0.05, "%.2f %% of a core", 100 * part_of_core(&c));
    cr_expect_lt(c.switches, c.took_ms * 200 / 1000 + 50, "%lu wake-ups in %lu ms", (unsigned long)c.switches,
                 (unsigned long)c.took_ms);
}

/* Of 20 that wait a record wakes one, not all. By the clock there come: the lookout ten times a second, each time with
 * one more if the one that was woken had no processor yet; and everybody twice a second. */
Test(many, a_record_wakes_one)
{
    enum { RECORDS = 40 };
    make(SLEEPERS + 2);
    start_crowd(SLEEPERS);
    uint64_t start = now_ms(), switches = of_all(wake_ups);
    for (expected = 1; expected <= RECORDS; expected++) {
        cr_assert_eq(put_numbers(h, stage, source, expected, 1, NULL), 1);
        cr_assert(wait_until(all_taken, NULL, PATIENCE_MS), "record %u was not taken", expected);
        cr_assert(all_fall_asleep());
    }
    switches = of_all(wake_ups) - switches;
    uint64_t took = now_ms() - start, by_clock = took * (2 * 10 + 2 * SLEEPERS) / 1000 + SLEEPERS;
    cr_log_info("%u records woke %lu of %u sleepers in %lu ms", RECORDS, (unsigned long)switches, SLEEPERS,
                (unsigned long)took);
    cr_expect_lt(switches, 4 * RECORDS + by_clock, "%u records woke %lu", RECORDS, (unsigned long)switches);
}

/* A put of as many records as there are sleepers wakes them all: each takes one, though none of them ends before. */
Test(many, a_batch_wakes_as_many_as_it_has_records)
{
    make(SLEEPERS + 2);
    start_crowd(SLEEPERS);
    for (unsigned round = 1; round <= 20; round++) {
        cr_assert_eq(put_numbers(h, stage, source, 0, SLEEPERS, NULL), SLEEPERS);
        expected = round * SLEEPERS;
        cr_assert(wait_until(all_taken, NULL, PATIENCE_MS), "%u of %u were taken", crowd->taken, expected);
        cr_assert(all_fall_asleep());
    }
}

#ifndef WITHOUT_SEAM
static int signal_at_wake;

/* Instead of the system call: what a waker has changed is there, and nobody is woken. */
static long end_before_wake(uint32_t *word, int operation, uint32_t value, const struct timespec *until, uint32_t bits)
{
    (void)word, (void)operation, (void)value, (void)until, (void)bits;
    raise(signal_at_wake);
    return 0;
}

enum { WOKE_NOBODY = 2 }; /* everybody who was wanted was awake, or was being woken */

static int put_and_end(void *how)
{
    struct cvb_handle *mine;
    if (cvb_attach(name, &mine))
        return 1;
    signal_at_wake = *(int *)how;
    cvb_system.futex = end_before_wake;
    put_numbers(mine, stage, source, 1, 1, NULL);
    return WOKE_NOBODY;
}

static bool has_ended(void *pid)
{
    char state = process_state(*(pid_t *)pid);
    return state == 'T' || state == 'Z';
}

/* A waker that was killed, or is stopped, between its record and its wake is not waited for: the lookout, which itself
 * waits for something else, wakes. With so many handles the sleepers would look by themselves after 10 s at the
 * earliest. The time counts from the waker's end: before that the record may be taken already, or not be put yet. */
static void wakers_end_early(bool common_word)
{
    enum { HANDLES = 1000, SOONER_MS = 6000 };
    static int how[] = {SIGSTOP, SIGKILL, SIGSTOP, SIGKILL};
    make(HANDLES);
    crowd->common_word = common_word;
    uint32_t waited_for = stage;
    stage = next;
    start_crowd(1); /* it is the lookout */
    stage = waited_for;
    start_crowd(SLEEPERS);
    expected = 0;
    for (unsigned i = 0, tries = 0; i < 4; tries++) {
        cr_assert_lt(tries, 100u);
        cr_assert(all_fall_asleep());
        pid_t waker = spawn(put_and_end, &how[i]);
        cr_assert_gt(waker, 0);
        cr_assert(wait_until(has_ended, &waker, PATIENCE_MS));
        const char state = process_state(waker);
        expected++;
        cr_expect(wait_until(all_taken, NULL, SOONER_MS), "%u of %u were taken", crowd->taken, expected);
        kill(waker, SIGKILL);
        const int ended = reap(waker);
        if (ended == WOKE_NOBODY)
            continue;
        cr_expect_eq(state, how[i] == SIGSTOP ? 'T' : 'Z');
        cr_expect_eq(ended, SIGNALED + SIGKILL);
        i++;
    }
}

Test(many, a_waker_that_ends_before_its_wake_is_mended) { wakers_end_early(false); }
Test(many, and_so_on_the_common_word) { wakers_end_early(true); }
#endif

struct victim {
    int records, ready;
};

/* Leases some records and dies with them once told to. */
static int lease_and_wait(void *argument)
{
    struct victim *v = argument;
    struct cvb_handle *mine;
    struct cvb_lease l[8];
    if (cvb_attach(name, &mine))
        return 1;
    v->records = cvb_get_batch(mine, next, l, 1);
    for (int i = 0; i < v->records; i++) /* when it has died, they are to wake the waiters of `stage` */
        if (cvb_forward(mine, stage, &l[i], 1, NULL) != 1 || cvb_get_batch(mine, stage, &l[i], 1) != 1)
            return 2;
    __atomic_store_n(&v->ready, 1, __ATOMIC_SEQ_CST);
    for (;;)
        pause();
}

static bool is_ready(void *argument) { return __atomic_load_n(&((struct victim *)argument)->ready, __ATOMIC_SEQ_CST); }

/* The member of the crowd that wakes up most often: ten times a second, the others twice at most. */
static unsigned find_lookout(void)
{
    enum { OFTEN = 8 };
    const struct timespec tenth = {0, 100000000};
    uint64_t before[IDLERS] = {0}, most = 0, end = now_ms() + PATIENCE_MS;
    unsigned lookout = 0;
    for (unsigned i = 0; i < crowd->count; i++)
        before[i] = wake_ups(crowd->pid[i]);
    while (most < OFTEN && now_ms() < end) {
        nanosleep(&tenth, NULL);
        for (unsigned i = 0; i < crowd->count; i++) {
            uint64_t n = crowd->pid[i] ? wake_ups(crowd->pid[i]) - before[i] : 0;
            if (n > most) {
                most = n;
                lookout = i;
            }
        }
    }
    return lookout;
}

/* The lookout is stopped, then another one is killed: each time the death of a peer is noticed all the same, by the
 * next one. */
Test(many, a_lookout_that_dies_or_stops_is_replaced)
{
    make(SLEEPERS + 8);
    struct victim *v = shared_memory(4 * sizeof *v);
    cr_assert_eq(put_numbers(h, next, source, 0, 4, NULL), 4);
    pid_t holder[4];
    for (unsigned i = 0; i < 4; i++) {
        holder[i] = spawn(lease_and_wait, &v[i]);
        cr_assert_gt(holder[i], 0);
        cr_assert(wait_until(is_ready, &v[i], PATIENCE_MS));
        cr_assert_eq(v[i].records, 1);
    }
    start_crowd(SLEEPERS);
    for (unsigned i = 0; i < 4; i++) {
        unsigned lookout = find_lookout();
        cr_assert_gt(crowd->pid[lookout], 0);
        kill(crowd->pid[lookout], i % 2 ? SIGKILL : SIGSTOP);
        if (i % 2) {
            cr_assert_eq(reap(crowd->pid[lookout]), SIGNALED + SIGKILL);
            crowd->pid[lookout] = 0;
        }
        kill(holder[i], SIGKILL);
        cr_assert_eq(reap(holder[i]), SIGNALED + SIGKILL);
        expected = i + 1;
        cr_expect(wait_until(all_taken, NULL, PATIENCE_MS), "round %u: %u of %u came again", i, crowd->taken, expected);
        if (!(i % 2))
            kill(crowd->pid[lookout], SIGCONT);
    }
}

/* Gets alone bring all records again, and then free the seats: a pass that they make by parts may have given back the
 * last record before it is over. */
static unsigned drained;
static bool gets_recover_all(void *unused)
{
    struct cvb_lease l[8];
    (void)unused;
    int n = cvb_get_batch(h, next, l, 8);
    cr_assert_geq(n, 0);
    cr_assert_eq(n ? cvb_ack(h, l, (size_t)n) : 0, 0);
    drained += (unsigned)n;
    return drained >= DOOMED && !has_dead(h);
}

static int lease_one(void *argument)
{
    struct victim *v = argument;
    struct cvb_handle *mine;
    static struct cvb_lease l;
    if (cvb_attach(name, &mine) || cvb_get_batch(mine, next, &l, 1) != 1)
        return 1;
    __atomic_store_n(&v->ready, 1, __ATOMIC_SEQ_CST);
    for (;;)
        pause();
}

/* All that 63 had leased when they were killed together comes again by the gets of a single survivor, each record once,
 * and so their seats become free. */
Test(many, many_deaths_at_once_are_one_recovery)
{
    make(DOOMED + 1);
    struct victim *v = shared_memory(DOOMED * sizeof *v);
    cr_assert_eq(put_numbers(h, next, source, 0, DOOMED, NULL), DOOMED);
    for (unsigned i = 0; i < DOOMED; i++) {
        crowd->pid[crowd->count] = spawn(lease_one, &v[i]);
        cr_assert_gt(crowd->pid[crowd->count++], 0);
        cr_assert(wait_until(is_ready, &v[i], PATIENCE_MS));
    }
    for (unsigned i = 0; i < DOOMED; i++)
        kill(crowd->pid[i], SIGSTOP);
    for (unsigned i = 0; i < DOOMED; i++)
        kill(crowd->pid[i], SIGKILL);
    for (unsigned i = 0; i < DOOMED; i++)
        cr_assert_eq(reap(crowd->pid[i]), SIGNALED + SIGKILL);
    crowd->count = 0;
    cr_assert(wait_until(gets_recover_all, NULL, PATIENCE_MS), "%u came again, and seats of the dead are %s", drained,
              has_dead(h) ? "left" : "free");
    cr_assert_eq(drained, DOOMED, "%u came again", drained);
    cr_assert_eq(cvb_recover(h), 0, "nobody is left to recover");
    cr_assert_null(audit_says(h, 0, 0), "%s", audit_says(h, 0, 0));
}

/* Ways of a survivor that has something to do in each call, or is refused. */
enum way { GETS, ACKS, RETURNS, FORWARDS, RESERVES, PUTS, IS_REFUSED, FORWARD_IS_REFUSED, WAYS };
static const char *const way_name[] = {"get",     "ack", "return",      "forward",
                                       "reserve", "put", "refused put", "refused forward"};

static void call_once(enum way way, struct cvb_lease *l, unsigned i)
{
    struct cvb_record r = {.payload = "x", .length = 1, .source = source};
    struct cvb_lease got;
    struct cvb_slot slot;
    int why;
    switch (way) {
    case GETS:
        cr_assert_eq(cvb_get_batch(h, stage, &got, 1), 1);
        break;
    case ACKS:
        cr_assert_eq(cvb_ack(h, &l[i], 1), 0);
        break;
    case RETURNS:
        cr_assert_eq(cvb_return_to_buffer(h, &l[i], 1), 0);
        break;
    case FORWARDS:
        cr_assert_eq(cvb_forward(h, next, &l[i], 1, &why), 1);
        break;
    case RESERVES:
        cr_assert_eq(cvb_reserve(h, stage, &r, &slot, 1, &why), 1);
        break;
    case PUTS:
        cr_assert_eq(cvb_buffer_for_stage(h, stage, &r), 0);
        break;
    case IS_REFUSED:
        cvb_buffer_for_stage(h, next, &r);
        break;
    default:
        cvb_forward(h, next, &l[i], 1, &why);
    }
}

static int hold_the_room(void *argument)
{
    struct victim *v = argument;
    struct cvb_handle *mine;
    static struct cvb_slot slot[500];
    struct cvb_record r = {.payload = "", .length = 1, .source = source + 1};
    if (cvb_attach(name, &mine) || cvb_reserve(mine, next, &r, slot, (size_t)v->records, NULL) != v->records)
        return 1;
    __atomic_store_n(&v->ready, 1, __ATOMIC_SEQ_CST);
    for (;;)
        pause();
}

/* Who calls every few milliseconds notices a death in the next calls, not after 64; recovery may be the work of a few
 * of them, and of some more where calls are interrupted or the coarse clock stands still. Some calls are made before,
 * so that a count of 64 would not be near by chance. */
static void noticed(enum way way)
{
    enum { CALLS = 80, SLOW_US = 6000, NEXT = 40 };
    static struct cvb_lease l[CALLS];
    struct victim *v = shared_memory(sizeof *v);
    uint32_t other;
    bool full = way == IS_REFUSED || way == FORWARD_IS_REFUSED;
    struct cvb_settings s = small_settings(1000, 100, 100);
    crowd = NULL;
    name = segment_name("noticed");
    h = make_segment(name, &s);
    cr_assert_eq(cvb_stage(h, "filter", &stage), 0);
    cr_assert_eq(cvb_stage(h, "enrich", &next), 0);
    cr_assert_eq(cvb_source(h, "kafka-1", &source), 0);
    cr_assert_eq(cvb_source(h, "kafka-2", &other), 0);
    if (way != PUTS && way != RESERVES)
        cr_assert_eq(put_numbers(h, stage, source, 0, CALLS, NULL), CALLS);
    if (way == ACKS || way == RETURNS || way == FORWARDS || way == FORWARD_IS_REFUSED)
        for (int n = 0; n < CALLS; n++)
            cr_assert_eq(cvb_get_batch(h, stage, &l[n], 1), 1);
    v->records = full ? 100 : 10;
    pid_t holder = spawn(hold_the_room, v);
    cr_assert_gt(holder, 0);
    cr_assert(wait_until(is_ready, v, PATIENCE_MS));
    unsigned i = 0;
    for (; i < 8 && !full; i++) {
        call_once(way, l, i);
        usleep(SLOW_US / 10);
    }
    usleep(SLOW_US);
    call_once(way, l, i++);
    kill(holder, SIGKILL);
    cr_assert_eq(reap(holder), SIGNALED + SIGKILL);
    unsigned calls = 0;
    for (bool dead = true; dead && i < CALLS; calls++, i++) {
        usleep(SLOW_US);
        call_once(way, l, i);
        dead = has_dead(h);
    }
    cr_expect_leq(calls, NEXT, "%s: noticed after %u calls", way_name[way], calls);
}

Test(many, slow_gets_notice) { noticed(GETS); }
Test(many, slow_acks_notice) { noticed(ACKS); }
Test(many, slow_returns_notice) { noticed(RETURNS); }
Test(many, slow_forwards_notice) { noticed(FORWARDS); }
Test(many, slow_reserves_notice) { noticed(RESERVES); }
Test(many, slow_puts_notice) { noticed(PUTS); }
Test(many, refused_puts_notice) { noticed(IS_REFUSED); }
Test(many, refused_forwards_notice) { noticed(FORWARD_IS_REFUSED); }
