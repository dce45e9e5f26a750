/* cost.c - `conveyor-bench cost`: what one record costs as capacity, stages, sources, handles and payload grow. One
 * process puts, takes and acks in turns, so that nothing waits for another processor: only code and caches are seen. */
#include <conveyor/buffer.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "../report/results.h"
#include "../report/verdict.h"
#include "crew.h"
#include "parts.h"
#include "segment.h"

#define USAGE                                                                                                          \
    "usage: conveyor-bench cost [--quick] [--repeats N] " RESULTS_USAGE "\n"                                           \
    "  Nanoseconds for a record's put, lease and ack by one process, against capacity (1,000 to 10 million, nearly\n"  \
    "  empty and half full), stages (1 to 1,000), sources (1 to 10,000), handles (1 to 200) and payload (0 to 64 "     \
    "KiB),\n"                                                                                                          \
    "  in batches of 1 and 32; and the segment's memory for each record. --quick: up to 1 million records.\n"          \
    "  Exit status: 0 done, 1 a run failed, 2 usage.\n"

#define WARM_S 0.02
#define WINDOW_S 0.04
enum { BATCH_MAX = 32, OTHERS_MAX = 200 };

/* One point of a curve. */
struct point {
    const char *what;
    unsigned size, batch;
    unsigned capacity, stages, sources, handles, payload;
    bool half_full;
};

struct bench {
    struct point p;
    struct cvb_handle *handle, *other[OTHERS_MAX];
    uint32_t *stage, *source, pipeline;
    unsigned next_stage, next_source;
    struct cvb_record record[BATCH_MAX];
    struct cvb_lease lease[BATCH_MAX];
    char *payload;
    double ns, others; /* of the last rounds: for a record; the part of the time that others had the processor */
};

static struct cvb_settings settings_of(const struct point *p)
{
    struct cvb_settings s;
    cvb_settings_init(&s);
    s.max_total_records = s.max_per_source = p->capacity;
    s.max_per_stage = p->capacity / p->stages; /* one stage may take all, or each an equal part */
    s.payload_size = p->payload ? p->payload : 1;
    s.max_stages = p->stages + 1;
    s.max_sources = p->sources;
    s.max_handles = p->handles + 1;
    if (p->payload > 1024) {
        s.class_count = 1;
        s.classes[0] = (struct cvb_class){p->payload, p->capacity};
    }
    return s;
}

static int name_all(struct bench *b)
{
    char name[32];
    int error = cvb_pipeline(b->handle, "bench", &b->pipeline);
    for (unsigned i = 0; i < b->p.stages && !error; i++) {
        snprintf(name, sizeof name, "stage-%u", i);
        error = cvb_stage(b->handle, name, &b->stage[i]);
    }
    for (unsigned i = 0; i < b->p.sources && !error; i++) {
        snprintf(name, sizeof name, "source-%u", i);
        error = cvb_source(b->handle, name, &b->source[i]);
    }
    return error;
}

static int set_up(struct bench *b, const char *name)
{
    b->stage = calloc(b->p.stages, sizeof *b->stage);
    b->source = calloc(b->p.sources, sizeof *b->source);
    b->payload = calloc(1, b->p.payload + 1);
    if (!b->stage || !b->source || !b->payload)
        return CVB_ESYSTEM;
    int error = cvb_attach(name, &b->handle);
    for (unsigned i = 0; i + 1 < b->p.handles && !error; i++)
        error = cvb_attach(name, &b->other[i]);
    return error ? error : name_all(b);
}

static void tear_down(struct bench *b)
{
    for (unsigned i = 0; i < OTHERS_MAX; i++)
        if (b->other[i])
            cvb_detach(b->other[i]);
    if (b->handle)
        cvb_detach(b->handle);
    free(b->stage);
    free(b->source);
    free(b->payload);
}

/* Stages and sources take turns; takes follow puts in the same order. */
static int put(struct bench *b, unsigned turn)
{
    uint32_t source = b->source[turn % b->p.sources];
    int why = 0;
    for (unsigned i = 0; i < b->p.batch; i++)
        b->record[i] = (struct cvb_record){
            .payload = b->payload, .length = b->p.payload, .source = source, .pipeline = b->pipeline};
    int n = cvb_buffer_batch_for_stage(b->handle, b->stage[turn % b->p.stages], b->record, b->p.batch, &why);
    return n == (int)b->p.batch ? 0 : n < 0 ? n : why;
}

static int take(struct bench *b, unsigned turn)
{
    unsigned sum = 0;
    int n = cvb_get_batch(b->handle, b->stage[turn % b->p.stages], b->lease, b->p.batch);
    if (n <= 0)
        return n ? n : CVB_ECORRUPT;
    for (int i = 0; i < n; i++) /* reads what a consumer would read */
        for (unsigned k = 0; k < b->lease[i].length; k += 64)
            sum += ((const unsigned char *)b->lease[i].payload)[k];
    return sum ? CVB_ECORRUPT : cvb_ack(b->handle, b->lease, (size_t)n);
}

/* Rounds of put and take, for the given time, or the given number of rounds if that takes longer. */
static int rounds(struct bench *b, unsigned *turn, unsigned behind, double seconds, unsigned least)
{
    double start = bench_now_s(), used = bench_own_s(), now = start;
    uint64_t done = 0;
    int error = 0;
    while (!error && (done < least || now - start < seconds)) {
        for (unsigned i = 0; i < 64 && !error; i++, ++*turn, done++) {
            error = put(b, *turn);
            if (!error)
                error = take(b, *turn - behind);
        }
        now = bench_now_s();
    }
    b->ns = (now - start) * 1e9 / (double)(done * b->p.batch);
    b->others = 1 - (bench_own_s() - used) / (now - start);
    return error;
}

static int measure(struct bench *b)
{
    unsigned turn = 0, behind = b->p.half_full ? b->p.capacity / 2 / b->p.batch : 0;
    unsigned once = b->p.stages > b->p.sources ? b->p.stages : b->p.sources;
    int error = 0;
    for (; turn < behind && !error; turn++)
        error = put(b, turn);
    if (behind > once)
        once = 2 * behind; /* every cell once */
    if (!error)
        error = rounds(b, &turn, behind, WARM_S, once);
    return error ? error : rounds(b, &turn, behind, WINDOW_S, 0);
}

static int run_once(const struct point *p, unsigned repeat, const struct bench_cpus *cpus, json_t *all)
{
    struct bench *b = calloc(1, sizeof *b);
    char name[CVB_NAME_MAX + 1];
    struct cvb_settings settings = settings_of(p);
    if (!b || segment_make(name, &settings)) {
        free(b);
        return 1;
    }
    b->p = *p;
    bench_pin(cpus, 0);
    double bytes = segment_bytes(name);
    int error = set_up(b, name);
    if (!error)
        error = measure(b);
    tear_down(b);
    cvb_unlink(name);
    bench_unpin(cpus);
    if (error)
        fprintf(stderr, "cost: %s %u, batch %u: %s\n", p->what, p->size, p->batch, cvb_error_text(error));
    else
        json_array_append_new(all,
                              json_pack("{s:s,s:i,s:i,s:i,s:f,s:f,s:f}", "what", p->what, "size", (int)p->size, "batch",
                                        (int)p->batch, "repeat", (int)repeat, "ns_per_record", b->ns,
                                        "bytes_per_record", bytes / settings.max_total_records, "others", b->others));
    free(b);
    return error != 0;
}

static unsigned points(struct point *p, bool quick)
{
    static const unsigned capacity[] = {1000, 10000, 100000, 1000000, 10000000}, stages[] = {1, 10, 100, 1000},
                          sources[] = {1, 10, 100, 1000, 10000}, handles[] = {1, 10, 50, 100, 200},
                          payload[] = {0, 8, 64, 256, 1024, 4096, 16384, 65536};
    const struct point usual = {NULL, 0, 0, 100000, 1, 1, 1, 64, false};
    unsigned n = 0;
#define ADD(title, list, length, field, value, half)                                                                   \
    for (unsigned i = 0; i < (length); i++) {                                                                          \
        p[n] = usual;                                                                                                  \
        p[n].what = (title);                                                                                           \
        p[n].size = (list)[i];                                                                                         \
        p[n].half_full = (half);                                                                                       \
        p[n++].field = (value);                                                                                        \
    }
    ADD("capacity, nearly empty", capacity, quick ? 4u : 5u, capacity, capacity[i], false)
    ADD("capacity, half full", capacity, quick ? 4u : 5u, capacity, capacity[i], true)
    ADD("stages", stages, 4u, stages, stages[i], false)
    ADD("sources", sources, 5u, sources, sources[i], false)
    ADD("handles", handles, 5u, handles, handles[i], false)
    ADD("payload bytes", payload, 8u, payload, payload[i], false)
#undef ADD
    for (unsigned i = 0; i < n; i++)
        if (p[i].payload > 1024)
            p[i].capacity = 10000;
    return n;
}

/* About how many bytes the rounds of a point go through again and again, for its batches of 1: what each record, stage
 * and source has in the segment (shm/LAYOUT.md). The reason where a curve rises is the cache that these no longer fit.
 */
static double touched(const struct point *p)
{
    enum { UNIT = 64, SLOT = 8, STAGE = 256 + 2 * 64 + 128 + 96, SOURCE = 256 + 64 + 96 };
    double record = p->payload + UNIT, under_way = p->half_full ? p->capacity : 1;
    double pairs = p->stages > p->sources ? p->stages : p->sources; /* an idle unit waits for each of them */
    double slots = p->stages > 1 ? p->stages * 64.0 : p->capacity * (double)SLOT;
    return (under_way > pairs ? under_way : pairs) * record + slots + p->stages * STAGE + p->sources * SOURCE;
}

static void print_bytes(FILE *out, double bytes)
{
    char text[32];
    if (bytes < 1024 * 1024)
        snprintf(text, sizeof text, "%.0f KiB", bytes / 1024);
    else
        snprintf(text, sizeof text, "%.1f MiB", bytes / 1024 / 1024);
    fprintf(out, " %10s", text);
}

/* One row; false: the time was over before it. */
static bool print_point(FILE *out, const json_t *all, const struct point *p)
{
    struct figure f[2], bytes;
    char text[FIGURE_TEXT];
    for (int i = 0; i < 2; i++) {
        json_t *what = json_pack("{s:s,s:i,s:i}", "what", p->what, "size", (int)p->size, "batch", i ? BATCH_MAX : 1);
        f[i] = figure_of(all, what, "ns_per_record");
        bytes = figure_of(all, what, "bytes_per_record");
        json_decref(what);
    }
    if (!f[0].n && !f[0].left_out)
        return false;
    fprintf(out, "  %-24s %10u %24s", p->what, p->size, figure_text(text, &f[0], 1));
    fprintf(out, " %24s", figure_text(text, &f[1], 1));
    if (bytes.why)
        fprintf(out, " %14s", "-");
    else
        fprintf(out, " %14.0f", bytes.median);
    print_bytes(out, touched(p));
    fprintf(out, " %s\n", parts_cache_of(touched(p)));
    return true;
}

static void print(FILE *out, const json_t *results, const struct point *p, unsigned n)
{
    const json_t *all = json_object_get(results, "cost");
    unsigned missing = 0;
    fputs("\nCost of a record as work grows: put, lease and ack by one process\n", out);
    verdict_print(out, results, "cost");
    fprintf(out, "  %-24s %10s %24s %24s %14s %10s %s\n", "", "", "batch 1", "batch 32", "bytes a record", "in use",
            "cache");
    for (unsigned i = 0; i < n; i++)
        missing += !print_point(out, all, &p[i]);
    if (missing)
        fprintf(out, "  %u more rows were not measured: the time was over.\n", missing);
    fputs(
        "batch 1, batch 32: nanoseconds a record as median (least-greatest) and the number of runs; 3/5: two of five\n"
        "do not count; - (disturbed): others had the processor for more than a tenth of the time in all of them.\n"
        "in use: what the rounds go through again and again; cache: the smallest that holds it. A rise where that\n"
        "changes is the cache's, one with the bytes of payload is the copy's, and any other is the code's.\n",
        out);
}

int cost_run(const struct bench_cpus *cpus, bool quick, unsigned repeats, double deadline, json_t *results)
{
    static struct point list[64];
    unsigned n = points(list, quick);
    json_t *all = json_array();
    int failures = 0;
    for (unsigned r = 0; r < repeats; r++)
        for (unsigned i = 0; i < 2 * n && bench_now_s() < deadline; i++) {
            struct point p = list[i / 2];
            p.batch = i % 2 ? BATCH_MAX : 1;
            parts_progress("cost", r * 2 * n + i, repeats * 2 * n);
            failures += run_once(&p, r, cpus, all);
        }
    parts_progress_end();
    json_object_set_new(results, "cost", all);
    print(stdout, results, list, n);
    return failures;
}

int cost_main(int argc, char **argv)
{
    static const struct option options[] = {
        {"quick", no_argument, 0, 'q'}, {"repeats", required_argument, 0, 'r'}, RESULTS_OPTIONS};
    struct results_output output = {0};
    unsigned repeats = 3;
    bool quick = false;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'q')
            quick = true;
        else if (!results_option(&output, c, optarg) && (c != 'r' || results_read_number(&repeats, optarg, 1, 64)))
            return parts_usage(c == 'h' ? stdout : stderr, USAGE);
    }
    if (optind != argc)
        return parts_usage(stderr, USAGE);
    struct bench_cpus cpus;
    bench_cpus_find(&cpus);
    json_t *results = results_new("cost", &cpus);
    return parts_end(results, &output, cost_run(&cpus, quick, repeats, 1e300, results));
}
