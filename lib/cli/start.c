/* start.c - starts a program that belongs to the command and is a file of its own. */
#include "start.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
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

static const char *find_in_path(const char *name, char *path, size_t size)
{
    const char *at = getenv("PATH");
    for (size_t n; at && *at; at += n + (at[n] == ':')) {
        n = strcspn(at, ":");
        if ((size_t)snprintf(path, size, "%.*s/%s", (int)n, at, name) < size && !access(path, X_OK))
            return path;
    }
    return NULL;
}

const char *cli_find_program(const char *name, const char *build_folder, char *path, size_t size)
{
    char folder[PATH_MAX];
    own_folder(folder, sizeof folder);
    const char *const places[] = {folder, "", folder, build_folder, CONVEYOR_LIBEXECDIR, ""};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i += 2)
        if ((size_t)snprintf(path, size, "%s%s/%s", places[i], places[i + 1], name) < size && !access(path, X_OK))
            return path;
    return find_in_path(name, path, size);
}

int cli_start_program(const char *name, const char *build_folder, const char *cure, char **argv)
{
    char folder[PATH_MAX], path[PATH_MAX + 64];
    if (!cli_find_program(name, build_folder, path, sizeof path)) {
        own_folder(folder, sizeof folder);
        cli_complain("%s is neither in %s, nor in %s%s, nor in %s, nor in the PATH: %s", name, folder, folder,
                     build_folder, CONVEYOR_LIBEXECDIR, cure);
        return CLI_FAILED;
    }
    argv[0] = path;
    execv(path, argv);
    cli_complain("cannot start %s: %s", path, strerror(errno));
    return CLI_FAILED;
}
