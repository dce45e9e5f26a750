/* ages.c - what is old and who is idle: ages of records and leases, waits in a stage, activity, and what happened.
 * Times are bounded by clocks that the test reads before and after; nothing is said of how quick the machine is. The
 * library reads the coarse clock, which may be late by as long as the host takes the processors away: so what is before
 * is read from the coarse clock too, and what is after from the exact one. */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define UNITS_NS UINT64_C(10000000) /* more than the units in which times are kept */
#define AWHILE_NS UINT64_C(100000000)

static const char *name;
static struct cvb_handle *h;
static uint32_t stage, next, source;

static void setup(void)
{
    struct cvb_settings s = small_settings(40, 20, 30);
    s.max_retries = 1;
    name = segment_name("ages");
    h = make_segment(name, &s);
    cr_assert_not_null(h);
    cr_assert_eq(cvb_stage(h, "filter", &stage), 0);
    cr_assert_eq(cvb_stage(h, "enrich", &next), 0);
    cr_assert_eq(cvb_source(h, "kafka-1", &source), 0);
}

static void teardown(void)
{
    cvb_detach(h);
    cvb_unlink(name);
}

TestSuite(ages, .init = setup, .fini = teardown);

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* When something happened: the library's clock showed a time of these two, or between them. */
struct moment {
    uint64_t first, last;
};

static struct moment from_now(void) { return (struct moment){clock_ns(CLOCK_REALTIME_COARSE), 0}; }
static void until_now(struct moment *m) { m->last = clock_ns(CLOCK_REALTIME); }

/* Time passes: at least so much by the library's clock. */
static void pass(void)
{
    for (uint64_t end = clock_ns(CLOCK_REALTIME) + AWHILE_NS; clock_ns(CLOCK_REALTIME_COARSE) < end;)
        usleep(1000);
}

/* The longest that may lie between two moments, the units of time included. */
static uint64_t at_most(struct moment begun, struct moment ended) { return ended.last - begun.first + UNITS_NS; }

/* An age is that of what began at one moment, at another. */
static void between(uint64_t age, struct moment begun, struct moment ended, const char *what)
{
    const uint64_t least = ended.first > begun.last ? ended.first - begun.last : 0;
    cr_expect_leq(age, at_most(begun, ended), "%s: %llu ns", what, (unsigned long long)age);
    cr_expect_geq(age + UNITS_NS, least, "%s: %llu ns", what, (unsigned long long)age);
}

static struct moment put_one(uint64_t number)
{
    struct moment m = from_now();
    cr_assert_eq(put_numbers(h, stage, source, number, 1, NULL), 1);
    until_now(&m);
    return m;
}

static struct moment get_one(uint32_t from, struct cvb_lease *l)
{
    struct moment m = from_now();
    cr_assert_eq(cvb_get_batch(h, from, l, 1), 1);
    until_now(&m);
    return m;
}

static struct cvb_age total, stages[8], sources[8], handles[24];
static struct moment looked;

static void look(void)
{
    looked = from_now();
    cr_assert_eq(cvb_ages(h, &total, stages, sources, handles), 0);
    until_now(&looked);
}

Test(ages, of_the_oldest_record_and_lease)
{
    struct cvb_lease l;
    look();
    cr_assert(!total.record_ns && !stages[stage].record_ns && !sources[source].record_ns);
    const struct moment put = put_one(0);
    pass();
    const struct moment second = put_one(1);
    look();
    between(stages[stage].record_ns, put, looked, "the stage's oldest record");
    cr_assert(stages[stage].record_ns == total.record_ns && sources[source].record_ns == total.record_ns);
    cr_assert(!total.lease_ns && !handles[0].record_ns);
    const struct moment leased = get_one(stage, &l);
    pass();
    look();
    between(stages[stage].record_ns, put, looked, "the stage's oldest record, leased");
    between(stages[stage].lease_ns, leased, looked, "the stage's oldest lease");
    cr_assert(handles[0].lease_ns == total.lease_ns && handles[0].record_ns == total.record_ns);
    cr_assert_eq(cvb_ack(h, &l, 1), 0);
    look();
    cr_assert_eq(total.lease_ns, 0);
    between(total.record_ns, second, looked, "the younger one is left");
}

static struct cvb_waits waits_of(uint32_t of)
{
    struct cvb_waits w;
    cr_assert_eq(cvb_stage_waits(h, of, &w), 0);
    return w;
}

Test(ages, of_waits_in_each_stage)
{
    struct cvb_lease l;
    cr_assert_eq(waits_of(stage).samples, 0);
    const struct moment put = put_one(0);
    pass();
    struct moment got = get_one(stage, &l);
    struct cvb_waits w = waits_of(stage);
    cr_assert_eq(w.samples, 1);
    between(w.max_ns, put, got, "the wait");
    cr_assert(w.p50_ns <= w.max_ns && w.p99_ns <= w.max_ns && w.p50_ns * 2 > w.max_ns);
    cr_assert_eq(waits_of(next).samples, 0);
    pass();
    struct moment forwarded = from_now();
    cr_assert_eq(cvb_forward(h, next, &l, 1, NULL), 1);
    until_now(&forwarded);
    got = get_one(next, &l);
    w = waits_of(next);
    cr_assert_eq(w.samples, 1);
    between(w.max_ns, forwarded, got, "from the forward on, not from the put");
    cr_assert_eq(cvb_peek(h, next, &(struct cvb_cursor){0}, &l, NULL, 0), 0);
    look();
    between(stages[next].record_ns, put, looked, "a forwarded record is as old as it is");
}

Test(ages, a_record_keeps_its_time_wherever_it_goes)
{
    struct cvb_lease first, again;
    const struct moment put = put_one(0), got = get_one(stage, &first);
    pass();
    const struct moment returned = from_now();
    cr_assert_eq(cvb_return_to_buffer(h, &first, 1), 0);
    const struct moment came = get_one(stage, &again);
    cr_assert_eq(again.buffered_at_ns, first.buffered_at_ns);
    const uint64_t one = at_most(put, got), other = at_most(returned, came);
    cr_assert_leq(waits_of(stage).max_ns, one > other ? one : other, "a return begins a wait anew");
    pass();
    cr_assert_eq(cvb_release(h, &again, 1), 0);
    cr_assert_eq(cvb_get_batch(h, stage, &again, 1), 1);
    cr_assert_eq(again.buffered_at_ns, first.buffered_at_ns);
    struct cvb_record r = {.payload = "result", .length = 6, .source = source};
    cr_assert_eq(cvb_forward_records(h, next, &again, &r, 1, NULL), 1);
    cr_assert_eq(cvb_get_batch(h, next, &again, 1), 1);
    cr_assert_eq(again.buffered_at_ns, first.buffered_at_ns);
    cr_assert_eq(cvb_ack(h, &again, 1), 0);
}

static uint64_t idle_ns(pid_t pid)
{
    struct cvb_peer peer;
    for (uint32_t seat = 0; seat < 24; seat++)
        if (!cvb_peer(h, seat, &peer) && peer.pid == pid)
            return peer.idle_ns;
    return UINT64_MAX;
}

static int lease_and_stay(void *unused)
{
    struct cvb_handle *own;
    struct cvb_lease l[2];
    (void)unused;
    if (cvb_attach(name, &own) || cvb_get_batch(own, stage, l, 1) != 1)
        return 1;
    for (;;)
        pause();
}

static int wait_and_stay(void *unused)
{
    struct cvb_handle *own;
    (void)unused;
    return cvb_attach(name, &own) || cvb_wait_records(own, &next, 1, -1);
}

/* A process that waits, and the library's monotonic clock when it was asleep. */
struct waiter {
    pid_t pid;
    uint64_t asleep_ns;
};

static bool waits(void *argument)
{
    const struct waiter *w = argument;
    return idle_ns(w->pid) != UINT64_MAX && process_state(w->pid) == 'S';
}

/* It was active again, a good while after it fell asleep. */
static bool is_seen(void *argument)
{
    const struct waiter *w = argument;
    const uint64_t now = clock_ns(CLOCK_MONOTONIC_COARSE);
    return now > w->asleep_ns + AWHILE_NS && idle_ns(w->pid) < now - w->asleep_ns - AWHILE_NS;
}

static bool is_idle(void *pid)
{
    return idle_ns(*(pid_t *)pid) != UINT64_MAX && idle_ns(*(pid_t *)pid) > AWHILE_NS * 3;
}

static bool is_held_long(void *unused)
{
    bool found = false;
    (void)unused;
    look();
    for (uint32_t seat = 0; seat < 24; seat++)
        found |= handles[seat].lease_ns > AWHILE_NS * 3;
    return found;
}

Test(ages, of_a_handle_that_does_nothing, .timeout = 60)
{
    cr_assert_eq(put_numbers(h, stage, source, 0, 2, NULL), 2);
    pid_t hung = spawn(lease_and_stay, NULL);
    struct waiter waiting = {.pid = spawn(wait_and_stay, NULL)};
    cr_assert(wait_until(waits, &waiting, 20000));
    waiting.asleep_ns = clock_ns(CLOCK_MONOTONIC);
    cr_assert(wait_until(is_idle, &hung, 20000));
    cr_assert(wait_until(is_held_long, NULL, 20000));
    cr_assert(wait_until(is_seen, &waiting, 20000), "one that waits is seen");
    kill(hung, SIGKILL);
    kill(waiting.pid, SIGKILL);
    reap(hung);
    reap(waiting.pid);
}

Test(ages, of_what_happened)
{
    struct cvb_totals t;
    struct cvb_counts c;
    struct cvb_lease l;
    cr_assert_eq(cvb_totals(h, &t), 0);
    cr_assert(!t.deaths && !t.recoveries && !t.pauses && !t.signals);
    cr_assert_eq(put_numbers(h, stage, source, 0, 1, NULL), 1);
    for (int i = 0; i < 2; i++) {
        pid_t child = spawn(lease_and_stay, NULL);
        while (!cvb_ages(h, &total, stages, NULL, NULL) && !stages[stage].lease_ns && process_state(child) != 'Z')
            usleep(1000);
        kill(child, SIGKILL);
        reap(child);
        cr_assert_geq(cvb_recover(h), 0);
    }
    cr_assert_eq(cvb_totals(h, &t), 0);
    cr_assert(t.deaths == 2 && t.recoveries == 2, "%llu deaths, %llu recoveries", (unsigned long long)t.deaths,
              (unsigned long long)t.recoveries);
    cr_assert_eq(cvb_get_batch(h, stage, &l, 1), 0, "its consumers died twice");
    cr_assert_eq(put_numbers(h, stage, source, 1, 1, NULL), 1);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(cvb_get_batch(h, stage, &l, 1), 1);
        cr_assert_eq(cvb_return_to_buffer(h, &l, 1), 0);
    }
    cr_assert_eq(cvb_stage_counts(h, stage, &c), 0);
    cr_assert(c.dead_lettered == 2 && c.dead_by_death == 1);
    cr_assert_eq(put_numbers(h, stage, source, 2, 20, NULL), 20);
    cr_assert_eq(cvb_signal(h, CVB_NO_STAGE, source, CVB_SIGNAL_PAUSE, 0, "a test"), 0);
    cr_assert_eq(cvb_stage_counts(h, stage, &c), 0);
    cr_assert_eq(cvb_totals(h, &t), 0);
    cr_assert(c.pauses == 1 && t.pauses >= 1 && t.signals == 1);
}
