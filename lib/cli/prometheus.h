/* prometheus.h - a snapshot in the text exposition format. */
#ifndef CONVEYOR_CLI_PROMETHEUS_H
#define CONVEYOR_CLI_PROMETHEUS_H

#include "snapshot.h"

/* Writes on standard output. */
void cli_prometheus_print(const char *segment, const struct cli_snapshot *s);

#endif
