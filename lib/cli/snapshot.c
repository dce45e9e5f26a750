/* snapshot.c - what a segment holds, read once, for all commands that show it. */
#include "snapshot.h"

#include <conveyor/limits.h>
#include <conveyor/segment.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process.h"

uint32_t cli_holds(const struct cvb_census *c) { return c->queued + c->leased + c->reserved; }

const char *cli_signal_name(enum cvb_signal signal)
{
    static const char *const name[] = {"none", "slow_down", "pause"};
    return name[signal <= CVB_SIGNAL_PAUSE ? signal : CVB_SIGNAL_NONE];
}

const char *cli_state_name(enum cvb_peer_state state)
{
    static const char *const name[] = {"none", "alive", "stopped", "dead"};
    return name[state <= CVB_PEER_DEAD ? state : CVB_PEER_NONE];
}

/* What is told of the source that has a place. EUNKNOWN if none has it, or its name was retired meanwhile. */
static int read_source(struct cvb_handle *h, uint32_t place, const struct cvb_census *holds, struct cli_source *o)
{
    int error = cvb_source_at(h, place, &o->id);
    if (!error)
        error = cvb_source_name(h, o->id, o->name);
    if (!error)
        error = cvb_source_counts(h, o->id, &o->counts);
    if (!error)
        error = cvb_backpressure(h, CVB_NO_STAGE, o->id, &o->backpressure);
    if (!error)
        error = cvb_signal_of(h, CVB_NO_STAGE, o->id, &o->given);
    if (error)
        return error;
    o->buffered = cli_holds(&holds[place]);
    const int64_t limit = cvb_limit_of(h, CVB_NO_STAGE, o->id);
    o->limit = (uint32_t)limit;
    o->credits = cvb_available_credits(h, o->id);
    return limit < 0 ? (int)limit : o->credits < 0 ? (int)o->credits : 0;
}

static int read_sources(struct cvb_handle *h, struct cli_snapshot *s, const struct cvb_census *holds)
{
    for (uint32_t place = 0; place < s->settings.max_sources; place++) {
        int error = read_source(h, place, holds, &s->sources[s->source_count]);
        if (error && error != CVB_EUNKNOWN)
            return error;
        s->source_count += !error;
    }
    return 0;
}

const struct cli_source *cli_source_of(const struct cli_snapshot *s, uint32_t id)
{
    for (size_t i = 0; i < s->source_count; i++)
        if (s->sources[i].id == id)
            return &s->sources[i];
    return NULL;
}

/* The stage's own signal, without those of sources and total. The dead-letter stage has no limit and none. */
static int read_signal(struct cvb_handle *h, struct cli_stage *stage)
{
    struct cvb_backpressure own;
    int error = cvb_backpressure(h, stage->id, CVB_NO_SOURCE, &own);
    stage->signal = error ? CVB_SIGNAL_NONE : own.signal;
    if (!error && stage->id != CVB_STAGE_DEAD_LETTER)
        error = cvb_signal_of(h, stage->id, CVB_NO_SOURCE, &stage->given);
    return error ? error : cvb_hold_of(h, stage->id, &stage->held);
}

static int read_stages(struct cvb_handle *h, struct cli_snapshot *s, const struct cvb_census *holds)
{
    for (uint32_t id = 0; id < s->settings.max_stages; id++) {
        struct cli_stage *o = &s->stages[s->stage_count];
        int error = cvb_stage_name(h, id, o->name);
        if (error == CVB_EUNKNOWN)
            break;
        if (!error)
            error = cvb_stage_counts(h, id, &o->counts);
        o->id = id;
        if (!error)
            error = read_signal(h, o);
        if (error)
            return error;
        o->holds = holds[id];
        const bool dead = id == CVB_STAGE_DEAD_LETTER;
        o->limit = dead ? s->limit : (uint32_t)cvb_limit_of(h, id, CVB_NO_SOURCE);
        o->max_retries = (uint32_t)cvb_max_retries_of(h, dead ? CVB_NO_STAGE : id);
        o->utilization = (double)cli_holds(&holds[id]) / o->limit;
        s->stage_count++;
    }
    return 0;
}

static int read_peers(struct cvb_handle *h, struct cli_snapshot *s, const struct cvb_census *holds)
{
    for (uint32_t seat = 0; seat < s->settings.max_handles; seat++) {
        struct cli_peer *o = &s->peers[s->peer_count];
        int error = cvb_peer(h, seat, &o->peer);
        if (error)
            return error;
        s->own_seats += o->peer.state != CVB_PEER_NONE && o->peer.pid == getpid();
        if (o->peer.state == CVB_PEER_NONE || o->peer.pid == getpid())
            continue;
        error = cvb_peer_counts(h, seat, &o->counts);
        if (error)
            return error;
        o->seat = seat;
        o->holds = holds[seat];
        s->peer_count++;
    }
    return 0;
}

/* How old all is that was found. */
static int read_ages(struct cvb_handle *h, struct cli_snapshot *s)
{
    const struct cvb_settings *all = &s->settings;
    struct cvb_age *ages = calloc((size_t)all->max_stages + all->max_sources + all->max_handles, sizeof *ages);
    if (!ages)
        return CVB_ESYSTEM;
    struct cvb_age *sources = ages + all->max_stages, *handles = sources + all->max_sources;
    int error = cvb_ages(h, &s->age, ages, sources, handles);
    for (size_t i = 0; !error && i < s->stage_count; i++) {
        s->stages[i].age = ages[s->stages[i].id];
        error = cvb_stage_waits(h, s->stages[i].id, &s->stages[i].waits);
    }
    for (size_t i = 0; i < s->source_count; i++)
        s->sources[i].age = sources[cvb_source_place(s->sources[i].id)];
    for (size_t i = 0; i < s->peer_count; i++)
        s->peers[i].age = handles[s->peers[i].seat];
    free(ages);
    return error ? error : cvb_totals(h, &s->totals);
}

static int read_all(struct cvb_handle *h, struct cli_snapshot *s, struct cvb_census *stages, struct cvb_census *sources,
                    struct cvb_census *peers)
{
    int error = cvb_census(h, &s->total, stages, sources, peers);
    if (!error)
        error = cvb_thresholds_of(h, &s->backpressure_threshold, &s->resume_threshold);
    if (!error)
        error = cvb_retry_delay_of(h, &s->retry_delay_ms, &s->retry_delay_cap_ms);
    if (error)
        return error;
    s->buffered = cli_holds(&s->total);
    s->limit = (uint32_t)cvb_limit_of(h, CVB_NO_STAGE, CVB_NO_SOURCE);
    s->utilization = (double)s->buffered / s->limit;
    char name[CVB_NAME_MAX + 1];
    while (!cvb_pipeline_name(h, (uint32_t)s->pipeline_count, name))
        s->pipeline_count++;
    error = cvb_signal_of(h, CVB_NO_STAGE, CVB_NO_SOURCE, &s->given);
    if (!error)
        error = read_sources(h, s, sources);
    if (!error)
        error = read_stages(h, s, stages);
    if (!error)
        error = read_peers(h, s, peers);
    return error ? error : read_ages(h, s);
}

int cli_snapshot_take(struct cvb_handle *h, struct cli_snapshot *s)
{
    memset(s, 0, sizeof *s);
    int error = cvb_settings_of(h, &s->settings);
    if (error)
        return error;
    uint32_t stages = s->settings.max_stages, sources = s->settings.max_sources, peers = s->settings.max_handles;
    struct cvb_census *census = calloc((size_t)stages + sources + peers, sizeof *census);
    s->stages = calloc(stages, sizeof *s->stages);
    s->sources = calloc(sources, sizeof *s->sources);
    s->peers = calloc(peers, sizeof *s->peers);
    error = CVB_ESYSTEM;
    if (census && s->stages && s->sources && s->peers)
        error = read_all(h, s, census, census + stages, census + stages + sources);
    free(census);
    if (error)
        cli_snapshot_free(s);
    return error;
}

int cli_snapshot_progress(struct cvb_handle *h, struct cli_snapshot *s)
{
    struct cvb_progress *progress = calloc(s->settings.max_sources, sizeof *progress);
    int error = progress ? cvb_progress_all(h, progress) : CVB_ESYSTEM;
    for (size_t i = 0; !error && i < s->source_count; i++)
        s->sources[i].progress = progress[cvb_source_place(s->sources[i].id)];
    free(progress);
    if (error)
        cli_snapshot_free(s);
    return error;
}

void cli_snapshot_commands(struct cli_snapshot *s, const char *segment)
{
    for (size_t i = 0; i < s->peer_count; i++) {
        struct cli_peer *p = &s->peers[i];
        if (p->peer.state != CVB_PEER_DEAD && cli_process_may_map(p->peer.pid, segment))
            cli_process_command(p->peer.pid, p->command, sizeof p->command);
    }
}

int cli_snapshot_whole(struct cvb_handle *h, const char *segment, struct cli_snapshot *s)
{
    int error = cli_snapshot_take(h, s);
    if (error)
        return error;
    cli_snapshot_commands(s, segment);
    return cli_snapshot_progress(h, s);
}

bool cli_has_dead_letters(const struct cli_snapshot *s, const struct cli_source *o)
{
    return o->progress.live > o->buffered && s->stages[CVB_STAGE_DEAD_LETTER].holds.queued;
}

uint64_t cli_unsettled_ns(const struct cli_snapshot *s, const struct cli_source *o)
{
    const uint64_t dead = s->stages[CVB_STAGE_DEAD_LETTER].age.record_ns;
    const uint64_t own = o->age.record_ns, theirs = cli_has_dead_letters(s, o) ? dead : 0;
    return !o->progress.live ? 0 : own > theirs ? own : theirs;
}

void cli_snapshot_free(struct cli_snapshot *s)
{
    free(s->stages);
    free(s->sources);
    free(s->peers);
    *s = (struct cli_snapshot){0};
}

bool cli_hangs(const struct cli_peer *p, double seconds)
{
    return p->peer.state == CVB_PEER_ALIVE && p->holds.leased && (double)p->peer.idle_ns >= seconds * 1e9;
}
