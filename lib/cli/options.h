/* options.h - options of a subcommand as a table: parsing, checking and --help come from it. */
#ifndef CONVEYOR_CLI_OPTIONS_H
#define CONVEYOR_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command.h"

enum cli_kind {
    CLI_FLAG,  /* bool */
    CLI_TEXT,  /* const char * */
    CLI_NEED,  /* const char *, must be given */
    CLI_WHOLE, /* uint32_t from min to max, also written as 10k, 2M, 64Ki, 1Mi */
    CLI_REAL,  /* double from min to max */
    CLI_OCTAL, /* uint32_t from min to max, written in octal */
    CLI_LIST   /* struct cli_list: may be given several times */
};

enum { CLI_LIST_MAX = 32 };
struct cli_list {
    const char *item[CLI_LIST_MAX];
    size_t count;
};

struct cli_option {
    const char *name; /* one of a single character is a short option: -0 */
    enum cli_kind kind;
    const char *argument; /* its name in --help; NULL for a flag */
    const char *help;
    void *to;
    double min, max;
};

enum { CLI_GO = -1 };

/* Parses options and exactly `operands` other arguments into operand[]. CLI_GO, or the exit status: --help was asked
 * for and given, or something is wrong and was said. */
int cli_parse(const struct cli_command *command, int argc, char **argv, const struct cli_option *options, size_t count,
              const char **operand, int operands);

/* usage.c: the usage line, in lines that fit a terminal. */
void cli_print_usage(const struct cli_command *command);

/* A whole number of digits only, from min to max. */
bool cli_whole(const char *text, uint64_t min, uint64_t max, uint64_t *value);

/* A whole number from min to max that a unit may follow: k, M (thousands), Ki, Mi (of 1024). */
bool cli_whole_with_unit(const char *text, uint64_t min, uint64_t max, uint64_t *value);

#endif
