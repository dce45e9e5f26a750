/* table.c - the results on a terminal: for each number of processes and each state of the machine one block, a line for
 * each system, a column for each batch size. */
#include <string.h>

#include "bench.h"

const char *bench_payload_name(unsigned words)
{
    static char text[64];
    if (words == PEER_WORDS)
        return "full records (128 bytes, 64 of payload)";
    if (words == 1)
        return "messages of 8 bytes";
    snprintf(text, sizeof text, "records of %u bytes of payload", words * 8);
    return text;
}

/* Whom ours is compared with. */
static bool is_other(const struct peer *p) { return !p->reference && !peer_is_ours(p); }
static bool is_copy(const struct peer *p) { return p == &peer_copy; }

/* The best of those, NULL if none has a figure. */
static const struct peer *best_of(const struct bench_suite *s, const struct peer_shape *shape, enum bench_state state,
                                  bool (*is_one)(const struct peer *p), struct bench_summary *best)
{
    const struct peer *who = NULL;
    *best = (struct bench_summary){0};
    for (const struct peer *const *p = peers; *p; p++) {
        struct bench_summary m = bench_suite_summary(s, *p, shape, state);
        if (is_one(*p) && m.median > best->median) {
            *best = m;
            who = *p;
        }
    }
    return who;
}

static void print_cell(FILE *out, struct bench_summary m)
{
    char text[64] = "-";
    if (m.n)
        snprintf(text, sizeof text, "%.*f (%.*f-%.*f)", m.median < 1e6 ? 3 : 1, m.median / 1e6, m.min < 1e6 ? 3 : 1,
                 m.min / 1e6, m.max < 1e6 ? 3 : 1, m.max / 1e6);
    fprintf(out, " %22s", text);
}

/* Why it has no figure there, or NULL. */
static const char *excuse(const struct bench_suite *s, const struct peer *p, const struct peer_shape *shape)
{
    for (unsigned i = 0; i < s->run_count; i++) {
        const struct bench_run *r = &s->runs[i];
        if (r->peer == p && !memcmp(&r->shape, shape, sizeof *shape) && (r->stuck || r->unfit))
            return r->stuck ? "got stuck" : "no such room";
    }
    return NULL;
}

/* What stands beside the rates: for the first and the last batch. */
static const struct cost {
    const char *name;
    size_t field;
    double scale;
    int digits;
} costs[] = {{"cpu ns", offsetof(struct bench_run, cpu_s_per_record), 1e9, 0},
             {"sleeps", offsetof(struct bench_run, sleeps_per_record), 1, 2},
             {"fair", offsetof(struct bench_run, fairness), 1, 2}};
enum { COSTS = sizeof costs / sizeof *costs };

static void print_cost(FILE *out, const struct bench_suite *s, const struct peer *p, const struct bench_group *group,
                       enum bench_state state, const struct cost *c)
{
    char text[64] = "";
    int n = 0;
    for (unsigned i = 0; i < 2; i++) {
        struct peer_shape shape = bench_suite_shape(s, group, i ? group->batch_count - 1 : 0);
        struct bench_summary m = bench_suite_figure(s, p, &shape, state, c->field);
        n += m.n ? snprintf(text + n, sizeof text - (size_t)n, i ? " %.*f" : "%.*f", c->digits, m.median * c->scale)
                 : snprintf(text + n, sizeof text - (size_t)n, i ? " -" : "-");
    }
    fprintf(out, " %12s", text);
}

static void print_line(FILE *out, const struct bench_suite *s, const struct peer *p, const struct bench_group *group,
                       enum bench_state state)
{
    bool any = false;
    for (unsigned b = 0; b < group->batch_count; b++) {
        struct peer_shape shape = bench_suite_shape(s, group, b);
        any |= bench_suite_summary(s, p, &shape, state).n > 0 || excuse(s, p, &shape);
    }
    if (!any)
        return;
    fprintf(out, "  %-18s", p->name);
    for (unsigned b = 0; b < group->batch_count; b++) {
        struct peer_shape shape = bench_suite_shape(s, group, b);
        const char *why = excuse(s, p, &shape);
        if (why)
            fprintf(out, " %22s", why);
        else
            print_cell(out, bench_suite_summary(s, p, &shape, state));
    }
    for (size_t i = 0; i < COSTS; i++)
        print_cost(out, s, p, group, state, &costs[i]);
    fprintf(out, "%s\n", p->reference ? "  *" : "");
}

/* Ours by the best of those; nothing if none of them was there. */
static void print_ratios(FILE *out, const struct bench_suite *s, const struct bench_group *group,
                         enum bench_state state, const char *title, bool (*is_one)(const struct peer *p))
{
    struct bench_summary ours, best;
    bool any = false;
    for (unsigned b = 0; b < group->batch_count; b++) {
        struct peer_shape shape = bench_suite_shape(s, group, b);
        any |= best_of(s, &shape, state, is_one, &best) != NULL;
    }
    if (!any)
        return;
    fprintf(out, "  %-18s", title);
    for (unsigned b = 0; b < group->batch_count; b++) {
        struct peer_shape shape = bench_suite_shape(s, group, b);
        const struct peer *who = best_of(s, &shape, state, is_one, &best);
        char text[64] = "-";
        if (who && best_of(s, &shape, state, peer_is_ours, &ours))
            snprintf(text, sizeof text, "%.2f of %s", ours.median / best.median, who->name);
        fprintf(out, " %22s", text);
    }
    fputc('\n', out);
}

/* How far ours falls behind in its worst repeat. */
static void print_worst(FILE *out, const struct bench_suite *s, const struct bench_group *group, enum bench_state state)
{
    fprintf(out, "  %-18s", "ours: worst repeat");
    for (unsigned b = 0; b < group->batch_count; b++) {
        struct peer_shape shape = bench_suite_shape(s, group, b);
        struct bench_summary ours;
        char text[64] = "-";
        if (best_of(s, &shape, state, peer_is_ours, &ours))
            snprintf(text, sizeof text, "%.2f of the median", ours.min / ours.median);
        fprintf(out, " %22s", text);
    }
    fputc('\n', out);
}

static bool is_of(const struct bench_run *r, const struct bench_group *g, enum bench_state state)
{
    return r->state == state && r->shape.producers == g->producers && r->shape.consumers == g->consumers &&
           r->shape.words == g->words;
}

static struct bench_summary transfer(const struct bench_suite *s, const struct bench_group *g, enum bench_state state)
{
    double ns[1024];
    unsigned n = 0;
    for (unsigned i = 0; i < s->run_count && n < 1024; i++)
        if (is_of(&s->runs[i], g, state))
            ns[n++] = (s->runs[i].before_ns + s->runs[i].after_ns) / 2;
    return bench_summarize(ns, n);
}

static void print_block(FILE *out, const struct bench_suite *s, const struct bench_group *g, enum bench_state state)
{
    struct bench_summary ns = transfer(s, g, state);
    if (!ns.n)
        return;
    fprintf(out, "\n%uP%uC, %s, %s (%.0f ns from core to core, %.0f-%.0f)%s\n", g->producers, g->consumers,
            bench_payload_name(g->words), bench_state_name(state), ns.median, ns.min, ns.max,
            g->producers + g->consumers > s->cpus.count ? ", OVERSUBSCRIBED: more processes than processors" : "");
    fprintf(out, "  %-18s", "");
    for (unsigned b = 0; b < g->batch_count; b++)
        fprintf(out, "%*s %-3u", 19, "batch", g->batch[b]);
    for (size_t i = 0; i < COSTS; i++)
        fprintf(out, " %12s", costs[i].name);
    fputc('\n', out);
    for (const struct peer *const *p = peers; *p; p++)
        print_line(out, s, *p, g, state);
    print_ratios(out, s, g, state, "ours : best peer", is_other);
    print_ratios(out, s, g, state, "ours : best ring", peer_is_ring);
    print_ratios(out, s, g, state, "ours : plain copy", is_copy);
    print_worst(out, s, g, state);
}

static void print_remarks(FILE *out, const struct bench_suite *s)
{
    fprintf(out, "\n* one producer and one consumer only: shown, not compared with. Compare only blocks of one state.\n"
                 "Rings: rte_ring (default, HTS) and ck_ring MPMC. Ours: the better of conveyor and conveyor reserve.\n"
                 "Beside the rates, for the first and the last batch: processor time for each record, all processes\n"
                 "together; how often one slept for each record; the slowest producer's part of the fastest one's.\n");
    if (s->repeated)
        fprintf(out, "%u runs were done again because the machine changed while they ran, or others took much of it\n",
                s->repeated);
    if (s->disturbed)
        fprintf(out,
                "DISTURBED: during %u of %u runs other processes took more than %.0f %% of the processors;\n"
                "these count only where there are no others\n",
                s->disturbed, s->run_count, BENCH_OTHERS_MAX * 100);
    if (s->dropped)
        fprintf(out, "%u of %u runs were left out: the time was over\n", s->dropped, s->planned);
    if (s->stuck)
        fprintf(out, "got stuck: not empty 3 s after the producers stopped; such a system is not tried again there\n");
    if (s->unfit)
        fprintf(out, "no such room: the system cannot be made with so many records here\n");
    if (peers_left_out[0])
        fprintf(out, "left out: %s\n", peers_left_out);
}

void bench_table_print(FILE *out, const struct bench_suite *s)
{
    fprintf(out,
            "\nMillion records a second: median (min-max) of up to %u repeats of %u ms, the systems in turns;\n"
            "separate processes, pinned; payload written and summed, counts and sums verified; every system has\n"
            "room for %u records for each producer, %u at most, and the same back-off\n",
            s->repeats, s->times.window_ms, s->capacity, 2 * s->capacity);
    for (unsigned g = 0; g < s->group_count; g++)
        for (enum bench_state state = BENCH_NEAR; state < BENCH_STATES; state++)
            print_block(out, s, &s->group[g], state);
    print_remarks(out, s);
    fprintf(out, s->failures ? "NOT OK: %u runs failed (see above)\n" : "OK: every run's counts and sums agree\n",
            s->failures);
}
