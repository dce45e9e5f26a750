/* prometheus.c - a snapshot in the text exposition format (version 0.0.4): base units, counters end in _total, label
 * values with backslash, quote and newline escaped. */
#include "prometheus.h"

#include <conveyor/segment.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

enum { COUNTERS = 7, STAGE_GAUGES = 7 };

static FILE *out; /* where family and sample write */

static void family(const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP conveyor_%s %s\n# TYPE conveyor_%s %s\n", name, help, name, type);
}

static void label(const char *name, const char *value, const char *before)
{
    fprintf(out, "%s%s=\"", before, name);
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            putc('\\', out);
        if (*value == '\n')
            fputs("\\n", out);
        else
            putc(*value, out);
    }
    putc('"', out);
}

/* One sample with up to two labels beside the segment's. */
static void sample(const char *name, const char *segment, const char *const labels[4], double value)
{
    fprintf(out, "conveyor_%s", name);
    label("segment", segment, "{");
    for (int i = 0; i < 4 && labels && labels[i]; i += 2)
        label(labels[i], labels[i + 1], ",");
    fprintf(out, "} %.*g\n", value == (double)(int64_t)value ? 17 : 9, value);
}

static void totals(const char *segment, const struct cli_snapshot *s)
{
    const struct {
        const char *name, *help;
        double value;
    } gauge[] = {
        {"limit_records", "The limit of all records.", s->limit},
        {"limit_stage_records", "The limit of each stage that has none of its own.", s->settings.max_per_stage},
        {"limit_source_records", "The limit of each source that has none of its own.", s->settings.max_per_source},
        {"buffered_records", "Records that are queued, leased or reserved.", s->buffered},
        {"queued_records", "Records that wait to be taken.", s->total.queued},
        {"leased_records", "Records that were taken and not settled yet.", s->total.leased},
        {"reserved_records", "Records that are being written.", s->total.reserved},
        {"utilization_ratio", "Buffered records as a part of the limit.", s->utilization}};
    for (size_t i = 0; i < sizeof gauge / sizeof gauge[0]; i++) {
        family(gauge[i].name, "gauge", gauge[i].help);
        sample(gauge[i].name, segment, NULL, gauge[i].value);
    }
}

static double stage_gauge(const struct cli_stage *s, int which)
{
    const double value[STAGE_GAUGES] = {s->holds.queued, s->holds.delayed,  s->holds.leased,
                                        s->utilization,  (double)s->signal, s->held.signal != CVB_SIGNAL_NONE,
                                        s->limit};
    return value[which];
}

static void stage_gauges(const char *segment, const struct cli_snapshot *s)
{
    static const char *const name[STAGE_GAUGES][2] = {
        {"stage_queued_records", "Records that wait in the stage."},
        {"stage_delayed_records", "Those of them that failed and wait until they are tried again."},
        {"stage_leased_records", "Records of the stage that were taken and not settled yet."},
        {"stage_utilization_ratio", "The stage's records as a part of its limit."},
        {"stage_backpressure", "The stage's signal: 0 none, 1 slow down, 2 pause."},
        {"stage_held", "1 while somebody holds the stage, so that it delivers nothing."},
        {"stage_limit_records", "The stage's limit."}};
    for (int g = 0; g < STAGE_GAUGES; g++) {
        family(name[g][0], "gauge", name[g][1]);
        for (size_t i = 0; i < s->stage_count; i++)
            sample(name[g][0], segment, (const char *[4]){"stage", s->stages[i].name}, stage_gauge(&s->stages[i], g));
    }
}

static uint64_t counter(const struct cvb_counts *c, int which)
{
    const uint64_t value[COUNTERS] = {c->accepted,    c->delivered, c->acked,        c->returned,
                                      c->redelivered, c->forwarded, c->dead_lettered};
    return value[which];
}

/* The samples of one stage or source (kind) in its family of refusals. */
static void refusals(const char *family_name, const char *segment, const char *kind, const char *name,
                     const struct cvb_counts *c)
{
    static const char *const cause[] = {"stage", "source", "total", "memory"};
    const uint64_t value[] = {c->refused_stage, c->refused_source, c->refused_total, c->refused_memory};
    for (int i = 0; i < 4; i++)
        sample(family_name, segment, (const char *[4]){kind, name, "cause", cause[i]}, (double)value[i]);
}

static void stage_counters(const char *segment, const struct cli_snapshot *s)
{
    static const char *const name[][2] = {
        {"stage_accepted_records_total", "Records put into the stage."},
        {"stage_delivered_records_total", "Records leased from the stage."},
        {"stage_acked_records_total", "Records settled."},
        {"stage_returned_records_total", "Records returned by their consumers."},
        {"stage_redelivered_records_total", "Leases of dead consumers that were queued again."},
        {"stage_forwarded_records_total", "Records that left for another stage."},
        {"stage_dead_lettered_records_total", "Records past the retry limit."}};
    for (int c = 0; c < COUNTERS; c++) {
        family(name[c][0], "counter", name[c][1]);
        for (size_t i = 0; i < s->stage_count; i++)
            sample(name[c][0], segment, (const char *[4]){"stage", s->stages[i].name},
                   (double)counter(&s->stages[i].counts, c));
    }
    family("stage_refusals_total", "counter", "Puts into the stage that a limit cut short, by cause.");
    for (size_t i = 0; i < s->stage_count; i++)
        refusals("stage_refusals_total", segment, "stage", s->stages[i].name, &s->stages[i].counts);
    family("stage_stalled_seconds_total", "counter", "Time that was waited for room in the stage.");
    for (size_t i = 0; i < s->stage_count; i++)
        sample("stage_stalled_seconds_total", segment, (const char *[4]){"stage", s->stages[i].name},
               (double)s->stages[i].counts.stalled_ns / 1e9);
}

static double source_value(const struct cli_source *s, int which)
{
    const double value[] = {s->buffered, (double)(s->credits < 0 ? 0 : s->credits), (double)s->backpressure.signal,
                            (double)s->counts.stalled_ns / 1e9, (double)s->counts.accepted};
    return value[which];
}

static void sources(const char *segment, const struct cli_snapshot *s)
{
    static const char *const name[][3] = {
        {"source_buffered_records", "gauge", "Records of the source in the buffer."},
        {"source_credit_records", "gauge", "Records that the source could put before a limit refuses."},
        {"source_backpressure", "gauge", "The source's signal: 0 none, 1 slow down, 2 pause."},
        {"source_stalled_seconds_total", "counter", "Time that the source waited for room."},
        {"source_accepted_records_total", "counter", "Records that the source has put."}};
    for (int f = 0; f < 5; f++) {
        family(name[f][0], name[f][1], name[f][2]);
        for (size_t i = 0; i < s->source_count; i++)
            sample(name[f][0], segment, (const char *[4]){"source", s->sources[i].name},
                   source_value(&s->sources[i], f));
    }
    family("source_refusals_total", "counter", "Puts of the source that a limit cut short, by cause.");
    for (size_t i = 0; i < s->source_count; i++)
        refusals("source_refusals_total", segment, "source", s->sources[i].name, &s->sources[i].counts);
}

static void ages(const char *segment, const struct cli_snapshot *s)
{
    family("stage_oldest_age_seconds", "gauge", "Time since the oldest record of the stage was put.");
    for (size_t i = 0; i < s->stage_count; i++)
        sample("stage_oldest_age_seconds", segment, (const char *[4]){"stage", s->stages[i].name},
               (double)s->stages[i].age.record_ns / 1e9);
    family("source_oldest_age_seconds", "gauge", "Time since the oldest record of the source was put.");
    for (size_t i = 0; i < s->source_count; i++)
        sample("source_oldest_age_seconds", segment, (const char *[4]){"source", s->sources[i].name},
               (double)s->sources[i].age.record_ns / 1e9);
    family("stage_oldest_lease_seconds", "gauge", "Time since the oldest lease of the stage began.");
    for (size_t i = 0; i < s->stage_count; i++)
        sample("stage_oldest_lease_seconds", segment, (const char *[4]){"stage", s->stages[i].name},
               (double)s->stages[i].age.lease_ns / 1e9);
    family("stage_wait_seconds", "gauge", "Time in the stage of what was taken lately: the median, p99 and longest.");
    for (size_t i = 0; i < s->stage_count; i++) {
        const struct cvb_waits *w = &s->stages[i].waits;
        const uint64_t ns[] = {w->p50_ns, w->p99_ns, w->max_ns};
        static const char *const part[] = {"0.5", "0.99", "1"};
        for (int q = 0; q < 3; q++) /* all 0 if nothing was taken lately */
            sample("stage_wait_seconds", segment, (const char *[4]){"stage", s->stages[i].name, "part", part[q]},
                   (double)ns[q] / 1e9);
    }
    family("stage_dead_by_death_records_total", "counter", "Dead letters of the stage whose consumers died.");
    for (size_t i = 0; i < s->stage_count; i++)
        sample("stage_dead_by_death_records_total", segment, (const char *[4]){"stage", s->stages[i].name},
               (double)s->stages[i].counts.dead_by_death);
    const struct {
        const char *name, *help;
        uint64_t value;
    } total[] = {{"deaths_total", "Handles whose process ended without leaving.", s->totals.deaths},
                 {"recoveries_total", "Handles of dead processes that were put in order.", s->totals.recoveries},
                 {"pauses_total", "How often a level began to pause.", s->totals.pauses},
                 {"signals_total", "Signals that were given by hand.", s->totals.signals}};
    for (size_t i = 0; i < sizeof total / sizeof total[0]; i++) {
        family(total[i].name, "counter", total[i].help);
        sample(total[i].name, segment, NULL, (double)total[i].value);
    }
}

/* Of the sources whose records have positions, and of the others 0. */
static void progress(const char *segment, const struct cli_snapshot *s)
{
    static const char *const name[][2] = {
        {"source_accepted_position", "The highest position that was ever accepted."},
        {"source_settled_position", "No record at or below it is in the buffer any more."},
        {"source_unsettled_records", "Records with positions in the buffer, dead letters among them."}};
    for (int g = 0; g < 3; g++) {
        family(name[g][0], "gauge", name[g][1]);
        for (size_t i = 0; i < s->source_count; i++) {
            const struct cvb_progress *p = &s->sources[i].progress;
            const uint64_t value[] = {p->accepted, p->settled, p->live};
            sample(name[g][0], segment, (const char *[4]){"source", s->sources[i].name}, (double)value[g]);
        }
    }
    family("source_unsettled_age_seconds", "gauge", "Time since the oldest of them was put.");
    for (size_t i = 0; i < s->source_count; i++)
        sample("source_unsettled_age_seconds", segment, (const char *[4]){"source", s->sources[i].name},
               (double)cli_unsettled_ns(s, &s->sources[i]) / 1e9);
}

/* What the segment was made with, and how much of it is used up. */
static void supplies(const char *segment, const struct cli_snapshot *s)
{
    const struct {
        const char *kind;
        size_t used, limit;
    } names[] = {{"stage", s->stage_count, s->settings.max_stages},
                 {"source", s->source_count, s->settings.max_sources},
                 {"pipeline", s->pipeline_count, s->settings.max_pipelines}};
    const int64_t bytes = cvb_memory_needed(&s->settings);
    family("names", "gauge", "Names that are used, by kind.");
    for (int i = 0; i < 3; i++)
        sample("names", segment, (const char *[4]){"kind", names[i].kind}, (double)names[i].used);
    family("limit_names", "gauge", "The limit of names, by kind.");
    for (int i = 0; i < 3; i++)
        sample("limit_names", segment, (const char *[4]){"kind", names[i].kind}, (double)names[i].limit);
    family("memory_bytes", "gauge", "Shared memory that the segment takes.");
    if (bytes > 0)
        sample("memory_bytes", segment, NULL, (double)bytes);
    family("build_info", "gauge", "Always 1; the version of the program that looked.");
    sample("build_info", segment, (const char *[4]){"version", CONVEYOR_VERSION}, 1);
}

static void handles(const char *segment, const struct cli_snapshot *s)
{
    family("handles", "gauge", "Processes that use the segment, by state.");
    for (enum cvb_peer_state state = CVB_PEER_ALIVE; state <= CVB_PEER_DEAD; state++) {
        unsigned n = 0;
        for (size_t i = 0; i < s->peer_count; i++)
            n += s->peers[i].peer.state == state;
        sample("handles", segment, (const char *[4]){"state", cli_state_name(state)}, n);
    }
    family("limit_handles", "gauge", "The limit of processes at a time.");
    sample("limit_handles", segment, NULL, s->settings.max_handles);
}

static void print_one(const char *segment, const struct cli_snapshot *s)
{
    json_t *plain = cli_json_text(segment); /* labels are UTF-8; a segment's name need not be */
    const char *name = json_string_value(plain);
    totals(name, s);
    stage_gauges(name, s);
    stage_counters(name, s);
    sources(name, s);
    ages(name, s);
    progress(name, s);
    supplies(name, s);
    handles(name, s);
    json_decref(plain);
}

/* The end of the lines from text on that begin as asked, or not: a family is two lines with # and the samples. */
static const char *skip(const char *text, bool comments)
{
    while (*text && (*text == '#') == comments)
        text += strcspn(text, "\n") + 1;
    return text;
}

/* The text of each segment at at[i]: all have the same families in the same order, and each is printed once. */
static void merge(const char **at, size_t count)
{
    while (count && *at[0]) {
        const char *samples = skip(at[0], true);
        fwrite(at[0], 1, (size_t)(samples - at[0]), stdout);
        for (size_t i = 0; i < count; i++) {
            const char *begin = skip(at[i], true), *end = skip(begin, false);
            fwrite(begin, 1, (size_t)(end - begin), stdout);
            at[i] = end;
        }
    }
}

bool cli_prometheus_print(const struct cli_shown *shown, size_t count)
{
    char **text = calloc(count + 1, sizeof *text);
    const char **at = calloc(count + 1, sizeof *at);
    bool good = text && at;
    for (size_t i = 0, size; good && i < count; i++) {
        out = open_memstream(&text[i], &size);
        if ((good = out)) {
            print_one(shown[i].segment, shown[i].snapshot);
            good = !fclose(out);
        }
        at[i] = text[i];
    }
    if (good)
        merge(at, count);
    for (size_t i = 0; text && i < count; i++)
        free(text[i]);
    free(text);
    free(at);
    return good;
}
