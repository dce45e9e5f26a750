/* suite.c - all runs of a comparison. The systems take turns, A B C A B C, and so do the rows, so that a change of the
 * machine meets all of them alike; a run during which the machine changed, or
 * others took much of it, is done again. When the time is over, what is
 * missing are repeats, not rows. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crew.h"

struct peer_shape bench_suite_shape(const struct bench_suite *s, const struct bench_group *group, unsigned batch)
{
    struct peer_shape shape = {group->producers, group->consumers, group->batch[batch], 0, group->words};
    unsigned sum = s->capacity * shape.producers;
    shape.capacity = sum < 2 * s->capacity ? sum : 2 * s->capacity;
    return shape;
}

bool bench_is_wanted(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (!strncmp(at, name, n) && (at[n] == ',' || !at[n]))
            return true;
    }
    return !list;
}

static bool fits(const struct bench_suite *s, const struct peer *peer, const struct peer_shape *shape)
{
    bool one_to_one = shape->producers == 1 && shape->consumers == 1;
    return (!peer->reference || one_to_one) && bench_is_wanted(s->systems, peer->name);
}

/* A system that got stuck here before is not tried again: each time costs seconds. */
static bool was_stuck(const struct bench_suite *s, const struct peer *peer, const struct peer_shape *shape)
{
    for (unsigned i = 0; i < s->run_count; i++)
        if ((s->runs[i].stuck || s->runs[i].unfit) && s->runs[i].peer == peer &&
            !memcmp(&s->runs[i].shape, shape, sizeof *shape))
            return true;
    return false;
}

static void complain(const struct bench_run *run)
{
    fprintf(stderr, "%speers: %s at %uP%uC, batch %u, %u bytes: %s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "",
            run->peer->name, run->shape.producers, run->shape.consumers, run->shape.batch, run->shape.words * 8,
            run->failure);
}

static void run_one(struct bench_suite *s, const struct peer *peer, const struct peer_shape *shape, unsigned repeat,
                    double deadline)
{
    struct bench_run *run = &s->runs[s->run_count];
    for (unsigned again = 0; again <= s->again; again++) {
        *run = (struct bench_run){.peer = peer, .shape = *shape, .repeat = repeat};
        bench_run_once(run, &s->cpus, &s->times);
        bool good = run->state != BENCH_MIXED && run->others <= BENCH_OTHERS_MAX;
        if (run->failure || good || bench_now_s() > deadline)
            break;
        s->repeated++;
    }
    s->run_count++;
    s->disturbed += run->others > BENCH_OTHERS_MAX;
    if (run->failure) {
        s->stuck += run->stuck;
        s->unfit += run->unfit;
        s->failures += !(run->stuck || run->unfit) || peer_is_ours(peer);
        complain(run);
    }
}

static unsigned rounds_of(const struct bench_suite *s, const struct peer_shape *shape)
{
    unsigned n = 0;
    for (const struct peer *const *p = peers; *p; p++)
        n += fits(s, *p, shape);
    return n;
}

static void show(const struct bench_suite *s, const struct peer_shape *shape, double start)
{
    double each = s->run_count ? (bench_now_s() - start) / s->run_count : (s->times.warm_ms + s->times.window_ms) / 1e3;
    double left = each * (s->planned - s->run_count), most = s->seconds - (bench_now_s() - start);
    bool terminal = isatty(STDERR_FILENO);
    fprintf(stderr, "%speers: run %u of %u, %uP%uC, batch %u, %u bytes; about %.0f s left%s", terminal ? "\r" : "",
            s->run_count + 1, s->planned, shape->producers, shape->consumers, shape->batch, shape->words * 8,
            s->seconds > 0 && left > most ? most : left, terminal ? "\033[K" : "\n");
}

static void run_row(struct bench_suite *s, const struct peer_shape *shape, unsigned repeat, double deadline)
{
    for (const struct peer *const *p = peers; *p; p++) {
        if (!fits(s, *p, shape) || was_stuck(s, *p, shape))
            continue;
        if (bench_now_s() < deadline)
            run_one(s, *p, shape, repeat, deadline);
        else
            s->dropped++;
    }
}

static void run_all(struct bench_suite *s)
{
    double start = bench_now_s(), deadline = s->seconds > 0 ? start + s->seconds : 1e300;
    for (unsigned repeat = 0; repeat < s->repeats; repeat++)
        for (unsigned g = 0; g < s->group_count; g++)
            for (unsigned b = 0; b < s->group[g].batch_count; b++) {
                struct peer_shape shape = bench_suite_shape(s, &s->group[g], b);
                if ((!b || isatty(STDERR_FILENO)) && bench_now_s() < deadline)
                    show(s, &shape, start);
                run_row(s, &shape, repeat, deadline);
            }
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

int bench_suite_run(struct bench_suite *s)
{
    bench_cpus_find(&s->cpus);
    for (unsigned g = 0; g < s->group_count; g++)
        for (unsigned b = 0; b < s->group[g].batch_count; b++) {
            struct peer_shape shape = bench_suite_shape(s, &s->group[g], b);
            s->planned += rounds_of(s, &shape) * s->repeats;
        }
    s->runs = calloc(s->planned, sizeof *s->runs);
    if (!s->runs)
        return -1;
    run_all(s);
    return 0;
}

/* Takes the runs that were disturbed, or those that were not. */
static unsigned gather(const struct bench_suite *s, const struct bench_run *like, size_t field, bool disturbed,
                       double value[64])
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->run_count && n < 64; i++) {
        const struct bench_run *r = &s->runs[i];
        if (r->peer == like->peer && !memcmp(&r->shape, &like->shape, sizeof r->shape) && r->state == like->state &&
            !r->failure && (r->others > BENCH_OTHERS_MAX) == disturbed)
            value[n++] = *(const double *)(const void *)((const char *)r + field);
    }
    return n;
}

struct bench_summary bench_suite_figure(const struct bench_suite *s, const struct peer *peer,
                                        const struct peer_shape *shape, enum bench_state state, size_t field)
{
    struct bench_run like = {.peer = peer, .shape = *shape, .state = state};
    double value[64];
    unsigned n = gather(s, &like, field, false, value);
    return bench_summarize(value, n ? n : gather(s, &like, field, true, value));
}

struct bench_summary bench_suite_summary(const struct bench_suite *s, const struct peer *peer,
                                         const struct peer_shape *shape, enum bench_state state)
{
    return bench_suite_figure(s, peer, shape, state, offsetof(struct bench_run, records_per_s));
}
