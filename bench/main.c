/* main.c - the bench suite's command: one word chooses what to do. */
#include <stdio.h>
#include <string.h>

#include "harness/bench.h"
#include "job/job.h"
#include "report/report.h"

#define USAGE                                                                                                          \
    "usage: conveyor-bench COMMAND ... (each has --help)\n"                                                            \
    "  job      the Debian package index through three stages, with a worker killed on the way\n"                      \
    "  peers    records a second, beside other systems\n"                                                              \
    "  compare  two files of results: what is faster, what slower, what cannot be told apart\n"

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1 && !strcmp(argv[1], "job"))
        return job_main(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "peers"))
        return bench_peers_main(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "compare"))
        return report_compare_main(argc - 1, argv + 1);
    bool help = argc > 1 && !strcmp(argv[1], "--help");
    fputs(USAGE, help ? stdout : stderr);
    return help ? 0 : 2;
}
