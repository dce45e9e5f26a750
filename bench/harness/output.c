/* output.c - the runs of a comparison, and their medians, as results. */
#include "../report/figures.h"
#include "../report/results.h"

static json_t *systems(const struct bench_suite *s)
{
    json_t *all = json_array();
    for (const struct peer *const *p = s->peers; *p; p++)
        json_array_append_new(
            all, json_pack("{s:s,s:s,s:b}", "name", (*p)->name, "about", (*p)->about, "reference", (*p)->reference));
    return all;
}

static json_t *shape_json(const struct peer *peer, const struct peer_shape *shape, enum bench_state state,
                          const struct bench_suite *s)
{
    return json_pack("{s:s,s:i,s:i,s:i,s:i,s:i,s:s,s:b}", "system", peer->name, "producers", (int)shape->producers,
                     "consumers", (int)shape->consumers, "batch", (int)shape->batch, "capacity", (int)shape->capacity,
                     "payload", (int)shape->words * 8, "state", bench_state_name(state), "oversubscribed",
                     (int)(shape->producers + shape->consumers > s->cpus.count));
}

json_t *bench_runs_json(const struct bench_suite *s)
{
    json_t *all = json_array();
    for (unsigned i = 0; i < s->run_count; i++) {
        const struct bench_run *r = &s->runs[i];
        json_t *run = shape_json(r->peer, &r->shape, r->state, s);
        json_object_update_new(run, json_pack("{s:i,s:f,s:f,s:I,s:f,s:f,s:f,s:f,s:f,s:s?}", "repeat", (int)r->repeat,
                                              "transfer_before_ns", r->before_ns, "transfer_after_ns", r->after_ns,
                                              "records", (json_int_t)r->records, "records_per_s", r->records_per_s,
                                              "cpu_ns_per_record", r->cpu_s_per_record * 1e9, "sleeps_per_record",
                                              r->sleeps_per_record, "fairness", r->fairness, "others", r->others,
                                              "failure", r->failure));
        json_array_append_new(all, run);
    }
    return all;
}

/* What the runs say, for readers of the file who do not want to go through the runs. */
static json_t *medians(const json_t *runs)
{
    static const char *const keys[] = {"system",  "producers", "consumers",      "batch", "capacity",
                                       "payload", "state",     "oversubscribed", NULL};
    json_t *all = figure_kinds(runs, NULL, keys), *one;
    size_t i;
    json_array_foreach(all, i, one)
    {
        struct figure f = figure_of(runs, one, "records_per_s");
        json_object_update_new(one,
                               json_pack("{s:i,s:i,s:f,s:f,s:f,s:s?}", "runs", (int)f.n, "left_out", (int)f.left_out,
                                         "median", f.median, "min", f.least, "max", f.most, "why", f.why));
    }
    return all;
}

int bench_peers_add(json_t *results, const struct bench_suite *s)
{
    json_t *runs = bench_runs_json(s);
    json_t *part =
        json_pack("{s:s,s:{s:i,s:i,s:i,s:i,s:i,s:i,s:i},s:o,s:o,s:o}", "workload", "full record", "settings", "repeats",
                  (int)s->repeats, "warm_ms", (int)s->times.warm_ms, "window_ms", (int)s->times.window_ms, "capacity",
                  (int)s->capacity, "planned", (int)s->planned, "repeated", (int)s->repeated, "dropped",
                  (int)s->dropped, "systems", systems(s), "medians", medians(runs), "runs", runs);
    return part ? json_object_update_new(results, part) : -1;
}
