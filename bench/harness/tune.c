/* tune.c - `conveyor-bench tune`: tries one setting after the other for the user's own work, keeps what is better, and
 * says which settings to use and why. */
#include "tune.h"

#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "../report/report.h"
#include "../report/results.h"
#include "crew.h"

#define USAGE                                                                                                          \
    "usage: conveyor-bench tune [--producers N] [--consumers N] [--record-size BYTES] [--rate RECORDS/S] [--quick]\n"  \
    "                           " RESULTS_USAGE "\n"                                                                   \
    "  Tries batch size, room (and with it ring and limits), thresholds, looks before sleeping, and payload size "     \
    "for\n"                                                                                                            \
    "  your work (1 producer, 1 consumer, records of 64 bytes), one after the other, and ends with the settings to\n"  \
    "  use. Without --rate the most records a second are best; with it the least processor time among those that\n"    \
    "  reach the rate with a p99 of at most twice the best one. A setting changes if another is 3 % better, and so\n"  \
    "  in nearly all runs.\n"                                                                                          \
    "  Half a minute, with --quick a quarter. Exit status: 0 done, 1 no setting worked, 2 usage.\n"

enum { VALUES_MAX = 9, REPEATS_MAX = 5 };
#define BETTER 1.03
#define DELTA 0.8 /* Cliff's: so far must the runs lie apart */
#define RUN_S 0.19

/* A setting and the values to try. */
struct step {
    const char *name;
    unsigned count;
    void (*set)(struct tune_settings *t, unsigned i);
    void (*say)(const struct tune_settings *t, char *text, size_t size);
};

struct tuner {
    struct tune_work work;
    struct tune_settings now;
    struct bench_cpus cpus;
    unsigned repeats, runs, done;
    json_t *all;
};

/* What one value gave, medians. */
struct figure {
    struct tune_settings set;
    struct tune_result result;
    double rate[REPEATS_MAX], cpu_ns[REPEATS_MAX]; /* of each run */
    bool worked;
};

static unsigned record_bytes; /* the payload's values depend on it */

static void set_batch(struct tune_settings *t, unsigned i) { t->batch = 1u << i; }
static void say_batch(const struct tune_settings *t, char *s, size_t n) { snprintf(s, n, "batch %u", t->batch); }

static void set_room(struct tune_settings *t, unsigned i)
{
    static const unsigned rooms[] = {256, 1000, 2500, 5000, 10000, 20000, 50000};
    t->room = rooms[i];
}
static void say_room(const struct tune_settings *t, char *s, size_t n) { snprintf(s, n, "max_per_source %u", t->room); }

static void set_marks(struct tune_settings *t, unsigned i)
{
    static const double marks[][2] = {{0.8, 0.5}, {0.8, 0.2}, {0.9, 0.7}, {0.95, 0.9}};
    t->threshold = marks[i][0];
    t->resume = marks[i][1];
}
static void say_marks(const struct tune_settings *t, char *s, size_t n)
{
    snprintf(s, n, "thresholds %.2f, %.2f", t->threshold, t->resume);
}

static void set_looks(struct tune_settings *t, unsigned i)
{
    static const unsigned looks[] = {0, 20, 200, 2000, TUNE_NEVER};
    t->looks = looks[i];
}
static void say_looks(const struct tune_settings *t, char *s, size_t n)
{
    if (t->looks == TUNE_NEVER)
        snprintf(s, n, "never sleep");
    else
        snprintf(s, n, "%u looks, then wait", t->looks);
}

static void set_payload(struct tune_settings *t, unsigned i)
{
    t->payload_bytes = i == 0                ? record_bytes
                       : i == 1              ? 2 * record_bytes
                       : record_bytes < 1024 ? 1024
                                             : 4 * record_bytes;
}
static void say_payload(const struct tune_settings *t, char *s, size_t n)
{
    snprintf(s, n, "payload_size %u", t->payload_bytes);
}

static const struct step steps[] = {{"batch", 8, set_batch, say_batch},
                                    {"room", 7, set_room, say_room},
                                    {"thresholds", 4, set_marks, say_marks},
                                    {"waiting", 5, set_looks, say_looks},
                                    {"payload size", 3, set_payload, say_payload}};
enum { STEPS = sizeof steps / sizeof *steps };

static void show(const struct tuner *t, const char *what)
{
    fprintf(stderr, "%stune: %s, run %u of %u, about %.0f s left%s", isatty(STDERR_FILENO) ? "\r" : "", what,
            t->done + 1, t->runs, (t->runs - t->done) * RUN_S, isatty(STDERR_FILENO) ? "\033[K" : "\n");
}

static void summarize(struct figure *f, const struct tune_result *r, unsigned n)
{
    double sleeps[REPEATS_MAX], p50[REPEATS_MAX], p99[REPEATS_MAX], rate[REPEATS_MAX], cpu[REPEATS_MAX];
    f->worked = n > 0;
    for (unsigned i = 0; i < n; i++) {
        f->worked &= !r[i].failure;
        f->rate[i] = rate[i] = r[i].rate;
        f->cpu_ns[i] = cpu[i] = r[i].cpu_ns;
        sleeps[i] = r[i].sleeps;
        p50[i] = r[i].p50_ns;
        p99[i] = r[i].p99_ns;
    }
    f->result = (struct tune_result){.rate = bench_summarize(rate, n).median,
                                     .cpu_ns = bench_summarize(cpu, n).median,
                                     .sleeps = bench_summarize(sleeps, n).median,
                                     .p50_ns = bench_summarize(p50, n).median,
                                     .p99_ns = bench_summarize(p99, n).median};
}

/* All values of a step, in turns. */
static void measure(struct tuner *t, const struct step *s, struct figure *f)
{
    static struct tune_result result[VALUES_MAX][REPEATS_MAX];
    for (unsigned r = 0; r < t->repeats; r++)
        for (unsigned i = 0; i < s->count; i++) {
            f[i].set = t->now;
            s->set(&f[i].set, i);
            if (isatty(STDERR_FILENO) || (!r && !i))
                show(t, s->name);
            result[i][r] = tune_run(&t->work, &f[i].set, &t->cpus);
            t->done++;
        }
    for (unsigned i = 0; i < s->count; i++)
        summarize(&f[i], result[i], t->repeats);
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

static bool reaches(const struct tuner *t, const struct figure *f) { return f->result.rate >= 0.95 * t->work.rate; }

static double best_p99(const struct tuner *t, const struct figure *f, unsigned n)
{
    double best = 1e300;
    for (unsigned i = 0; i < n; i++)
        if (f[i].worked && reaches(t, &f[i]) && f[i].result.p99_ns < best)
            best = f[i].result.p99_ns;
    return best;
}

/* How good: the larger the better. */
static double merit(const struct tuner *t, const struct figure *f, double p99)
{
    if (!f->worked)
        return 0;
    if (!t->work.rate)
        return f->result.rate;
    if (!reaches(t, f))
        return f->result.rate * 1e-12;
    return f->result.p99_ns <= 2 * p99 && f->result.cpu_ns > 0 ? 1 / f->result.cpu_ns : 1e-9;
}

static bool same(const struct tune_settings *a, const struct tune_settings *b)
{
    return a->batch == b->batch && a->room == b->room && a->threshold == b->threshold && a->resume == b->resume &&
           a->looks == b->looks && a->payload_bytes == b->payload_bytes;
}

/* Is a better than b by enough, and in nearly all runs? */
static bool beats(const struct tuner *t, const struct figure *a, const struct figure *b, double p99)
{
    if (merit(t, a, p99) < BETTER * merit(t, b, p99))
        return false;
    if (t->work.rate && (!reaches(t, b) || b->result.p99_ns > 2 * p99))
        return true;
    struct rank_test test = t->work.rate ? rank_compare(a->cpu_ns, t->repeats, b->cpu_ns, t->repeats)
                                         : rank_compare(b->rate, t->repeats, a->rate, t->repeats);
    return test.delta >= DELTA;
}

/* The best value, or the present value if none is better. */
static unsigned choose(const struct tuner *t, const struct figure *f, unsigned n)
{
    double p99 = best_p99(t, f, n);
    unsigned best = 0, current = n;
    for (unsigned i = 0; i < n; i++) {
        if (merit(t, &f[i], p99) > merit(t, &f[best], p99))
            best = i;
        if (same(&f[i].set, &t->now))
            current = i;
    }
    return current < n && !beats(t, &f[best], &f[current], p99) ? current : best;
}

static void print_line(const char *text, const struct tune_result *r, const char *mark)
{
    printf("  %-24s %9.3f M/s  %7.0f ns of processor  %.4f sleeps  p50 %7.1f us  p99 %8.1f us%s\n", text, r->rate / 1e6,
           r->cpu_ns, r->sleeps, r->p50_ns / 1e3, r->p99_ns / 1e3, mark);
}

static void add(struct tuner *t, const struct step *s, const struct figure *f, bool chosen)
{
    char text[64];
    s->say(&f->set, text, sizeof text);
    print_line(text, &f->result, !f->worked ? "  failed" : chosen ? "  <" : "");
    json_array_append_new(t->all, json_pack("{s:s,s:s,s:f,s:f,s:f,s:f,s:f,s:b,s:b}", "what", s->name, "mode", text,
                                            "records_per_s", f->result.rate, "cpu_ns_per_record", f->result.cpu_ns,
                                            "sleeps_per_record", f->result.sleeps, "p50_ns", f->result.p50_ns, "p99_ns",
                                            f->result.p99_ns, "chosen", (int)chosen, "worked", (int)f->worked));
}

static int take_step(struct tuner *t, const struct step *s)
{
    struct figure f[VALUES_MAX];
    measure(t, s, f);
    unsigned best = choose(t, f, s->count);
    printf("%s\n", s->name);
    for (unsigned i = 0; i < s->count; i++)
        add(t, s, &f[i], i == best);
    if (!f[best].worked)
        return -1;
    t->now = f[best].set;
    return 0;
}

/* The settings found beside those one began with, in turns. */
static void confirm(struct tuner *t, const struct tune_settings *before)
{
    struct tune_result result[2][REPEATS_MAX];
    struct figure f[2] = {{.set = *before}, {.set = t->now}};
    for (unsigned r = 0; r < t->repeats; r++)
        for (unsigned i = 0; i < 2; i++)
            result[i][r] = tune_run(&t->work, &f[i].set, &t->cpus);
    printf("\nChecked once more, in turns\n");
    for (unsigned i = 0; i < 2; i++) {
        summarize(&f[i], result[i], t->repeats);
        print_line(i ? "recommended" : "to begin with", &f[i].result, "");
    }
}

static void recommend(const struct tuner *t)
{
    const struct tune_settings *s = &t->now;
    char waiting[64];
    say_looks(s, waiting, sizeof waiting);
    printf("\nRecommended for %u producers, %u consumers, records of %u bytes, ", t->work.producers, t->work.consumers,
           t->work.record_bytes);
    if (t->work.rate)
        printf("%u records a second\n", t->work.rate);
    else
        printf("as fast as can be\n");
    printf("  put and take in batches of %u; a consumer that finds nothing: %s\n", s->batch, waiting);
    printf("  conveyor create NAME --max-total-records %u --max-per-stage %u --max-per-source %u --payload-size %u \\\n"
           "    --backpressure-threshold %.2f --resume-threshold %.2f\n",
           s->room * t->work.producers, s->room * t->work.producers, s->room, s->payload_bytes, s->threshold,
           s->resume);
    printf(
        "The lines marked < above are the reason: the best of its step, or what one began with if nothing was better\n"
        "by %.0f %% and in nearly all runs.\n",
        (BETTER - 1) * 100);
    printf("More sources or stages than these want more in max_total_records; longer records a larger payload_size.\n");
}

static int run(struct tuner *t, const struct results_output *output)
{
    json_t *results = results_new("tune", &t->cpus);
    struct tune_settings before = t->now;
    int error = 0;
    results_describe(results, stdout);
    t->all = json_array();
    for (size_t i = 0; i < STEPS; i++)
        t->runs += steps[i].count * t->repeats;
    for (size_t i = 0; i < STEPS && !error; i++)
        error = take_step(t, &steps[i]);
    if (error) {
        fputs("tune: no value of this setting worked\n", stderr);
    } else {
        confirm(t, &before);
        recommend(t);
    }
    json_object_set_new(results, "tune", t->all);
    return parts_end(results, output, error);
}

static int set_option(struct tuner *t, struct results_output *o, int c)
{
    switch (c) {
    case 'p':
        return results_read_number(&t->work.producers, optarg, 1, 16);
    case 'c':
        return results_read_number(&t->work.consumers, optarg, 1, 16);
    case 's':
        return results_read_number(&t->work.record_bytes, optarg, 1, TUNE_RECORD_MAX);
    case 'r':
        return results_read_number(&t->work.rate, optarg, 1, 100000000);
    case 'q':
        t->repeats = 3;
        return 0;
    default:
        return results_option(o, c, optarg) ? 0 : -1;
    }
}

int tune_main(int argc, char **argv)
{
    static const struct option options[] = {{"producers", required_argument, 0, 'p'},
                                            {"consumers", required_argument, 0, 'c'},
                                            {"record-size", required_argument, 0, 's'},
                                            {"rate", required_argument, 0, 'r'},
                                            {"quick", no_argument, 0, 'q'},
                                            RESULTS_OPTIONS};
    static struct tuner t = {.work = {1, 1, 64, 0}, .repeats = REPEATS_MAX};
    struct results_output output = {0};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (c == 'h' || set_option(&t, &output, c))
            return parts_usage(c == 'h' ? stdout : stderr, USAGE);
    if (optind != argc)
        return parts_usage(stderr, USAGE);
    record_bytes = t.work.record_bytes;
    t.now = (struct tune_settings){32, 5000, 0.8, 0.5, 0, record_bytes};
    bench_cpus_find(&t.cpus);
    return run(&t, &output);
}
