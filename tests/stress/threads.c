/* threads.c - threads with a handle each, in one process: what ThreadSanitizer is to look at (criterion forks, so this
 * is a plain program). Producers, workers that forward and return, consumers that ack and take, and an observer.
 *
 * Usage: threads [RECORDS of each producer]. Exits 0 if each record was settled exactly once and the audit is exact.
 */
#include "../support/support.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PRODUCERS = 2, FORWARDERS = 2, CONSUMERS = 2, THREADS = PRODUCERS + FORWARDERS + CONSUMERS + 1 };

static const char *name;
static uint64_t each, settled, sum;
static uint32_t filter, sink, failed;

struct thread {
    pthread_t id;
    unsigned index;
    uint64_t seed;
    struct cvb_handle *h;
};

static bool over(void)
{
    return __atomic_load_n(&failed, __ATOMIC_RELAXED) ||
           __atomic_load_n(&settled, __ATOMIC_ACQUIRE) == PRODUCERS * each;
}

static void expect(bool good, const char *what)
{
    if (!good && !__atomic_exchange_n(&failed, 1, __ATOMIC_RELAXED))
        fprintf(stderr, "threads: %s\n", what);
}

static void note(const void *payload)
{
    uint64_t number;
    memcpy(&number, payload, sizeof number);
    __atomic_fetch_add(&sum, number, __ATOMIC_RELAXED);
    __atomic_fetch_add(&settled, 1, __ATOMIC_RELEASE);
}

static void produce(struct thread *t)
{
    char text[16];
    uint32_t source;
    snprintf(text, sizeof text, "source-%u", t->index);
    expect(!cvb_source(t->h, text, &source), "no source");
    for (uint64_t next = 0; next < each && !over();) {
        unsigned n = 1 + random_below(&t->seed, 40);
        int why, put = put_numbers(t->h, filter, source, next, each - next < n ? (unsigned)(each - next) : n, &why);
        expect(put >= 0, "a put failed");
        next += put > 0 ? (unsigned)put : 0;
        if (!put)
            cvb_wait_credits(t->h, filter, source, 1000000);
    }
}

static void forward(struct thread *t)
{
    struct cvb_lease l[40];
    int n = cvb_get_batch(t->h, filter, l, 1 + random_below(&t->seed, 40)), why;
    expect(n >= 0, "get_batch failed");
    if (n <= 0) {
        cvb_wait_records(t->h, &filter, 1, 1000000);
        return;
    }
    int half = random_below(&t->seed, 2) ? n : n / 2;
    int got = cvb_forward(t->h, sink, l, (size_t)half, &why);
    expect(got >= 0, "forward failed");
    for (; got < n; got++) {
        uint64_t number = number_of(&l[got]);
        struct cvb_record r = {.payload = &number, .length = sizeof number};
        while (cvb_forward_records(t->h, sink, &l[got], &r, 1, &why) != 1 && !over())
            sched_yield();
    }
}

static void consume(struct thread *t)
{
    struct cvb_lease l[40];
    struct cvb_record taken[40];
    char copies[40 * 64];
    size_t want = 1 + random_below(&t->seed, 40);
    if (!random_below(&t->seed, 3)) {
        int n = cvb_take_batch(t->h, sink, taken, want, copies, sizeof copies);
        expect(n >= 0, "take_batch failed");
        for (int i = 0; i < n; i++)
            note(taken[i].payload);
        return;
    }
    int n = cvb_get_batch(t->h, sink, l, want);
    expect(n >= 0, "get_batch failed");
    if (n <= 0) {
        cvb_wait_records(t->h, &sink, 1, 1000000);
        return;
    }
    for (int i = 0; i < n; i++)
        if (!l[i].retry_count && !random_below(&t->seed, 50)) {
            expect(!cvb_return_to_buffer(t->h, &l[i], 1), "return failed");
        } else {
            uint64_t number = number_of(&l[i]);
            expect(!cvb_ack(t->h, &l[i], 1), "ack failed");
            note(&number);
        }
}

static void observe(struct thread *t)
{
    struct cvb_audit a;
    struct cvb_census c;
    struct cvb_counts counts;
    struct cvb_backpressure b;
    expect(cvb_total_buffered(t->h) <= 200, "above the limit");
    expect(!cvb_audit(t->h, &a) && !cvb_census(t->h, &c, NULL, NULL, NULL), "audit or census failed");
    expect(!cvb_stage_counts(t->h, filter, &counts) && !cvb_backpressure(t->h, filter, 0, &b), "counts failed");
    expect(cvb_recover(t->h) >= 0, "recover failed");
    sched_yield();
}

static void *run(void *argument)
{
    struct thread *t = argument;
    expect(!cvb_attach(name, &t->h), "attach failed");
    if (!t->h)
        return NULL;
    if (t->index < PRODUCERS)
        produce(t);
    else
        while (!over())
            (t->index < PRODUCERS + FORWARDERS               ? forward
             : t->index < PRODUCERS + FORWARDERS + CONSUMERS ? consume
                                                             : observe)(t);
    expect(!cvb_detach(t->h), "detach failed");
    return NULL;
}

int main(int argc, char **argv)
{
    struct thread thread[THREADS] = {0};
    struct cvb_settings s = small_settings(200, 150, 120);
    each = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    name = segment_name("threads");
    struct cvb_handle *h = make_segment(name, &s);
    uint32_t first; /* named here: the observer may be first to run, and asks for it */
    if (!h || cvb_stage(h, "filter", &filter) || cvb_stage(h, "sink", &sink) || cvb_source(h, "source-0", &first))
        return 2;
    for (unsigned i = 0; i < THREADS; i++) {
        thread[i].index = i;
        thread[i].seed = i + 1;
        pthread_create(&thread[i].id, NULL, run, &thread[i]);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i].id, NULL);
    expect(settled == PRODUCERS * each && sum == PRODUCERS * (each * (each - 1) / 2), "not each record exactly once");
    const char *wrong = audit_says(h, 0, 0);
    expect(!wrong, wrong ? wrong : "");
    cvb_detach(h);
    cvb_unlink(name);
    printf("threads: %llu records settled\n", (unsigned long long)settled);
    return failed != 0;
}
