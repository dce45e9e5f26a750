/* main.c - the bench suite's command: one word chooses what to do. */
#include <stdio.h>
#include <string.h>

#include "job/job.h"

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1 && !strcmp(argv[1], "job"))
        return job_main(argc - 1, argv + 1);
    fputs("usage: conveyor-bench job ... (--help says more)\n", stderr);
    return 2;
}
