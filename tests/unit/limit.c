/* Limits, thresholds and retry limits of a live segment: what a lowered limit refuses and for how long, what idle units
 * keep above it, levels that follow, sleepers that are woken, and each error. */
#include "../support/support.h"

#include <criterion/criterion.h>

enum { TOTAL = 60, STAGE = 40, SOURCE = 30, A = 1, B = 2 };
static struct cvb_handle *h;
static const char *name;

static void setup(void)
{
    struct cvb_settings s = small_settings(TOTAL, STAGE, SOURCE);
    name = segment_name("limit");
    h = make_segment(name, &s);
    cr_assert(h && name_everything(h));
}

static void teardown(void)
{
    struct cvb_audit a;
    cr_assert_eq(cvb_audit(h, &a), 0);
    cr_assert(a.exact && !a.problems, "%s", a.first_problem);
    cvb_detach(h);
    cvb_unlink(name);
}

TestSuite(limit, .init = setup, .fini = teardown);

/* Puts up to n; how many were accepted. If fewer, `why` must be the reason. */
static unsigned put(uint32_t stage, uint32_t source, unsigned n, int why)
{
    int told, done = put_numbers(h, stage, source, 0, n, &told);
    cr_assert_geq(done, 0, "%s", cvb_error_text(done));
    cr_assert_eq(told, (unsigned)done < n ? why : 0, "%d of %u: %s", done, n, cvb_error_text(told));
    return (unsigned)done;
}

static struct cvb_lease lease[64];
static unsigned get(uint32_t stage, unsigned n)
{
    int got = get_all(h, stage, lease, n);
    cr_assert_geq(got, 0);
    return (unsigned)got;
}

Test(limit, are_what_the_segment_was_made_for_at_first)
{
    double high, low;
    cr_assert_eq(cvb_limit_of(h, CVB_NO_STAGE, CVB_NO_SOURCE), TOTAL);
    cr_assert_eq(cvb_limit_of(h, A, CVB_NO_SOURCE), STAGE);
    cr_assert_eq(cvb_limit_of(h, CVB_NO_STAGE, 3), SOURCE);
    cr_assert_eq(cvb_thresholds_of(h, &high, &low), 0);
    cr_assert(high == 0.8 && low == 0.5);
    cr_assert_eq(cvb_max_retries_of(h, CVB_NO_STAGE), 3);
    cr_assert_eq(cvb_max_retries_of(h, A), 3);
}

Test(limit, errors)
{
    double high, low;
    cr_assert_eq(cvb_set_limit(h, CVB_NO_STAGE, CVB_NO_SOURCE, 0), CVB_EINVAL);
    cr_assert_eq(cvb_set_limit(h, CVB_NO_STAGE, CVB_NO_SOURCE, TOTAL + 1), CVB_EINVAL);
    cr_assert_eq(cvb_set_limit(h, A, CVB_NO_SOURCE, STAGE + 1), CVB_EINVAL);
    cr_assert_eq(cvb_set_limit(h, CVB_NO_STAGE, 0, SOURCE + 1), CVB_EINVAL);
    cr_assert_eq(cvb_set_limit(h, A, 0, 1), CVB_EINVAL);
    cr_assert_eq(cvb_set_limit(h, CVB_STAGE_DEAD_LETTER, CVB_NO_SOURCE, 1), CVB_EINVAL);
    cr_assert_eq(cvb_set_limit(h, 99, CVB_NO_SOURCE, 1), CVB_EUNKNOWN);
    cr_assert_eq(cvb_set_limit(h, CVB_NO_STAGE, 99, 1), CVB_EUNKNOWN);
    cr_assert_eq(cvb_set_limit(NULL, A, CVB_NO_SOURCE, 1), CVB_EINVAL);
    cr_assert_eq(cvb_limit_of(h, A, 0), CVB_EINVAL);
    cr_assert_eq(cvb_limit_of(h, CVB_STAGE_DEAD_LETTER, CVB_NO_SOURCE), CVB_EINVAL);
    cr_assert_eq(cvb_limit_of(h, 99, CVB_NO_SOURCE), CVB_EUNKNOWN);
    const double bad[][2] = {{0, 0}, {1.1, 0.5}, {0.5, 0.5}, {0.5, -0.1}, {0.0 / 0.0, 0.1}, {0.5, 0.0 / 0.0}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(cvb_set_thresholds(h, bad[i][0], bad[i][1]), CVB_EINVAL, "%zu", i);
    cr_assert_eq(cvb_thresholds_of(h, &high, NULL), CVB_EINVAL);
    cr_assert_eq(cvb_thresholds_of(h, NULL, &low), CVB_EINVAL);
    cr_assert_eq(cvb_set_max_retries(h, CVB_NO_STAGE, 255), CVB_EINVAL);
    cr_assert_eq(cvb_set_max_retries(h, CVB_NO_STAGE, CVB_RETRIES_DEFAULT), CVB_EINVAL);
    cr_assert_eq(cvb_set_max_retries(h, CVB_STAGE_DEAD_LETTER, 1), CVB_EINVAL);
    cr_assert_eq(cvb_set_max_retries(h, 99, 1), CVB_EUNKNOWN);
    cr_assert_eq(cvb_max_retries_of(h, 99), CVB_EUNKNOWN);
}

Test(limit, each_is_heeded_exactly_lowered_and_raised)
{
    const struct {
        uint32_t stage, source;
        int why;
    } of[] = {{CVB_NO_STAGE, CVB_NO_SOURCE, CVB_ETOTAL_FULL},
              {A, CVB_NO_SOURCE, CVB_ESTAGE_FULL},
              {CVB_NO_STAGE, 0, CVB_ESOURCE_FULL}};
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(cvb_set_limit(h, of[i].stage, of[i].source, 7), 0);
        cr_assert_eq(cvb_limit_of(h, of[i].stage, of[i].source), 7);
        cr_assert_eq(put(A, 0, 20, of[i].why), 7);
        cr_assert_eq(put(A, 0, 1, of[i].why), 0);
        cr_assert_eq(cvb_set_limit(h, of[i].stage, of[i].source, 9), 0);
        cr_assert_eq(put(A, 0, 20, of[i].why), 2);
        cr_assert_eq(cvb_set_limit(h, of[i].stage, of[i].source, (uint32_t[]){TOTAL, STAGE, SOURCE}[i]), 0);
        cr_assert_eq(put(A, 0, 20, of[i].why), 20);
        cr_assert_eq(drain(h, A), 29);
    }
}

/* What is above the limit stays and can be worked on; what leaves makes no room until the limit is passed. */
Test(limit, lowered_below_what_is_there_refuses_until_enough_has_left)
{
    cr_assert_eq(put(A, 0, 20, 0), 20);
    cr_assert_eq(cvb_set_limit(h, A, CVB_NO_SOURCE, 12), 0);
    cr_assert_eq(cvb_stage_size(h, A), 20);
    cr_assert_gt(cvb_stage_utilization(h, A), 1.6);
    for (unsigned left = 20; left > 12; left--) {
        cr_assert_eq(put(A, 0, 1, CVB_ESTAGE_FULL), 0);
        cr_assert_eq(cvb_should_backpressure(h, 0), 0);
        struct cvb_backpressure b;
        cr_assert_eq(cvb_backpressure(h, A, 0, &b), 0);
        cr_assert_eq(b.signal, (uint32_t)CVB_SIGNAL_PAUSE);
        cr_assert_eq(get(A, 1), 1);
        cr_assert_eq(put(A, 0, 1, CVB_ESTAGE_FULL), 0);
        cr_assert_eq(cvb_ack(h, lease, 1), 0);
    }
    cr_assert_eq(put(A, 0, 1, CVB_ESTAGE_FULL), 0);
    cr_assert_eq(get(A, 2), 2);
    cr_assert_eq(cvb_return_to_buffer(h, lease, 1), 0); /* never refused */
    cr_assert_eq(cvb_ack(h, lease + 1, 1), 0);
    cr_assert_eq(put(A, 0, 5, CVB_ESTAGE_FULL), 1);
}

/* Idle units keep credits: more than the limit allows, though there are no records. */
Test(limit, idle_units_above_a_lowered_limit_serve_nobody_and_refuse_nobody)
{
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 20; i++)
            cr_assert_eq(put(A, 0, 1, 0), 1);
        cr_assert_eq(drain(h, A), 20);
        cr_assert_eq(cvb_set_limit(h, A, CVB_NO_SOURCE, 5), 0);
        for (unsigned i = 0; i < 5; i++)
            cr_assert_eq(put(A, 0, 1, 0), 1, "record %u", i);
        cr_assert_eq(put(A, 0, 1, CVB_ESTAGE_FULL), 0);
        cr_assert_eq(put(A, 1, 1, CVB_ESTAGE_FULL), 0);
        cr_assert_eq(drain(h, A), 5);
        cr_assert_eq(cvb_set_limit(h, A, CVB_NO_SOURCE, STAGE), 0);
    }
}

/* Of 20 records 15 become idle, so 5 are left of 20 credits: with a limit of 8 there is room for 3. */
Test(limit, counts_records_not_the_credits_of_idle_units)
{
    for (unsigned i = 0; i < 20; i++)
        cr_assert_eq(put(A, 0, 1, 0), 1);
    cr_assert_eq(get(A, 15), 15);
    cr_assert_eq(cvb_ack(h, lease, 15), 0);
    cr_assert_eq(cvb_set_limit(h, CVB_NO_STAGE, CVB_NO_SOURCE, 8), 0);
    cr_assert_eq(cvb_available_credits(h, 0), 3);
    unsigned in = 0;
    while (in < 20 && put(A, 0, 1, CVB_ETOTAL_FULL))
        in++;
    cr_assert_eq(in, 3);
}

Test(limit, reservations_count)
{
    struct cvb_record shape = {.length = 8, .source = 0};
    struct cvb_slot slot[10];
    int why;
    cr_assert_eq(cvb_reserve(h, A, &shape, slot, 10, &why), 10);
    cr_assert_eq(cvb_set_limit(h, A, CVB_NO_SOURCE, 6), 0);
    for (unsigned i = 0; i < 10; i++)
        *(uint64_t *)slot[i].payload = i;
    cr_assert_eq(cvb_publish(h, slot, 5), 0); /* it was reserved before */
    cr_assert_eq(cvb_cancel(h, slot + 5, 4), 0);
    cr_assert_eq(put(A, 0, 1, CVB_ESTAGE_FULL), 0);
    cr_assert_eq(cvb_cancel(h, slot + 9, 1), 0);
    cr_assert_eq(put(A, 0, 2, CVB_ESTAGE_FULL), 1);
}

Test(limit, forwards_heed_the_stage_and_dead_letters_none)
{
    int why;
    cr_assert_eq(put(A, 0, 10, 0), 10);
    cr_assert_eq(put(B, 0, 5, 0), 5);
    cr_assert_eq(cvb_set_limit(h, B, CVB_NO_SOURCE, 4), 0);
    cr_assert_eq(cvb_set_limit(h, CVB_NO_STAGE, CVB_NO_SOURCE, 1), 0); /* a forward takes no credit of the total */
    cr_assert_eq(get(A, 10), 10);
    cr_assert_eq(cvb_forward(h, B, lease, 3, &why), 0);
    cr_assert_eq(why, CVB_ESTAGE_FULL);
    cr_assert_eq(cvb_set_limit(h, B, CVB_NO_SOURCE, 7), 0);
    cr_assert_eq(cvb_forward(h, B, lease, 3, &why), 2);
    cr_assert_eq(why, CVB_ESTAGE_FULL);
    cr_assert_eq(cvb_set_max_retries(h, A, 0), 0);
    cr_assert_eq(cvb_return_to_buffer(h, lease + 2, 8), 0);
    cr_assert_eq(cvb_stage_size(h, CVB_STAGE_DEAD_LETTER), 8);
}

Test(limit, retries_of_the_segment_of_a_stage_and_never)
{
    cr_assert_eq(cvb_set_max_retries(h, CVB_NO_STAGE, 1), 0);
    cr_assert_eq(cvb_set_max_retries(h, B, CVB_RETRIES_NEVER), 0);
    cr_assert_eq(cvb_max_retries_of(h, A), 1);
    cr_assert_eq(cvb_max_retries_of(h, B), CVB_RETRIES_NEVER);
    cr_assert_eq(put(A, 0, 1, 0), 1);
    cr_assert_eq(put(B, 0, 1, 0), 1);
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(get(A, 1), 1);
        cr_assert_eq(cvb_return_to_buffer(h, lease, 1), 0);
    }
    cr_assert_eq(cvb_stage_size(h, CVB_STAGE_DEAD_LETTER), 1);
    for (unsigned i = 0; i < 400; i++) {
        cr_assert_eq(get(B, 1), 1, "after %u failures", i);
        cr_assert_eq(lease[0].retry_count, i < 255 ? i : 255);
        cr_assert_eq(cvb_return_to_buffer(h, lease, 1), 0);
    }
    cr_assert_eq(cvb_set_max_retries(h, B, CVB_RETRIES_DEFAULT), 0);
    cr_assert_eq(cvb_max_retries_of(h, B), 1);
    cr_assert_eq(get(B, 1), 0); /* it is past that */
    cr_assert_eq(cvb_stage_size(h, CVB_STAGE_DEAD_LETTER), 2);
}

static uint32_t signal_now(void)
{
    struct cvb_backpressure b;
    cr_assert_eq(cvb_backpressure(h, A, CVB_NO_SOURCE, &b), 0);
    return b.signal;
}

Test(limit, watermarks_follow_and_a_pause_begins_anew)
{
    cr_assert_eq(put(A, 0, 20, 0), 20); /* of 40: half */
    cr_assert_eq(signal_now(), (uint32_t)CVB_SIGNAL_NONE);
    cr_assert_eq(cvb_set_limit(h, A, CVB_NO_SOURCE, 25), 0); /* 0.8 of it */
    cr_assert_eq(signal_now(), (uint32_t)CVB_SIGNAL_PAUSE);
    cr_assert_eq(cvb_set_limit(h, A, CVB_NO_SOURCE, 26), 0); /* the mark is 21: not paused by that */
    cr_assert_eq(signal_now(), (uint32_t)CVB_SIGNAL_SLOW_DOWN);
    cr_assert_eq(put(A, 0, 1, 0), 1);
    cr_assert_eq(signal_now(), (uint32_t)CVB_SIGNAL_PAUSE);
    cr_assert_eq(cvb_set_thresholds(h, 1, 0.75), 0);
    cr_assert_eq(signal_now(), (uint32_t)CVB_SIGNAL_SLOW_DOWN); /* 21 of 26, from 19 on */
    cr_assert_eq(put(A, 0, 5, 0), 5);
    cr_assert_eq(signal_now(), (uint32_t)CVB_SIGNAL_PAUSE);
    for (unsigned left = 26; left > 19; left--) {
        cr_assert_eq(signal_now(), (uint32_t)CVB_SIGNAL_PAUSE, "%u", left);
        cr_assert_eq(get(A, 1), 1);
        cr_assert_eq(cvb_ack(h, lease, 1), 0);
    }
    cr_assert_eq(signal_now(), (uint32_t)CVB_SIGNAL_NONE);
    double high, low;
    cr_assert_eq(cvb_thresholds_of(h, &high, &low), 0);
    cr_assert(high == 1 && low == 0.75);
}

/* Sleeps in another process until A has room; how often it slept says nothing: it must come back. */
static int sleeper(void *shared)
{
    volatile int *stage = shared;
    struct cvb_handle *mine;
    if (cvb_attach(name, &mine))
        return 2;
    *stage = 1;
    int error = cvb_wait_credits(mine, A, 0, 60000000000);
    *stage = 2;
    return error || cvb_detach(mine) ? 1 : 0;
}

static bool sleeps(void *pid) { return process_state(*(pid_t *)pid) == 'S'; }
static bool begun(void *shared) { return *(volatile int *)shared == 1; }

static void sleeper_ends_by(int (*change)(void))
{
    volatile int *stage = shared_memory(sizeof *stage);
    cr_assert_eq(cvb_set_limit(h, A, CVB_NO_SOURCE, 20), 0);
    cr_assert_eq(put(A, 0, 16, 0), 16);
    pid_t child = spawn(sleeper, (void *)(uintptr_t)stage);
    cr_assert(wait_until(begun, (void *)(uintptr_t)stage, 10000));
    cr_assert(wait_until(sleeps, &child, 10000));
    cr_assert_eq(*stage, 1);
    cr_assert_eq(change(), 0);
    cr_assert_eq(reap(child), 0);
}

static int raise_limit(void) { return cvb_set_limit(h, A, CVB_NO_SOURCE, STAGE); }
static int raise_thresholds(void) { return cvb_set_thresholds(h, 0.9, 0.6); }

Test(limit, a_raised_limit_wakes) { sleeper_ends_by(raise_limit); }
Test(limit, raised_thresholds_wake) { sleeper_ends_by(raise_thresholds); }

/* One process lowers and raises, others put and take; an observer never sees more than the limit after it was set and
 * drained to. */
enum { PUTTERS = 3, ROUNDS = 300 };
static struct shared {
    volatile int over;
} * shared;

static int putter(void *number)
{
    struct cvb_handle *mine;
    uint64_t seed = 1 + (uintptr_t)number;
    if (cvb_attach(name, &mine))
        return 2;
    while (!shared->over) {
        int why;
        if (put_numbers(mine, A, (uint32_t)(uintptr_t)number, 0, 1 + random_below(&seed, 4), &why) < 0)
            return 3;
    }
    return cvb_detach(mine) ? 4 : 0;
}

Test(limit, no_put_passes_it_once_it_is_set)
{
    uint64_t seed = 7;
    pid_t child[PUTTERS];
    shared = shared_memory(sizeof *shared);
    for (uintptr_t i = 0; i < PUTTERS; i++)
        child[i] = spawn(putter, (void *)i);
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint32_t limit = 1 + random_below(&seed, STAGE);
        cr_assert_eq(cvb_set_limit(h, A, CVB_NO_SOURCE, limit), 0);
        int64_t most = cvb_stage_size(h, A);
        most = most > limit ? most : limit;
        for (unsigned i = 0; i < 20; i++) {
            struct cvb_census total, stages[8];
            cr_assert_eq(cvb_census(h, &total, stages, NULL, NULL), 0);
            cr_assert_leq(stages[A].queued + stages[A].leased, (uint32_t)most, "limit %u", limit);
            unsigned n = get(A, 1 + random_below(&seed, 3));
            cr_assert_eq(cvb_ack(h, lease, n), 0);
            const int64_t now = cvb_stage_size(h, A);
            most = now > limit ? now < most ? now : most : limit;
        }
    }
    shared->over = 1;
    for (unsigned i = 0; i < PUTTERS; i++)
        cr_assert_eq(reap(child[i]), 0);
}
