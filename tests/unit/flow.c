/* Records go in and come out once, in order, within the limits, with real processes that are killed. */
#include <conveyor/buffer.h>
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char name[64];
static struct cvb_handle *h;
static uint32_t stage, source;

static void make(uint32_t total, uint32_t per_stage, uint32_t per_source)
{
    struct cvb_settings s;
    cvb_settings_init(&s);
    s.max_total_records = total;
    s.max_per_stage = per_stage;
    s.max_per_source = per_source;
    s.payload_size = 64;
    s.max_sources = 8;
    s.max_handles = 16;
    snprintf(name, sizeof name, "conveyor-test-%d", getpid());
    cvb_unlink(name);
    cr_assert_eq(cvb_create(name, &s), 0);
    cr_assert_eq(cvb_create(name, &s), CVB_EEXIST);
    cr_assert_eq(cvb_attach(name, &h), 0);
    cr_assert_eq(cvb_stage(h, "filter", &stage), 0);
    cr_assert_eq(cvb_source(h, "kafka-1", &source), 0);
}

static void done(void)
{
    cvb_detach(h);
    cr_assert_eq(cvb_unlink(name), 0);
}

static int put_numbers(struct cvb_handle *at, uint64_t from, unsigned n, int *why)
{
    struct cvb_record r[128];
    uint64_t value[128];
    for (unsigned i = 0; i < n; i++) {
        value[i] = from + i;
        r[i] = (struct cvb_record){.payload = &value[i], .length = sizeof value[i], .source = source};
    }
    return cvb_buffer_batch_for_stage(at, stage, r, n, why);
}

static uint64_t number(const struct cvb_lease *l)
{
    uint64_t v;
    memcpy(&v, l->payload, sizeof v);
    return v;
}

static void expect_audit(uint32_t queued, uint32_t leased)
{
    struct cvb_audit a;
    cr_assert_eq(cvb_audit(h, &a), 0);
    cr_assert(a.exact);
    cr_assert_eq(a.problems, 0, "%s", a.first_problem);
    cr_assert_eq(a.queued, queued);
    cr_assert_eq(a.leased, leased);
    cr_assert_eq(a.free + a.reserved + a.queued + a.leased, a.capacity);
}

Test(flow, mixed_batches_keep_order_and_wrap)
{
    make(300, 300, 300);
    uint64_t in = 0, out = 0;
    struct cvb_lease l[128];
    for (unsigned turn = 0; turn < 2000; turn++) {
        int put = put_numbers(h, in, 1 + turn * 7 % 100, NULL);
        cr_assert_geq(put, 0);
        in += (unsigned)put;
        int got = cvb_get_batch(h, stage, l, 1 + turn * 13 % 100);
        for (int i = 0; i < got; i++)
            cr_assert_eq(number(&l[i]), out++);
        for (int i = got - 1; i >= 0; i -= 2)
            cr_assert_eq(cvb_ack(h, &l[i], 1), 0);
        for (int i = got - 2; i >= 0; i -= 2)
            cr_assert_eq(cvb_ack(h, &l[i], 1), 0);
        if (got > 0)
            cr_assert_eq(cvb_ack(h, &l[0], 1), CVB_ESETTLED);
    }
    expect_audit((uint32_t)(in - out), 0);
    done();
}

Test(flow, each_limit_refuses_exactly)
{
    static const struct {
        uint32_t total, stage, source;
        int why;
    } c[] = {{10, 20, 20, CVB_ETOTAL_FULL},
             {20, 10, 20, CVB_ESTAGE_FULL},
             {20, 20, 10, CVB_ESOURCE_FULL},
             {1, 1, 1, CVB_ESOURCE_FULL}};
    for (unsigned i = 0; i < sizeof c / sizeof c[0]; i++) {
        uint32_t limit = i == 3 ? 1 : 10;
        int why = 0;
        make(c[i].total, c[i].stage, c[i].source);
        cr_assert_eq(put_numbers(h, 0, 15, &why), (int)limit);
        cr_assert_eq(why, c[i].why);
        struct cvb_lease l[16];
        cr_assert_eq(cvb_get_batch(h, stage, l, 16), (int)limit);
        cr_assert_eq(put_numbers(h, 0, 1, &why), 0, "a leased record still counts");
        cr_assert_eq(cvb_ack(h, l, 1), 0);
        cr_assert_eq(put_numbers(h, 0, 2, &why), 1);
        expect_audit(1, limit - 1);
        done();
    }
}

Test(flow, returned_records_come_again_then_are_dead_letters)
{
    make(40, 40, 40);
    struct cvb_lease l[40];
    cr_assert_eq(put_numbers(h, 0, 40, NULL), 40);
    for (unsigned retry = 0; retry <= 3; retry++) {
        cr_assert_eq(cvb_get_batch(h, stage, l, 40), 40);
        for (unsigned i = 0; i < 40; i++)
            cr_assert_eq(l[i].retry_count, retry);
        for (unsigned i = 0; i < 40; i += 5)
            cr_assert_eq(cvb_return_to_buffer(h, &l[i], 5), 0);
        cr_assert_eq(cvb_return_to_buffer(h, l, 1), CVB_ESETTLED);
        expect_audit(40, 0);
    }
    cr_assert_eq(cvb_get_batch(h, stage, l, 40), 0);
    cr_assert_eq(put_numbers(h, 0, 1, NULL), 0, "dead letters keep the source's and the total's credit");
    cr_assert_eq(cvb_get_batch(h, CVB_STAGE_DEAD_LETTER, l, 40), 40);
    cr_assert_eq(cvb_ack(h, l, 40), 0);
    cr_assert_eq(put_numbers(h, 0, 40, NULL), 40);
    expect_audit(40, 0);
    done();
}

Test(flow, forwarded_records_are_in_the_next_stage_only)
{
    make(60, 30, 60);
    uint32_t next;
    int why = 0;
    struct cvb_lease l[40];
    cr_assert_eq(cvb_stage(h, "enrich", &next), 0);
    cr_assert_eq(put_numbers(h, 0, 30, NULL), 30);
    cr_assert_eq(cvb_get_batch(h, stage, l, 30), 30);
    cr_assert_eq(cvb_forward(h, next, l, 30, &why), 30);
    cr_assert_eq(why, 0);
    expect_audit(30, 0);
    cr_assert_eq(put_numbers(h, 30, 5, NULL), 5, "the first stage's credits are back");
    cr_assert_eq(cvb_get_batch(h, stage, l, 40), 5);
    cr_assert_eq(cvb_forward(h, next, l, 5, &why), 0);
    cr_assert_eq(why, CVB_ESTAGE_FULL);
    cr_assert_eq(cvb_ack(h, l, 5), 0, "what was refused is still leased");
    cr_assert_eq(cvb_get_batch(h, next, l, 40), 30);
    for (unsigned i = 0; i < 30; i++)
        cr_assert(number(&l[i]) == i && l[i].stage == next && l[i].retry_count == 0);
    cr_assert_eq(cvb_ack(h, l, 30), 0);
    expect_audit(0, 0);
    done();
}

Test(flow, killed_consumers_and_producers_lose_nothing, .timeout = 120)
{
    enum { WORKERS = 4, ROUNDS = 150, LONGEST_S = 60 };
    make(200, 200, 200);
    uint64_t *in = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    time_t start = time(NULL);
    for (int round = 0; round < ROUNDS && time(NULL) - start < LONGEST_S; round++) {
        pid_t child[WORKERS];
        for (int w = 0; w < WORKERS; w++)
            if (!(child[w] = fork())) {
                struct cvb_handle *mine;
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (cvb_get_batch(h, stage, NULL, 0) != CVB_EFORKED || cvb_attach(name, &mine))
                    _exit(3);
                struct cvb_lease l[64];
                for (unsigned i = 0;; i++) {
                    if (w & 1) {
                        int n = put_numbers(mine, i, 1 + i % 50, NULL);
                        __atomic_fetch_add(in, n > 0 ? (uint64_t)n : 0, __ATOMIC_RELAXED);
                    } else {
                        int n = cvb_get_batch(mine, stage, l, 1 + i % 60);
                        if (n < 0)
                            _exit(-n);
                        size_t half = (size_t)n / 2;
                        int bad = cvb_ack(mine, l, half);
                        bad = bad ? bad : cvb_ack(mine, l + half, (size_t)n - half);
                        if (bad)
                            _exit(100 - bad);
                    }
                }
            }
        const uint64_t before = __atomic_load_n(in, __ATOMIC_RELAXED);
        usleep(1000 + (useconds_t)(round * 37 % 2000));
        for (int ms = 0; round % 10 == 0 && ms < 10000 && __atomic_load_n(in, __ATOMIC_RELAXED) == before; ms++)
            usleep(1000); /* most rounds end while workers attach, if that takes long; these while they work */
        for (int w = 0; w < WORKERS; w++) {
            int status;
            kill(child[w], SIGKILL);
            waitpid(child[w], &status, 0);
            cr_assert(WIFSIGNALED(status), "worker %d ended by itself: %d", w, WEXITSTATUS(status));
        }
        cr_assert_geq(cvb_recover(h), 0);
        struct cvb_audit a;
        cr_assert_eq(cvb_audit(h, &a), 0);
        cr_assert_eq(a.problems, 0, "round %d: %s", round, a.first_problem);
        cr_assert(a.exact && a.leased == 0 && a.reserved == 0);
    }
    cr_assert_gt(*in, 0);
    struct cvb_lease l[64];
    int n;
    while ((n = cvb_get_batch(h, stage, l, 64)) > 0)
        cr_assert_eq(cvb_ack(h, l, (size_t)n), 0);
    expect_audit(0, 0);
    cr_assert_eq(put_numbers(h, 0, 100, NULL) + put_numbers(h, 0, 110, NULL), 200, "every credit is back");
    done();
}
