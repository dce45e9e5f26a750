/* main.c - finds the subcommand and starts it. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "text.h"
#include "width.h"

static const struct cli_command *const commands[] = {
    &cli_create, &cli_push,   &cli_pull,   &cli_peek,  &cli_stat,    &cli_list,        &cli_leases,
    &cli_top,    &cli_watch,  &cli_doctor, &cli_check, &cli_evict,   &cli_dead_letter, &cli_move,
    &cli_purge,  &cli_events, &cli_signal, &cli_hold,  &cli_release, &cli_record,      &cli_replay,
    &cli_set,    &cli_names,  &cli_rm,     &cli_bench, &cli_bridge};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

/* A standard descriptor that is closed would be given to the segment's file, and output be written over it. What takes
 * its place fails with EBADF as the closed one would. */
static void occupy_standard_descriptors(void)
{
    static const int mode[] = {O_WRONLY, O_RDONLY, O_RDWR};
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", mode[fd]) < 0)
            return;
}

static int help(void)
{
    puts("usage: conveyor COMMAND ...\n\n"
         "Record buffers in shared memory: see, fill, empty and check them.\n\ncommands:");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-11s  %s\n", commands[i]->name, commands[i]->summary);
    puts("\nconveyor COMMAND --help tells more. Exit status: 0 done, 1 failed, 2 wrong usage.");
    return cli_close_output();
}

int main(int argc, char **argv)
{
    occupy_standard_descriptors();
    cli_width_begin();
    const char *name = argc > 1 ? argv[1] : "";
    if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help"))
        return help();
    if (!strcmp(name, "--version")) {
        puts("conveyor " CONVEYOR_VERSION);
        return cli_close_output();
    }
    for (size_t i = 0; i < COMMANDS; i++)
        if (!strcmp(name, commands[i]->name)) {
            cli_begin(name);
            if (commands[i] != &cli_bench &&
                commands[i] != &cli_bridge) { /* programs of their own, which inherit what is ignored */
                signal(SIGPIPE, SIG_IGN);
                signal(SIGXFSZ, SIG_IGN);
            }
            return commands[i]->run(commands[i], argc - 1, argv + 1);
        }
    if (argc < 2)
        cli_complain("no command given; see 'conveyor --help'");
    else
        cli_complain("there is no command '%s'; see 'conveyor --help'", name);
    return CLI_USAGE;
}
