/* bridge.c - starts the bridge of an engine, which is a program of its own: this one links no client library, and
 * whoever adds a program conveyor-bridge-SCHEME adds an engine. */
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "options.h"
#include "start.h"
#include "text.h"

enum { SCHEME_MAX = 32 };

/* The URL of --from or --to, written in either way; NULL if there is none. */
static const char *url_of(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *rest = !strncmp(argv[i], "--from", 6) ? argv[i] + 6
                           : !strncmp(argv[i], "--to", 4) ? argv[i] + 4
                                                          : "-";
        if (*rest == '=')
            return rest + 1;
        if (!*rest)
            return i + 1 < argc ? argv[i + 1] : NULL;
    }
    return NULL;
}

static bool scheme_of(const char *url, char scheme[SCHEME_MAX])
{
    size_t n = strspn(url, "abcdefghijklmnopqrstuvwxyz0123456789");
    if (!n || n >= SCHEME_MAX || strncmp(url + n, "://", 3))
        return false;
    memcpy(scheme, url, n);
    scheme[n] = 0;
    return true;
}

static int help(const struct cli_command *self)
{
    static const char *const known[] = {"nats", "kafka"};
    char name[64], path[PATH_MAX + 64];
    cli_print_usage(self);
    printf("\n%s.\n\n%s\n\nengines:\n", self->summary, self->details);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        snprintf(name, sizeof name, "conveyor-bridge-%s", known[i]);
        const char *found = cli_find_program(name, "/lib/bridge", path, sizeof path);
        printf("  %-6s  %s\n", known[i], found ? found : "not installed");
    }
    return cli_close_output();
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    char scheme[SCHEME_MAX], name[64];
    const char *url = url_of(argc, argv);
    if (!url && argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")))
        return help(self);
    if (!url || !scheme_of(url, scheme)) {
        cli_complain(url ? "'%s' is no URL: SCHEME://HOST:PORT/NAME"
                         : "give either --from URL or --to URL; see "
                           "'conveyor bridge --help'%s",
                     url ? url : "");
        return CLI_USAGE;
    }
    snprintf(name, sizeof name, "conveyor-bridge-%s", scheme);
    return cli_start_program(name, "/lib/bridge", "install the package of that name, or build with its client library",
                             argv);
}

const struct cli_command cli_bridge = {
    "bridge", "SEG --from URL --stage NAME --source NAME | SEG --stage NAME --to URL",
    "carry records between a segment and NATS JetStream or Kafka",
    "In: a message is acknowledged at its origin only when its record has left the segment for good. Out: a record is\n"
    "settled only when the engine has acknowledged it. 'conveyor bridge --from nats:// --help' shows the options.",
    run};
