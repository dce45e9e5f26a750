/* findings.c - what the doctor has to say, sorted into problems and notes.
 *
 * A problem is what does not go away by itself and needs somebody: records or credits that do not add up, a dead peer
 * that recovery has not cleared, a stopped process, dead letters that wait. A note is what a healthy segment
 * may look like for a while, or for ever if it is meant: a full source, a stage that nobody takes from, a limit that
 * cannot be reached.
 */
#include "findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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
                        "%u dead letters wait, records that failed %u times: see why, and take them with 'conveyor "
                        "pull %s --stage %s', with --to STAGE to try them again",
                        t->holds.queued, s->settings.max_retries + 1, segment, t->name);
            continue;
        }
        if (before && i < before->stage_count && has_no_consumer(&before->stages[i], t))
            note(f, "stage '%s' has %u records waiting and nobody takes them: start a consumer", t->name,
                 t->holds.queued);
        if (t->holds.queued + t->holds.leased + t->holds.reserved >= t->limit)
            note(f, "stage '%s' is at its limit of %u records: its producers wait", t->name, t->limit);
    }
}

static void look_at_sources(struct cli_findings *f, const struct cli_snapshot *s)
{
    for (size_t i = 0; i < s->source_count; i++)
        if (s->sources[i].buffered >= s->settings.max_per_source)
            note(f, "source '%s' holds its whole limit of %u records: it waits until some are settled",
                 s->sources[i].name, s->settings.max_per_source);
    if (s->buffered >= s->settings.max_total_records)
        note(f, "the segment is full: %u records", s->buffered);
}

static void look_at_limits(struct cli_findings *f, const struct cvb_settings *s)
{
    if (s->max_per_stage > s->max_total_records)
        note(f, "the limit per stage (%u) can never be reached: all stages together hold %u", s->max_per_stage,
             s->max_total_records);
    if (s->max_per_source > s->max_total_records)
        note(f, "the limit per source (%u) can never be reached: all sources together hold %u", s->max_per_source,
             s->max_total_records);
    uint64_t cells = 0;
    for (uint32_t i = 0; i < s->class_count; i++)
        cells += s->classes[i].count;
    if (cells < s->max_total_records)
        note(f, "the limit of all records (%u) can never be reached: the memory is split into %llu",
             s->max_total_records, (unsigned long long)cells);
}

void cli_findings_collect(struct cli_findings *f, const char *segment, const struct cvb_audit *audit,
                          const struct cli_snapshot *before, const struct cli_snapshot *now)
{
    f->problems = f->notes = 0;
    look_at_audit(f, segment, audit);
    look_at_peers(f, segment, now);
    look_at_stages(f, segment, before, now);
    look_at_sources(f, now);
    look_at_limits(f, &now->settings);
}
