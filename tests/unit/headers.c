/* headers.c - opaque bytes beside the payload: they stay with their record wherever it goes, and a length in the
 * segment that cannot be is found out. */
#include "../support/support.h"
#include "layout.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HEADER = 37, RECORDS = 40 }; /* no multiple of anything; several trains */

static const char *name;
static struct cvb_handle *h;
static uint32_t stage, next, source;

static struct cvb_settings with_headers(uint32_t header_size)
{
    struct cvb_settings s = small_settings(200, 100, 200);
    s.header_size = header_size;
    return s;
}

static void make(const struct cvb_settings *s)
{
    name = segment_name("headers");
    h = make_stage(name, s, &stage, &source);
    cr_assert_not_null(h);
    cr_assert_eq(cvb_stage(h, "enrich", &next), 0);
}

static void setup(void)
{
    struct cvb_settings s = with_headers(HEADER);
    make(&s);
}

static void teardown(void)
{
    cvb_detach(h);
    cvb_unlink(name);
}

TestSuite(headers, .init = setup, .fini = teardown);

/* The header of record i: 0 to HEADER bytes, all lengths among RECORDS records. */
static uint32_t header_of(unsigned i, char text[HEADER])
{
    uint32_t length = i % (HEADER + 1);
    for (uint32_t b = 0; b < length; b++)
        text[b] = (char)('a' + (i + b) % 26);
    return length;
}

/* Records whose payload is their number, in 1 to 4 bytes more or less, and whose header belongs to it. */
struct batch {
    struct cvb_record record[RECORDS];
    uint64_t number[RECORDS];
    char header[RECORDS][HEADER];
};

static void fill(struct batch *b, unsigned from, bool headers)
{
    for (unsigned i = 0; i < RECORDS; i++) {
        b->number[i] = from + i;
        b->record[i] = (struct cvb_record){.payload = &b->number[i], .length = sizeof b->number[i], .source = source};
        if (!headers)
            continue;
        b->record[i].header = b->header[i];
        b->record[i].header_length = header_of(from + i, b->header[i]);
    }
}

static void put_all(void)
{
    struct batch b;
    fill(&b, 0, true);
    cr_assert_eq(cvb_buffer_batch_for_stage(h, stage, b.record, RECORDS, NULL), RECORDS);
}

/* That the header is the one of record `number`; the payload is its number. */
static void expect_header(const struct cvb_lease *l, unsigned number)
{
    char text[HEADER];
    uint32_t length = header_of(number, text);
    cr_expect_eq(l->header_length, length, "record %llu has %u bytes of header, and should have %u",
                 (unsigned long long)number_of(l), l->header_length, length);
    cr_assert_not_null(l->header);
    cr_expect_arr_eq(l->header, text, length);
}

static void expect_all(uint32_t where, unsigned records, uint32_t retries)
{
    struct cvb_lease l[RECORDS];
    cr_assert_eq(get_all(h, where, l, RECORDS), (int)records);
    for (unsigned i = 0; i < records; i++) {
        expect_header(&l[i], (unsigned)number_of(&l[i]));
        cr_expect_eq(l[i].retry_count, retries);
    }
    cr_assert_eq(cvb_ack(h, l, records), 0);
    cr_assert_null(audit_says(h, 0, 0), "%s", audit_says(h, 0, 0));
}

Test(headers, stay_with_single_records_and_with_trains)
{
    for (unsigned i = 0; i < RECORDS; i++) {
        struct batch b;
        struct cvb_lease l;
        fill(&b, i, true);
        cr_assert_eq(cvb_buffer_for_stage(h, stage, b.record), 0);
        cr_assert_eq(cvb_get_batch(h, stage, &l, 1), 1);
        expect_header(&l, i);
        cr_expect_eq((uintptr_t)l.header % 8, 0);
        cr_expect_eq((uintptr_t)l.payload % 16, 0);
        cr_assert_eq(cvb_ack(h, &l, 1), 0);
    }
    put_all();
    expect_all(stage, RECORDS, 0);
}

Test(headers, are_empty_where_none_was_given_also_in_a_cell_that_had_one)
{
    struct batch b;
    struct cvb_lease l[RECORDS];
    put_all();
    expect_all(stage, RECORDS, 0);
    fill(&b, 0, false);
    cr_assert_eq(cvb_buffer_batch_for_stage(h, stage, b.record, RECORDS, NULL), RECORDS);
    cr_assert_eq(get_all(h, stage, l, RECORDS), RECORDS);
    for (unsigned i = 0; i < RECORDS; i++)
        cr_expect_eq(l[i].header_length, 0);
    cr_assert_eq(cvb_ack(h, l, RECORDS), 0);
}

Test(headers, go_with_records_that_come_back_part_by_part)
{
    struct cvb_lease l[RECORDS], odd[RECORDS], even[RECORDS];
    unsigned odds = 0, evens = 0;
    put_all();
    cr_assert_eq(get_all(h, stage, l, RECORDS), RECORDS);
    for (unsigned i = 0; i < RECORDS; i++)
        i % 2 ? (odd[odds++] = l[i]) : (even[evens++] = l[i]);
    cr_assert_eq(cvb_release(h, odd, odds), 0);
    cr_assert_eq(cvb_release(h, even, evens), 0);
    expect_all(stage, RECORDS, 0);
    put_all();
    cr_assert_eq(get_all(h, stage, l, RECORDS), RECORDS);
    cr_assert_eq(cvb_return_to_buffer(h, l, RECORDS), 0);
    expect_all(stage, RECORDS, 1);
}

Test(headers, go_to_the_dead_letters_and_back)
{
    struct cvb_lease l[RECORDS];
    put_all();
    for (unsigned failures = 0; failures < 4; failures++) {
        cr_assert_eq(get_all(h, stage, l, RECORDS), RECORDS);
        cr_assert_eq(cvb_return_to_buffer(h, l, RECORDS), 0);
    }
    cr_assert_eq(get_all(h, CVB_STAGE_DEAD_LETTER, l, RECORDS), RECORDS);
    for (unsigned i = 0; i < RECORDS; i++)
        expect_header(&l[i], (unsigned)number_of(&l[i]));
    cr_assert_eq(cvb_forward(h, stage, l, RECORDS, NULL), RECORDS);
    expect_all(stage, RECORDS, 0);
}

static int take_and_die(void *unused)
{
    struct cvb_lease l[RECORDS];
    struct cvb_handle *mine;
    (void)unused;
    return !cvb_attach(name, &mine) && get_all(mine, stage, l, RECORDS) == RECORDS ? 0 : 1;
}

Test(headers, are_delivered_again_when_a_consumer_dies)
{
    put_all();
    cr_assert_eq(reap(spawn(take_and_die, NULL)), 0);
    cr_assert_eq(cvb_recover(h), 1);
    expect_all(stage, RECORDS, 1);
}

/* Result i: of the lease's number, with no header, an empty one, or that of the record that is 1 further. */
Test(headers, of_results_are_those_given_or_kept)
{
    struct cvb_lease l[RECORDS];
    struct batch b, moved;
    put_all();
    cr_assert_eq(get_all(h, stage, l, RECORDS), RECORDS);
    fill(&b, 0, false);
    fill(&moved, 1, true);
    for (unsigned i = 0; i < RECORDS; i++) {
        if (i % 3 == 1)
            b.record[i].header = "";
        if (i % 3 == 2)
            b.record[i].header = moved.record[i].header, b.record[i].header_length = moved.record[i].header_length;
    }
    cr_assert_eq(cvb_forward_records(h, next, l, b.record, RECORDS, NULL), RECORDS);
    cr_assert_eq(get_all(h, next, l, RECORDS), RECORDS);
    for (unsigned i = 0; i < RECORDS; i++) {
        cr_expect_eq(number_of(&l[i]), i);
        if (i % 3 == 1)
            cr_expect_eq(l[i].header_length, 0);
        else
            expect_header(&l[i], i % 3 ? i + 1 : i);
    }
    cr_assert_eq(cvb_ack(h, l, RECORDS), 0);
    cr_assert_null(audit_says(h, 0, 0), "%s", audit_says(h, 0, 0));
}

Test(headers, of_results_that_have_room_one_by_one)
{
    struct cvb_lease l[RECORDS], there;
    struct batch b;
    int why;
    put_all();
    cr_assert_eq(put_numbers(h, next, source, 1000, 97, NULL), 97); /* leaves room for 3 */
    cr_assert_eq(get_all(h, stage, l, RECORDS), RECORDS);
    fill(&b, 0, false);
    for (unsigned done = 0; done < RECORDS;) {
        int sent = cvb_forward_records(h, next, l + done, b.record + done, RECORDS - done, &why);
        cr_assert_geq(sent, done ? 1 : 3);
        done += (unsigned)sent;
        cr_assert_eq(cvb_get_batch(h, next, &there, 1), 1);
        number_of(&there) < 1000 ? expect_header(&there, (unsigned)number_of(&there)) : (void)0;
        cr_assert_eq(cvb_ack(h, &there, 1), 0);
    }
    for (int got; (got = cvb_get_batch(h, next, l, RECORDS)) > 0;) {
        for (int i = 0; i < got; i++)
            number_of(&l[i]) < 1000 ? expect_header(&l[i], (unsigned)number_of(&l[i])) : (void)0;
        cr_assert_eq(cvb_ack(h, l, (size_t)got), 0);
    }
}

Test(headers, are_written_into_reserved_slots)
{
    const struct cvb_record shape = {.length = 8, .source = source, .header_length = 20}, plain = {.length = 8};
    struct cvb_slot s[RECORDS];
    struct cvb_lease l[RECORDS];
    char text[HEADER];
    cr_assert_eq(cvb_reserve(h, stage, &shape, s, RECORDS, NULL), RECORDS);
    for (uint64_t i = 0; i < RECORDS; i++) {
        cr_assert_eq(s[i].header_length, 20);
        memcpy(s[i].payload, &i, sizeof i);
        s[i].header_length = header_of((unsigned)i % 20, text);
        memcpy(s[i].header, text, s[i].header_length);
    }
    s[7].header_length = 21;
    cr_expect_eq(cvb_publish(h, s, RECORDS), CVB_ETOOLONG, "more than was asked for");
    s[7].header_length = header_of(7, text);
    cr_assert_eq(cvb_publish(h, s, RECORDS), 0);
    cr_assert_eq(get_all(h, stage, l, RECORDS), RECORDS);
    for (unsigned i = 0; i < RECORDS; i++)
        expect_header(&l[i], i % 20);
    cr_assert_eq(cvb_ack(h, l, RECORDS), 0);
    cr_assert_eq(cvb_reserve(h, stage, &plain, s, 1, NULL), 1);
    cr_expect_eq(s[0].header_length, 0, "whoever knows of no headers makes records without");
    memset(s[0].payload, 0, 8);
    cr_assert_eq(cvb_publish(h, s, 1), 0);
    cr_assert_eq(cvb_get_batch(h, stage, l, 1), 1);
    cr_expect_eq(l[0].header_length, 0);
    cr_assert_eq(cvb_ack(h, l, 1), 0);
}

Test(headers, are_copied_by_take_batch_and_by_peek)
{
    static char buffer[RECORDS * (64 + HEADER)];
    struct cvb_record taken[RECORDS];
    struct cvb_cursor cursor = {0};
    struct cvb_lease seen;
    char text[HEADER];
    put_all();
    for (unsigned i = 0; i < RECORDS; i++) {
        cr_assert_eq(cvb_peek(h, stage, &cursor, &seen, buffer, 64 + HEADER), 1);
        cr_expect_eq(seen.payload, buffer);
        expect_header(&seen, i);
    }
    cursor = (struct cvb_cursor){0};
    for (unsigned i = 0; i < RECORDS; i++) {
        cr_assert_eq(cvb_peek(h, stage, &cursor, &seen, buffer, 8), 1);
        cr_expect_eq(seen.header_length, header_of(i, text), "its whole length is told in any case");
        cr_expect(seen.header_length ? !seen.header : seen.header == buffer + 8, "there is no room for it");
    }
    cr_expect_eq(cvb_take_batch(h, stage, taken, RECORDS, buffer, 64 + HEADER - 1), CVB_EINVAL);
    cr_expect_eq(cvb_take_batch(h, stage, taken, RECORDS, buffer, 2 * (64 + HEADER)), 2, "as many as fit surely");
    cr_assert_eq(cvb_take_batch(h, stage, taken + 2, RECORDS - 2, buffer, sizeof buffer), RECORDS - 2);
    for (unsigned i = 2; i < RECORDS; i++) {
        cr_assert_eq(taken[i].header_length, header_of(i, text));
        cr_expect_arr_eq(taken[i].header, text, taken[i].header_length);
        cr_expect_eq(*(const uint8_t *)taken[i].payload, i);
    }
}

Test(headers, that_cannot_be_are_refused)
{
    struct batch b;
    struct cvb_lease l[3];
    struct cvb_slot slot;
    int why;
    char text[HEADER + 1] = {0};
    fill(&b, 0, true);
    b.record[2].header = text;
    b.record[2].header_length = HEADER + 1;
    cr_expect_eq(cvb_buffer_for_stage(h, stage, &b.record[2]), CVB_ETOOLONG);
    cr_expect_eq(cvb_buffer_batch_for_stage(h, stage, b.record, RECORDS, &why), 2);
    cr_expect_eq(why, CVB_ETOOLONG);
    cr_expect_eq(cvb_reserve(h, stage, &b.record[2], &slot, 1, &why), CVB_ETOOLONG);
    cr_assert_eq(cvb_buffer_batch_for_stage(h, stage, b.record, 1, NULL), 1);
    cr_assert_eq(get_all(h, stage, l, 3), 3);
    cr_expect_eq(cvb_forward_records(h, next, l, b.record, 3, &why), 2);
    cr_expect_eq(why, CVB_ETOOLONG);
    b.record[2] = (struct cvb_record){.payload = "", .source = source, .header_length = 3};
    cr_expect_eq(cvb_buffer_for_stage(h, stage, &b.record[2]), CVB_EINVAL);
    cr_expect_eq(cvb_buffer_batch_for_stage(h, stage, b.record, 3, &why), 2);
    cr_expect_eq(why, CVB_EINVAL);
    cr_expect_eq(cvb_forward_records(h, next, &l[2], &b.record[2], 1, &why), CVB_EINVAL);
    cr_expect_eq(cvb_ack(h, &l[2], 1), 0);
}

Test(header_sizes, are_nothing_where_the_segment_has_none)
{
    struct cvb_settings s = with_headers(0);
    struct cvb_record r = {.payload = "12345678", .length = 8, .header = "x", .header_length = 1};
    struct cvb_cursor cursor = {0};
    struct cvb_lease l, seen;
    struct cvb_slot slot;
    char buffer[64];
    int why;
    make(&s);
    r.source = source;
    cr_expect_eq(cvb_buffer_for_stage(h, stage, &r), CVB_ETOOLONG);
    cr_expect_eq(cvb_reserve(h, stage, &r, &slot, 1, &why), CVB_ETOOLONG);
    r.header_length = 0;
    cr_assert_eq(cvb_buffer_for_stage(h, stage, &r), 0, "an empty one is one");
    cr_assert_eq(cvb_reserve(h, stage, &r, &slot, 1, &why), 1);
    cr_expect_null(slot.header);
    slot.header_length = 1;
    cr_expect_eq(cvb_publish(h, &slot, 1), CVB_ETOOLONG);
    cr_expect_eq(cvb_cancel(h, &slot, 1), 0);
    cr_assert_eq(cvb_peek(h, stage, &cursor, &seen, buffer, sizeof buffer), 1);
    cr_assert_eq(cvb_get_batch(h, stage, &l, 1), 1);
    cr_expect(!l.header && !l.header_length && !seen.header && !seen.header_length);
    cr_assert_eq(cvb_forward_records(h, next, &l, &r, 1, &why), 1);
    teardown();
}

Test(header_sizes, of_any_size_and_with_any_payload_size)
{
    const uint32_t sizes[] = {1, 7, 8, 9, 24, 56, 64, 1000, 65536}, payloads[] = {0, 1, 8, 33, 3000};
    static char header[65536], payload[3000];
    struct cvb_lease l;
    memset(header, 'h', sizeof header);
    memset(payload, 'p', sizeof payload);
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (unsigned k = 0; k < sizeof payloads / sizeof payloads[0]; k++) {
            struct cvb_settings s = with_headers(sizes[i]);
            struct cvb_record r = {
                .payload = payload, .length = payloads[k], .header_length = sizes[i], .header = header};
            s.max_total_records = 20;
            s.max_handles = 2;
            s.payload_size = payloads[k];
            s.class_count = 1;
            s.classes[0] = (struct cvb_class){payloads[k], 20};
            make(&s);
            r.source = source;
            for (unsigned n = 0; n < 20; n++)
                cr_assert_eq(cvb_buffer_for_stage(h, stage, &r), 0, "%u + %u", sizes[i], payloads[k]);
            for (unsigned n = 0; n < 20; n++) {
                cr_assert_eq(cvb_get_batch(h, stage, &l, 1), 1);
                cr_expect(l.length == r.length && l.header_length == sizes[i] &&
                          !memcmp(l.payload, payload, l.length) && !memcmp(l.header, header, l.header_length));
                cr_assert_eq(cvb_ack(h, &l, 1), 0);
            }
            teardown();
        }
}

Test(header_sizes, settings_say_how_long_they_may_be)
{
    struct cvb_settings s = with_headers(65536), without = with_headers(0), found;
    char text[200];
    cr_expect_eq(cvb_settings_check(&s, text, sizeof text), 0);
    cr_expect_gt(cvb_memory_needed(&s), cvb_memory_needed(&without) + INT64_C(200) * 65536);
    s.header_size++;
    cr_expect_eq(cvb_settings_check(&s, text, sizeof text), CVB_EINVAL);
    cr_expect_str_eq(text, "header_size is 65537: it must be 0 to 65536");
    s = with_headers(HEADER);
    make(&s);
    cr_assert_eq(cvb_settings_of(h, &found), 0);
    cr_expect_eq(found.header_size, HEADER);
    teardown();
}

/* The length in each cell becomes `length`. */
static void damage_lengths(uint32_t length)
{
    char path[128];
    struct cvb_settings s;
    struct cvb_geometry g;
    cr_assert_eq(cvb_settings_of(h, &s), 0);
    cvb_geometry_of(&s, &g);
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    int fd = open(path, O_RDWR);
    char *base = mmap(NULL, g.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    cr_assert_neq(base, MAP_FAILED);
    for (uint32_t i = 0; i < g.part[0].cell_count; i++)
        memcpy(base + g.part[0].offset + (uint64_t)i * g.part[0].stride, &length, sizeof length);
    munmap(base, g.size);
}

/* Each way to a length that the segment has. */
Test(headers, whose_length_in_the_segment_cannot_be_are_found_out)
{
    const uint32_t lengths[] = {HEADER + 1, UINT32_MAX, 1u << 31};
    static char buffer[RECORDS * (64 + HEADER)];
    for (unsigned i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        for (unsigned way = 0; way < 6; way++) {
            const struct cvb_record shape = {.length = 8, .source = source};
            struct cvb_lease l[RECORDS];
            struct cvb_record taken[RECORDS];
            struct cvb_cursor cursor = {0};
            struct cvb_slot slot;
            struct batch b;
            teardown();
            setup();
            put_all();
            fill(&b, 0, false);
            if (way == 4)
                cr_assert_eq(get_all(h, stage, l, RECORDS), RECORDS);
            if (way == 5)
                cr_assert_eq(cvb_reserve(h, stage, &shape, &slot, 1, NULL), 1);
            damage_lengths(lengths[i]);
            const int told = way == 0   ? cvb_get_batch(h, stage, l, 1)
                             : way == 1 ? cvb_get_batch(h, stage, l, RECORDS)
                             : way == 2 ? cvb_take_batch(h, stage, taken, RECORDS, buffer, sizeof buffer)
                             : way == 3 ? cvb_peek(h, stage, &cursor, l, buffer, sizeof buffer)
                             : way == 4 ? cvb_forward_records(h, next, l, b.record, RECORDS, NULL)
                                        : cvb_publish(h, &slot, 1);
            cr_expect_eq(told, CVB_ECORRUPT, "way %u, length %u: %d", way, lengths[i], told);
        }
}
