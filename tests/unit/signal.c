/* signal.c - what is given by hand: signals and holds, who sees them, who sleeps because of them and is woken, and what
 * is left when those who give them are killed.
 */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char *name;
static struct cvb_handle *h;
static uint32_t stage, next, source;
enum { SECOND = 1000000000 };

static void setup(void)
{
    struct cvb_settings s = small_settings(1000, 500, 100);
    name = segment_name("signal");
    h = make_segment(name, &s);
    cr_assert_not_null(h);
    cr_assert_eq(cvb_stage(h, "filter", &stage), 0);
    cr_assert_eq(cvb_stage(h, "enrich", &next), 0);
    cr_assert_eq(cvb_source(h, "kafka-1", &source), 0);
    cr_assert(name_everything(h));
}

static void teardown(void)
{
    cvb_detach(h);
    cvb_unlink(name);
}

TestSuite(signal, .init = setup, .fini = teardown, .timeout = 60);

static struct cvb_backpressure told(uint32_t to, uint32_t from)
{
    struct cvb_backpressure b = {99, 99};
    cr_assert_eq(cvb_backpressure(h, to, from, &b), 0);
    return b;
}

Test(signal, it_is_told_to_those_it_is_for_until_it_is_lifted)
{
    const struct {
        uint32_t stage, source;                        /* of the signal */
        bool here, other_stage, other_source, forward; /* told to filter/kafka-1, enrich/kafka-1, filter/1, filter/- */
    } of[] = {{CVB_NO_STAGE, CVB_NO_SOURCE, true, true, true, false},
              {stage, CVB_NO_SOURCE, true, false, true, true},
              {CVB_NO_STAGE, source, true, true, false, false}};
    for (unsigned i = 0; i < 3; i++)
        for (uint32_t signal = CVB_SIGNAL_SLOW_DOWN; signal <= CVB_SIGNAL_PAUSE; signal++) {
            const uint32_t delay = signal == CVB_SIGNAL_SLOW_DOWN ? 7 : 0;
            cr_assert_eq(cvb_signal(h, of[i].stage, of[i].source, signal, delay, "the database is away"), 0);
            cr_expect_eq(told(stage, source).signal, of[i].here ? signal : 0, "%u", i);
            cr_expect_eq(told(stage, source).delay_ms, delay);
            cr_expect_eq(told(next, source).signal, of[i].other_stage ? signal : 0, "%u", i);
            cr_expect_eq(told(stage, 1).signal, of[i].other_source ? signal : 0, "%u", i);
            cr_expect_eq(told(stage, CVB_NO_SOURCE).signal, of[i].forward ? signal : 0, "%u", i);
            cr_expect_eq(cvb_should_backpressure(h, source), of[i].stage == CVB_NO_STAGE && signal == CVB_SIGNAL_PAUSE,
                         "%u", i);
            cr_expect_eq(cvb_wait_credits(h, stage, source, 0), signal == CVB_SIGNAL_PAUSE ? CVB_ETIMEDOUT : 0);
            cr_expect_eq(put_numbers(h, stage, source, 0, 1, NULL), 1, "it is advice");
            cr_assert_eq(cvb_signal(h, of[i].stage, of[i].source, CVB_SIGNAL_NONE, 0, NULL), 0);
            cr_expect_eq(told(stage, source).signal, CVB_SIGNAL_NONE);
            cr_expect_eq(cvb_wait_credits(h, stage, source, 0), 0);
        }
}

Test(signal, the_stronger_of_it_and_the_computed_one_counts)
{
    cr_assert_eq(put_numbers(h, stage, source, 0, 60, NULL), 60);
    const struct cvb_backpressure computed = told(stage, source);
    cr_assert_eq(computed.signal, CVB_SIGNAL_SLOW_DOWN);
    cr_assert_eq(cvb_signal(h, CVB_NO_STAGE, source, CVB_SIGNAL_SLOW_DOWN, computed.delay_ms - 1, NULL), 0);
    cr_expect_eq(told(stage, source).delay_ms, computed.delay_ms);
    cr_assert_eq(cvb_signal(h, CVB_NO_STAGE, source, CVB_SIGNAL_SLOW_DOWN, computed.delay_ms + 1, NULL), 0);
    cr_expect_eq(told(stage, source).delay_ms, computed.delay_ms + 1);
    cr_assert_eq(put_numbers(h, stage, source, 0, 40, NULL), 40);
    cr_expect_eq(told(stage, source).signal, CVB_SIGNAL_PAUSE, "by the limit");
    cr_assert_eq(drain(h, stage), 100);
    cr_expect_eq(told(stage, source).signal, CVB_SIGNAL_SLOW_DOWN, "by hand");
}

Test(signal, reason_giver_and_age_are_told)
{
    struct cvb_given g;
    char longest[CVB_REASON_MAX + 2] = {0};
    memset(longest, 'r', CVB_REASON_MAX);
    cr_assert_eq(cvb_signal_of(h, CVB_NO_STAGE, source, &g), 0);
    cr_expect_eq(g.signal, CVB_SIGNAL_NONE);
    cr_expect_eq(g.pid, 0);
    cr_assert_eq(cvb_signal(h, CVB_NO_STAGE, source, CVB_SIGNAL_PAUSE, 0, longest), 0);
    cr_assert_eq(cvb_signal(h, stage, CVB_NO_SOURCE, CVB_SIGNAL_SLOW_DOWN, CVB_DELAY_MOST_MS, "größer"), 0);
    cr_assert_eq(cvb_hold_stage(h, next, 1, "schema"), 0);
    cr_assert_eq(cvb_signal_of(h, CVB_NO_STAGE, source, &g), 0);
    cr_expect_eq(g.signal, CVB_SIGNAL_PAUSE);
    cr_expect_str_eq(g.reason, longest);
    cr_expect_eq(g.pid, getpid());
    cr_expect_lt(g.age_ns, 60ull * SECOND);
    cr_expect_gt(g.at_ns, 1700000000ull * SECOND);
    cr_assert_eq(cvb_signal_of(h, stage, CVB_NO_SOURCE, &g), 0);
    cr_expect_eq(g.delay_ms, CVB_DELAY_MOST_MS);
    cr_expect_str_eq(g.reason, "größer");
    cr_assert_eq(cvb_hold_of(h, next, &g), 0);
    cr_expect_eq(g.signal, CVB_SIGNAL_PAUSE);
    cr_expect_str_eq(g.reason, "schema");
    cr_assert_eq(cvb_hold_of(h, stage, &g), 0);
    cr_expect_eq(g.signal, CVB_SIGNAL_NONE);
    cr_assert_eq(cvb_signal_of(h, CVB_NO_STAGE, CVB_NO_SOURCE, &g), 0);
    cr_expect_eq(g.signal, CVB_SIGNAL_NONE);
}

Test(signal, errors)
{
    struct cvb_given g;
    char too_long[CVB_REASON_MAX + 2] = {0};
    memset(too_long, 'r', CVB_REASON_MAX + 1);
    cr_expect_eq(cvb_signal(NULL, stage, CVB_NO_SOURCE, CVB_SIGNAL_PAUSE, 0, NULL), CVB_EINVAL);
    cr_expect_eq(cvb_signal(h, stage, source, CVB_SIGNAL_PAUSE, 0, NULL), CVB_EINVAL, "one of the two");
    cr_expect_eq(cvb_signal(h, stage, CVB_NO_SOURCE, 3, 0, NULL), CVB_EINVAL);
    cr_expect_eq(cvb_signal(h, stage, CVB_NO_SOURCE, CVB_SIGNAL_PAUSE, 1, NULL), CVB_EINVAL);
    cr_expect_eq(cvb_signal(h, stage, CVB_NO_SOURCE, CVB_SIGNAL_SLOW_DOWN, 0, NULL), CVB_EINVAL);
    cr_expect_eq(cvb_signal(h, stage, CVB_NO_SOURCE, CVB_SIGNAL_SLOW_DOWN, CVB_DELAY_MOST_MS + 1, NULL), CVB_EINVAL);
    cr_expect_eq(cvb_signal(h, stage, CVB_NO_SOURCE, CVB_SIGNAL_PAUSE, 0, too_long), CVB_EINVAL);
    cr_expect_eq(cvb_signal(h, stage, CVB_NO_SOURCE, CVB_SIGNAL_PAUSE, 0, "two\nlines"), CVB_EINVAL);
    cr_expect_eq(cvb_signal(h, stage, CVB_NO_SOURCE, CVB_SIGNAL_PAUSE, 0, "\xff"), CVB_EINVAL);
    cr_expect_eq(cvb_signal(h, 8, CVB_NO_SOURCE, CVB_SIGNAL_PAUSE, 0, NULL), CVB_EUNKNOWN);
    cr_expect_eq(cvb_signal(h, CVB_STAGE_DEAD_LETTER, CVB_NO_SOURCE, CVB_SIGNAL_PAUSE, 0, NULL), CVB_EUNKNOWN);
    cr_expect_eq(cvb_signal(h, CVB_NO_STAGE, 8, CVB_SIGNAL_PAUSE, 0, NULL), CVB_EUNKNOWN);
    cr_expect_eq(cvb_hold_stage(NULL, stage, 1, NULL), CVB_EINVAL);
    cr_expect_eq(cvb_hold_stage(h, 8, 1, NULL), CVB_EUNKNOWN);
    cr_expect_eq(cvb_hold_stage(h, stage, 1, too_long), CVB_EINVAL);
    cr_expect_eq(cvb_signal_of(h, stage, source, &g), CVB_EINVAL);
    cr_expect_eq(cvb_signal_of(h, stage, CVB_NO_SOURCE, NULL), CVB_EINVAL);
    cr_expect_eq(cvb_signal_of(h, 8, CVB_NO_SOURCE, &g), CVB_EUNKNOWN);
    cr_expect_eq(cvb_hold_of(h, 8, &g), CVB_EUNKNOWN);
    cr_expect_eq(cvb_hold_of(h, stage, NULL), CVB_EINVAL);
    cr_expect_eq(told(stage, source).signal, CVB_SIGNAL_NONE, "what was refused has done nothing");
    cr_expect_eq(cvb_wait_records(h, &stage, 1, 0), CVB_ETIMEDOUT);
}

Test(signal, a_held_stage_delivers_nothing_and_all_else_goes_on)
{
    struct cvb_lease l[4];
    struct cvb_record taken[4];
    char buffer[4 * 64];
    const uint32_t both[] = {stage, next};
    cr_assert_eq(put_numbers(h, stage, source, 0, 4, NULL), 4);
    cr_assert_eq(cvb_get_batch(h, stage, l, 1), 1);
    cr_assert_eq(cvb_hold_stage(h, stage, 1, "migration"), 0);
    cr_expect_eq(cvb_get_batch(h, stage, l + 1, 3), 0);
    cr_expect_eq(cvb_get_batch(h, stage, l + 1, 1), 0);
    cr_expect_eq(cvb_take_batch(h, stage, taken, 4, buffer, sizeof buffer), 0);
    cr_expect_eq(cvb_wait_records(h, &stage, 1, 0), CVB_ETIMEDOUT);
    cr_expect_eq(cvb_ack(h, l, 1), 0, "what is leased may be settled");
    cr_expect_eq(put_numbers(h, stage, source, 4, 1, NULL), 1, "puts go in");
    cr_assert_eq(put_numbers(h, next, source, 0, 1, NULL), 1);
    cr_expect_eq(cvb_wait_records(h, both, 2, 0), 1, "another stage delivers");
    cr_assert_eq(cvb_hold_stage(h, stage, 0, NULL), 0);
    cr_expect_eq(cvb_wait_records(h, both, 2, 0), 0);
    cr_expect_eq(drain(h, stage), 4);
    cr_expect_eq(drain(h, next), 1);
}

static uint64_t cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* What another process does when the waiter is seen asleep. */
enum way { LIFT_ALL, LIFT_STAGE, LIFT_SOURCE, SLOW_DOWN, LET_GO, LET_GO_OF_TWO, WAYS };
struct helper {
    enum way way;
    pid_t waiter;
    bool ready, waiting;
};

static bool is_asleep(void *argument)
{
    struct helper *w = argument;
    return __atomic_load_n(&w->waiting, __ATOMIC_ACQUIRE) && process_state(w->waiter) == 'S';
}

static bool is_ready(void *argument) { return __atomic_load_n(&((struct helper *)argument)->ready, __ATOMIC_ACQUIRE); }

/* Records come and go, acks give back their credits: nobody who is stopped by hand need wake up. */
static int be_busy(struct cvb_handle *mine)
{
    for (unsigned i = 0; i < 2000; i++) {
        struct cvb_lease l;
        if (put_numbers(mine, next, 1, i, 1, NULL) != 1 || cvb_get_batch(mine, next, &l, 1) != 1 ||
            cvb_ack(mine, &l, 1))
            return 4;
    }
    return 0;
}

static int help(void *argument)
{
    struct helper *w = argument;
    struct cvb_handle *mine;
    alarm(60);
    if (cvb_attach(name, &mine))
        return 1;
    __atomic_store_n(&w->ready, true, __ATOMIC_RELEASE);
    if (!wait_until(is_asleep, w, 30000))
        return 3;
    const enum way way = w->way;
    int error = way == LET_GO || way == LET_GO_OF_TWO ? 0 : be_busy(mine);
    if (error)
        return error;
    if (way == LET_GO || way == LET_GO_OF_TWO) /* a put to a held stage wakes nobody who stays awake */
        return put_numbers(mine, stage, 1, 0, 5, NULL) == 5 && wait_until(is_asleep, w, 30000)
                   ? cvb_hold_stage(mine, stage, 0, NULL)
                   : 5;
    return cvb_signal(mine, way == LIFT_STAGE ? stage : CVB_NO_STAGE, way == LIFT_SOURCE ? source : CVB_NO_SOURCE,
                      way == SLOW_DOWN ? CVB_SIGNAL_SLOW_DOWN : CVB_SIGNAL_NONE, way == SLOW_DOWN ? 10 : 0, NULL);
}

Test(signal, who_sleeps_because_of_it_is_woken_when_it_is_lifted, .timeout = 120)
{
    struct helper *w = shared_memory(sizeof *w);
    const uint32_t both[] = {next, stage};
    for (enum way way = 0; way < WAYS; way++) {
        const bool holds = way == LET_GO || way == LET_GO_OF_TWO;
        *w = (struct helper){.way = way, .waiter = getpid()};
        pid_t child = spawn(help, w);
        cr_assert(wait_until(is_ready, w, 30000));
        if (holds)
            cr_assert_eq(cvb_hold_stage(h, stage, 1, NULL), 0);
        else
            cr_assert_eq(cvb_signal(h, way == LIFT_STAGE ? stage : CVB_NO_STAGE,
                                    way == LIFT_SOURCE ? source : CVB_NO_SOURCE, CVB_SIGNAL_PAUSE, 0, NULL),
                         0);
        __atomic_store_n(&w->waiting, true, __ATOMIC_RELEASE);
        uint64_t start = now_ms();
        int got = way == LET_GO_OF_TWO ? cvb_wait_records(h, both, 2, 30L * SECOND)
                  : way == LET_GO      ? cvb_wait_records(h, &stage, 1, 30L * SECOND)
                                       : cvb_wait_credits(h, stage, source, 30L * SECOND);
        cr_expect_eq(got, way == LET_GO_OF_TWO, "way %d: %s", way, cvb_error_text(got));
        cr_expect_lt(now_ms() - start, 29000, "way %d", way);
        cr_assert_eq(reap(child), 0, "way %d", way);
        cr_assert_geq(drain(h, stage), 0);
        cr_assert_eq(cvb_signal(h, CVB_NO_STAGE, CVB_NO_SOURCE, CVB_SIGNAL_NONE, 0, NULL), 0);
    }
}

static uint64_t cost_of_two_waits_us(void)
{
    uint64_t cpu = cpu_us();
    cr_expect_eq(cvb_wait_records(h, &stage, 1, SECOND), CVB_ETIMEDOUT);
    cr_expect_eq(cvb_wait_credits(h, stage, source, SECOND), CVB_ETIMEDOUT);
    return cpu_us() - cpu;
}

/* Counted up to three times, because what a machine's host takes from a processor may count as used. */
Test(signal, to_wait_for_it_costs_nothing)
{
    enum { MOST_US = 50000 };
    cr_assert_eq(put_numbers(h, stage, source, 0, 10, NULL), 10);
    cr_assert_eq(cvb_hold_stage(h, stage, 1, NULL), 0);
    cr_assert_eq(cvb_signal(h, CVB_NO_STAGE, source, CVB_SIGNAL_PAUSE, 0, NULL), 0);
    uint64_t cpu = cost_of_two_waits_us();
    for (unsigned again = 0; again < 2 && cpu > MOST_US; again++)
        cpu = cost_of_two_waits_us();
    cr_expect_leq(cpu, MOST_US);
}

/* Gives signals whose reason says which they are, until it is killed. */
static int give_for_ever(void *argument)
{
    struct cvb_handle *mine;
    const unsigned me = *(unsigned *)argument;
    if (cvb_attach(name, &mine))
        return 1;
    for (uint64_t i = me, seed = me + 1;; i++) {
        char reason[CVB_REASON_MAX + 1];
        const unsigned n = random_below(&seed, 20);
        memset(reason, 'a' + (int)n, sizeof reason);
        reason[20 + n] = 0;
        if (cvb_signal(mine, CVB_NO_STAGE, i % 3 ? source : CVB_NO_SOURCE, CVB_SIGNAL_SLOW_DOWN, 1 + n, reason))
            return 2;
    }
}

static void expect_whole(uint32_t from)
{
    struct cvb_given g;
    cr_assert_eq(cvb_signal_of(h, CVB_NO_STAGE, from, &g), 0);
    if (g.signal == CVB_SIGNAL_NONE || !g.pid)
        return;
    const unsigned n = g.delay_ms - 1;
    cr_assert_lt(n, 20);
    cr_assert_eq(strlen(g.reason), 20 + n, "%s with %u", g.reason, n);
    cr_assert_eq(strspn(g.reason, (char[]){(char)('a' + n), 0}), 20 + n, "%s with %u", g.reason, n);
}

Test(signal, one_who_is_killed_leaves_the_old_or_the_new_one_whole)
{
    unsigned *me = shared_memory(2 * sizeof *me);
    uint64_t seed = 7;
    pid_t child[2];
    me[1] = 1;
    for (unsigned round = 0; round < 60; round++) {
        for (unsigned i = 0; i < 2; i++)
            child[i] = spawn(give_for_ever, me + i);
        for (unsigned looks = 300 + random_below(&seed, 2000); looks; looks--) {
            expect_whole(source);
            expect_whole(CVB_NO_SOURCE);
        }
        for (unsigned i = 0; i < 2; i++) {
            kill(child[i], SIGKILL);
            cr_assert_eq(reap(child[i]), SIGNALED + SIGKILL);
        }
        expect_whole(source);
        expect_whole(CVB_NO_SOURCE);
        cr_assert_geq(cvb_recover(h), 0);
    }
    cr_assert_eq(cvb_signal(h, CVB_NO_STAGE, source, CVB_SIGNAL_PAUSE, 0, "last"), 0);
    struct cvb_given g;
    cr_assert_eq(cvb_signal_of(h, CVB_NO_STAGE, source, &g), 0);
    cr_assert_str_eq(g.reason, "last");
}
