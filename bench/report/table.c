/* table.c - the comparison on a terminal, from the same results as the page: a block for each number of processes,
 * payload and state of the machine; in it a line for each system and a column for each batch, a few at a time. */
#include <string.h>

#include "figures.h"
#include "report.h"
#include "results.h"
#include "verdict.h"

enum { CELL = 26, COLUMNS = 4 /* beside one another: what terminals have room for */ };

static const char *payload_name(char text[64], double bytes)
{
    snprintf(text, 64,
             bytes == PEER_WORDS * 8 ? "full records (128 bytes, %.0f of payload)"
             : bytes == 8            ? "messages of %.0f bytes"
                                     : "records of %.0f bytes of payload",
             bytes);
    return text;
}

/* What stands beside the rates: for the first and the last batch. */
static const struct cost {
    const char *name, *key;
    int digits;
} costs[] = {{"cpu ns", "cpu_ns_per_record", 0}, {"sleeps", "sleeps_per_record", 2}, {"fair", "fairness", 2}};
enum { COSTS = sizeof costs / sizeof *costs };

/* One block: where it is, and its columns, of which those from `from` to before `to` are being printed. */
struct block {
    const json_t *results, *runs, *where;
    json_t *batches;
    size_t from, to;
};

/* The costs stand beside the last columns. */
static bool is_last(const struct block *b) { return b->to == json_array_size(b->batches); }

static json_t *at(const struct block *b, size_t column, const char *system)
{
    json_t *what = figure_join(b->where, json_array_get(b->batches, column));
    if (system)
        json_object_set_new(what, "system", json_string(system));
    return what;
}

static struct figure cell(const struct block *b, size_t column, const char *system, const char *key)
{
    json_t *what = at(b, column, system);
    struct figure f = figure_of(b->runs, what, key);
    json_decref(what);
    return f;
}

static void print_cost(FILE *out, const struct block *b, const char *system, const struct cost *c)
{
    char text[64] = "";
    size_t last = json_array_size(b->batches) - 1;
    int n = 0;
    for (unsigned i = 0; i < 2; i++) {
        struct figure f = cell(b, i ? last : 0, system, c->key);
        n += f.why ? snprintf(text + n, sizeof text - (size_t)n, i ? " -" : "-")
                   : snprintf(text + n, sizeof text - (size_t)n, i ? " %.*f" : "%.*f", c->digits, f.median);
    }
    fprintf(out, " %12s", text);
}

static void print_system(FILE *out, const struct block *b, const json_t *system)
{
    const char *name = results_text(system, "name");
    char text[FIGURE_TEXT];
    size_t i;
    fprintf(out, "  %-18s", name);
    for (i = b->from; i < b->to; i++) {
        struct figure f = cell(b, i, name, "records_per_s");
        fprintf(out, " %*s", CELL, figure_text(text, &f, 1e-6));
    }
    for (i = 0; i < COSTS && is_last(b); i++)
        print_cost(out, b, name, &costs[i]);
    fprintf(out, "%s\n", json_is_true(json_object_get(system, "reference")) ? "  *" : "");
}

/* Ours by the best of those; nothing if none of them has a figure. */
static void print_ratios(FILE *out, const struct block *b, const char *title, enum duel_with with)
{
    bool any = false;
    for (size_t i = b->from; i < b->to; i++) {
        json_t *work = at(b, i, NULL);
        struct duel d = duel_of(b->results, work, with);
        char ratio[FIGURE_TEXT], text[128] = "-";
        json_decref(work);
        if (!d.their_name && !any)
            continue;
        if (!any)
            fprintf(out, "  %-18s%*s", title, (int)(i - b->from) * (CELL + 1), "");
        any = true;
        if (d.our_name && d.their_name)
            snprintf(text, sizeof text, "%s of %s%s", figure_ratio(ratio, d.ours.median / d.theirs.median),
                     d.their_name, d.says ? "" : " ?");
        fprintf(out, " %*s", CELL, text);
    }
    if (any)
        fputc('\n', out);
}

static void print_place(FILE *out, const struct block *b)
{
    struct figure transfer = figure_of(b->runs, b->where, "transfer_before_ns");
    double producers = results_number(b->where, "producers"), consumers = results_number(b->where, "consumers");
    double processors = results_number(json_object_get(b->results, "machine"), "processors");
    char payload[64];
    fprintf(out, "\n%.0fP%.0fC, %s, %s", producers, consumers,
            payload_name(payload, results_number(b->where, "payload")), results_text(b->where, "state"));
    if (!transfer.why)
        fprintf(out, " (%.0f ns from core to core, %.0f-%.0f)", transfer.median, transfer.least, transfer.most);
    fprintf(out, "%s\n", producers + consumers > processors ? ", OVERSUBSCRIBED: more processes than processors" : "");
}

static void print_head(FILE *out, const struct block *b)
{
    fprintf(out, "  %-18s", "");
    for (size_t i = b->from; i < b->to; i++)
        fprintf(out, "%*s %-3.0f", CELL - 3, "batch", results_number(json_array_get(b->batches, i), "batch"));
    for (size_t i = 0; i < COSTS && is_last(b); i++)
        fprintf(out, " %12s", costs[i].name);
    fputc('\n', out);
}

/* The lines of some columns. */
static void print_lines(FILE *out, const struct block *b, const json_t *there)
{
    json_t *system;
    size_t i, k;
    print_head(out, b);
    json_array_foreach(json_object_get(b->results, "systems"), i, system)
    {
        bool any = false;
        for (k = 0; k < json_array_size(there) && !any; k++)
            any = !strcmp(results_text(json_array_get(there, k), "system"), results_text(system, "name"));
        if (any)
            print_system(out, b, system);
    }
    print_ratios(out, b, "ours : best peer", DUEL_ALL);
    print_ratios(out, b, "ours : best ring", DUEL_RINGS);
    print_ratios(out, b, "ours : plain copy", DUEL_COPY);
}

static void print_block(FILE *out, const json_t *results, const json_t *where)
{
    static const char *const batch[] = {"batch", NULL}, *const names[] = {"system", NULL};
    const json_t *runs = json_object_get(results, "runs");
    struct block b = {results, runs, where, figure_kinds(runs, where, batch), 0, 0};
    json_t *there = figure_kinds(runs, where, names);
    const size_t columns = json_array_size(b.batches);
    print_place(out, &b);
    for (; b.from < columns; b.from = b.to) {
        b.to = b.from + COLUMNS < columns ? b.from + COLUMNS : columns;
        print_lines(out, &b, there);
    }
    json_decref(there);
    json_decref(b.batches);
}

static void print_columns(FILE *out, const json_t *results)
{
    const json_t *settings = json_object_get(results, "settings");
    fprintf(
        out,
        "\nA cell: million records a second as median (least-greatest) and the number of runs of %.0f ms; 3/5: two\n"
        "of five do not count. - (reason): no run counts. disturbed: other programs took more than %.0f %% of the\n"
        "processors; the machine changed: near became far, or far near; stood still: no record in half the runs;\n"
        "got stuck: not empty 3 s after its producers stopped, and not tried again there.\n"
        "ours : best ...: conveyor or conveyor reserve, whichever is better; ? means not told apart (rank\n"
        "test or t test, p < %.2f), > %.0f that the other collapsed. Rings: rte_ring (default, HTS), ck_ring MPMC.\n"
        "cpu ns, sleeps, fair: for the first and the last batch processor time of all processes for each record, how\n"
        "often one slept for each record, and the slowest producer's part of the fastest one's records.\n"
        "* one producer and one consumer only: shown, not compared with. Compare only blocks of one state.\n"
        "Separate processes, pinned; systems in turns; payload written and summed, counts and sums verified; each has\n"
        "room for %.0f records for each producer, twice that at most, and the same back-off.\n",
        results_number(settings, "window_ms"), BENCH_OTHERS_MAX * 100, RANK_P_MAX, FIGURE_RATIO_MAX,
        results_number(settings, "capacity"));
}

void results_print_peers(const json_t *results, FILE *out)
{
    static const char *const where[] = {"producers", "consumers", "payload", "state", NULL};
    json_t *blocks = figure_kinds(json_object_get(results, "runs"), NULL, where), *block;
    size_t i;
    fputs("\nRecords a second, beside other systems\n", out);
    verdict_print(out, results, "runs");
    json_array_foreach(blocks, i, block) print_block(out, results, block);
    print_columns(out, results);
    if (*results_text(results, "left_out"))
        fprintf(out, "Systems left out: %s\n", results_text(results, "left_out"));
    json_decref(blocks);
}
