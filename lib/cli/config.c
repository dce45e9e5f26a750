/* config.c - what a segment shall be made with, from a file. */
#include "config.h"

#include <conveyor/limits.h>
#include <conveyor/segment.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "names.h"
#include "options.h"
#include "text.h"

enum kind { WHOLE, REAL };

/* The settings that are numbers, by the object that they stand in. */
static const struct setting {
    const char *group, *key;
    enum kind kind;
    size_t at;
} settings[] = {
#define SETTING(group, kind, name)                                                                                     \
    {                                                                                                                  \
        group, #name, kind, offsetof(struct cvb_settings, name)                                                        \
    }
    SETTING("capacity", WHOLE, max_total_records),  SETTING("capacity", WHOLE, max_per_stage),
    SETTING("capacity", WHOLE, max_per_source),     SETTING("settings", REAL, backpressure_threshold),
    SETTING("settings", REAL, resume_threshold),    SETTING("settings", WHOLE, payload_size),
    SETTING("settings", WHOLE, max_retries),        SETTING("settings", WHOLE, max_stages),
    SETTING("settings", WHOLE, max_sources),        SETTING("settings", WHOLE, max_pipelines),
    SETTING("settings", WHOLE, max_handles),        SETTING("settings", WHOLE, sealed_stages),
    SETTING("settings", WHOLE, header_size),        SETTING("settings", WHOLE, retry_delay_ms),
    SETTING("settings", WHOLE, retry_delay_cap_ms),
#undef SETTING
};

bool cli_config_init(struct cli_config *c)
{
    *c = (struct cli_config){
        .stages = json_array(), .sources = json_array(), .stage_limits = json_object(), .source_limits = json_object()};
    cvb_settings_init(&c->settings);
    return c->stages && c->sources && c->stage_limits && c->source_limits;
}

void cli_config_free(struct cli_config *c)
{
    json_decref(c->stages);
    json_decref(c->sources);
    json_decref(c->stage_limits);
    json_decref(c->source_limits);
}

void cli_config_add(json_t *names, const char *name)
{
    for (size_t i = 0; i < json_array_size(names); i++)
        if (!strcmp(json_string_value(json_array_get(names, i)), name))
            return;
    json_array_append_new(names, json_string(name));
}

static int wrong(const char *path, const char *group, const char *key, const char *why)
{
    cli_complain("--config '%s': %s%s%s %s", path, group, *group ? "." : "", key, why);
    return CLI_USAGE;
}

static bool read_whole(const json_t *value, uint32_t *to)
{
    json_int_t n = json_integer_value(value);
    *to = (uint32_t)n;
    return json_is_integer(value) && n >= 0 && n <= UINT32_MAX;
}

/* [{"bytes": 64, "count": 1000}, ...] */
static bool read_classes(const json_t *value, struct cvb_settings *s)
{
    s->class_count = 0;
    if (!json_is_array(value) || json_array_size(value) > CVB_CLASSES_MAX)
        return false;
    for (; s->class_count < json_array_size(value); s->class_count++) {
        const json_t *one = json_array_get(value, s->class_count);
        struct cvb_class *class = &s->classes[s->class_count];
        if (!read_whole(json_object_get(one, "bytes"), &class->bytes) ||
            !read_whole(json_object_get(one, "count"), &class->count))
            return false;
    }
    return true;
}

/* "0600" */
static bool read_mode(const json_t *value, uint32_t *mode)
{
    const char *text = json_string_value(value);
    char *end;
    if (!text || !*text || text[strspn(text, "01234567")])
        return false;
    unsigned long n = strtoul(text, &end, 8);
    *mode = n <= 0777 ? (uint32_t)n : 01000; /* which cvb_settings_check refuses */
    return true;
}

/* One key of capacity or of settings: 0 or the exit status. */
static int read_setting(struct cvb_settings *s, const char *path, const char *group, const char *key,
                        const json_t *value)
{
    bool in_settings = !strcmp(group, "settings");
    if (in_settings && !strcmp(key, "classes"))
        return read_classes(value, s) ? 0 : wrong(path, group, key, "must be up to 4 of {\"bytes\": N, \"count\": N}");
    if (in_settings && !strcmp(key, "mode"))
        return read_mode(value, &s->mode) ? 0 : wrong(path, group, key, "must be permissions such as \"0660\"");
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        void *to = (char *)s + settings[i].at;
        if (strcmp(group, settings[i].group) || strcmp(key, settings[i].key))
            continue;
        if (settings[i].kind == WHOLE)
            return read_whole(value, to) ? 0 : wrong(path, group, key, "must be a whole number");
        *(double *)to = json_number_value(value);
        return json_is_number(value) ? 0 : wrong(path, group, key, "must be a number");
    }
    return wrong(path, group, key, "is not a setting of this version");
}

static int read_group(struct cli_config *c, const char *path, const char *group, json_t *object)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        return wrong(path, "", group, "must be an object");
    json_object_foreach(object, key, value)
    {
        int status = read_setting(&c->settings, path, group, key, value);
        if (status)
            return status;
    }
    return 0;
}

/* Of each stage or source its name, which may also stand there alone, and its limit. */
static int read_names(json_t *names, json_t *limits, const char *path, const char *key, const json_t *array)
{
    if (!json_is_array(array))
        return wrong(path, "", key, "must be an array");
    for (size_t i = 0; i < json_array_size(array); i++) {
        json_t *one = json_array_get(array, i), *limit = json_object_get(one, "limit");
        const char *name = json_string_value(json_is_object(one) ? json_object_get(one, "name") : one);
        uint32_t n;
        if (!name || !cli_is_name(name))
            return wrong(path, "", key, "must have names of 1 to 63 bytes without control characters");
        if (limit && !read_whole(limit, &n))
            return wrong(path, name, "limit", "must be a whole number");
        if (!strcmp(name, "dead-letter"))
            continue;
        cli_config_add(names, name);
        if (limit)
            json_object_set(limits, name, limit);
    }
    return 0;
}

/* {"backpressure": F, "resume": F} */
static int read_thresholds(struct cli_config *c, const char *path, const json_t *object)
{
    const json_t *backpressure = json_object_get(object, "backpressure"), *resume = json_object_get(object, "resume");
    if (!json_is_number(backpressure) || !json_is_number(resume))
        return wrong(path, "", "thresholds", "must have the numbers backpressure and resume");
    c->backpressure = json_number_value(backpressure);
    c->resume = json_number_value(resume);
    return 0;
}

/* Of how much there was only the limit counts. */
static int read_total(struct cli_config *c, const char *path, const json_t *object)
{
    const json_t *limit = json_object_get(object, "limit");
    return !limit || read_whole(limit, &c->total_limit) ? 0 : wrong(path, "total", "limit", "must be a whole number");
}

/* What stat shows beside: how the segment was at that moment. */
static bool is_state(const char *key)
{
    static const char *const state[] = {"version", "segment",       "handles", "time_ms",
                                        "seconds", "oldest_age_ms", "happened"};
    for (size_t i = 0; i < sizeof state / sizeof state[0]; i++)
        if (!strcmp(key, state[i]))
            return true;
    return false;
}

static int read_key(struct cli_config *c, const char *path, const char *key, json_t *value)
{
    if (!strcmp(key, "capacity") || !strcmp(key, "settings"))
        return read_group(c, path, key, value);
    if (!strcmp(key, "stages"))
        return read_names(c->stages, c->stage_limits, path, key, value);
    if (!strcmp(key, "sources"))
        return read_names(c->sources, c->source_limits, path, key, value);
    if (!strcmp(key, "thresholds"))
        return read_thresholds(c, path, value);
    if (!strcmp(key, "total"))
        return read_total(c, path, value);
    return is_state(key) ? 0 : wrong(path, "", key, "is none of capacity, settings, thresholds, stages and sources");
}

int cli_config_read(struct cli_config *c, const char *path)
{
    const char *key;
    json_error_t e;
    json_t *value, *object = strcmp(path, "-") ? json_load_file(path, JSON_REJECT_DUPLICATES, &e)
                                               : json_loadf(stdin, JSON_REJECT_DUPLICATES, &e);
    if (!object) {
        cli_complain("--config '%s': %s%s%.0d", path, e.text, e.line > 0 ? ", line " : "", e.line > 0 ? e.line : 0);
        return e.line > 0 ? CLI_USAGE : CLI_FAILED;
    }
    int status = json_is_object(object) ? 0 : wrong(path, "", "it", "must be an object");
    json_object_foreach(object, key, value) if (!status) status = read_key(c, path, key, value);
    c->sealed = c->settings.sealed_stages != 0;
    json_decref(object);
    return status;
}

/* Those of the stages, or of the sources: 0 or an error. */
static int set_limits(json_t *limits, struct cvb_handle *handle, bool stages, uint32_t made_for)
{
    const char *name;
    json_t *limit;
    json_object_foreach(limits, name, limit)
    {
        uint32_t id, n = (uint32_t)json_integer_value(limit);
        if (n == made_for)
            continue;
        int error = stages ? cvb_stage(handle, name, &id) : cvb_source(handle, name, &id);
        if (!error)
            error = cvb_set_limit(handle, stages ? id : CVB_NO_STAGE, stages ? CVB_NO_SOURCE : id, n);
        if (error)
            return error;
    }
    return 0;
}

int cli_config_limit(const struct cli_config *c, struct cvb_handle *handle)
{
    const struct cvb_settings *s = &c->settings;
    int error = set_limits(c->stage_limits, handle, true, s->max_per_stage);
    if (!error)
        error = set_limits(c->source_limits, handle, false, s->max_per_source);
    if (!error && c->total_limit && c->total_limit != s->max_total_records)
        error = cvb_set_limit(handle, CVB_NO_STAGE, CVB_NO_SOURCE, c->total_limit);
    bool other = c->backpressure != s->backpressure_threshold || c->resume != s->resume_threshold;
    return error || c->backpressure <= 0 || !other ? error : cvb_set_thresholds(handle, c->backpressure, c->resume);
}
