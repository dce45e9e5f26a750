/* segment.c - the contract of segment.h: settings, create, attach, detach, unlink and names, with each error. */
#include "../support/support.h"
#include "layout.h"

#include <criterion/criterion.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

Test(segment, defaults_are_as_documented)
{
    struct cvb_settings s;
    cvb_settings_init(&s);
    cr_assert_eq(s.max_total_records, 100000);
    cr_assert_eq(s.max_per_stage, 10000);
    cr_assert_eq(s.max_per_source, 5000);
    cr_assert_eq(s.backpressure_threshold, 0.8);
    cr_assert_eq(s.resume_threshold, 0.5);
    cr_assert_eq(s.payload_size, 1024);
    cr_assert_eq(s.max_retries, 3);
    cr_assert_eq(s.mode, 0600);
    cr_assert_eq(s.max_stages, 16);
    cr_assert_eq(s.max_sources, 1024);
    cr_assert_eq(s.max_pipelines, 64);
    cr_assert_eq(s.max_handles, 64);
}

Test(segment, null_settings_are_the_defaults_and_memory_is_bounded)
{
    const char *name = segment_name("defaults");
    struct cvb_settings s, expected;
    struct cvb_handle *h = make_segment(name, NULL);
    cr_assert_not_null(h);
    cvb_settings_init(&expected);
    cr_assert_eq(cvb_settings_of(h, &s), 0);
    cr_assert_eq(s.max_total_records, expected.max_total_records);
    cr_assert_eq(s.max_per_source, expected.max_per_source);
    cr_assert_eq(s.payload_size, expected.payload_size);
    cr_assert_eq(cvb_settings_of(h, NULL), CVB_EINVAL);
    cr_assert_eq(cvb_settings_of(NULL, &s), CVB_EINVAL);
    cvb_detach(h);
    char path[128];
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f);
    fseek(f, 0, SEEK_END);
    cr_assert_leq((double)ftell(f), 1.5 * (1024 + 64) * 100000, "1.5 times payload + 64 bytes for each record");
    fclose(f);
    cvb_unlink(name);
}

Test(segment, the_memory_that_is_needed_is_told_before)
{
    const char *name = segment_name("needed");
    struct cvb_settings s = small_settings(100, 100, 100), wrong = s;
    char path[128];
    struct stat st;
    cr_assert_eq(cvb_create(name, &s), 0);
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(cvb_memory_needed(&s), st.st_size);
    cr_assert_gt(cvb_memory_needed(NULL), INT64_C(100000) * 1024);
    wrong.max_per_stage = 0;
    cr_assert_eq(cvb_memory_needed(&wrong), CVB_EINVAL);
    cvb_unlink(name);
}

Test(segment, a_removed_segment_is_told_from_one_of_the_same_name)
{
    const char *name = segment_name("linked");
    struct cvb_settings s = small_settings(10, 10, 10);
    struct cvb_handle *old = make_segment(name, &s);
    cr_assert_eq(cvb_is_linked(old), 1);
    cr_assert_eq(cvb_unlink(name), 0);
    cr_assert_eq(cvb_is_linked(old), 0);
    struct cvb_handle *anew = make_segment(name, &s);
    cr_assert_eq(cvb_is_linked(old), 0);
    cr_assert_eq(cvb_is_linked(anew), 1);
    cr_assert_eq(cvb_is_linked(NULL), CVB_EINVAL);
    cvb_detach(old);
    cvb_detach(anew);
    cvb_unlink(name);
}

/* cvb_create refuses it, and cvb_settings_check says so with the name of the setting first. */
#define SET(field, number)                                                                                             \
    do {                                                                                                               \
        struct cvb_settings changed = small_settings(10, 10, 10);                                                      \
        char text[200];                                                                                                \
        changed.field = number;                                                                                        \
        int error = cvb_create(name, &changed);                                                                        \
        if (!error)                                                                                                    \
            cvb_unlink(name);                                                                                          \
        cr_expect_eq(error, CVB_EINVAL, #field " = " #number ": %s", cvb_error_text(error));                           \
        cr_expect_eq(cvb_settings_check(&changed, text, sizeof text), CVB_EINVAL);                                     \
        cr_expect_eq(strncmp(text, #field " is ", strlen(#field " is ")), 0, #field " = " #number ": %s", text);       \
    } while (0)

Test(segment, settings_out_of_range)
{
    const char *name = segment_name("range");
    SET(max_total_records, 0);
    SET(max_total_records, UINT32_MAX);
    SET(max_per_stage, 0);
    SET(max_per_source, 0);
    SET(max_per_stage, UINT32_MAX);
    SET(max_per_source, UINT32_MAX);
    SET(backpressure_threshold, 0);
    SET(backpressure_threshold, 1.01);
    SET(backpressure_threshold, NAN);
    SET(resume_threshold, -0.1);
    SET(resume_threshold, 0.8);
    SET(resume_threshold, 0.9);
    SET(resume_threshold, NAN);
    SET(payload_size, (1u << 20) + 1);
    SET(max_stages, 0);
    SET(max_stages, 1);
    SET(max_stages, 4096);
    SET(max_sources, 0);
    SET(max_sources, 65536);
    SET(max_pipelines, 0);
    SET(max_pipelines, 65536);
    SET(max_handles, 0);
    SET(max_handles, 1024);
    SET(max_retries, 255);
    SET(class_count, CVB_CLASSES_MAX + 1);
    SET(mode, 010600);
    SET(header_size, 65537);
    SET(reserved, 1);
    SET(sealed_stages, small_settings(10, 10, 10).max_stages + 1);
}

Test(segment, what_is_wrong_with_settings_is_said)
{
    struct cvb_settings s = small_settings(10, 10, 10);
    char text[200] = "as it was";
    cr_expect_eq(cvb_settings_check(NULL, text, sizeof text), 0, "the defaults");
    cr_expect_str_eq(text, "");
    cr_expect_eq(cvb_settings_check(&s, NULL, 0), 0);
    s.max_stages = 1;
    cr_expect_eq(cvb_settings_check(&s, NULL, 0), CVB_EINVAL);
    cr_expect_eq(cvb_settings_check(&s, text, sizeof text), CVB_EINVAL);
    cr_expect_str_eq(text, "max_stages is 1: it must be 2 to 4095");
    cr_expect_eq(cvb_settings_check(&s, text, 11), CVB_EINVAL);
    cr_expect_str_eq(text, "max_stages", "no more than there is room for");
    s.max_stages = 2;
    s.resume_threshold = 0.9;
    cr_expect_eq(cvb_settings_check(&s, text, sizeof text), CVB_EINVAL);
    cr_expect_str_eq(text, "resume_threshold is 0.9: it must be 0 or more, and below backpressure_threshold (0.8)");
    cr_expect_eq(cvb_settings_check(&s, text, 0), CVB_EINVAL);
    cr_expect_str_eq(text, "resume_threshold is 0.9: it must be 0 or more, and below backpressure_threshold (0.8)");
}

Test(segment, full_is_told_from_other_errors)
{
    for (int error = 1; error >= -64; error--) {
        bool full = error == CVB_ESTAGE_FULL || error == CVB_ESOURCE_FULL || error == CVB_ETOTAL_FULL ||
                    error == CVB_EMEMORY_FULL;
        cr_expect_eq(cvb_is_full(error), full, "%d: %s", error, cvb_error_text(error));
    }
}

Test(segment, versions_can_be_asked_for)
{
    cr_expect_eq(cvb_version(), CVB_VERSION);
    cr_expect_gt(CVB_VERSION_OF(1, 0, 0), CVB_VERSION_OF(0, 255, 255));
    cr_expect_gt(CVB_VERSION_OF(0, 2, 0), CVB_VERSION_OF(0, 1, 255));
    cr_expect_eq(cvb_layout_version(), CVB_LAYOUT_VERSION);
}

Test(segment, size_classes_out_of_range)
{
    static const struct {
        uint32_t count;
        struct cvb_class classes[3];
    } bad[] = {{1, {{63, 10}}},         /* does not hold payload_size */
               {2, {{64, 5}, {64, 5}}}, /* not ascending */
               {2, {{64, 5}, {32, 5}}}, /* descending */
               {2, {{32, 0}, {64, 5}}}, /* an empty class */
               {1, {{UINT32_MAX, 10}}}, /* longer than any record */
               {3, {{16, 5}, {32, UINT32_MAX}, {64, 5}}}};
    const char *name = segment_name("classes");
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct cvb_settings s = small_settings(10, 10, 10);
        s.class_count = bad[i].count;
        memcpy(s.classes, bad[i].classes, sizeof bad[i].classes);
        int error = cvb_create(name, &s);
        if (!error)
            cvb_unlink(name);
        cr_expect_eq(error, CVB_EINVAL, "case %u: %s", i, cvb_error_text(error));
    }
}

Test(segment, names_of_segments)
{
    static char long_name[400];
    memset(long_name, 'x', sizeof long_name - 1);
    const char *bad[] = {NULL, "", "/", "a/b", "//a", ".", "..", "a\nb", "\x7f", long_name};
    struct cvb_handle *h = NULL;
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(cvb_create(bad[i], NULL), CVB_ENAME, "create, %u", i);
        cr_expect_eq(cvb_attach(bad[i], &h), CVB_ENAME, "attach, %u", i);
        cr_expect_eq(cvb_unlink(bad[i]), CVB_ENAME, "unlink, %u", i);
    }
    const char *name = segment_name("missing");
    cr_assert_eq(cvb_attach(name, &h), CVB_ENOENT);
    cr_assert_eq(cvb_unlink(name), CVB_ENOENT);
    cr_assert_eq(cvb_attach(name, NULL), CVB_EINVAL);
    cr_assert_eq(cvb_detach(NULL), CVB_EINVAL);
}

Test(segment, a_name_with_a_slash_in_front_is_the_same_as_for_shm_open)
{
    char slash[80];
    const char *name = segment_name("slash");
    struct cvb_settings s = small_settings(10, 10, 10);
    snprintf(slash, sizeof slash, "/%s", name);
    cr_assert_eq(cvb_create(name, &s), 0);
    cr_assert_eq(cvb_create(slash, &s), CVB_EEXIST);
    cr_assert_eq(cvb_unlink(slash), 0);
}

Test(segment, one_handle_more_than_there_are_seats)
{
    const char *name = segment_name("seats");
    struct cvb_settings s = small_settings(10, 10, 10);
    struct cvb_handle *h[3], *more;
    s.max_handles = 3;
    cr_assert_eq(cvb_create(name, &s), 0);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(cvb_attach(name, &h[i]), 0);
    cr_assert_eq(cvb_attach(name, &more), CVB_EHANDLES);
    cr_assert_eq(cvb_detach(h[1]), 0);
    cr_assert_eq(cvb_attach(name, &h[1]), 0, "a seat that was left is there again");
    cr_assert_eq(cvb_attach(name, &more), CVB_EHANDLES);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(cvb_detach(h[i]), 0);
    cvb_unlink(name);
}

static int attach_and_die(void *name)
{
    struct cvb_handle *first, *second;
    if (cvb_attach(name, &first) || cvb_attach(name, &second))
        return 1;
    raise(SIGKILL);
    return 2;
}

Test(segment, seats_of_the_dead_are_not_lost)
{
    const char *name = segment_name("dead");
    struct cvb_settings s = small_settings(10, 10, 10);
    struct cvb_handle *h;
    s.max_handles = 2;
    cr_assert_eq(cvb_create(name, &s), 0);
    for (int i = 0; i < 7; i++)
        cr_assert_eq(reap(spawn(attach_and_die, (void *)(uintptr_t)name)), SIGNALED + SIGKILL, "round %d", i);
    int error = cvb_attach(name, &h);
    cr_assert_eq(error, 0, "every seat is a dead one's: %s", cvb_error_text(error));
    cr_assert_null(audit_says(h, 0, 0));
    cvb_detach(h);
    cvb_unlink(name);
}

Test(segment, detach_gives_back_what_it_had_leased)
{
    const char *name = segment_name("detach");
    struct cvb_settings s = small_settings(20, 20, 20);
    struct cvb_handle *h = make_segment(name, &s), *other;
    struct cvb_lease l[20], again[20];
    cr_assert_eq(cvb_attach(name, &other), 0);
    cr_assert(name_everything(h));
    cr_assert_eq(put_numbers(other, 1, 1, 0, 10, NULL), 10);
    cr_assert_eq(cvb_get_batch(h, 1, l, 7), 7);
    cr_assert_eq(cvb_detach(h), 0);
    cr_assert_geq(cvb_recover(other), 0);
    cr_assert_null(audit_says(other, 10, 0));
    cr_assert_eq(cvb_get_batch(other, 1, again, 20), 10);
    uint64_t sum = 0;
    for (unsigned i = 0; i < 10; i++) {
        sum += number_of(&again[i]);
        cr_assert_eq(again[i].retry_count, 0, "a clean leave is nobody's failure");
    }
    cr_assert_eq(sum, 45);
    cr_assert_eq(cvb_ack(other, l, 1), CVB_EFOREIGN, "a lease from before the detach");
    cr_assert_eq(cvb_ack(other, again, 10), 0);
    cvb_detach(other);
    cvb_unlink(name);
}

Test(segment, names_get_ids_that_all_agree_on)
{
    const char *name = segment_name("names");
    struct cvb_settings s = small_settings(10, 10, 10);
    struct cvb_handle *h = make_segment(name, &s), *other;
    uint32_t a, b, c;
    cr_assert_eq(cvb_attach(name, &other), 0);
    cr_assert_eq(cvb_stage(h, "dead-letter", &a), 0);
    cr_assert_eq(a, CVB_STAGE_DEAD_LETTER);
    cr_assert_eq(cvb_stage(h, "filter", &a), 0);
    cr_assert_eq(cvb_stage(h, "enrich", &b), 0);
    cr_assert_eq(cvb_stage(other, "enrich", &c), 0);
    cr_assert(a != b && b == c && a < 8 && b < 8);
    cr_assert_eq(cvb_source(other, "filter", &c), 0, "a kind of its own");
    cr_assert_eq(c, 0);
    cr_assert_eq(cvb_pipeline(h, "default", &c), 0);
    cr_assert_eq(c, 0);
    cr_assert_eq(cvb_pipeline(h, "filter", &c), 0);
    cr_assert_eq(c, 1);
    cr_assert_eq(cvb_detach(h), 0);
    cr_assert_eq(cvb_attach(name, &h), 0);
    cr_assert_eq(cvb_stage(h, "filter", &c), 0);
    cr_assert_eq(c, a, "after a detach too");
    cvb_detach(h);
    cvb_detach(other);
    cvb_unlink(name);
}

Test(segment, good_and_bad_names)
{
    static char just[64], more[65];
    memset(just, 'j', 63);
    memset(more, 'm', 64);
    const char *good[] = {just, "ä", "\xe2\x82\xac", "\xf0\x9f\x9a\x80", "a b/c"};
    const char *bad[] = {NULL,
                         "",
                         more,
                         "a\nb",
                         "\x01",
                         "\x7f",
                         "\x80",
                         "\xc0\xaf",
                         "\xe2\x82",
                         "\xed\xa0\x80",
                         "\xf5\x80\x80\x80",
                         "\xc2\x85",
                         "\xe0\x80\xaf",
                         "ok\xff"};
    const char *name = segment_name("utf8");
    struct cvb_settings s = small_settings(10, 10, 10);
    struct cvb_handle *h = make_segment(name, &s);
    uint32_t id;
    for (unsigned i = 0; i < sizeof good / sizeof good[0]; i++)
        cr_expect_eq(cvb_stage(h, good[i], &id), 0, "good %u", i);
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(cvb_stage(h, bad[i], &id), CVB_ENAME, "bad %u", i);
        cr_expect_eq(cvb_source(h, bad[i], &id), CVB_ENAME, "bad %u", i);
        cr_expect_eq(cvb_pipeline(h, bad[i], &id), CVB_ENAME, "bad %u", i);
    }
    cr_assert_eq(cvb_stage(NULL, "x", &id), CVB_EINVAL);
    cvb_detach(h);
    cvb_unlink(name);
}

Test(segment, one_name_too_many)
{
    const char *name = segment_name("many");
    struct cvb_settings s = small_settings(10, 10, 10);
    struct cvb_handle *h = make_segment(name, &s);
    char text[16];
    uint32_t id;
    static int (*const intern[])(struct cvb_handle *, const char *, uint32_t *) = {cvb_stage, cvb_source, cvb_pipeline};
    const uint32_t room[] = {s.max_stages - 1, s.max_sources, s.max_pipelines - 1};
    for (unsigned kind = 0; kind < 3; kind++) {
        for (uint32_t i = 0; i < room[kind]; i++) {
            snprintf(text, sizeof text, "n-%u", i);
            cr_assert_eq(intern[kind](h, text, &id), 0);
        }
        cr_assert_eq(intern[kind](h, "one-more", &id), CVB_ENAMES);
        cr_assert_eq(intern[kind](h, "n-0", &id), 0, "those that are there stay");
    }
    cvb_detach(h);
    cvb_unlink(name);
}

Test(segment, no_other_stage_can_be_named_in_a_sealed_segment)
{
    const char *name = segment_name("sealed");
    struct cvb_settings s = small_settings(10, 10, 10);
    s.sealed_stages = 3; /* dead-letter, and two more */
    struct cvb_handle *h = make_segment(name, &s), *other;
    uint32_t id;
    cr_assert_eq(cvb_stage(h, "filter", &id), 0);
    cr_assert_eq(cvb_stage(h, "sink", &id), 0);
    cr_expect_eq(cvb_stage(h, "snik", &id), CVB_ESEALED);
    cr_assert_eq(cvb_attach(name, &other), 0);
    cr_expect_eq(cvb_stage(other, "snik", &id), CVB_ESEALED);
    cr_expect_eq(cvb_stage(other, "sink", &id), 0, "those that are there stay");
    cr_expect_eq(id, 2);
    cr_expect_eq(cvb_source(other, "snik", &id), 0, "only stages are sealed");
    cvb_detach(other);
    cvb_detach(h);
    cvb_unlink(name);
    s.sealed_stages = s.max_stages;
    h = make_segment(name, &s);
    for (uint32_t i = 1; i < s.max_stages; i++) {
        char text[16];
        snprintf(text, sizeof text, "n-%u", i);
        cr_assert_eq(cvb_stage(h, text, &id), 0);
    }
    cr_expect_eq(cvb_stage(h, "snik", &id), CVB_ESEALED, "also where there is no room for a name");
    cvb_detach(h);
    cvb_unlink(name);
}

struct naming {
    const char *segment;
    uint32_t go, id[8][6];
};

static int intern_when_told(void *argument)
{
    struct naming *n = *(struct naming **)argument;
    uint32_t me = ((uint32_t *)argument)[2];
    struct cvb_handle *h;
    if (cvb_attach(n->segment, &h))
        return 1;
    while (!__atomic_load_n(&n->go, __ATOMIC_ACQUIRE))
        sched_yield();
    for (unsigned i = 0; i < 6; i++) {
        unsigned which = (i + me) % 6;
        char text[16];
        snprintf(text, sizeof text, "stage-%u", which);
        if (cvb_stage(h, text, &n->id[me][which]))
            return 2;
    }
    return cvb_detach(h);
}

Test(segment, eight_processes_intern_the_same_names_at_once, .timeout = 60)
{
    struct naming *n = shared_memory(sizeof *n);
    n->segment = segment_name("intern");
    struct cvb_settings s = small_settings(10, 10, 10);
    const uint64_t enough = now_ms() + 20000; /* where nine processes share little of a processor */
    for (int round = 0; round < 40 && now_ms() < enough; round++) {
        struct cvb_handle *h = make_segment(n->segment, &s);
        pid_t child[8];
        struct {
            struct naming *n;
            uint32_t me;
        } argument = {n, 0};
        n->go = 0;
        for (; argument.me < 8; argument.me++)
            child[argument.me] = spawn(intern_when_told, &argument);
        __atomic_store_n(&n->go, 1, __ATOMIC_RELEASE);
        for (int i = 0; i < 8; i++)
            cr_assert_eq(reap(child[i]), 0);
        uint32_t seen = 0;
        for (int k = 0; k < 6; k++) {
            for (int i = 1; i < 8; i++)
                cr_assert_eq(n->id[i][k], n->id[0][k]);
            seen |= 1u << n->id[0][k];
        }
        cr_assert_eq(seen, 0x7e, "the ids 1 to 6, each once");
        cvb_detach(h);
        cvb_unlink(n->segment);
    }
}

Test(segment, every_error_has_a_text_of_its_own)
{
    for (int i = 0; i >= CVB_ETIMEDOUT; i--)
        for (int k = 0; k > i; k--)
            cr_assert_str_neq(cvb_error_text(i), cvb_error_text(k));
    cr_assert_not_null(cvb_error_text(1));
    cr_assert_not_null(cvb_error_text(-1000));
    cr_assert_not_null(cvb_error_text(-2147483647 - 1));
}
