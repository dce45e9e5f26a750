/* move.c - sends records of a stage to another one. */
#include "sift.h"

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct cli_sift s = {.fate = CLI_MOVE, .verb = "move", .noun = "record", .done = "moved"};
    const struct cli_option options[] = {
        {"stage", CLI_NEED, "NAME", "the stage whose waiting records are moved", &s.stage_name, 0, 0},
        {"to", CLI_NEED, "STAGE", "the stage that they go to", &s.to_name, 0, 0},
        CLI_FILTER_OPTIONS(&s.filter),
        {"dry-run", CLI_FLAG, NULL, "do nothing, and say what would be done", &s.dry_run, 0, 0},
        {"force", CLI_FLAG, NULL, "do not ask", &s.force, 0, 0},
        {"json", CLI_FLAG, NULL, "what was done as one JSON object", &s.json, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &s.segment, 1);
    return status == CLI_GO ? cli_sift_all(&s) : status;
}

const struct cli_command cli_move = {
    "move",
    "SEG --stage A --to B [--source NAME] [--pipeline NAME] [--older-than SECONDS] [--count N] [--dry-run] [--force] "
    "[--json]",
    "send records of a stage to another one",
    "Of the records that wait when it begins, those that match are forwarded, each exactly once, with their retries\n"
    "counted anew; it waits while the other stage is full. The rest is as with purge: what is leased stays, and with "
    "a\n"
    "filter the others go to the end of their stage, untried and in their order.",
    run};
