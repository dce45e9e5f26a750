/* findings.c - what the doctor has to say.
 *
 * A problem is what does not go away by itself and needs somebody: records or credits that do not add up, a dead peer
 * that recovery has not cleared, a stopped process, dead letters, sources that are told to pause while nobody takes
 * what is in their way. A warning is what needs a look: a stage that nobody takes from, leases that do not move, seats
 * or names that are nearly used up, a consumer that makes no call, a source that is not settled for long. A note is
 * what a healthy segment may look like for a while, or for ever if it is meant.
 *
 * `word` is the segment's name as it is typed.
 */
#include <stdio.h>
#include <string.h>

#include "findings.h"
#include "hand.h"
#include "removed.h"
#include "units.h"
#include "word.h"

static struct cli_finding *add_process(struct cli_findings *f, const char *code, enum cli_severity severity, pid_t pid)
{
    char number[16];
    snprintf(number, sizeof number, "%d", (int)pid);
    return cli_finding_add(f, code, severity, "process", number);
}

static void look_at_audit(struct cli_findings *f, const char *word, const struct cvb_audit *audit)
{
    struct cli_finding *x;
    if (audit->problems) {
        x = cli_finding_add(f, "audit", CLI_PROBLEM, "segment", "");
        cli_finding_tell(x, "%u record%s or credit%s %s not add up (%s)", audit->problems, cli_s(audit->problems),
                         cli_s(audit->problems), audit->problems == 1 ? "does" : "do", audit->first_problem);
        cli_finding_advise(x, "run 'conveyor doctor %s --repair'; if it stays, empty the segment and make it anew",
                           word);
    }
    if (!audit->exact) {
        x = cli_finding_add(f, "not-exact", CLI_NOTE, "segment", "");
        cli_finding_tell(
            x, "others were at work all the time: the sums are of no single moment, and credits were not compared");
    }
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
        if (p->peer.state != CVB_PEER_DEAD || is_dead(now, p->peer.pid))
            continue;
        struct cli_finding *x = add_process(f, "peer-recovered", CLI_NOTE, p->peer.pid);
        cli_finding_tell(
            x,
            "process %d had died with %u record%s leased and %u reserved: the leased ones were queued again, the "
            "reserved ones given up",
            (int)p->peer.pid, p->holds.leased, cli_s(p->holds.leased), p->holds.reserved);
        cli_finding_advise(x, "start another in its place if it is missed");
    }
}

static void look_at_hung(struct cli_findings *f, const char *word, const struct cli_looks *l)
{
    for (size_t i = 0; i < l->now.peer_count; i++) {
        const struct cli_peer *p = &l->now.peers[i];
        if (!cli_hangs(p, l->hung_after))
            continue;
        struct cli_finding *x = add_process(f, "consumer-hung", CLI_WARNING, p->peer.pid);
        cli_finding_tell(x, "process %d (%s) holds %u record%s and has made no call for %.1f s", (int)p->peer.pid,
                         *p->command ? p->command : "?", p->holds.leased, cli_s(p->holds.leased),
                         (double)p->peer.idle_ns / 1e9);
        cli_finding_advise(
            x,
            "see 'conveyor leases %s'; if it hangs, 'conveyor evict %s --pid %d' ends it, and others get its "
            "records",
            word, word, (int)p->peer.pid);
    }
}

static void look_at_peers(struct cli_findings *f, const char *word, const struct cli_snapshot *s)
{
    for (size_t i = 0; i < s->peer_count; i++) {
        const struct cli_peer *p = &s->peers[i];
        int pid = (int)p->peer.pid;
        unsigned records = p->holds.leased + p->holds.reserved;
        struct cli_finding *x;
        if (p->peer.state == CVB_PEER_DEAD) {
            x = add_process(f, "peer-dead", records ? CLI_PROBLEM : CLI_NOTE, p->peer.pid);
            cli_finding_tell(x, "process %d is dead and holds %u record%s until another process attaches", pid, records,
                             cli_s(records));
            cli_finding_advise(x, "start another in its place, or run 'conveyor doctor %s --repair'", word);
        }
        if (p->peer.state == CVB_PEER_STOPPED) {
            x = add_process(f, "peer-stopped", CLI_PROBLEM, p->peer.pid);
            cli_finding_tell(x, "process %d is stopped and holds %u record%s", pid, records, cli_s(records));
            cli_finding_advise(x, "continue it with 'kill -CONT %d', or end it with 'conveyor evict %s --pid %d'", pid,
                               word, pid);
        }
    }
}

/* Something of which there is a fixed number: nine tenths of it are used. `cure`: what helps besides. */
static void look_at_supply(struct cli_findings *f, size_t used, uint32_t most, const char *what, const char *cure,
                           const char *option)
{
    if (used * 10 < (uint64_t)most * 9)
        return;
    struct cli_finding *x = cli_finding_add(f, "used-up", CLI_WARNING, what, "");
    if (used >= most)
        cli_finding_tell(x, "all %u %s are in use: another one is refused", most, what);
    else
        cli_finding_tell(x, "%zu of %u %s are in use", used, most, what);
    cli_finding_advise(x, "%smake the segment anew with a larger %s", cure, option);
}

static void look_at_supplies(struct cli_findings *f, const char *word, const struct cli_snapshot *s)
{
    char retire[CLI_WORD_BYTES + 120];
    snprintf(retire, sizeof retire, "retire those that nobody uses with 'conveyor names %s --retire NAME', or ", word);
    look_at_supply(f, s->peer_count + s->own_seats, s->settings.max_handles, "handles", "", "--max-handles");
    if (!s->settings.sealed_stages)
        look_at_supply(f, s->stage_count, s->settings.max_stages, "names of stages", "", "--max-stages");
    look_at_supply(f, s->source_count, s->settings.max_sources, "names of sources", retire, "--max-sources");
    if (s->settings.max_pipelines > 1)
        look_at_supply(f, s->pipeline_count, s->settings.max_pipelines, "names of pipelines", "", "--max-pipelines");
}

/* Records wait, nobody has any, and nothing was delivered since the earlier snapshot. */
static bool has_no_consumer(const struct cli_stage *was, const struct cli_stage *now)
{
    return now->holds.queued && was->holds.queued && !now->holds.leased && !was->holds.leased &&
           now->counts.delivered == was->counts.delivered;
}

static uint64_t settled(const struct cvb_counts *c)
{
    return c->acked + c->forwarded + c->returned + c->released + c->redelivered;
}

/* Records are leased, and nothing was delivered or settled since the earlier snapshot. */
static bool is_stuck(const struct cli_stage *was, const struct cli_stage *now)
{
    return now->holds.leased && was->holds.leased && now->counts.delivered == was->counts.delivered &&
           settled(&now->counts) == settled(&was->counts);
}

static bool some_source_pauses(const struct cli_snapshot *s)
{
    for (size_t i = 0; i < s->source_count; i++)
        if (s->sources[i].backpressure.signal == CVB_SIGNAL_PAUSE)
            return true;
    return false;
}

/* A stage that stands still is a problem if somebody is told to wait for it. */
static void look_at_movement(struct cli_findings *f, const char *word, const struct cli_snapshot *s,
                             const struct cli_stage *was, const struct cli_stage *t)
{
    bool held = t->signal == CVB_SIGNAL_PAUSE || some_source_pauses(s);
    struct cli_finding *x;
    if (has_no_consumer(was, t)) {
        x = cli_finding_add(f, held ? "stage-stands-still" : "stage-without-consumer", held ? CLI_PROBLEM : CLI_WARNING,
                            "stage", t->name);
        cli_finding_tell(x, "stage '%s' has %u record%s waiting and nobody takes them%s", t->name, t->holds.queued,
                         cli_s(t->holds.queued), held ? ", and sources are told to pause" : "");
        cli_finding_advise(x, "start a consumer");
    } else if (held && is_stuck(was, t)) {
        x = cli_finding_add(f, "stage-stuck", CLI_WARNING, "stage", t->name);
        cli_finding_tell(
            x,
            "%u record%s of stage '%s' %s leased, none was settled while the doctor looked, and sources are told to "
            "pause",
            t->holds.leased, cli_s(t->holds.leased), t->name, t->holds.leased == 1 ? "is" : "are");
        cli_finding_advise(
            x,
            "look whether its consumers hang: 'conveyor evict %s --hung-after SECONDS' ends those that do nothing for "
            "so long, and gives back what they hold",
            word);
    }
}

static void advise_on_dead_letters(struct cli_finding *x, const char *word)
{
    cli_finding_advise(
        x, "see them with 'conveyor dead-letter %s list'; 'retry' or 'drop' in the place of 'list' settles them", word);
}

static void look_at_dead_letters(struct cli_findings *f, const char *word, const struct cli_snapshot *s,
                                 const struct cli_stage *t)
{
    if (!t->holds.queued)
        return;
    uint32_t n = t->holds.queued;
    struct cli_finding *x = cli_finding_add(f, "dead-letters", CLI_PROBLEM, "stage", t->name);
    cli_finding_tell(
        x,
        "%u dead letter%s %s: a consumer returned each, or died with it alone, more often than --max-retries (%u) "
        "allows; %s %u of the %u records that the segment may have, and nothing of a source's or stage's limit",
        n, cli_s(n), n == 1 ? "waits" : "wait", s->settings.max_retries, n == 1 ? "it holds" : "they hold", n,
        s->limit);
    advise_on_dead_letters(x, word);
}

static void look_at_stages(struct cli_findings *f, const char *word, const struct cli_looks *l)
{
    for (size_t i = 0; i < l->now.stage_count; i++) {
        const struct cli_stage *t = &l->now.stages[i];
        if (t->id == CVB_STAGE_DEAD_LETTER) {
            look_at_dead_letters(f, word, &l->now, t);
            continue;
        }
        if (l->moment && i < l->before.stage_count && !t->held.signal)
            look_at_movement(f, word, &l->now, &l->before.stages[i], t);
        if (cli_holds(&t->holds) >= t->limit) {
            struct cli_finding *x = cli_finding_add(f, "stage-full", CLI_NOTE, "stage", t->name);
            cli_finding_tell(x, "stage '%s' is at its limit of %u record%s: its producers wait", t->name, t->limit,
                             cli_s(t->limit));
        }
    }
}

/* Dead letters hold room of the total alone: without them it would be below the mark at which all sources pause. */
static bool dead_letters_hold(const struct cli_snapshot *s)
{
    uint32_t dead = s->stages[CVB_STAGE_DEAD_LETTER].holds.queued;
    double resume = s->resume_threshold * s->limit;
    double pause = s->backpressure_threshold * s->limit;
    return s->buffered >= dead && s->buffered >= resume && s->buffered - dead < pause;
}

/* True if the source pauses because of the total, not of its own limit. */
static bool pauses_for_total(const struct cli_snapshot *s, const struct cli_source *o)
{
    return o->backpressure.signal == CVB_SIGNAL_PAUSE && o->buffered < s->resume_threshold * o->limit;
}

static void look_at_held(struct cli_findings *f, const char *word, const struct cli_snapshot *s)
{
    uint32_t dead = s->stages[CVB_STAGE_DEAD_LETTER].holds.queued;
    size_t held = 0;
    for (size_t i = 0; dead && dead_letters_hold(s) && i < s->source_count; i++)
        held += pauses_for_total(s, &s->sources[i]);
    if (!held)
        return;
    struct cli_finding *x = cli_finding_add(f, "sources-held-by-dead-letters", CLI_PROBLEM, "segment", "");
    cli_finding_tell(
        x, "%zu source%s %s told to pause only because of dead letters: %u of the %u records are dead letters", held,
        cli_s(held), held == 1 ? "is" : "are", dead, s->buffered);
    advise_on_dead_letters(x, word);
}

/* A source that hogs: its own limit, or what all share. */
static void look_at_source(struct cli_findings *f, const char *word, const struct cli_snapshot *s,
                           const struct cli_source *o)
{
    uint32_t own = o->limit, all = s->limit;
    double part = s->backpressure_threshold;
    char name[CLI_WORD_BYTES];
    struct cli_finding *x;
    if (o->buffered >= own) {
        x = cli_finding_add(f, "source-full", CLI_NOTE, "source", o->name);
        cli_finding_tell(x, "source '%s' holds its whole limit of %u record%s: it waits until some are settled",
                         o->name, own, cli_s(own));
    } else if (o->buffered >= part * own) {
        x = cli_finding_add(f, "source-paused", CLI_NOTE, "source", o->name);
        cli_finding_tell(x, "source '%s' holds %u of the %u records that it may have, and is told to pause", o->name,
                         o->buffered, own);
        cli_finding_advise(x, "the stages that they are in need more or faster consumers");
    }
    if (s->source_count > 1 && s->buffered >= part * all && o->buffered > s->buffered / 2) {
        x = cli_finding_add(f, "source-greedy", CLI_NOTE, "source", o->name);
        cli_finding_tell(x, "source '%s' holds %u of all %u records, and the others are told to pause for it", o->name,
                         o->buffered, s->buffered);
        cli_finding_advise(x, "a lower limit leaves them room: 'conveyor set %s --source %s --limit N'", word,
                           cli_word(o->name, name));
    }
}

static void look_at_sources(struct cli_findings *f, const char *word, const struct cli_snapshot *s)
{
    look_at_held(f, word, s);
    for (size_t i = 0; i < s->source_count; i++)
        look_at_source(f, word, s, &s->sources[i]);
    if (s->buffered >= s->limit)
        cli_finding_tell(cli_finding_add(f, "segment-full", CLI_NOTE, "segment", ""),
                         "the segment is full: %u record%s", s->buffered, cli_s(s->buffered));
}

/* A signal that somebody has given; `option` names whom it is for. */
static void look_at_given(struct cli_findings *f, const char *word, const char *kind, const char *name,
                          const struct cvb_given *g)
{
    char text[CLI_GIVEN_BYTES], value[CLI_WORD_BYTES], option[CLI_WORD_BYTES + 16] = "";
    if (g->signal == CVB_SIGNAL_NONE)
        return;
    if (*name)
        snprintf(option, sizeof option, "--%s %s ", kind, cli_word(name, value));
    struct cli_finding *x = cli_finding_add(f, "signal-by-hand", CLI_NOTE, *name ? kind : "segment", name);
    cli_finding_tell(x, "%s%s%s has a signal by hand: %s", *name ? kind : "every source", *name ? " " : "", name,
                     cli_given_text(g, text));
    cli_finding_advise(x, "if it is not needed any more: 'conveyor signal %s %snone'", word, option);
}

static void look_at_hold(struct cli_findings *f, const char *word, const struct cli_stage *t)
{
    char text[CLI_GIVEN_BYTES], name[CLI_WORD_BYTES];
    if (t->held.signal == CVB_SIGNAL_NONE)
        return;
    struct cli_finding *x = cli_finding_add(f, "stage-held", CLI_WARNING, "stage", t->name);
    cli_finding_tell(x, "stage '%s' is held, and has %u record%s waiting: %s", t->name, t->holds.queued,
                     cli_s(t->holds.queued), cli_given_by(&t->held, text));
    cli_finding_advise(x, "let it deliver with 'conveyor release %s --stage %s'", word, cli_word(t->name, name));
}

static void look_at_hand(struct cli_findings *f, const char *word, const struct cli_snapshot *s)
{
    look_at_given(f, word, "source", "", &s->given);
    for (size_t i = 0; i < s->stage_count; i++) {
        look_at_given(f, word, "stage", s->stages[i].name, &s->stages[i].given);
        look_at_hold(f, word, &s->stages[i]);
    }
    for (size_t i = 0; i < s->source_count; i++)
        look_at_given(f, word, "source", s->sources[i].name, &s->sources[i].given);
}

/* Others of this name, that one cannot see otherwise. */
static void look_at_removed(struct cli_findings *f, const char *segment)
{
    char pids[128];
    if (!*cli_removed_users(segment, pids, sizeof pids))
        return;
    struct cli_finding *x = cli_finding_add(f, "removed-segment", CLI_NOTE, "segment", "");
    cli_finding_tell(x, "a removed segment of this name is still used by %s", pids);
    cli_finding_advise(x, "end them, or they and its memory stay apart from this one");
}

/* A limit that lower ones keep from being reached: together they hold `together`. */
static void look_at_limit(struct cli_findings *f, const char *what, uint32_t limit, uint64_t together, const char *why)
{
    if (together >= limit)
        return;
    struct cli_finding *x = cli_finding_add(f, "limit-unreachable", CLI_NOTE, "segment", "");
    cli_finding_tell(x, "the limit %s (%u) can never be reached: %s %llu", what, limit, why,
                     (unsigned long long)together);
}

/* A limit of all records that cannot be reached, because `names` lower limits of `each` add up to less. */
static void look_at_sum(struct cli_findings *f, const struct cvb_settings *s, uint32_t names, uint32_t each,
                        const char *what)
{
    char why[96];
    snprintf(why, sizeof why, "%u %s of %u record%s each hold", names, what, each, cli_s(each));
    look_at_limit(f, "of all records", s->max_total_records, (uint64_t)names * each, why);
}

static void look_at_limits(struct cli_findings *f, const struct cvb_settings *s)
{
    look_at_limit(f, "per stage", s->max_per_stage, s->max_total_records, "all stages together hold");
    look_at_limit(f, "per source", s->max_per_source, s->max_total_records, "all sources together hold");
    look_at_sum(f, s, s->max_stages - 1, s->max_per_stage, "stages");
    look_at_sum(f, s, s->max_sources, s->max_per_source, "sources");
    uint64_t cells = 0;
    for (uint32_t i = 0; i < s->class_count; i++)
        cells += s->classes[i].count;
    look_at_limit(f, "of all records", s->max_total_records, cells, "the memory is split into");
}

void cli_findings_collect(struct cli_findings *f, const char *segment, const struct cli_looks *looks)
{
    char word[CLI_WORD_BYTES];
    cli_segment_word(segment, word);
    *f = (struct cli_findings){0};
    look_at_audit(f, word, &looks->audit);
    look_at_recovered(f, &looks->first, &looks->now);
    look_at_peers(f, word, &looks->now);
    look_at_hung(f, word, looks);
    look_at_stages(f, word, looks);
    look_at_sources(f, word, &looks->now);
    cli_findings_of_unsettled(f, word, looks);
    look_at_hand(f, word, &looks->now);
    look_at_supplies(f, word, &looks->now);
    look_at_limits(f, &looks->now.settings);
    look_at_removed(f, segment);
    cli_findings_of_bridges(f, word, looks);
    cli_findings_sort(f);
}
