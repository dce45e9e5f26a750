/* main.c - explore [--schedules N] [--seconds S] [--seed X] [--scenario NAME] [--histories] [--brief] [--trace] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "work.h"

struct options {
    uint64_t schedules, seed;
    double seconds;
    const char *scenario;
};

static double clock_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void usage(void)
{
    printf("usage: explore [--schedules N] [--seconds S] [--seed X] [--scenario NAME] [--histories] "
           "[--brief] [--trace]\nscenarios:");
    for (int i = 0; i < scenario_count; i++)
        printf(" %s", scenarios[i].name);
    puts("");
    exit(2);
}

static struct options parse(int count, char **argument)
{
    struct options o = {.schedules = UINT64_MAX, .seed = 1, .seconds = 10};
    for (int i = 1; i < count; i++) {
        const char *a = argument[i], *value = i + 1 < count ? argument[i + 1] : NULL;
        if (!strcmp(a, "--histories")) {
            sim.histories_only = true;
            continue;
        }
        if (!strcmp(a, "--brief")) {
            sim.brief = true;
            continue;
        }
        if (!strcmp(a, "--trace") || !strcmp(a, "--again")) {
            sim.trace = true;
            sim.again = !strcmp(a, "--again");
            continue;
        }
        if (!value)
            usage();
        i++;
        if (!strcmp(a, "--schedules")) {
            o.schedules = strtoull(value, NULL, 0);
            o.seconds = 1e9;
        } else if (!strcmp(a, "--seed"))
            o.seed = strtoull(value, NULL, 0);
        else if (!strcmp(a, "--seconds"))
            o.seconds = strtod(value, NULL);
        else if (!strcmp(a, "--scenario"))
            o.scenario = value;
        else
            usage();
    }
    return o;
}

/* Runs schedules of one scenario from the seed on, until either bound; returns how many. */
static uint64_t explore(const struct scenario *given, uint64_t seed, uint64_t schedules, double seconds)
{
    double end = clock_seconds() + seconds;
    struct scenario s = *given;
    bool any = !strcmp(s.name, "any");
    const uint64_t only = schedules == 1 ? seed : UINT64_MAX;
    if (s.directed)
        return directed_explore(only);
    if (s.systematic) {
        work_make(&s);
        return systematic_explore(&s, only);
    }
    for (uint64_t n = 0; n < schedules; n++, seed++) {
        if (n % 64 == 0 && clock_seconds() > end)
            return n;
        if (any && (!n || seed % ANY_BLOCK == 0))
            scenario_draw(&s, seed);
        if (!n || (any && seed % ANY_BLOCK == 0))
            work_make(&s);
        work_schedule(&s, seed);
    }
    return schedules;
}

int main(int count, char **argument)
{
    sim.after_step = world_after_step;
    sim.killed = work_death;
    sim.only_sleepers = work_only_sleepers;
    struct options o = parse(count, argument);
    uint64_t all = 0;
    int chosen = 0;
    for (int i = 0; i < scenario_count; i++)
        chosen += o.scenario ? !strcmp(o.scenario, scenarios[i].name) : !scenarios[i].systematic;
    if (!chosen)
        usage();
    double began = clock_seconds();
    for (int i = 0; i < scenario_count; i++) {
        const struct scenario *s = &scenarios[i];
        if (o.scenario ? strcmp(o.scenario, s->name) : s->systematic)
            continue;
        uint64_t n = explore(s, o.seed, o.schedules, o.seconds / chosen);
        printf("%-9s %9llu schedules from seed %llu\n", s->name, (unsigned long long)n, (unsigned long long)o.seed);
        fflush(stdout);
        all += n;
    }
    double took = clock_seconds() - began;
    printf("%llu schedules, %.1f million steps, %ld kills, %ld stops in %.1f s: %.0f schedules a second, no failure\n",
           (unsigned long long)all, (double)sim.steps_all / 1e6, sim.kills_all, sim.stops_all, took,
           (double)all / took);
    for (int i = 0; i < OPS; i++)
        if (work_done[i])
            printf("%s %ld (%ld with effect)%s", work_names[i], work_done[i], work_useful[i],
                   i + 1 < OPS ? ", " : "\n");
    printf(
        "histories: %ld explained by a sequential order, %ld of them at the first try, %ld not decided, %ld not kept\n"
        "%ld of %ld refusals came while nobody else was at work\n",
        watch.checked - watch.undecided, watch.checked - watch.searched, watch.undecided, watch.unwatched,
        watch.exact_refusals, watch.refusals);
    puts("");
    return 0;
}
