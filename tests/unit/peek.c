/* peek.c - the contract of cvb_peek: it shows what waits, in order and whole, and leaves every byte as it is. */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *name;
static struct cvb_handle *h;
static uint32_t stage, source, pipeline;

static void setup(void)
{
    struct cvb_settings s = small_settings(200, 200, 200);
    s.max_retries = 1;
    name = segment_name("peek");
    h = make_segment(name, &s);
    cr_assert_not_null(h);
    cr_assert_eq(cvb_stage(h, "filter", &stage), 0);
    cr_assert_eq(cvb_source(h, "kafka-1", &source), 0);
    cr_assert_eq(cvb_pipeline(h, "main", &pipeline), 0);
}

static void teardown(void)
{
    cvb_detach(h);
    cvb_unlink(name);
}

TestSuite(peek, .init = setup, .fini = teardown);

/* The numbers that a look through the stage shows, until none is left; how many there were. */
static int look_through(uint32_t at, struct cvb_cursor *cursor, uint64_t *number, int most)
{
    struct cvb_lease seen;
    int n = 0, found;
    for (uint64_t buffer; (found = cvb_peek(h, at, cursor, &seen, &buffer, sizeof buffer)) == 1; n++) {
        cr_assert_lt(n, most);
        cr_assert_eq(seen.payload, &buffer);
        cr_assert_eq(seen.length, sizeof buffer);
        number[n] = buffer;
    }
    cr_assert_eq(found, 0);
    return n;
}

/* The bytes of the segment's file. */
static char *copy_of_segment(size_t *size)
{
    char path[128];
    struct stat st;
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    int fd = open(path, O_RDONLY);
    cr_assert(fd >= 0 && !fstat(fd, &st));
    *size = (size_t)st.st_size;
    char *copy = malloc(*size);
    cr_assert_eq(read(fd, copy, *size), (ssize_t)*size);
    close(fd);
    return copy;
}

Test(peek, shows_what_waits_in_order_and_changes_no_byte)
{
    uint64_t number[200];
    struct cvb_lease l[100];
    size_t size;
    cr_assert_eq(put_numbers(h, stage, source, 0, 40, NULL), 40);
    cr_assert_eq(put_numbers(h, stage, source, 40, 1, NULL), 1);
    cr_assert_eq(put_numbers(h, stage, source, 41, 100, NULL), 100);
    cr_assert_eq(cvb_get_batch(h, stage, l, 7), 7);
    char *before = copy_of_segment(&size);
    struct cvb_cursor cursor = {0};
    cr_assert_eq(look_through(stage, &cursor, number, 200), 134);
    for (uint64_t i = 0; i < 134; i++)
        cr_assert_eq(number[i], i + 7);
    char *after = copy_of_segment(&size);
    cr_assert_eq(memcmp(before, after, size), 0);
    free(before);
    free(after);
    cr_assert_eq(cvb_ack(h, l, 7), 0);
    cr_assert_null(audit_says(h, 134, 0));
}

Test(peek, tells_of_a_record_all_that_a_lease_tells)
{
    struct cvb_record r = {.payload = "payload", .length = 7, .source = source, .pipeline = pipeline};
    struct cvb_lease seen, lease;
    struct cvb_cursor cursor = {0};
    char buffer[64];
    cr_assert_eq(cvb_buffer_for_stage(h, stage, &r), 0);
    for (unsigned retry = 0; retry < 2; retry++, cursor = (struct cvb_cursor){0}) {
        cr_assert_eq(cvb_peek(h, stage, &cursor, &seen, buffer, sizeof buffer), 1);
        cr_assert_eq(seen.retry_count, retry);
        cr_assert_eq(cvb_get_batch(h, stage, &lease, 1), 1);
        cr_assert(seen.length == 7 && !memcmp(buffer, "payload", 7));
        cr_assert(seen.source == source && seen.pipeline == pipeline && seen.stage == stage);
        cr_assert_eq(seen.buffered_at_ns, lease.buffered_at_ns);
        cr_assert_eq(cvb_return_to_buffer(h, &lease, 1), 0);
    }
    cr_assert_eq(cvb_get_batch(h, stage, &lease, 1), 0, "past its retries");
    cr_assert_eq(cvb_peek(h, stage, &cursor, &seen, buffer, sizeof buffer), 0);
    cursor = (struct cvb_cursor){0};
    cr_assert_eq(cvb_peek(h, CVB_STAGE_DEAD_LETTER, &cursor, &seen, buffer, sizeof buffer), 1);
    cr_assert_eq(seen.origin, stage);
    cr_assert_eq(cvb_ack(h, &seen, 1), CVB_EFOREIGN);
    cr_assert_null(audit_says(h, 1, 0));
}

Test(peek, a_small_buffer_gets_the_beginning)
{
    struct cvb_record r[] = {{.payload = "0123456789", .length = 10, .source = source},
                             {.payload = "", .length = 0, .source = source}};
    struct cvb_lease seen;
    struct cvb_cursor cursor = {0};
    char buffer[8] = "........";
    cr_assert_eq(cvb_buffer_batch_for_stage(h, stage, r, 2, NULL), 2);
    cr_assert_eq(cvb_peek(h, stage, &cursor, &seen, buffer, 5), 1);
    cr_assert(seen.length == 10 && !memcmp(buffer, "01234...", 8));
    cr_assert_eq(cvb_peek(h, stage, &cursor, &seen, NULL, 0), 1);
    cr_assert_eq(seen.length, 0);
    cr_assert_eq(cvb_peek(h, stage, &cursor, &seen, NULL, 0), 0);
}

Test(peek, a_cursor_goes_on_where_it_was)
{
    uint64_t number[200];
    struct cvb_cursor cursor = {0};
    for (uint64_t lap = 0; lap < 10; lap++) { /* several times around the ring */
        cr_assert_eq(put_numbers(h, stage, source, lap * 100, 100, NULL), 100);
        cr_assert_eq(look_through(stage, &cursor, number, 200), 100);
        cr_assert_eq(number[0], lap * 100);
        cr_assert_eq(put_numbers(h, stage, source, lap * 100 + 100, 3, NULL), 3);
        cr_assert_eq(look_through(stage, &cursor, number, 200), 3, "only what came since");
        cr_assert_eq(drain(h, stage), 103);
        cr_assert_eq(look_through(stage, &cursor, number, 200), 0);
    }
    cr_assert_eq(put_numbers(h, stage, source, 0, 100, NULL), 100);
    cursor = (struct cvb_cursor){0};
    struct cvb_lease seen, l[60];
    uint64_t buffer;
    for (uint64_t i = 0; i < 5; i++)
        cr_assert_eq(cvb_peek(h, stage, &cursor, &seen, &buffer, sizeof buffer), 1);
    int taken = cvb_get_batch(h, stage, l, 60);
    cr_assert_gt(taken, 5);
    cr_assert_eq(cvb_peek(h, stage, &cursor, &seen, &buffer, sizeof buffer), 1);
    cr_assert_eq(buffer, (uint64_t)taken, "those that were taken meanwhile are passed over");
    cr_assert_eq(cvb_ack(h, l, (size_t)taken), 0);
}

Test(peek, errors)
{
    struct cvb_cursor cursor = {UINT64_MAX, UINT32_MAX};
    struct cvb_lease seen;
    cr_assert_eq(cvb_peek(NULL, stage, &cursor, &seen, NULL, 0), CVB_EINVAL);
    cr_assert_eq(cvb_peek(h, stage, NULL, &seen, NULL, 0), CVB_EINVAL);
    cr_assert_eq(cvb_peek(h, stage, &cursor, NULL, NULL, 0), CVB_EINVAL);
    cr_assert_eq(cvb_peek(h, stage, &cursor, &seen, NULL, 1), CVB_EINVAL);
    cr_assert_eq(cvb_peek(h, 8, &cursor, &seen, NULL, 0), CVB_EUNKNOWN);
    cr_assert_eq(cvb_peek(h, stage, &cursor, &seen, NULL, 0), 0);
}

enum { WORDS = 1024, BIG = 8 * WORDS };

/* Long records, each of one word again and again, in a few cells that are written over as soon as they are free. */
static int put_and_take(void *argument)
{
    bool *stop = argument;
    struct cvb_handle *mine;
    struct cvb_lease l[4];
    static uint64_t payload[WORDS];
    struct cvb_record r = {.payload = payload, .length = BIG, .source = source};
    if (cvb_attach(name, &mine))
        return 1;
    for (uint64_t i = 1; !__atomic_load_n(stop, __ATOMIC_RELAXED); i++) {
        for (unsigned w = 0; w < WORDS; w++)
            payload[w] = i;
        if (cvb_buffer_for_stage(mine, stage, &r))
            return 2;
        int got = cvb_get_batch(mine, stage, l, 4);
        if (got < 0 || (got && cvb_ack(mine, l, (size_t)got)))
            return 3;
    }
    return -cvb_detach(mine);
}

Test(peek, never_shows_half_a_record, .timeout = 120)
{
    struct cvb_settings s = small_settings(4, 4, 4);
    s.payload_size = BIG;
    cvb_detach(h);
    h = make_segment(name, &s);
    cr_assert_not_null(h);
    cr_assert(!cvb_stage(h, "filter", &stage) && !cvb_source(h, "kafka-1", &source));
    bool *stop = shared_memory(sizeof *stop);
    pid_t child = spawn(put_and_take, stop);
    static uint64_t buffer[WORDS];
    for (unsigned records = 0; records < 1000;) {
        struct cvb_cursor cursor = {0};
        struct cvb_lease seen;
        int found;
        while ((found = cvb_peek(h, stage, &cursor, &seen, buffer, sizeof buffer)) == 1) {
            cr_assert_eq(seen.length, BIG);
            cr_assert_eq(memcmp(buffer, buffer + 1, BIG - 8), 0);
            records++;
        }
        cr_assert_eq(found, 0);
    }
    __atomic_store_n(stop, true, __ATOMIC_RELAXED);
    cr_assert_eq(reap(child), 0);
}
