/* judge_parts.c - the verdicts on the other parts of the suite. */
#include <string.h>

#include "judge.h"
#include "results.h"

/* Ours at one work against the limit; *ratio: to the ring with as many places, 0 if it has no figure. */
static struct figure ours_at(const json_t *list, const json_t *work, double *ratio)
{
    json_t *us = json_pack("{s:s}", "system", "conveyor"), *ring = json_pack("{s:s}", "system", "rte_ring HTS");
    const struct figure ours = figure_where(list, "records_per_s", figure_join(work, us));
    const struct figure theirs = figure_where(list, "records_per_s", figure_join(work, ring));
    *ratio = ours.why || theirs.why ? 0 : ours.median / theirs.median;
    json_decref(us);
    json_decref(ring);
    return ours;
}

/* What the limits of one topology have shown, in growing order. */
struct curve {
    double first, first_rate, last, last_rate; /* limits, and ours there in million records a second */
    double fall, fall_from, fall_to;           /* the deepest from one limit to the next: what is left */
    double least, least_at, most, most_at;     /* to the ring, and at which limits */
};

static void add_limit(struct curve *c, double limit, double rate, double ratio)
{
    if (c->last > 0 && (c->fall <= 0 || rate / c->last_rate < c->fall)) {
        c->fall = rate / c->last_rate;
        c->fall_from = c->last;
        c->fall_to = limit;
    }
    if (c->first <= 0) {
        c->first = limit;
        c->first_rate = rate;
    }
    c->last = limit;
    c->last_rate = rate;
    if (ratio > 0 && (c->least <= 0 || ratio < c->least)) {
        c->least = ratio;
        c->least_at = limit;
    }
    if (ratio > c->most) {
        c->most = ratio;
        c->most_at = limit;
    }
}

static void say_curve(struct verdict *v, double p, const struct curve *c)
{
    char ratios[80] = "", fall[96] = "", rate[2][FIGURE_TEXT];
    if (c->least > 0)
        snprintf(ratios, sizeof ratios, "%.2f (at %.0f) to %.2f times (at %.0f) rte_ring HTS; ", c->least, c->least_at,
                 c->most, c->most_at);
    if (c->fall > 0 && c->fall < 1)
        snprintf(fall, sizeof fall, ", and the deepest fall, from %.0f to %.0f, leaves %.2f", c->fall_from, c->fall_to,
                 c->fall);
    else if (c->fall > 0)
        snprintf(fall, sizeof fall, ", never less with a larger limit");
    verdict_say(v,
                "%.0fP%.0fC, batches of 32: %sfrom %.20s million records a second at a limit of %.0f to %.20s at "
                "%.0f%s.",
                p, p, ratios, figure_number(rate[0], c->first_rate), c->first, figure_number(rate[1], c->last_rate),
                c->last, fall);
}

/* A line for each topology, in batches of 32. */
void judge_limits(struct verdict *v, const json_t *results, const json_t *list)
{
    static const char *const keys[] = {"producers", NULL}, *const limits[] = {"batch", "limit", "producers", NULL};
    json_t *within = json_pack("{s:i}", "batch", 32), *kinds = figure_kinds(list, within, keys), *kind, *one;
    size_t i, k;
    (void)results;
    json_array_foreach(kinds, i, kind)
    {
        json_t *where = figure_join(kind, within), *all = figure_kinds(list, where, limits);
        struct curve c = {.first = 0};
        json_array_foreach(all, k, one)
        {
            double ratio;
            const struct figure ours = ours_at(list, one, &ratio);
            if (!ours.why)
                add_limit(&c, results_number(one, "limit"), ours.median / 1e6, ratio);
        }
        if (c.first > 0)
            say_curve(v, results_number(kind, "producers"), &c);
        json_decref(all);
        json_decref(where);
    }
    json_decref(kinds);
    json_decref(within);
}

/* Ours to a run of another system, both of one repeat and in one state of the machine; 0 if either does not count. */
static double ratio_to(const json_t *list, const json_t *run)
{
    const struct figure ours =
        figure_where(list, "records_per_s",
                     json_pack("{s:s,s:O,s:O,s:O,s:O}", "system", "conveyor", "batch", json_object_get(run, "batch"),
                               "payload", json_object_get(run, "payload"), "repeat", json_object_get(run, "repeat"),
                               "state", json_object_get(run, "state")));
    const double theirs = results_number(run, "records_per_s");
    return ours.why || figure_left_out(run) || theirs <= 0 ? 0 : ours.median / theirs;
}

/* "210 times in batches of 1 (190-230)": the ratios of ours to a system, as median and range. */
static size_t add_ratios(char *text, size_t size, bool first, const json_t *list, const json_t *what)
{
    double ratio[FIGURE_RUNS];
    unsigned n = 0;
    size_t i;
    json_t *run;
    char number[3][FIGURE_TEXT];
    json_array_foreach(list, i, run)
    {
        ratio[n] = figure_matches(run, what) ? ratio_to(list, run) : 0;
        n += ratio[n] > 0 && n + 1 < FIGURE_RUNS;
    }
    const struct bench_summary s = bench_summarize(ratio, n);
    if (!n)
        return 0;
    int length = snprintf(text, size, "%s%.20s times in batches of %.0f (%.20s-%.20s)", first ? "" : ", ",
                          figure_number(number[0], s.median), results_number(what, "batch"),
                          figure_number(number[1], s.min), figure_number(number[2], s.max));
    return (size_t)length < size ? (size_t)length : size - 1;
}

/* A line for each broker. */
void judge_brokers(struct verdict *v, const json_t *results, const json_t *list)
{
    static const char *const systems[] = {"system", NULL}, *const batches[] = {"system", "batch", NULL};
    json_t *names = figure_kinds(list, NULL, systems), *name;
    size_t i;
    (void)results;
    json_array_foreach(names, i, name)
    {
        json_t *works = figure_kinds(list, name, batches), *work;
        char text[VERDICT_SIZE] = "";
        size_t n = 0, k;
        if (!figure_is_ours(results_text(name, "system")))
            json_array_foreach(works, k, work) n += add_ratios(text + n, sizeof text - n, !n, list, work);
        if (n)
            verdict_say(v, "Records a second, conveyor to %.40s: %.230s.", results_text(name, "system"), text);
        json_decref(works);
    }
    json_decref(names);
}

/* How many times the cost of the smallest size the largest has, in batches of one; 0 if either has no figure. */
static double growth_of(const json_t *list, const char *what, double *first, double *last)
{
    static const char *const keys[] = {"size", NULL};
    json_t *within = json_pack("{s:s,s:i}", "what", what, "batch", 1), *sizes = figure_kinds(list, within, keys), *size;
    double low = 0, high = 0;
    size_t i;
    json_array_foreach(sizes, i, size)
    {
        struct figure f = figure_where(list, "ns_per_record", figure_join(within, size));
        if (f.why)
            continue;
        *last = results_number(size, "size");
        high = f.median;
        if (low <= 0) {
            *first = *last;
            low = high;
        }
    }
    json_decref(sizes);
    json_decref(within);
    return low > 0 ? high / low : 0;
}

void judge_cost(struct verdict *v, const json_t *results, const json_t *list)
{
    static const char *const keys[] = {"what", NULL};
    json_t *whats = figure_kinds(list, NULL, keys), *one;
    char text[2][VERDICT_SIZE] = {"", ""};
    size_t i, at[2] = {0, 0};
    (void)results;
    json_array_foreach(whats, i, one)
    {
        const char *what = results_text(one, "what");
        double first = 0, last = 0, growth = growth_of(list, what, &first, &last);
        unsigned k = growth > 2;
        if (growth > 0 && at[k] < VERDICT_SIZE)
            at[k] += (size_t)snprintf(text[k] + at[k], VERDICT_SIZE - at[k], "%s%s, %.0f to %.0f: %.1f times",
                                      at[k] ? "; " : "", what, first, last, growth);
    }
    json_decref(whats);
    if (at[0])
        verdict_say(v, "The cost of a record in batches of 1 grows to at most twice by %.250s.", text[0]);
    if (at[1])
        verdict_say(v, "It grows to more than twice by %.280s.", text[1]);
}

void judge_heal(struct verdict *v, const json_t *results, const json_t *list)
{
    (void)results;
    for (int busy = 1; busy >= 0; busy--) {
        struct figure f = figure_where(list, "ms", json_pack("{s:s}", "mode", busy ? "busy" : "idle"));
        int aim = busy ? 5 : 100;
        if (!f.why)
            verdict_say(v, "%s: %.1f ms in the median of %u, at most %.1f; the aim of %d ms is %s.",
                        busy ? "While others work" : "When the only other consumer is asleep", f.median, f.n, f.most,
                        aim, f.median <= aim ? "met" : "MISSED");
    }
}

/* Only of ours: others are measured beside it for what the machine does. */
void judge_long(struct verdict *v, const json_t *results, const json_t *list)
{
    static const char *const keys[] = {"producers", "consumers", "batch", "system", NULL};
    json_t *kinds = figure_kinds(list, NULL, keys), *kind, *worst = NULL;
    const double aim = 0.7;
    double least = 0;
    unsigned rows = 0, met = 0;
    size_t i;
    (void)results;
    json_array_foreach(kinds, i, kind)
    {
        struct figure rate = figure_of(list, kind, "records_per_s"), part = figure_of(list, kind, "worst_part");
        if (rate.why || !figure_is_ours(results_text(kind, "system")))
            continue;
        met += part.median >= aim;
        if (!rows++ || part.median < least) {
            least = part.median;
            worst = kind;
        }
    }
    if (rows)
        verdict_say(v,
                    "The worst second is %.2f of the median or more: the least at %.0fP%.0fC, batch %.0f. The aim, "
                    "%.1f, is met in %u of %u rows.",
                    least, results_number(worst, "producers"), results_number(worst, "consumers"),
                    results_number(worst, "batch"), aim, met, rows);
    json_decref(kinds);
}

void judge_pipelines(struct verdict *v, const json_t *results, const json_t *list)
{
    static const char *const keys[] = {"mode", "sources", "stages", "workers", "batch", "state", NULL};
    json_t *kinds = figure_kinds(list, NULL, keys), *one;
    double least = 0, most = 0;
    unsigned n = 0;
    size_t i;
    (void)results;
    json_array_foreach(kinds, i, one)
    {
        struct figure f = figure_of(list, one, "records_per_s");
        if (f.why)
            continue;
        least = n && least < f.median ? least : f.median;
        most = most > f.median ? most : f.median;
        n++;
    }
    json_decref(kinds);
    if (n)
        verdict_say(v, "%u %s, %.2f to %.2f million records a second through all stages; counts and sums agree.", n,
                    n > 1 ? "pipelines" : "pipeline", least / 1e6, most / 1e6);
}

void judge_backpressure(struct verdict *v, const json_t *results, const json_t *list)
{
    const json_t *summary = json_array_get(json_object_get(results, "backpressure_summary"), 0);
    double exceeded = results_number(summary, "exceeded");
    (void)list;
    verdict_say(v, "%s: at most %.0f records were seen in a stage of %.0f.",
                exceeded > 0 ? "NOT OK, a limit was exceeded" : "No limit was exceeded",
                results_number(summary, "most_buffered"), results_number(summary, "max_per_stage"));
    verdict_say(
        v, "The sources slept %.2f s because they were told to wait; all processes together used %.2f s of processor.",
        results_number(summary, "stalled_s"), results_number(summary, "cpu_s"));
}

/* Of ours, or of the others, the one with the greatest rate; the C library is neither. */
static struct figure best_in_python(const json_t *list, bool ours, const char **name)
{
    struct figure best = {.why = "not run"};
    size_t i;
    json_t *run;
    json_array_foreach(list, i, run)
    {
        const char *system = results_text(run, "system");
        if (figure_is_ours(system) != ours || !strcmp(system, "the C library"))
            continue;
        struct figure f = figure_where(list, "records_per_s", json_pack("{s:s}", "system", system));
        if (f.why || (!best.why && f.median <= best.median))
            continue;
        best = f;
        *name = system;
    }
    return best;
}

/* ", 31.4 times multiprocessing.Queue"; nothing if that has no figure. */
static size_t add_times(char *text, size_t size, const struct figure *ours, const struct figure *theirs,
                        const char *name)
{
    char ratio[FIGURE_TEXT];
    if (theirs->why || !size)
        return 0;
    int n = snprintf(text, size, ", %s times %s", figure_number(ratio, ours->median / theirs->median), name);
    return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

static void say_aims(struct verdict *v, const struct figure *ours, const struct figure *queue)
{
    const double times = 20, rate = 1e6;
    if (!queue->why)
        verdict_say(v, "The aims: %.0f times multiprocessing.Queue is %s, %.0f million records a second is %s.", times,
                    ours->median / queue->median >= times ? "met" : "MISSED", rate / 1e6,
                    ours->median >= rate ? "met" : "MISSED");
}

void judge_python(struct verdict *v, const json_t *results, const json_t *list)
{
    const char *our_name = NULL, *their_name = NULL;
    struct figure ours = best_in_python(list, true, &our_name), theirs = best_in_python(list, false, &their_name);
    struct figure queue = figure_where(list, "records_per_s", json_pack("{s:s}", "system", "multiprocessing.Queue"));
    struct figure c = figure_where(list, "records_per_s", json_pack("{s:s}", "system", "the C library"));
    char text[VERDICT_SIZE] = "", number[FIGURE_TEXT];
    size_t n = 0;
    (void)results;
    if (!our_name)
        return;
    n += add_times(text + n, sizeof text - n, &ours, &queue, "multiprocessing.Queue");
    if (their_name && strcmp(their_name, "multiprocessing.Queue") != 0)
        n += add_times(text + n, sizeof text - n, &ours, &theirs, their_name);
    add_times(text + n, sizeof text - n, &ours, &c, "the C library");
    verdict_say(v, "%.40s: %s million records a second%.220s.", our_name, figure_number(number, ours.median / 1e6),
                text);
    say_aims(v, &ours, &queue);
    struct figure put = figure_where(list, "put_ns", json_pack("{s:s}", "system", our_name));
    struct figure take = figure_where(list, "take_ns", json_pack("{s:s}", "system", our_name));
    bool producer = put.median > take.median;
    verdict_say(v, "The limit is the %s, which needs %.0f ns of its processor for a record; the other side needs %.0f.",
                producer ? "producer" : "consumer", producer ? put.median : take.median,
                producer ? take.median : put.median);
}

void judge_job(struct verdict *v, const json_t *results, const json_t *list)
{
    static const char *const keys[] = {"batch", NULL};
    json_t *batches = figure_kinds(list, NULL, keys), *one;
    size_t i;
    (void)results;
    json_array_foreach(batches, i, one)
    {
        struct figure f = figure_of(list, one, "library_part"), s = figure_of(list, one, "seconds");
        if (!f.why)
            verdict_say(v,
                        "In batches of %.0f: %.1f %% of the processor time is in calls of the library; %.2f s in all.",
                        results_number(one, "batch"), f.median * 100, s.median);
    }
    json_decref(batches);
}
