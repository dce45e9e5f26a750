/* command.h - what the subcommands of `conveyor` look like to its main function. */
#ifndef CONVEYOR_CLI_COMMAND_H
#define CONVEYOR_CLI_COMMAND_H

#include <stddef.h>

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 }; /* exit statuses */

struct cli_command {
    const char *name;
    const char *arguments; /* after the name, for the usage line */
    const char *summary;   /* one line */
    const char *details;   /* paragraphs for --help, or NULL */
    int (*run)(const struct cli_command *self, int argc, char **argv);
};

extern const struct cli_command cli_create, cli_push, cli_pull, cli_stat, cli_list, cli_leases, cli_doctor, cli_rm,
    cli_bench, cli_top, cli_watch, cli_dead_letter, cli_peek, cli_record, cli_replay, cli_check, cli_evict, cli_move,
    cli_purge, cli_bridge, cli_set, cli_signal, cli_hold, cli_release, cli_events, cli_names;

#endif
