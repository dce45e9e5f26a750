/* progress.c - positions stay with their records, a position is accepted once, and progress is true. */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

static const char *name;
static struct cvb_handle *h;
static uint32_t stage, next, source, other;
#define SECOND INT64_C(1000000000)

static void setup(void)
{
    struct cvb_settings s = small_settings(200, 100, 100);
    s.max_retries = 1;
    name = segment_name("progress");
    h = make_segment(name, &s);
    cr_assert_not_null(h);
    cr_assert_eq(cvb_stage(h, "filter", &stage), 0);
    cr_assert_eq(cvb_stage(h, "sink", &next), 0);
    cr_assert_eq(cvb_source(h, "kafka-1", &source), 0);
    cr_assert_eq(cvb_source(h, "kafka-2", &other), 0);
}

static void teardown(void)
{
    cvb_detach(h);
    cvb_unlink(name);
}

TestSuite(progress, .init = setup, .fini = teardown);

static struct cvb_record record_at(uint64_t position)
{
    return (struct cvb_record){.payload = "payload", .length = 7, .source = source, .position = position};
}

/* Puts records with positions first, first + step, ... as one batch. */
static int put_from(struct cvb_handle *by, uint64_t first, uint64_t step, unsigned n, int *why)
{
    struct cvb_record r[64];
    for (unsigned i = 0; i < n; i++)
        r[i] = record_at(first + i * step);
    return cvb_buffer_batch_for_stage(by, stage, r, n, why);
}

static struct cvb_progress progress_of(uint32_t of)
{
    struct cvb_progress p = {0};
    cr_assert_eq(cvb_source_progress(h, of, &p), 0);
    return p;
}

static uint64_t wanted;
static bool settled_is(void *unused) { return !unused && progress_of(source).settled == wanted; }

/* A survey is at most 20 ms behind, and four times as long as one takes, if it is interrupted; then `settled` is exact,
 * because nobody is at work. */
static void expect_progress(uint64_t accepted, uint64_t settled, uint64_t live)
{
    wanted = settled;
    cr_expect(wait_until(settled_is, NULL, 20000), "settled is %lu, not %lu",
              (unsigned long)progress_of(source).settled, (unsigned long)settled);
    const struct cvb_progress p = progress_of(source);
    cr_expect_eq(p.accepted, accepted, "%lu", (unsigned long)p.accepted);
    cr_expect_eq(p.settled, settled);
    cr_expect_eq(p.live, live, "%lu", (unsigned long)p.live);
}

static unsigned get(uint32_t from, struct cvb_lease *l, unsigned n)
{
    int got = get_all(h, from, l, n);
    cr_assert_geq(got, 0);
    return (unsigned)got;
}

Test(progress, a_lease_shows_the_position_of_its_record)
{
    struct cvb_lease l[64];
    int why;
    cr_assert_eq(put_from(h, 5, 3, 1, &why), 1);
    cr_assert_eq(put_from(h, 10, 3, 2, &why), 2);
    cr_assert_eq(put_from(h, 20, 7, 40, &why), 40);
    cr_assert_eq(get(stage, l, 64), 43);
    cr_expect_eq(l[0].position, 5);
    cr_expect_eq(l[1].position, 10);
    cr_expect_eq(l[2].position, 13);
    for (unsigned i = 0; i < 40; i++)
        cr_expect_eq(l[3 + i].position, 20 + i * 7);
    for (unsigned i = 0; i < 43; i++)
        cr_expect(l[i].length == 7 && !memcmp(l[i].payload, "payload", 7));
    cr_expect_eq(cvb_ack(h, l, 43), 0);
    expect_progress(20 + 39 * 7, 20 + 39 * 7, 0);
}

Test(progress, a_record_without_a_position_has_none_and_holds_nothing_back)
{
    struct cvb_lease l[64];
    struct cvb_record r[] = {record_at(0), record_at(7), record_at(0), record_at(0), record_at(9)};
    int why;
    cr_assert_eq(cvb_buffer_batch_for_stage(h, stage, r, 5, &why), 5);
    cr_assert_eq(get(stage, l, 64), 5);
    for (unsigned i = 0; i < 5; i++)
        cr_expect_eq(l[i].position, r[i].position);
    cr_expect_eq(cvb_ack(h, &l[1], 1), 0);
    cr_expect_eq(cvb_ack(h, &l[4], 1), 0);
    expect_progress(9, 9, 0);
    cr_expect_eq(cvb_ack(h, l, 1), 0);
    cr_expect_eq(cvb_ack(h, l + 2, 2), 0);
    cr_assert_eq(put_numbers(h, stage, source, 1, 30, NULL), 30);
    cr_assert_eq(get(stage, l, 64), 30);
    for (unsigned i = 0; i < 30; i++)
        cr_expect_eq(l[i].position, 0, "an idle unit had positions before");
}

Test(progress, settled_is_below_the_lowest_that_is_live)
{
    struct cvb_lease l[64];
    int why;
    expect_progress(0, 0, 0);
    cr_assert_eq(put_from(h, 1, 1, 10, &why), 10);
    expect_progress(10, 0, 10);
    cr_assert_eq(get(stage, l, 64), 10);
    cr_expect_eq(cvb_ack(h, &l[9], 1), 0);
    cr_expect_eq(cvb_ack(h, &l[0], 1), 0);
    cr_expect_eq(cvb_ack(h, &l[2], 1), 0);
    expect_progress(10, 1, 7);
    cr_expect_eq(cvb_ack(h, &l[1], 1), 0);
    expect_progress(10, 3, 6);
    cr_expect_eq(cvb_release(h, &l[3], 1), 0);
    cr_expect_eq(cvb_ack(h, &l[4], 5), 0);
    expect_progress(10, 3, 1);
    cr_assert_eq(get(stage, l, 64), 1);
    cr_expect_eq(l[0].position, 4);
    cr_expect_eq(cvb_ack(h, l, 1), 0);
    expect_progress(10, 10, 0);
    cr_expect_eq(progress_of(other).accepted, 0, "of another source nothing is said");
}

Test(progress, a_position_that_was_accepted_is_refused)
{
    struct cvb_record r[3] = {record_at(8), record_at(9), record_at(9)};
    int why = 0;
    cr_assert_eq(cvb_buffer_batch_for_stage(h, stage, r, 3, &why), 2);
    cr_expect_eq(why, CVB_EPOSITION);
    cr_expect_eq(cvb_buffer_for_stage(h, stage, &r[0]), CVB_EPOSITION);
    cr_expect_eq(cvb_buffer_for_stage(h, stage, &r[1]), CVB_EPOSITION);
    r[0].position = UINT64_MAX;
    cr_expect_eq(cvb_buffer_for_stage(h, stage, &r[0]), CVB_EINVAL);
    r[0].position = 10;
    r[0].source = other;
    cr_expect_eq(cvb_buffer_for_stage(h, stage, &r[0]), 0);
    r[1].position = 4;
    r[1].source = other;
    cr_expect_eq(cvb_buffer_for_stage(h, stage, &r[1]), CVB_EPOSITION);
    cr_expect_null(audit_says(h, 3, 0));
    cr_expect_eq(cvb_is_full(CVB_EPOSITION), 0);
}

Test(progress, positions_far_apart_are_not_one_unit)
{
    struct cvb_lease l[64];
    int why;
    cr_assert_eq(put_from(h, 1, 1000, 9, &why), 9);
    cr_assert_eq(put_from(h, INT64_C(1) << 40, 1, 3, &why), 3);
    cr_assert_eq(put_from(h, INT64_MAX - 1, 1, 2, &why), 2);
    cr_assert_eq(get(stage, l, 64), 14);
    for (unsigned i = 0; i < 9; i++)
        cr_expect_eq(l[i].position, 1 + i * 1000);
    cr_expect_eq(l[13].position, INT64_MAX);
    cr_expect_eq(cvb_ack(h, l, 9), 0);
    expect_progress(INT64_MAX, 8001, 5);
}

/* Forwards of both kinds, of parts, returns and dead letters. */
Test(progress, a_record_keeps_its_position_wherever_it_goes)
{
    struct cvb_lease l[64];
    struct cvb_record result[64];
    int why;
    for (unsigned i = 0; i < 64; i++)
        result[i] = (struct cvb_record){.payload = "result", .length = 6, .position = 77};
    cr_assert_eq(put_from(h, 101, 2, 20, &why), 20);
    cr_assert_eq(cvb_get_batch(h, stage, l, 5), 5);
    cr_assert_eq(get(stage, l + 5, 59), 15);
    cr_expect_eq(cvb_forward(h, next, &l[2], 3, &why), 3);
    cr_expect_eq(cvb_forward_records(h, next, &l[7], result, 6, &why), 6);
    cr_expect_eq(cvb_return_to_buffer(h, &l[0], 2), 0);
    cr_expect_eq(cvb_release(h, &l[5], 2), 0);
    cr_expect_eq(cvb_ack(h, &l[13], 7), 0);
    expect_progress(139, 100, 13);
    cr_assert_eq(get(next, l, 64), 9);
    for (unsigned i = 0; i < 9; i++)
        cr_expect_eq(l[i].position, i < 3 ? 105 + 2 * i : 115 + 2 * (i - 3), "%u: %lu", i,
                     (unsigned long)l[i].position);
    cr_expect_eq(cvb_ack(h, l, 9), 0);
    expect_progress(139, 100, 4);
    cr_assert_eq(get(stage, l, 64), 4);
    cr_expect_eq(cvb_return_to_buffer(h, l, 4), 0);
    cr_assert_eq(get(stage, l, 64), 2, "two are dead letters");
    cr_expect_eq(cvb_ack(h, l, 2), 0);
    expect_progress(139, 100, 2);
    cr_assert_eq(get(CVB_STAGE_DEAD_LETTER, l, 64), 2);
    cr_expect_eq(l[0].position + l[1].position, 101 + 103);
    cr_expect_eq(cvb_forward(h, stage, l, 2, &why), 2);
    expect_progress(139, 100, 2);
    cr_assert_eq(get(stage, l, 64), 2);
    cr_expect_eq(cvb_ack(h, &l[l[0].position != 101], 1), 0);
    expect_progress(139, 102, 1);
    cr_expect_eq(cvb_ack(h, &l[l[0].position == 101], 1), 0);
    expect_progress(139, 139, 0);
}

Test(progress, take_and_peek_show_positions)
{
    struct cvb_record taken[8];
    struct cvb_cursor at = {0};
    struct cvb_lease seen;
    char buffer[1024];
    int why;
    cr_assert_eq(put_from(h, 3, 4, 6, &why), 6);
    for (unsigned i = 0; i < 6; i++) {
        cr_assert_eq(cvb_peek(h, stage, &at, &seen, buffer, sizeof buffer), 1);
        cr_expect_eq(seen.position, 3 + i * 4);
        cr_expect_eq(seen.length, 7);
    }
    cr_assert_eq(cvb_take_batch(h, stage, taken, 6, buffer, sizeof buffer), 6);
    for (unsigned i = 0; i < 6; i++)
        cr_expect_eq(taken[i].position, 3 + i * 4);
    expect_progress(23, 23, 0);
}

Test(progress, slots_are_published_with_positions)
{
    struct cvb_slot s[16];
    struct cvb_lease l[64];
    struct cvb_record shape = record_at(0);
    int why;
    cr_assert_eq(cvb_reserve(h, stage, &shape, s, 16, &why), 16);
    for (unsigned i = 0; i < 16; i++) {
        memcpy(s[i].payload, "payload", 7);
        s[i].position = 10 + i;
    }
    cr_expect_eq(cvb_publish(h, &s[4], 4), 0, "a part of the reservation");
    s[1].position = 17;
    cr_expect_eq(cvb_publish(h, s, 2), CVB_EPOSITION);
    s[1].position = s[0].position = 20;
    cr_expect_eq(cvb_publish(h, s, 2), CVB_EPOSITION, "not growing");
    s[1].position = 3000;
    cr_expect_eq(cvb_publish(h, s, 2), 0, "too far apart for one unit");
    s[2].position = s[3].position = 0;
    cr_expect_eq(cvb_publish(h, &s[2], 2), 0);
    for (unsigned i = 8; i < 16; i++)
        s[i].position = 4000 + i;
    cr_expect_eq(cvb_publish(h, &s[8], 8), 0);
    shape.position = 5000;
    cr_expect_eq(cvb_reserve(h, stage, &shape, s, 1, &why), CVB_EINVAL, "each slot has a position of its own");
    const uint64_t positions[] = {14, 15, 16, 17, 20, 3000, 0, 0, 4008, 4009, 4010, 4011, 4012, 4013, 4014, 4015};
    cr_assert_eq(get(stage, l, 64), 16);
    for (unsigned i = 0; i < 16; i++)
        cr_expect(l[i].position == positions[i] && l[i].length == 7, "%u: %lu", i, (unsigned long)l[i].position);
    cr_expect_eq(cvb_ack(h, l, 8), 0);
    expect_progress(4015, 3000, 8);
}

Test(progress, one_producer_at_a_time_has_a_source)
{
    struct cvb_handle *second;
    uint64_t accepted = 99;
    struct cvb_lease l[8];
    int why;
    cr_assert_eq(cvb_attach(name, &second), 0);
    cr_expect_eq(cvb_source_open(second, source, &accepted), 0);
    cr_expect_eq(accepted, 0);
    cr_expect_eq(put_from(second, 1, 1, 3, &why), 3);
    cr_expect_eq(put_from(h, 9, 1, 1, &why), CVB_EBUSY);
    cr_expect_eq(why, CVB_EBUSY);
    cr_expect_eq(cvb_source_open(h, source, NULL), CVB_EBUSY);
    cr_expect_eq(cvb_source_open(h, other, NULL), 0, "another source is free");
    cr_expect_eq(cvb_source_open(h, 7, NULL), CVB_EUNKNOWN);
    cr_expect_eq(put_numbers(h, stage, source, 1, 1, NULL), 1, "without a position anybody may");
    cr_assert_eq(get(stage, l, 8), 4);
    cr_expect_eq(cvb_ack(h, l, 3), 0);
    cr_expect_eq(cvb_detach(second), 0);
    cr_expect_eq(cvb_source_open(h, source, &accepted), 0);
    cr_expect_eq(accepted, 3, "also what is settled was accepted");
    cr_expect_eq(put_from(h, 3, 1, 1, &why), CVB_EPOSITION);
    cr_expect_eq(put_from(h, 4, 1, 1, &why), 1);
}

Test(progress, a_source_that_is_closed_is_anybodys)
{
    struct cvb_handle *second;
    struct cvb_slot slot;
    uint64_t accepted = 99;
    int why;
    const struct cvb_record shape = {.length = 8, .source = source};
    cr_assert_eq(cvb_attach(name, &second), 0);
    cr_expect_eq(cvb_source_close(h, source), 0, "it does not have it");
    cr_expect_eq(put_from(h, 1, 1, 3, &why), 3);
    cr_expect_eq(cvb_source_close(second, source), 0, "nor does this one");
    cr_expect_eq(cvb_source_open(second, source, NULL), CVB_EBUSY);
    cr_assert_eq(cvb_reserve(h, stage, &shape, &slot, 1, NULL), 1);
    slot.position = 4;
    cr_expect_eq(cvb_source_close(h, source), 0);
    cr_expect_eq(cvb_source_close(h, 7), CVB_EUNKNOWN);
    cr_expect_eq(cvb_source_open(second, source, &accepted), 0);
    cr_expect_eq(accepted, 3);
    cr_expect_eq(cvb_publish(h, &slot, 1), CVB_EBUSY, "a slot opens it again");
    cr_expect_eq(put_from(h, 4, 1, 1, &why), CVB_EBUSY);
    cr_expect_eq(put_from(second, 4, 1, 1, &why), 1);
    cr_expect_eq(cvb_source_close(second, source), 0);
    slot.position = 5;
    cr_expect_eq(cvb_publish(h, &slot, 1), 0);
    cr_expect_eq(put_from(h, 5, 1, 1, &why), CVB_EPOSITION);
    cr_expect_eq(cvb_detach(second), 0);
}

static int put_two_and_die(void *unused)
{
    struct cvb_handle *mine;
    int why;
    (void)unused;
    if (cvb_attach(name, &mine) || put_from(mine, 41, 1, 2, &why) != 2)
        return 1;
    _exit(0); /* with its seat */
}

Test(progress, the_source_of_the_dead_is_free)
{
    uint64_t accepted;
    cr_assert_eq(reap(spawn(put_two_and_die, NULL)), 0);
    cr_expect_eq(cvb_source_open(h, source, &accepted), 0);
    cr_expect_eq(accepted, 42);
}

Test(progress, a_wait_ends_when_it_is_settled)
{
    struct cvb_lease l[8];
    int why;
    cr_assert_eq(put_from(h, 1, 1, 3, &why), 3);
    cr_expect_eq(cvb_wait_settled(h, source, 1, 0), CVB_ETIMEDOUT);
    cr_expect_eq(cvb_wait_settled(h, source, 1, SECOND / 10), CVB_ETIMEDOUT);
    cr_expect_eq(cvb_wait_settled(h, source, 0, 0), 0);
    cr_assert_eq(get(stage, l, 8), 3);
    cr_expect_eq(cvb_ack(h, l, 3), 0);
    cr_expect_eq(cvb_wait_settled(h, source, 3, 10 * SECOND), 0);
    cr_expect_eq(cvb_wake(h), 0);
    cr_expect_eq(cvb_wait_settled(h, source, 4, 10 * SECOND), CVB_EINTERRUPTED);
    cr_expect_eq(cvb_wait_settled(h, 7, 1, 0), CVB_EUNKNOWN);
    cr_expect_eq(cvb_source_progress(h, 7, &(struct cvb_progress){0}), CVB_EUNKNOWN);
    cr_expect_eq(cvb_source_progress(h, source, NULL), CVB_EINVAL);
}

Test(progress, one_walk_tells_of_all_sources)
{
    struct cvb_progress all[8], one;
    struct cvb_lease l[8];
    struct cvb_settings s;
    int why;
    cr_assert_eq(cvb_settings_of(h, &s), 0);
    cr_assert_leq(s.max_sources, 8);
    cr_assert_eq(put_from(h, 5, 5, 3, &why), 3);
    struct cvb_record r = record_at(7);
    r.source = other;
    cr_assert_eq(cvb_buffer_for_stage(h, stage, &r), 0);
    cr_assert_eq(get(stage, l, 2), 2);
    cr_assert_eq(cvb_ack(h, l, 1), 0);
    expect_progress(15, 9, 2);
    memset(all, 0xff, sizeof all);
    cr_assert_eq(cvb_progress_all(h, all), 0);
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert_eq(cvb_source_progress(h, i, &one), 0);
        cr_expect_arr_eq(&all[i], &one, sizeof one, "source %u", i);
    }
    cr_expect_eq(all[source].accepted, 15);
    cr_expect_eq(all[other].accepted, 7);
    one = (struct cvb_progress){0};
    for (uint32_t i = 2; i < s.max_sources; i++)
        cr_expect_arr_eq(&all[i], &one, sizeof one, "source %u", i);
    cr_expect_eq(cvb_progress_all(h, NULL), CVB_EINVAL);
}

/* A caller that was built when the struct was shorter, or will be when it is longer. */
Test(progress, elements_have_the_size_that_the_caller_knows)
{
    struct longer {
        struct cvb_progress known;
        uint64_t more;
    } longer[8];
    uint64_t accepted[8];
    int why;
    cr_assert_eq(put_from(h, 5, 5, 3, &why), 3);
    memset(longer, 0xff, sizeof longer);
    cr_assert_eq(cvb_progress_all_sized(h, (struct cvb_progress *)(void *)longer, sizeof longer[0]), 0);
    cr_expect_eq(longer[source].known.accepted, 15);
    cr_expect_eq(longer[source].more, 0);
    cr_expect_eq(longer[other].known.accepted, 0);
    memset(accepted, 0xff, sizeof accepted);
    cr_assert_eq(cvb_progress_all_sized(h, (struct cvb_progress *)(void *)accepted, sizeof accepted[0]), 0);
    cr_expect_eq(accepted[source], 15);
    cr_expect_eq(accepted[other], 0);
}

Test(progress, each_segment_has_an_id)
{
    const struct cvb_settings s = small_settings(10, 10, 10);
    uint8_t a[CVB_SEGMENT_ID_BYTES], b[CVB_SEGMENT_ID_BYTES];
    struct cvb_handle *again;
    cr_assert_eq(cvb_segment_id(h, a), 0);
    cr_assert_eq(cvb_attach(name, &again), 0);
    cr_assert_eq(cvb_segment_id(again, b), 0);
    cr_expect_arr_eq(a, b, sizeof a);
    cr_assert_eq(cvb_detach(again), 0);
    cr_assert_eq(cvb_unlink(name), 0);
    cr_assert_eq(cvb_create(name, &s), 0);
    cr_assert_eq(cvb_attach(name, &again), 0);
    cr_assert_eq(cvb_segment_id(again, b), 0);
    cr_expect_arr_neq(a, b, sizeof a);
    cr_expect_eq(cvb_segment_id(again, NULL), CVB_EINVAL);
    cr_assert_eq(cvb_detach(again), 0);
}
