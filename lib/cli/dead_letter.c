/* dead_letter.c - records past their retry limit: see them, try them again, or give them up. */
#include <conveyor/types.h>
#include <stdio.h>
#include <string.h>

#include "drain.h"
#include "options.h"
#include "signals.h"
#include "text.h"
#include "waiting.h"

static int list(struct cli_drain *d)
{
    uint64_t found;
    int error = cli_waiting_print(d->handle, CVB_STAGE_DEAD_LETTER, d->count, &found);
    if (error)
        return cli_segment_failed(d->segment, error);
    printf("%llu dead letters\n", (unsigned long long)found);
    return cli_close_output();
}

static int settle(struct cli_drain *d)
{
    int status = cli_drain_run(d);
    if (status != CLI_DONE)
        return status;
    printf("%llu dead letters %s%s\n", (unsigned long long)d->progress.records,
           d->to_name     ? "forwarded to "
           : d->to_origin ? "forwarded to where they came from"
                          : "dropped",
           d->to_name ? d->to_name : "");
    return cli_close_output();
}

static int check(const char *verb, const char *to)
{
    bool retry = !strcmp(verb, "retry");
    if (!retry && strcmp(verb, "list") && strcmp(verb, "drop"))
        cli_complain("'%s' is none of list, retry and drop", verb);
    else if (!retry && to)
        cli_complain("--to goes with retry only");
    else
        return CLI_GO;
    return CLI_USAGE;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct cli_drain d = {.batch = 64, .stage_name = "dead-letter"};
    const char *operand[2];
    const struct cli_option options[] = {{"to", CLI_TEXT, "STAGE",
                                          "retry: the stage that shall try them again (the one they came from)",
                                          &d.to_name, 0, 0},
                                         {"count", CLI_WHOLE, "N", "only the first so many", &d.count, 1, UINT32_MAX}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], operand, 2);
    if (status != CLI_GO)
        return status;
    d.segment = operand[0];
    d.to_origin = !strcmp(operand[1], "retry") && !d.to_name;
    cli_note_signals();
    if ((status = check(operand[1], d.to_name)) != CLI_GO || (status = cli_drain_open(&d)))
        return status;
    status = strcmp(operand[1], "list") ? settle(&d) : list(&d);
    cli_drain_close(&d);
    return status;
}

const struct cli_command cli_dead_letter = {"dead-letter", "SEG list|retry|drop [--to STAGE] [--count N]",
                                            "see, retry or drop records past their retry limit",
                                            "list shows them, with the stage that each came from, and leaves them; "
                                            "retry forwards them to a stage, where their\n"
                                            "retries count anew; drop gives them up for good.",
                                            run};
