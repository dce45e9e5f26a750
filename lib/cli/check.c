/* check.c - for a monitor: one line, and the exit status that Nagios and its like go by. */
#include <conveyor/segment.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "options.h"
#include "sift.h"
#include "text.h"

enum state { OK, WARNING, CRITICAL, UNKNOWN };
static const char *const state_name[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};

/* What is measured, and the limits above which it is a warning, and critical. */
struct measure {
    const char *name, *unit; /* of the performance data */
    const char *given;       /* "80,95", "95" or NULL */
    double warning, critical, value;
    char text[512]; /* "stage 'filter' is 81 % full" */
};

enum { FILL, AGE, DEAD, LEASE, MEASURES };

struct check {
    const char *segment;
    bool json;
    struct measure m[MEASURES];
};

static bool parse_number(const char *text, const char *end, double *value)
{
    char part[32], *rest;
    size_t n = (size_t)(end - text);
    if (!n || n >= sizeof part)
        return false;
    memcpy(part, text, n);
    part[n] = 0;
    *value = strtod(part, &rest);
    return !*rest && !part[strspn(part, "0123456789.")];
}

/* "CRITICAL" or "WARNING,CRITICAL" */
static bool parse_limits(struct measure *m)
{
    const char *comma = strchr(m->given, ','), *end = m->given + strlen(m->given);
    if (!comma)
        return parse_number(m->given, end, &m->critical) && ((m->warning = m->critical), true);
    return parse_number(m->given, comma, &m->warning) && parse_number(comma + 1, end, &m->critical) &&
           m->warning <= m->critical;
}

/* Wrong usage is unknown to a monitor: 3, where other commands have 2. */
static int wrong_limits(const char *option, const char *given)
{
    cli_complain("--%s: '%s' is neither a number nor two of them, WARNING,CRITICAL, of which the first is not larger",
                 option, given);
    return UNKNOWN;
}

/* The fullest of the limits: the total, or a stage, or a source. */
static void measure_fill(struct measure *m, const struct cli_snapshot *s)
{
    m->value = s->utilization * 100;
    snprintf(m->text, sizeof m->text, "all records %.0f %% full", m->value);
    for (size_t i = 0; i < s->stage_count; i++)
        if (s->stages[i].id != CVB_STAGE_DEAD_LETTER && s->stages[i].utilization * 100 > m->value) {
            m->value = s->stages[i].utilization * 100;
            snprintf(m->text, sizeof m->text, "stage '%s' %.0f %% full", s->stages[i].name, m->value);
        }
    for (size_t i = 0; i < s->source_count; i++) {
        double fill = 100.0 * s->sources[i].buffered / s->sources[i].limit;
        if (fill <= m->value)
            continue;
        m->value = fill;
        snprintf(m->text, sizeof m->text, "source '%s' %.0f %% full", s->sources[i].name, fill);
    }
}

static void measure_dead(struct measure *m, const struct cli_snapshot *s)
{
    m->value = s->stages[CVB_STAGE_DEAD_LETTER].holds.queued;
    snprintf(m->text, sizeof m->text, "%.0f dead letters", m->value);
}

/* Of the records that wait, the one that was put first: 0 or an error. Dead letters have their own limit. */
static int measure_age(struct measure *m, struct cvb_handle *handle, const struct cli_snapshot *s)
{
    uint64_t now_ns = cli_wall_ns();
    snprintf(m->text, sizeof m->text, "no record waits");
    for (size_t i = 0; i < s->stage_count; i++) {
        struct cvb_cursor cursor = {0};
        struct cvb_lease seen;
        int one = 0;
        while (s->stages[i].id != CVB_STAGE_DEAD_LETTER &&
               (one = cvb_peek(handle, s->stages[i].id, &cursor, &seen, NULL, 0)) > 0) {
            double age = ((double)now_ns - (double)seen.buffered_at_ns) / 1e9;
            if (age <= m->value)
                continue;
            m->value = age;
            snprintf(m->text, sizeof m->text, "the oldest record waits for %.1f s in stage '%s'", age,
                     s->stages[i].name);
        }
        if (one < 0)
            return one;
    }
    return 0;
}

/* The oldest lease: 0 or an error. */
static int measure_lease(struct measure *m, struct cvb_handle *handle)
{
    struct cvb_age all;
    int error = cvb_ages(handle, &all, NULL, NULL, NULL);
    if (error)
        return error;
    m->value = (double)all.lease_ns / 1e9;
    if (all.lease_ns)
        snprintf(m->text, sizeof m->text, "the oldest lease lasts for %.1f s", m->value);
    else
        snprintf(m->text, sizeof m->text, "no record is leased");
    return 0;
}

static enum state judge(const struct measure *m)
{
    return !m->given ? OK : m->value > m->critical ? CRITICAL : m->value > m->warning ? WARNING : OK;
}

/* What is worst stands first, and alone unless all is well. */
static void print_line(const struct check *c, enum state worst)
{
    const char *part = " ";
    printf("CONVEYOR %s - %s:", state_name[worst], c->segment);
    for (int i = 0; i < MEASURES; i++)
        if (c->m[i].given && judge(&c->m[i]) == worst) {
            printf("%s%s", part, c->m[i].text);
            part = ", ";
        }
    printf(" |");
    for (int i = 0; i < MEASURES; i++)
        if (c->m[i].given)
            printf(" %s=%.*f%s;%g;%g;0", c->m[i].name, c->m[i].value == (double)(int64_t)c->m[i].value ? 0 : 3,
                   c->m[i].value, c->m[i].unit, c->m[i].warning, c->m[i].critical);
    putchar('\n');
}

static int print_json(const struct check *c, enum state worst)
{
    json_t *array = json_array();
    for (int i = 0; i < MEASURES; i++)
        if (c->m[i].given)
            json_array_append_new(array,
                                  json_pack("{s:s,s:s,s:s,s:f,s:f,s:f}", "name", c->m[i].name, "state",
                                            state_name[judge(&c->m[i])], "text", c->m[i].text, "value", c->m[i].value,
                                            "warning", c->m[i].warning, "critical", c->m[i].critical));
    return cli_json_print(json_pack("{s:i,s:o,s:s,s:o}", "version", 1, "segment", cli_json_text(c->segment), "state",
                                    state_name[worst], "checks", array));
}

static int report(const struct check *c)
{
    enum state worst = OK;
    for (int i = 0; i < MEASURES; i++)
        worst = judge(&c->m[i]) > worst ? judge(&c->m[i]) : worst;
    if (c->json)
        return print_json(c, worst) ? UNKNOWN : (int)worst;
    print_line(c, worst);
    return cli_close_output() ? UNKNOWN : (int)worst;
}

/* A monitor shows standard output: there the reason stands, too. */
static int unknown(const struct check *c, int error)
{
    if (!c->json)
        printf("CONVEYOR UNKNOWN - %s: %s\n", c->segment, cvb_error_text(error));
    cli_close_output();
    cli_segment_failed(c->segment, error);
    return UNKNOWN;
}

static int check(struct check *c)
{
    struct cvb_handle *handle;
    struct cli_snapshot s;
    int error = cvb_observe(c->segment, &handle);
    if (error)
        return unknown(c, error);
    error = cli_snapshot_take(handle, &s);
    if (!error) {
        measure_fill(&c->m[FILL], &s);
        measure_dead(&c->m[DEAD], &s);
        if (c->m[AGE].given)
            error = measure_age(&c->m[AGE], handle, &s);
        if (!error && c->m[LEASE].given)
            error = measure_lease(&c->m[LEASE], handle);
        cli_snapshot_free(&s);
    }
    cvb_detach(handle);
    return error ? unknown(c, error) : report(c);
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct check c = {.m = {{.name = "fill", .unit = "%"},
                            {.name = "age", .unit = "s"},
                            {.name = "dead", .unit = ""},
                            {.name = "lease", .unit = "s"}}};
    const struct cli_option options[] = {
        {"max-fill", CLI_TEXT, "[W,]PERCENT", "of the fullest limit: the total's, a stage's, a source's",
         &c.m[FILL].given, 0, 0},
        {"max-age", CLI_TEXT, "[W,]SECONDS", "of the oldest record that waits", &c.m[AGE].given, 0, 0},
        {"max-dead", CLI_TEXT, "[W,]N", "dead letters", &c.m[DEAD].given, 0, 0},
        {"max-lease", CLI_TEXT, "[W,]SECONDS", "of the oldest lease", &c.m[LEASE].given, 0, 0},
        {"json", CLI_FLAG, NULL, "as one JSON object", &c.json, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &c.segment, 1);
    if (status != CLI_GO)
        return status == CLI_USAGE ? UNKNOWN : status;
    if (!c.m[FILL].given && !c.m[AGE].given && !c.m[DEAD].given && !c.m[LEASE].given) {
        c.m[FILL].given = "80,95";
        c.m[DEAD].given = "0,100";
    }
    static const char *const option[] = {"max-fill", "max-age", "max-dead", "max-lease"};
    for (int i = 0; i < MEASURES; i++)
        if (c.m[i].given && !parse_limits(&c.m[i]))
            return wrong_limits(option[i], c.m[i].given);
    return check(&c);
}

const struct cli_command cli_check = {
    "check", "SEG [--max-fill PERCENT] [--max-age SECONDS] [--max-dead N] [--max-lease SECONDS] [--json]",
    "judge a segment for a monitor, in one line",
    "Exit status 0 if no value is above its limit, 1 if one is above the warning, 2 "
    "if one is critical, and 3 if it could\n"
    "not be told (no such segment, wrong usage). A limit is a number, above which "
    "the value is critical, or two: 80,95\n"
    "warns above 80. Without limits: --max-fill 80,95 --max-dead 0,100. Behind the "
    "bar stand the values, as plugins of\n"
    "Nagios print them.",
    run};
