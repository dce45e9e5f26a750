/* json.c - objects for --json, and how they are written. */
#include "json.h"

#include <conveyor/limits.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "text.h"

json_t *cli_json_text(const char *text)
{
    json_t *string = json_string(text);
    if (string)
        return string;
    char plain[256];
    snprintf(plain, sizeof plain, "%s", text);
    for (char *c = plain; *c; c++)
        if ((unsigned char)*c >= 128)
            *c = '?';
    return json_string(plain);
}

int cli_json_print(json_t *object)
{
    int wrong = !object || json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)) || putchar('\n') == EOF;
    json_decref(object);
    if (!object) {
        cli_complain("out of memory");
        return CLI_FAILED;
    }
    int status = cli_close_output();
    return wrong ? CLI_FAILED : status;
}

/* The counts of a stage, a source or a handle. */
static json_t *counts(const struct cvb_counts *c)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:{s:I,s:I,s:I,s:I},s:I}", "accepted", (json_int_t)c->accepted,
                     "delivered", (json_int_t)c->delivered, "acked", (json_int_t)c->acked, "returned",
                     (json_int_t)c->returned, "redelivered", (json_int_t)c->redelivered, "forwarded",
                     (json_int_t)c->forwarded, "dead_lettered", (json_int_t)c->dead_lettered, "refused", "stage",
                     (json_int_t)c->refused_stage, "source", (json_int_t)c->refused_source, "total",
                     (json_int_t)c->refused_total, "memory", (json_int_t)c->refused_memory, "stalled_ns",
                     (json_int_t)c->stalled_ns);
}

/* The object with the counts as further keys; takes it over. */
static json_t *with_counts(json_t *object, const struct cvb_counts *c)
{
    json_t *more = counts(c);
    if (object && (!more || json_object_update(object, more))) {
        json_decref(object);
        object = NULL;
    }
    json_decref(more);
    return object;
}

/* What was given by hand, or null. */
static json_t *given(const struct cvb_given *g)
{
    if (g->signal == CVB_SIGNAL_NONE)
        return json_null();
    return json_pack("{s:s,s:I,s:I,s:o,s:I}", "signal", cli_signal_name(g->signal), "delay_ms", (json_int_t)g->delay_ms,
                     "by", (json_int_t)g->pid, "reason", cli_json_text(g->reason), "age_ms",
                     (json_int_t)(g->age_ns / 1000000));
}

static json_int_t milliseconds(uint64_t ns) { return (json_int_t)(ns / 1000000); }

/* null if nothing was taken lately. */
static json_t *waits(const struct cvb_waits *w)
{
    return !w->samples ? json_null()
                       : json_pack("{s:I,s:I,s:I}", "p50", milliseconds(w->p50_ns), "p99", milliseconds(w->p99_ns),
                                   "max", milliseconds(w->max_ns));
}

/* The object with further keys; takes both over. */
static json_t *with(json_t *object, json_t *more)
{
    if (object && (!more || json_object_update(object, more))) {
        json_decref(object);
        object = NULL;
    }
    json_decref(more);
    return object;
}

static json_t *max_retries(uint32_t n) { return n == CVB_RETRIES_NEVER ? json_string("never") : json_integer(n); }

static json_t *stage(const struct cli_stage *s)
{
    json_t *object = json_pack("{s:o,s:I,s:I,s:I,s:I,s:f,s:s,s:I,s:o,s:o,s:b,s:o}", "name", cli_json_text(s->name),
                               "queued", (json_int_t)s->holds.queued, "delayed", (json_int_t)s->holds.delayed, "leased",
                               (json_int_t)s->holds.leased, "reserved", (json_int_t)s->holds.reserved, "utilization",
                               s->utilization, "backpressure", cli_signal_name(s->signal), "limit",
                               (json_int_t)s->limit, "max_retries", max_retries(s->max_retries), "signal",
                               given(&s->given), "held", s->held.signal != CVB_SIGNAL_NONE, "hold", given(&s->held));
    object = with(object,
                  json_pack("{s:I,s:I,s:o,s:I,s:I}", "oldest_age_ms", milliseconds(s->age.record_ns), "oldest_lease_ms",
                            milliseconds(s->age.lease_ns), "wait_ms", waits(&s->waits), "dead_by_death",
                            (json_int_t)s->counts.dead_by_death, "pauses", (json_int_t)s->counts.pauses));
    return with_counts(object, &s->counts);
}

static json_t *source(const struct cli_snapshot *all, const struct cli_source *s)
{
    uint32_t delay_ms = s->backpressure.signal == CVB_SIGNAL_SLOW_DOWN ? s->backpressure.delay_ms : 0;
    json_t *object = json_pack("{s:o,s:I,s:I,s:s,s:I,s:I,s:o}", "name", cli_json_text(s->name), "buffered",
                               (json_int_t)s->buffered, "credits", (json_int_t)(s->credits < 0 ? 0 : s->credits),
                               "backpressure", cli_signal_name(s->backpressure.signal), "delay_ms",
                               (json_int_t)delay_ms, "limit", (json_int_t)s->limit, "signal", given(&s->given));
    object = with(object, json_pack("{s:I,s:I,s:I,s:I,s:I}", "oldest_age_ms", milliseconds(s->age.record_ns),
                                    "accepted_position", (json_int_t)s->progress.accepted, "settled_position",
                                    (json_int_t)s->progress.settled, "unsettled", (json_int_t)s->progress.live,
                                    "unsettled_age_ms", milliseconds(cli_unsettled_ns(all, s))));
    return with_counts(object, &s->counts);
}

static json_t *peer(const struct cli_peer *p)
{
    json_t *object = json_pack("{s:I,s:s,s:I,s:I,s:I}", "pid", (json_int_t)p->peer.pid, "state",
                               cli_state_name(p->peer.state), "leased", (json_int_t)p->holds.leased, "reserved",
                               (json_int_t)p->holds.reserved, "seat", (json_int_t)p->seat);
    return with(object, json_pack("{s:o,s:I,s:I}", "command", cli_json_text(p->command), "oldest_lease_ms",
                                  milliseconds(p->age.lease_ns), "idle_ms", milliseconds(p->peer.idle_ns)));
}

static json_t *classes(const struct cvb_settings *s)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < s->class_count; i++)
        json_array_append_new(array, json_pack("{s:I,s:I}", "bytes", (json_int_t)s->classes[i].bytes, "count",
                                               (json_int_t)s->classes[i].count));
    return array;
}

static json_t *settings(const struct cvb_settings *s)
{
    char mode[16];
    snprintf(mode, sizeof mode, "%04o", s->mode);
    return json_pack("{s:f,s:f,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:s,s:o}", "backpressure_threshold",
                     s->backpressure_threshold, "resume_threshold", s->resume_threshold, "payload_size",
                     (json_int_t)s->payload_size, "header_size", (json_int_t)s->header_size, "max_retries",
                     (json_int_t)s->max_retries, "max_stages", (json_int_t)s->max_stages, "max_sources",
                     (json_int_t)s->max_sources, "max_pipelines", (json_int_t)s->max_pipelines, "max_handles",
                     (json_int_t)s->max_handles, "sealed_stages", (json_int_t)s->sealed_stages, "retry_delay_ms",
                     (json_int_t)s->retry_delay_ms, "retry_delay_cap_ms", (json_int_t)s->retry_delay_cap_ms, "mode",
                     mode, "classes", classes(s));
}

json_t *cli_json_stat(const char *segment, const struct cli_snapshot *s)
{
    json_t *stages = json_array(), *sources = json_array(), *peers = json_array();
    for (size_t i = 0; i < s->stage_count; i++)
        json_array_append_new(stages, stage(&s->stages[i]));
    for (size_t i = 0; i < s->source_count; i++)
        json_array_append_new(sources, source(s, &s->sources[i]));
    for (size_t i = 0; i < s->peer_count; i++)
        json_array_append_new(peers, peer(&s->peers[i]));
    json_t *object = json_pack(
        "{s:i,s:o,s:{s:I,s:I,s:I},s:o,s:{s:f,s:f},s:{s:I,s:I,s:I,s:I,s:I,s:f,s:I,s:o},s:o,s:o,s:o}", "version", 1,
        "segment", cli_json_text(segment), "capacity", "max_total_records", (json_int_t)s->settings.max_total_records,
        "max_per_stage", (json_int_t)s->settings.max_per_stage, "max_per_source",
        (json_int_t)s->settings.max_per_source, "settings", settings(&s->settings), "thresholds", "backpressure",
        s->backpressure_threshold, "resume", s->resume_threshold, "total", "buffered", (json_int_t)s->buffered,
        "queued", (json_int_t)s->total.queued, "delayed", (json_int_t)s->total.delayed, "leased",
        (json_int_t)s->total.leased, "reserved", (json_int_t)s->total.reserved, "utilization", s->utilization, "limit",
        (json_int_t)s->limit, "signal", given(&s->given), "stages", stages, "sources", sources, "handles", peers);
    return with(object, json_pack("{s:{s:o,s:I,s:I},s:I,s:{s:I,s:I,s:I,s:I}}", "retries", "max",
                                  max_retries(s->stages[CVB_STAGE_DEAD_LETTER].max_retries), "delay_ms",
                                  (json_int_t)s->retry_delay_ms, "delay_cap_ms", (json_int_t)s->retry_delay_cap_ms,
                                  "oldest_age_ms", milliseconds(s->age.record_ns), "happened", "deaths",
                                  (json_int_t)s->totals.deaths, "recoveries", (json_int_t)s->totals.recoveries,
                                  "pauses", (json_int_t)s->totals.pauses, "signals", (json_int_t)s->totals.signals));
}
