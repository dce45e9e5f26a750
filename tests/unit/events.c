/* events.c - what is told of a segment's past: which events, in which order, and how many were missed. */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *name;
static struct cvb_handle *h;
static uint32_t stage, source;
static uint64_t cursor, missed;

static void setup(void)
{
    struct cvb_settings s = small_settings(1000, 500, 10);
    s.max_retries = 0;
    name = segment_name("events");
    h = make_stage(name, &s, &stage, &source);
    cr_assert_not_null(h);
    cursor = missed = 0;
}

static void teardown(void)
{
    cvb_detach(h);
    cvb_unlink(name);
}

TestSuite(events, .init = setup, .fini = teardown, .timeout = 60);

/* The next event is of this kind. */
static struct cvb_event expect(enum cvb_event_kind kind)
{
    struct cvb_event e = {0};
    cr_assert_eq(cvb_event_next(h, &cursor, &e, &missed), 1, "no event of kind %d", kind);
    cr_assert_eq(e.kind, kind, "event %lu is of kind %u and not %d", e.number, e.kind, kind);
    cr_expect_eq(e.number + 1, cursor);
    cr_expect_gt(e.at_ns, 1700000000ull * 1000000000);
    return e;
}

static void expect_none(void)
{
    struct cvb_event e;
    cr_assert_eq(cvb_event_next(h, &cursor, &e, &missed), 0);
    cr_assert_eq(missed, 0);
}

static int leave_or_die(void *die)
{
    struct cvb_handle *mine;
    struct cvb_lease l;
    if (cvb_attach(name, &mine) || cvb_get_batch(mine, stage, &l, 1) < 0)
        return 1;
    if (*(bool *)die)
        raise(SIGKILL);
    return cvb_detach(mine);
}

Test(events, of_those_who_come_and_go)
{
    bool *die = shared_memory(sizeof *die);
    cr_expect_eq(expect(CVB_EVENT_ATTACH).pid, getpid());
    expect_none();
    pid_t child = spawn(leave_or_die, die);
    cr_assert_eq(reap(child), 0);
    struct cvb_event e = expect(CVB_EVENT_ATTACH);
    cr_expect_eq(e.pid, child);
    cr_expect_eq(e.after, 1, "the second seat");
    cr_expect_eq(expect(CVB_EVENT_LEAVE).pid, child);
    *die = true;
    child = spawn(leave_or_die, die);
    cr_assert_eq(reap(child), SIGNALED + SIGKILL);
    cr_assert_eq(cvb_recover(h), 1);
    cr_expect_eq(expect(CVB_EVENT_ATTACH).pid, child);
    e = expect(CVB_EVENT_DEATH);
    cr_expect_eq(e.pid, child);
    cr_expect_eq(e.before, 1);
    cr_expect_eq(e.after, (uint64_t)getpid());
    e = expect(CVB_EVENT_RECOVERY);
    cr_expect_eq(e.pid, child);
    cr_expect_eq(e.after, (uint64_t)getpid());
    expect_none();
}

Test(events, of_an_observer_none)
{
    struct cvb_handle *observer;
    expect(CVB_EVENT_ATTACH);
    cr_assert_eq(cvb_observe(name, &observer), 0);
    cr_assert_eq(cvb_detach(observer), 0);
    expect_none();
}

/* A source may have 10: it pauses at 8 and goes on at 5. */
Test(events, of_a_stall_one_of_each)
{
    expect(CVB_EVENT_ATTACH);
    for (unsigned round = 0; round < 3; round++) {
        cr_assert_eq(put_numbers(h, stage, source, 0, 10, NULL), 10);
        for (unsigned i = 0; i < 5; i++)
            cr_assert_eq(put_numbers(h, stage, source, 0, 1, NULL), 0);
        cr_assert_eq(drain(h, stage), 10);
        cr_assert_eq(cvb_should_backpressure(h, source), 0);
        if (round)
            continue; /* the same once more within ten seconds: told already */
        struct cvb_event e = expect(CVB_EVENT_PAUSE);
        cr_expect_eq(e.source, source);
        cr_expect_eq(e.stage, CVB_NO_STAGE);
        e = expect(CVB_EVENT_REFUSED);
        cr_expect_eq(e.source, source);
        cr_expect_eq(e.code, -CVB_ESOURCE_FULL);
        expect(CVB_EVENT_RESUME);
    }
    struct cvb_event e;
    unsigned more = 0;
    while (cvb_event_next(h, &cursor, &e, &missed) == 1)
        more++;
    cr_expect_leq(more, 3, "%u more", more); /* if the ten seconds ended meanwhile */
}

Test(events, of_dead_letters)
{
    struct cvb_lease l[2];
    expect(CVB_EVENT_ATTACH);
    cr_assert_eq(put_numbers(h, stage, source, 0, 2, NULL), 2);
    cr_assert_eq(cvb_get_batch(h, stage, l, 2), 2);
    cr_assert_eq(cvb_return_to_buffer(h, l, 2), 0);
    struct cvb_event e = expect(CVB_EVENT_DEAD_LETTER);
    cr_expect_eq(e.stage, stage);
    cr_expect_eq(e.source, source);
    cr_expect_eq(e.after, 2);
}

Test(events, of_what_is_given_by_hand)
{
    expect(CVB_EVENT_ATTACH);
    cr_assert_eq(cvb_signal(h, CVB_NO_STAGE, source, CVB_SIGNAL_SLOW_DOWN, 250, "nightly load"), 0);
    cr_assert_eq(cvb_hold_stage(h, stage, 1, NULL), 0);
    cr_assert_eq(cvb_hold_stage(h, stage, 0, "done"), 0);
    struct cvb_event e = expect(CVB_EVENT_SIGNAL);
    cr_expect_eq(e.code, CVB_SIGNAL_SLOW_DOWN);
    cr_expect_eq(e.after, 250);
    cr_expect_eq(e.source, source);
    cr_expect_eq(e.pid, getpid());
    cr_expect_str_eq(e.text, "nightly load");
    e = expect(CVB_EVENT_HOLD);
    cr_expect_eq(e.code, 1);
    cr_expect_eq(e.stage, stage);
    cr_expect_str_eq(e.text, "");
    e = expect(CVB_EVENT_HOLD);
    cr_expect_eq(e.code, 0);
    cr_expect_str_eq(e.text, "done");
    expect_none();
}

Test(events, of_what_is_set)
{
    expect(CVB_EVENT_ATTACH);
    cr_assert_eq(cvb_set_limit(h, CVB_NO_STAGE, source, 5), 0);
    struct cvb_event e = expect(CVB_EVENT_SET);
    cr_expect_str_eq(e.text, "limit");
    cr_expect_eq(e.source, source);
    cr_expect_eq(e.before, 10);
    cr_expect_eq(e.after, 5);
    cr_assert_eq(cvb_set_thresholds(h, 0.5, 0.25), 0);
    e = expect(CVB_EVENT_SET);
    cr_expect_str_eq(e.text, "backpressure_threshold");
    cr_expect_eq(e.after, 500000000);
    expect(CVB_EVENT_SET);
    cr_assert_eq(cvb_set_max_retries(h, stage, 7), 0);
    cr_expect_eq(expect(CVB_EVENT_SET).after, 7);
    expect_none();
}

static void signal_number(unsigned i)
{
    char text[16];
    snprintf(text, sizeof text, "%u", i);
    cr_assert_eq(cvb_signal(h, CVB_NO_STAGE, CVB_NO_SOURCE, CVB_SIGNAL_SLOW_DOWN, 1 + i, text), 0);
}

Test(events, the_last_thousand_are_there_and_the_others_are_counted)
{
    for (unsigned i = 0; i < 5000; i++)
        signal_number(i);
    struct cvb_event e;
    unsigned seen = 0;
    while (cvb_event_next(h, &cursor, &e, &missed) == 1) {
        cr_assert_eq(e.kind, CVB_EVENT_SIGNAL);
        cr_assert_eq((unsigned)atoi(e.text) + 1, e.after);
        cr_assert_eq(e.number, 1 + e.after - 1, "the first one told of the attach");
        seen++;
    }
    cr_expect_geq(seen, 1000);
    cr_expect_eq(seen + missed, 5001);
    cr_expect_eq(e.after, 5000);
    signal_number(7);
    cr_expect_eq(expect(CVB_EVENT_SIGNAL).after, 8, "and on from there");
}

Test(events, errors)
{
    struct cvb_event e;
    cr_expect_eq(cvb_event_next(NULL, &cursor, &e, NULL), CVB_EINVAL);
    cr_expect_eq(cvb_event_next(h, NULL, &e, NULL), CVB_EINVAL);
    cr_expect_eq(cvb_event_next(h, &cursor, NULL, NULL), CVB_EINVAL);
    cursor = UINT64_MAX;
    cr_expect_eq(cvb_event_next(h, &cursor, &e, NULL), 0, "beyond the end there is none");
    cr_expect_eq(cursor, UINT64_MAX);
}

static int signal_for_ever(void *unused)
{
    struct cvb_handle *mine;
    (void)unused;
    if (cvb_attach(name, &mine))
        return 1;
    for (unsigned i = 0;; i++) {
        char text[CVB_REASON_MAX + 1];
        memset(text, 'a' + (int)(i % 20), sizeof text);
        text[20 + i % 20] = 0;
        if (cvb_signal(mine, CVB_NO_STAGE, CVB_NO_SOURCE, CVB_SIGNAL_SLOW_DOWN, 1 + i % 20, text))
            return 2;
    }
}

/* True if the next event is a signal, which is whole then. */
static bool is_whole_signal(void *unused)
{
    struct cvb_event e;
    (void)unused;
    if (cvb_event_next(h, &cursor, &e, &missed) != 1 || e.kind != CVB_EVENT_SIGNAL)
        return false;
    const unsigned n = (unsigned)e.after - 1;
    cr_assert_lt(n, 20);
    cr_assert_eq(strlen(e.text), 20 + n, "%s with %u", e.text, n);
    cr_assert_eq(strspn(e.text, (char[]){(char)('a' + n), 0}), 20 + n, "%s with %u", e.text, n);
    return true;
}

/* Each event that is told is whole, and those who were killed in the middle keep nobody from telling more. Where the
 * processors are busy most rounds end while the children attach, and some while they write: those wait for a signal. */
Test(events, of_those_who_are_killed_while_they_write)
{
    uint64_t seed = 3;
    struct cvb_event e;
    for (unsigned round = 0; round < 60; round++) {
        pid_t child[2] = {spawn(signal_for_ever, NULL), spawn(signal_for_ever, NULL)};
        if (round % 10 == 0)
            cr_assert(wait_until(is_whole_signal, NULL, 30000), "round %u: nobody writes", round);
        for (unsigned looks = 500 + random_below(&seed, 3000); looks; looks--)
            is_whole_signal(NULL);
        for (unsigned i = 0; i < 2; i++) {
            kill(child[i], SIGKILL);
            cr_assert_eq(reap(child[i]), SIGNALED + SIGKILL);
        }
        cr_assert_geq(cvb_recover(h), 0);
    }
    while (cvb_event_next(h, &cursor, &e, &missed) == 1)
        continue;
    signal_number(3);
    cr_expect_eq(expect(CVB_EVENT_SIGNAL).after, 4);
}
