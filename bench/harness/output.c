/* output.c - the results as JSON, version 1: what was run where, every run, and the medians. */
#include <jansson.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "bench.h"

/* The first line of a file that starts with key, behind its colon; or its first line if key is NULL. */
static void read_line(const char *path, const char *key, char *value, size_t size)
{
    char line[512];
    snprintf(value, size, "unknown");
    FILE *f = fopen(path, "r");
    if (!f)
        return;
    while (fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (key && (strncmp(line, key, strlen(key)) || !colon))
            continue;
        const char *text = key ? colon + 1 + strspn(colon + 1, " \t") : line;
        snprintf(value, size, "%.*s", (int)strcspn(text, "\n"), text);
        break;
    }
    fclose(f);
}

static json_t *machine(const struct bench_suite *s)
{
    char cpu[256], governor[64], date[32];
    struct utsname u;
    time_t now = time(NULL);
    read_line("/proc/cpuinfo", "model name", cpu, sizeof cpu);
    read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", NULL, governor, sizeof governor);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
    uname(&u);
    json_t *order = json_array();
    for (unsigned i = 0; i < s->cpus.count; i++)
        json_array_append_new(order, json_integer(s->cpus.cpu[i]));
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:i,s:o,s:s}", "date", date, "cpu", cpu, "governor", governor, "kernel",
                     u.release, "architecture", u.machine, "compiler", __VERSION__, "processors", (int)s->cpus.count,
                     "pinned_to", order, "operating_system", u.sysname);
}

static json_t *systems(void)
{
    json_t *all = json_array();
    for (const struct peer *const *p = peers; *p; p++)
        json_array_append_new(
            all, json_pack("{s:s,s:s,s:b}", "name", (*p)->name, "about", (*p)->about, "reference", (*p)->reference));
    return all;
}

static json_t *shape_json(const struct peer *peer, const struct peer_shape *shape, enum bench_state state)
{
    return json_pack("{s:s,s:i,s:i,s:i,s:i,s:s}", "system", peer->name, "producers", (int)shape->producers, "consumers",
                     (int)shape->consumers, "batch", (int)shape->batch, "capacity", (int)shape->capacity, "state",
                     bench_state_name(state));
}

static json_t *all_runs(const struct bench_suite *s)
{
    json_t *all = json_array();
    for (unsigned i = 0; i < s->run_count; i++) {
        const struct bench_run *r = &s->runs[i];
        json_t *run = shape_json(r->peer, &r->shape, r->state);
        json_object_update_new(run, json_pack("{s:i,s:f,s:f,s:I,s:f,s:f,s:s?}", "repeat", (int)r->repeat,
                                              "transfer_before_ns", r->before_ns, "transfer_after_ns", r->after_ns,
                                              "records", (json_int_t)r->records, "records_per_s", r->records_per_s,
                                              "cpu_ns_per_record", r->cpu_s_per_record * 1e9, "failure", r->failure));
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
        json_t *one = shape_json(p, shape, state);
        json_object_update_new(
            one, json_pack("{s:i,s:f,s:f,s:f}", "runs", (int)m.n, "median", m.median, "min", m.min, "max", m.max));
        json_array_append_new(all, one);
    }
}

static json_t *medians(const struct bench_suite *s)
{
    json_t *all = json_array();
    for (unsigned t = 0; t < s->topology_count; t++)
        for (unsigned b = 0; b < s->batch_count; b++) {
            struct peer_shape shape = bench_suite_shape(s, t, b);
            for (const struct peer *const *p = peers; *p; p++)
                add_medians(all, s, *p, &shape);
        }
    return all;
}

int bench_json_write(const char *path, const struct bench_suite *s)
{
    json_t *root =
        json_pack("{s:i,s:s,s:s,s:o,s:{s:i,s:i,s:i,s:i},s:s,s:o,s:o,s:o}", "version", 1, "kind", "peers", "workload",
                  "full record", "machine", machine(s), "settings", "repeats", (int)s->repeats, "warm_ms",
                  (int)s->times.warm_ms, "window_ms", (int)s->times.window_ms, "capacity", (int)s->capacity, "left_out",
                  peers_left_out, "systems", systems(), "medians", medians(s), "runs", all_runs(s));
    if (!root)
        return -1;
    int error = json_dump_file(root, path, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    json_decref(root);
    return error;
}
