/* results.c - making, reading and writing a file of results. */
#include "results.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

/* The first line of a file that starts with key, behind its colon; or its first line if key is NULL. */
static void read_line(const char *path, const char *key, char *value, size_t size)
{
    char line[512];
    snprintf(value, size, "unknown");
    FILE *f = fopen(path, "r");
    if (!f)
        return;
    while (fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (key && (strncmp(line, key, strlen(key)) || !colon))
            continue;
        const char *text = key ? colon + 1 + strspn(colon + 1, " \t") : line;
        snprintf(value, size, "%.*s", (int)strcspn(text, "\n"), text);
        break;
    }
    fclose(f);
}

/* Process i of a run is pinned to the i-th of these, and again from the first. */
static json_t *pinning(const struct bench_cpus *cpus)
{
    json_t *all = json_array();
    for (unsigned i = 0; i < cpus->count; i++)
        json_array_append_new(
            all, json_pack("{s:i,s:i,s:i}", "cpu", cpus->cpu[i], "package", cpus->package[i], "core", cpus->core[i]));
    return all;
}

static json_t *machine(const struct bench_cpus *cpus)
{
    char cpu[256], governor[64], date[32];
    struct utsname u;
    time_t now = time(NULL);
    read_line("/proc/cpuinfo", "model name", cpu, sizeof cpu);
    read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", NULL, governor, sizeof governor);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
    uname(&u);
    json_t *order = json_array();
    for (unsigned i = 0; i < cpus->count; i++)
        json_array_append_new(order, json_integer(cpus->cpu[i]));
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:i,s:o,s:o,s:s,s:s}", "date", date, "cpu", cpu, "governor", governor,
                     "kernel", u.release, "architecture", u.machine, "compiler", __VERSION__, "processors",
                     (int)cpus->count, "pinned_to", order, "pinning", pinning(cpus), "operating_system", u.sysname,
                     "versions", peers_versions);
}

json_t *results_new(const char *kind, const struct bench_cpus *cpus)
{
    return json_pack("{s:i,s:s,s:o,s:s}", "version", 1, "kind", kind, "machine", machine(cpus), "left_out",
                     peers_left_out);
}

json_t *results_read(const char *path, const char *who)
{
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (!root) {
        fprintf(stderr, "%s: %s: %s\n", who, path, error.text);
        return NULL;
    }
    if (json_integer_value(json_object_get(root, "version")) == 1 && json_is_object(json_object_get(root, "machine")))
        return root;
    fprintf(stderr, "%s: %s: not a file of results, version 1\n", who, path);
    json_decref(root);
    return NULL;
}

bool results_option(struct results_output *o, int option, const char *value)
{
    switch (option) {
    case RESULTS_JSON:
        o->json = value;
        return true;
    case RESULTS_CSV:
        o->csv = value;
        return true;
    case RESULTS_HTML:
        o->html = value;
        return true;
    default:
        return false;
    }
}

static int write_json(const json_t *results, const char *path)
{
    return json_dump_file(results, path, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
}

static int write_one(const json_t *results, const char *path, int (*how)(const json_t *results, const char *path))
{
    if (!path)
        return 0;
    if (how(results, path)) {
        fprintf(stderr, "bench: cannot write %s: %s\n", path, strerror(errno));
        return -1;
    }
    printf("written: %s\n", path);
    return 0;
}

int results_write(const json_t *results, const struct results_output *o)
{
    int json = write_one(results, o->json, write_json), csv = write_one(results, o->csv, results_write_csv);
    return write_one(results, o->html, results_write_html) || csv || json;
}

const char *results_text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

double results_number(const json_t *object, const char *key) { return json_number_value(json_object_get(object, key)); }

void results_describe(const json_t *results, FILE *out)
{
    const json_t *m = json_object_get(results, "machine"), *place;
    size_t i;
    fprintf(out, "%s, %.0f processors, %s %s, governor %s, compiler %s\n", results_text(m, "cpu"),
            results_number(m, "processors"), results_text(m, "operating_system"), results_text(m, "kernel"),
            results_text(m, "governor"), results_text(m, "compiler"));
    fprintf(out, "%s\nprocesses are pinned in turn to", results_text(m, "versions"));
    json_array_foreach(json_object_get(m, "pinning"), i, place)
        fprintf(out, "%s processor %.0f (package %.0f, core %.0f)", i ? "," : "", results_number(place, "cpu"),
                results_number(place, "package"), results_number(place, "core"));
    fputc('\n', out);
}

int results_read_number(unsigned *value, const char *text, unsigned least, unsigned most)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    *value = (unsigned)n;
    return *end || end == text || *text == '-' || n < least || n > most ? -1 : 0;
}
