/* push.c - every line of standard input becomes a record.
 *
 * The records of a batch point into the input buffer, so a line is copied once, into the segment. A batch is what is
 * there, up to --batch: a typist's line goes in alone and at once, a file in full batches.
 */
#include <conveyor/segment.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach.h"
#include "feed.h"
#include "lines.h"
#include "names.h"
#include "options.h"
#include "position.h"
#include "progress.h"
#include "removed.h"
#include "signals.h"
#include "text.h"

#define MEASURE_MOST (UINT64_C(1) << 30)
#define INPUT_SLICE INT64_C(1000000000) /* nanoseconds between looks at the segment while no input comes */

struct push {
    enum cli_framing framing;
    double wait_seconds;
    const char *segment, *stage_name, *source_name, *pipeline_name;
    uint32_t stage, source, pipeline, batch;
    struct cvb_handle *handle;
    struct cvb_record *records;
    struct cli_feed feed;
    struct cli_lines lines;
    struct cli_position position;
    struct cli_progress progress;
};

static int failed(struct push *p, int error)
{
    cli_progress_break(&p->progress);
    if (error == CVB_ENAMES)
        return cli_name_failed(p->segment, "source", "source", p->source_name, error);
    if (error == CVB_EUNKNOWN) {
        cli_complain("stage '%s' of segment '%s' takes no records from outside: choose another --stage", p->stage_name,
                     p->segment);
        return CLI_FAILED;
    }
    return cli_segment_failed(p->segment, error);
}

/* Gathers the lines that are there, and not in the segment yet, into the batch; *count of them. */
static enum cli_line gather(struct push *p, size_t *count)
{
    enum cli_line found = CLI_LINE;
    for (*count = 0; *count < p->batch;) {
        const char *line;
        size_t length;
        found = cli_lines_next(&p->lines, &line, &length);
        if (found != CLI_LINE)
            break;
        const uint64_t position = cli_position_of(&p->position, &p->lines);
        if (!cli_position_is_in(&p->position, position))
            p->records[(*count)++] = (struct cvb_record){.payload = line,
                                                         .length = (uint32_t)length,
                                                         .source = p->source,
                                                         .pipeline = p->pipeline,
                                                         .position = position};
    }
    return found;
}

static const char *noun(const struct push *p) { return p->framing == CLI_LINES ? "line" : "record"; }

static int input_cut(struct push *p)
{
    cli_progress_break(&p->progress);
    cli_complain("the input ends inside of record %llu; all records before it are in",
                 (unsigned long long)p->lines.number + 1);
    return CLI_FAILED;
}

static int line_too_long(struct push *p)
{
    char behind[48] = "";
    uint64_t length = cli_lines_measure(&p->lines, MEASURE_MOST);
    cli_progress_break(&p->progress);
    if (p->position.kind == CLI_POSITION_BYTES && p->position.file && p->position.accepted)
        snprintf(behind, sizeof behind, " behind byte %llu", (unsigned long long)p->position.accepted);
    cli_complain(
        "%s %llu%s has %s%llu bytes, and a record of segment '%s' has at most %zu: split it, or make the segment "
        "anew with a larger --payload-size; all %ss before it are in",
        noun(p), (unsigned long long)p->lines.number + 1, behind, length < MEASURE_MOST ? "" : "at least ",
        (unsigned long long)length, p->segment, p->lines.longest, noun(p));
    return CLI_FAILED;
}

static int interrupted(struct push *p)
{
    char text[200];
    cli_progress_break(&p->progress);
    cli_complain("stopped by a signal before the end of the input: %s",
                 cli_progress_text(&p->progress, text, sizeof text));
    return CLI_FAILED;
}

static int removed(struct push *p)
{
    cli_progress_break(&p->progress);
    cli_complain_removed(p->segment);
    return CLI_FAILED;
}

/* Waits for input, and looks now and then whether the segment is still there: 0 or an errno. */
static int fill(struct push *p)
{
    int64_t slice = cli_progress_slice(&p->progress);
    int reason = cli_lines_fill(&p->lines, slice < 0 ? INPUT_SLICE : slice);
    p->feed.removed |= cli_is_removed(p->handle, &p->feed.next_look_ns);
    return reason;
}

static int ended(struct push *p)
{
    char text[64] = "";
    cli_progress_break(&p->progress);
    int status = cli_position_end(&p->position, &p->lines);
    if (status)
        return status;
    if (p->position.accepted)
        snprintf(text, sizeof text, ", behind position %llu", (unsigned long long)p->position.accepted);
    cli_progress_end(&p->progress, text);
    return CLI_DONE;
}

/* While no line came, somebody may have retired the source's name: then these records get the id that it has now. */
static int name_again(struct push *p, struct cvb_record *records, size_t count)
{
    const uint32_t before = p->source;
    int error = cvb_source(p->handle, p->source_name, &p->source);
    for (size_t i = 0; i < count; i++)
        records[i].source = p->source;
    return !error && p->source == before ? CVB_EUNKNOWN : error; /* it is the stage then */
}

static int put(struct push *p, size_t count)
{
    for (size_t done = 0;;) {
        const uint64_t before = p->progress.records;
        int error = cli_feed_put(&p->feed, p->records + done, count - done);
        done += (size_t)(p->progress.records - before);
        if (error != CVB_EUNKNOWN)
            return error;
        error = name_again(p, p->records + done, count - done);
        if (error)
            return error;
    }
}

static int push_all(struct push *p)
{
    for (;;) {
        size_t count;
        enum cli_line found = gather(p, &count);
        int error = put(p, count);
        if (error)
            return failed(p, error);
        cli_progress_tick(&p->progress);
        if (cli_signals())
            return interrupted(p);
        if (p->feed.removed)
            return removed(p);
        if (found == CLI_LINE)
            continue;
        if (found == CLI_LINE_LONG)
            return line_too_long(p);
        if (found == CLI_LINE_CUT)
            return input_cut(p);
        if (found == CLI_LINE_END)
            break;
        int reason = fill(p);
        if (reason) {
            cli_progress_break(&p->progress);
            cli_complain("cannot read standard input: %s; records that are in: %llu", strerror(reason),
                         (unsigned long long)p->progress.records);
            return CLI_FAILED;
        }
    }
    return ended(p);
}

static int find_names(struct push *p)
{
    int status = cli_make_stage(p->handle, p->segment, "stage", p->stage_name, &p->stage);
    if (status)
        return status;
    if (p->stage == CVB_STAGE_DEAD_LETTER)
        return failed(p, CVB_EUNKNOWN);
    int error = cvb_source(p->handle, p->source_name, &p->source);
    if (error)
        return cli_name_failed(p->segment, "source", "source", p->source_name, error);
    error = cvb_pipeline(p->handle, p->pipeline_name, &p->pipeline);
    return error ? cli_name_failed(p->segment, "pipeline", "pipeline", p->pipeline_name, error) : 0;
}

static int push_attached(struct push *p)
{
    struct cvb_settings settings;
    int status = find_names(p), error = status ? 0 : cvb_settings_of(p->handle, &settings);
    if (error)
        return failed(p, error);
    if (status)
        return status;
    p->records = calloc(p->batch, sizeof *p->records);
    if (!p->records || cli_lines_init(&p->lines, STDIN_FILENO, p->framing, settings.payload_size)) {
        free(p->records);
        errno = ENOMEM;
        return failed(p, CVB_ESYSTEM);
    }
    p->feed = (struct cli_feed){.handle = p->handle, .stage = p->stage, .slow_down = true, .progress = &p->progress};
    status = cli_position_open(&p->position, p->handle, p->source, &p->lines);
    if (!status)
        status = push_all(p);
    cli_lines_free(&p->lines);
    free(p->records);
    return status;
}

static int choose(struct push *p, bool nul, bool prefixed, const char *position)
{
    if (nul && prefixed) {
        cli_complain("-0 and --length-prefixed exclude each other");
        return CLI_USAGE;
    }
    if (!cli_position_parse(position, &p->position.kind)) {
        cli_complain("--position: '%s' is neither lines nor bytes", position);
        return CLI_USAGE;
    }
    p->position.segment = p->segment;
    p->position.source_name = p->source_name;
    p->framing = nul ? CLI_NUL : prefixed ? CLI_PREFIXED : CLI_LINES;
    return 0;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct push p = {.pipeline_name = "default", .batch = 64};
    bool progress = false, nul = false, prefixed = false;
    const char *position = NULL;
    const struct cli_option options[] = {
        {"stage", CLI_NEED, "NAME", "the stage to put the records into", &p.stage_name, 0, 0},
        {"source", CLI_NEED, "NAME", "the source that they count for", &p.source_name, 0, 0},
        {"pipeline", CLI_TEXT, "NAME", "the pipeline they belong to (default)", &p.pipeline_name, 0, 0},
        {"batch", CLI_WHOLE, "N", "put at most N at once (64)", &p.batch, 1, 100000},
        {"0", CLI_FLAG, NULL, "a NUL byte ends each record, instead of a newline", &nul, 0, 0},
        {"length-prefixed", CLI_FLAG, NULL, "each begins with its length, 4 bytes, the highest first", &prefixed, 0, 0},
        {"position", CLI_TEXT, "lines|bytes", "give each a position: its number, or the offset behind it", &position, 0,
         0},
        {"wait", CLI_REAL, "SECONDS", "wait so long for a segment that is not there yet", &p.wait_seconds, 0, 1e9},
        {"progress", CLI_FLAG, NULL, "report on standard error once a second", &progress, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &p.segment, 1);
    if (status != CLI_GO)
        return status;
    status = choose(&p, nul, prefixed, position);
    if (status)
        return status;
    cli_note_signals();
    status = cli_attach_until(p.segment, NULL, NULL, cli_now_ns() + (int64_t)(p.wait_seconds * 1e9), &p.handle);
    if (status)
        return status;
    if (!p.handle) {
        cli_complain("stopped by a signal before segment '%s' was there", p.segment);
        return CLI_FAILED;
    }
    cli_progress_begin(&p.progress, "pushed", progress);
    status = push_attached(&p);
    cvb_detach(p.handle);
    return status;
}

const struct cli_command cli_push = {
    "push",
    "SEG --stage NAME --source NAME [--pipeline NAME] [--batch N] [-0 | --length-prefixed] "
    "[--position lines|bytes] [--wait SECONDS] [--progress]",
    "make every line of standard input a record",
    "A record is a line without its newline; empty lines count, and so does a last line that has no newline. It waits\n"
    "while the buffer is full or asks to slow down, and exits 0 when all are accepted. A line that is longer than the\n"
    "segment's payload size ends it with exit status 1, after all earlier lines are in. SIGINT and SIGTERM end it\n"
    "with exit status 1, as the removal of the segment does; what is in then is a prefix of the input. The time\n"
    "stalled in the last line is that of its waits for room, and of the sleeps that the signal to slow down asked\n"
    "for. With --position one that was killed can be started again on the same file, and goes on behind what was\n"
    "accepted: each line is in once. What comes from elsewhere than a file is all new, and counts on from there.",
    run};
