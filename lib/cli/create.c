/* create.c - makes a segment. What the library would refuse as a whole is said here by its name. */
#include <conveyor/segment.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "text.h"

enum { MOST_RECORDS = 12000000, MOST_BYTES = 1 << 20 };

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
    if (!cli_whole(part, 0, MOST_BYTES, &bytes) || !cli_whole(colon + 1, 1, MOST_RECORDS, &count))
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
    uint64_t cells = 0;
    for (const char *at = text, *end; at; at = *end ? end + 1 : NULL) {
        uint32_t i = s->class_count;
        end = at + strcspn(at, ",");
        if (i == CVB_CLASSES_MAX)
            return wrong_classes(text, "there can be at most 4 classes");
        if (!parse_class(at, end, &s->classes[i]))
            return wrong_classes(text, "write it as BYTES:COUNT,BYTES:COUNT with 0 to 1048576 bytes and at least 1");
        if (i && s->classes[i].bytes <= s->classes[i - 1].bytes)
            return wrong_classes(text, "each class must be of more bytes than the one before it");
        cells += s->classes[i].count;
        s->class_count++;
    }
    if (s->classes[s->class_count - 1].bytes < s->payload_size) {
        cli_complain("--classes '%s': the last class must hold the longest record, of %u bytes (--payload-size)", text,
                     s->payload_size);
        return CLI_USAGE;
    }
    return cells > 14000000 ? wrong_classes(text, "that is more records than a segment can have") : CLI_GO;
}

static int check(struct cvb_settings *s, const char *classes)
{
    if (s->resume_threshold >= s->backpressure_threshold || s->backpressure_threshold <= 0) {
        cli_complain("--resume-threshold (%g) must be below --backpressure-threshold (%g)", s->resume_threshold,
                     s->backpressure_threshold);
        return CLI_USAGE;
    }
    return classes ? parse_classes(classes, s) : CLI_GO;
}

static int parse(const struct cli_command *self, int argc, char **argv, const char **segment, struct cvb_settings *s)
{
    const char *classes = NULL;
    const struct cli_option options[] = {
        {"max-total-records", CLI_WHOLE, "N", "limit of all records (100000)", &s->max_total_records, 1, MOST_RECORDS},
        {"max-per-stage", CLI_WHOLE, "N", "limit of each stage (10000)", &s->max_per_stage, 1, MOST_RECORDS},
        {"max-per-source", CLI_WHOLE, "N", "limit of each source (5000)", &s->max_per_source, 1, MOST_RECORDS},
        {"backpressure-threshold", CLI_REAL, "F", "sources pause at this part of a limit (0.8)",
         &s->backpressure_threshold, 0, 1},
        {"resume-threshold", CLI_REAL, "F", "and go on at this part (0.5)", &s->resume_threshold, 0, 1},
        {"payload-size", CLI_WHOLE, "BYTES", "length of the longest record (1024)", &s->payload_size, 0, MOST_BYTES},
        {"classes", CLI_TEXT, "BYTES:COUNT,...", "split the memory by hand into up to 4 sizes", &classes, 0, 0},
        {"max-retries", CLI_WHOLE, "N", "deliveries after the first until a record is a dead letter (3)",
         &s->max_retries, 0, 254},
        {"mode", CLI_OCTAL, "OCTAL", "permissions (0600)", &s->mode, 0, 0777},
        {"max-stages", CLI_WHOLE, "N", "names of stages, the dead-letter stage's among them (16)", &s->max_stages, 2,
         4095},
        {"max-sources", CLI_WHOLE, "N", "names of sources (1024)", &s->max_sources, 1, 65535},
        {"max-pipelines", CLI_WHOLE, "N", "names of pipelines (64)", &s->max_pipelines, 1, 65535},
        {"max-handles", CLI_WHOLE, "N", "processes at a time (64)", &s->max_handles, 1, 1023}};
    int status = cli_parse(self, argc, argv, options, sizeof options / sizeof options[0], segment, 1);
    return status == CLI_GO ? check(s, classes) : status;
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct cvb_settings settings;
    const char *segment;
    cvb_settings_init(&settings);
    int status = parse(self, argc, argv, &segment, &settings);
    if (status != CLI_GO)
        return status;
    int error = cvb_create(segment, &settings);
    return error ? cli_segment_failed(segment, error) : CLI_DONE;
}

const struct cli_command cli_create = {"create", "SEG [options]", "make a segment",
                                       "All its memory is reserved at once. It is an error if the name is taken.", run};
