/* ends.c - `conveyor-bench bridge-end`: the other end of a bridge that is measured, and the state of the machine. */
#include <conveyor/buffer.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../harness/parts.h"
#include "../report/results.h"
#include "ends.h"
#include "tally.h"

#define USAGE                                                                                                          \
    "usage: conveyor-bench bridge-end fill|drain|watch SEGMENT STAGE COUNT SIZE BATCH\n"                               \
    "       conveyor-bench bridge-end machine\n"                                                                       \
    "  The other end of a bridge that is measured. fill puts COUNT numbered records of SIZE bytes into the stage, "    \
    "drain\n"                                                                                                          \
    "  takes and acks as many, BATCH at once, watch waits until a bridge has taken and acked as many. They print "     \
    "the\n"                                                                                                            \
    "  count, the sum of the numbers and the seconds as JSON. machine prints what machine this is, how long a cache\n" \
    "  line takes from processor to processor, and how long they have worked. Exit status: 0, 1 it failed, 2 usage.\n"
#define PATIENCE_NS INT64_C(120000000000)
enum { WATCH_SLICE_US = 500 };

struct end {
    struct cvb_handle *handle;
    uint32_t stage;
    uint64_t count;
    uint32_t size, batch;
    struct tally tally;
};

/* How many were put of the next `most`; or an error, also if there is no room. */
static int put(struct end *e, uint32_t source, struct cvb_record *records, char *payloads, size_t most)
{
    int why = 0;
    for (size_t i = 0; i < most; i++) {
        char *payload = payloads + i * e->size;
        tally_number(payload, e->tally.count + i);
        records[i] = (struct cvb_record){
            .payload = payload, .length = e->size, .source = source, .position = e->tally.count + i + 1};
    }
    int n = cvb_buffer_batch_for_stage(e->handle, e->stage, records, most, &why);
    for (int i = 0; i < n; i++)
        tally_message(&e->tally, payloads + (size_t)i * e->size, e->size);
    return n ? n : why;
}

static int fill(struct end *e)
{
    uint32_t source;
    struct cvb_record *records = calloc(e->batch, sizeof *records);
    char *payloads = calloc(e->batch, e->size);
    int n = records && payloads ? cvb_source(e->handle, "bench", &source) : CVB_ESYSTEM;
    tally_begin(&e->tally);
    while (n >= 0 && e->tally.count < e->count) {
        uint64_t left = e->count - e->tally.count;
        n = put(e, source, records, payloads, left < e->batch ? (size_t)left : e->batch);
    }
    free(records);
    free(payloads);
    return n < 0 ? n : 0;
}

static int drain(struct end *e)
{
    struct cvb_lease *leases = calloc(e->batch, sizeof *leases);
    int error = leases ? 0 : CVB_ESYSTEM;
    while (!error && e->tally.count < e->count) {
        uint64_t before = e->tally.count;
        int n = cvb_get_batch(e->handle, e->stage, leases, e->batch);
        for (int i = 0; i < n; i++)
            tally_message(&e->tally, leases[i].payload, leases[i].length);
        if (n > 0 && !before)
            tally_begin(&e->tally);
        if (n)
            error = n < 0 ? n : cvb_ack(e->handle, leases, (size_t)n);
        else
            error = cvb_wait_records(e->handle, &e->stage, 1, PATIENCE_NS);
    }
    free(leases);
    return error < 0 ? error : 0;
}

/* The time begins when the bridge takes its first record. */
static int watch(struct end *e)
{
    struct cvb_counts counts = {0};
    bool begun = false;
    double until_s = tally_now_s() + PATIENCE_NS / 1e9;
    int error = 0;
    while (!error && e->tally.count < e->count && tally_now_s() < until_s) {
        error = cvb_stage_counts(e->handle, e->stage, &counts);
        e->tally.count = counts.acked;
        if (!begun && counts.delivered) {
            tally_begin(&e->tally);
            begun = true;
        }
        if (e->tally.count < e->count)
            usleep(WATCH_SLICE_US);
    }
    return error ? error : e->tally.count < e->count ? CVB_ETIMEDOUT : 0;
}

static int work(const char *what, struct end *e, const char *stage)
{
    int error = cvb_stage(e->handle, stage, &e->stage);
    if (!error)
        error = !strcmp(what, "fill") ? fill(e) : !strcmp(what, "drain") ? drain(e) : watch(e);
    if (!error)
        tally_print(&e->tally);
    cvb_detach(e->handle);
    return error;
}

static int describe_machine(void)
{
    struct bench_cpus cpus;
    bench_cpus_find(&cpus);
    json_t *found = results_new("bridge", &cpus);
    double before_s = bench_busy_s(&cpus), probe_ns = bench_probe_ns(&cpus);
    json_object_set_new(found, "probe_ns", json_real(probe_ns));
    json_object_set_new(found, "busy_s", json_pack("[f,f]", before_s, bench_busy_s(&cpus))); /* around the probe */
    json_object_set_new(found, "cpus", json_integer(cpus.count));
    int error = json_dumpf(found, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(found);
    return error ? 1 : 0;
}

int bridge_end_main(int argc, char **argv)
{
    struct end e = {0};
    unsigned size = 0, batch = 0;
    const char *what = argc > 1 ? argv[1] : "";
    if (argc == 2 && !strcmp(what, "machine"))
        return describe_machine();
    if (argc == 7)
        e.count = strtoull(argv[4], NULL, 10);
    if (!e.count || (strcmp(what, "fill") && strcmp(what, "drain") && strcmp(what, "watch")) ||
        results_read_number(&size, argv[5], sizeof(uint64_t), 1 << 20) ||
        results_read_number(&batch, argv[6], 1, 10000))
        return parts_usage(argc == 2 && !strcmp(what, "--help") ? stdout : stderr, USAGE);
    e.size = size;
    e.batch = batch;
    int error = cvb_attach(argv[2], &e.handle);
    if (!error)
        error = work(what, &e, argv[3]);
    if (error)
        fprintf(stderr, "bridge-end: %s: segment '%s': %s\n", what, argv[2], cvb_error_text(error));
    return error ? 1 : 0;
}
