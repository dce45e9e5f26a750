/* dead_letter.c - records past their retry limit: see them, try them again, or give them up. */
#include <conveyor/state.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "drain.h"
#include "names.h"
#include "options.h"
#include "signals.h"
#include "text.h"
#include "units.h"
#include "waiting.h"

struct dead_letter {
    struct cli_drain drain;
    const char *verb;
    bool force, dry_run;
};

static bool is(const struct dead_letter *d, const char *verb) { return !strcmp(d->verb, verb); }

static int list(struct cli_drain *d)
{
    uint64_t found;
    int error = cli_waiting_print(d->handle, CVB_STAGE_DEAD_LETTER, d->count, &found);
    if (error)
        return cli_segment_failed(d->segment, error);
    printf("%llu dead letter%s\n", (unsigned long long)found, cli_s(found));
    return cli_close_output();
}

/* What happens, happened or would happen to n of them. */
static int tell(const struct dead_letter *d, const char *before, uint64_t n)
{
    const struct cli_drain *to = &d->drain;
    printf("%llu dead letter%s %s%s%s\n", (unsigned long long)n, cli_s(n), before,
           to->to_name     ? "forwarded to "
           : to->to_origin ? "forwarded to where they came from"
                           : "dropped",
           to->to_name ? to->to_name : "");
    return cli_close_output();
}

/* How many of them the command is about: *n, or an error. */
static int count(const struct cli_drain *d, uint64_t *n)
{
    struct cvb_cursor cursor = {0};
    struct cvb_lease seen;
    int one = 1;
    for (*n = 0; (!d->count || *n < d->count) && one > 0; *n += one > 0)
        one = cvb_peek(d->handle, CVB_STAGE_DEAD_LETTER, &cursor, &seen, NULL, 0);
    return one < 0 ? one : 0;
}

/* Only a person can be asked. CLI_GO, or the exit status. */
static int ask(const struct dead_letter *d, uint64_t n)
{
    char answer[8] = "";
    if (!n || d->force || !is(d, "drop"))
        return CLI_GO;
    fprintf(stderr, "drop %llu dead letter%s of segment '%s' for good? [y/N] ", (unsigned long long)n, cli_s(n),
            d->drain.segment);
    ssize_t size = cli_wait_readable(STDIN_FILENO, -1) ? read(STDIN_FILENO, answer, sizeof answer - 1) : 0;
    if (size > 0 && (answer[0] == 'y' || answer[0] == 'Y'))
        return CLI_GO;
    cli_complain("nothing was dropped");
    return CLI_FAILED;
}

static int settle(struct dead_letter *d)
{
    uint64_t n;
    int error = count(&d->drain, &n);
    if (error)
        return cli_segment_failed(d->drain.segment, error);
    if (d->dry_run)
        return tell(d, "would be ", n);
    int status = ask(d, n);
    if (status == CLI_GO)
        status = cli_drain_run(&d->drain);
    return status == CLI_DONE ? tell(d, "", d->drain.progress.records) : status;
}

static int check(const struct dead_letter *d)
{
    if (!is(d, "retry") && !is(d, "list") && !is(d, "drop"))
        cli_complain("'%s' is none of list, retry and drop", d->verb);
    else if (!is(d, "retry") && d->drain.to_name)
        cli_complain("--to goes with retry only");
    else if (d->force && !is(d, "drop"))
        cli_complain("--force goes with drop only");
    else if (d->dry_run && is(d, "list"))
        cli_complain("--dry-run goes with retry and drop only");
    else if (is(d, "drop") && !d->force && !d->dry_run && !(isatty(STDIN_FILENO) && isatty(STDERR_FILENO)))
        cli_complain("drop gives records up for good, and there is no terminal to ask at: use --force, or see what it "
                     "would do with --dry-run");
    else
        return CLI_GO;
    return CLI_USAGE;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct dead_letter d = {.drain = {.batch = 64, .stage_name = "dead-letter"}};
    struct cli_drain *drain = &d.drain;
    const char *operand[2];
    const struct cli_option options[] = {
        {"to", CLI_TEXT, "STAGE", "retry: the stage that shall try them again (the one they came from)",
         &drain->to_name, 0, 0},
        {"count", CLI_WHOLE, "N", "only the first N", &drain->count, 1, UINT32_MAX},
        {"force", CLI_FLAG, NULL, "drop: do not ask", &d.force, 0, 0},
        {"dry-run", CLI_FLAG, NULL, "retry, drop: do nothing, and say what would be done", &d.dry_run, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], operand, 2);
    if (status != CLI_GO)
        return status;
    drain->segment = operand[0];
    d.verb = operand[1];
    drain->to_origin = is(&d, "retry") && !drain->to_name;
    cli_note_signals();
    if ((status = check(&d)) != CLI_GO || (status = cli_drain_open(drain)))
        return status;
    status = is(&d, "list") ? list(drain) : settle(&d);
    cli_drain_close(drain);
    return status;
}

const struct cli_command cli_dead_letter = {
    "dead-letter", "SEG list|retry|drop [--to STAGE] [--count N] [--force] [--dry-run]",
    "see, retry or drop records past their retry limit",
    "list shows them, with the stage that each came from, and leaves them; retry forwards them to a stage, where\n"
    "their retries count anew; drop gives them up for good: it asks on a terminal, and wants --force elsewhere. Until\n"
    "then they hold room of the limit of all records, and of no other. retry waits while the stage, or the source of\n"
    "a record, has no room. A record is a dead letter after more failures than --max-retries: a failure is a return,\n"
    "or the death of a consumer that had leased the record alone. What is given back untried does not count.",
    run};
