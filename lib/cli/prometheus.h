/* prometheus.h - a snapshot in the text exposition format. */
#ifndef CONVEYOR_CLI_PROMETHEUS_H
#define CONVEYOR_CLI_PROMETHEUS_H

#include "snapshot.h"

struct cli_shown {
    const char *segment;
    const struct cli_snapshot *snapshot;
};

/* Writes on standard output, each family once with the samples of all segments; false if there is no memory. */
bool cli_prometheus_print(const struct cli_shown *shown, size_t count);

#endif
