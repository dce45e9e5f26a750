/* Names of sources that are retired: what forbids it, what a stale id is told by each call, what begins anew, places
 * that serve again, and real processes that are killed anywhere while names come and go. */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TOTAL = 60, STAGE = 40, SOURCE = 30, SOURCES = 8, A = 1 };
static struct cvb_handle *h;
static const char *name;
static uint32_t stage, pipeline;
static struct cvb_lease lease[64];

static void setup(void)
{
    struct cvb_settings s = small_settings(TOTAL, STAGE, SOURCE);
    s.max_retries = 0;
    name = segment_name("retire");
    h = make_segment(name, &s);
    cr_assert(h && !cvb_stage(h, "filter", &stage) && !cvb_pipeline(h, "p", &pipeline));
}

static void teardown(void)
{
    struct cvb_audit a;
    cr_assert_eq(cvb_audit(h, &a), 0);
    cr_assert(a.exact && !a.problems, "%s", a.first_problem);
    cvb_detach(h);
    cvb_unlink(name);
}

TestSuite(retire, .init = setup, .fini = teardown);

static uint32_t source(const char *text)
{
    uint32_t id = 0;
    int error = cvb_source(h, text, &id);
    cr_assert_eq(error, 0, "%s", cvb_error_text(error));
    return id;
}

static int put_at(uint32_t id, uint64_t position)
{
    const struct cvb_record r = {.payload = "1234567", .length = 8, .source = id, .position = position};
    return cvb_buffer_for_stage(h, stage, &r);
}

static int get(void) { return get_all(h, stage, lease, 64); }

Test(retire, gives_the_place_to_the_next_name_with_another_id)
{
    char text[CVB_NAME_MAX + 1];
    uint32_t first = source("a"), other = source("b"), id;
    cr_assert_eq(cvb_source_retire(h, first), 0);
    cr_assert_eq(cvb_source_name(h, first, text), CVB_EUNKNOWN);
    cr_assert_eq(cvb_source_at(h, cvb_source_place(first), &id), CVB_EUNKNOWN);
    uint32_t next = source("c");
    cr_assert(next != first && next != other && cvb_source_place(next) == cvb_source_place(first));
    cr_assert(!cvb_source_name(h, next, text) && !strcmp(text, "c"));
    cr_assert(!cvb_source_at(h, cvb_source_place(first), &id) && id == next);
    cr_assert_eq(source("b"), other);
    uint32_t again = source("a");
    cr_assert(again != first && cvb_source_place(again) == 2);
    cr_assert(!cvb_source_name(h, again, text) && !strcmp(text, "a"));
}

Test(retire, is_refused_while_there_is_a_record)
{
    const uint32_t id = source("a");
    const struct cvb_record shape = {.length = 8, .source = id};
    struct cvb_slot slot;
    int why;
    cr_assert_eq(cvb_reserve(h, stage, &shape, &slot, 1, &why), 1);
    cr_assert_eq(cvb_source_retire(h, id), CVB_EBUSY, "reserved");
    cr_assert_eq(cvb_publish(h, &slot, 1), 0);
    cr_assert_eq(cvb_source_retire(h, id), CVB_EBUSY, "queued");
    cr_assert_eq(get(), 1);
    cr_assert_eq(cvb_source_retire(h, id), CVB_EBUSY, "leased");
    cr_assert_eq(cvb_return_after(h, lease, 1, 20), 0);
    cr_assert_eq(cvb_source_retire(h, id), CVB_EBUSY, "delayed or dead");
    while (!(get_all(h, stage, lease, 1)) && !get_all(h, CVB_STAGE_DEAD_LETTER, lease, 1))
        continue;
    cr_assert_eq(lease[0].source, id);
    cr_assert_eq(cvb_source_retire(h, id), CVB_EBUSY, "leased again");
    cr_assert_eq(cvb_ack(h, lease, 1), 0);
    cr_assert_eq(cvb_source_retire(h, id), 0);
}

Test(retire, is_refused_while_there_is_a_dead_letter)
{
    const uint32_t id = source("a");
    cr_assert_eq(put_at(id, 0), 0);
    cr_assert_eq(put_at(id, 0), 0);
    cr_assert_eq(get(), 2);
    cr_assert_eq(cvb_return_to_buffer(h, lease, 2), 0);
    cr_assert_eq(get(), 0);
    cr_assert_eq(cvb_source_retire(h, id), CVB_EBUSY);
    cr_assert_eq(get_all(h, CVB_STAGE_DEAD_LETTER, lease, 1), 1);
    cr_assert_eq(lease[0].source, id);
    cr_assert_eq(cvb_ack(h, lease, 1), 0);
    cr_assert_eq(cvb_source_retire(h, id), CVB_EBUSY);
    cr_assert_eq(drain(h, CVB_STAGE_DEAD_LETTER), 1);
    cr_assert_eq(cvb_source_retire(h, id), 0);
}

Test(retire, is_refused_while_a_handle_has_it_open)
{
    struct cvb_handle *other;
    const uint32_t id = source("a");
    cr_assert_eq(cvb_attach(name, &other), 0);
    cr_assert_eq(cvb_source_open(other, id, NULL), 0);
    cr_assert_eq(cvb_source_retire(h, id), CVB_EBUSY);
    cr_assert_eq(cvb_source_close(other, id), 0);
    cr_assert_eq(cvb_source_retire(h, id), 0);
    const uint32_t next = source("b");
    cr_assert_eq(cvb_source_open(other, id, NULL), CVB_EUNKNOWN);
    cr_assert_eq(cvb_source_open(other, next, NULL), 0);
    cr_assert_eq(cvb_detach(other), 0);
    cr_assert_eq(cvb_source_retire(h, next), 0);
}

Test(retire, makes_the_id_unknown_everywhere)
{
    const uint32_t id = source("a");
    cr_assert_eq(put_at(id, 0), 0);
    cr_assert_eq(drain(h, stage), 1);
    cr_assert_eq(cvb_source_retire(h, id), 0);
    for (int named = 0; named < 2; named++) {
        const struct cvb_record shape = {.length = 8, .source = id};
        struct cvb_backpressure b;
        struct cvb_progress p;
        struct cvb_counts c;
        struct cvb_given g;
        struct cvb_slot slot;
        int why = 0;
        cr_assert_eq(put_at(id, 0), CVB_EUNKNOWN);
        cr_assert_eq(put_at(id, 7), CVB_EUNKNOWN);
        cr_assert_eq(cvb_reserve(h, stage, &shape, &slot, 1, &why), CVB_EUNKNOWN);
        cr_assert_eq(cvb_source_open(h, id, NULL), CVB_EUNKNOWN);
        cr_assert_eq(cvb_source_close(h, id), CVB_EUNKNOWN);
        cr_assert_eq(cvb_source_progress(h, id, &p), CVB_EUNKNOWN);
        cr_assert_eq(cvb_wait_settled(h, id, 1, 0), CVB_EUNKNOWN);
        cr_assert_eq(cvb_source_counts(h, id, &c), CVB_EUNKNOWN);
        cr_assert_eq(cvb_backpressure(h, stage, id, &b), CVB_EUNKNOWN);
        cr_assert_eq(cvb_should_backpressure(h, id), CVB_EUNKNOWN);
        cr_assert_eq(cvb_available_credits(h, id), CVB_EUNKNOWN);
        cr_assert_eq(cvb_room(h, stage, id), CVB_EUNKNOWN);
        cr_assert_eq(cvb_wait_credits(h, stage, id, 0), CVB_EUNKNOWN);
        cr_assert_eq(cvb_wait_room(h, stage, id, 0), CVB_EUNKNOWN);
        cr_assert_eq(cvb_signal(h, CVB_NO_STAGE, id, CVB_SIGNAL_PAUSE, 0, ""), CVB_EUNKNOWN);
        cr_assert_eq(cvb_signal_of(h, CVB_NO_STAGE, id, &g), CVB_EUNKNOWN);
        cr_assert_eq(cvb_set_limit(h, CVB_NO_STAGE, id, 1), CVB_EUNKNOWN);
        cr_assert_eq(cvb_limit_of(h, CVB_NO_STAGE, id), CVB_EUNKNOWN);
        cr_assert_eq(cvb_source_retire(h, id), CVB_EUNKNOWN);
        source("b"); /* the place is another's: the id stays unknown */
    }
    cr_assert_eq(get(), 0);
    cr_assert_eq(cvb_total_buffered(h), 0);
}

Test(retire, other_errors)
{
    uint32_t id;
    struct cvb_handle *observer;
    cr_assert_eq(cvb_source_retire(NULL, 0), CVB_EINVAL);
    cr_assert_eq(cvb_source_retire(h, 0), CVB_EUNKNOWN);
    cr_assert_eq(cvb_source_retire(h, SOURCES), CVB_EUNKNOWN);
    cr_assert_eq(cvb_source_retire(h, UINT32_MAX), CVB_EUNKNOWN);
    cr_assert_eq(cvb_source_at(h, SOURCES, &id), CVB_EUNKNOWN);
    cr_assert_eq(cvb_source_at(h, 0, NULL), CVB_EINVAL);
    source("a");
    cr_assert_eq(cvb_observe(name, &observer), 0);
    cr_assert_eq(cvb_source_retire(observer, 0), CVB_EREADONLY);
    cr_assert(!cvb_source_at(observer, 0, &id) && id == 0);
    cvb_detach(observer);
}

/* Everything that can be told of a source. */
static void fill_with(uint32_t id)
{
    cr_assert_eq(put_at(id, 5), 0);
    cr_assert_eq(put_at(id, 9), 0);
    cr_assert_eq(drain(h, stage), 2);
    cr_assert_eq(cvb_wait_settled(h, id, 9, INT64_C(10000000000)), 0);
    cr_assert_eq(cvb_source_close(h, id), 0);
    cr_assert_eq(cvb_set_limit(h, CVB_NO_STAGE, id, 2), 0);
    cr_assert_eq(cvb_signal(h, CVB_NO_STAGE, id, CVB_SIGNAL_PAUSE, 0, "stop"), 0);
}

Test(retire, what_is_kept_begins_anew)
{
    for (int turn = 0; turn < 3; turn++) {
        struct cvb_counts c, none = {0};
        struct cvb_progress p;
        struct cvb_given g;
        uint64_t accepted = 99;
        const uint32_t old = source("a");
        fill_with(old);
        cr_assert_eq(cvb_should_backpressure(h, old), 1);
        cr_assert_eq(cvb_source_retire(h, old), 0);
        const uint32_t id = source("b");
        cr_assert_eq(cvb_source_place(id), cvb_source_place(old));
        cr_assert(!cvb_source_counts(h, id, &c) && !memcmp(&c, &none, sizeof c));
        cr_assert(!cvb_source_progress(h, id, &p) && !p.accepted && !p.settled && !p.live);
        cr_assert(!cvb_signal_of(h, CVB_NO_STAGE, id, &g) && g.signal == CVB_SIGNAL_NONE);
        cr_assert_eq(cvb_should_backpressure(h, id), 0);
        cr_assert_eq(cvb_limit_of(h, CVB_NO_STAGE, id), SOURCE);
        cr_assert_eq(cvb_available_credits(h, id), SOURCE);
        cr_assert(!cvb_source_open(h, id, &accepted) && accepted == 0);
        cr_assert_eq(put_at(id, 1), 0);
        cr_assert_eq(put_at(id, 1), CVB_EPOSITION);
        cr_assert_eq(get(), 1);
        cr_assert(lease[0].source == id && lease[0].position == 1);
        cr_assert(!cvb_source_progress(h, id, &p) && p.accepted == 1 && !p.settled && p.live == 1);
        cr_assert_eq(cvb_ack(h, lease, 1), 0);
        cr_assert_eq(cvb_wait_settled(h, id, 1, INT64_C(10000000000)), 0);
        cr_assert(!cvb_source_counts(h, id, &c) && c.accepted == 1 && c.delivered == 1 && c.acked == 1);
        cr_assert_eq(cvb_source_close(h, id), 0);
        cr_assert_eq(cvb_source_retire(h, id), 0);
    }
}

Test(retire, a_full_table_serves_ten_times_as_many_names)
{
    char text[32];
    uint32_t id[SOURCES], one;
    for (unsigned i = 0; i < SOURCES; i++) {
        snprintf(text, sizeof text, "n-%u", i);
        id[i] = source(text);
    }
    cr_assert_eq(cvb_source(h, "one more", &one), CVB_ENAMES);
    for (unsigned i = SOURCES; i < 11 * SOURCES; i++) {
        cr_assert_eq(put_at(id[i % SOURCES], 0), 0);
        cr_assert_eq(drain(h, stage), 1);
        cr_assert_eq(cvb_source_retire(h, id[i % SOURCES]), 0, "turn %u", i);
        snprintf(text, sizeof text, "n-%u", i);
        const uint32_t old = id[i % SOURCES];
        id[i % SOURCES] = source(text);
        cr_assert_eq(cvb_source_place(id[i % SOURCES]), cvb_source_place(old));
        cr_assert_neq(id[i % SOURCES], old);
    }
}

/* A place is not given again when its positions have come too far. */
Test(retire, a_place_whose_positions_are_used_up_stays_empty)
{
    uint32_t id;
    for (unsigned turn = 0; turn < 3; turn++) {
        const uint32_t old = source("a");
        if (cvb_source_place(old))
            break;
        cr_assert_eq(put_at(old, INT64_MAX), 0);
        cr_assert_eq(drain(h, stage), 1);
        cr_assert_eq(cvb_source_close(h, old), 0);
        cr_assert_eq(cvb_source_retire(h, old), 0);
    }
    cr_assert_eq(cvb_source_at(h, 0, &id), CVB_EUNKNOWN);
    cr_assert_eq(cvb_source_place(source("b")), 2);
}

struct crowd {
    const char *name;
    uint64_t seed;
};

/* Names, puts, takes and retires, and is killed at any moment. Each record's payload is the name that it was put under.
 */
static int turn_over(void *argument)
{
    struct crowd *c = argument;
    struct cvb_handle *own;
    uint64_t seed = c->seed;
    uint32_t in, pipe;
    if (cvb_attach(c->name, &own) || cvb_stage(own, "filter", &in) || cvb_pipeline(own, "p", &pipe))
        return 1;
    for (;;) {
        char text[16] = "", here[CVB_NAME_MAX + 1];
        uint32_t id;
        struct cvb_lease l;
        snprintf(text, sizeof text, "name-%u", random_below(&seed, 3 * SOURCES));
        int error = cvb_source(own, text, &id);
        if (error == CVB_ENAMES && !cvb_source_at(own, random_below(&seed, SOURCES), &id)) {
            error = cvb_source_retire(own, id);
            if (error && error != CVB_EBUSY && error != CVB_EUNKNOWN)
                return 2;
            continue;
        }
        if (error && error != CVB_ENAMES)
            return 3;
        const struct cvb_record r = {.payload = text, .length = sizeof text, .source = id, .pipeline = pipe};
        error = error ? error : cvb_buffer_for_stage(own, in, &r);
        if (error && error != CVB_EUNKNOWN && error != CVB_ENAMES && !cvb_is_full(error))
            return 4;
        const int got = cvb_get_batch(own, random_below(&seed, 16) ? in : CVB_STAGE_DEAD_LETTER, &l, 1);
        if (got < 0)
            return 5;
        if (got && (cvb_source_name(own, l.source, here) || strcmp(here, l.payload)))
            return 6; /* a record's source has another meaning */
        if (got && (random_below(&seed, 16) ? cvb_ack(own, &l, 1) : cvb_return_to_buffer(own, &l, 1)))
            return 7;
        if (random_below(&seed, 4) == 0) {
            error = cvb_source_retire(own, id);
            if (error && error != CVB_EBUSY && error != CVB_EUNKNOWN)
                return 8;
        }
    }
}

Test(retire, processes_are_killed_anywhere_while_names_come_and_go, .timeout = 120)
{
    enum { CROWD = 4, KILLS = 150 };
    pid_t child[CROWD];
    struct crowd c[CROWD];
    uint64_t seed = now_ms() | 1;
    for (unsigned i = 0; i < CROWD + KILLS; i++) {
        const unsigned k = i % CROWD;
        if (i >= CROWD) {
            usleep(1000 + random_below(&seed, 4000));
            cr_assert_eq(kill(child[k], SIGKILL), 0);
            const int ended = reap(child[k]);
            cr_assert_eq(ended, SIGNALED + SIGKILL, "a process ended with %d", ended);
        }
        c[k] = (struct crowd){name, random_next(&seed) | 1};
        child[k] = spawn(turn_over, &c[k]);
        cr_assert_gt(child[k], 0);
    }
    for (unsigned k = 0; k < CROWD; k++) {
        kill(child[k], SIGKILL);
        reap(child[k]);
    }
    cr_assert_geq(cvb_recover(h), 0);
    cr_assert_geq(drain(h, stage), 0);
    cr_assert_geq(drain(h, CVB_STAGE_DEAD_LETTER), 0);
    const char *wrong = audit_says(h, 0, 0);
    cr_assert_null(wrong, "%s", wrong);
    for (uint32_t place = 0, id; place < SOURCES; place++)
        if (!cvb_source_at(h, place, &id))
            cr_assert_eq(cvb_source_retire(h, id), 0);
    for (unsigned i = 0; i < SOURCES; i++)
        source((const char *[]){"1", "2", "3", "4", "5", "6", "7", "8"}[i]);
}
