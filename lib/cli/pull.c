/* pull.c - writes a stage's records as lines to standard output. */
#include <unistd.h>

#include "drain.h"
#include "options.h"
#include "output.h"
#include "signals.h"
#include "text.h"

struct pull {
    struct cli_drain drain;
    struct cli_output output;
    struct cli_format format;
    bool nul, prefixed;
    const char *text; /* of --format */
};

static int write_records(void *writer, const struct cvb_lease *leases, size_t count, uint64_t *ends)
{
    struct pull *p = writer;
    return cli_output_records(&p->output, &p->format, leases, count, ends);
}

static int pull(struct pull *p)
{
    struct cli_drain *d = &p->drain;
    int reason = cli_output_open(&p->output, STDOUT_FILENO);
    if (!reason && p->format.lines)
        reason = cli_output_begin_line(&p->output);
    if (reason)
        return cli_drain_not_written(d, reason);
    p->format.handle = d->handle;
    d->output = &p->output;
    d->write = write_records;
    d->writer = p;
    int status = cli_drain_run(d);
    if (status == CLI_DONE)
        cli_drain_end(d);
    return status;
}

static int choose_format(struct pull *p)
{
    if (p->nul + p->prefixed + (p->text != NULL) > 1) {
        cli_complain("-0, --length-prefixed and --format exclude each other");
        return CLI_USAGE;
    }
    if (p->text) {
        int status = cli_format_parse(&p->format, p->text);
        return status ? status : CLI_GO;
    }
    if (p->nul)
        cli_format_nul(&p->format);
    else if (p->prefixed)
        cli_format_prefixed(&p->format);
    else
        cli_format_lines(&p->format);
    return CLI_GO;
}

static int parse(const struct cli_command *self, int argc, char **argv, struct pull *p, bool *progress)
{
    struct cli_drain *d = &p->drain;
    const struct cli_option options[] = {
        {"stage", CLI_NEED, "NAME", "the stage to take records from", &d->stage_name, 0, 0},
        {"batch", CLI_WHOLE, "N", "lease at most N at once (64)", &d->batch, 1, 100000},
        {"count", CLI_WHOLE, "N", "end after N records", &d->count, 1, UINT32_MAX},
        {"follow", CLI_FLAG, NULL, "wait for more when the stage is empty", &d->follow, 0, 0},
        {"exit-when-idle", CLI_REAL, "SECONDS", "wait for more, but end after so long without any", &d->idle_seconds, 0,
         1e9},
        {"to", CLI_TEXT, "STAGE", "forward the records to that stage when they are written", &d->to_name, 0, 0},
        {"0", CLI_FLAG, NULL, "end each record with a NUL byte instead of a newline", &p->nul, 0, 0},
        {"length-prefixed", CLI_FLAG, NULL, "begin each with its length, 4 bytes, the highest first", &p->prefixed, 0,
         0},
        {"format", CLI_TEXT, "TEXT", "write each so: '{source} {payload}\\n'", &p->text, 0, 0},
        {"wait", CLI_REAL, "SECONDS", "wait so long for a segment and stages that are not there yet", &d->wait_seconds,
         0, 1e9},
        {"progress", CLI_FLAG, NULL, "report on standard error once a second", progress, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &d->segment, 1);
    if (status != CLI_GO)
        return status;
    d->follow = d->follow || d->idle_seconds >= 0;
    return choose_format(p);
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct pull p = {.drain = {.batch = 64, .idle_seconds = -1, .target = "standard output"}};
    bool progress = false;
    int status = parse(self, argc, argv, &p, &progress);
    if (status != CLI_GO) {
        cli_format_free(&p.format);
        return status;
    }
    cli_note_signals();
    cli_progress_begin(&p.drain.progress, "pulled", progress);
    status = cli_drain_open(&p.drain);
    if (!status && p.drain.handle) {
        status = pull(&p);
        cli_drain_close(&p.drain);
    }
    cli_format_free(&p.format);
    return status;
}

const struct cli_command cli_pull = {
    "pull",
    "SEG --stage NAME [--batch N] [--count N] [--follow] [--exit-when-idle SECONDS] [--to STAGE] [--wait SECONDS] "
    "[-0 | --length-prefixed | --format TEXT] [--progress]",
    "write each record as a line to standard output",
    "A record is acked (or forwarded) only after it was written; into a pipe, only after its reader has read it. If\n"
    "it cannot be written, or the reader has gone, it goes back to its stage untried, and the exit status is 1. After\n"
    "a kill another consumer gets what was not acked: a record may be seen twice, but is never missed. What the\n"
    "reader has read counts as delivered, also if the reader then ends without using it. So a pipe gets one record at\n"
    "first, then twice as many each time all have been read; with --batch 1 there is never more than one on the way.\n"
    "Without --follow it ends when the stage is empty. SIGINT, SIGTERM and SIGHUP end it with exit status 0 within a\n"
    "moment, also when the output is stuck: what was not read goes back. If standard output is a file whose last line\n"
    "was cut off, a new line is begun. --format knows {payload}, {length}, {source}, {pipeline}, {stage}, {retries},\n"
    "{position} (0: none) and {time} (of the put, seconds since 1970), and \\n, \\t, \\0, \\\\ and \\{.",
    run};
