/* tune_run.c - one run of a user's own work: producers wait for credits when they are refused, consumers look some
 * times and then wait for records. Each record carries the time from which its latency counts. */
#include <conveyor/buffer.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../peers/paced.h"
#include "crew.h"
#include "segment.h"
#include "tune.h"

enum { WARM_MS = 30, WINDOW_MS = 120, WAIT_NS = 5000000 };

struct run {
    const struct tune_work *work;
    const struct tune_settings *set;
    struct bench_crew crew;
    char name[CVB_NAME_MAX + 1];
    struct histogram *latency; /* one for each consumer */
};

/* One process. */
struct self {
    struct run *run;
    unsigned index;
    struct cvb_handle *handle;
    uint32_t stage, source, pipeline;
    uint64_t count, sum; /* of the times that the records carry */
    char *payload;
    struct cvb_record record[TUNE_BATCH_MAX];
    struct cvb_lease lease[TUNE_BATCH_MAX];
};

static unsigned length_of(const struct tune_work *w) { return w->record_bytes < 8 ? 8 : w->record_bytes; }

static int join(struct self *s)
{
    char name[32];
    unsigned length = length_of(s->run->work);
    snprintf(name, sizeof name, "source-%u", s->index);
    int error = cvb_attach(s->run->name, &s->handle);
    if (!error)
        error = cvb_stage(s->handle, "work", &s->stage);
    if (!error)
        error = cvb_pipeline(s->handle, "bench", &s->pipeline);
    if (!error && s->index < s->run->work->producers)
        error = cvb_source(s->handle, name, &s->source);
    s->payload = calloc(TUNE_BATCH_MAX, length);
    for (unsigned i = 0; i < TUNE_BATCH_MAX; i++)
        s->record[i] = (struct cvb_record){
            .payload = s->payload + i * (size_t)length, .length = length, .source = s->source, .pipeline = s->pipeline};
    return error ? error : s->payload ? 0 : CVB_ESYSTEM;
}

static void note(struct self *s)
{
    struct peer_result *r = &s->run->crew.control->result[s->index];
    atomic_store_explicit(&r->sum, s->sum, memory_order_relaxed);
    atomic_store_explicit(&r->count, s->count, memory_order_relaxed);
}

/* Writes n records whole, each with its time. */
static void fill(struct self *s, unsigned n, uint64_t time, double interval)
{
    unsigned length = length_of(s->run->work);
    for (unsigned i = 0; i < n; i++) {
        char *at = s->payload + i * (size_t)length;
        uint64_t due = time + (uint64_t)(i * interval);
        memset(at, (int)i, length);
        memcpy(at, &due, sizeof due);
    }
}

static void add_times(struct self *s, int n)
{
    unsigned length = length_of(s->run->work);
    for (int i = 0; i < n; i++) {
        uint64_t time;
        memcpy(&time, s->payload + (size_t)i * length, sizeof time);
        s->sum += time;
    }
    s->count += (uint64_t)(n > 0 ? n : 0);
    note(s);
}

/* A source does not spin until its next record comes. */
static void sleep_until(uint64_t time)
{
    uint64_t now = peer_now_ns();
    if (time > now) {
        struct timespec t = {(time_t)((time - now) / 1000000000u), (long)((time - now) % 1000000000u)};
        nanosleep(&t, NULL);
    }
}

/* How many to put now, and from when on they count: those that are due, or a batch. */
static unsigned next_batch(const struct self *s, uint64_t start, double interval, uint64_t *time)
{
    unsigned n = 1;
    if (!s->run->work->rate) {
        *time = peer_now_ns();
        return s->run->set->batch;
    }
    *time = start + (uint64_t)((double)s->count * interval);
    sleep_until(*time);
    for (uint64_t now = peer_now_ns(); n < s->run->set->batch && *time + (uint64_t)(n * interval) <= now;)
        n++;
    return n;
}

static int put_all(struct self *s)
{
    const struct tune_work *w = s->run->work;
    struct peer_control *c = s->run->crew.control;
    double interval = w->rate ? 1e9 * w->producers / w->rate : 0;
    uint64_t start = peer_now_ns(), time;
    int error = 0;
    while (!error && !atomic_load_explicit(&c->stop, memory_order_relaxed)) {
        int why = 0;
        unsigned batch = next_batch(s, start, interval, &time);
        fill(s, batch, time, interval);
        int n = cvb_buffer_batch_for_stage(s->handle, s->stage, s->record, batch, &why);
        add_times(s, n);
        if (n < 0 || (why && !segment_is_full(why)))
            error = n < 0 ? n : why;
        else if (!n)
            error = cvb_wait_credits(s->handle, s->stage, s->source, WAIT_NS);
        error = error == CVB_ETIMEDOUT ? 0 : error;
    }
    atomic_fetch_add(&c->producers_done, 1u);
    return error;
}

/* Reads all of a record, as a consumer would. */
static void look_at(struct self *s, int n)
{
    uint64_t now = peer_now_ns(), time, all = 0;
    struct histogram *h = &s->run->latency[s->index - s->run->work->producers];
    for (int i = 0; i < n; i++) {
        const unsigned char *at = s->lease[i].payload;
        memcpy(&time, at, sizeof time);
        for (uint32_t k = sizeof time; k < s->lease[i].length; k++)
            all += at[k];
        s->sum += time;
        histogram_add(h, now > time ? now - time : 0);
    }
    __asm__ volatile("" : : "r"(all)); /* the reads are the work: they stay */
    s->count += (uint64_t)n;
    note(s);
}

static int idle(struct self *s, unsigned *looks)
{
    if (s->run->set->looks == TUNE_NEVER) {
        peer_back_off(looks);
        return 0;
    }
    if ((*looks)++ < s->run->set->looks) {
        peer_relax();
        return 0;
    }
    int error = cvb_wait_records(s->handle, &s->stage, 1, WAIT_NS);
    return error < 0 && error != CVB_ETIMEDOUT ? error : 0;
}

static int take_all(struct self *s)
{
    struct peer_control *c = s->run->crew.control;
    unsigned looks = 0;
    int n = 0;
    while (n >= 0) {
        bool last = atomic_load(&c->producers_done) == s->run->work->producers;
        n = cvb_get_batch(s->handle, s->stage, s->lease, s->run->set->batch);
        if (!n && last)
            return 0;
        if (!n) {
            n = idle(s, &looks);
        } else if (n > 0) {
            looks = 0;
            look_at(s, n);
            n = cvb_ack(s->handle, s->lease, (size_t)n);
        }
    }
    return n;
}

static int process(void *data, unsigned index)
{
    static struct self self;
    self.run = data;
    self.index = index;
    int error = join(&self);
    peer_await_go(self.run->crew.control);
    if (error)
        return error;
    return index < self.run->work->producers ? put_all(&self) : take_all(&self);
}

static struct cvb_settings settings_of(const struct tune_work *w, const struct tune_settings *t)
{
    struct cvb_settings s;
    cvb_settings_init(&s);
    s.max_per_source = t->room;
    s.max_per_stage = s.max_total_records = t->room * w->producers;
    s.backpressure_threshold = t->threshold;
    s.resume_threshold = t->resume;
    s.payload_size = t->payload_bytes < 8 ? 8 : t->payload_bytes;
    return s;
}

static uint64_t total(const struct run *r, bool consumers, bool sums)
{
    unsigned from = consumers ? r->work->producers : 0, to = consumers ? r->crew.count : r->work->producers;
    uint64_t n = 0;
    for (unsigned i = from; i < to; i++)
        n += sums ? atomic_load(&r->crew.control->result[i].sum) : atomic_load(&r->crew.control->result[i].count);
    return n;
}

static void run_processes(struct run *r, const struct bench_cpus *cpus, struct tune_result *result)
{
    result->failure = bench_crew_start(&r->crew, cpus, r->work->producers + r->work->consumers, process, r);
    if (!result->failure) {
        bench_sleep_ms(WARM_MS);
        double start = bench_now_s();
        uint64_t before = total(r, true, false);
        bench_sleep_ms(WINDOW_MS);
        result->rate = (double)(total(r, true, false) - before) / (bench_now_s() - start);
    }
    atomic_store(&r->crew.control->stop, 1);
    const char *end = bench_crew_finish(&r->crew, 5);
    if (!result->failure)
        result->failure = end;
    if (!result->failure &&
        (total(r, true, false) != total(r, false, false) || total(r, true, true) != total(r, false, true)))
        result->failure = "count or sum differs";
}

static void add_latency(struct run *r, struct tune_result *result)
{
    for (unsigned i = 1; i < r->work->consumers; i++)
        histogram_join(&r->latency[0], &r->latency[i]);
    result->p50_ns = (double)histogram_at(&r->latency[0], 0.5);
    result->p99_ns = (double)histogram_at(&r->latency[0], 0.99);
}

struct tune_result tune_run(const struct tune_work *w, const struct tune_settings *t, const struct bench_cpus *cpus)
{
    struct run r = {.work = w, .set = t};
    struct tune_result result = {0};
    struct cvb_settings settings = settings_of(w, t);
    size_t bytes = w->consumers * sizeof *r.latency;
    if (segment_make(r.name, &settings))
        return (struct tune_result){.failure = "no segment"};
    r.latency = bench_share(bytes);
    result.failure = bench_crew_open(&r.crew);
    if (!r.latency)
        result.failure = "no memory";
    if (!result.failure)
        run_processes(&r, cpus, &result);
    uint64_t done = result.failure ? 0 : total(&r, true, false);
    if (done) {
        add_latency(&r, &result);
        result.cpu_ns = r.crew.cpu_s * 1e9 / (double)done;
        result.sleeps = (double)r.crew.sleeps / (double)done;
    }
    if (r.latency)
        munmap(r.latency, bytes);
    bench_crew_close(&r.crew);
    cvb_unlink(r.name);
    return result;
}
