/* purge.c - gives up records of a stage for good. */
#include "sift.h"

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct cli_sift s = {.fate = CLI_DROP, .verb = "drop", .noun = "record", .done = "dropped"};
    const struct cli_option options[] = {
        {"stage", CLI_NEED, "NAME", "the stage whose waiting records are dropped", &s.stage_name, 0, 0},
        CLI_FILTER_OPTIONS(&s.filter),
        {"dry-run", CLI_FLAG, NULL, "do nothing, and say what would be done", &s.dry_run, 0, 0},
        {"force", CLI_FLAG, NULL, "do not ask", &s.force, 0, 0},
        {"json", CLI_FLAG, NULL, "what was done as one JSON object", &s.json, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &s.segment, 1);
    return status == CLI_GO ? cli_sift_all(&s) : status;
}

const struct cli_command cli_purge = {
    "purge",
    "SEG --stage NAME [--source NAME] [--pipeline NAME] [--older-than SECONDS] [--count N] [--dry-run] [--force] "
    "[--json]",
    "give up records of a stage for good",
    "Of the records that wait when it begins, those that match are gone; what is leased stays with its consumers. With "
    "a\n"
    "filter the others go to the end of their stage, untried and in their order, behind what is put meanwhile. It asks "
    "on\n"
    "a terminal, and wants --force elsewhere. Who is killed while it works has dropped a part.",
    run};
