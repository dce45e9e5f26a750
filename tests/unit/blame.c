/* Which records are to blame for a consumer's death, and what dead letters hold: real processes are killed with leases.
 */
#include "../support/support.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { STAGE = 1, SOURCE = 0, RETRIES = 2 };
static struct cvb_handle *h;
static const char *name;

static void make(uint32_t retries, uint32_t total, uint32_t per_source)
{
    struct cvb_settings s = small_settings(total, total, per_source);
    s.max_retries = retries;
    name = segment_name("blame");
    h = make_segment(name, &s);
    cr_assert(h && name_everything(h));
}

static void done(void)
{
    cvb_detach(h);
    cvb_unlink(name);
}

struct worker {
    unsigned batch;
    uint64_t poison; /* it dies when it looks at that record */
    bool all;        /* it dies with all it could get, before it has looked at any */
};

/* Takes batches, acks record by record, and dies of the poison; 0: the stage was empty. */
static int work(void *argument)
{
    const struct worker *w = argument;
    struct cvb_handle *mine;
    struct cvb_lease l[64];
    int n;
    if (cvb_attach(name, &mine))
        return 1;
    while ((n = cvb_get_batch(mine, STAGE, l, w->batch)) > 0)
        for (int i = 0; i < n; i++) {
            if (w->all || number_of(&l[i]) == w->poison)
                raise(SIGKILL);
            if (cvb_ack(mine, &l[i], 1))
                return 2;
        }
    return cvb_detach(mine);
}

/* Workers until one finds nothing more; how many died. */
static int deaths(const struct worker *w)
{
    for (int died = 0; died < 100; died++) {
        int code = reap(spawn(work, (void *)(uintptr_t)w));
        if (!code)
            return died;
        cr_assert_eq(code, SIGNALED + SIGKILL, "a worker ended with %d", code);
        cr_assert_eq(cvb_recover(h), 1);
    }
    return 100;
}

/* Of a batch that was put as one, or one by one, only the record that kills becomes a dead letter, whichever it is. */
static void only_the_poison(unsigned n, unsigned put, unsigned batch, uint64_t poison, uint32_t retries)
{
    struct cvb_lease dead[2];
    make(retries, 100, 100);
    for (unsigned i = 0; i < n; i += put)
        cr_assert_eq(put_numbers(h, STAGE, SOURCE, i, put, NULL), (int)put);
    const struct worker w = {.batch = batch, .poison = poison};
    /* in company once, unless it was first asked for alone; then alone until it is condemned */
    const int most = (int)retries + 1 + (batch > 1);
    cr_expect_eq(deaths(&w), most, "%u in %u, by %u, %llu: %d deaths", n, put, batch, (unsigned long long)poison,
                 deaths(&w));
    cr_assert_eq(cvb_get_batch(h, CVB_STAGE_DEAD_LETTER, dead, 2), 1);
    cr_expect_eq(number_of(&dead[0]), poison);
    cr_expect_eq(dead[0].origin, STAGE);
    cr_assert_eq(cvb_ack(h, dead, 1), 0);
    cr_expect_null(audit_says(h, 0, 0), "%s", audit_says(h, 0, 0));
    done();
}

Test(blame, a_batch_is_not_condemned_for_one_of_its_records, .timeout = 60)
{
    only_the_poison(10, 10, 10, 2, RETRIES);
    only_the_poison(10, 10, 10, 0, RETRIES);
    only_the_poison(10, 10, 64, 9, RETRIES);
    only_the_poison(10, 10, 4, 5, RETRIES);
    only_the_poison(12, 1, 12, 7, RETRIES);
    only_the_poison(12, 3, 5, 11, RETRIES);
    only_the_poison(10, 10, 1, 3, RETRIES);
    only_the_poison(10, 10, 10, 4, 0);
    only_the_poison(6, 1, 1, 4, 0);
}

/* However often workers are killed with a batch that they have not looked at. */
Test(blame, what_nobody_looked_at_is_delivered_for_ever, .timeout = 60)
{
    struct cvb_lease l[20];
    make(0, 100, 100);
    cr_assert_eq(put_numbers(h, STAGE, SOURCE, 0, 20, NULL), 20);
    const struct worker w = {.batch = 64, .all = true};
    cr_assert_eq(reap(spawn(work, (void *)(uintptr_t)&w)), SIGNALED + SIGKILL);
    cr_assert_eq(cvb_recover(h), 1);
    for (unsigned i = 0; i < 20; i++) {
        cr_assert_eq(cvb_get_batch(h, STAGE, &l[i], 20), 1, "one by one");
        cr_expect_eq(l[i].retry_count, 1, "the death is told");
    }
    cr_assert_eq(cvb_ack(h, l, 20), 0);
    cr_assert_eq(drain(h, CVB_STAGE_DEAD_LETTER), 0);
    done();
}

/* Clean leaves are nobody's failure: rolling restarts, with batches of all kinds. */
Test(blame, rolling_restarts_count_nothing)
{
    make(0, 100, 100);
    for (unsigned i = 0; i < 30; i += i % 2 ? 1 : 5)
        cr_assert_gt(put_numbers(h, STAGE, SOURCE, i, i % 2 ? 1 : 5, NULL), 0);
    for (unsigned restart = 0; restart < 6; restart++) {
        struct cvb_handle *mine;
        struct cvb_lease l[40];
        cr_assert_eq(cvb_attach(name, &mine), 0);
        int n = cvb_get_batch(mine, STAGE, l, 40);
        cr_assert_gt(n, 0);
        for (int i = 0; i < n; i++)
            cr_assert_eq(l[i].retry_count, 0);
        if (restart % 2)
            cr_assert_eq(cvb_release(mine, l, (size_t)n), 0);
        cr_assert_eq(cvb_detach(mine), 0);
    }
    struct cvb_counts c;
    cr_assert_eq(cvb_stage_counts(h, STAGE, &c), 0);
    cr_expect_eq(c.returned + c.redelivered + c.dead_lettered, 0);
    cr_expect_gt(c.released, 0);
    done();
}

/* Dead letters hold a credit of the total, and none of their source. */
Test(blame, dead_letters_do_not_hold_their_source_up)
{
    struct cvb_lease l[10], dead[10];
    struct cvb_backpressure b;
    int why;
    make(0, 20, 10);
    cr_assert_eq(put_numbers(h, STAGE, SOURCE, 0, 20, &why), 10);
    cr_assert_eq(why, CVB_ESOURCE_FULL);
    cr_assert_eq(cvb_get_batch(h, STAGE, l, 10), 10);
    cr_assert_eq(cvb_return_to_buffer(h, l, 10), 0);
    cr_expect_eq(cvb_available_credits(h, SOURCE), 10);
    cr_expect_eq(cvb_stage_size(h, CVB_STAGE_DEAD_LETTER), 10);
    cr_assert_eq(cvb_backpressure(h, CVB_NO_STAGE, SOURCE, &b), 0);
    cr_expect_eq(b.signal, CVB_SIGNAL_NONE, "the source goes on: %d", (int)b.signal);
    cr_assert_eq(put_numbers(h, STAGE, SOURCE, 10, 20, &why), 10);
    cr_expect(why == CVB_ESOURCE_FULL || why == CVB_ETOTAL_FULL);
    cr_expect_null(audit_says(h, 20, 0), "%s", audit_says(h, 20, 0));
    /* their retry needs a credit of the source again, and waits until there is one */
    cr_assert_eq(cvb_get_batch(h, CVB_STAGE_DEAD_LETTER, dead, 10), 10);
    cr_expect_eq(cvb_forward(h, STAGE, dead, 10, &why), 0);
    cr_expect_eq(why, CVB_ESOURCE_FULL);
    cr_assert_eq(cvb_get_batch(h, STAGE, l, 4), 4);
    cr_assert_eq(cvb_ack(h, l, 4), 0);
    cr_expect_eq(cvb_forward(h, STAGE, dead, 10, &why), 4);
    cr_expect_eq(why, CVB_ESOURCE_FULL);
    cr_assert_eq(cvb_ack(h, dead + 4, 6), 0, "or they are dropped");
    cr_assert_eq(drain(h, STAGE), 10);
    cr_expect_null(audit_says(h, 0, 0), "%s", audit_says(h, 0, 0));
    cr_expect_eq(cvb_available_credits(h, SOURCE), 10);
    done();
}
