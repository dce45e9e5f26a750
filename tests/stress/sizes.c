/* sizes.c - payloads of 0, 1, the maximum and one more byte; size classes by default and by hand; memory that is full
 * in one class and not in another.
 */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum { STAGE = 1 };
static const char *name;
static struct cvb_handle *h;
static char *text; /* 2 MiB of bytes that tell where they are */

static void make(uint32_t payload_size, uint32_t total, uint32_t class_count, const struct cvb_class *classes)
{
    struct cvb_settings s = small_settings(total, total, total);
    s.payload_size = payload_size;
    s.class_count = class_count;
    for (uint32_t i = 0; i < class_count; i++)
        s.classes[i] = classes[i];
    name = segment_name("sizes");
    h = make_segment(name, &s);
    cr_assert(h && name_everything(h));
    text = malloc(2u << 20);
    for (uint32_t i = 0; i < 2u << 20; i++)
        text[i] = (char)(i * 31 ^ i >> 9);
}

static void done(void)
{
    cr_assert_null(audit_says(h, 0, 0), "%s", audit_says(h, 0, 0));
    cvb_detach(h);
    cvb_unlink(name);
    free(text);
}

static int put_length(uint32_t length)
{
    struct cvb_record r = {.payload = text + length % 100, .length = length};
    return cvb_buffer_for_stage(h, STAGE, &r);
}

static bool is_text(const struct cvb_lease *l, uint32_t length)
{
    return l->length == length && !memcmp(l->payload, text + length % 100, length);
}

Test(sizes, nothing_one_the_maximum_and_one_more)
{
    static const uint32_t sizes[] = {0, 1, 63, 64, 65, 1000, 1024, 1025, 65536, 100001, 1u << 20};
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint32_t size = sizes[i];
        struct cvb_lease l[3];
        make(size, 8, 0, NULL);
        cr_assert_eq(put_length(size + 1), CVB_ETOOLONG, "%u", size);
        cr_assert_eq(put_length(UINT32_MAX), CVB_ETOOLONG, "%u", size);
        cr_assert_eq(put_length(0), 0, "%u", size);
        cr_assert_eq(put_length(size), 0, "%u", size);
        cr_assert_eq(put_length(size ? 1 : 0), 0, "%u", size);
        cr_assert_eq(cvb_get_batch(h, STAGE, l, 3), 3);
        cr_assert(is_text(&l[0], 0) && is_text(&l[1], size) && is_text(&l[2], size ? 1 : 0), "%u", size);
        cr_assert_eq(cvb_ack(h, l, 3), 0);
        done();
    }
}

Test(sizes, a_short_largest_payload_never_refuses_for_memory)
{
    static const uint32_t sizes[] = {0, 1, 64, 1024};
    for (unsigned i = 0; i < 4; i++) {
        make(sizes[i], 500, 0, NULL);
        for (unsigned turn = 0; turn < 3; turn++) {
            for (unsigned n = 0; n < 500; n++)
                cr_assert_eq(put_length(sizes[i]), 0, "record %u", n);
            int error = put_length(0);
            cr_assert(error == CVB_ETOTAL_FULL || error == CVB_ESOURCE_FULL || error == CVB_ESTAGE_FULL, "%s",
                      cvb_error_text(error));
            cr_assert_eq(drain(h, STAGE), 500);
        }
        done();
    }
}

/* 64 KiB at most: all kinds of lengths go through, each whole and in order. */
Test(sizes, the_default_classes_take_a_mixed_stream, .timeout = 60)
{
    make(65536, 200, 0, NULL);
    uint64_t seed = 7, in = 0, out = 0, refused = 0;
    uint32_t length[4096] = {0};
    for (unsigned turn = 0; turn < 30000; turn++) {
        uint32_t want = random_below(&seed, 10) ? random_below(&seed, 1025) : random_below(&seed, 65537);
        int error = in - out < 4096 ? put_length(want) : CVB_ESTAGE_FULL;
        if (!error)
            length[in++ % 4096] = want;
        refused += error == CVB_EMEMORY_FULL;
        cr_assert(!error || (error <= CVB_ESTAGE_FULL && error >= CVB_EMEMORY_FULL), "%s", cvb_error_text(error));
        if (!error && random_below(&seed, 3))
            continue;
        struct cvb_lease l[20];
        int n = cvb_get_batch(h, STAGE, l, 1 + random_below(&seed, 20));
        for (int i = 0; i < n; i++, out++)
            cr_assert(is_text(&l[i], length[out % 4096]), "record %llu", (unsigned long long)out);
        cr_assert_eq(cvb_ack(h, l, (size_t)n), 0);
    }
    cr_log_info("%llu in, %llu refused for memory", (unsigned long long)in, (unsigned long long)refused);
    cr_assert_eq(drain(h, STAGE), (int64_t)(in - out));
    done();
}

/* The reserve for stopped peers may take some records more than the class was made for, and never one less. */
Test(sizes, one_full_class_does_not_block_another)
{
    static const struct cvb_class classes[] = {{64, 50}, {512, 20}, {4096, 5}};
    make(4096, 2000, 3, classes);
    unsigned large = 0, middle = 0, small = 0;
    int error;
    while (!(error = put_length(4096)))
        large++;
    cr_assert_eq(error, CVB_EMEMORY_FULL, "%s", cvb_error_text(error));
    cr_assert_geq(large, 5);
    while (!(error = put_length(512)))
        middle++;
    cr_assert_eq(error, CVB_EMEMORY_FULL);
    cr_assert_geq(middle, 20);
    while (!put_length(64))
        small++;
    cr_assert_geq(small, 50);
    cr_assert_null(audit_says(h, large + middle + small, 0));
    struct cvb_lease l;
    cr_assert_eq(cvb_get_batch(h, STAGE, &l, 1), 1);
    cr_assert_eq(l.length, 4096);
    cr_assert_eq(cvb_ack(h, &l, 1), 0);
    cr_assert_eq(put_length(4096), 0, "a freed cell is there again");
    cr_assert_eq(drain(h, STAGE), large + middle + small);
    done();
}

Test(sizes, a_small_record_takes_a_larger_cell_when_its_class_is_full)
{
    static const struct cvb_class classes[] = {{64, 10}, {256, 40}};
    make(256, 5000, 2, classes);
    unsigned n = 0;
    while (!put_length(10))
        n++;
    cr_assert_geq(n, 50);
    cr_assert_eq(put_length(256), CVB_EMEMORY_FULL);
    cr_assert_eq(drain(h, STAGE), n);
    for (unsigned i = 0; i < 40; i++)
        cr_assert_eq(put_length(256), 0, "what the small ones used is back");
    cr_assert_eq(drain(h, STAGE), 40);
    done();
}

Test(sizes, forward_with_a_longer_payload_may_be_refused_for_memory_and_keeps_the_lease)
{
    static const struct cvb_class classes[] = {{64, 50}, {4096, 5}};
    make(4096, 2000, 2, classes);
    unsigned large = 0;
    int why;
    while (!put_length(4096))
        large++;
    cr_assert_eq(put_length(10), 0);
    struct cvb_lease l[1000];
    cr_assert_eq(cvb_get_batch(h, STAGE, l, 1000), (int)large + 1);
    struct cvb_record result = {.payload = text, .length = 4096};
    cr_assert_eq(cvb_forward_records(h, 2, &l[large], &result, 1, &why), 0);
    cr_assert_eq(why, CVB_EMEMORY_FULL);
    cr_assert_null(audit_says(h, 0, large + 1));
    cr_assert_eq(cvb_ack(h, l, 1), 0);
    cr_assert_eq(cvb_forward_records(h, 2, &l[large], &result, 1, &why), 1);
    cr_assert_eq(cvb_ack(h, l + 1, large - 1), 0);
    cr_assert_eq(drain(h, 2), 1);
    done();
}
