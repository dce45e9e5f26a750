/* pull.c - writes a stage's records as lines to standard output. */
#include <unistd.h>

#include "drain.h"
#include "options.h"
#include "output.h"
#include "signals.h"

static int write_lines(void *output, const struct cvb_lease *leases, size_t count, uint64_t *ends)
{
    return cli_output_lines(output, leases, count, ends);
}

static int pull(struct cli_drain *d)
{
    struct cli_output output;
    int reason = cli_output_open(&output, STDOUT_FILENO);
    if (!reason)
        reason = cli_output_begin_line(&output);
    if (reason)
        return cli_drain_not_written(d, reason);
    d->output = &output;
    d->write = write_lines;
    d->writer = &output;
    int status = cli_drain_run(d);
    if (status == CLI_DONE)
        cli_drain_end(d);
    return status;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct cli_drain d = {.batch = 64, .idle_seconds = -1, .target = "standard output"};
    bool progress = false;
    const struct cli_option options[] = {
        {"stage", CLI_NEED, "NAME", "the stage to take records from", &d.stage_name, 0, 0},
        {"batch", CLI_WHOLE, "N", "lease at most N at once (64)", &d.batch, 1, 100000},
        {"count", CLI_WHOLE, "N", "end after N records", &d.count, 1, UINT32_MAX},
        {"follow", CLI_FLAG, NULL, "wait for more when the stage is empty", &d.follow, 0, 0},
        {"exit-when-idle", CLI_REAL, "SECONDS", "wait for more, but end after so long without any", &d.idle_seconds, 0,
         1e9},
        {"to", CLI_TEXT, "STAGE", "forward the records to that stage when they are written", &d.to_name, 0, 0},
        {"progress", CLI_FLAG, NULL, "report on standard error once a second", &progress, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &d.segment, 1);
    if (status != CLI_GO)
        return status;
    d.follow = d.follow || d.idle_seconds >= 0;
    cli_note_signals();
    cli_progress_begin(&d.progress, "pulled", progress);
    status = cli_drain_open(&d);
    if (status)
        return status;
    status = pull(&d);
    cli_drain_close(&d);
    return status;
}

const struct cli_command cli_pull = {
    "pull", "SEG --stage NAME [--batch N] [--count N] [--follow] [--exit-when-idle SECONDS] [--to STAGE] [--progress]",
    "write each record as a line to standard output",
    "A record is acked (or forwarded) only after it was written; into a pipe, only after its reader has read it. If\n"
    "it cannot be written, or the reader has gone, it goes back to its stage untried, and the exit status is 1. After\n"
    "a kill another consumer gets what was not acked: a record may be seen twice, but is never missed. What the\n"
    "reader has read counts as delivered, also if the reader then ends without using it. So a pipe gets one record at\n"
    "first, then twice as many each time all have been read; with --batch 1 there is never more than one on the way.\n"
    "Without --follow it ends when the stage is empty. SIGINT, SIGTERM and SIGHUP end it with exit status 0 within a\n"
    "moment, also when the output is stuck: what was not read goes back. If standard output is a file whose last line\n"
    "was cut off, a new line is begun.",
    run};
