/* output.c - the runs of a comparison, and their medians, as results. */
#include "../report/results.h"

static json_t *systems(void)
{
    json_t *all = json_array();
    for (const struct peer *const *p = peers; *p; p++)
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

static json_t *all_runs(const struct bench_suite *s)
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

static void add_medians(json_t *all, const struct bench_suite *s, const struct peer *p, const struct peer_shape *shape)
{
    for (enum bench_state state = BENCH_NEAR; state < BENCH_STATES; state++) {
        struct bench_summary m = bench_suite_summary(s, p, shape, state);
        if (!m.n)
            continue;
        json_t *one = shape_json(p, shape, state, s);
        json_object_update_new(
            one, json_pack("{s:i,s:f,s:f,s:f}", "runs", (int)m.n, "median", m.median, "min", m.min, "max", m.max));
        json_array_append_new(all, one);
    }
}

static json_t *medians(const struct bench_suite *s)
{
    json_t *all = json_array();
    for (unsigned g = 0; g < s->group_count; g++)
        for (unsigned b = 0; b < s->group[g].batch_count; b++) {
            struct peer_shape shape = bench_suite_shape(s, &s->group[g], b);
            for (const struct peer *const *p = peers; *p; p++)
                add_medians(all, s, *p, &shape);
        }
    return all;
}

int bench_peers_add(json_t *results, const struct bench_suite *s)
{
    json_t *part =
        json_pack("{s:s,s:{s:i,s:i,s:i,s:i},s:o,s:o,s:o}", "workload", "full record", "settings", "repeats",
                  (int)s->repeats, "warm_ms", (int)s->times.warm_ms, "window_ms", (int)s->times.window_ms, "capacity",
                  (int)s->capacity, "systems", systems(), "medians", medians(s), "runs", all_runs(s));
    return part ? json_object_update_new(results, part) : -1;
}
