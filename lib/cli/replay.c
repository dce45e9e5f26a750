/* replay.c - puts a recorded flow into a stage again: with its own timing, faster or slower, or at a set rate.
 *
 * Records that are due go in as one batch; those of a pipe one by one, because the next may be long in coming. Time is
 * counted from the start, so that one late record does not make all later ones late.
 */
#include <conveyor/segment.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "feed.h"
#include "flow.h"
#include "names.h"
#include "options.h"
#include "removed.h"
#include "saved.h"
#include "signals.h"
#include "text.h"

#define LOOK_SLICE INT64_C(1000000000) /* nanoseconds from one look at the segment to the next */
enum { BATCH = 64 };

struct replay {
    const char *segment, *path, *stage_name; /* NULL: that of the file */
    double rate, speed;                      /* rate 0: as recorded */
    bool create_stages, without_positions, all;
    struct cvb_handle *handle;
    struct cli_feed feed;
    struct cli_flow_reader flow;
    struct cli_progress progress;
    struct cvb_settings settings;
    char *bytes; /* of the batch: payloads and headers, one after the other */
    struct cvb_record batch[BATCH];
    size_t count, most, room; /* of batch, and of bytes */
    int64_t due_ns, late_ns;
};

/* The records of a file are put in its order, so it is known which one was refused. */
static int not_behind(struct replay *r)
{
    cli_complain("record %llu of '%s': its position is not above those that segment '%s' has accepted of its source: "
                 "give --without-positions to put it all the same; all before it are in",
                 (unsigned long long)r->progress.records + 1, r->path, r->segment);
    return CLI_FAILED;
}

static int failed(struct replay *r, int error)
{
    cli_progress_break(&r->progress);
    if (error == CVB_EPOSITION)
        return not_behind(r);
    return cli_segment_failed(r->segment, error);
}

/* Ended before the end of the file: by a signal, or because the segment was removed. */
static int interrupted(struct replay *r)
{
    char text[200];
    cli_progress_break(&r->progress);
    if (r->feed.removed) {
        cli_complain_removed(r->segment);
        return CLI_FAILED;
    }
    cli_complain("stopped by a signal before the end of '%s': %s", r->path,
                 cli_progress_text(&r->progress, text, sizeof text));
    return CLI_FAILED;
}

/* Why there is no next record. The batch before it is in. */
static int bad_file(struct replay *r, enum cli_flow found)
{
    unsigned long long number = r->flow.number;
    cli_progress_break(&r->progress);
    if (found == CLI_FLOW_FAILED)
        cli_complain("cannot read '%s': %s", r->path, strerror(errno));
    else if (found == CLI_FLOW_CUT)
        cli_complain("'%s' ends inside of record %llu, as a recording that was killed does; all before it are in",
                     r->path, number);
    else if (number)
        cli_complain("'%s': record %llu is not as 'conveyor record' writes it; all before it are in", r->path, number);
    else
        cli_complain("'%s' is not a file that 'conveyor record' of this version has written", r->path);
    return CLI_FAILED;
}

/* A record that is longer than one of the segment can be, or whose header is. */
static bool is_too_long(const struct replay *r, const struct cli_flow_record *record)
{
    return record->length > r->settings.payload_size || record->header_length > r->settings.header_size;
}

static int too_long(struct replay *r, const struct cli_flow_record *record)
{
    const bool payload = record->length > r->settings.payload_size;
    cli_progress_break(&r->progress);
    cli_complain("record %llu of '%s' has %u bytes%s, and a record of segment '%s' has at most %u: make the segment "
                 "anew with a larger --%s-size; all before it are in",
                 (unsigned long long)r->flow.number, r->path, payload ? record->length : record->header_length,
                 payload ? "" : " of header", r->segment, payload ? r->settings.payload_size : r->settings.header_size,
                 payload ? "payload" : "header");
    return CLI_FAILED;
}

/* Puts the batch in, and notes how late that was. */
static int put(struct replay *r)
{
    int error = r->count ? cli_feed_put(&r->feed, r->batch, r->count) : 0;
    int64_t late = cli_now_ns() - r->due_ns;
    if (r->count && late > r->late_ns)
        r->late_ns = late;
    r->count = r->room = 0;
    return error;
}

static int64_t due_of(const struct replay *r, const struct cli_flow_record *record)
{
    double after =
        r->rate > 0 ? (double)(r->flow.number - 1) / r->rate * 1e9 : (double)record->time_us * 1e3 / r->speed;
    return r->progress.start_ns + (after < 4e18 ? (int64_t)after : INT64_C(4000000000000000000));
}

/* The batch goes in before a record that is due later; then that one is waited for. */
static int wait_until_due(struct replay *r, int64_t due)
{
    if (due > cli_now_ns()) {
        int error = put(r);
        if (error)
            return error;
    }
    for (int64_t left; !cli_signals() && (left = due - cli_now_ns()) > 0;) {
        int64_t slice = cli_progress_slice(&r->progress);
        slice = slice >= 0 && slice < LOOK_SLICE ? slice : LOOK_SLICE;
        cli_sleep(slice < left ? slice : left);
        cli_progress_tick(&r->progress);
        if ((r->feed.removed = cli_is_removed(r->handle, &r->feed.next_look_ns)))
            break;
    }
    if (!r->count)
        r->due_ns = due;
    return 0;
}

/* Appends the record to the batch, which goes in when it is full. */
static enum cli_flow gather(struct replay *r, const struct cli_flow_record *record, int *error)
{
    struct cvb_record *to = &r->batch[r->count];
    *to = (struct cvb_record){.payload = r->bytes + r->room,
                              .length = record->length,
                              .header = record->header_length ? r->bytes + r->room + record->length : NULL,
                              .header_length = record->header_length,
                              .position = r->without_positions ? 0 : record->position};
    *error = cvb_source(r->handle, record->source, &to->source);
    if (!*error)
        *error = cvb_pipeline(r->handle, record->pipeline, &to->pipeline);
    if (*error) {
        *error = *error == CVB_ENAME ? 0 : *error; /* then it is the file that is wrong */
        return CLI_FLOW_WRONG;
    }
    const size_t bytes = (size_t)record->length + record->header_length;
    enum cli_flow found = cli_flow_bytes(&r->flow, r->bytes + r->room, bytes);
    if (found != CLI_FLOW_OK)
        return found;
    r->room += bytes;
    if (++r->count == r->most)
        *error = put(r);
    return CLI_FLOW_OK;
}

static int end(struct replay *r, enum cli_flow found)
{
    char late[64];
    int error = put(r);
    if (error)
        return failed(r, error);
    if (cli_signals() || r->feed.removed)
        return interrupted(r);
    if (found != CLI_FLOW_END)
        return bad_file(r, found);
    snprintf(late, sizeof late, ", at most %.3f s late", (double)r->late_ns / 1e9);
    cli_progress_end(&r->progress, late);
    return CLI_DONE;
}

static int replay_all(struct replay *r)
{
    for (;;) {
        struct cli_flow_record record;
        enum cli_flow found = cli_flow_next(&r->flow, &record);
        if (found != CLI_FLOW_OK)
            return end(r, found);
        int error = wait_until_due(r, due_of(r, &record));
        if (!error && is_too_long(r, &record))
            return (error = put(r)) ? failed(r, error) : too_long(r, &record);
        if (error)
            return failed(r, error);
        if (cli_signals() || r->feed.removed)
            return interrupted(r);
        found = gather(r, &record, &error);
        if (error) {
            put(r); /* those before it */
            return failed(r, error);
        }
        if (found != CLI_FLOW_OK)
            return end(r, found);
    }
}

/* A stage that the file names is not made unasked: the file may be another pipeline's. */
static int find_stage(struct replay *r, const char *stage)
{
    int found = cli_is_name(stage) ? cli_look_up_stage(r->handle, stage, &r->feed.stage) : 0;
    if (found > 0)
        return 0;
    if (found < 0)
        return failed(r, found);
    if (!r->create_stages)
        return cli_find_stage(r->handle, r->segment, r->stage_name ? "--stage" : "stage", stage,
                              "; --create-stages makes it", &r->feed.stage);
    return cli_make_stage(r->handle, r->segment, "stage", stage, &r->feed.stage);
}

static int prepare(struct replay *r)
{
    const char *stage = r->stage_name ? r->stage_name : r->flow.stage;
    int error = cvb_settings_of(r->handle, &r->settings);
    if (error)
        return failed(r, error);
    int status = find_stage(r, stage);
    if (status)
        return status;
    if (r->feed.stage == CVB_STAGE_DEAD_LETTER) {
        cli_complain("stage '%s' takes no records from outside: choose another with --stage", stage);
        return CLI_USAGE;
    }
    r->bytes = malloc((size_t)BATCH * ((size_t)r->settings.payload_size + r->settings.header_size) + 1);
    return r->bytes ? 0 : failed(r, CVB_ESYSTEM);
}

static int replay_attached(struct replay *r, bool progress)
{
    struct stat st;
    int status = prepare(r);
    if (status)
        return status;
    r->most = fstat(fileno(r->flow.file), &st) || !S_ISREG(st.st_mode) ? 1 : BATCH;
    r->feed = (struct cli_feed){.handle = r->handle, .stage = r->feed.stage, .progress = &r->progress};
    cli_progress_begin(&r->progress, "replayed", progress);
    status = replay_all(r);
    free(r->bytes);
    return status;
}

static int parse(const struct cli_command *self, int argc, char **argv, struct replay *r, bool *progress)
{
    const char *operand[2];
    const struct cli_option options[] = {
        {"rate", CLI_REAL, "N", "put N records a second, instead of the file's timing", &r->rate, 0.001, 1e9},
        {"speed", CLI_REAL, "F", "the file's timing, F times as fast (1)", &r->speed, 0.001, 1e6},
        {"stage", CLI_TEXT, "NAME", "the stage to put the records into (the one they were recorded from)",
         &r->stage_name, 0, 0},
        {"create-stages", CLI_FLAG, NULL, "make the stage if it is not there", &r->create_stages, 0, 0},
        {"without-positions", CLI_FLAG, NULL, "put the records without the positions that the file has",
         &r->without_positions, 0, 0},
        {"all", CLI_FLAG, NULL, "put what 'record --all' has saved into all stages", &r->all, 0, 0},
        {"progress", CLI_FLAG, NULL, "report on standard error once a second", progress, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], operand, 2);
    if (status != CLI_GO)
        return status;
    r->segment = operand[0];
    r->path = operand[1];
    if (r->rate > 0 && r->speed > 0) {
        cli_complain("--rate and --speed exclude each other");
        return CLI_USAGE;
    }
    if (r->all &&
        (r->rate > 0 || r->speed > 0 || r->stage_name || r->create_stages || r->without_positions || *progress)) {
        cli_complain("--all goes with no other option");
        return CLI_USAGE;
    }
    r->speed = r->speed > 0 ? r->speed : 1;
    return CLI_GO;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct replay r = {0};
    bool progress = false;
    int status = parse(self, argc, argv, &r, &progress);
    if (status != CLI_GO)
        return status;
    cli_note_signals();
    if (r.all)
        return cli_load(r.segment, r.path);
    status = cli_attach(r.segment, &r.handle);
    if (status)
        return status;
    enum cli_flow found = cli_flow_open(&r.flow, r.path);
    if (r.flow.file == stdin)
        r.path = "standard input";
    status = found == CLI_FLOW_OK ? replay_attached(&r, progress) : bad_file(&r, found);
    cli_flow_close_reader(&r.flow);
    cvb_detach(r.handle);
    return status;
}

const struct cli_command cli_replay = {
    "replay", "SEG [--rate N | --speed F] [--stage NAME] [--create-stages] [--without-positions] [--progress] FILE",
    "put a recorded flow into a stage again",
    "Each record goes in under the source and pipeline that it was recorded with, with its header and its position.\n"
    "A source that is told to pause waits, and so do the records behind it in the file; the signal to slow down is\n"
    "ignored, because the pace is the file's. A stage that does not exist is refused, unless --create-stages is\n"
    "given; so is a position that is not above those that were accepted of its source, unless --without-positions is.\n"
    "The last line tells how late the latest record was. FILE is what 'conveyor record' wrote; - is standard input.\n"
    "SIGINT and SIGTERM end it with exit status 1, as the removal of the segment does; what is in then is the file's\n"
    "beginning.",
    run};
