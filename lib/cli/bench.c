/* bench.c - starts the bench suite's binary, which is a program of its own. */
#include "command.h"
#include "start.h"

static int run(const struct cli_command *self, int argc, char **argv)
{
    (void)self;
    (void)argc;
    return cli_start_program("conveyor-bench", "/bench", "build or install the bench suite", argv);
}

const struct cli_command cli_bench = {"bench", "...", "start the bench suite", NULL, run};
