/* heal.c - `conveyor-bench heal`: a consumer is killed with 10,000 leases in hand. How long until the last of them was
 * delivered again, when the others are busy, and when they sleep? */
#include <conveyor/buffer.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../report/results.h"
#include "../report/verdict.h"
#include "crew.h"
#include "parts.h"
#include "segment.h"

#define USAGE                                                                                                          \
    "usage: conveyor-bench heal [--repeats N] " RESULTS_USAGE "\n"                                                     \
    "  kill -9 of a consumer that holds 10,000 leases in a segment of 100,000: milliseconds from the kill until the\n" \
    "  last of them was leased again. busy: another producer and consumer work on that stage without rest. idle: "     \
    "the\n"                                                                                                            \
    "  other consumer sleeps in cvb_wait_records. Aims: 5 ms busy, 100 ms idle.\n"                                     \
    "  Exit status: 0 done, 1 not all came back, 2 usage.\n"

enum { CAPACITY = 100000, LEASES = 10000, BATCH = 32 };
#define LIMIT_S 5.0

/* What the processes tell each other. */
struct board {
    _Atomic(int) held, stop, ready;
    _Atomic(uint64_t) again; /* leases of the dead that were delivered again */
    _Atomic(uint64_t) last_ns;
};

struct heal {
    char name[CVB_NAME_MAX + 1];
    struct board *board;
    bool busy;
    unsigned batch; /* in which the dead one's records were put */
    const struct bench_cpus *cpus;
};

static uint64_t now_ns(void) { return (uint64_t)(bench_now_s() * 1e9); }

static int join(const struct heal *h, struct cvb_handle **handle, uint32_t *stage, uint32_t *source)
{
    int error = cvb_attach(h->name, handle);
    if (!error)
        error = cvb_stage(*handle, "work", stage);
    return error ? error : cvb_source(*handle, "source", source);
}

static int fill(struct cvb_handle *handle, uint32_t stage, uint32_t source, unsigned batch)
{
    static const char payload[64];
    struct cvb_record record[BATCH];
    int n = 0;
    for (unsigned i = 0; i < BATCH; i++)
        record[i] = (struct cvb_record){.payload = payload, .length = sizeof payload, .source = source};
    for (unsigned done = 0; done < LEASES && n >= 0; done += (unsigned)n)
        n = cvb_buffer_batch_for_stage(handle, stage, record, LEASES - done < batch ? LEASES - done : batch, NULL);
    return n < 0 ? n : 0;
}

/* Leases everything, says so, and waits for its end. */
static int victim(const struct heal *h)
{
    static struct cvb_lease lease[LEASES];
    struct cvb_handle *handle;
    uint32_t stage, source, pipeline;
    int n = 0, error = join(h, &handle, &stage, &source);
    if (!error)
        error = cvb_pipeline(handle, "bench", &pipeline);
    if (!error)
        error = fill(handle, stage, source, h->batch);
    for (int got = 1; !error && got > 0 && n<LEASES; n += got> 0 ? got : 0)
        got = cvb_get_batch(handle, stage, lease + n, (size_t)(LEASES - n));
    if (error || n != LEASES)
        return 1;
    atomic_store(&h->board->held, 1);
    for (;;)
        pause();
}

static void count(const struct heal *h, const struct cvb_lease *lease, int n)
{
    unsigned again = 0;
    for (int i = 0; i < n; i++)
        again += lease[i].retry_count > 0;
    if (again && atomic_fetch_add(&h->board->again, again) + again == LEASES)
        atomic_store(&h->board->last_ns, now_ns());
}

/* Takes and settles; sleeps when there is nothing. */
static int survivor(const struct heal *h)
{
    struct cvb_lease lease[BATCH];
    struct cvb_handle *handle;
    uint32_t stage, source;
    int n = join(h, &handle, &stage, &source);
    atomic_fetch_add(&h->board->ready, 1);
    while (n >= 0 && !atomic_load(&h->board->stop)) {
        n = cvb_get_batch(handle, stage, lease, BATCH);
        if (n > 0) {
            count(h, lease, n);
            n = cvb_ack(handle, lease, (size_t)n);
        } else if (!n) {
            n = cvb_wait_records(handle, &stage, 1, 200000000);
            n = n == CVB_ETIMEDOUT ? 0 : n;
        }
    }
    return n < 0 ? 1 : cvb_detach(handle) != 0;
}

/* Puts without rest. */
static int producer(const struct heal *h)
{
    static const char payload[64];
    struct cvb_record record[BATCH];
    struct cvb_handle *handle;
    uint32_t stage, source, pipeline;
    int n = join(h, &handle, &stage, &source), why;
    if (!n)
        n = cvb_pipeline(handle, "bench", &pipeline);
    for (unsigned i = 0; i < BATCH; i++)
        record[i] =
            (struct cvb_record){.payload = payload, .length = sizeof payload, .source = source, .pipeline = pipeline};
    atomic_fetch_add(&h->board->ready, 1);
    while (n >= 0 && !atomic_load(&h->board->stop)) {
        n = cvb_buffer_batch_for_stage(handle, stage, record, BATCH, &why);
        if (!n)
            sched_yield();
    }
    return n < 0 ? 1 : cvb_detach(handle) != 0;
}

static pid_t start(const struct heal *h, int (*process)(const struct heal *h), unsigned place)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    bench_pin(h->cpus, place);
    _exit(process(h));
}

static bool await(_Atomic(int) *word, int value)
{
    for (double limit = bench_now_s() + LIMIT_S; atomic_load(word) < value; bench_sleep_ms(1))
        if (bench_now_s() > limit)
            return false;
    return true;
}

/* Milliseconds until all came back; negative: they did not. */
static double heal(const struct heal *h)
{
    pid_t dead = start(h, victim, 0), others[2];
    double ms = -1;
    int count = 0;
    bool held = dead > 0 && await(&h->board->held, 1);
    if (held) {
        others[count++] = start(h, survivor, 0);
        if (h->busy)
            others[count++] = start(h, producer, 1);
        held = await(&h->board->ready, count);
    }
    bench_sleep_ms(70); /* the sleepers sleep by now */
    uint64_t killed_ns = now_ns();
    if (dead > 0)
        kill(dead, SIGKILL);
    for (double limit = bench_now_s() + LIMIT_S; held && !atomic_load(&h->board->last_ns) && bench_now_s() < limit;)
        bench_sleep_ms(1);
    if (atomic_load(&h->board->last_ns))
        ms = (double)(atomic_load(&h->board->last_ns) - killed_ns) / 1e6;
    atomic_store(&h->board->stop, 1);
    waitpid(dead, NULL, 0);
    for (int i = 0; i < count; i++)
        waitpid(others[i], NULL, 0);
    return ms;
}

static int run_once(struct heal *h, unsigned repeat, json_t *all)
{
    struct cvb_settings settings;
    cvb_settings_init(&settings);
    settings.max_total_records = settings.max_per_stage = settings.max_per_source = CAPACITY;
    settings.payload_size = 64;
    h->board = bench_share(sizeof *h->board);
    if (!h->board || segment_make(h->name, &settings))
        return 1;
    double before_ns = bench_probe_ns(h->cpus), used = bench_own_s();
    struct bench_load load = bench_load_start(h->cpus);
    double ms = heal(h), others = bench_load_others(&load, h->cpus, bench_own_s() - used);
    enum bench_state state = bench_state_of(before_ns, bench_probe_ns(h->cpus));
    cvb_unlink(h->name);
    munmap(h->board, sizeof *h->board);
    if (ms < 0)
        fprintf(stderr, "heal: others %s: not all %d records were delivered again within %.0f s\n",
                h->busy ? "busy" : "idle", LEASES, LIMIT_S);
    else
        json_array_append_new(all, json_pack("{s:s,s:i,s:s,s:i,s:f,s:f}", "mode", h->busy ? "busy" : "idle", "batch",
                                             (int)h->batch, "state", bench_state_name(state), "repeat", (int)repeat,
                                             "ms", ms, "others", others));
    return ms < 0;
}

static void print(FILE *out, const json_t *results)
{
    char text[FIGURE_TEXT];
    fprintf(out, "\nTime to heal: from kill -9 of a consumer with %d leases of %d records to the last one's delivery\n",
            LEASES, CAPACITY);
    verdict_print(out, results, "heal");
    fprintf(out, "  %-6s %5s %24s %7s\n", "others", "batch", "ms", "aim ms");
    for (int busy = 1; busy >= 0; busy--)
        for (int batch = 1; batch <= BATCH; batch += BATCH - 1) {
            json_t *what = json_pack("{s:s,s:i}", "mode", busy ? "busy" : "idle", "batch", batch);
            struct figure f = figure_of(json_object_get(results, "heal"), what, "ms");
            fprintf(out, "  %-6s %5d %24s %7d\n", busy ? "busy" : "idle", batch, figure_text(text, &f, 1),
                    busy ? 5 : 100);
            json_decref(what);
        }
    fputs("others: a producer and a consumer at work, or one consumer asleep. batch: in which the records were put.\n"
          "ms: milliseconds as median (least-greatest) and the number of runs; 3/5: two of five do not count.\n"
          "- (disturbed): other programs took too much of the processors in all of them.\n",
          out);
}

static int run_case(const struct bench_cpus *cpus, unsigned way, unsigned repeat, json_t *all)
{
    struct heal h = {.busy = way / 2, .batch = way % 2 ? BATCH : 1, .cpus = cpus};
    return run_once(&h, repeat, all);
}

int heal_run(const struct bench_cpus *cpus, unsigned repeats, double deadline, json_t *results)
{
    const struct parts_turns turns = {"heal", "heal", 4, repeats, deadline, run_case};
    const int failures = parts_in_turns(&turns, cpus, results);
    print(stdout, results);
    return failures;
}

int heal_main(int argc, char **argv) { return parts_main(argc, argv, USAGE, 10, heal_run); }
