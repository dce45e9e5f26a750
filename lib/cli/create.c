/* create.c - makes a segment. */
#include <conveyor/segment.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "names.h"
#include "options.h"
#include "system.h"
#include "text.h"
#include "units.h"

enum { MOST_RECORDS = 12000000, MOST_BYTES = 1 << 20, MOST_HEADER = 1 << 16, MOST_MS = 2000000000 };

struct create {
    const char *segment, *config_file, *classes,
        *stages; /* classes, stages: lists with commas; all but segment: or NULL */
    bool dry_run, exist_ok, sealed;
    struct cli_config config;
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
    s->class_count = 0; /* those of --config, if it has any */
    for (const char *at = text, *end; at; at = *end ? end + 1 : NULL) {
        end = at + strcspn(at, ",");
        if (s->class_count == CVB_CLASSES_MAX)
            return wrong_classes(text, "there can be at most 4 classes");
        if (!parse_class(at, end, &s->classes[s->class_count++]))
            return wrong_classes(text, "write it as BYTES:COUNT,BYTES:COUNT with 0 to 1048576 bytes and at least 1");
    }
    return CLI_GO;
}

/* The names that commas part, to those that --config has. One that is too long is cut, and is no name then. */
static int parse_stages(const struct create *c)
{
    for (const char *at = c->stages; at;) {
        char name[CVB_NAME_MAX + 2];
        size_t n = strcspn(at, ",");
        snprintf(name, sizeof name, "%.*s", (int)(n > CVB_NAME_MAX ? CVB_NAME_MAX + 1 : n), at);
        if (!cli_is_name(name)) {
            cli_complain("--stages '%s': '%s' is %s", c->stages, name, cvb_error_text(CVB_ENAME));
            return CLI_USAGE;
        }
        cli_config_add(c->config.stages, name);
        at = at[n] ? at + n + 1 : NULL;
    }
    return CLI_GO;
}

/* With the dead-letter stage they must fit; if it is sealed they are all that there will be. */
static int check_stages(struct create *c)
{
    uint32_t count = (uint32_t)json_array_size(c->config.stages) + 1;
    if (count > c->config.settings.max_stages) {
        cli_complain("--stages '%s': with the dead-letter stage those are %u, and --max-stages allows %u",
                     c->stages ? c->stages : "", count, c->config.settings.max_stages);
        return CLI_USAGE;
    }
    if (!c->sealed && !c->config.sealed)
        return CLI_GO;
    c->config.settings.sealed_stages = count;
    if (count > 1)
        return CLI_GO;
    cli_complain("--sealed lets no other stage be made: name those that there shall be with --stages");
    return CLI_USAGE;
}

/* What the library says of a setting begins with its name, which is that of the option but for the bars. */
static int check_settings(const struct create *c)
{
    char text[200];
    if (!cvb_settings_check(&c->config.settings, text, sizeof text))
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
    int status = c->classes ? parse_classes(c->classes, &c->config.settings) : CLI_GO;
    if (status == CLI_GO)
        status = parse_stages(c);
    if (status == CLI_GO)
        status = check_stages(c);
    return status == CLI_GO ? check_settings(c) : status;
}

static int parse_options(const struct cli_command *self, int argc, char **argv, struct create *c)
{
    struct cvb_settings *s = &c->config.settings;
    const struct cli_option options[] = {
        {"max-total-records", CLI_WHOLE, "N", "limit of all records (100000)", &s->max_total_records, 1, MOST_RECORDS},
        {"max-per-stage", CLI_WHOLE, "N", "limit of each stage (10000)", &s->max_per_stage, 1, MOST_RECORDS},
        {"max-per-source", CLI_WHOLE, "N", "limit of each source (5000)", &s->max_per_source, 1, MOST_RECORDS},
        {"backpressure-threshold", CLI_REAL, "F", "sources pause at this part of a limit (0.8)",
         &s->backpressure_threshold, 0, 1},
        {"resume-threshold", CLI_REAL, "F", "and go on at this part (0.5)", &s->resume_threshold, 0, 1},
        {"payload-size", CLI_WHOLE, "BYTES", "length of the longest record (1024)", &s->payload_size, 0, MOST_BYTES},
        {"header-size", CLI_WHOLE, "BYTES", "length of the longest header beside a payload (0: there are none)",
         &s->header_size, 0, MOST_HEADER},
        {"classes", CLI_TEXT, "BYTES:COUNT,...", "split the memory by hand into up to 4 sizes", &c->classes, 0, 0},
        {"max-retries", CLI_WHOLE, "N", "failures that a record may have; with one more it is a dead letter (3)",
         &s->max_retries, 0, 254},
        {"retry-delay", CLI_WHOLE, "MS", "what failed waits so long, twice as long each time (0: not at all)",
         &s->retry_delay_ms, 0, MOST_MS},
        {"retry-delay-cap", CLI_WHOLE, "MS", "and no longer than this (60000)", &s->retry_delay_cap_ms, 0, MOST_MS},
        {"mode", CLI_OCTAL, "OCTAL", "permissions (0600)", &s->mode, 0, 0777},
        {"stages", CLI_TEXT, "NAME,...", "make these stages at once, so that consumers can wait for records",
         &c->stages, 0, 0},
        {"max-stages", CLI_WHOLE, "N", "names of stages, the dead-letter stage's among them (16)", &s->max_stages, 2,
         4095},
        {"max-sources", CLI_WHOLE, "N", "names of sources (1024)", &s->max_sources, 1, 65535},
        {"max-pipelines", CLI_WHOLE, "N", "names of pipelines (64)", &s->max_pipelines, 1, 65535},
        {"max-handles", CLI_WHOLE, "N", "processes at a time (64)", &s->max_handles, 1, 1023},
        {"sealed", CLI_FLAG, NULL, "no stages but those of --stages can ever be made", &c->sealed, 0, 0},
        {"config", CLI_TEXT, "FILE", "settings and names as 'stat --json' prints them; options go before it",
         &c->config_file, 0, 0},
        {"exist-ok", CLI_FLAG, NULL, "it is no error if it is there with the same settings", &c->exist_ok, 0, 0},
        {"dry-run", CLI_FLAG, NULL, "make nothing, and say what memory it would take", &c->dry_run, 0, 0}};
    return cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], &c->segment, 1);
}

/* Twice if there is a --config: to find it, and to set over what it has. */
static int parse(const struct cli_command *self, int argc, char **argv, struct create *c)
{
    int status = parse_options(self, argc, argv, c);
    if (status != CLI_GO || !c->config_file)
        return status == CLI_GO ? check(c) : status;
    cvb_settings_init(&c->config.settings);
    status = cli_config_read(&c->config, c->config_file);
    if (status)
        return status;
    optind = 0; /* from the beginning */
    status = parse_options(self, argc, argv, c);
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

/* The names that are asked for: 0 or an error. */
static int make_names(const struct create *c, struct cvb_handle *handle)
{
    uint32_t id;
    int error = 0;
    for (size_t i = 0; !error && i < json_array_size(c->config.stages); i++)
        error = cvb_stage(handle, json_string_value(json_array_get(c->config.stages, i)), &id);
    for (size_t i = 0; !error && i < json_array_size(c->config.sources); i++)
        error = cvb_source(handle, json_string_value(json_array_get(c->config.sources, i)), &id);
    return error;
}

/* Makes it. Without all of its names it is not what was asked for, and goes away again. */
static int make(const struct create *c)
{
    struct cvb_handle *handle = NULL;
    int error = cvb_create(c->segment, &c->config.settings);
    if (error || (!c->config_file && !c->stages))
        return error;
    error = cvb_attach(c->segment, &handle);
    if (!error)
        error = make_names(c, handle);
    if (!error)
        error = cli_config_limit(&c->config, handle);
    cvb_detach(handle);
    if (error)
        cvb_unlink(c->segment);
    return error;
}

static int differs(const struct create *c, const char *what, double is, double wanted)
{
    cli_complain("segment '%s' is there with other settings: %s is %.9g, and %.9g was asked for", c->segment, what, is,
                 wanted);
    return CLI_FAILED;
}

/* 0 if the segment's settings are those that were asked for, or the exit status after a complaint. */
static int compare(const struct create *c, const struct cvb_settings *is)
{
    const struct cvb_settings *s = &c->config.settings;
    const struct {
        const char *name;
        double is, wanted;
    } setting[] = {
#define SETTING(name) {#name, is->name, s->name}
        SETTING(max_total_records),
        SETTING(max_per_stage),
        SETTING(max_per_source),
        SETTING(backpressure_threshold),
        SETTING(resume_threshold),
        SETTING(payload_size),
        SETTING(header_size),
        SETTING(max_stages),
        SETTING(max_sources),
        SETTING(max_pipelines),
        SETTING(max_handles),
        SETTING(max_retries),
        SETTING(retry_delay_ms),
        {"retry_delay_cap_ms", is->retry_delay_cap_ms,
         s->retry_delay_cap_ms ? s->retry_delay_cap_ms : is->retry_delay_cap_ms},
        SETTING(sealed_stages),
        SETTING(mode),
#undef SETTING
        {"its memory in bytes", (double)cvb_memory_needed(is), (double)cvb_memory_needed(s)}}; /* other classes */
    for (size_t i = 0; i < sizeof setting / sizeof setting[0]; i++)
        if (setting[i].is != setting[i].wanted)
            return differs(c, setting[i].name, setting[i].is, setting[i].wanted);
    return 0;
}

/* It is there: the same settings will do, and names that are missing are made. */
static int use(const struct create *c)
{
    struct cvb_handle *handle;
    struct cvb_settings is;
    int status = cli_attach(c->segment, &handle);
    if (status)
        return status;
    int error = cvb_settings_of(handle, &is);
    status = error ? 0 : compare(c, &is);
    if (!error && !status && !c->dry_run)
        error = make_names(c, handle);
    cvb_detach(handle);
    if (error || status)
        return error ? cli_segment_failed(c->segment, error) : status;
    printf("segment '%s' is there already, with these settings\n", c->segment);
    return cli_close_output();
}

/* Asks the system first: reserving more memory than there is takes all of it for a moment. */
static int create(const struct create *c)
{
    char text[300];
    int64_t bytes = cvb_memory_needed(&c->config.settings);
    if (bytes < 0)
        return cli_segment_failed(c->segment, (int)bytes);
    bool there = cli_is_file(c->segment);
    if (there && c->exist_ok)
        return use(c);
    uint64_t left = cli_free_memory();
    const char *cause = there ? NULL : cli_system_cause(0, (uint64_t)bytes, text, sizeof text);
    if (cause) {
        cli_complain("segment '%s': %s", c->segment, cause);
        return CLI_FAILED;
    }
    int error = c->dry_run ? 0 : make(c);
    if (error == CVB_EEXIST && c->exist_ok)
        return use(c); /* another made it meanwhile */
    return error ? cli_segment_failed_at(c->segment, error, (uint64_t)bytes) : tell(c, (uint64_t)bytes, left);
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct create c = {0};
    int status = CLI_FAILED;
    if (!cli_config_init(&c.config))
        cli_complain("out of memory");
    else if ((status = parse(self, argc, argv, &c)) == CLI_GO)
        status = create(&c);
    cli_config_free(&c.config);
    return status;
}

const struct cli_command cli_create = {
    "create", "SEG [options]", "make a segment",
    "All its memory is reserved at once, and one line says how much that is. It is an error if the name is taken, or\n"
    "if less memory is free. Consumers refuse a stage that does not exist: --stages makes the stages that they will\n"
    "ask for; otherwise the first push into a stage makes it, unless the segment is --sealed. --config reads what\n"
    "'stat --json' prints, of which capacity, settings and the names of stages and sources count. N and BYTES may be\n"
    "written as 10k, 2M, 64Ki or 1Mi.",
    run};
