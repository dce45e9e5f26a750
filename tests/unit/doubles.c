/* Leases and slots that stand twice in one array, and what else an array may hold by mistake: each is settled once, and
 * the segment stays as the audit wants it. */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <string.h>

enum { MOST = 24 };
static struct cvb_handle *h, *other;
static const char *name;

static void setup(void)
{
    struct cvb_settings s = small_settings(40, 40, 40);
    name = segment_name("doubles");
    h = make_segment(name, &s);
    cr_assert(h && name_everything(h));
    cr_assert_eq(cvb_attach(name, &other), 0);
}

static void teardown(void)
{
    cvb_detach(other);
    cvb_detach(h);
    cvb_unlink(name);
}

TestSuite(doubles, .init = setup, .fini = teardown);

enum way { ACK, RETURN, RELEASE, FORWARD, FORWARD_RECORDS, PUBLISH, CANCEL, WAYS };
static const char *const names[] = {"ack", "return", "release", "forward", "forward_records", "publish", "cancel"};

/* An array of leases, or of slots, of which some are wrong. */
struct array {
    enum way way;
    struct cvb_lease lease[MOST];
    struct cvb_slot slot[MOST];
    size_t count;
};

static bool of_slots(enum way way) { return way == PUBLISH || way == CANCEL; }

static void add(struct array *to, const struct array *from, size_t i)
{
    to->lease[to->count] = from->lease[i];
    to->slot[to->count++] = from->slot[i];
}

static int settle(const struct array *a, int *why)
{
    struct cvb_record r[MOST];
    for (size_t i = 0; i < a->count; i++)
        r[i] = (struct cvb_record){.payload = "result", .length = 6};
    *why = 0;
    switch (a->way) {
    case ACK:
        return cvb_ack(h, a->lease, a->count);
    case RETURN:
        return cvb_return_to_buffer(h, a->lease, a->count);
    case RELEASE:
        return cvb_release(h, a->lease, a->count);
    case FORWARD:
        return cvb_forward(h, 3, a->lease, a->count, why);
    case FORWARD_RECORDS:
        return cvb_forward_records(h, 3, a->lease, r, a->count, why);
    case PUBLISH:
        return cvb_publish(h, a->slot, a->count);
    default:
        return cvb_cancel(h, a->slot, a->count);
    }
}

/* n records of up to three units, leased, or reserved. */
static void have(struct array *a, unsigned n)
{
    const struct cvb_record shape = {.payload = "text", .length = 5, .source = 1};
    a->count = n;
    if (of_slots(a->way)) {
        int why;
        cr_assert_eq(cvb_reserve(h, 2, &shape, a->slot, n, &why), (int)n);
        for (unsigned i = 0; i < n; i++)
            memcpy(a->slot[i].payload, "text", 5);
        return;
    }
    for (unsigned put = 0; put < n; put += put + 3 < n ? 3 : n - put)
        cr_assert_gt(put_numbers(h, 2, 1, put, put + 3 < n ? 3 : n - put, NULL), 0);
    cr_assert_eq(cvb_get_batch(h, 2, a->lease, n), (int)n);
}

/* Whatever is left of it is settled singly: those that were settled give ESETTLED. How many were not. */
static unsigned settle_rest(const struct array *all)
{
    unsigned left = 0;
    for (size_t i = 0; i < all->count; i++) {
        int error = of_slots(all->way) ? cvb_cancel(h, &all->slot[i], 1) : cvb_ack(h, &all->lease[i], 1);
        cr_assert(!error || error == CVB_ESETTLED, "%s: %s", names[all->way], cvb_error_text(error));
        left += !error;
    }
    return left;
}

static void empty_again(enum way way)
{
    const char *wrong;
    for (uint32_t stage = 0; stage < 4; stage++)
        cr_assert_geq(drain(h, stage), 0);
    wrong = audit_says(h, 0, 0);
    cr_assert_null(wrong, "%s: %s", names[way], wrong);
    cr_assert_eq(cvb_available_credits(h, 1), 40, "%s", names[way]);
}

static void expect(const struct array *a, const struct array *all, size_t before)
{
    int why, result = settle(a, &why);
    bool counts = a->way == FORWARD || a->way == FORWARD_RECORDS;
    cr_expect_eq(result, counts ? (int)before : CVB_ESETTLED, "%s gives %d", names[a->way], result);
    if (counts)
        cr_expect_eq(why, CVB_ESETTLED, "%s", names[a->way]);
    cr_expect_null(audit_says(h, 0, 0) && strstr(audit_says(h, 0, 0), "problems") ? audit_says(h, 0, 0) : NULL);
    cr_expect_eq(settle_rest(all), all->count - before, "%s", names[a->way]);
    empty_again(a->way);
}

Test(doubles, the_second_place_of_one_is_refused_wherever_it_stands)
{
    for (enum way way = 0; way < WAYS; way++) {
        struct array all = {.way = way}, bad = {.way = way};
        have(&all, 2);
        add(&bad, &all, 1);
        add(&bad, &all, 0);
        add(&bad, &all, 1);
        expect(&bad, &all, 2);
    }
}

Test(doubles, random_arrays, .timeout = 60)
{
    uint64_t seed = 7, enough = now_ms() + 30000; /* on a slow machine */
    for (unsigned round = 0; round < 3000 && now_ms() < enough; round++) {
        struct array all = {.way = (enum way)random_below(&seed, WAYS)}, bad = {.way = all.way};
        unsigned n = 2 + random_below(&seed, 14), order[MOST];
        have(&all, n);
        for (unsigned i = 0; i < n; i++)
            order[i] = i;
        for (unsigned i = n - 1; random_below(&seed, 2) && i > 0; i--) {
            unsigned k = random_below(&seed, i + 1), x = order[i];
            order[i] = order[k];
            order[k] = x;
        }
        unsigned before = 1 + random_below(&seed, n);
        for (unsigned i = 0; i < n; i++) {
            if (i == before)
                add(&bad, &all, order[random_below(&seed, before)]);
            add(&bad, &all, order[i]);
        }
        if (before == n)
            add(&bad, &all, order[random_below(&seed, before)]);
        expect(&bad, &all, before);
    }
}

/* What is not the caller's, or was settled before, leaves all as they are. */
Test(doubles, foreign_and_old_ones_leave_all_as_they_are)
{
    for (enum way way = 0; way < WAYS; way++) {
        struct array all = {.way = way}, old = {.way = way}, bad = {.way = way};
        struct cvb_lease theirs;
        int why, wrong[2] = {CVB_ESETTLED, CVB_EFOREIGN};
        have(&old, 3);
        cr_assert_eq(settle_rest(&old), 3);
        have(&all, 5);
        cr_assert_eq(put_numbers(other, 1, 2, 0, 1, NULL), 1);
        cr_assert_eq(cvb_get_batch(other, 1, &theirs, 1), 1);
        for (unsigned k = 0; k < 2; k++) {
            bad.count = 0;
            for (size_t i = 0; i < 5; i++)
                add(&bad, &all, i);
            add(&bad, &old, 1);
            if (k) {
                bad.lease[5] = theirs;
                bad.slot[5].place = theirs.place;
            }
            int result = settle(&bad, &why);
            cr_expect_eq(result, wrong[k], "%s, %u: %d", names[way], k, result);
        }
        cr_assert_eq(cvb_ack(other, &theirs, 1), 0);
        cr_expect_eq(settle_rest(&all), 5, "%s", names[way]);
        empty_again(way);
    }
}

/* A slot may be shortened, and never lengthened beyond what was asked for. */
Test(doubles, a_slot_longer_than_asked_for)
{
    struct array all = {.way = PUBLISH};
    have(&all, 3);
    all.slot[1].length = 6;
    cr_expect_eq(cvb_publish(h, all.slot, 3), CVB_ETOOLONG);
    all.slot[1].length = 2;
    cr_expect_eq(cvb_publish(h, all.slot, 3), 0);
    struct cvb_lease l[3];
    cr_assert_eq(cvb_get_batch(h, 2, l, 3), 3);
    cr_expect_eq(l[1].length, 2);
    cr_assert_eq(cvb_ack(h, l, 3), 0);
}
