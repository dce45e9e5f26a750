/* metrics.h - a bridge's own figures, in a file for Prometheus' node exporter (--metrics). */
#ifndef CONVEYOR_BRIDGE_METRICS_H
#define CONVEYOR_BRIDGE_METRICS_H

#include <stddef.h>

#include "bridge.h"

struct bridge_metric {
    const char *name; /* without "conveyor_bridge_"; one that ends with _total is a counter, others are gauges */
    const char *help;
    double value;
};

/* True once a second, if there is a file to be written. */
bool bridge_metrics_due(struct bridge *bridge);

/* Replaces the file as a whole, so nobody reads half of it. Complains once if it cannot. */
void bridge_metrics_write(struct bridge *bridge, const struct bridge_metric *metrics, size_t count);

#endif
