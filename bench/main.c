/* main.c - the bench suite's command: one word chooses what to do. */
#include <stdio.h>
#include <string.h>

#include "bridge/ends.h"
#include "harness/parts.h"
#include "job/job.h"
#include "report/report.h"

static const struct command {
    const char *name, *about;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"job", "the Debian package index through three stages, with a worker killed on the way", job_main},
    {"job-part", "one process of the job as a program of its own, for a job on two machines", job_part_main},
    {"job-compare", "what sinks of such a job wrote, beside a sequential pass", job_compare_main},
    {"bridge-end", "the other end of a bridge that is measured", bridge_end_main},
    {"all", "all of the following in one go, within ten minutes, with one report", all_main},
    {"peers", "records a second, beside other systems", bench_peers_main},
    {"brokers", "records a second, leased and acknowledged, beside Redis and NATS", brokers_main},
    {"round-trip", "how long a record takes to another process and back", trip_main},
    {"latency", "latency at a set rate, in an open loop", pace_main},
    {"half-load", "response times at half of each system's greatest rate", half_main},
    {"limits", "records a second against the limit", limits_main},
    {"wake-up", "what a record to a sleeping process costs, in processor time", wake_main},
    {"pipeline", "several sources and stages, with forward", flow_main},
    {"backpressure", "a slow consumer: what fills, and what the sources are told", slow_main},
    {"cost", "what a record costs as capacity, stages, sources, handles and payload grow", cost_main},
    {"heal", "from kill -9 of a consumer to the delivery of its last lease", heal_main},
    {"long", "records a second in each second of a minute, and the worst of them", long_main},
    {"tune", "which settings are good for your producers, consumers, records and rate", tune_main},
    {"compare", "two files of results: what is faster, what slower, and what cannot be told apart",
     report_compare_main},
    {"report", "a table, CSV and HTML of files of results", report_main},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static int usage(FILE *to, int status)
{
    fputs("usage: conveyor-bench COMMAND ... (each has --help)\n", to);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-13s %s\n", commands[i].name, commands[i].about);
    return status;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < COMMANDS && argc > 1; i++)
        if (!strcmp(argv[1], commands[i].name))
            return commands[i].run(argc - 1, argv + 1);
    bool help = argc > 1 && !strcmp(argv[1], "--help");
    return help ? usage(stdout, 0) : usage(stderr, 2);
}
