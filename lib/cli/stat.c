/* stat.c - what a segment holds, for people, for scripts and for a monitoring system. */
#include <conveyor/segment.h>
#include <stdio.h>

#include "json.h"
#include "options.h"
#include "prometheus.h"
#include "table.h"
#include "text.h"

static int print(const char *segment, const struct cli_snapshot *s, bool json, bool prometheus)
{
    if (json)
        return cli_json_print(cli_json_stat(segment, s));
    if (prometheus)
        cli_prometheus_print(segment, s);
    else
        cli_table_print(segment, s);
    return cli_close_output();
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    bool json = false, prometheus = false;
    const char *segment;
    const struct cli_option options[] = {
        {"json", CLI_FLAG, NULL, "as one JSON object", &json, 0, 0},
        {"prometheus", CLI_FLAG, NULL, "in Prometheus' text format", &prometheus, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &segment, 1);
    if (status != CLI_GO)
        return status;
    if (json && prometheus) {
        cli_complain("--json and --prometheus exclude each other");
        return CLI_USAGE;
    }
    struct cvb_handle *handle;
    struct cli_snapshot snapshot;
    status = cli_observe(segment, &handle);
    if (status)
        return status;
    int error = cli_snapshot_take(handle, &snapshot);
    cvb_detach(handle);
    if (error)
        return cli_segment_failed(segment, error);
    status = print(segment, &snapshot, json, prometheus);
    cli_snapshot_free(&snapshot);
    return status;
}

const struct cli_command cli_stat = {
    "stat", "SEG [--json] [--prometheus]", "show stages, sources, limits, fill, credits, leases, waits and handles",
    "Counts are since the segment was made. It needs permission to read the segment, and takes no handle.", run};
