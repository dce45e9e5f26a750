/* What is acked serves the next puts: the counters stand still, and the units are such as the short ways take. Looks
 * inside: users cannot see it but by the time that it takes. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "../support/support.h"
#include "credit/idle.h"

enum { BATCH = 8, LIMIT = 5000, HIGH = 4000, UNTIL_HIGH = HIGH / BATCH - 1 };

static struct cvb_handle *h;
static const char *name;
static uint32_t stage, source;

static void teardown(void)
{
    if (name)
        cvb_unlink(name);
}

TestSuite(reuse, .fini = teardown);

static void make(void)
{
    struct cvb_settings s = small_settings(2 * LIMIT, 2 * LIMIT, LIMIT);
    s.backpressure_threshold = (double)HIGH / LIMIT;
    name = segment_name("reuse");
    h = make_segment(name, &s);
    cr_assert_not_null(h);
    cr_assert_eq(cvb_stage(h, "filter", &stage), 0);
    cr_assert_eq(cvb_source(h, "kafka-1", &source), 0);
}

static void put_batches(unsigned count, unsigned size)
{
    for (unsigned i = 0; i < count; i++)
        cr_assert_eq(put_numbers(h, stage, source, 0, size, NULL), (int)size);
}

static void ack_batches(unsigned count, unsigned size)
{
    struct cvb_lease l[BATCH];
    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(cvb_get_batch(h, stage, l, size), (int)size);
        cr_assert_eq(cvb_ack(h, l, size), 0);
    }
}

static uint64_t taken(void) { return cvb_counter_at(h, cvb_counter_of_source(h, source))->taken.lo; }
static uint64_t given_back(void) { return cvb_counter_at(h, cvb_counter_of_source(h, source))->returned.lo; }

/* Fewer are idle than puts usually leave to the acks, and all that there is room for below the mark is taken: then they
 * serve, instead of being given back so that the flag is exact. */
Test(reuse, below_the_high_watermark_what_is_idle_serves_first)
{
    make();
    put_batches(UNTIL_HIGH, BATCH);
    cr_assert_eq(taken(), UNTIL_HIGH * BATCH);
    for (unsigned i = 0; i < 20; i++) {
        ack_batches(70, BATCH);
        put_batches(70, BATCH);
    }
    cr_assert_eq(taken(), UNTIL_HIGH * BATCH);
    cr_assert_eq(given_back(), 0);
    cr_assert_eq(cvb_should_backpressure(h, source), 0);
    cr_assert_eq(audit_says(h, UNTIL_HIGH * BATCH, 0), NULL);
    cvb_detach(h);
}

/* Free cells lie in units of 32 at first, of which puts take what they need. */
Test(reuse, what_is_left_of_a_larger_unit_becomes_a_unit_of_first_members)
{
    static const unsigned sizes[] = {BATCH, 1, 3, 16};
    make();
    for (unsigned s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct cvb_lease l[CVB_UNIT_MEMBERS];
        put_batches(40, sizes[s]);
        for (unsigned i = 0; i < 40; i++) {
            cr_assert_eq(cvb_get_batch(h, stage, l, sizes[s]), (int)sizes[s]);
            for (unsigned k = 0; k < sizes[s]; k++)
                cr_assert_eq(l[k].place.member, k, "batches of %u: member %u is number %u", sizes[s], l[k].place.member,
                             k);
        }
    }
    cvb_detach(h);
}

/* A handle empties the group of what it has claimed at its next put only; meanwhile the group may serve again. */
Test(reuse, a_group_that_serves_again_is_not_emptied)
{
    enum { ALL = 70, GROUP = CVB_IDLE_ENTRIES };
    struct cvb_settings s = small_settings(ALL, ALL, ALL);
    struct cvb_handle *late, *other;
    uint32_t source2;
    name = segment_name("reuse");
    cr_assert_not_null(late = make_segment(name, &s));
    cr_assert_eq(cvb_attach(name, &other), 0);
    cr_assert_eq(cvb_stage(late, "filter", &stage) || cvb_source(late, "kafka-1", &source), 0);
    cr_assert_eq(cvb_source(late, "kafka-2", &source2), 0);
    struct cvb_idle *list = (void *)(late->idle + other->seat * late->idle_stride);
    h = other;
    put_batches(GROUP, 1);
    ack_batches(GROUP, 1);
    h = late;
    put_batches(GROUP, 1);
    cr_assert_eq(list->groups, 1);
    h = other;
    const uint64_t places = other->idle_mask + 1;
    for (ack_batches(GROUP, 1); list->groups <= places; ack_batches(GROUP, 1))
        put_batches(GROUP, 1);
    for (uint64_t i = 1; i < places; i++) /* what is left of their entries names the same units */
        memset(list->group[i].entry, 0, sizeof list->group[i].entry);
    cr_assert_eq(put_numbers(late, stage, source, 0, 1, NULL), 1);
    cr_assert_eq(put_numbers(late, stage, source2, 0, ALL - 1, NULL), ALL - 1, "credits of units that no group names");
    cr_assert_eq(audit_says(late, ALL, 0), NULL);
    cvb_detach(other);
    cvb_detach(late);
}

/* Puts a record of each kind, takes and acks it, round after round: with one handle, or put and acked by two. */
static void take_turns(struct cvb_handle *putter, struct cvb_handle *acker, unsigned sources, unsigned stages,
                       unsigned rounds)
{
    for (unsigned i = 0; i < rounds * sources * stages; i++) {
        struct cvb_lease l;
        const uint32_t to = 1 + i / sources % stages;
        cr_assert_eq(put_numbers(putter, to, i % sources, i, 1, NULL), 1, "put %u", i);
        cr_assert_eq(cvb_get_batch(acker, to, &l, 1), 1);
        cr_assert_eq(cvb_ack(acker, &l, 1), 0);
    }
}

static void take_turns_with(unsigned sources, unsigned stages, bool one_handle)
{
    enum { ALL = 100000, FIRST = 40, THEN = 20, PUTS = 2000 };
    struct cvb_settings s = small_settings(ALL, ALL / stages, ALL);
    struct cvb_handle *other;
    char text[32];
    uint32_t id;
    s.max_sources = sources;
    s.max_stages = stages + 1;
    name = segment_name("turns");
    cr_assert_not_null(h = make_segment(name, &s));
    cr_assert_eq(cvb_attach(name, &other), 0);
    for (unsigned i = 0; i < sources; i++) {
        snprintf(text, sizeof text, "source-%u", i);
        cr_assert_eq(cvb_source(h, text, &id), 0);
    }
    for (unsigned i = 0; i < stages; i++) {
        snprintf(text, sizeof text, "stage-%u", i);
        cr_assert_eq(cvb_stage(h, text, &id), 0);
    }
    take_turns(h, one_handle ? h : other, sources, stages, FIRST + PUTS / (1 + sources * stages));
    const uint64_t before = cvb_counter_at(h, CVB_COUNTER_TOTAL)->taken.lo;
    take_turns(h, one_handle ? h : other, sources, stages, THEN);
    const uint64_t anew = cvb_counter_at(h, CVB_COUNTER_TOTAL)->taken.lo - before;
    cr_expect_leq(anew, THEN * sources * stages / 50, "%u sources, %u stages, %d: %lu of %u with new credits", sources,
                  stages, one_handle, (unsigned long)anew, THEN * sources * stages);
    cr_assert_eq(audit_says(h, 0, 0), NULL);
    cvb_detach(other);
    cvb_detach(h);
    cvb_unlink(name);
}

/* However many kinds take turns, what was acked serves the next put of its kind: counters stand still. */
Test(reuse, kinds_that_take_turns_are_served_by_what_is_idle)
{
    for (int one_handle = 0; one_handle < 2; one_handle++) {
        take_turns_with(10, 1, one_handle);
        take_turns_with(100, 1, one_handle);
        take_turns_with(1000, 1, one_handle);
        take_turns_with(1, 100, one_handle);
        take_turns_with(20, 10, one_handle);
    }
}

static uint32_t key_number(uint32_t i) { return i << KEY_STAGE_SHIFT; }

/* As many kinds as a handle remembers have numbers of their own. Where more take turns most of those keep theirs, and a
 * new kind that comes again and again gets one. */
Test(reuse, a_kind_keeps_its_number_where_more_take_turns)
{
    static struct cvb_kinds kinds;
    unsigned kept = 0;
    for (uint32_t i = 0; i < CVB_CLAIM_CACHES; i++)
        kept += cvb_kind_number(&kinds, key_number(i)) == i;
    cr_expect_eq(kept, CVB_CLAIM_CACHES);
    for (uint32_t i = 0; i < 3 * CVB_CLAIM_CACHES; i++) {
        const uint32_t number = cvb_kind_number(&kinds, key_number(i));
        cr_assert_lt(number, CVB_CLAIM_CACHES);
        cr_assert_eq(kind_find(&kinds, key_number(i)), number);
    }
    kept = 0;
    for (uint32_t i = 0; i < CVB_CLAIM_CACHES; i++)
        kept += kind_find(&kinds, key_number(i)) == i;
    cr_expect_geq(kept, CVB_CLAIM_CACHES * 4 / 5, "%u keep theirs", kept);
    const uint32_t late = key_number(4 * CVB_CLAIM_CACHES);
    for (unsigned i = 0; i < CVB_KIND_STAYS; i++)
        cvb_kind_number(&kinds, late);
    cr_expect(!kind_is_spare(&kinds, cvb_kind_number(&kinds, late)), "a kind that comes again is spare for ever");
}

/* A refusal is exact however many groups of others lie before what it looks for: here more than it may look at again.
 */
Test(reuse, what_lies_behind_many_groups_is_found_by_one_put)
{
    const unsigned many = (CVB_REFUSAL_GROUPS / 2 + 50) * CVB_IDLE_ENTRIES, few = 100;
    struct cvb_settings s = small_settings(4 * many, 4 * many, many);
    uint32_t next;
    name = segment_name("behind");
    h = make_segment(name, &s);
    cr_assert_not_null(h);
    cr_assert_eq(cvb_stage(h, "filter", &stage), 0);
    cr_assert_eq(cvb_stage(h, "sink", &next), 0);
    cr_assert(name_everything(h));
    for (source = 0; source < 3; source++) { /* the last one's are what the puts below need */
        for (unsigned i = 0; i < many; i++)
            cr_assert_eq(put_numbers(h, stage, source, i, 1, NULL), 1);
        cr_assert_eq(drain(h, stage), many);
    }
    for (unsigned i = 0; i < few; i++)
        cr_assert_eq(put_numbers(h, next, 2, i, 1, NULL), 1, "put %u", i);
    cr_assert_eq(audit_says(h, few, 0), NULL);
    cvb_detach(h);
}
