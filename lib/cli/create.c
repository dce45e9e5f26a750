/* create.c - makes a segment. */
#include <conveyor/segment.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "options.h"
#include "system.h"
#include "text.h"
#include "units.h"

enum { MOST_RECORDS = 12000000, MOST_BYTES = 1 << 20 };

struct create {
    const char *segment, *classes, *stages; /* the last two: lists with commas, or NULL */
    bool dry_run;
    struct cvb_settings settings;
};

/* One BYTES:COUNT that ends at `end`. */
static bool parse_class(const char *text, const char *end, struct cvb_class *class)
{
    char part[32];
    uint64_t bytes, count;
    size_t n = (size_t)(end - text);
    if (n >= sizeof part)
        return false;
    memcpy(part, text, n);
    part[n] = 0;
    char *colon = strchr(part, ':');
    if (!colon)
        return false;
    *colon = 0;
    if (!cli_whole_with_unit(part, 0, MOST_BYTES, &bytes) || !cli_whole_with_unit(colon + 1, 1, MOST_RECORDS, &count))
        return false;
    *class = (struct cvb_class){(uint32_t)bytes, (uint32_t)count};
    return true;
}

static int wrong_classes(const char *text, const char *why)
{
    cli_complain("--classes '%s': %s", text, why);
    return CLI_USAGE;
}

static int parse_classes(const char *text, struct cvb_settings *s)
{
    for (const char *at = text, *end; at; at = *end ? end + 1 : NULL) {
        end = at + strcspn(at, ",");
        if (s->class_count == CVB_CLASSES_MAX)
            return wrong_classes(text, "there can be at most 4 classes");
        if (!parse_class(at, end, &s->classes[s->class_count++]))
            return wrong_classes(text, "write it as BYTES:COUNT,BYTES:COUNT with 0 to 1048576 bytes and at least 1");
    }
    return CLI_GO;
}

/* The next of the names that commas part; false if there is none. One that is too long is cut, and is no name then. */
static bool next_name(const char **list, char name[CVB_NAME_MAX + 2])
{
    if (!*list)
        return false;
    size_t n = strcspn(*list, ",");
    snprintf(name, CVB_NAME_MAX + 2, "%.*s", (int)(n > CVB_NAME_MAX ? CVB_NAME_MAX + 1 : n), *list);
    *list = (*list)[n] ? *list + n + 1 : NULL;
    return true;
}

static int check_stages(const struct create *c)
{
    char name[CVB_NAME_MAX + 2];
    uint32_t count = 1; /* the dead-letter stage */
    for (const char *at = c->stages; next_name(&at, name); count++)
        if (!cli_is_name(name)) {
            cli_complain("--stages '%s': '%s' is %s", c->stages, name, cvb_error_text(CVB_ENAME));
            return CLI_USAGE;
        }
    if (count <= c->settings.max_stages)
        return CLI_GO;
    cli_complain("--stages '%s': with the dead-letter stage those are %u, and --max-stages allows %u", c->stages, count,
                 c->settings.max_stages);
    return CLI_USAGE;
}

/* What the library says of a setting begins with its name, which is that of the option but for the bars. */
static int check_settings(const struct create *c)
{
    char text[200];
    if (!cvb_settings_check(&c->settings, text, sizeof text))
        return CLI_GO;
    if (!strncmp(text, "classes", strlen("classes")) && c->classes)
        return wrong_classes(c->classes, text);
    for (char *at = text; *at && *at != ' '; at++)
        *at = *at == '_' ? '-' : *at;
    cli_complain("--%s", text);
    return CLI_USAGE;
}

static int check(struct create *c)
{
    int status = c->classes ? parse_classes(c->classes, &c->settings) : CLI_GO;
    if (status == CLI_GO)
        status = check_settings(c);
    return status == CLI_GO ? check_stages(c) : status;
}

static int parse(const struct cli_command *self, int argc, char **argv, struct create *c)
{
    struct cvb_settings *s = &c->settings;
    const struct cli_option options[] = {
        {"max-total-records", CLI_WHOLE, "N", "limit of all records (100000)", &s->max_total_records, 1, MOST_RECORDS},
        {"max-per-stage", CLI_WHOLE, "N", "limit of each stage (10000)", &s->max_per_stage, 1, MOST_RECORDS},
        {"max-per-source", CLI_WHOLE, "N", "limit of each source (5000)", &s->max_per_source, 1, MOST_RECORDS},
        {"backpressure-threshold", CLI_REAL, "F", "sources pause at this part of a limit (0.8)",
         &s->backpressure_threshold, 0, 1},
        {"resume-threshold", CLI_REAL, "F", "and go on at this part (0.5)", &s->resume_threshold, 0, 1},
        {"payload-size", CLI_WHOLE, "BYTES", "length of the longest record (1024)", &s->payload_size, 0, MOST_BYTES},
        {"classes", CLI_TEXT, "BYTES:COUNT,...", "split the memory by hand into up to 4 sizes", &c->classes, 0, 0},
        {"max-retries", CLI_WHOLE, "N", "failures that a record may have; with one more it is a dead letter (3)",
         &s->max_retries, 0, 254},
        {"mode", CLI_OCTAL, "OCTAL", "permissions (0600)", &s->mode, 0, 0777},
        {"stages", CLI_TEXT, "NAME,...", "make these stages at once, so that consumers can wait for records",
         &c->stages, 0, 0},
        {"max-stages", CLI_WHOLE, "N", "names of stages, the dead-letter stage's among them (16)", &s->max_stages, 2,
         4095},
        {"max-sources", CLI_WHOLE, "N", "names of sources (1024)", &s->max_sources, 1, 65535},
        {"max-pipelines", CLI_WHOLE, "N", "names of pipelines (64)", &s->max_pipelines, 1, 65535},
        {"max-handles", CLI_WHOLE, "N", "processes at a time (64)", &s->max_handles, 1, 1023},
        {"dry-run", CLI_FLAG, NULL, "make nothing, and say what memory it would take", &c->dry_run, 0, 0}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &c->segment, 1);
    return status == CLI_GO ? check(c) : status;
}

/* One line: what it takes, and how much of what was free if that is much. */
static int tell(const struct create *c, uint64_t bytes, uint64_t left)
{
    char needed[32], there[32], part[64] = "";
    cli_bytes(bytes, needed, sizeof needed);
    cli_bytes(left, there, sizeof there);
    if (left != UINT64_MAX && (c->dry_run || bytes > left / 2))
        snprintf(part, sizeof part, c->dry_run ? "; %s are free" : " of the %s that were free", there);
    printf("%s '%s'%s %s of shared memory%s\n", c->dry_run ? "segment" : "created segment", c->segment,
           c->dry_run ? " would take" : ":", needed, part);
    return cli_close_output();
}

/* The stages that --stages names. Without all of them the segment is not what was asked for, and goes away again. */
static int make_stages(const struct create *c)
{
    struct cvb_handle *handle = NULL;
    char name[CVB_NAME_MAX + 2];
    uint32_t id;
    int error = c->stages ? cvb_attach(c->segment, &handle) : 0;
    for (const char *at = c->stages; !error && next_name(&at, name);)
        error = cvb_stage(handle, name, &id);
    cvb_detach(handle);
    if (error)
        cvb_unlink(c->segment);
    return error;
}

/* Asks the system first: reserving more memory than there is takes all of it for a moment. */
static int create(const struct create *c)
{
    char text[300];
    int64_t bytes = cvb_memory_needed(&c->settings);
    if (bytes < 0)
        return cli_segment_failed(c->segment, (int)bytes);
    uint64_t left = cli_free_memory();
    const char *cause = cli_is_file(c->segment) ? NULL : cli_system_cause(0, (uint64_t)bytes, text, sizeof text);
    if (cause) {
        cli_complain("segment '%s': %s", c->segment, cause);
        return CLI_FAILED;
    }
    int error = c->dry_run ? 0 : cvb_create(c->segment, &c->settings);
    if (!error && !c->dry_run)
        error = make_stages(c);
    return error ? cli_segment_failed_at(c->segment, error, (uint64_t)bytes) : tell(c, (uint64_t)bytes, left);
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct create c = {0};
    cvb_settings_init(&c.settings);
    int status = parse(self, argc, argv, &c);
    return status == CLI_GO ? create(&c) : status;
}

const struct cli_command cli_create = {
    "create", "SEG [options]", "make a segment",
    "All its memory is reserved at once, and one line says how much that is. It is an error if the name is taken, or\n"
    "if less memory is free. Consumers refuse a stage that does not exist: --stages makes the stages that they will\n"
    "ask for; otherwise the first push into a stage makes it. N and BYTES may be written as 10k, 2M, 64Ki or 1Mi.",
    run};
