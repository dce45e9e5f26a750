/* suite.c - all runs of a comparison. Within a row (processes, batch) the systems take turns, A B C A B C, so that a
 * change of the machine meets all of them alike; a run during which the machine changed is done again. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

enum { RUNS_AGAIN = 2 };

struct peer_shape bench_suite_shape(const struct bench_suite *s, unsigned topology, unsigned batch)
{
    struct peer_shape shape = {s->topology[topology].producers, s->topology[topology].consumers, s->batch[batch], 0};
    unsigned sum = s->capacity * shape.producers;
    shape.capacity = sum < 2 * s->capacity ? sum : 2 * s->capacity;
    return shape;
}

static bool fits(const struct peer *peer, const struct peer_shape *shape)
{
    bool one_to_one = shape->producers == 1 && shape->consumers == 1;
    return !peer->reference || one_to_one;
}

/* A system that got stuck here before is not tried again: each time costs seconds. */
static bool was_stuck(const struct bench_suite *s, const struct peer *peer, const struct peer_shape *shape)
{
    for (unsigned i = 0; i < s->run_count; i++)
        if (s->runs[i].stuck && s->runs[i].peer == peer && !memcmp(&s->runs[i].shape, shape, sizeof *shape))
            return true;
    return false;
}

static void run_one(struct bench_suite *s, const struct peer *peer, const struct peer_shape *shape, unsigned repeat)
{
    struct bench_run *run = &s->runs[s->run_count];
    for (unsigned again = 0; again <= RUNS_AGAIN; again++) {
        *run = (struct bench_run){.peer = peer, .shape = *shape, .repeat = repeat};
        bench_run_once(run, &s->cpus, &s->times);
        if (run->failure || run->state != BENCH_MIXED)
            break;
        s->repeated++;
    }
    s->run_count++;
    if (run->failure) {
        s->stuck += run->stuck;
        s->failures += !run->stuck || peer_is_ours(peer);
        fprintf(stderr, "%speers: %s at %uP%uC, batch %u: %s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "", peer->name,
                shape->producers, shape->consumers, shape->batch, run->failure);
    }
}

static unsigned rounds_of(const struct bench_suite *s, const struct peer_shape *shape)
{
    unsigned n = 0;
    for (const struct peer *const *p = peers; *p; p++)
        n += fits(*p, shape);
    return n * s->repeats;
}

static void show(const struct bench_suite *s, unsigned all, const struct peer_shape *shape)
{
    unsigned each_ms = s->times.warm_ms + s->times.window_ms + 40;
    bool terminal = isatty(STDERR_FILENO);
    fprintf(stderr, "%speers: run %u of %u, %uP%uC, batch %u; about %u s left%s", terminal ? "\r" : "",
            s->run_count + 1, all, shape->producers, shape->consumers, shape->batch,
            (all - s->run_count) * each_ms / 1000, terminal ? "\033[K" : "\n");
}

static void run_row(struct bench_suite *s, const struct peer_shape *shape, unsigned all)
{
    for (unsigned repeat = 0; repeat < s->repeats; repeat++) {
        if (!repeat || isatty(STDERR_FILENO))
            show(s, all, shape);
        for (const struct peer *const *p = peers; *p; p++)
            if (fits(*p, shape) && !was_stuck(s, *p, shape))
                run_one(s, *p, shape, repeat);
    }
}

int bench_suite_run(struct bench_suite *s)
{
    unsigned all = 0;
    bench_cpus_find(&s->cpus);
    for (unsigned t = 0; t < s->topology_count; t++)
        for (unsigned b = 0; b < s->batch_count; b++) {
            struct peer_shape shape = bench_suite_shape(s, t, b);
            all += rounds_of(s, &shape);
        }
    s->runs = calloc(all, sizeof *s->runs);
    if (!s->runs)
        return -1;
    for (unsigned t = 0; t < s->topology_count; t++)
        for (unsigned b = 0; b < s->batch_count; b++) {
            struct peer_shape shape = bench_suite_shape(s, t, b);
            run_row(s, &shape, all);
        }
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    return 0;
}

struct bench_summary bench_suite_summary(const struct bench_suite *s, const struct peer *peer,
                                         const struct peer_shape *shape, enum bench_state state)
{
    double rate[64];
    unsigned n = 0;
    for (unsigned i = 0; i < s->run_count && n < 64; i++) {
        const struct bench_run *r = &s->runs[i];
        if (r->peer == peer && !memcmp(&r->shape, shape, sizeof *shape) && r->state == state && !r->failure)
            rate[n++] = r->records_per_s;
    }
    return bench_summarize(rate, n);
}
