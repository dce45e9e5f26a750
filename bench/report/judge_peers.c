/* judge_peers.c - the verdict on the comparison with other systems: ahead, behind, and what cannot be told. */
#include <stdlib.h>
#include <string.h>

#include "judge.h"
#include "results.h"

enum { BEHIND_SHOWN = 3, WORKS_MAX = 256 };

/* One work of the comparison and how it ended. */
struct outcome {
    char work[80], their_name[64];
    double ratio;
    int says;
};

static void name_work(char *text, size_t size, const json_t *work)
{
    int n = snprintf(text, size, "%.0fP%.0fC, batch %.0f", results_number(work, "producers"),
                     results_number(work, "consumers"), results_number(work, "batch"));
    if (results_number(work, "payload") != PEER_WORDS * 8 && n > 0)
        n += snprintf(text + n, size - (size_t)n, ", %.0f bytes", results_number(work, "payload"));
    if (strcmp(results_text(work, "state"), "near") != 0)
        snprintf(text + n, size - (size_t)n, ", %s", results_text(work, "state"));
}

static int compare_ratio(const void *x, const void *y)
{
    const struct outcome *a = x, *b = y;
    return (a->ratio > b->ratio) - (a->ratio < b->ratio);
}

/* All works with a figure on both sides, the worst ratio first. */
static unsigned outcomes(const json_t *results, struct outcome *all)
{
    static const char *const keys[] = {"producers", "consumers", "payload", "batch", "capacity", "state", NULL};
    json_t *works = figure_kinds(json_object_get(results, "runs"), NULL, keys), *work;
    unsigned n = 0;
    size_t i;
    json_array_foreach(works, i, work)
    {
        struct duel d = duel_of(results, work, DUEL_ALL);
        if (n == WORKS_MAX || !d.our_name || !d.their_name)
            continue;
        struct outcome *o = &all[n++];
        name_work(o->work, sizeof o->work, work);
        snprintf(o->their_name, sizeof o->their_name, "%s", d.their_name);
        o->ratio = d.ours.median / d.theirs.median;
        o->says = d.says;
    }
    json_decref(works);
    qsort(all, n, sizeof *all, compare_ratio);
    return n;
}

/* The median and the greatest ratio of those where ours is ahead. */
static void say_ahead(struct verdict *v, const struct outcome *all, unsigned n)
{
    double ratio[WORKS_MAX];
    unsigned ahead = 0;
    const struct outcome *most = NULL;
    char median[FIGURE_TEXT], greatest[FIGURE_TEXT];
    for (unsigned i = 0; i < n; i++)
        if (all[i].says > 0) {
            most = &all[i];
            ratio[ahead++] = all[i].ratio;
        }
    if (!most)
        verdict_say(v, "Ahead of the best other system: nowhere for certain, in %u works (processes, payload, batch).",
                    n);
    else
        verdict_say(
            v, "Ahead of the best other system in %u of %u works: %s times in the median, at most %s times %s (%s).",
            ahead, n, figure_ratio(median, bench_summarize(ratio, ahead).median), figure_ratio(greatest, most->ratio),
            most->their_name, most->work);
}

static void say_behind(struct verdict *v, const struct outcome *all, unsigned n)
{
    char text[VERDICT_SIZE] = "";
    unsigned behind = 0;
    size_t at = 0;
    for (unsigned i = 0; i < n; i++)
        if (all[i].says < 0 && ++behind <= BEHIND_SHOWN && at < sizeof text)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s %.2f of %s (%s)", at ? "," : ":", all[i].ratio,
                                   all[i].their_name, all[i].work);
    verdict_say(v, "Behind in %u%.200s%s.", behind, text, behind > BEHIND_SHOWN ? ", and less elsewhere" : "");
}

/* How many could not be told apart, and how many runs do not count for which reason. */
static void say_rest(struct verdict *v, const json_t *results, const struct outcome *all, unsigned n)
{
    const json_t *runs = json_object_get(results, "runs"), *run;
    unsigned apart = 0, disturbed = 0, other = 0;
    char even[48] = "";
    size_t i;
    for (unsigned k = 0; k < n; k++)
        apart += all[k].says != 0;
    json_array_foreach(runs, i, run)
    {
        const char *why = figure_left_out(run);
        disturbed += why && !strcmp(why, "disturbed");
        other += why && strcmp(why, "disturbed") != 0;
    }
    if (n)
        snprintf(even, sizeof even, "Not told apart in %u. ", n - apart);
    verdict_say(v,
                "%sOf %zu runs %u do not count: in %u other programs took more than %.0f %% of the "
                "processors, %u failed or the machine changed.",
                even, json_array_size(runs), disturbed + other, disturbed, BENCH_OTHERS_MAX * 100, other);
}

void judge_runs(struct verdict *v, const json_t *results, const json_t *list)
{
    struct outcome *all = calloc(WORKS_MAX, sizeof *all);
    (void)list;
    if (!all)
        return;
    unsigned n = outcomes(results, all);
    if (n) {
        say_ahead(v, all, n);
        say_behind(v, all, n);
    } else {
        verdict_say(v, "Nothing to compare: no work has a figure both of ours and of another system.");
    }
    say_rest(v, results, all, n);
    free(all);
}
