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

#define LOOK_SLICE INT64_C(50000000)
enum { LOOKS = 5, AUDITS = 20 };

/* Whether some stage looks as if it had no consumer. */
static bool seems_idle(const struct cli_snapshot *s)
{
    for (size_t i = 0; i < s->stage_count; i++)
        if (s->stages[i].id != CVB_STAGE_DEAD_LETTER && s->stages[i].holds.queued && !s->stages[i].holds.leased)
            return true;
    return false;
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

/* All looks, in turn. What dead peers left is recovered after the first, as every process that attaches does. */
static int look(struct cvb_handle *handle, struct cli_looks *l, int *freed)
{
    int error = cli_snapshot_take(handle, &l->first);
    *freed = error ? error : cvb_recover(handle);
    if (*freed < 0)
        return *freed;
    error = audit(handle, &l->audit);
    if (!error)
        error = cli_snapshot_take(handle, &l->before);
    if (error)
        return error;
    l->moment = seems_idle(&l->before);
    for (int i = 0; l->moment && i < LOOKS; i++)
        cli_sleep(LOOK_SLICE);
    return cli_snapshot_take(handle, &l->now);
}

static void free_looks(struct cli_looks *l)
{
    cli_snapshot_free(&l->first);
    cli_snapshot_free(&l->before);
    cli_snapshot_free(&l->now);
}

static json_t *texts(char (*list)[CLI_FINDING_BYTES], size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, cli_json_text(list[i]));
    return array;
}

static int print_json(const char *segment, const struct cvb_audit *a, struct cli_findings *f)
{
    return cli_json_print(json_pack(
        "{s:i,s:o,s:b,s:b,s:I,s:I,s:I,s:I,s:I,s:o,s:o}", "version", 1, "segment", cli_json_text(segment), "ok",
        !f->problems, "exact", a->exact, "capacity", (json_int_t)a->capacity, "free", (json_int_t)a->free, "reserved",
        (json_int_t)a->reserved, "queued", (json_int_t)a->queued, "leased", (json_int_t)a->leased, "problems",
        texts(f->problem, f->problems), "notes", texts(f->note, f->notes)));
}

static int print_text(const char *segment, const struct cvb_audit *a, struct cli_findings *f)
{
    printf("segment %s: %s\n", segment, f->problems ? "something is wrong" : "ok");
    printf("records: %u free + %u reserved + %u queued + %u leased = %u, the capacity\n", a->free, a->reserved,
           a->queued, a->leased, a->capacity);
    for (size_t i = 0; i < f->problems; i++)
        printf("problem: %s\n", f->problem[i]);
    for (size_t i = 0; i < f->notes; i++)
        printf("note: %s\n", f->note[i]);
    return cli_close_output();
}

static int diagnose(struct cvb_handle *handle, const char *segment, bool json, bool repair)
{
    struct cli_looks l = {0};
    struct cli_findings *f = calloc(1, sizeof *f);
    int freed = 0, error = f ? look(handle, &l, &freed) : CVB_ESYSTEM;
    if (!error)
        cli_findings_collect(f, segment, &l);
    free_looks(&l);
    if (error) {
        free(f);
        return cli_segment_failed(segment, error);
    }
    if (repair && !json)
        printf("repair: what %d dead %s left was completed or taken back\n", freed, freed == 1 ? "peer" : "peers");
    int status = json ? print_json(segment, &l.audit, f) : print_text(segment, &l.audit, f);
    if (!status && f->problems)
        status = CLI_FAILED;
    free(f);
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
    bool json = false, repair = false;
    const char *segment;
    const struct cli_option options[] = {
        {"json", CLI_FLAG, NULL, "as one JSON object", &json, 0, 0},
        {"repair", CLI_FLAG, NULL, "complete or take back what dead peers left, and say so", &repair, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &segment, 1);
    if (status != CLI_GO)
        return status;
    struct cvb_handle *handle;
    int error = cvb_observe(segment, &handle);
    if (error)
        return error == CVB_ENOENT ? not_there(segment) : cli_segment_failed(segment, error);
    status = diagnose(handle, segment, json, repair);
    cvb_detach(handle);
    return status;
}

const struct cli_command cli_doctor = {
    "doctor", "SEG [--json] [--repair]", "audit every record and credit, and say what is wrong",
    "Exit status 0 if there is no problem. A problem needs somebody: records or credits that do not add up, a dead\n"
    "peer that still holds records, a stopped process, dead letters that wait. A note may be as it should be: a peer\n"
    "that died and whose records are back, a stage that nobody takes from, a source or stage at its limit, a limit\n"
    "that can never be reached, a removed segment that is still used. What dead peers left is recovered in any case,\n"
    "as everybody does who attaches; --repair says how many there were.",
    run};
