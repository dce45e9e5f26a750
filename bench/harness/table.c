/* table.c - the results on a terminal: for each number of processes and each state of the machine one block, a line for
 * each system, a column for each batch size. */
#include "bench.h"

static double best_of(const struct bench_suite *s, const struct peer_shape *shape, enum bench_state state, bool ours,
                      const struct peer **who)
{
    double best = 0;
    for (const struct peer *const *p = peers; *p; p++) {
        double median = bench_suite_summary(s, *p, shape, state).median;
        if (!(*p)->reference && peer_is_ours(*p) == ours && median > best) {
            best = median;
            if (who)
                *who = *p;
        }
    }
    return best;
}

static void print_cell(FILE *out, struct bench_summary m)
{
    char text[64] = "-";
    if (m.n)
        snprintf(text, sizeof text, "%.*f (%.*f-%.*f)", m.median < 1e6 ? 3 : 1, m.median / 1e6, m.min < 1e6 ? 3 : 1,
                 m.min / 1e6, m.max < 1e6 ? 3 : 1, m.max / 1e6);
    fprintf(out, " %22s", text);
}

static unsigned stuck(const struct bench_suite *s, const struct peer *p, const struct peer_shape *shape)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->run_count; i++)
        n += s->runs[i].stuck && s->runs[i].peer == p && s->runs[i].shape.producers == shape->producers &&
             s->runs[i].shape.consumers == shape->consumers && s->runs[i].shape.batch == shape->batch;
    return n;
}

static void print_line(FILE *out, const struct bench_suite *s, const struct peer *p, unsigned t, enum bench_state state)
{
    bool any = false;
    for (unsigned b = 0; b < s->batch_count; b++) {
        struct peer_shape shape = bench_suite_shape(s, t, b);
        any |= bench_suite_summary(s, p, &shape, state).n > 0 || stuck(s, p, &shape);
    }
    if (!any)
        return;
    fprintf(out, "  %-18s", p->name);
    for (unsigned b = 0; b < s->batch_count; b++) {
        struct peer_shape shape = bench_suite_shape(s, t, b);
        if (stuck(s, p, &shape))
            fprintf(out, " %22s", "got stuck");
        else
            print_cell(out, bench_suite_summary(s, p, &shape, state));
    }
    fprintf(out, "%s\n", p->reference ? "  *" : "");
}

static void print_ratios(FILE *out, const struct bench_suite *s, unsigned t, enum bench_state state)
{
    fprintf(out, "  %-18s", "ours : best peer");
    for (unsigned b = 0; b < s->batch_count; b++) {
        const struct peer *who = NULL;
        struct peer_shape shape = bench_suite_shape(s, t, b);
        double ours = best_of(s, &shape, state, true, NULL), best = best_of(s, &shape, state, false, &who);
        char text[64] = "-";
        if (ours > 0 && best > 0)
            snprintf(text, sizeof text, "%.2f of %s", ours / best, who->name);
        fprintf(out, " %22s", text);
    }
    fputc('\n', out);
}

static struct bench_summary transfer(const struct bench_suite *s, unsigned t, enum bench_state state)
{
    double ns[1024];
    unsigned n = 0;
    for (unsigned i = 0; i < s->run_count && n < 1024; i++)
        if (s->runs[i].state == state && s->runs[i].shape.producers == s->topology[t].producers &&
            s->runs[i].shape.consumers == s->topology[t].consumers)
            ns[n++] = (s->runs[i].before_ns + s->runs[i].after_ns) / 2;
    return bench_summarize(ns, n);
}

static void print_block(FILE *out, const struct bench_suite *s, unsigned t, enum bench_state state)
{
    struct bench_summary ns = transfer(s, t, state);
    unsigned processes = s->topology[t].producers + s->topology[t].consumers;
    if (!ns.n)
        return;
    fprintf(out, "\n%uP%uC, %s (%.0f ns from core to core, %.0f-%.0f)%s\n", s->topology[t].producers,
            s->topology[t].consumers, bench_state_name(state), ns.median, ns.min, ns.max,
            processes > s->cpus.count ? ", more processes than processors" : "");
    fprintf(out, "  %-18s", "");
    for (unsigned b = 0; b < s->batch_count; b++)
        fprintf(out, "%*s %-3u", 19, "batch", s->batch[b]);
    fputc('\n', out);
    for (const struct peer *const *p = peers; *p; p++)
        print_line(out, s, *p, t, state);
    print_ratios(out, s, t, state);
}

void bench_table_print(FILE *out, const struct bench_suite *s)
{
    fprintf(out, "\nFull records (128 bytes, 64 of payload written and summed), million a second: median (min-max)\n");
    fprintf(out, "%u repeats of %u ms in turns; separate processes, pinned; counts and sums verified;\n", s->repeats,
            s->times.window_ms);
    fprintf(out, "every system has room for %u records for each producer, %u at most\n", s->capacity, 2 * s->capacity);
    for (unsigned t = 0; t < s->topology_count; t++)
        for (enum bench_state state = BENCH_NEAR; state < BENCH_STATES; state++)
            print_block(out, s, t, state);
    fprintf(out,
            "\n* one producer and one consumer only: shown, not compared with. Compare only blocks of one state.\n");
    if (s->repeated)
        fprintf(out, "%u runs were done again because the machine changed while they ran\n", s->repeated);
    if (s->stuck)
        fprintf(out, "got stuck: not empty 3 s after the producers stopped; such a system is not tried again there\n");
    if (peers_left_out[0])
        fprintf(out, "left out: %s\n", peers_left_out);
    fprintf(out, s->failures ? "NOT OK: %u runs failed (see above)\n" : "OK: every run's counts and sums agree\n",
            s->failures);
}
