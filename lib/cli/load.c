/* load.c - all that a file of 'record --all' has goes into a segment: 'replay --all'.
 *
 * Overview: what is in the segment already is found by its content, so a replay that was killed can be started again.
 * The others are put, those of one source in the order of their positions, whatever their stages. A put cannot say how
 * often a record has failed, nor put it among the dead letters, nor in another order. So the stages where that matters
 * are leased as a whole at the end; there records fail as often as the file says, and are given back in the file's
 * order.
 *
 * What a source had accepted may be above what is left of it. Then a mark is put behind its records, an empty record at
 * that position, and acked at the end.
 *
 * Why nothing is lost or doubled: nobody else uses the segment, so a record of the file is there, or a dead process has
 * it and attaching gave it back, or it was never put. A record with a position is refused by the segment if it was ever
 * accepted; one without is put only while nothing was taken out.
 */
#include <conveyor/flow.h>
#include <conveyor/limits.h>
#include <conveyor/progress.h>
#include <conveyor/segment.h>
#include <conveyor/state.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "saved.h"
#include "signals.h"
#include "text.h"
#include "units.h"
#include "word.h"

enum { FAILURES_MOST = 300 }; /* more than max_retries can be */

struct load {
    struct cli_saved file;
    struct cvb_handle *handle;
    struct cli_snapshot seen;
    uint32_t *order; /* of the records: the way in which they are put */
    bool *anew;      /* by stage: it is leased as a whole at the end */
    size_t put, there, gone;
};

static int failed(struct load *l, int error) { return cli_segment_failed(l->file.segment, error); }

static int again(struct load *l, const char *why)
{
    cli_complain("%s: %zu of %zu records of '%s' are in segment '%s'; start it again, and it goes on", why,
                 l->put + l->there, l->file.count, l->file.path, l->file.segment);
    return CLI_FAILED;
}

/* Nobody else may be at work. */
static int look(struct load *l)
{
    int error = cli_saved_look(l->handle, l->file.segment, &l->seen);
    if (error)
        return failed(l, error);
    if (!l->seen.peer_count)
        return 0;
    cli_complain("process %d%s%s uses segment '%s': put all into it before anybody else does",
                 (int)l->seen.peers[0].peer.pid, *l->seen.peers[0].command ? ", " : "", l->seen.peers[0].command,
                 l->file.segment);
    return CLI_FAILED;
}

/* The stage of the segment that the fewest records of the file go to, but for the dead-letter stage; 0: none. */
static uint32_t emptiest_stage(const struct load *l)
{
    uint32_t best = CVB_STAGE_DEAD_LETTER, least = UINT32_MAX;
    uint32_t *count = calloc(l->file.settings.max_stages, sizeof *count);
    for (size_t i = 0; count && i < l->file.count; i++)
        count[l->file.record[i].stage]++;
    for (size_t i = 1; count && i < l->seen.stage_count; i++)
        if (count[l->seen.stages[i].id] < least) {
            best = l->seen.stages[i].id;
            least = count[best];
        }
    free(count);
    return best;
}

/* A mark for each source whose newest accepted record had left the saved segment. 0 or an error. */
static int add_marks(struct load *l)
{
    const uint32_t sources = l->file.settings.max_sources, stage = emptiest_stage(l);
    uint64_t *highest = calloc(sources, sizeof *highest);
    if (!highest)
        return CVB_ESYSTEM;
    for (size_t i = 0; i < l->file.count; i++)
        if (l->file.record[i].position > highest[cvb_source_place(l->file.record[i].source)])
            highest[cvb_source_place(l->file.record[i].source)] = l->file.record[i].position;
    int error = 0;
    for (uint32_t i = 0; !error && stage != CVB_STAGE_DEAD_LETTER && i < sources; i++) {
        uint32_t id;
        if (l->file.accepted[i] <= highest[i] || cvb_source_at(l->handle, i, &id))
            continue;
        struct cli_saved_record *mark = cli_saved_add(&l->file);
        error = mark ? 0 : CVB_ESYSTEM;
        if (mark)
            *mark = (struct cli_saved_record){.source = id,
                                              .stage = stage,
                                              .position = l->file.accepted[i],
                                              .hash = cli_saved_hash(NULL, 0, NULL, 0),
                                              .mark = true};
    }
    free(highest);
    return error;
}

/* Where a record with a position stands. */
struct turn {
    uint64_t position;
    uint32_t source, index;
};

static int by_index(const void *x, const void *y)
{
    const struct turn *a = x, *b = y;
    if (a->source != b->source)
        return a->source < b->source ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static int by_position(const void *x, const void *y)
{
    const struct turn *a = x, *b = y;
    if (a->source == b->source && a->position != b->position)
        return a->position < b->position ? -1 : 1;
    return by_index(x, y);
}

/* Each source's records with positions change places among themselves, so that their positions grow. */
static int put_in_order(struct load *l)
{
    const size_t count = l->file.count;
    size_t n = 0;
    l->order = calloc(count + 1, sizeof *l->order);
    struct turn *to = calloc(2 * count + 1, sizeof *to), *from = to + count;
    for (size_t i = 0; l->order && to && i < count; i++) {
        const struct cli_saved_record *r = &l->file.record[i];
        l->order[i] = (uint32_t)i;
        if (r->position)
            to[n] = from[n] = (struct turn){r->position, r->source, (uint32_t)i}, n++;
    }
    if (l->order && to) {
        qsort(to, n, sizeof *to, by_index);
        qsort(from, n, sizeof *from, by_position);
        for (size_t i = 0; i < n; i++)
            l->order[to[i].index] = from[i].index;
    }
    free(to);
    return l->order && to ? 0 : CVB_ESYSTEM;
}

/* Which stages have records that failed, dead letters, marks, or another order than that of the puts. */
static int find_stages(struct load *l)
{
    uint32_t *last = calloc(l->file.settings.max_stages, sizeof *last);
    l->anew = calloc(l->file.settings.max_stages, sizeof *l->anew);
    for (size_t i = 0; last && l->anew && i < l->file.count; i++) {
        const struct cli_saved_record *r = &l->file.record[l->order[i]];
        l->anew[r->stage] |= r->retries || r->dead || r->mark || l->order[i] < last[r->stage];
        last[r->stage] = l->order[i];
    }
    free(last);
    return last && l->anew ? 0 : CVB_ESYSTEM;
}

static int no_room(struct load *l, const char *kind, const char *name, uint64_t count, uint32_t limit)
{
    cli_complain("'%s' has %llu records%s%s%s, dead letters included, and segment '%s' may have %u: make it anew with "
                 "larger limits; nothing was put",
                 l->file.path, (unsigned long long)count, kind, *name ? " " : "", name, l->file.segment, limit);
    return CLI_FAILED;
}

/* Would all of the file go in? A dead letter is put into its stage first. */
static int check_room(struct load *l)
{
    uint32_t *count = calloc((size_t)l->file.settings.max_stages + l->file.settings.max_sources, sizeof *count);
    uint32_t *source = count + l->file.settings.max_stages;
    int status = count ? 0 : failed(l, CVB_ESYSTEM);
    for (size_t i = 0; !status && i < l->file.count; i++) {
        count[l->file.record[i].stage]++;
        source[cvb_source_place(l->file.record[i].source)]++;
    }
    if (!status && l->file.count > l->seen.limit)
        status = no_room(l, "", "", l->file.count, l->seen.limit);
    for (size_t i = 1; !status && i < l->seen.stage_count; i++)
        if (count[i] > l->seen.stages[i].limit)
            status = no_room(l, " of stage", l->seen.stages[i].name, count[i], l->seen.stages[i].limit);
    for (size_t i = 0; !status && i < l->seen.source_count; i++)
        if (source[cvb_source_place(l->seen.sources[i].id)] > l->seen.sources[i].limit)
            status = no_room(l, " of source", l->seen.sources[i].name, source[cvb_source_place(l->seen.sources[i].id)],
                             l->seen.sources[i].limit);
    free(count);
    return status;
}

static int not_of_the_file(struct load *l, const struct cli_stage *stage)
{
    cli_complain(
        "stage '%s' of segment '%s' has a record that is not of '%s': put all into a segment that is empty, or "
        "that an earlier replay of the file has left",
        stage->name, l->file.segment, l->file.path);
    return CLI_FAILED;
}

/* Finds what is there already. */
static int find_there(struct load *l)
{
    struct cvb_lease seen;
    for (size_t i = 0; i < l->seen.stage_count; i++) {
        struct cvb_cursor cursor = {0};
        const struct cli_stage *stage = &l->seen.stages[i];
        const size_t size = (size_t)l->file.settings.payload_size + l->file.settings.header_size;
        int one;
        while ((one = cvb_peek(l->handle, stage->id, &cursor, &seen, l->file.bytes, size)) > 0) {
            struct cli_saved_record *r = cli_saved_find(&l->file, &seen);
            if (!r)
                return not_of_the_file(l, stage);
            r->there = true;
            r->settled = stage->id == CVB_STAGE_DEAD_LETTER;
            l->there++;
        }
        if (one < 0)
            return failed(l, one);
    }
    return 0;
}

static bool was_worked_on(const struct cli_snapshot *s)
{
    for (size_t i = 0; i < s->stage_count; i++)
        if (s->stages[i].counts.acked || s->stages[i].counts.forwarded)
            return true;
    return false;
}

/* What was accepted and is not there any more is not put again. */
static int leave_out_gone(struct load *l)
{
    const bool worked_on = was_worked_on(&l->seen);
    for (size_t i = 0; i < l->file.count; i++) {
        struct cli_saved_record *r = &l->file.record[i];
        if (r->there)
            continue;
        if (!r->position && worked_on) {
            cli_complain("records were taken out of segment '%s', and record %zu of '%s' has no position that would "
                         "tell whether it was: put all into a segment that was just made",
                         l->file.segment, i + 1, l->file.path);
            return CLI_FAILED;
        }
        const struct cli_source *source = cli_source_of(&l->seen, r->source);
        if (r->position && source && r->position <= source->progress.accepted) {
            r->there = r->settled = true;
            l->gone += !r->mark;
        }
    }
    return 0;
}

static int put_one(struct load *l, struct cli_saved_record *r)
{
    if (r->there)
        return 0;
    if (!cli_saved_bytes(&l->file, r, l->file.bytes)) {
        cli_complain("cannot read '%s': %s", l->file.path, strerror(errno));
        return CLI_FAILED;
    }
    const struct cvb_record record = {.payload = l->file.bytes,
                                      .length = r->length,
                                      .header = r->header_length ? l->file.bytes + r->length : NULL,
                                      .header_length = r->header_length,
                                      .position = r->position,
                                      .source = r->source,
                                      .pipeline = r->pipeline};
    int error = cvb_buffer_for_stage(l->handle, r->stage, &record);
    if (error)
        return cvb_is_full(error) ? again(l, cvb_error_text(error)) : failed(l, error);
    r->there = true;
    l->put++;
    return 0;
}

static int put_all(struct load *l)
{
    int status = 0;
    for (size_t i = 0; !status && i < l->file.count; i++)
        status = cli_signals() ? again(l, "stopped by a signal") : put_one(l, &l->file.record[l->order[i]]);
    return status;
}

/* A lease, and its record's index in the file. */
struct held {
    struct cvb_lease lease;
    uint32_t index;
};

/* The record fails once more; false when it is not in its stage any more: it became a dead letter. */
static int fail(struct load *l, struct cvb_lease *lease)
{
    int error = cvb_return_after(l->handle, lease, 1, 0);
    return error ? error : cvb_get_batch(l->handle, lease->stage, lease, 1);
}

/* Makes the record what the file says: 1 if it is leased still, 0 if not, or an error. */
static int make_as_saved(struct load *l, struct held *x)
{
    struct cli_saved_record *r = &l->file.record[x->index];
    const int most = cvb_max_retries_of(l->handle, r->stage);
    if (r->mark)
        return cvb_ack(l->handle, &x->lease, 1);
    int still = 1;
    for (int i = 0; still == 1 && i < FAILURES_MOST; i++) {
        const bool enough = x->lease.retry_count >= r->retries || (int64_t)x->lease.retry_count >= most;
        if (!r->dead && enough)
            break;
        still = fail(l, &x->lease);
    }
    r->settled = !still;
    return still;
}

static int by_place(const void *x, const void *y)
{
    const struct held *a = x, *b = y;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* Leases all that waits in the stage; how many, or an error. */
static int lease_all(struct load *l, uint32_t stage, struct held *held, size_t room)
{
    size_t n = 0;
    int one = 1;
    for (; n < room && (one = cvb_get_batch(l->handle, stage, &held[n].lease, 1)) == 1; n++) {
        struct cli_saved_record *r = cli_saved_find(&l->file, &held[n].lease);
        if (!r)
            return CVB_ECORRUPT;
        r->there = true;
        held[n].index = (uint32_t)(r - l->file.record);
    }
    return one < 0 ? one : (int)n;
}

/* All of the stage is leased, made as it was, and given back in its order. */
static int arrange(struct load *l, uint32_t stage, struct held *held, size_t room)
{
    for (size_t i = 0; i < l->file.count; i++)
        l->file.record[i].there &= l->file.record[i].stage != stage || l->file.record[i].settled;
    int n = lease_all(l, stage, held, room), still = 0;
    if (n < 0)
        return n;
    qsort(held, (size_t)n, sizeof *held, by_place);
    size_t kept = 0;
    for (int i = 0; i < n; i++) {
        still = cli_signals() ? 1 : make_as_saved(l, &held[i]);
        if (still < 0)
            return still;
        if (still)
            held[kept++] = held[i];
    }
    int error = 0;
    for (size_t i = 0; !error && i < kept; i++)
        error = cvb_release(l->handle, &held[i].lease, 1);
    return error;
}

static int arrange_all(struct load *l)
{
    const size_t room = l->file.count;
    struct held *held = calloc(room + 1, sizeof *held);
    int error = held ? 0 : CVB_ESYSTEM;
    for (uint32_t stage = 1; !error && !cli_signals() && stage < l->file.settings.max_stages; stage++)
        if (l->anew[stage])
            error = arrange(l, stage, held, room);
    free(held);
    return error ? failed(l, error) : cli_signals() ? again(l, "stopped by a signal") : 0;
}

static int refuse_dead(const struct load *l, uint32_t stage)
{
    char name[CVB_NAME_MAX + 1] = "?", segment[CLI_WORD_BYTES], word[CLI_WORD_BYTES];
    cvb_stage_name(l->handle, stage, name);
    cli_complain("'%s' has dead letters of stage '%s', whose records never become that in segment '%s': set it with "
                 "'conveyor set %s --stage %s --max-retries N'; nothing was put",
                 l->file.path, name, l->file.segment, cli_segment_word(l->file.segment, segment), cli_word(name, word));
    return CLI_FAILED;
}

/* A dead letter cannot be one in a stage where records never become that. */
static int check_dead(struct load *l)
{
    for (size_t i = 0; i < l->file.count; i++) {
        const struct cli_saved_record *r = &l->file.record[i];
        if (!r->dead || (uint32_t)cvb_max_retries_of(l->handle, r->stage) != CVB_RETRIES_NEVER)
            continue;
        return refuse_dead(l, r->stage);
    }
    return 0;
}

/* Reads the file and the segment, and decides. */
static int prepare(struct load *l)
{
    int status = cli_saved_open(&l->file);
    if (!status)
        status = look(l);
    if (status)
        return status;
    int error = add_marks(l);
    if (!error)
        error = put_in_order(l);
    if (!error)
        error = find_stages(l);
    if (error || !cli_saved_index(&l->file))
        return failed(l, error ? error : CVB_ESYSTEM);
    status = check_room(l);
    if (!status)
        status = check_dead(l);
    if (!status)
        status = find_there(l);
    return status ? status : leave_out_gone(l);
}

int cli_load(const char *segment, const char *path)
{
    struct load l = {.file = {.segment = segment, .path = path}};
    int status = cli_attach(segment, &l.handle);
    if (status)
        return status;
    l.file.handle = l.handle;
    status = prepare(&l);
    if (!status)
        status = put_all(&l);
    if (!status)
        status = arrange_all(&l);
    if (!status)
        fprintf(stderr, "replayed %zu record%s; %zu %s in segment '%s' already, and %zu had left it\n", l.put,
                cli_s(l.put), l.there, l.there == 1 ? "was" : "were", segment, l.gone);
    free(l.order);
    free(l.anew);
    cli_snapshot_free(&l.seen);
    cli_saved_close(&l.file);
    cvb_detach(l.handle);
    return status;
}
