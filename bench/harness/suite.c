/* suite.c - all runs of a comparison. The systems take turns, A B C A B C, and so do the rows, so that a change of the
 * machine meets all of them alike; a run that does not count is done again, but not in the first round. When the time
 * is over, what is missing are repeats, not rows. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../report/figures.h"
#include "crew.h"

#define ALL_PART 0.8 /* of the time is for all systems, if ours gets more runs afterwards */

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

static void complain(const struct bench_suite *s, const struct bench_run *run)
{
    fprintf(stderr, "%s%s: %s at %uP%uC, batch %u, %u bytes: %s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "", s->name,
            run->peer->name, run->shape.producers, run->shape.consumers, run->shape.batch, run->shape.words * 8,
            run->failure);
}

static const char *fault_of(const struct bench_run *run)
{
    return figure_fault(run->failure, bench_state_name(run->state), run->others);
}

static void run_one(struct bench_suite *s, const struct peer *peer, const struct peer_shape *shape, unsigned repeat,
                    double deadline)
{
    struct bench_run *run = &s->runs[s->run_count];
    for (unsigned again = 0; again <= s->again; again++) {
        *run = (struct bench_run){.peer = peer, .shape = *shape, .repeat = repeat};
        bench_run_once(run, &s->cpus, &s->times);
        /* On a busy machine more rows are worth more than the same ones again. */
        bool enough = s->repeated >= s->planned / 4 || (!repeat && s->seconds > 0);
        if (run->failure || !fault_of(run) || enough || bench_now_s() > deadline)
            break;
        s->repeated++;
    }
    s->run_count++;
    if (run->failure) {
        s->stuck += run->stuck;
        s->unfit += run->unfit;
        s->failures += !(run->stuck || run->unfit) || peer_is_ours(peer);
        complain(s, run);
    }
}

static unsigned rounds_of(const struct bench_suite *s, const struct peer_shape *shape)
{
    unsigned n = 0;
    for (const struct peer *const *p = s->peers; *p; p++)
        n += fits(s, *p, shape);
    return n;
}

static void show(const struct bench_suite *s, const struct peer_shape *shape, double start)
{
    double each = s->run_count ? (bench_now_s() - start) / s->run_count : (s->times.warm_ms + s->times.window_ms) / 1e3;
    double left = each * (s->planned - s->run_count), most = s->seconds - (bench_now_s() - start);
    bool terminal = isatty(STDERR_FILENO);
    fprintf(stderr, "%s%s: run %u of %u, %uP%uC, batch %u, %u bytes; about %.0f s left%s", terminal ? "\r" : "",
            s->name, s->run_count + 1, s->planned, shape->producers, shape->consumers, shape->batch, shape->words * 8,
            s->seconds > 0 && left > most ? most : left, terminal ? "\033[K" : "\n");
}

static void run_row(struct bench_suite *s, const struct peer_shape *shape, unsigned repeat, double deadline)
{
    for (const struct peer *const *p = s->peers; *p; p++) {
        if (!fits(s, *p, shape) || was_stuck(s, *p, shape))
            continue;
        if (bench_now_s() < deadline)
            run_one(s, *p, shape, repeat, deadline);
        else
            s->dropped++;
    }
}

/* Runs that count of a system at a work. */
static unsigned counted(const struct bench_suite *s, const struct peer *peer, const struct peer_shape *shape)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->run_count; i++) {
        const struct bench_run *r = &s->runs[i];
        n += r->peer == peer && !memcmp(&r->shape, shape, sizeof *shape) && !fault_of(r);
    }
    return n;
}

/* One more run of ours in each row that has too few; false once none has. */
static bool add_ours(struct bench_suite *s, unsigned repeat, double deadline)
{
    bool any = false;
    for (unsigned g = 0; g < s->group_count; g++)
        for (unsigned b = 0; b < s->group[g].batch_count; b++) {
            struct peer_shape shape = bench_suite_shape(s, &s->group[g], b);
            for (const struct peer *const *p = s->peers; *p; p++) {
                bool few = peer_is_ours(*p) && fits(s, *p, &shape) && counted(s, *p, &shape) < s->least;
                if (!few || s->run_count == s->room || bench_now_s() >= deadline)
                    continue;
                run_one(s, *p, &shape, repeat, deadline);
                any = true;
            }
        }
    return any;
}

static void run_all(struct bench_suite *s)
{
    double start = bench_now_s(), deadline = s->seconds > 0 ? start + s->seconds * (s->least ? ALL_PART : 1) : 1e300;
    for (unsigned repeat = 0; repeat < s->repeats; repeat++)
        for (unsigned g = 0; g < s->group_count; g++)
            for (unsigned b = 0; b < s->group[g].batch_count; b++) {
                struct peer_shape shape = bench_suite_shape(s, &s->group[g], b);
                if ((!b || isatty(STDERR_FILENO)) && bench_now_s() < deadline)
                    show(s, &shape, start);
                run_row(s, &shape, repeat, deadline);
            }
    for (unsigned repeat = s->repeats; add_ours(s, repeat, s->seconds > 0 ? start + s->seconds : 1e300); repeat++)
        ;
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
    s->room = 2 * s->planned;
    s->runs = calloc(s->room, sizeof *s->runs);
    if (!s->runs)
        return -1;
    run_all(s);
    return 0;
}
