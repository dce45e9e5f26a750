/* sized.c - structs that grow: callers whose headers have shorter or longer structs than the library, and members that
 * are reserved. */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <stddef.h>
#include <string.h>

static const char *name;
static struct cvb_handle *h;
static uint32_t stage, source;

static void setup(void)
{
    struct cvb_settings s = small_settings(40, 40, 40);
    name = segment_name("sized");
    h = make_stage(name, &s, &stage, &source);
    put_numbers(h, stage, source, 1, 3, NULL);
}

static void teardown(void)
{
    cvb_detach(h);
    cvb_unlink(name);
}

TestSuite(sized, .init = setup, .fini = teardown);

/* What a caller with a longer or a shorter struct has; 0xaa where nothing was written. */
static _Alignas(8) unsigned char theirs[4096];

static void forget(void) { memset(theirs, 0xaa, sizeof theirs); }

static void expect_untouched(size_t from)
{
    for (size_t at = from; at < from + 64; at++)
        cr_expect_eq(theirs[at], 0xaa, "byte %zu is not the caller's", at);
}

/* A call that fills a struct writes `size` bytes, whichever size it is: those of the full struct, and 0 behind it. */
#define EXPECT_SIZES(full, call)                                                                                       \
    do {                                                                                                               \
        const size_t sizes[] = {0, 4, sizeof(full) / 8 * 4, sizeof(full), sizeof(full) + 16};                          \
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {                                                  \
            const size_t size = sizes[i], shared = size < sizeof(full) ? size : sizeof(full);                          \
            forget();                                                                                                  \
            cr_expect_eq(call, 0, #call);                                                                              \
            cr_expect_arr_eq(theirs, &(full), shared, #call ", %zu bytes", size);                                      \
            for (size_t at = shared; at < size; at++)                                                                  \
                cr_expect_eq(theirs[at], 0, #call ": byte %zu is unknown here, and not 0", at);                        \
            expect_untouched(size);                                                                                    \
        }                                                                                                              \
    } while (0)

/* As cvb_peer_sized; idle_ns, which grows between two calls, is left out if all of it was written. */
static int peer_at_rest(void *to, size_t size)
{
    int error = cvb_peer_sized(h, 0, to, size);
    if (size >= sizeof(struct cvb_peer))
        ((struct cvb_peer *)to)->idle_ns = 0;
    return error;
}

Test(sized, what_is_filled_is_as_long_as_the_caller_says)
{
    struct cvb_settings settings, defaults;
    struct cvb_audit audit;
    struct cvb_counts of_stage, of_source, of_peer;
    struct cvb_peer peer;
    struct cvb_backpressure told;
    cvb_settings_init(&defaults);
    cr_assert_eq(cvb_settings_of(h, &settings), 0);
    cr_assert_eq(cvb_audit(h, &audit), 0);
    cr_assert_eq(cvb_stage_counts(h, stage, &of_stage), 0);
    cr_assert_eq(cvb_source_counts(h, source, &of_source), 0);
    cr_assert_eq(cvb_peer_counts(h, 0, &of_peer), 0);
    cr_assert_eq(of_peer.accepted, 3);
    cr_assert_eq(peer_at_rest(&peer, sizeof peer), 0);
    cr_assert_eq(cvb_backpressure(h, stage, source, &told), 0);
    EXPECT_SIZES(defaults, (cvb_settings_init_sized((void *)theirs, size), 0));
    EXPECT_SIZES(settings, cvb_settings_of_sized(h, (void *)theirs, size));
    EXPECT_SIZES(audit, cvb_audit_sized(h, (void *)theirs, size));
    EXPECT_SIZES(of_stage, cvb_stage_counts_sized(h, stage, (void *)theirs, size));
    EXPECT_SIZES(of_source, cvb_source_counts_sized(h, source, (void *)theirs, size));
    EXPECT_SIZES(of_peer, cvb_peer_counts_sized(h, 0, (void *)theirs, size));
    EXPECT_SIZES(peer, peer_at_rest(theirs, size));
    EXPECT_SIZES(told, cvb_backpressure_sized(h, stage, source, (void *)theirs, size));
}

/* The elements of the caller's arrays are as far apart as the caller's struct is long. */
Test(sized, a_census_has_the_callers_stride)
{
    const size_t sizes[] = {4, 8, sizeof(struct cvb_census), sizeof(struct cvb_census) + 8};
    struct cvb_lease lease;
    cr_assert_eq(cvb_get_batch(h, stage, &lease, 1), 1);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const size_t size = sizes[i], words = size / 4;
        uint32_t total[8], stages[8 * 8];
        memset(total, 0xaa, sizeof total);
        memset(stages, 0xaa, sizeof stages);
        cr_assert_eq(cvb_census_sized(h, (void *)total, (void *)stages, NULL, NULL, size), 0);
        cr_expect_eq(total[0], 2);
        cr_expect_eq(stages[stage * words], 2, "queued, with %zu bytes each", size);
        if (words > 1)
            cr_expect_eq(stages[stage * words + 1], 1, "leased, with %zu bytes each", size);
        cr_expect_eq(stages[0], 0);
        cr_expect_eq(total[words], 0xaaaaaaaa, "behind it");
        cr_expect_eq(stages[8 * words], 0xaaaaaaaa, "behind the last of max_stages");
    }
    cr_expect_eq(cvb_census_sized(h, (void *)theirs, NULL, NULL, NULL, 5), CVB_EINVAL);
    cr_expect_eq(cvb_ack(h, &lease, 1), 0);
}

static int look(const char *seen, const struct cvb_settings *settings, uint64_t bytes, void *found)
{
    (void)bytes;
    if (strcmp(seen, name))
        return 0;
    const unsigned char *behind = (const unsigned char *)(settings + 1);
    *(bool *)found = settings->max_total_records == 40 && !behind[0] && !behind[15];
    return 1;
}

Test(sized, settings_of_another_length_are_taken_as_far_as_they_are_known)
{
    struct {
        struct cvb_settings known;
        uint32_t later[4];
    } longer = {.known = small_settings(50, 50, 50)};
    const char *other = segment_name("sized-other");
    struct cvb_settings made;
    struct cvb_handle *handle;
    char text[200];
    bool found = false;
    cr_expect_eq(cvb_create_sized(other, &longer.known, sizeof longer), 0, "0 asks for nothing");
    cr_expect_eq(cvb_unlink(other), 0);
    longer.later[3] = 1;
    cr_expect_eq(cvb_create_sized(other, &longer.known, sizeof longer), CVB_EINVAL);
    cr_expect_eq(cvb_memory_needed_sized(&longer.known, sizeof longer), CVB_EINVAL);
    cr_expect_eq(cvb_settings_check_sized(&longer.known, text, sizeof text, sizeof longer), CVB_EINVAL);
    cr_expect_str_eq(text, "a setting is given that only a later version of the library has");
    longer.known.max_retries = 77;
    cr_assert_eq(cvb_create_sized(other, &longer.known, offsetof(struct cvb_settings, max_retries)), 0, "a short one");
    cr_assert_eq(cvb_attach(other, &handle), 0);
    cr_assert_eq(cvb_settings_of(handle, &made), 0);
    cr_expect_eq(made.max_total_records, 50);
    cr_expect_eq(made.max_retries, 3, "what the caller does not have has its default");
    cvb_detach(handle);
    cvb_unlink(other);
    cr_expect_eq(cvb_list_sized(look, &found, sizeof made + 16), 1);
    cr_expect(found, "a visitor with longer settings sees 0 behind those that are known");
    cr_expect_eq(cvb_list_sized(look, &found, 4096), CVB_EINVAL);
}

Test(sized, what_is_reserved_must_be_0)
{
    enum { WORDS = 1 };
    for (unsigned word = 0; word < WORDS; word++) {
        struct cvb_record r[3] = {{.payload = "1", .length = 1, .source = source},
                                  {.payload = "2", .length = 1, .source = source},
                                  {.payload = "3", .length = 1, .source = source}};
        struct cvb_slot slot;
        struct cvb_lease lease[3];
        int why = 0;
        cr_expect_geq(drain(h, stage), 0);
        r[1].reserved[word] = 1;
        cr_expect_eq(cvb_buffer_for_stage(h, stage, &r[1]), CVB_EINVAL);
        cr_expect_eq(cvb_reserve(h, stage, &r[1], &slot, 1, &why), CVB_EINVAL);
        cr_expect_eq(cvb_buffer_batch_for_stage(h, stage, r, 3, &why), 1, "those before it are put");
        cr_expect_eq(why, CVB_EINVAL);
        cr_expect_eq(put_numbers(h, stage, source, 1, 2, NULL), 2);
        cr_assert_eq(get_all(h, stage, lease, 3), 3);
        cr_expect_eq(cvb_forward_records(h, stage, lease, r, 2, &why), 1, "those before it are sent on");
        cr_expect_eq(why, CVB_EINVAL);
        cr_expect_eq(cvb_ack(h, lease + 1, 2), 0);
        cr_assert_eq(cvb_reserve(h, stage, &r[0], &slot, 1, &why), 1);
        cr_expect_eq(slot.position | slot.reserved[0] | slot.header_length, 0);
        slot.reserved[word] = 1;
        cr_expect_eq(cvb_publish(h, &slot, 1), CVB_EINVAL);
        cr_expect_eq(cvb_cancel(h, &slot, 1), 0);
    }
}

/* Of single records, of trains, and of what is taken and settled at once. */
Test(sized, what_is_reserved_in_a_lease_is_0)
{
    static const uint64_t zero[4];
    struct cvb_lease lease[32], seen;
    struct cvb_record taken[4];
    struct cvb_cursor cursor = {0};
    char buffer[4096];
    memset(lease, 0xaa, sizeof lease);
    memset(taken, 0xaa, sizeof taken);
    memset(&seen, 0xaa, sizeof seen);
    cr_expect_eq(put_numbers(h, stage, source, 10, 25, NULL), 25);
    cr_expect_eq(cvb_peek(h, stage, &cursor, &seen, buffer, sizeof buffer), 1);
    cr_expect_arr_eq(seen.reserved, zero, sizeof seen.reserved);
    size_t got = 0;
    for (int n = cvb_get_batch(h, stage, lease, 1); n > 0; n = cvb_get_batch(h, stage, &lease[got], 32 - got))
        got += (size_t)n;
    cr_expect_eq(got, 28);
    for (size_t i = 0; i < got; i++) {
        cr_expect_arr_eq(lease[i].reserved, zero, sizeof lease[i].reserved, "lease %zu", i);
        cr_expect_eq(lease[i].reserved_word, 0, "lease %zu", i);
    }
    cr_expect_eq(cvb_release(h, lease, got), 0);
    cr_expect_eq(cvb_take_batch(h, stage, taken, 4, buffer, sizeof buffer), 4);
    for (size_t i = 0; i < 4; i++)
        cr_expect_arr_eq(taken[i].reserved, zero, sizeof taken[i].reserved);
}
