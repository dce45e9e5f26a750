/* bench.c - starts the bench suite's binary, which is a program of its own. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "text.h"

/* The folder of this program, without a slash at its end; "" if it cannot be told. */
static void own_folder(char *folder, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", folder, size - 1);
    folder[n > 0 ? n : 0] = 0;
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = 0;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    (void)self;
    (void)argc;
    char folder[PATH_MAX], path[PATH_MAX + 64];
    own_folder(folder, sizeof folder);
    const char *const places[] = {
        folder, "/conveyor-bench", folder, "/bench/conveyor-bench", CONVEYOR_LIBEXECDIR, "/conveyor-bench"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i += 2) {
        snprintf(path, sizeof path, "%s%s", places[i], places[i + 1]);
        if (access(path, X_OK))
            continue;
        argv[0] = path;
        execv(path, argv);
        cli_complain("cannot start %s: %s", path, strerror(errno));
        return CLI_FAILED;
    }
    cli_complain("conveyor-bench is neither in %s, nor in %s/bench, nor in %s: build or install the bench suite",
                 folder, folder, CONVEYOR_LIBEXECDIR);
    return CLI_FAILED;
}

const struct cli_command cli_bench = {"bench", "...", "start the bench suite", NULL, run};
