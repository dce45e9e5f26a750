/* metrics.c - a bridge's own figures, in a file for Prometheus' node exporter (--metrics). */
#include "metrics.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "signals.h"
#include "text.h"

#define EACH_NS INT64_C(1000000000)

bool bridge_metrics_due(struct bridge *b)
{
    if (!b->metrics || cli_now_ns() < b->metrics_due_ns)
        return false;
    b->metrics_due_ns = cli_now_ns() + EACH_NS;
    return true;
}

static void write_label(FILE *f, const char *name, const char *value, const char *after)
{
    fprintf(f, "%s=\"", name);
    for (; *value; value++) {
        if (strchr("\\\"", *value))
            fputc('\\', f);
        fputc(*value, f);
    }
    fprintf(f, "\"%s", after);
}

static void write_metric(FILE *f, const struct bridge *b, const struct bridge_metric *m)
{
    size_t n = strlen(m->name);
    bool counts = n > 6 && !strcmp(m->name + n - 6, "_total");
    fprintf(f, "# HELP conveyor_bridge_%s %s\n# TYPE conveyor_bridge_%s %s\nconveyor_bridge_%s{", m->name, m->help,
            m->name, counts ? "counter" : "gauge", m->name);
    write_label(f, "segment", b->segment, ",");
    write_label(f, "stage", b->stage_name, ",");
    write_label(f, "direction", b->from ? "in" : "out", "");
    fprintf(f, "} %.17g\n", m->value);
}

void bridge_metrics_write(struct bridge *b, const struct bridge_metric *metrics, size_t count)
{
    char path[PATH_MAX];
    FILE *f = (size_t)snprintf(path, sizeof path, "%s.new", b->metrics) < sizeof path ? fopen(path, "we") : NULL;
    bool good = f;
    for (size_t i = 0; f && i < count; i++)
        write_metric(f, b, &metrics[i]);
    if (f)
        good = !fclose(f) && !rename(path, b->metrics);
    if (good || b->metrics_failed)
        return;
    b->metrics_failed = true;
    cli_complain("cannot write --metrics %s: %s; the bridge goes on without", b->metrics, strerror(errno));
}
