/* doctor.c - audits every record and credit, looks for dead and stopped peers, and says in words what is wrong. */
#include <conveyor/crash.h>
#include <conveyor/segment.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "findings.h"
#include "json.h"
#include "options.h"
#include "removed.h"
#include "signals.h"
#include "text.h"
#include "units.h"

#define LOOK_SLICE INT64_C(50000000)
enum { LOOKS = 5, AUDITS = 20, SENTENCE = 1440 }; /* bytes: a finding's text and action together */

struct doctor {
    bool json, repair, strict;
    double hung_after, unsettled_after;
    struct cli_list bridges;
};

/* True if something waits or is leased, so that it is worth seeing whether it moves. */
static bool may_stand_still(const struct cli_snapshot *s)
{
    return s->buffered > s->stages[CVB_STAGE_DEAD_LETTER].holds.queued;
}

/* Counts while others work may see a record twice, at its old and its new place; then the count is repeated, and what
 * is still too much at last is taken off the queued ones, so that the sum is always the capacity. */
static int audit(struct cvb_handle *handle, struct cvb_audit *a)
{
    uint64_t busy = 0;
    for (int i = 0; i < AUDITS; i++) {
        int error = cvb_audit(handle, a);
        if (error)
            return error;
        busy = (uint64_t)a->reserved + a->leased;
        if (a->exact)
            return 0; /* as it was counted, also if it does not add up */
        if (busy + a->queued <= a->capacity)
            break;
    }
    if (a->leased > a->capacity)
        a->leased = a->capacity;
    if (a->reserved > a->capacity - a->leased)
        a->reserved = a->capacity - a->leased;
    if (a->queued > a->capacity - a->leased - a->reserved)
        a->queued = a->capacity - a->leased - a->reserved;
    a->free = a->capacity - a->leased - a->reserved - a->queued;
    return 0;
}

static int count_dead(const struct cli_snapshot *s)
{
    int n = 0;
    for (size_t i = 0; i < s->peer_count; i++)
        n += s->peers[i].peer.state == CVB_PEER_DEAD;
    return n;
}

/* Attaching recovers the `dead` that were seen; the repair mends the rest. How many things were mended, or an error. */
static int repair_all(const char *segment, int dead)
{
    struct cvb_handle *handle;
    int error = cvb_attach(segment, &handle);
    if (error)
        return error;
    int mended = cvb_repair(handle);
    cvb_detach(handle);
    return mended < 0 ? mended : dead + mended;
}

/* All looks, in turn. With `repair` what dead peers left is recovered after the first. */
static int look(struct cvb_handle *handle, const char *segment, bool repair, struct cli_looks *l, int *mended)
{
    int error = cli_snapshot_take(handle, &l->first);
    *mended = error || !repair ? error : repair_all(segment, count_dead(&l->first));
    if (*mended < 0)
        return *mended;
    error = audit(handle, &l->audit);
    if (!error)
        error = cli_snapshot_take(handle, &l->before);
    if (error)
        return error;
    l->moment = may_stand_still(&l->before);
    for (int i = 0; l->moment && i < LOOKS; i++)
        cli_sleep(LOOK_SLICE);
    cli_bridges_read_again(&l->bridges);
    return cli_snapshot_whole(handle, segment, &l->now);
}

static void free_looks(struct cli_looks *l)
{
    cli_snapshot_free(&l->first);
    cli_snapshot_free(&l->before);
    cli_snapshot_free(&l->now);
}

/* A finding as one sentence. */
static const char *sentence(const struct cli_finding *x, char *text, size_t size)
{
    snprintf(text, size, "%s%s%s", x->text, *x->action ? ": " : "", x->action);
    return text;
}

/* The sentences of severities from `least` to `most`. */
static json_t *sentences(const struct cli_findings *f, enum cli_severity least, enum cli_severity most)
{
    char text[SENTENCE];
    json_t *array = json_array();
    for (size_t i = 0; i < f->count; i++)
        if (f->found[i].severity >= least && f->found[i].severity <= most)
            json_array_append_new(array, cli_json_text(sentence(&f->found[i], text, sizeof text)));
    return array;
}

static json_t *objects(const struct cli_findings *f)
{
    json_t *array = json_array();
    for (size_t i = 0; i < f->count; i++) {
        const struct cli_finding *x = &f->found[i];
        json_array_append_new(array, json_pack("{s:s,s:s,s:o,s:o,s:o}", "code", x->code, "severity",
                                               cli_severity_name(x->severity), "subject", cli_json_text(x->subject),
                                               "text", cli_json_text(x->text), "do", cli_json_text(x->action)));
    }
    return array;
}

static int print_json(const char *segment, const struct cvb_audit *a, const struct cli_findings *f)
{
    return cli_json_print(json_pack("{s:i,s:o,s:b,s:b,s:I,s:I,s:I,s:I,s:I,s:o,s:o,s:o}", "version", 1, "segment",
                                    cli_json_text(segment), "ok", !f->of[CLI_PROBLEM], "exact", a->exact, "capacity",
                                    (json_int_t)a->capacity, "free", (json_int_t)a->free, "reserved",
                                    (json_int_t)a->reserved, "queued", (json_int_t)a->queued, "leased",
                                    (json_int_t)a->leased, "problems", sentences(f, CLI_PROBLEM, CLI_PROBLEM), "notes",
                                    sentences(f, CLI_NOTE, CLI_WARNING), "findings", objects(f)));
}

static int print_text(const char *segment, const struct cvb_audit *a, const struct cli_findings *f)
{
    char text[SENTENCE];
    printf("segment %s: %s\n", segment, f->of[CLI_PROBLEM] ? "something is wrong" : "ok");
    printf("records: %u free + %u reserved + %u queued + %u leased = %u, the capacity\n", a->free, a->reserved,
           a->queued, a->leased, a->capacity);
    for (size_t i = 0; i < f->count; i++)
        printf("%s: %s\n", cli_severity_name(f->found[i].severity), sentence(&f->found[i], text, sizeof text));
    return cli_close_output();
}

static int diagnose(struct cvb_handle *handle, const char *segment, const struct doctor *d)
{
    struct cli_looks l = {.hung_after = d->hung_after, .unsettled_after = d->unsettled_after};
    struct cli_findings f;
    int mended = 0, status = cli_bridges_read(&l.bridges, &d->bridges, segment);
    if (status)
        return status;
    int error = look(handle, segment, d->repair, &l, &mended);
    if (!error)
        cli_findings_collect(&f, segment, &l);
    free_looks(&l);
    if (error)
        return cli_segment_failed(segment, error);
    if (d->repair && !d->json)
        printf("repair: %d thing%s of what dead peers left, or of what the audit found, %s mended\n", mended,
               cli_s((uint64_t)mended), mended == 1 ? "was" : "were");
    status = d->json ? print_json(segment, &l.audit, &f) : print_text(segment, &l.audit, &f);
    if (f.of[CLI_PROBLEM] || (d->strict && f.of[CLI_WARNING]))
        status = CLI_FAILED;
    cli_findings_free(&f);
    return status;
}

/* There is no such segment; but it may live on without its name. */
static int not_there(const char *segment)
{
    char pids[128];
    if (!*cli_removed_users(segment, pids, sizeof pids))
        return cli_segment_failed(segment, CVB_ENOENT);
    cli_complain("segment '%s': its name was removed, but process %s still %s it: its memory is free when they have "
                 "ended",
                 segment, pids, strpbrk(pids, ",") ? "use" : "uses");
    return CLI_FAILED;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct doctor d = {.hung_after = 60, .unsettled_after = 60};
    const char *segment;
    const struct cli_option options[] = {
        {"json", CLI_FLAG, NULL, "as one JSON object", &d.json, 0, 0},
        {"repair", CLI_FLAG, NULL, "mend what dead peers left and what the audit finds, and say so", &d.repair, 0, 0},
        {"strict", CLI_FLAG, NULL, "exit status 1 for warnings too", &d.strict, 0, 0},
        {"hung-after", CLI_REAL, "SECONDS", "warn of who holds records and makes no call for so long (60)",
         &d.hung_after, 0.01, 1e6},
        {"unsettled-after", CLI_REAL, "SECONDS", "warn of a source whose records with positions stay so long (60)",
         &d.unsettled_after, 0.01, 1e9},
        {"bridge", CLI_LIST, "FILE", "look also at what a bridge writes there (its --metrics); several", &d.bridges, 0,
         0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &segment, 1);
    if (status != CLI_GO)
        return status;
    struct cvb_handle *handle;
    int error = cvb_observe(segment, &handle);
    if (error)
        return error == CVB_ENOENT ? not_there(segment) : cli_segment_failed(segment, error);
    status = diagnose(handle, segment, &d);
    cvb_detach(handle);
    return status;
}

const struct cli_command cli_doctor = {
    "doctor", "SEG [--json] [--repair] [--strict] [--hung-after SECONDS] [--unsettled-after SECONDS] [--bridge FILE]",
    "audit every record and credit, and say what is wrong",
    "Exit status 0 if there is no problem. A problem needs somebody: records or credits that do not add up, a dead\n"
    "peer that still holds records, a stopped process, dead letters that wait, sources that are told to pause while\n"
    "nobody takes what is in their way. A warning needs a look: a stage that nobody takes from, leases that do not\n"
    "move, handles or names that are nearly used up, who holds records and makes no call, a source whose records with\n"
    "positions stay. A note may be as it should be: a peer that died and whose\n"
    "records are back, a source or stage at its limit, a limit that can never be reached, a removed segment that is\n"
    "still used. A thing stands still if it did not move in a quarter of a second. It only looks, without a handle, "
    "and\n"
    "needs permission to read; with --repair it attaches, recovers what dead peers left, mends what the audit finds,\n"
    "and says how much that was.",
    run};
