/* packed.c - the contract of cvb_put_packed: records of one buffer go in as an array of records does. */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <string.h>

enum { MOST = 200 };

static const char *name;
static struct cvb_handle *h;
static uint32_t stage, source;
static char bytes[MOST * (64 + 16)];
static uint32_t lengths[MOST], header_lengths[MOST];

static void setup(void)
{
    struct cvb_settings s = small_settings(300, 150, 300);
    s.header_size = 16;
    name = segment_name("packed");
    h = make_stage(name, &s, &stage, &source);
    cr_assert_not_null(h);
}

static void teardown(void)
{
    cvb_detach(h);
    cvb_unlink(name);
}

TestSuite(packed, .init = setup, .fini = teardown);

/* n records: i has i % 65 bytes of the letter of i, and a header of i % 17 of its capital. */
static struct cvb_packed pack(unsigned n, bool headers)
{
    size_t size = 0;
    for (unsigned i = 0; i < n; i++) {
        lengths[i] = i % 65;
        memset(bytes + size, 'a' + (int)i % 26, lengths[i]);
        size += lengths[i];
        header_lengths[i] = headers ? i % 17 : 0;
        memset(bytes + size, 'A' + (int)i % 26, header_lengths[i]);
        size += header_lengths[i];
    }
    return (struct cvb_packed){.bytes = bytes,
                               .size = size,
                               .lengths = lengths,
                               .header_lengths = headers ? header_lengths : NULL,
                               .source = source};
}

static bool all_are(const void *from, uint32_t length, int letter)
{
    const char *text = from;
    for (uint32_t i = 0; i < length; i++)
        if (text[i] != letter)
            return false;
    return true;
}

/* Records from..to are in the stage, and nothing else. */
static void expect_records(unsigned from, unsigned to, bool headers)
{
    struct cvb_lease l[MOST];
    cr_assert_eq(get_all(h, stage, l, to - from), (int)(to - from));
    for (unsigned i = from; i < to; i++) {
        const struct cvb_lease *at = &l[i - from];
        cr_expect(at->length == i % 65 && all_are(at->payload, at->length, 'a' + (int)i % 26), "record %u", i);
        cr_expect(at->header_length == (headers ? i % 17 : 0) &&
                      all_are(at->header, at->header_length, 'A' + (int)i % 26),
                  "header %u", i);
        cr_expect_eq(at->source, source);
    }
    cr_assert_eq(cvb_ack(h, l, to - from), 0);
    cr_assert_null(audit_says(h, 0, 0), "%s", audit_says(h, 0, 0));
}

Test(packed, as_many_go_in_as_are_asked_for)
{
    const unsigned counts[] = {0, 1, 31, 32, 33, 63, 64, 65, 128, 129, 150};
    for (unsigned i = 0; i < 2 * sizeof counts / sizeof counts[0]; i++) {
        const struct cvb_packed p = pack(counts[i / 2], i % 2);
        int why = 1;
        cr_assert_eq(cvb_put_packed(h, stage, &p, counts[i / 2], &why), (int)counts[i / 2]);
        cr_expect_eq(why, 0);
        expect_records(0, counts[i / 2], i % 2);
    }
}

Test(packed, the_longest_prefix_that_fits_goes_in)
{
    const struct cvb_packed p = pack(MOST, true);
    int why;
    cr_assert_eq(cvb_put_packed(h, stage, &p, MOST, &why), 150);
    cr_expect_eq(why, CVB_ESTAGE_FULL);
    cr_expect_eq(cvb_put_packed(h, stage, &p, MOST, NULL), 0);
    expect_records(0, 150, true);
}

Test(packed, positions_go_with_their_records)
{
    struct cvb_packed p = pack(100, true);
    struct cvb_lease l[MOST];
    uint64_t positions[100];
    int why = 0;
    for (unsigned i = 0; i < 100; i++)
        positions[i] = 1000 + 3 * i;
    p.positions = positions;
    cr_assert_eq(cvb_source_open(h, source, NULL), 0);
    cr_assert_eq(cvb_put_packed(h, stage, &p, 90, &why), 90);
    cr_expect_eq(cvb_put_packed(h, stage, &p, 100, &why), CVB_EPOSITION, "those are in");
    positions[0] = positions[89] + 1;
    positions[1] = positions[89] + 2;
    cr_expect_eq(cvb_put_packed(h, stage, &p, 100, &why), 2);
    cr_expect_eq(why, CVB_EPOSITION);
    cr_assert_eq(get_all(h, stage, l, 92), 92);
    for (unsigned i = 0; i < 90; i++)
        cr_expect_eq(l[i].position, 1000 + 3 * i);
    cr_expect(l[90].position == positions[89] + 1 && l[91].position == positions[89] + 2);
    cr_assert_eq(cvb_ack(h, l, 92), 0);
}

/* What take_batch has left in a buffer goes in again as it is. */
Test(packed, is_the_mirror_of_take_batch)
{
    static char buffer[MOST * (64 + 16)];
    struct cvb_record taken[MOST];
    const struct cvb_packed p = pack(100, true);
    cr_assert_eq(cvb_put_packed(h, stage, &p, 100, NULL), 100);
    cr_assert_eq(cvb_take_batch(h, stage, taken, 100, buffer, sizeof buffer), 100);
    cr_expect_arr_eq(buffer, bytes, p.size);
    struct cvb_packed again = p;
    again.bytes = buffer;
    cr_assert_eq(cvb_put_packed(h, stage, &again, 100, NULL), 100);
    expect_records(0, 100, true);
}

Test(packed, what_is_wrong_is_told)
{
    struct cvb_packed p = pack(100, true), bad;
    int why = 0;
    p.size--;
    cr_expect_eq(cvb_put_packed(h, stage, &p, 100, &why), 99, "the buffer ends inside of the last one");
    cr_expect_eq(why, CVB_EINVAL);
    expect_records(0, 99, true);
    lengths[70] = 65;
    cr_expect_eq(cvb_put_packed(h, stage, &p, 100, &why), 70);
    cr_expect_eq(why, CVB_ETOOLONG);
    expect_records(0, 70, true);
    lengths[0] = UINT32_MAX;
    cr_expect_eq(cvb_put_packed(h, stage, &p, 100, &why), CVB_EINVAL);
    bad = pack(3, true);
    header_lengths[0] = 17;
    bad.size += 16;
    cr_expect_eq(cvb_put_packed(h, stage, &bad, 3, &why), CVB_ETOOLONG);
    bad = pack(3, false);
    bad.source = 7;
    cr_expect_eq(cvb_put_packed(h, stage, &bad, 3, &why), CVB_EUNKNOWN);
    bad = pack(3, false);
    cr_expect_eq(cvb_put_packed(h, CVB_STAGE_DEAD_LETTER, &bad, 3, &why), CVB_EUNKNOWN);
    cr_expect_eq(cvb_put_packed(h, stage, NULL, 3, &why), CVB_EINVAL);
    cr_expect_eq(cvb_put_packed(NULL, stage, &bad, 3, &why), CVB_EINVAL);
    bad.lengths = NULL;
    cr_expect_eq(cvb_put_packed(h, stage, &bad, 3, &why), CVB_EINVAL);
    bad = pack(3, false);
    bad.bytes = NULL;
    cr_expect_eq(cvb_put_packed(h, stage, &bad, 3, &why), CVB_EINVAL);
    for (unsigned word = 0; word < 2; word++) {
        bad = pack(3, false);
        bad.reserved[word] = 1;
        cr_expect_eq(cvb_put_packed(h, stage, &bad, 3, &why), CVB_EINVAL);
    }
    expect_records(0, 0, false);
}
