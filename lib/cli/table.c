/* table.c - a snapshot as aligned text. */
#include "table.h"

#include <conveyor/limits.h>
#include <stdio.h>

#include "hand.h"
#include "units.h"
#include "width.h"

enum { NAME_WIDTH = 16 };

/* A name and blanks up to the width of the longest. */
static void print_name(const char *name, int width) { printf("%s%*s", name, width - cli_width(name), ""); }

/* One stage or source whose limit is another than the segment was made for. */
static void own_limit(const char *what, const char *name, uint32_t limit, uint32_t made)
{
    if (limit != made)
        printf("limit     %u record%s of %s %s\n", limit, cli_s(limit), what, name);
}

/* What was set since the segment was made. */
static void own_limits(const struct cli_snapshot *s)
{
    for (size_t i = 1; i < s->stage_count; i++) {
        const struct cli_stage *t = &s->stages[i];
        own_limit("stage", t->name, t->limit, s->settings.max_per_stage);
        if (t->max_retries == CVB_RETRIES_NEVER)
            printf("retries   of stage %s never end: none of its records becomes a dead letter\n", t->name);
        else if (t->max_retries != s->stages[CVB_STAGE_DEAD_LETTER].max_retries)
            printf("retries   %u of stage %s\n", t->max_retries, t->name);
    }
    for (size_t i = 0; i < s->source_count; i++)
        own_limit("source", s->sources[i].name, s->sources[i].limit, s->settings.max_per_source);
}

/* When records become dead letters, where no stage has its own rule. */
static void dead_letters_after(uint32_t max_retries)
{
    if (max_retries == CVB_RETRIES_NEVER)
        puts("no dead letters");
    else
        printf("dead letters after %u %s\n", max_retries, max_retries == 1 ? "retry" : "retries");
}

static void limits(const char *segment, const struct cli_snapshot *s)
{
    char longest[32];
    const struct cvb_settings *l = &s->settings;
    printf("segment %s\n\n", segment);
    printf("limits    %u record%s: %u per stage, %u per source; the longest record has %s\n", s->limit, cli_s(s->limit),
           l->max_per_stage, l->max_per_source, cli_bytes(l->payload_size, longest, sizeof longest));
    printf("signals   sources pause at %.0f %% of a limit, go on at %.0f %%; ", s->backpressure_threshold * 100,
           s->resume_threshold * 100);
    dead_letters_after(s->stages[CVB_STAGE_DEAD_LETTER].max_retries);
    if (s->retry_delay_ms)
        printf("retries   what failed waits %u ms, twice as long each time, up to %u ms\n", s->retry_delay_ms,
               s->retry_delay_cap_ms);
    own_limits(s);
    printf("buffered  %u record%s, %.1f %%: %u queued, %u leased, %u reserved\n", s->buffered, cli_s(s->buffered),
           s->utilization * 100, s->total.queued, s->total.leased, s->total.reserved);
    if (s->total.delayed)
        printf("delayed   %u of those queued %s until %s time has come: %s failed, and %s to be tried again\n",
               s->total.delayed, s->total.delayed == 1 ? "waits" : "wait", s->total.delayed == 1 ? "its" : "their",
               s->total.delayed == 1 ? "it has" : "they have", s->total.delayed == 1 ? "is" : "are");
    uint32_t dead = s->stages[CVB_STAGE_DEAD_LETTER].holds.queued;
    if (dead)
        printf("dead      %u of them %s dead letter%s, and %s room of the limit of all records (not of their sources) "
               "until retried or dropped\n",
               dead, dead == 1 ? "is a" : "are", cli_s(dead), dead == 1 ? "holds" : "hold");
}

static void stages(const struct cli_snapshot *s)
{
    int width = NAME_WIDTH;
    for (size_t i = 0; i < s->stage_count; i++)
        width = cli_wider(width, s->stages[i].name);
    printf("\n%-*s %8s %8s %7s %9s %9s %9s %11s %11s %11s %10s %9s %11s %6s  %s\n", width, "STAGE", "queued", "leased",
           "fill", "oldest", "p50 wait", "p99 wait", "accepted", "delivered", "acked", "forwarded", "returned",
           "redelivered", "dead", "signal");
    for (size_t i = 0; i < s->stage_count; i++) {
        const struct cli_stage *t = &s->stages[i];
        const struct cvb_counts *c = &t->counts;
        char oldest[CLI_AGE_BYTES], p50[CLI_AGE_BYTES], p99[CLI_AGE_BYTES];
        print_name(t->name, width);
        printf(" %8u %8u %5.1f %% %9s %9s %9s %11llu %11llu %11llu %10llu %9llu %11llu %6llu  %s\n", t->holds.queued,
               t->holds.leased, t->utilization * 100,
               cli_age_of((uint64_t)t->holds.queued + t->holds.leased, t->age.record_ns, oldest),
               cli_age_of(t->waits.samples, t->waits.p50_ns, p50), cli_age_of(t->waits.samples, t->waits.p99_ns, p99),
               (unsigned long long)c->accepted, (unsigned long long)c->delivered, (unsigned long long)c->acked,
               (unsigned long long)c->forwarded, (unsigned long long)c->returned, (unsigned long long)c->redelivered,
               (unsigned long long)c->dead_lettered, cli_signal_name(t->signal));
    }
}

static void sources(const struct cli_snapshot *s)
{
    int width = NAME_WIDTH;
    for (size_t i = 0; i < s->source_count; i++)
        width = cli_wider(width, s->sources[i].name);
    printf("\n%-*s %8s %8s %9s %11s %12s %12s %8s  %s\n", width, "SOURCE", "buffered", "credits", "oldest", "accepted",
           "refused puts", "stalled", "delay", "signal");
    for (size_t i = 0; i < s->source_count; i++) {
        const struct cli_source *o = &s->sources[i];
        const struct cvb_counts *c = &o->counts;
        uint64_t refused = c->refused_stage + c->refused_source + c->refused_total + c->refused_memory;
        char oldest[CLI_AGE_BYTES];
        print_name(o->name, width);
        printf(" %8u %8lld %9s %11llu %12llu %10.3f s %5u ms  %s\n", o->buffered,
               (long long)(o->credits < 0 ? 0 : o->credits), cli_age_of(o->buffered, o->age.record_ns, oldest),
               (unsigned long long)c->accepted, (unsigned long long)refused, (double)c->stalled_ns / 1e9,
               o->backpressure.signal == CVB_SIGNAL_SLOW_DOWN ? o->backpressure.delay_ms : 0,
               cli_signal_name(o->backpressure.signal));
    }
}

static void print_given(const char *kind, const char *name, const struct cvb_given *g)
{
    char text[CLI_GIVEN_BYTES];
    if (g->signal != CVB_SIGNAL_NONE)
        printf("by hand   %s%s%s: %s\n", kind, *name ? " " : "", name, cli_given_text(g, text));
}

/* Signals and holds that somebody has given, a line each. */
static void by_hand(const struct cli_snapshot *s)
{
    char text[CLI_GIVEN_BYTES];
    print_given("all sources", "", &s->given);
    for (size_t i = 0; i < s->stage_count; i++) {
        const struct cli_stage *t = &s->stages[i];
        print_given("stage", t->name, &t->given);
        if (t->held.signal != CVB_SIGNAL_NONE)
            printf("held      stage %s delivers nothing: %s\n", t->name, cli_given_by(&t->held, text));
    }
    for (size_t i = 0; i < s->source_count; i++)
        print_given("source", s->sources[i].name, &s->sources[i].given);
}

/* Of the sources whose records have positions. */
static void positions(const struct cli_snapshot *s)
{
    for (size_t i = 0; i < s->source_count; i++) {
        const struct cvb_progress *p = &s->sources[i].progress;
        char age[CLI_AGE_BYTES];
        if (p->accepted)
            printf("position  source %s: accepted up to %llu, settled up to %llu; %llu record%s of it not "
                   "settled%s%s\n",
                   s->sources[i].name, (unsigned long long)p->accepted, (unsigned long long)p->settled,
                   (unsigned long long)p->live, cli_s(p->live), p->live ? ", the oldest for " : "",
                   p->live ? cli_age_of(p->live, cli_unsettled_ns(s, &s->sources[i]), age) : "");
    }
}

static void handles(const struct cli_snapshot *s)
{
    printf("\n%-*s %8s %8s  %-8s %9s %9s  %s\n", NAME_WIDTH, "HANDLE (PID)", "leased", "reserved", "state", "oldest",
           "idle", "command");
    for (size_t i = 0; i < s->peer_count; i++) {
        const struct cli_peer *p = &s->peers[i];
        char oldest[CLI_AGE_BYTES], idle[CLI_AGE_BYTES];
        printf("%-*d %8u %8u  %-8s %9s %9s  %s\n", NAME_WIDTH, (int)p->peer.pid, p->holds.leased, p->holds.reserved,
               cli_state_name(p->peer.state), cli_age_of(p->holds.leased, p->age.lease_ns, oldest),
               cli_age(p->peer.idle_ns, idle), p->command);
    }
    printf("%zu of %u handles in use\n", s->peer_count, s->settings.max_handles);
}

void cli_table_print(const char *segment, const struct cli_snapshot *s)
{
    limits(segment, s);
    by_hand(s);
    positions(s);
    stages(s);
    if (s->source_count)
        sources(s);
    handles(s);
}
