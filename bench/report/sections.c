/* sections.c - the parts of the page, each with its charts and the tables of their figures. */
#include "sections.h"

#include <math.h>
#include <string.h>

#include "figures.h"
#include "panel.h"
#include "results.h"

static const char *const by_system[] = {"system", NULL};

enum { COSTS = 3 };

/* The first so many, in the largest batches. */
static void add_costs(struct panel *p, unsigned count)
{
    static const struct {
        const char *key, *label;
    } costs[COSTS] = {{"cpu_ns_per_record", "cpu ns"}, {"sleeps_per_record", "sleeps"}, {"fairness", "fair"}};
    unsigned last = p->columns - 1;
    for (size_t i = 0; i < count && p->columns; i++) {
        char label[64];
        snprintf(label, sizeof label, "%s, %.50s", costs[i].label, p->column[last].label);
        panel_add_column(p, label, NAN, json_copy(p->column[last].match), costs[i].key, 1);
    }
}

/* Records a second of each system against one member of the runs; takes `within`. */
static struct panel *panel_of_rates(const json_t *runs, json_t *within, const char *member)
{
    struct panel *p = panel_new(runs, within, by_system);
    p->x.log = p->y.log = true;
    p->y.label = "million records a second";
    panel_add_columns(p, member, "records_per_s", 1e-6);
    return p;
}

/* A panel for each kind of the results, which differ in `keys`, among those that `where` (or NULL) matches. */
static void each_kind(const json_t *list, const json_t *where, const char *const *keys,
                      void (*write_one)(const json_t *list, json_t *kind, FILE *out), FILE *out)
{
    json_t *kinds = figure_kinds(list, where, keys), *one;
    size_t i;
    json_array_foreach(kinds, i, one) write_one(list, one, out);
    json_decref(kinds);
}

static void by_batch(const json_t *runs, json_t *where, FILE *out)
{
    struct panel *p = panel_of_rates(runs, json_copy(where), "batch");
    snprintf(p->caption, sizeof p->caption, "%.0fP%.0fC, %.0f bytes of payload, %s: million records a second",
             results_number(where, "producers"), results_number(where, "consumers"), results_number(where, "payload"),
             results_text(where, "state"));
    add_costs(p, COSTS);
    panel_end(p, out);
}

/* Records a second against the number of processes, n producers and n consumers. */
static void by_processes(const json_t *even, json_t *one, FILE *out)
{
    double batch = results_number(one, "batch");
    if ((batch != 1 && batch != 32) || results_number(one, "payload") != PEER_WORDS * 8)
        return;
    struct panel *p = panel_of_rates(even, json_copy(one), "producers");
    snprintf(p->caption, sizeof p->caption, "Full records in batches of %.0f, %s: million records a second", batch,
             results_text(one, "state"));
    p->x.label = "producers, and as many consumers";
    panel_end(p, out);
}

static void write_peers(const json_t *results, const json_t *runs, FILE *out)
{
    static const char *const keys[] = {"producers", "consumers", "payload", "state", NULL};
    static const char *const keys_of_even[] = {"payload", "batch", "state", NULL};
    json_t *even = json_array(), *one;
    size_t i;
    (void)results;
    each_kind(runs, NULL, keys, by_batch, out);
    json_array_foreach(runs, i, one) if (results_number(one, "producers") == results_number(one, "consumers"))
        json_array_append(even, one);
    each_kind(even, NULL, keys_of_even, by_processes, out);
    json_decref(even);
}

static void trips_of_mode(const json_t *list, json_t *one, FILE *out)
{
    const char *mode = results_text(one, "mode");
    struct panel *p = panel_new(list, json_copy(one), by_system);
    snprintf(p->caption, sizeof p->caption, "Round trip, %s, %s",
             !strcmp(mode, "spin")   ? "both look without rest"
             : !strcmp(mode, "wait") ? "both spin, then sleep"
                                     : "the other was asleep",
             results_text(one, "state"));
    panel_add_quantiles(p);
    panel_end(p, out);
}

static void write_trips(const json_t *results, const json_t *list, FILE *out)
{
    static const char *const keys[] = {"mode", "state", NULL};
    (void)results;
    each_kind(list, NULL, keys, trips_of_mode, out);
}

static void latency_at_rate(const json_t *list, json_t *one, FILE *out)
{
    struct panel *p = panel_new(list, json_copy(one), by_system);
    snprintf(p->caption, sizeof p->caption, "%s time at %.0f records a second, %s", results_text(one, "kind"),
             results_number(one, "rate"), results_text(one, "state"));
    p->caption[0] = p->caption[0] == 'r' ? 'R' : p->caption[0] == 's' ? 'S' : p->caption[0];
    panel_add_quantiles(p);
    panel_end(p, out);
}

static void write_latency(const json_t *results, const json_t *list, FILE *out)
{
    static const char *const keys[] = {"kind", "rate", "state", NULL};
    (void)results;
    each_kind(list, NULL, keys, latency_at_rate, out);
}

static void latency_at_half(const json_t *list, json_t *one, FILE *out)
{
    struct panel *p = panel_new(list, json_copy(one), by_system);
    snprintf(p->caption, sizeof p->caption, "Response time at half of each system's greatest rate, %s",
             results_text(one, "state"));
    panel_add_quantiles(p);
    panel_add_column(p, "greatest, a second", NAN, json_object(), "greatest_per_s", 1);
    p->column[p->columns - 1].count = true;
    panel_end(p, out);
}

static void write_half_load(const json_t *results, const json_t *list, FILE *out)
{
    static const char *const keys[] = {"state", NULL};
    (void)results;
    each_kind(list, NULL, keys, latency_at_half, out);
}

enum { LIMITS_BATCH = 32, LIMITS_LIMIT = 1000 }; /* these batches have all limits, and this limit other batches */

/* The rates of one topology where `key` is `value`. A fall is to be seen as large as it is. */
static struct panel *panel_of_limits(const json_t *list, json_t *one, const char *key, int value, const char *along)
{
    json_t *whole = json_pack("{s:i}", key, value);
    struct panel *p = panel_of_rates(list, figure_join(one, whole), along);
    json_decref(whole);
    p->y.log = false;
    return p;
}

static void rates_by_limit(const json_t *list, json_t *one, FILE *out)
{
    const double n = results_number(one, "producers");
    struct panel *p = panel_of_limits(list, one, "batch", LIMITS_BATCH, "limit");
    snprintf(p->caption, sizeof p->caption, "%.0fP%.0fC in batches of %d, %s: million records a second", n, n,
             (int)LIMITS_BATCH, results_text(one, "state"));
    p->x.label = "records that may be on their way in all";
    panel_end(p, out);
}

static void rates_at_one_limit(const json_t *list, json_t *one, FILE *out)
{
    const double n = results_number(one, "producers");
    struct panel *p = panel_of_limits(list, one, "limit", LIMITS_LIMIT, "batch");
    snprintf(p->caption, sizeof p->caption, "%.0fP%.0fC, at most %d on their way, %s: million records a second", n, n,
             (int)LIMITS_LIMIT, results_text(one, "state"));
    panel_end(p, out);
}

static void write_limits(const json_t *results, const json_t *list, FILE *out)
{
    static const char *const keys[] = {"producers", "state", NULL};
    json_t *whole = json_pack("{s:i}", "batch", LIMITS_BATCH);
    json_t *small = json_pack("{s:i,s:i}", "batch", 1, "limit", LIMITS_LIMIT);
    (void)results;
    each_kind(list, whole, keys, rates_by_limit, out);
    each_kind(list, small, keys, rates_at_one_limit, out);
    json_decref(whole);
    json_decref(small);
}

static void brokers_by_batch(const json_t *list, json_t *one, FILE *out)
{
    struct panel *p = panel_of_rates(list, json_copy(one), "batch");
    snprintf(p->caption, sizeof p->caption, "Leased and acknowledged, %.0f bytes, %s: million records a second",
             results_number(one, "payload"), results_text(one, "state"));
    add_costs(p, 1);
    panel_end(p, out);
}

static void write_brokers(const json_t *results, const json_t *list, FILE *out)
{
    static const char *const keys[] = {"payload", "state", NULL};
    (void)results;
    each_kind(list, NULL, keys, brokers_by_batch, out);
}

static void write_wake_up(const json_t *results, const json_t *list, FILE *out)
{
    struct panel *p = panel_new(list, json_object(), by_system);
    (void)results;
    snprintf(p->caption, sizeof p->caption, "Processor time for a record to a process that sleeps: microseconds");
    p->y.label = "microseconds";
    panel_add_columns(p, "rate", "cpu_ns_per_record", 1e-3);
    panel_end(p, out);
}

static void end_figure(struct plot *plot, const char *caption, FILE *out)
{
    if (plot_is_possible()) {
        fprintf(out, "<figure><figcaption>%s</figcaption>\n", caption);
        plot_end(plot, out);
        fputs("</figure>\n", out);
    } else {
        plot_end(plot, out);
    }
}

/* Samples over time, of which there are too many for a table: the CSV has them. */
static void write_backpressure(const json_t *results, const json_t *list, FILE *out)
{
    const json_t *summary = json_array_get(json_object_get(results, "backpressure_summary"), 0);
    const struct plot_axis time = {"milliseconds", NULL, false};
    struct plot *fill = plot_new(time, (struct plot_axis){"records", NULL, false});
    struct plot *rate = plot_new(time, (struct plot_axis){"records a second", NULL, false});
    struct plot *told = plot_new(time, (struct plot_axis){"signal", "'none' 0, 'slow' 1, 'pause' 2", false});
    double limit = results_number(summary, "max_per_stage");
    size_t i;
    json_t *one, *last = NULL;
    json_array_foreach(list, i, one)
    {
        double t = results_number(one, "t_ms"), seconds = last ? (t - results_number(last, "t_ms")) / 1e3 : 0;
        double level = results_number(one, "level"), buffered = results_number(one, "buffered");
        plot_add(fill, "records in the stage", t, buffered, buffered, buffered);
        plot_add(fill, "limit of the stage", t, limit, limit, limit);
        plot_add(told, "signal", t, level, level, level);
        if (seconds > 0) {
            double put = (results_number(one, "put") - results_number(last, "put")) / seconds;
            double taken = (results_number(one, "taken") - results_number(last, "taken")) / seconds;
            plot_add(rate, "put", t, put, put, put);
            plot_add(rate, "taken", t, taken, taken, taken);
        }
        last = one;
    }
    end_figure(fill, "Fast sources, one slow consumer: records in the stage", out);
    end_figure(rate, "Records put and taken a second", out);
    end_figure(told, "What the sources are told", out);
}

static void cost_by_size(const json_t *list, json_t *one, FILE *out)
{
    static const char *const rows[] = {"batch", NULL};
    struct panel *p = panel_new(list, json_copy(one), rows);
    snprintf(p->caption, sizeof p->caption, "Cost of a record against %s: nanoseconds", results_text(one, "what"));
    p->x.log = p->y.log = true;
    p->y.label = "nanoseconds";
    panel_add_columns(p, "size", "ns_per_record", 1);
    p->x.label = "";
    panel_end(p, out);
}

static void write_cost(const json_t *results, const json_t *list, FILE *out)
{
    static const char *const keys[] = {"what", NULL};
    (void)results;
    each_kind(list, NULL, keys, cost_by_size, out);
}

/* The seconds of one number of processes: a line for each system and batch. */
static void seconds_of(const json_t *seconds, json_t *where, FILE *out)
{
    const struct plot_axis time = {"seconds", NULL, false};
    struct plot *plot = plot_new(time, (struct plot_axis){"million records a second", NULL, false});
    char name[64], caption[120];
    size_t i;
    json_t *one;
    json_array_foreach(seconds, i, one)
    {
        const double t = results_number(one, "t_ms") / 1e3, rate = results_number(one, "records_per_s") / 1e6;
        const bool ours = figure_is_ours(results_text(one, "system"));
        if (!figure_matches(one, where) || figure_left_out(one))
            continue;
        snprintf(name, sizeof name, "%.40s%sbatch %.0f", ours ? "" : results_text(one, "system"), ours ? "" : ", ",
                 results_number(one, "batch"));
        plot_add(plot, name, t, rate, rate, rate);
    }
    snprintf(caption, sizeof caption, "%.0fP%.0fC, each second: million records a second",
             results_number(where, "producers"), results_number(where, "consumers"));
    end_figure(plot, caption, out);
}

static void write_long(const json_t *results, const json_t *list, FILE *out)
{
    static const char *const rows[] = {"system", "producers", "consumers", "batch", NULL};
    static const char *const keys[] = {"producers", "consumers", "repeat", NULL};
    struct panel *p = panel_bars(list, rows, "worst second to median", "worst_part", 1);
    snprintf(p->caption, sizeof p->caption, "Worst second to median; million records a second");
    panel_add_column(p, "median", NAN, json_object(), "records_per_s", 1e-6);
    panel_add_column(p, "worst second", NAN, json_object(), "worst_per_s", 1e-6);
    panel_add_column(p, "first sixth", NAN, json_object(), "first_per_s", 1e-6);
    panel_add_column(p, "last sixth", NAN, json_object(), "last_per_s", 1e-6);
    panel_end(p, out);
    each_kind(json_object_get(results, "long_seconds"), NULL, keys, seconds_of, out);
}

static void write_heal(const json_t *results, const json_t *list, FILE *out)
{
    static const char *const rows[] = {"mode", "batch", NULL};
    struct panel *p = panel_bars(list, rows, "milliseconds", "ms", 1);
    (void)results;
    snprintf(p->caption, sizeof p->caption, "From kill -9 to the delivery of the last lease: milliseconds");
    panel_end(p, out);
}

static void write_pipelines(const json_t *results, const json_t *list, FILE *out)
{
    static const char *const rows[] = {"mode", "sources", "stages", "workers", "batch", NULL};
    struct panel *p = panel_bars(list, rows, "million records a second", "records_per_s", 1e-6);
    (void)results;
    snprintf(p->caption, sizeof p->caption, "Sources, stages, workers of each stage, batch: million records a second");
    panel_add_column(p, "cpu ns", NAN, json_object(), "cpu_ns_per_record", 1);
    panel_add_column(p, "sleeps", NAN, json_object(), "sleeps_per_record", 1);
    panel_end(p, out);
}

static void write_job(const json_t *results, const json_t *list, FILE *out)
{
    static const char *const rows[] = {"batch", NULL};
    struct panel *p = panel_bars(list, rows, "percent", "library_part", 100);
    (void)results;
    snprintf(p->caption, sizeof p->caption, "Processor time in calls of the library: percent of that of all processes");
    panel_add_column(p, "processor s", NAN, json_object(), "cpu_s", 1);
    panel_add_column(p, "seconds", NAN, json_object(), "seconds", 1);
    panel_end(p, out);
}

static void write_python(const json_t *results, const json_t *list, FILE *out)
{
    struct panel *p = panel_bars(list, by_system, "million records a second", "records_per_s", 1e-6);
    (void)results;
    snprintf(p->caption, sizeof p->caption, "%.0f bytes, batches of %.0f: million records a second",
             results_number(json_array_get(list, 0), "payload"), results_number(json_array_get(list, 0), "batch"));
    panel_add_column(p, "put ns", NAN, json_object(), "put_ns", 1);
    panel_add_column(p, "take ns", NAN, json_object(), "take_ns", 1);
    panel_end(p, out);
}

const struct section sections[] = {
    {"runs", "Records a second, beside other systems",
     "Separate processes, pinned, the systems in turns; counts and sums of all payloads verified. Near and far are "
     "states of the machine: how long a cache line takes from core to core. Compare only within one state.",
     write_peers},
    {"round_trip", "Round trips", "A record of 64 bytes to another process and back.", write_trips},
    {"latency", "Latency in an open loop",
     "Records are due at a set rate, whether the system keeps up or not. Response: since a record was due; service: "
     "since its put began.",
     write_latency},
    {"half_load", "Latency at half of the greatest rate",
     "An open loop again, at half of the rate that each system reaches in this loop: the table has that rate, too.",
     write_half_load},
    {"limits", "Throughput against the limit", "So many records may be on their way in all; a ring has as many places.",
     write_limits},
    {"brokers", "The same job by brokers",
     "One process puts or publishes, another leases or reads and acknowledges each record; the brokers' servers run on "
     "the same machine and keep nothing on disk.",
     write_brokers},
    {"wake_up", "A wake-up's cost",
     "Records one at a time, producer and consumer asleep in between: the processor time of both for each record.",
     write_wake_up},
    {"pipeline", "Pipelines", "Sources put into the first stage, workers forward from stage to stage.",
     write_pipelines},
    {"backpressure", "Backpressure over time", "What a slow consumer does to its sources.", write_backpressure},
    {"cost", "Cost as work grows", "Put, lease and ack by one process: code and caches, nothing else.", write_cost},
    {"heal", "Time to heal", "A consumer that holds 10,000 leases is killed.", write_heal},
    {"long", "Long runs",
     "Records a second in each second; those in which other programs took the processors are left out.", write_long},
    {"job", "The main job",
     "The Debian package index through three stages of two workers each, one of which is killed. In calls of the "
     "library are also the copies of payloads, the page faults of new memory and the system calls of waiting.",
     write_job},
    {"python", "From Python",
     "One Python process puts, another takes and reads a byte of each record. Put, take: processor time for a record "
     "on each side.",
     write_python},
    {NULL, NULL, NULL, NULL}};
