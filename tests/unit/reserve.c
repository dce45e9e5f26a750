/* reserve.c - the contract of reserve, publish and cancel, of forward with new payloads, and of take_batch. */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const char *name;
static struct cvb_handle *h;
static uint32_t stage, next;
static const struct cvb_record shape = {.length = 8, .source = 1, .pipeline = 2};

static void setup(void)
{
    struct cvb_settings s = small_settings(40, 20, 30);
    name = segment_name("reserve");
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

TestSuite(reserve, .init = setup, .fini = teardown);

#define EXPECT_AUDIT(queued, leased) cr_assert_null(audit_says(h, queued, leased), "%s", audit_says(h, queued, leased))

static void write_slots(const struct cvb_slot *slots, unsigned n, uint64_t from)
{
    for (unsigned i = 0; i < n; i++, from++)
        memcpy(slots[i].payload, &from, sizeof from);
}

static uint32_t reserved_now(void)
{
    struct cvb_audit a;
    cr_assert_eq(cvb_audit(h, &a), 0);
    cr_assert_eq(a.problems, 0, "%s", a.first_problem);
    cr_assert_eq(a.free + a.reserved + a.queued + a.leased, a.capacity);
    return a.reserved;
}

Test(reserve, reserved_records_count_and_are_not_seen_before_they_are_published)
{
    struct cvb_slot s[20];
    struct cvb_lease l[20];
    int why = 1;
    cr_assert_eq(cvb_reserve(h, stage, &shape, s, 12, &why), 12);
    cr_assert_eq(why, 0);
    cr_assert_eq(reserved_now(), 12);
    cr_assert_eq(put_numbers(h, stage, 1, 0, 20, &why), 8, "reserved ones have their credits");
    cr_assert_eq(why, CVB_ESTAGE_FULL);
    cr_assert_eq(cvb_get_batch(h, stage, l, 20), 8);
    cr_assert_eq(cvb_ack(h, l, 8), 0);
    write_slots(s, 12, 100);
    cr_assert_eq(cvb_publish(h, s, 12), 0);
    cr_assert_eq(cvb_get_batch(h, stage, l, 20), 12);
    for (unsigned i = 0; i < 12; i++)
        cr_assert(number_of(&l[i]) == 100 + i && l[i].source == 1 && l[i].pipeline == 2 && l[i].length == 8);
    cr_assert_eq(cvb_ack(h, l, 12), 0);
    EXPECT_AUDIT(0, 0);
}

Test(reserve, any_subset_is_published_and_the_rest_canceled)
{
    for (unsigned subset = 0; subset < 256; subset++) {
        struct cvb_slot s[8], in[8], out[8];
        unsigned n = 0, m = 0;
        cr_assert_eq(cvb_reserve(h, stage, &shape, s, 8, NULL), 8);
        write_slots(s, 8, 0);
        for (unsigned i = 0; i < 8; i++)
            *(subset >> i & 1 ? &in[n++] : &out[m++]) = s[i];
        cr_assert_eq(cvb_publish(h, in, n), 0);
        cr_assert_eq(cvb_cancel(h, out, m), 0);
        EXPECT_AUDIT(n, 0);
        struct cvb_lease l[8];
        cr_assert_eq(cvb_get_batch(h, stage, l, 8), (int)n);
        for (unsigned i = 0; i < n; i++)
            cr_assert(subset >> number_of(&l[i]) & 1);
        cr_assert_eq(cvb_ack(h, l, n), 0);
    }
}

Test(reserve, slots_are_queued_in_the_order_of_the_array)
{
    struct cvb_slot s[3], backwards[3];
    struct cvb_lease l[3];
    cr_assert_eq(cvb_reserve(h, stage, &shape, s, 3, NULL), 3);
    for (uint64_t i = 0; i < 3; i++) {
        memcpy(s[i].payload, &i, sizeof i);
        backwards[2 - i] = s[i];
    }
    cr_assert_eq(cvb_publish(h, backwards, 3), 0);
    cr_assert_eq(cvb_get_batch(h, stage, l, 3), 3);
    for (uint64_t i = 0; i < 3; i++)
        cr_assert_eq(number_of(&l[i]), 2 - i);
    cr_assert_eq(cvb_ack(h, l, 3), 0);
}

Test(reserve, a_slot_may_be_published_shorter_and_not_longer)
{
    struct cvb_slot s[2];
    struct cvb_record wide = {.length = 64};
    struct cvb_lease l[2];
    cr_assert_eq(cvb_reserve(h, stage, &wide, s, 2, NULL), 2);
    memcpy(s[0].payload, "abc", 3);
    s[0].length = 3;
    s[1].length = 65;
    cr_assert_eq(cvb_publish(h, s, 2), CVB_ETOOLONG);
    cr_assert_eq(reserved_now(), 2, "all or none");
    s[1].length = 0;
    cr_assert_eq(cvb_publish(h, s, 2), 0);
    cr_assert_eq(cvb_get_batch(h, stage, l, 2), 2);
    cr_assert(l[0].length == 3 && !memcmp(l[0].payload, "abc", 3) && l[1].length == 0);
    cr_assert_eq(cvb_ack(h, l, 2), 0);
}

Test(reserve, errors_of_reserve)
{
    struct cvb_slot s[4];
    struct cvb_record bad = shape;
    int why = 0;
    cr_assert_eq(cvb_reserve(NULL, stage, &shape, s, 1, &why), CVB_EINVAL);
    cr_assert_eq(cvb_reserve(h, stage, NULL, s, 1, &why), CVB_EINVAL);
    cr_assert_eq(cvb_reserve(h, stage, &shape, NULL, 1, &why), CVB_EINVAL);
    cr_assert_eq(cvb_reserve(h, 8, &shape, s, 1, &why), CVB_EUNKNOWN);
    bad.length = 65;
    cr_assert_eq(cvb_reserve(h, stage, &bad, s, 1, &why), CVB_ETOOLONG);
    bad = shape;
    bad.source = 8;
    cr_assert_eq(cvb_reserve(h, stage, &bad, s, 1, &why), CVB_EUNKNOWN);
    bad = shape;
    bad.pipeline = 4;
    cr_assert_eq(cvb_reserve(h, stage, &bad, s, 1, &why), CVB_EUNKNOWN);
    cr_assert_eq(cvb_reserve(h, stage, &shape, s, 0, &why), 0);
    EXPECT_AUDIT(0, 0);
}

Test(reserve, errors_of_publish_and_cancel)
{
    static int (*const ways[])(struct cvb_handle *, const struct cvb_slot *, size_t) = {cvb_publish, cvb_cancel};
    struct cvb_handle *other;
    cr_assert_eq(cvb_attach(name, &other), 0);
    for (unsigned first = 0; first < 2; first++)
        for (unsigned second = 0; second < 2; second++) {
            struct cvb_slot s[3], bad;
            cr_assert_eq(cvb_reserve(h, stage, &shape, s, 3, NULL), 3);
            cr_assert_eq(ways[second](NULL, s, 1), CVB_EINVAL);
            cr_assert_eq(ways[second](h, NULL, 1), CVB_EINVAL);
            cr_assert_eq(ways[second](other, s, 1), CVB_EFOREIGN);
            bad = s[0];
            bad.place.unit = UINT32_MAX;
            cr_assert_lt(ways[second](h, &bad, 1), 0);
            bad = s[0];
            bad.place.member = 33;
            cr_assert_lt(ways[second](h, &bad, 1), 0);
            cr_assert_eq(ways[first](h, &s[1], 1), 0);
            cr_assert_eq(ways[second](h, &s[1], 1), CVB_ESETTLED);
            cr_assert_eq(ways[second](h, s, 3), CVB_ESETTLED);
            cr_assert_eq(reserved_now(), 2, "all or none");
            cr_assert_eq(cvb_cancel(h, &s[0], 1), 0);
            cr_assert_eq(cvb_cancel(h, &s[2], 1), 0);
            cr_assert_eq(drain(h, stage), first ? 0 : 1);
            EXPECT_AUDIT(0, 0);
        }
    cvb_detach(other);
}

Test(reserve, a_slot_is_no_lease_and_a_lease_is_no_slot)
{
    struct cvb_slot s = {0};
    struct cvb_lease l = {0};
    cr_assert_eq(cvb_reserve(h, stage, &shape, &s, 1, NULL), 1);
    l.place = s.place;
    cr_assert_lt(cvb_ack(h, &l, 1), 0);
    cr_assert_lt(cvb_return_to_buffer(h, &l, 1), 0);
    cr_assert_lt(cvb_forward(h, next, &l, 1, NULL), 0);
    cr_assert_eq(reserved_now(), 1);
    cr_assert_eq(cvb_cancel(h, &s, 1), 0);
    cr_assert_eq(put_numbers(h, stage, 0, 0, 1, NULL), 1);
    cr_assert_eq(cvb_get_batch(h, stage, &l, 1), 1);
    s.place = l.place;
    cr_assert_lt(cvb_publish(h, &s, 1), 0);
    cr_assert_lt(cvb_cancel(h, &s, 1), 0);
    EXPECT_AUDIT(0, 1);
    cr_assert_eq(cvb_ack(h, &l, 1), 0);
}

static int reserve_and(void *die)
{
    struct cvb_handle *mine;
    struct cvb_slot s[10];
    if (cvb_attach(name, &mine) || cvb_reserve(mine, stage, &shape, s, 10, NULL) != 10 || cvb_publish(mine, s, 3))
        return 1;
    if (die)
        raise(SIGKILL);
    return cvb_detach(mine);
}

Test(reserve, what_the_dead_and_the_detached_reserved_is_given_back)
{
    cr_assert_eq(reap(spawn(reserve_and, NULL)), 0);
    cr_assert_geq(cvb_recover(h), 0);
    EXPECT_AUDIT(3, 0);
    cr_assert_eq(reap(spawn(reserve_and, h)), SIGNALED + SIGKILL);
    cr_assert_geq(cvb_recover(h), 0);
    EXPECT_AUDIT(6, 0);
    cr_assert_eq(drain(h, stage), 6);
    int why;
    cr_assert_eq(put_numbers(h, stage, 1, 0, 30, &why), 20, "every credit is back");
}

Test(reserve, forward_with_new_payloads)
{
    struct cvb_lease l[15], out[15];
    struct cvb_record r[15];
    char text[15][32];
    int why = 1;
    cr_assert_eq(put_numbers(h, stage, 3, 0, 15, NULL), 15);
    cr_assert_eq(cvb_get_batch(h, stage, l, 15), 15);
    for (unsigned i = 0; i < 15; i++)
        r[i] = (struct cvb_record){.payload = text[i],
                                   .length = (uint32_t)snprintf(text[i], 32, "result %0*u", (int)i + 1, i)};
    cr_assert_eq(cvb_forward_records(h, next, l, r, 15, &why), 15);
    cr_assert_eq(why, 0);
    cr_assert_eq(cvb_get_batch(h, next, out, 15), 15);
    for (unsigned i = 0; i < 15; i++) {
        cr_assert(out[i].length == r[i].length && !memcmp(out[i].payload, text[i], r[i].length));
        cr_assert(out[i].source == 3 && out[i].retry_count == 0, "source and pipeline stay those of the lease");
    }
    cr_assert_eq(cvb_ack(h, out, 15), 0);
    EXPECT_AUDIT(0, 0);
}

Test(reserve, forward_with_new_payloads_takes_the_longest_prefix_that_fits)
{
    struct cvb_lease l[15];
    struct cvb_record r[15];
    int why = 1;
    cr_assert_eq(put_numbers(h, next, 4, 0, 13, NULL), 13);
    cr_assert_eq(put_numbers(h, stage, 3, 0, 15, NULL), 15);
    cr_assert_eq(cvb_get_batch(h, stage, l, 15), 15);
    for (unsigned i = 0; i < 15; i++)
        r[i] = (struct cvb_record){.payload = "new", .length = 3};
    cr_expect_eq(cvb_forward_records(h, next, l, r, 15, &why), 7);
    cr_expect_eq(why, CVB_ESTAGE_FULL);
    r[9].length = 65;
    cr_expect_eq(cvb_forward_records(h, 3, l + 7, r + 7, 8, &why), 2, "those before the record that is too long");
    cr_expect_eq(why, CVB_ETOOLONG);
    cr_expect_eq(cvb_forward_records(h, 3, l + 9, r + 9, 6, &why), CVB_ETOOLONG);
    EXPECT_AUDIT(22, 6);
    cr_assert_eq(cvb_ack(h, l + 9, 6), 0);
}

Test(reserve, take_batch_copies_and_settles)
{
    struct cvb_record taken[12];
    char buffer[64 * 5];
    cr_assert_eq(put_numbers(h, stage, 5, 0, 12, NULL), 12);
    cr_assert_eq(cvb_take_batch(h, stage, taken, 12, buffer, sizeof buffer), 5, "as many as surely fit");
    EXPECT_AUDIT(7, 0);
    for (unsigned i = 0; i < 5; i++) {
        uint64_t number;
        memcpy(&number, taken[i].payload, sizeof number);
        cr_assert(number == i && taken[i].length == 8 && taken[i].source == 5);
        cr_assert(taken[i].payload == buffer + 8 * i, "one after the other");
    }
    cr_assert_eq(cvb_take_batch(h, stage, taken, 3, buffer, sizeof buffer), 3);
    cr_assert_eq(cvb_take_batch(h, stage, taken, 12, buffer, 63), CVB_EINVAL, "no room for one of the longest");
    cr_assert_eq(cvb_take_batch(h, stage, taken, 12, buffer, sizeof buffer), 4);
    cr_assert_eq(cvb_take_batch(h, stage, taken, 12, buffer, sizeof buffer), 0);
    cr_assert_eq(cvb_take_batch(NULL, stage, taken, 12, buffer, sizeof buffer), CVB_EINVAL);
    cr_assert_eq(cvb_take_batch(h, 8, taken, 12, buffer, sizeof buffer), CVB_EUNKNOWN);
    cr_assert_eq(cvb_take_batch(h, stage, NULL, 12, buffer, sizeof buffer), CVB_EINVAL);
    cr_assert_eq(cvb_take_batch(h, stage, taken, 12, NULL, sizeof buffer), CVB_EINVAL);
    EXPECT_AUDIT(0, 0);
}
