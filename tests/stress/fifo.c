/* fifo.c - order and exactly-once accounting with several producers and consumers, in batches that split and join.
 *
 * With one consumer each producer's records come without a gap. With several, "in order" means what any observer could
 * prove: of two records of a producer, the call that delivered the later one has not ended before the call that
 * delivered the earlier one began.
 */
#include "../support/traffic.h"

#include <criterion/criterion.h>

static void run(struct traffic *t, uint32_t total, uint32_t per_stage, uint32_t per_source)
{
    struct cvb_settings s = small_settings(total, per_stage, per_source);
    struct cvb_handle *h = make_segment(t->name, &s);
    cr_assert_not_null(h);
    uint64_t start = now_ms();
    const char *wrong = traffic_start(t, h);
    wrong = wrong ? wrong : traffic_finish(t);
    cr_assert_null(wrong, "%s", wrong);
    cr_assert_gt(t->settled, 200, "%llu records in %u s", (unsigned long long)t->settled, t->enough);
    cr_log_info("%llu records in %llu ms, limits %u %u %u", (unsigned long long)t->settled,
                (unsigned long long)(now_ms() - start), total, per_stage, per_source);
    if (t->chain == 1 || t->consumers == 1) /* two workers of a stage may overtake one another on the way to the next */
        cr_assert_eq(t->disorder, 0, "%llu records out of order", (unsigned long long)t->disorder);
    cvb_recover(h);
    wrong = audit_says(h, 0, 0);
    cr_assert_null(wrong, "%s", wrong);
    cvb_detach(h);
    cvb_unlink(t->name);
}

Test(fifo, one_consumer_sees_no_gap, .timeout = 240)
{
    struct traffic *t = traffic_new("strict");
    t->producers = 4;
    t->consumers = 1;
    t->sources = 3; /* two producers share one */
    t->each = 60000;
    t->put_most = t->get_most = 100;
    run(t, 700, 500, 300);
    cr_assert_eq(t->gaps, 0);
}

Test(fifo, several_consumers_get_each_source_in_order, .timeout = 240)
{
    static const uint32_t most[][2] = {{1, 1}, {100, 100}, {100, 3}, {3, 100}};
    for (unsigned i = 0; i < 4; i++) {
        struct traffic *t = traffic_new("merge");
        t->producers = 3;
        t->consumers = 4;
        t->sources = 2;
        t->each = i ? 60000 : 20000;
        t->put_most = most[i][0];
        t->get_most = most[i][1];
        t->stamped = true;
        run(t, 900, 900, 600);
        cr_assert_eq(traffic_inversions(t), 0, "batches %u, %u", most[i][0], most[i][1]);
    }
}

Test(fifo, three_million_records_exactly_once, .timeout = 240)
{
    struct traffic *t = traffic_new("millions");
    t->producers = t->consumers = 3;
    t->sources = 3;
    t->each = 1000000;
    t->put_most = t->get_most = 100;
    t->enough = 120;
    run(t, 20000, 10000, 5000);
}

Test(fifo, trains_are_split_and_joined_and_acked_in_any_order, .timeout = 240)
{
    for (unsigned copyless = 0; copyless < 2; copyless++) {
        struct traffic *t = traffic_new("scatter");
        t->producers = t->consumers = 4;
        t->sources = 4;
        t->each = 50000;
        t->put_most = t->get_most = 100;
        t->scatter = true;
        t->copyless = copyless;
        run(t, 1000, 1000, 400);
    }
}

Test(fifo, a_tiny_ring_wraps_around_many_times, .timeout = 240)
{
    static const uint32_t limits[] = {1, 2, 3, 7, 64};
    for (unsigned i = 0; i < 5; i++) {
        struct traffic *t = traffic_new("tiny");
        t->producers = t->consumers = 2;
        t->sources = 2;
        t->each = limits[i] < 7 ? 6000 : 40000; /* each is handed over alone, or almost */
        t->put_most = t->get_most = 5;
        t->stamped = true;
        t->enough = 30; /* a record costs two turns of the processor: with many others, tens of milliseconds */
        run(t, limits[i], limits[i], limits[i]);
        cr_assert_eq(traffic_inversions(t), 0);
    }
}

Test(fifo, a_chain_of_stages_settles_each_record_once, .timeout = 240)
{
    for (unsigned way = 0; way < 8; way++) {
        struct traffic *t = traffic_new("chain");
        t->producers = 2;
        t->consumers = way & 4 ? 1 : 2;
        t->chain = 3;
        t->sources = 2;
        t->each = 60000;
        t->put_most = t->get_most = way & 2 ? 100 : 7;
        t->replace = way & 1;
        t->scatter = (way & 2) && !(way & 4);
        run(t, 900, 300, 450);
    }
}
