/* limits.c - no limit is exceeded by one record at any instant, and none refuses before it is reached.
 *
 * An observer samples the sizes while eight processes push against the limits; what it can see at all is bounded by
 * what the counters say, so the sizes must hold even in the middle of an operation. When all is quiet the fill is
 * exact.
 */
#include "../support/traffic.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct observed {
    uint64_t samples, above, total_most, stage_most;
    bool any_stage_full, any_total_full;
};

static void sample(struct cvb_handle *h, const struct traffic *t, const struct cvb_settings *s, struct observed *o)
{
    int64_t total = cvb_total_buffered(h), stage = cvb_stage_size(h, t->stage[0]);
    o->above += total > s->max_total_records || stage > s->max_per_stage || total < 0 || stage < 0;
    o->total_most = (uint64_t)total > o->total_most ? (uint64_t)total : o->total_most;
    o->stage_most = (uint64_t)stage > o->stage_most ? (uint64_t)stage : o->stage_most;
    o->samples++;
}

/* A census is no snapshot: a record may be counted where it was and where it went. But a source's credits bound what
 * it has in the segment, so its counters are asked. */
static void sample_sources(struct cvb_handle *h, const struct cvb_settings *s, uint32_t sources, struct observed *o)
{
    for (uint32_t i = 0; i < sources; i++) {
        int64_t credits = cvb_available_credits(h, i);
        o->above += credits < 0 || credits > s->max_per_source;
    }
}

static bool running(struct traffic *t)
{
    return __atomic_load_n(&t->settled, __ATOMIC_ACQUIRE) < __atomic_load_n(&t->all, __ATOMIC_ACQUIRE);
}

static void push_against(uint32_t total, uint32_t per_stage, uint32_t per_source, uint64_t each, bool copyless)
{
    struct cvb_settings s = small_settings(total, per_stage, per_source);
    struct traffic *t = traffic_new("limits");
    struct observed o = {0};
    t->producers = 5;
    t->consumers = 3;
    t->sources = 3;
    t->each = each;
    t->put_most = t->get_most = 20;
    t->scatter = true;
    t->copyless = copyless;
    struct cvb_handle *h = make_segment(t->name, &s);
    cr_assert_not_null(h);
    const char *wrong = traffic_start(t, h);
    cr_assert_null(wrong, "%s", wrong);
    uint64_t end = now_ms() + 200000;
    while (running(t) && now_ms() < end) {
        for (int i = 0; i < 20; i++)
            sample(h, t, &s, &o);
        sample_sources(h, &s, t->sources, &o);
        sched_yield();
    }
    wrong = traffic_finish(t);
    cr_assert_null(wrong, "%s", wrong);
    cr_log_info("limits %u %u %u: %llu samples, at most %llu in all and %llu in the stage", total, per_stage,
                per_source, (unsigned long long)o.samples, (unsigned long long)o.total_most,
                (unsigned long long)o.stage_most);
    cr_assert_eq(o.above, 0, "%llu of %llu samples above a limit", (unsigned long long)o.above,
                 (unsigned long long)o.samples);
    cvb_recover(h);
    wrong = audit_says(h, 0, 0);
    cr_assert_null(wrong, "%s", wrong);
    cvb_detach(h);
    cvb_unlink(t->name);
}

Test(limits, the_total_under_eight_processes, .timeout = 240) { push_against(10, 20, 20, 8000, false); }
Test(limits, the_stage_under_eight_processes, .timeout = 240) { push_against(40, 11, 40, 8000, false); }
Test(limits, the_source_under_eight_processes, .timeout = 240) { push_against(60, 60, 5, 8000, false); }
Test(limits, reserved_records_under_eight_processes, .timeout = 240) { push_against(12, 11, 7, 4000, true); }
Test(limits, every_limit_is_one, .timeout = 240) { push_against(1, 1, 1, 1500, false); }
Test(limits, only_the_stage_is_one, .timeout = 240) { push_against(50, 1, 50, 1500, false); }
Test(limits, only_the_sources_are_one, .timeout = 240) { push_against(50, 50, 1, 3000, false); }

struct filling {
    struct cvb_handle *h;
    const char *name;
    uint64_t accepted, go;
    uint32_t stage, sources;
};

/* Puts single records of all sources until all refuse: what all processes together put must be the limit exactly. */
static int fill_up(void *argument)
{
    struct filling *f = argument;
    struct cvb_handle *h;
    alarm(60);
    if (cvb_attach(f->name, &h))
        return 1;
    while (!__atomic_load_n(&f->go, __ATOMIC_ACQUIRE))
        sched_yield();
    for (unsigned refused = 0; refused < 50; refused++)
        for (uint32_t s = 0; s < f->sources; s++) {
            struct cvb_record r = {.payload = &s, .length = sizeof s, .source = s};
            while (!cvb_buffer_for_stage(h, f->stage, &r))
                __atomic_fetch_add(&f->accepted, 1, __ATOMIC_RELAXED);
        }
    return cvb_detach(h);
}

static void fill_exactly(uint32_t total, uint32_t per_stage, uint32_t per_source, uint32_t expected)
{
    struct cvb_settings s = small_settings(total, per_stage, per_source);
    struct filling *f = shared_memory(sizeof *f);
    f->name = segment_name("fill");
    f->sources = 4;
    f->h = make_segment(f->name, &s);
    cr_assert_not_null(f->h);
    cr_assert_eq(cvb_stage(f->h, "filter", &f->stage), 0);
    cr_assert(name_everything(f->h));
    for (int round = 0; round < 15; round++) {
        pid_t child[8];
        f->accepted = f->go = 0;
        for (int i = 0; i < 8; i++)
            child[i] = spawn(fill_up, f);
        __atomic_store_n(&f->go, 1, __ATOMIC_RELEASE);
        for (int i = 0; i < 8; i++)
            cr_assert_eq(reap(child[i]), 0);
        cr_assert_eq(f->accepted, expected, "round %d: %llu", round, (unsigned long long)f->accepted);
        cvb_recover(f->h);
        cr_assert_null(audit_says(f->h, expected, 0), "%s", audit_says(f->h, expected, 0));
        cr_assert_eq(drain(f->h, f->stage), expected);
    }
    cvb_detach(f->h);
    cvb_unlink(f->name);
}

Test(limits, eight_processes_fill_each_limit_exactly, .timeout = 240)
{
    fill_exactly(37, 100, 100, 37);
    fill_exactly(100, 41, 100, 41);
    fill_exactly(100, 100, 9, 36);
    fill_exactly(1, 1, 1, 1);
}

Test(limits, a_thousand_sources, .timeout = 60)
{
    struct cvb_settings s = small_settings(5000, 5000, 3);
    const char *name = segment_name("thousand");
    s.max_sources = 1000;
    struct cvb_handle *h = make_segment(name, &s);
    uint32_t stage, id, took[1000] = {0};
    struct cvb_lease l[100];
    char text[32];
    int why, n;
    cr_assert_not_null(h);
    cr_assert_eq(cvb_stage(h, "filter", &stage), 0);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(text, sizeof text, "kafka-%u", i);
        cr_assert_eq(cvb_source(h, text, &id), 0);
        cr_assert_eq(id, i);
        cr_assert_eq(put_numbers(h, stage, id, i, 5, &why), 3);
        cr_assert_eq(why, CVB_ESOURCE_FULL);
    }
    cr_assert_eq(cvb_source(h, "one more", &id), CVB_ENAMES);
    cr_assert_null(audit_says(h, 3000, 0), "%s", audit_says(h, 3000, 0));
    while ((n = cvb_get_batch(h, stage, l, 100)) > 0) {
        for (int i = 0; i < n; i++)
            took[l[i].source]++;
        cr_assert_eq(cvb_ack(h, l, (size_t)n), 0);
    }
    for (unsigned i = 0; i < 1000; i++)
        cr_assert_eq(took[i], 3);
    cr_assert_null(audit_says(h, 0, 0));
    cvb_detach(h);
    cvb_unlink(name);
}

Test(limits, a_batch_of_a_thousand_mixed_sources_is_one_call)
{
    struct cvb_settings s = small_settings(5000, 5000, 100);
    const char *name = segment_name("mixed");
    s.max_sources = 1000;
    struct cvb_handle *h = make_segment(name, &s);
    struct cvb_record r[1000];
    struct cvb_lease l[1000];
    uint32_t value[1000], why;
    cr_assert(h && name_everything(h));
    for (uint32_t i = 0; i < 1000; i++) {
        value[i] = i;
        r[i] = (struct cvb_record){.payload = &value[i], .length = 4, .source = i * 7 % 1000};
    }
    cr_assert_eq(cvb_buffer_batch_for_stage(h, 1, r, 1000, (int *)&why), 1000);
    cr_assert_eq(cvb_get_batch(h, 1, l, 1000), 1000);
    for (uint32_t i = 0; i < 1000; i++)
        cr_assert(!memcmp(l[i].payload, &i, 4) && l[i].source == i * 7 % 1000);
    cr_assert_eq(cvb_ack(h, l, 1000), 0);
    cr_assert_null(audit_says(h, 0, 0));
    cvb_detach(h);
    cvb_unlink(name);
}
