/* verdict.c - where ours is ahead, where it is behind, and by how much, in words. */
#include "verdict.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "results.h"

enum { BEHIND_SHOWN = 3, WORKS_MAX = 256 };

/* The next line; what does not fit is cut. */
__attribute__((format(printf, 2, 3))) static void say(struct verdict *v, const char *format, ...)
{
    va_list arguments;
    if (v->count == VERDICT_LINES)
        return;
    va_start(arguments, format);
    vsnprintf(v->line[v->count++], VERDICT_SIZE, format, arguments);
    va_end(arguments);
}

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
        say(v, "Ahead of the best other system: nowhere for certain, in %u works (processes, payload, batch).", n);
    else
        say(v, "Ahead of the best other system in %u of %u works: %s times in the median, at most %s times %s (%s).",
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
    say(v, "Behind in %u%.200s%s.", behind, text, behind > BEHIND_SHOWN ? ", and less elsewhere" : "");
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
    say(v,
        "%sOf %zu runs %u do not count: in %u other programs took more than %.0f %% of the "
        "processors, %u failed or the machine changed.",
        even, json_array_size(runs), disturbed + other, disturbed, BENCH_OTHERS_MAX * 100, other);
}

static void judge_runs(struct verdict *v, const json_t *results, const json_t *list)
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
        say(v, "Nothing to compare: no work has a figure both of ours and of another system.");
    }
    say_rest(v, results, all, n);
    free(all);
}

static struct figure figure_where(const json_t *list, const char *key, json_t *what)
{
    struct figure f = figure_of(list, what, key);
    json_decref(what);
    return f;
}

static double p50_of(const json_t *list, const char *system, const char *mode, double repeat)
{
    struct figure f =
        figure_where(list, "p50_ns", json_pack("{s:s,s:s,s:i}", "system", system, "mode", mode, "repeat", (int)repeat));
    return f.why ? 0 : f.median;
}

/* The p50 of the fastest ring that spins in one repeat; 0 if there is none. */
static double spinning_ring(const json_t *list, double repeat)
{
    static const char *const systems[] = {"system", NULL};
    json_t *all = figure_kinds(list, NULL, systems), *one;
    double best = 0;
    size_t i;
    json_array_foreach(all, i, one)
    {
        const char *name = results_text(one, "system");
        double p50 = figure_is_ring(name) ? p50_of(list, name, "spin", repeat) : 0;
        best = p50 > 0 && (best <= 0 || p50 < best) ? p50 : best;
    }
    json_decref(all);
    return best;
}

static double sleeping_futex(const json_t *list, double repeat) { return p50_of(list, "raw futex", "sleep", repeat); }

/* Ours to another, both measured one soon after the other, over the repeats. */
static void say_trip_ratio(struct verdict *v, const char *text, const json_t *list, const char *mode,
                           double (*other)(const json_t *list, double repeat))
{
    static const char *const keys[] = {"repeat", NULL};
    json_t *repeats = figure_kinds(list, NULL, keys), *one;
    double ratio[FIGURE_RUNS];
    unsigned n = 0;
    size_t i;
    json_array_foreach(repeats, i, one)
    {
        double repeat = results_number(one, "repeat"), ours = p50_of(list, "conveyor wait", mode, repeat);
        double theirs = ours > 0 ? other(list, repeat) : 0;
        if (theirs > 0 && n < FIGURE_RUNS)
            ratio[n++] = ours / theirs;
    }
    json_decref(repeats);
    struct bench_summary s = bench_summarize(ratio, n);
    if (n)
        say(v, "%s: %.2f times as long (p50; %.2f to %.2f in %u repeats).", text, s.median, s.min, s.max, n);
}

static void judge_trips(struct verdict *v, const json_t *results, const json_t *list)
{
    (void)results;
    struct figure spin =
        figure_where(list, "p50_ns", json_pack("{s:s,s:s,s:s}", "system", "conveyor", "mode", "spin", "state", "near"));
    say_trip_ratio(v, "Who spins first and then sleeps, beside the best ring that only spins", list, "wait",
                   spinning_ring);
    say_trip_ratio(v, "To one who is asleep, beside a raw futex", list, "sleep", sleeping_futex);
    if (!spin.why)
        say(v, "A record goes to a consumer that looks without rest and back in %.0f ns (p50).", spin.median);
}

/* The p99 response time of ours and of the best other system at one rate. */
static void say_latency(struct verdict *v, const json_t *list, const json_t *kind, const char *key, const char *label)
{
    static const char *const systems[] = {"system", NULL};
    json_t *all = figure_kinds(list, kind, systems), *one;
    double ours = 0, theirs = 0;
    char our_name[64] = "", their_name[64] = "", text[2][FIGURE_TEXT], rate[48];
    size_t i;
    json_array_foreach(all, i, one)
    {
        json_t *what = figure_join(kind, one);
        struct figure f = figure_of(list, what, key);
        const char *name = results_text(one, "system");
        bool mine = figure_is_ours(name);
        double *best = mine ? &ours : &theirs;
        json_decref(what);
        if (f.why || (*best > 0 && f.median >= *best) || !strcmp(name, peer_copy.name))
            continue;
        *best = f.median;
        snprintf(mine ? our_name : their_name, sizeof our_name, "%s", name);
    }
    snprintf(rate, sizeof rate, "%.0f records a second", results_number(kind, "rate"));
    if (ours > 0 && theirs > 0)
        say(v, "%s of the response time at %s: %s %s, best other (%s) %s.", label,
            json_object_get(kind, "rate") ? rate : "half of each system's greatest rate", our_name,
            figure_time(text[0], ours), their_name, figure_time(text[1], theirs));
    json_decref(all);
}

static void say_quantiles(struct verdict *v, const json_t *list, const json_t *within, const char *const *keys)
{
    json_t *kinds = figure_kinds(list, within, keys), *one;
    size_t i;
    json_array_foreach(kinds, i, one)
    {
        say_latency(v, list, one, "p50_ns", "p50");
        say_latency(v, list, one, "p99_ns", "p99");
        say_latency(v, list, one, "p99_9_ns", "p99.9");
    }
    json_decref(kinds);
}

static void judge_latency(struct verdict *v, const json_t *results, const json_t *list)
{
    static const char *const keys[] = {"kind", "rate", "state", NULL};
    json_t *response = json_pack("{s:s}", "kind", "response");
    (void)results;
    say_quantiles(v, list, response, keys);
    json_decref(response);
}

static void judge_half_load(struct verdict *v, const json_t *results, const json_t *list)
{
    static const char *const keys[] = {"state", NULL};
    (void)results;
    say_quantiles(v, list, NULL, keys);
}

/* " LIMIT: RATE (RATIO)" of ours at one limit, in million records a second, and its ratio to the ring. */
static size_t add_limit(char *text, size_t size, const json_t *list, const json_t *work)
{
    char number[FIGURE_TEXT];
    json_t *us = json_pack("{s:s}", "system", "conveyor"), *ring = json_pack("{s:s}", "system", "rte_ring HTS");
    const struct figure ours = figure_where(list, "records_per_s", figure_join(work, us));
    const struct figure theirs = figure_where(list, "records_per_s", figure_join(work, ring));
    json_decref(us);
    json_decref(ring);
    if (ours.why)
        return 0;
    int n = snprintf(text, size, " %.0f: %s", results_number(work, "limit"), figure_number(number, ours.median / 1e6));
    if (!theirs.why && (size_t)n < size)
        n += snprintf(text + n, size - (size_t)n, " (%.2f)", ours.median / theirs.median);
    return (size_t)n < size ? (size_t)n : size;
}

/* A line for each topology, in batches of 32. */
static void judge_limits(struct verdict *v, const json_t *results, const json_t *list)
{
    static const char *const keys[] = {"producers", NULL}, *const limits[] = {"batch", "limit", "producers", NULL};
    json_t *within = json_pack("{s:i}", "batch", 32), *kinds = figure_kinds(list, within, keys), *kind, *one;
    size_t i, k;
    (void)results;
    json_array_foreach(kinds, i, kind)
    {
        const double p = results_number(kind, "producers");
        json_t *where = figure_join(kind, within), *all = figure_kinds(list, where, limits);
        char text[VERDICT_SIZE] = "";
        size_t n = 0;
        json_array_foreach(all, k, one) n += add_limit(text + n, sizeof text - n, list, one);
        if (n)
            say(v, "%.0fP%.0fC by limit, million records a second (to rte_ring HTS):%.230s.", p, p, text);
        json_decref(all);
        json_decref(where);
    }
    json_decref(kinds);
    json_decref(within);
}

/* Processor time for each record of all systems at one rate, ours first. */
static void judge_wake_up(struct verdict *v, const json_t *results, const json_t *list)
{
    static const char *const keys[] = {"rate", NULL}, *const systems[] = {"system", NULL};
    json_t *rates = figure_kinds(list, NULL, keys), *names = figure_kinds(list, NULL, systems), *rate, *name;
    size_t i, k;
    (void)results;
    json_array_foreach(rates, i, rate)
    {
        char text[VERDICT_SIZE] = "", time[FIGURE_TEXT];
        size_t n = 0;
        json_array_foreach(names, k, name)
        {
            struct figure f = figure_where(list, "cpu_ns_per_record", figure_join(rate, name));
            if (!f.why && n < sizeof text)
                n += (size_t)snprintf(text + n, sizeof text - n, "%s %s %s", n ? "," : "", results_text(name, "system"),
                                      figure_time(time, f.median));
        }
        if (n)
            say(v, "Processor time for a record at %.0f a second, both asleep in between:%.200s.",
                results_number(rate, "rate"), text);
    }
    json_decref(rates);
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

static void judge_cost(struct verdict *v, const json_t *results, const json_t *list)
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
            at[k] += (size_t)snprintf(text[k] + at[k], VERDICT_SIZE - at[k], "%s%s %.0f to %.0f (%.1f times)",
                                      at[k] ? ", " : "", what, first, last, growth);
    }
    json_decref(whats);
    if (at[0])
        say(v, "In batches of 1 a record costs at most twice as much from %.280s.", text[0]);
    if (at[1])
        say(v, "It costs more than twice as much from %.280s.", text[1]);
}

static void judge_heal(struct verdict *v, const json_t *results, const json_t *list)
{
    (void)results;
    for (int busy = 1; busy >= 0; busy--) {
        struct figure f = figure_where(list, "ms", json_pack("{s:s}", "mode", busy ? "busy" : "idle"));
        int aim = busy ? 5 : 100;
        if (!f.why)
            say(v, "Others %s: %.1f ms in the median of %u, at most %.1f; the aim of %d ms is %s.",
                busy ? "busy" : "idle", f.median, f.n, f.most, aim, f.median <= aim ? "met" : "MISSED");
    }
}

static void judge_pipelines(struct verdict *v, const json_t *results, const json_t *list)
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
        say(v, "%u pipelines, from %.2f to %.2f million records a second through all stages; counts and sums agree.", n,
            least / 1e6, most / 1e6);
}

static void judge_backpressure(struct verdict *v, const json_t *results, const json_t *list)
{
    const json_t *summary = json_array_get(json_object_get(results, "backpressure_summary"), 0);
    double exceeded = results_number(summary, "exceeded");
    (void)list;
    say(v, "%s: at most %.0f records were seen in a stage of %.0f.",
        exceeded > 0 ? "NOT OK, a limit was exceeded" : "No limit was exceeded",
        results_number(summary, "most_buffered"), results_number(summary, "max_per_stage"));
    say(v, "The sources slept %.2f s because they were told to wait; all processes together used %.2f s of processor.",
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
        say(v, "The aims: %.0f times multiprocessing.Queue is %s, %.0f million records a second is %s.", times,
            ours->median / queue->median >= times ? "met" : "MISSED", rate / 1e6,
            ours->median >= rate ? "met" : "MISSED");
}

static void judge_python(struct verdict *v, const json_t *results, const json_t *list)
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
    say(v, "%.40s: %s million records a second%.220s.", our_name, figure_number(number, ours.median / 1e6), text);
    say_aims(v, &ours, &queue);
    struct figure put = figure_where(list, "put_ns", json_pack("{s:s}", "system", our_name));
    struct figure take = figure_where(list, "take_ns", json_pack("{s:s}", "system", our_name));
    bool producer = put.median > take.median;
    say(v, "The limit is the %s, which needs %.0f ns of its processor for a record; the other side needs %.0f.",
        producer ? "producer" : "consumer", producer ? put.median : take.median, producer ? take.median : put.median);
}

static void judge_job(struct verdict *v, const json_t *results, const json_t *list)
{
    static const char *const keys[] = {"batch", NULL};
    json_t *batches = figure_kinds(list, NULL, keys), *one;
    size_t i;
    (void)results;
    json_array_foreach(batches, i, one)
    {
        struct figure f = figure_of(list, one, "library_part"), s = figure_of(list, one, "seconds");
        if (!f.why)
            say(v, "In batches of %.0f: %.1f %% of the processor time is in calls of the library; %.2f s in all.",
                results_number(one, "batch"), f.median * 100, s.median);
    }
    json_decref(batches);
}

/* The reason of the first run that does not count. */
static const char *why_none(const json_t *list)
{
    size_t i;
    json_t *run;
    json_array_foreach(list, i, run) if (figure_left_out(run)) return figure_left_out(run);
    return "too few to compare";
}

struct verdict verdict_of(const json_t *results, const char *name)
{
    static const struct {
        const char *list;
        void (*judge)(struct verdict *v, const json_t *results, const json_t *list);
    } judges[] = {{"runs", judge_runs},
                  {"pipeline", judge_pipelines},
                  {"round_trip", judge_trips},
                  {"latency", judge_latency},
                  {"half_load", judge_half_load},
                  {"limits", judge_limits},
                  {"wake_up", judge_wake_up},
                  {"cost", judge_cost},
                  {"heal", judge_heal},
                  {"backpressure", judge_backpressure},
                  {"job", judge_job},
                  {"python", judge_python}};
    struct verdict v = {.count = 0};
    const json_t *list = json_object_get(results, name);
    for (size_t i = 0; i < sizeof judges / sizeof *judges && json_array_size(list); i++)
        if (!strcmp(judges[i].list, name))
            judges[i].judge(&v, results, list);
    if (!v.count && json_array_size(list))
        say(&v, "Nothing can be said: no run counts (%s).", why_none(list));
    return v;
}

void verdict_print(FILE *out, const json_t *results, const char *list)
{
    struct verdict v = verdict_of(results, list);
    for (unsigned i = 0; i < v.count; i++)
        fprintf(out, "  %s\n", v.line[i]);
}
