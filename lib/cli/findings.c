/* findings.c - what the doctor has to say, sorted into problems and notes.
 *
 * A problem is what does not go away by itself and needs somebody: records or credits that do not add up, a dead peer
 * that recovery has not cleared, a stopped process, dead letters that wait. A note is what a healthy segment
 * may look like for a while, or for ever if it is meant: a dead peer whose records are back, a full source, a stage
 * that nobody takes from, a limit that cannot be reached.
 */
#include "findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "removed.h"

static void say(char (*list)[CLI_FINDING_BYTES], size_t *count, const char *format, va_list arguments)
{
    if (*count < CLI_FINDINGS_MOST)
        vsnprintf(list[(*count)++], CLI_FINDING_BYTES, format, arguments);
}

static void __attribute__((format(printf, 2, 3))) problem(struct cli_findings *f, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(f->problem, &f->problems, format, arguments);
    va_end(arguments);
}

static void __attribute__((format(printf, 2, 3))) note(struct cli_findings *f, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(f->note, &f->notes, format, arguments);
    va_end(arguments);
}

static void look_at_audit(struct cli_findings *f, const char *segment, const struct cvb_audit *audit)
{
    if (audit->problems)
        problem(f,
                "%u records or credits do not add up (%s): run 'conveyor doctor %s --repair'; if it stays, empty "
                "the segment and make it anew",
                audit->problems, audit->first_problem, segment);
    if (!audit->exact)
        note(f, "others were at work all the time: the sums are of no single moment, and credits were not compared");
}

static bool is_dead(const struct cli_snapshot *s, pid_t pid)
{
    for (size_t i = 0; i < s->peer_count; i++)
        if (s->peers[i].peer.pid == pid && s->peers[i].peer.state == CVB_PEER_DEAD)
            return true;
    return false;
}

static void look_at_recovered(struct cli_findings *f, const struct cli_snapshot *first, const struct cli_snapshot *now)
{
    for (size_t i = 0; i < first->peer_count; i++) {
        const struct cli_peer *p = &first->peers[i];
        if (p->peer.state == CVB_PEER_DEAD && !is_dead(now, p->peer.pid))
            note(f,
                 "process %d had died with %u records leased and %u reserved: the leased ones were queued again, the "
                 "reserved ones given up; start another in its place if it is missed",
                 (int)p->peer.pid, p->holds.leased, p->holds.reserved);
    }
}

static void look_at_peers(struct cli_findings *f, const char *segment, const struct cli_snapshot *s)
{
    for (size_t i = 0; i < s->peer_count; i++) {
        const struct cli_peer *p = &s->peers[i];
        unsigned records = p->holds.leased + p->holds.reserved;
        if (p->peer.state == CVB_PEER_DEAD)
            problem(f, "process %d is dead and holds %u records: run 'conveyor doctor %s --repair'", (int)p->peer.pid,
                    records, segment);
        if (p->peer.state == CVB_PEER_STOPPED)
            problem(f,
                    "process %d is stopped and holds %u records: continue it (kill -CONT %d) or end it (kill -KILL "
                    "%d)",
                    (int)p->peer.pid, records, (int)p->peer.pid, (int)p->peer.pid);
    }
    if (s->peer_count + 1 >= s->settings.max_handles)
        note(f, "all %u handles are in use: no other process can join; make the segment anew with more --max-handles",
             s->settings.max_handles);
}

/* Records wait, nobody has any, and nothing was delivered since the earlier snapshot. */
static bool has_no_consumer(const struct cli_stage *was, const struct cli_stage *now)
{
    return now->holds.queued && was->holds.queued && !now->holds.leased && !was->holds.leased &&
           now->counts.delivered == was->counts.delivered;
}

static void look_at_stages(struct cli_findings *f, const char *segment, const struct cli_snapshot *before,
                           const struct cli_snapshot *s)
{
    for (size_t i = 0; i < s->stage_count; i++) {
        const struct cli_stage *t = &s->stages[i];
        if (t->id == CVB_STAGE_DEAD_LETTER) {
            if (t->holds.queued)
                problem(f,
                        "%u dead letters wait, records that failed %u times: see them with 'conveyor dead-letter %s "
                        "list', and then 'retry' or 'drop' them",
                        t->holds.queued, s->settings.max_retries + 1, segment);
            continue;
        }
        if (before && i < before->stage_count && has_no_consumer(&before->stages[i], t))
            note(f, "stage '%s' has %u records waiting and nobody takes them: start a consumer", t->name,
                 t->holds.queued);
        if (t->holds.queued + t->holds.leased + t->holds.reserved >= t->limit)
            note(f, "stage '%s' is at its limit of %u records: its producers wait", t->name, t->limit);
    }
}

/* A source that hogs: its own limit, or what all share. */
static void look_at_source(struct cli_findings *f, const struct cli_snapshot *s, const struct cli_source *o)
{
    uint32_t own = s->settings.max_per_source, all = s->settings.max_total_records;
    double part = s->settings.backpressure_threshold;
    if (o->buffered >= own)
        note(f, "source '%s' holds its whole limit of %u records: it waits until some are settled", o->name, own);
    else if (o->buffered >= part * own)
        note(f,
             "source '%s' holds %u of the %u records that it may have, and is told to pause: the stages that they are "
             "in need more or faster consumers, or it a larger --max-per-source",
             o->name, o->buffered, own);
    if (s->source_count > 1 && s->buffered >= part * all && o->buffered > s->buffered / 2)
        note(f,
             "source '%s' holds %u of all %u records, and the others are told to pause for it: a smaller "
             "--max-per-source leaves them room",
             o->name, o->buffered, s->buffered);
}

static void look_at_sources(struct cli_findings *f, const struct cli_snapshot *s)
{
    for (size_t i = 0; i < s->source_count; i++)
        look_at_source(f, s, &s->sources[i]);
    if (s->buffered >= s->settings.max_total_records)
        note(f, "the segment is full: %u records", s->buffered);
}

static void look_at_names(struct cli_findings *f, const struct cli_snapshot *s)
{
    if (s->stage_count == s->settings.max_stages)
        note(f, "all %u names of stages are taken: another one is refused", s->settings.max_stages);
    if (s->source_count == s->settings.max_sources)
        note(f, "all %u names of sources are taken: another one is refused", s->settings.max_sources);
}

/* Others of this name, that one cannot see otherwise. */
static void look_at_removed(struct cli_findings *f, const char *segment)
{
    char pids[128];
    if (*cli_removed_users(segment, pids, sizeof pids))
        note(f,
             "a removed segment of this name is still used by %s: end them, or they and its memory stay apart from "
             "this one",
             pids);
}

/* A limit that the sum of the smaller ones does not reach. */
static void look_at_sum(struct cli_findings *f, const struct cvb_settings *s, uint32_t names, uint32_t each,
                        const char *what)
{
    if ((uint64_t)names * each < s->max_total_records)
        note(f, "the limit of all records (%u) can never be reached: %u %s of %u records each hold %llu",
             s->max_total_records, names, what, each, (unsigned long long)names * each);
}

static void look_at_limits(struct cli_findings *f, const struct cvb_settings *s)
{
    if (s->max_per_stage > s->max_total_records)
        note(f, "the limit per stage (%u) can never be reached: all stages together hold %u", s->max_per_stage,
             s->max_total_records);
    if (s->max_per_source > s->max_total_records)
        note(f, "the limit per source (%u) can never be reached: all sources together hold %u", s->max_per_source,
             s->max_total_records);
    look_at_sum(f, s, s->max_stages - 1, s->max_per_stage, "stages");
    look_at_sum(f, s, s->max_sources, s->max_per_source, "sources");
    uint64_t cells = 0;
    for (uint32_t i = 0; i < s->class_count; i++)
        cells += s->classes[i].count;
    if (cells < s->max_total_records)
        note(f, "the limit of all records (%u) can never be reached: the memory is split into %llu",
             s->max_total_records, (unsigned long long)cells);
}

void cli_findings_collect(struct cli_findings *f, const char *segment, const struct cli_looks *looks)
{
    f->problems = f->notes = 0;
    look_at_audit(f, segment, &looks->audit);
    look_at_recovered(f, &looks->first, &looks->now);
    look_at_peers(f, segment, &looks->now);
    look_at_stages(f, segment, looks->moment ? &looks->before : NULL, &looks->now);
    look_at_sources(f, &looks->now);
    look_at_names(f, &looks->now);
    look_at_limits(f, &looks->now.settings);
    look_at_removed(f, segment);
}
