/* wait.c - the contract of wait.h: signals with hysteresis, credits, and waits that end by their cause, by a dead peer,
 * or by their time; and that sleep while they wait.
 */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const char *name;
static struct cvb_handle *h;
static uint32_t stage, next, source;
enum { SECOND = 1000000000 };

/* A source may have 100; it is told to pause at 80 and to go on at 50. */
static void setup(void)
{
    struct cvb_settings s = small_settings(1000, 500, 100);
    name = segment_name("wait");
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

TestSuite(wait, .init = setup, .fini = teardown);

static void put(unsigned n) { cr_assert_eq(put_numbers(h, stage, source, 0, n, NULL), (int)n); }

/* get_batch may give less than asked for, to keep trains whole. */
static int lease_most(struct cvb_handle *at, uint32_t from, struct cvb_lease *l, size_t count)
{
    size_t done = 0;
    for (int n = 1; n > 0 && done < count; done += (size_t)n)
        if ((n = cvb_get_batch(at, from, l + done, count - done)) < 0)
            return n;
    return (int)done;
}

static void take(unsigned n)
{
    struct cvb_lease l[128];
    cr_assert_eq(lease_most(h, stage, l, n), (int)n);
    cr_assert_eq(cvb_ack(h, l, n), 0);
}

static void expect_signal(enum cvb_signal signal, uint32_t least_ms, uint32_t most_ms, unsigned used)
{
    struct cvb_backpressure b = {99, 99};
    cr_assert_eq(cvb_backpressure(h, stage, source, &b), 0);
    cr_expect_eq(b.signal, signal, "with %u in use: signal %u", used, b.signal);
    cr_expect(b.delay_ms >= least_ms && b.delay_ms <= most_ms, "with %u in use: %u ms", used, b.delay_ms);
    cr_expect_eq(cvb_should_backpressure(h, source), signal == CVB_SIGNAL_PAUSE, "with %u in use", used);
    cr_expect_eq(cvb_available_credits(h, source), 100 - used);
}

Test(wait, the_signal_grows_and_has_hysteresis)
{
    unsigned used = 0;
    uint32_t last = 0;
    for (; used < 50; used++, put(1))
        expect_signal(CVB_SIGNAL_NONE, 0, 0, used);
    for (put(1), used++; used < 80; used++, put(1)) {
        struct cvb_backpressure b;
        expect_signal(CVB_SIGNAL_SLOW_DOWN, 10, 100, used);
        cr_assert_eq(cvb_backpressure(h, stage, source, &b), 0);
        cr_expect_geq(b.delay_ms, last, "it grows with the fill");
        last = b.delay_ms;
    }
    for (; used < 100; used++, put(1))
        expect_signal(CVB_SIGNAL_PAUSE, 0, UINT32_MAX, used);
    cr_assert_eq(put_numbers(h, stage, source, 0, 1, NULL), 0, "the limit holds for those that do not listen");
    expect_signal(CVB_SIGNAL_PAUSE, 0, UINT32_MAX, used);
    for (; used > 51; used--, take(1))
        expect_signal(CVB_SIGNAL_PAUSE, 0, UINT32_MAX, used);
    for (take(1), used--; used > 0; used--, take(1))
        expect_signal(CVB_SIGNAL_NONE, 0, 0, used);
    put(60);
    expect_signal(CVB_SIGNAL_SLOW_DOWN, 10, 100, 60);
}

Test(wait, stage_and_total_signal_too_and_other_sources_do_not)
{
    struct cvb_backpressure b;
    for (uint32_t s = 1; s < 6; s++)
        cr_assert_eq(put_numbers(h, stage, s, 0, 79, NULL), 79);
    cr_assert_eq(cvb_backpressure(h, stage, 0, &b), 0);
    cr_assert_eq(b.signal, CVB_SIGNAL_SLOW_DOWN, "395 of 500");
    cr_assert_eq(put_numbers(h, stage, 6, 0, 6, NULL), 6);
    cr_assert_eq(cvb_backpressure(h, stage, 0, &b), 0);
    cr_assert_eq(b.signal, CVB_SIGNAL_PAUSE, "401 of 500");
    cr_assert_eq(cvb_backpressure(h, next, 0, &b), 0);
    cr_assert_eq(b.signal, CVB_SIGNAL_NONE, "another stage has room");
    cr_assert_eq(cvb_backpressure(h, CVB_NO_STAGE, 0, &b), 0);
    cr_assert_eq(b.signal, CVB_SIGNAL_NONE);
    for (uint32_t s = 0; s < 8; s++)
        put_numbers(h, next, s, 0, 99, NULL);
    cr_assert_eq(cvb_backpressure(h, CVB_NO_STAGE, 7, &b), 0);
    cr_assert_neq(b.signal, CVB_SIGNAL_NONE);
}

Test(wait, errors)
{
    struct cvb_backpressure b;
    uint32_t bad = 8, many[65] = {0};
    cr_assert_eq(cvb_backpressure(NULL, stage, source, &b), CVB_EINVAL);
    cr_assert_eq(cvb_backpressure(h, stage, source, NULL), CVB_EINVAL);
    cr_assert_eq(cvb_backpressure(h, 8, source, &b), CVB_EUNKNOWN);
    cr_assert_eq(cvb_backpressure(h, stage, 8, &b), CVB_EUNKNOWN);
    cr_assert_eq(cvb_should_backpressure(h, 8), CVB_EUNKNOWN);
    cr_assert_eq(cvb_available_credits(h, 8), CVB_EUNKNOWN);
    cr_assert_eq(cvb_wait_credits(h, 8, source, 0), CVB_EUNKNOWN);
    cr_assert_eq(cvb_wait_credits(h, stage, 8, 0), CVB_EUNKNOWN);
    cr_assert_eq(cvb_wait_credits(NULL, stage, source, 0), CVB_EINVAL);
    cr_assert_eq(cvb_wait_records(h, &bad, 1, 0), CVB_EUNKNOWN);
    cr_assert_eq(cvb_wait_records(h, NULL, 1, 0), CVB_EINVAL);
    cr_assert_eq(cvb_wait_records(h, many, 0, 0), CVB_EINVAL);
    cr_assert_eq(cvb_wait_records(h, many, 65, 0), CVB_EINVAL);
    cr_assert_eq(cvb_wait_records(NULL, many, 1, 0), CVB_EINVAL);
}

static uint64_t cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* The processor time of three seconds, each asleep in another way. The stage is full then. */
static uint64_t cost_of_sleep_us(void)
{
    const uint32_t both[] = {stage, next};
    cr_assert_geq(drain(h, stage), 0);
    put(100);
    drain(h, stage);
    uint64_t start = now_ms(), cpu = cpu_us();
    cr_assert_eq(cvb_wait_records(h, &stage, 1, SECOND), CVB_ETIMEDOUT);
    cr_assert_eq(cvb_wait_records(h, both, 2, SECOND), CVB_ETIMEDOUT);
    cr_assert_eq(put_numbers(h, stage, source, 0, 100, NULL), 100);
    cr_assert_eq(cvb_wait_credits(h, stage, source, SECOND), CVB_ETIMEDOUT);
    cpu = cpu_us() - cpu;
    cr_assert_geq(now_ms() - start, 2900);
    return cpu;
}

/* Processor time, not the clock, is what must stay small: a second of sleep may cost at most a hundredth. It is counted
 * up to three times, because what a machine's host takes from a processor may count as used. */
Test(wait, time_runs_out_asleep, .timeout = 60)
{
    enum { MOST_US = 100000 };
    uint64_t cpu = cost_of_sleep_us();
    for (unsigned again = 0; again < 2 && cpu > MOST_US; again++)
        cpu = cost_of_sleep_us();
    cr_assert_leq(cpu, MOST_US);
    cr_assert_eq(cvb_wait_credits(h, stage, source, 0), CVB_ETIMEDOUT);
    cr_assert_eq(cvb_wait_credits(h, stage, 1, -1), 0, "another source need not wait");
    cr_assert_eq(cvb_wait_records(h, &stage, 1, -1), 0);
    cr_assert_eq(cvb_wait_records(h, (uint32_t[]){next, stage}, 2, -1), 1, "which one has records");
}

struct waker {
    enum { BY_PUT, BY_FORWARD, BY_RETURN, BY_DETACH, BY_DEATH, BY_ACK, BY_PUBLISH } how;
    pid_t waiter;
    bool ready, waiting;
};

static bool is_asleep(void *argument)
{
    struct waker *w = argument;
    return __atomic_load_n(&w->waiting, __ATOMIC_ACQUIRE) && process_state(w->waiter) == 'S';
}

/* Does the one thing that ends the wait, once the waiter was seen asleep. */
static int wake(void *argument)
{
    struct waker *w = argument;
    struct cvb_handle *mine;
    struct cvb_lease l[60];
    struct cvb_slot slot;
    struct cvb_record r = {.payload = "x", .length = 1, .source = 1};
    alarm(60);
    if (cvb_attach(name, &mine))
        return 1;
    uint32_t from = w->how == BY_FORWARD ? next : stage;
    int n = w->how == BY_PUT || w->how == BY_PUBLISH ? 0 : lease_most(mine, from, l, 60);
    if (n < 0 || (w->how == BY_PUBLISH && cvb_reserve(mine, stage, &r, &slot, 1, NULL) != 1))
        return 2;
    __atomic_store_n(&w->ready, true, __ATOMIC_RELEASE);
    if (!wait_until(is_asleep, w, 30000))
        return 3;
    if (w->how == BY_PUT)
        return cvb_buffer_for_stage(mine, stage, &r);
    if (w->how == BY_PUBLISH)
        return cvb_publish(mine, &slot, 1);
    if (w->how == BY_FORWARD)
        return cvb_forward(mine, stage, l, (size_t)n, NULL) != n;
    if (w->how == BY_RETURN)
        return cvb_return_to_buffer(mine, l, (size_t)n);
    if (w->how == BY_ACK)
        return cvb_ack(mine, l, (size_t)n);
    if (w->how == BY_DETACH)
        return cvb_detach(mine);
    raise(SIGKILL);
    return 4;
}

static bool is_ready(void *w) { return __atomic_load_n(&((struct waker *)w)->ready, __ATOMIC_ACQUIRE); }

static pid_t start_waker(struct waker *w, int how)
{
    w->how = how;
    w->waiter = getpid();
    w->ready = w->waiting = false;
    pid_t child = spawn(wake, w);
    cr_assert(wait_until(is_ready, w, 30000), "waker %d", how);
    __atomic_store_n(&w->waiting, true, __ATOMIC_RELEASE); /* from here on the only sleep is the wait itself */
    return child;
}

Test(wait, records_end_a_wait_however_they_come, .timeout = 120)
{
    struct waker *w = shared_memory(sizeof *w);
    const uint32_t both[] = {6, stage};
    for (int how = BY_PUT; how <= BY_PUBLISH; how++) {
        if (how == BY_ACK)
            continue;
        for (int several = 0; several < 2; several++) {
            if (how != BY_PUT && how != BY_PUBLISH)
                cr_assert_eq(put_numbers(h, how == BY_FORWARD ? next : stage, 1, 0, 3, NULL), 3);
            pid_t child = start_waker(w, how);
            int got =
                several ? cvb_wait_records(h, both, 2, 30L * SECOND) : cvb_wait_records(h, &stage, 1, 30L * SECOND);
            cr_assert_eq(got, several, "way %d: %s", how, cvb_error_text(got));
            cr_assert_eq(reap(child), how == BY_DEATH ? SIGNALED + SIGKILL : 0, "way %d", how);
            cr_assert_gt(drain(h, stage), 0);
            cvb_recover(h);
            drain(h, stage);
            cr_assert_null(audit_says(h, 0, 0), "way %d: %s", how, audit_says(h, 0, 0));
        }
    }
}

Test(wait, credits_end_a_wait, .timeout = 60)
{
    struct waker *w = shared_memory(sizeof *w);
    put(100);
    pid_t child = start_waker(w, BY_ACK);
    cr_assert_eq(cvb_wait_credits(h, stage, source, 30L * SECOND), 0);
    cr_assert_eq(reap(child), 0);
    cr_assert_eq(cvb_available_credits(h, source), 60);
    struct cvb_counts c;
    cr_assert_eq(cvb_source_counts(h, source, &c), 0);
    cr_assert_gt(c.stalled_ns, 0);
}

/* Its wait recovers what the holder had leased, and goes on. If the holder dies later than that wait ends, the next
 * wait does. */
Test(wait, a_waiter_for_credits_does_not_wait_for_a_dead_holder, .timeout = 60)
{
    struct waker *w = shared_memory(sizeof *w);
    put(100);
    pid_t child = start_waker(w, BY_DEATH); /* has leased 60 */
    int got = cvb_wait_credits(h, stage, source, SECOND);
    cr_assert_eq(got, CVB_ETIMEDOUT, "the dead one's leases are records still");
    cr_assert_eq(reap(child), SIGNALED + SIGKILL);
    for (unsigned turn = 0; turn < 60 && has_dead(h); turn++)
        cr_assert_eq(cvb_wait_credits(h, stage, source, SECOND / 2), CVB_ETIMEDOUT);
    cr_assert(!has_dead(h), "the waits recover");
    struct cvb_lease l[100];
    cr_assert_eq(lease_most(h, stage, l, 100), 100, "redelivered by the waiter itself");
    cr_assert_eq(cvb_ack(h, l, 100), 0);
}

Test(wait, memory_ends_a_wait, .timeout = 60)
{
    struct cvb_settings s = small_settings(2000, 2000, 2000);
    s.payload_size = 4096;
    s.class_count = 2;
    s.classes[0] = (struct cvb_class){64, 100};
    s.classes[1] = (struct cvb_class){4096, 5};
    cvb_detach(h);
    h = make_segment(name, &s);
    cr_assert(name_everything(h));
    static char large[4096];
    struct cvb_record r = {.payload = large, .length = sizeof large};
    unsigned n = 0;
    while (!cvb_buffer_for_stage(h, stage, &r))
        n++;
    cr_assert_geq(n, 5);
    cr_assert_eq(cvb_wait_credits(h, stage, 0, SECOND / 20), CVB_ETIMEDOUT);
    struct waker *w = shared_memory(sizeof *w);
    pid_t child = start_waker(w, BY_ACK);
    cr_assert_eq(cvb_wait_credits(h, stage, 0, 30L * SECOND), 0);
    cr_assert_eq(reap(child), 0);
    cr_assert_eq(cvb_buffer_for_stage(h, stage, &r), 0);
}
