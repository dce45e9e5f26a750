/* figures.c - which runs count, and the figures that they give. */
#include "figures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report.h"
#include "results.h"

/* The machine changed while it ran: it belongs to no state, and is missing in each. */
static bool is_mixed(const json_t *run) { return !strcmp(results_text(run, "state"), "mixed"); }

const char *figure_fault(const char *failure, const char *state, double others)
{
    if (failure)
        return strncmp(failure, "got stuck", 9) ? failure : "got stuck";
    if (!strcmp(state, "mixed"))
        return "the machine changed";
    return others > BENCH_OTHERS_MAX ? "disturbed" : NULL;
}

const char *figure_left_out(const json_t *run)
{
    return figure_fault(json_string_value(json_object_get(run, "failure")), results_text(run, "state"),
                        results_number(run, "others"));
}

/* Files from before payloads could be chosen say nothing of them: full records. */
static json_t *member(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    bool full = !value && !strcmp(key, "payload") && json_object_get(object, "producers");
    return full ? json_integer(PEER_WORDS * 8) : json_incref(value);
}

bool figure_matches(const json_t *object, const json_t *what)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)what, key, value)
    {
        json_t *own = member(object, key);
        bool same = json_equal(own, value) || (!strcmp(key, "state") && is_mixed(object));
        json_decref(own);
        if (!same)
            return false;
    }
    return true;
}

json_t *figure_join(const json_t *a, const json_t *b)
{
    json_t *both = json_copy((json_t *)(uintptr_t)a);
    if (b)
        json_object_update(both, (json_t *)(uintptr_t)b);
    return both;
}

static json_t *pick(const json_t *object, const char *const *keys)
{
    json_t *some = json_object();
    for (const char *const *key = keys; *key; key++)
        json_object_set_new(some, *key, member(object, *key));
    return some;
}

static bool is_in(const json_t *all, const json_t *one)
{
    size_t i;
    json_t *other;
    json_array_foreach(all, i, other) if (json_equal(other, one)) return true;
    return false;
}

static bool has_state(const char *const *keys)
{
    while (*keys && strcmp(*keys, "state") != 0)
        keys++;
    return *keys;
}

json_t *figure_kinds(const json_t *list, const json_t *within, const char *const *keys)
{
    json_t *kinds = json_array(), *one;
    size_t i;
    json_array_foreach(list, i, one)
    {
        if ((is_mixed(one) && has_state(keys)) || (within && !figure_matches(one, within)))
            continue;
        json_t *kind = pick(one, keys);
        if (!is_in(kinds, kind))
            json_array_append(kinds, kind);
        json_decref(kind);
    }
    return kinds;
}

/* True if such a number is 0 only because nothing was moved. */
static bool needs_records(const char *key)
{
    return !strcmp(key, "records_per_s") || !strcmp(key, "cpu_ns_per_record");
}

struct figure figure_of(const json_t *list, const json_t *what, const char *key)
{
    struct figure f = {0};
    size_t i;
    json_t *run;
    json_array_foreach(list, i, run)
    {
        if (!figure_matches(run, what))
            continue;
        const char *why = figure_left_out(run);
        if (!why && f.n < FIGURE_RUNS)
            f.value[f.n++] = results_number(run, key);
        f.left_out += why != NULL;
        f.why = why ? why : f.why;
    }
    struct bench_summary s = bench_summarize(f.value, f.n);
    f.median = s.median;
    f.least = s.min;
    f.most = s.max;
    bool still = f.n && f.median <= 0 && needs_records(key);
    f.why = still ? "stood still" : f.n ? NULL : f.why ? f.why : "not run";
    return f;
}

const char *figure_number(char text[FIGURE_TEXT], double value)
{
    int digits = value > 0 ? 2 - (int)floor(log10(value)) : 0;
    snprintf(text, FIGURE_TEXT, "%.*f", digits < 0 ? 0 : digits > 12 ? 12 : digits, value);
    return text;
}

const char *figure_time(char text[FIGURE_TEXT], double ns)
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    char number[FIGURE_TEXT];
    unsigned unit = 0;
    for (; ns >= 1000 && unit < 3; unit++)
        ns /= 1000;
    snprintf(text, FIGURE_TEXT, "%.40s %s", figure_number(number, ns), units[unit]);
    return text;
}

const char *figure_text(char text[FIGURE_TEXT], const struct figure *f, double scale)
{
    char median[FIGURE_TEXT], least[FIGURE_TEXT], most[FIGURE_TEXT];
    if (f->why) {
        snprintf(text, FIGURE_TEXT, "- (%s)", f->why);
        return text;
    }
    int n = snprintf(text, FIGURE_TEXT, "%.20s (%.20s-%.20s) %u", figure_number(median, f->median * scale),
                     figure_number(least, f->least * scale), figure_number(most, f->most * scale), f->n);
    if (f->left_out)
        snprintf(text + n, FIGURE_TEXT - (size_t)n, "/%u", f->n + f->left_out);
    return text;
}

const char *figure_ratio(char text[FIGURE_TEXT], double ratio)
{
    snprintf(text, FIGURE_TEXT, ratio > FIGURE_RATIO_MAX ? "> %.0f" : "%.2f",
             ratio > FIGURE_RATIO_MAX ? FIGURE_RATIO_MAX : ratio);
    return text;
}

bool figure_is_ours(const char *system) { return !strncmp(system, "conveyor", 8); }

bool figure_is_ring(const char *system)
{
    return !strcmp(system, "rte_ring") || !strcmp(system, "rte_ring HTS") || !strcmp(system, "ck_ring MPMC");
}

static bool is_opponent(const json_t *system, enum duel_with with)
{
    const char *name = results_text(system, "name");
    if (with == DUEL_COPY)
        return !strcmp(name, peer_copy.name);
    return !json_is_true(json_object_get(system, "reference")) && (with == DUEL_ALL || figure_is_ring(name));
}

static void keep_better(struct figure *best, const char **name, const struct figure *f, const char *system)
{
    if (f->why || (*name && f->median <= best->median))
        return;
    *best = *f;
    *name = system;
}

struct duel duel_of(const json_t *results, const json_t *work, enum duel_with with)
{
    struct duel d = {.says = 0};
    size_t i;
    json_t *system;
    json_array_foreach(json_object_get(results, "systems"), i, system)
    {
        const char *name = results_text(system, "name");
        if (!figure_is_ours(name) && !is_opponent(system, with))
            continue;
        json_t *what = figure_join(work, NULL);
        json_object_set_new(what, "system", json_string(name));
        struct figure f = figure_of(json_object_get(results, "runs"), what, "records_per_s");
        json_decref(what);
        if (figure_is_ours(name))
            keep_better(&d.ours, &d.our_name, &f, name);
        else
            keep_better(&d.theirs, &d.their_name, &f, name);
    }
    if (d.our_name && d.their_name)
        d.says = rank_says(samples_compare(d.theirs.value, d.theirs.n, d.ours.value, d.ours.n));
    return d;
}
