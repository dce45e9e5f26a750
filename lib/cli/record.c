/* record.c - a stage's flow, with its timing, into a file. */
#include <errno.h>
#include <string.h>

#include "drain.h"
#include "flow.h"
#include "options.h"
#include "saved.h"
#include "signals.h"
#include "text.h"

static int create_failed(const char *target, int reason)
{
    cli_complain("cannot begin '%s': %s%s; no record was taken", target, strerror(reason),
                 reason == EEXIST ? ": remove it, or choose another name" : "");
    return CLI_FAILED;
}

static int record(struct cli_drain *d, const char *path)
{
    struct cli_flow_writer flow;
    int reason = cli_flow_create(&flow, d->handle, path, d->segment, d->stage_name);
    if (reason)
        return create_failed(d->target, reason);
    d->output = &flow.output;
    d->write = cli_flow_write;
    d->writer = &flow;
    int status = cli_drain_run(d);
    reason = cli_flow_close(&flow);
    if (status == CLI_DONE && reason)
        return cli_drain_not_written(d, reason);
    if (status == CLI_DONE)
        cli_drain_end(d);
    return status;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct cli_drain d = {.batch = 64, .idle_seconds = -1, .follow = true};
    bool progress = false, all = false;
    const char *operand[2];
    const struct cli_option options[] = {
        {"stage", CLI_TEXT, "NAME", "the stage whose records are taken", &d.stage_name, 0, 0},
        {"all", CLI_FLAG, NULL, "save what all stages hold, and take nothing", &all, 0, 0},
        {"to", CLI_TEXT, "STAGE", "forward the records to that stage when they are written", &d.to_name, 0, 0},
        {"count", CLI_WHOLE, "N", "end after N records", &d.count, 1, UINT32_MAX},
        {"exit-when-idle", CLI_REAL, "SECONDS", "end after so long without a record", &d.idle_seconds, 0, 1e9},
        {"progress", CLI_FLAG, NULL, "report on standard error once a second", &progress, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], operand, 2);
    if (status != CLI_GO)
        return status;
    if (all == (d.stage_name != NULL) || (all && (d.to_name || d.count || d.idle_seconds >= 0 || progress))) {
        cli_complain(all ? "--all goes with no other option" : "--stage NAME is missing, or --all");
        return CLI_USAGE;
    }
    cli_note_signals();
    if (all)
        return cli_save(operand[0], operand[1]);
    d.segment = operand[0];
    d.target = strcmp(operand[1], "-") ? operand[1] : "standard output";
    cli_progress_begin(&d.progress, "recorded", progress);
    status = cli_drain_open(&d);
    if (status || !d.handle)
        return status;
    status = record(&d, operand[1]);
    cli_drain_close(&d);
    return status;
}

const struct cli_command cli_record = {
    "record", "SEG --stage NAME [--to STAGE] [--count N] [--exit-when-idle SECONDS] [--progress] FILE | SEG --all FILE",
    "write a stage's flow with its timing to a file, or save all stages",
    "It takes the records as a consumer of the stage does, and acks each when it is written, or forwards it to the\n"
    "stage of --to: put it between two stages to record what flows from one to the other. After a kill a record may\n"
    "be in two files, never in none. The time of a record is when it was put. It goes on until --count, until nothing\n"
    "came for --exit-when-idle seconds, or until SIGINT or SIGTERM. FILE must not exist yet; - is standard output.\n"
    "--all saves what all stages hold, with retries, positions, headers and dead letters, for 'replay --all': the way\n"
    "over a reboot or to a new version. It takes nothing. Nobody else may use the segment meanwhile. FILE is whole, "
    "or\n"
    "not there.",
    run};
