/* settle.c - the contract of put, take, ack, return and forward, with each error: no error leaves a trace, and a second
 * settling of a lease, by any handle and any function, has none either.
 */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

static const char *name;
static struct cvb_handle *h;
static uint32_t stage, next;

static void setup(void)
{
    struct cvb_settings s = small_settings(40, 20, 30);
    name = segment_name("settle");
    h = make_segment(name, &s);
    cr_assert_not_null(h);
    cr_assert_eq(cvb_stage(h, "filter", &stage), 0);
    cr_assert_eq(cvb_stage(h, "enrich", &next), 0);
    cr_assert(name_everything(h));
}

static void teardown(void)
{
    cvb_detach(h);
    cvb_unlink(name);
}

TestSuite(settle, .init = setup, .fini = teardown);

static void take(struct cvb_lease *l, unsigned n)
{
    cr_assert_eq(put_numbers(h, stage, 0, 0, n, NULL), (int)n);
    cr_assert_eq(cvb_get_batch(h, stage, l, n), (int)n);
}

#define EXPECT_AUDIT(queued, leased) cr_assert_null(audit_says(h, queued, leased), "%s", audit_says(h, queued, leased))

Test(settle, put_refuses_what_is_no_record)
{
    char payload[65] = "x";
    struct cvb_record good = {.payload = payload, .length = 1}, r = good;
    cr_assert_eq(cvb_buffer_for_stage(NULL, stage, &good), CVB_EINVAL);
    cr_assert_eq(cvb_buffer_for_stage(h, stage, NULL), CVB_EINVAL);
    cr_assert_eq(cvb_buffer_for_stage(h, 8, &good), CVB_EUNKNOWN);
    cr_assert_eq(cvb_buffer_for_stage(h, UINT32_MAX, &good), CVB_EUNKNOWN);
    r.length = 65;
    cr_assert_eq(cvb_buffer_for_stage(h, stage, &r), CVB_ETOOLONG);
    r.length = UINT32_MAX;
    cr_assert_eq(cvb_buffer_for_stage(h, stage, &r), CVB_ETOOLONG);
    r = good;
    r.source = 8;
    cr_assert_eq(cvb_buffer_for_stage(h, stage, &r), CVB_EUNKNOWN);
    r = good;
    r.pipeline = 4;
    cr_assert_eq(cvb_buffer_for_stage(h, stage, &r), CVB_EUNKNOWN);
    r = good;
    r.payload = NULL;
    cr_assert_eq(cvb_buffer_for_stage(h, stage, &r), CVB_EINVAL);
    EXPECT_AUDIT(0, 0);
    r.length = 0;
    cr_assert_eq(cvb_buffer_for_stage(h, stage, &r), 0, "nothing needs no address");
    r = good;
    r.length = 64;
    cr_assert_eq(cvb_buffer_for_stage(h, stage, &r), 0);
    struct cvb_lease l[2];
    cr_assert_eq(cvb_get_batch(h, stage, l, 2), 2);
    cr_assert(l[0].length == 0 && l[1].length == 64 && !memcmp(l[1].payload, payload, 64));
    cr_assert_eq(cvb_ack(h, l, 2), 0);
}

/* Records of every length up to `longest`, a batch and one by one: all are in the buffer at the same time, and each
 * comes out as it went in. */
static void keep_apart(const char *its, uint32_t longest)
{
    enum { MANY = 2 * 66 };
    static char in[MANY][66];
    struct cvb_settings s = small_settings(MANY, MANY, MANY);
    struct cvb_record r[MANY];
    struct cvb_lease l[MANY];
    struct cvb_handle *own;
    uint32_t work, n = 2 * (longest + 1);
    s.payload_size = longest;
    cr_assert_not_null(own = make_segment(its, &s));
    cr_assert_eq(cvb_stage(own, "work", &work), 0);
    cr_assert(name_everything(own));
    for (uint32_t i = 0; i < n; i++) {
        memset(in[i], (int)(i + 1), sizeof in[i]);
        r[i] = (struct cvb_record){.payload = in[i], .length = i % (longest + 1)};
    }
    cr_assert_eq(cvb_buffer_batch_for_stage(own, work, r, n / 2, NULL), (int)(n / 2));
    for (uint32_t i = n / 2; i < n; i++)
        cr_assert_eq(cvb_buffer_for_stage(own, work, &r[i]), 0);
    cr_assert_eq(cvb_get_batch(own, work, l, MANY), (int)n);
    for (uint32_t i = 0; i < n; i++)
        cr_assert(l[i].length == r[i].length && !memcmp(l[i].payload, in[i], r[i].length), "%u of %u", i, longest);
    cr_assert_eq(cvb_ack(own, l, n), 0);
    cvb_detach(own);
    cvb_unlink(its);
}

Test(settle, payloads_of_any_size_keep_apart)
{
    static const uint32_t longest[] = {0, 1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65};
    const char *its = segment_name("sizes"); /* one for all: of the last eight names the suite's own is one */
    for (unsigned i = 0; i < sizeof longest / sizeof *longest; i++)
        keep_apart(its, longest[i]);
}

Test(settle, a_batch_takes_the_longest_prefix_and_says_why)
{
    struct cvb_record r[4] = {{.payload = "a", .length = 1},
                              {.payload = "b", .length = 1, .source = 1, .pipeline = 1},
                              {.payload = "c", .length = 1, .source = 8},
                              {.payload = "d", .length = 1}};
    int why = 99;
    cr_assert_eq(cvb_buffer_batch_for_stage(h, stage, r, 4, &why), 2);
    cr_assert_eq(why, CVB_EUNKNOWN);
    cr_assert_eq(cvb_buffer_batch_for_stage(h, stage, r, 2, &why), 2);
    cr_assert_eq(why, 0);
    cr_assert_eq(cvb_buffer_batch_for_stage(h, stage, r, 0, &why), 0);
    cr_assert_eq(cvb_buffer_batch_for_stage(h, stage, NULL, 0, &why), 0);
    cr_assert_eq(cvb_buffer_batch_for_stage(h, stage, NULL, 1, &why), CVB_EINVAL);
    r[0].length = 65;
    cr_assert_eq(cvb_buffer_batch_for_stage(h, stage, r, 2, &why), CVB_ETOOLONG,
                 "nothing was put, and no limit is why");
    cr_assert_eq(why, CVB_ETOOLONG);
    cr_assert_eq(put_numbers(h, stage, 2, 0, 100, &why), 16);
    cr_assert_eq(why, CVB_ESTAGE_FULL);
    cr_assert_eq(put_numbers(h, next, 2, 0, 100, &why), 14);
    cr_assert_eq(why, CVB_ESOURCE_FULL);
    cr_assert_eq(put_numbers(h, next, 3, 0, 100, &why), 6);
    cr_assert(why == CVB_ESTAGE_FULL || why == CVB_ETOTAL_FULL);
    EXPECT_AUDIT(40, 0);
}

Test(settle, a_lease_says_all_about_its_record)
{
    uint32_t source, pipeline;
    cr_assert_eq(cvb_source(h, "n0", &source), 0);
    cr_assert_eq(cvb_source(h, "n1", &source), 0);
    cr_assert_eq(cvb_pipeline(h, "n0", &pipeline), 0);
    struct timespec before, after; /* the library reads the coarse clock, which is late and never ahead */
    clock_gettime(CLOCK_REALTIME_COARSE, &before);
    struct cvb_record r = {.payload = "payload", .length = 7, .source = source, .pipeline = pipeline};
    cr_assert_eq(cvb_buffer_for_stage(h, stage, &r), 0);
    clock_gettime(CLOCK_REALTIME, &after);
    struct cvb_lease l;
    cr_assert_eq(cvb_get_batch(h, stage, &l, 1), 1);
    cr_assert_eq(l.length, 7);
    cr_assert_eq(memcmp(l.payload, "payload", 7), 0);
    cr_assert(l.source == source && l.pipeline == pipeline && l.stage == stage && l.retry_count == 0);
    cr_assert_geq((int64_t)l.buffered_at_ns, before.tv_sec * INT64_C(1000000000) + before.tv_nsec - 20000000);
    cr_assert_leq((int64_t)l.buffered_at_ns, after.tv_sec * INT64_C(1000000000) + after.tv_nsec + 20000000);
    cr_assert_eq(cvb_ack(h, &l, 1), 0);
}

Test(settle, get_batch_errors)
{
    struct cvb_lease l[4];
    cr_assert_eq(cvb_get_batch(NULL, stage, l, 1), CVB_EINVAL);
    cr_assert_eq(cvb_get_batch(h, 8, l, 1), CVB_EUNKNOWN);
    cr_assert_eq(cvb_get_batch(h, stage, NULL, 1), CVB_EINVAL);
    cr_assert_eq(cvb_get_batch(h, stage, l, 0), 0);
    cr_assert_eq(cvb_get_batch(h, stage, l, 4), 0, "empty");
    cr_assert_eq(cvb_get_batch(h, CVB_STAGE_DEAD_LETTER, l, 4), 0, "empty");
}

typedef int (*settling)(struct cvb_handle *, const struct cvb_lease *, size_t);
static int forward(struct cvb_handle *at, const struct cvb_lease *l, size_t n)
{
    return cvb_forward(at, next, l, n, NULL);
}
static int forward_records(struct cvb_handle *at, const struct cvb_lease *l, size_t n)
{
    struct cvb_record r[20];
    for (size_t i = 0; i < n; i++)
        r[i] = (struct cvb_record){.payload = "new", .length = 3};
    return cvb_forward_records(at, next, l, r, n, NULL);
}
static const settling ways[] = {cvb_ack, cvb_return_to_buffer, forward, forward_records};
static const char *const way_names[] = {"ack", "return", "forward", "forward_records"};
enum { WAYS = 4 };

Test(settle, a_settled_lease_is_settled_for_every_way)
{
    for (unsigned first = 0; first < WAYS; first++)
        for (unsigned second = 0; second < WAYS; second++) {
            struct cvb_lease l[6];
            take(l, 6);
            cr_assert_geq(ways[first](h, &l[2], 1), 0);
            cr_expect_eq(ways[second](h, &l[2], 1), CVB_ESETTLED, "%s then %s", way_names[first], way_names[second]);
            cr_expect_eq(ways[second](h, l, 6), CVB_ESETTLED, "%s then %s", way_names[first], way_names[second]);
            cr_expect_null(audit_says(h, first ? 1 : 0, 5), "all or none: %s", audit_says(h, first ? 1 : 0, 5));
            cr_assert_eq(cvb_ack(h, l, 2), 0);
            cr_assert_eq(cvb_ack(h, l + 3, 3), 0);
            cr_assert_geq(drain(h, stage), 0);
            cr_assert_geq(drain(h, next), 0);
            EXPECT_AUDIT(0, 0);
        }
}

/* As the header says: found out late. Whatever was settled then was settled once. */
Test(settle, the_same_lease_twice_in_one_call)
{
    for (unsigned way = 0; way < WAYS; way++) {
        struct cvb_lease l[6];
        take(l, 5);
        l[5] = l[1];
        int error = ways[way](h, l, 6), settled = 0;
        cr_expect(error == CVB_ESETTLED || (way >= 2 && error == 5), "%s: %d", way_names[way], error);
        for (int i = 0; i < 5; i++)
            settled += cvb_ack(h, &l[i], 1) == CVB_ESETTLED;
        cr_expect_eq(drain(h, stage) + drain(h, next), way ? settled : 0, "%s", way_names[way]);
        EXPECT_AUDIT(0, 0);
    }
}

Test(settle, leases_of_another_handle)
{
    struct cvb_handle *other;
    struct cvb_lease l[4], mixed[2];
    cr_assert_eq(cvb_attach(name, &other), 0);
    take(l, 3);
    cr_assert_eq(put_numbers(h, stage, 0, 3, 1, NULL), 1);
    cr_assert_eq(cvb_get_batch(other, stage, &l[3], 1), 1);
    for (unsigned way = 0; way < WAYS; way++) {
        cr_expect_eq(ways[way](other, l, 1), CVB_EFOREIGN, "%s", way_names[way]);
        mixed[0] = l[0];
        mixed[1] = l[3];
        cr_expect_eq(ways[way](h, mixed, 2), CVB_EFOREIGN, "%s", way_names[way]);
        cr_expect_eq(ways[way](other, mixed, 2), CVB_EFOREIGN, "%s", way_names[way]);
    }
    EXPECT_AUDIT(0, 4);
    cr_assert_eq(cvb_detach(h), 0);
    cr_assert_eq(cvb_attach(name, &h), 0);
    for (unsigned way = 0; way < WAYS; way++)
        cr_expect_eq(ways[way](h, l, 1), CVB_EFOREIGN, "from before a detach: %s", way_names[way]);
    cr_assert_eq(cvb_ack(other, &l[3], 1), 0);
    cr_assert_eq(cvb_detach(other), 0);
}

Test(settle, arguments_out_of_range)
{
    struct cvb_lease l[2];
    int why;
    take(l, 2);
    for (unsigned way = 0; way < WAYS; way++) {
        cr_expect_eq(ways[way](NULL, l, 1), CVB_EINVAL, "%s", way_names[way]);
        cr_expect_eq(ways[way](h, l, 0), 0, "%s", way_names[way]);
        struct cvb_lease bad = l[0];
        bad.place.unit = UINT32_MAX;
        cr_expect_lt(ways[way](h, &bad, 1), 0, "%s", way_names[way]);
        bad = l[0];
        bad.place.member = 31;
        cr_expect_lt(ways[way](h, &bad, 1), 0, "%s", way_names[way]);
        bad.place.member = 77;
        cr_expect_lt(ways[way](h, &bad, 1), 0, "%s", way_names[way]);
    }
    cr_assert_eq(cvb_ack(h, NULL, 1), CVB_EINVAL);
    cr_assert_eq(cvb_return_to_buffer(h, NULL, 1), CVB_EINVAL);
    cr_assert_eq(cvb_forward(h, next, NULL, 1, &why), CVB_EINVAL);
    cr_assert_eq(cvb_forward(h, 8, l, 1, &why), CVB_EUNKNOWN);
    cr_assert_eq(cvb_forward_records(h, next, l, NULL, 1, &why), CVB_EINVAL);
    EXPECT_AUDIT(0, 2);
    cr_assert_eq(cvb_ack(h, l, 2), 0);
}

Test(settle, one_call_settles_leases_of_several_stages)
{
    struct cvb_lease l[12];
    cr_assert_eq(put_numbers(h, stage, 0, 0, 6, NULL), 6);
    cr_assert_eq(put_numbers(h, next, 1, 0, 6, NULL), 6);
    for (int i = 0; i < 6; i++) {
        cr_assert_eq(cvb_get_batch(h, stage, &l[2 * i], 1), 1);
        cr_assert_eq(cvb_get_batch(h, next, &l[2 * i + 1], 1), 1);
    }
    cr_assert_eq(cvb_return_to_buffer(h, l, 12), 0);
    EXPECT_AUDIT(12, 0);
    cr_assert_eq(cvb_get_batch(h, stage, l, 12), 6);
    cr_assert_eq(cvb_get_batch(h, next, l + 6, 6), 6);
    for (int i = 0; i < 12; i++)
        cr_assert(l[i].retry_count == 1 && l[i].stage == (i < 6 ? stage : next));
    cr_assert_eq(cvb_ack(h, l, 12), 0);
    EXPECT_AUDIT(0, 0);
}

/* Every subset of a train of six, in ascending and in descending order, one by one and in one call. */
Test(settle, every_subset_of_acks, .timeout = 60)
{
    for (unsigned subset = 0; subset < 64; subset++)
        for (unsigned how = 0; how < 4; how++) {
            struct cvb_lease l[6], some[6], rest[6];
            unsigned n = 0, m = 0;
            take(l, 6);
            for (unsigned i = 0; i < 6; i++)
                if (subset >> i & 1)
                    some[how & 1 ? (unsigned)__builtin_popcount(subset) - ++n : n++] = l[i];
                else
                    rest[m++] = l[i];
            if (how & 2)
                cr_assert_eq(cvb_ack(h, some, n), 0);
            else
                for (unsigned i = 0; i < n; i++)
                    cr_assert_eq(cvb_ack(h, &some[i], 1), 0);
            EXPECT_AUDIT(0, m);
            for (unsigned i = 0; i < m; i++)
                cr_assert_lt(number_of(&rest[i]), 6, "the payload of what is still leased stays");
            cr_assert_eq(cvb_return_to_buffer(h, rest, m), 0);
            EXPECT_AUDIT(m, 0);
            cr_assert_eq(drain(h, stage), m);
        }
}

/* Several trains in one call, whole and each once: the short way, which differs for few and for many records. What is
 * not that goes the long way, with the same end. */
static void whole_trains(int size)
{
    struct cvb_lease l[20], bad[20];
    const int n = 2 * size, last = n - 1;
    for (int i = 0; i < 2; i++)
        cr_assert_eq(put_numbers(h, stage, 0, 0, (unsigned)size, NULL), size);
    cr_assert_eq(cvb_get_batch(h, stage, l, (size_t)n), n);
    for (int wrong = 0; wrong < 5; wrong++) { /* in the last train */
        memcpy(bad, l, sizeof bad);
        bad[last].place.handle += wrong == 0;
        bad[last].place.stage += wrong == 1;
        bad[last].place.number += wrong == 2;
        bad[last].place.member = wrong == 3 ? 40 : bad[last].place.member;
        bad[last].place.unit = wrong == 4 ? UINT32_MAX : bad[last].place.unit;
        cr_expect_lt(cvb_ack(h, bad, (size_t)n), 0, "%d", wrong);
        EXPECT_AUDIT(0, n);
    }
    memcpy(bad, l, sizeof bad);
    memcpy(bad + size, l, (size_t)size * sizeof *bad); /* the first train twice */
    cr_assert_eq(cvb_ack(h, bad, (size_t)n), CVB_ESETTLED);
    EXPECT_AUDIT(0, size);
    memcpy(bad, l + size, (size_t)size * sizeof *bad);
    bad[1] = bad[0]; /* one twice, one missing */
    cr_assert_eq(cvb_ack(h, bad, (size_t)size), CVB_ESETTLED);
    EXPECT_AUDIT(0, size - 1);
    for (int i = 1; i < size; i++) /* backwards */
        bad[size - 1 - i] = l[size + i];
    cr_assert_eq(cvb_ack(h, bad, (size_t)size - 1), 0);
    EXPECT_AUDIT(0, 0);
}

Test(settle, whole_trains_in_one_call)
{
    whole_trains(5);
    whole_trains(10);
}

Test(settle, zero_retries_make_a_dead_letter_at_the_first_return)
{
    struct cvb_settings s = small_settings(10, 10, 10);
    s.max_retries = 0;
    cvb_detach(h);
    h = make_segment(name, &s);
    cr_assert(name_everything(h));
    struct cvb_lease l[10];
    cr_assert_eq(put_numbers(h, 1, 0, 0, 10, NULL), 10);
    cr_assert_eq(cvb_get_batch(h, 1, l, 10), 10);
    cr_assert_eq(cvb_return_to_buffer(h, l, 10), 0);
    cr_assert_eq(cvb_get_batch(h, 1, l, 10), 0);
    cr_assert_eq(put_numbers(h, 1, 0, 0, 1, NULL), 0, "a dead letter is still a record");
    cr_assert_eq(cvb_get_batch(h, CVB_STAGE_DEAD_LETTER, l, 10), 10);
    for (unsigned i = 0; i < 10; i++)
        cr_assert(number_of(&l[i]) == i && l[i].stage == CVB_STAGE_DEAD_LETTER);
    cr_assert_eq(cvb_return_to_buffer(h, l, 10), 0, "an operator may put it back where it was");
    EXPECT_AUDIT(10, 0);
    cr_assert_eq(drain(h, CVB_STAGE_DEAD_LETTER), 10);
    EXPECT_AUDIT(0, 0);
}

Test(settle, an_operator_forwards_dead_letters)
{
    struct cvb_lease l[10];
    take(l, 10);
    for (int turn = 0; turn < 4; turn++) {
        cr_assert_eq(cvb_return_to_buffer(h, l, 10), 0);
        cr_assert_eq(cvb_get_batch(h, turn < 3 ? stage : CVB_STAGE_DEAD_LETTER, l, 10), 10);
    }
    int why;
    cr_assert_eq(cvb_forward(h, next, l, 10, &why), 10);
    cr_assert_eq(cvb_get_batch(h, next, l, 10), 10);
    for (unsigned i = 0; i < 10; i++)
        cr_assert_eq(number_of(&l[i]), i);
    cr_assert_eq(cvb_ack(h, l, 10), 0);
    EXPECT_AUDIT(0, 0);
}

Test(settle, forward_takes_the_longest_prefix_that_fits)
{
    struct cvb_lease l[20];
    int why;
    cr_assert_eq(put_numbers(h, next, 1, 0, 13, NULL), 13);
    take(l, 15);
    cr_assert_eq(cvb_forward(h, next, l, 15, &why), 7);
    cr_assert_eq(why, CVB_ESTAGE_FULL);
    EXPECT_AUDIT(20, 8);
    cr_assert_eq(cvb_ack(h, l, 7), CVB_ESETTLED);
    cr_assert_eq(cvb_forward(h, stage, l + 7, 8, &why), 8, "into its own stage");
    cr_assert_eq(why, 0);
    EXPECT_AUDIT(28, 0);
}

/* A refusal in the middle of a train must not make the caller's leases stale. */
Test(settle, what_a_refused_forward_leaves_is_still_leased)
{
    for (unsigned way = 2; way < WAYS; way++) {
        struct cvb_lease l[6];
        cr_assert_eq(put_numbers(h, next, 1, 0, 20, NULL), 20);
        take(l, 6);
        for (unsigned turn = 0; turn < 3; turn++)
            cr_expect_eq(ways[way](h, l + 1 + turn, 3), 0, "%s", way_names[way]);
        EXPECT_AUDIT(20, 6);
        cr_expect_eq(cvb_ack(h, l, 6), 0, "%s", way_names[way]);
        drain(h, next);
        cr_expect_null(audit_says(h, 0, 0), "%s: %s", way_names[way], audit_says(h, 0, 0));
    }
}
