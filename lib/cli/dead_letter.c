/* dead_letter.c - records past their retry limit: see them, try them again, or give them up. */
#include <stdio.h>
#include <string.h>

#include "sift.h"
#include "signals.h"
#include "text.h"
#include "units.h"
#include "waiting.h"

static bool is(const char *verb, const char *wanted) { return !strcmp(verb, wanted); }

static int list(struct cli_sift *s)
{
    uint64_t found;
    int error = s->json ? cli_waiting_json(s->handle, s->segment, s->stage, &s->filter)
                        : cli_waiting_print(s->handle, s->stage, &s->filter, &found);
    if (error)
        return cli_segment_failed(s->segment, error);
    if (!s->json)
        printf("%llu dead letter%s\n", (unsigned long long)found, cli_s(found));
    return cli_close_output();
}

static int check(const struct cli_sift *s, const char *verb)
{
    if (!is(verb, "retry") && !is(verb, "list") && !is(verb, "drop"))
        cli_complain("'%s' is none of list, retry and drop", verb);
    else if (!is(verb, "retry") && s->to_name)
        cli_complain("--to goes with retry only");
    else if (s->force && !is(verb, "drop"))
        cli_complain("--force goes with drop only");
    else if (s->dry_run && is(verb, "list"))
        cli_complain("--dry-run goes with retry and drop only");
    else
        return is(verb, "drop") ? cli_sift_may(s) : CLI_GO;
    return CLI_USAGE;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct cli_sift s = {.stage_name = "dead-letter", .noun = "dead letter"};
    const char *operand[2];
    const struct cli_option options[] = {
        {"to", CLI_TEXT, "STAGE", "retry: the stage that shall try them again (the one they came from)", &s.to_name, 0,
         0},
        CLI_FILTER_OPTIONS(&s.filter),
        {"force", CLI_FLAG, NULL, "drop: do not ask", &s.force, 0, 0},
        {"dry-run", CLI_FLAG, NULL, "retry, drop: do nothing, and say what would be done", &s.dry_run, 0, 0},
        {"json", CLI_FLAG, NULL, "as one JSON object", &s.json, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], operand, 2);
    if (status != CLI_GO)
        return status;
    const char *verb = operand[1];
    s.segment = operand[0];
    s.verb = verb;
    s.fate = is(verb, "drop") ? CLI_DROP : s.to_name ? CLI_MOVE : CLI_TO_ORIGIN;
    s.done = is(verb, "drop") ? "dropped" : "forwarded";
    s.observe = is(verb, "list");
    cli_note_signals();
    if ((status = check(&s, verb)) != CLI_GO || (status = cli_sift_open(&s)))
        return status;
    status = is(verb, "list") ? list(&s) : cli_sift_run(&s, is(verb, "drop"));
    cli_sift_close(&s);
    return status;
}

const struct cli_command cli_dead_letter = {
    "dead-letter",
    "SEG list|retry|drop [--source NAME] [--pipeline NAME] [--older-than SECONDS] [--count N] [--to STAGE] "
    "[--force] [--dry-run] [--json]",
    "see, retry or drop records past their retry limit",
    "list shows them, with the stage that each came from, and leaves them; retry forwards them to a stage, where\n"
    "their retries count anew; drop gives them up for good: it asks on a terminal, and wants --force elsewhere. Until\n"
    "then they hold room of the limit of all records, and of no other. retry waits while the stage, or the source of\n"
    "a record, has no room. A record is a dead letter after more failures than --max-retries: a failure is a return,\n"
    "or the death of a consumer that had leased the record alone. What is given back untried does not count.",
    run};
