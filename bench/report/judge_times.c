/* judge_times.c - the verdicts on what is a time: round trips, latencies, wake-ups. */
#include <string.h>

#include "judge.h"
#include "results.h"

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
        verdict_say(v, "%s: %.2f times as long (p50; %.2f to %.2f in %u repeats).", text, s.median, s.min, s.max, n);
}

void judge_trips(struct verdict *v, const json_t *results, const json_t *list)
{
    (void)results;
    struct figure spin =
        figure_where(list, "p50_ns", json_pack("{s:s,s:s,s:s}", "system", "conveyor", "mode", "spin", "state", "near"));
    say_trip_ratio(v, "Who spins first and then sleeps, beside the best ring that only spins", list, "wait",
                   spinning_ring);
    say_trip_ratio(v, "To one who is asleep, beside a raw futex", list, "sleep", sleeping_futex);
    if (!spin.why)
        verdict_say(v, "A record goes to a consumer that looks without rest and back in %.0f ns (p50).", spin.median);
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
        verdict_say(v, "%s of the response time at %s: %s %s, best other (%s) %s.", label,
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

void judge_latency(struct verdict *v, const json_t *results, const json_t *list)
{
    static const char *const keys[] = {"kind", "rate", "state", NULL};
    json_t *response = json_pack("{s:s}", "kind", "response");
    (void)results;
    say_quantiles(v, list, response, keys);
    json_decref(response);
}

void judge_half_load(struct verdict *v, const json_t *results, const json_t *list)
{
    static const char *const keys[] = {"state", NULL};
    (void)results;
    say_quantiles(v, list, NULL, keys);
}

/* Processor time for each record of all systems at one rate, ours first. */
void judge_wake_up(struct verdict *v, const json_t *results, const json_t *list)
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
            verdict_say(v, "Processor time for a record at %.0f a second, both asleep in between:%.200s.",
                        results_number(rate, "rate"), text);
    }
    json_decref(rates);
    json_decref(names);
}
