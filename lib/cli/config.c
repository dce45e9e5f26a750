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
enum { RETRIES_MOST = 254 };

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
    *c = (struct cli_config){.stages = json_array(),
                             .sources = json_array(),
                             .stage_limits = json_object(),
                             .source_limits = json_object(),
                             .stage_retries = json_object()};
    cvb_settings_init(&c->settings);
    return c->stages && c->sources && c->stage_limits && c->source_limits && c->stage_retries;
}

void cli_config_free(struct cli_config *c)
{
    json_decref(c->stages);
    json_decref(c->sources);
    json_decref(c->stage_limits);
    json_decref(c->source_limits);
    json_decref(c->stage_retries);
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

/* 3, or "never" */
static bool read_retries(const json_t *value, uint32_t *n)
{
    const char *text = json_string_value(value);
    *n = CVB_RETRIES_NEVER;
    return text ? !strcmp(text, "never") : read_whole(value, n) && *n <= RETRIES_MOST;
}

/* The retries of a stage, which stat shows of each: 0 or the exit status. */
static int read_stage_retries(struct cli_config *c, const char *path, const char *name, const json_t *stage)
{
    const json_t *value = json_object_get(stage, "max_retries");
    uint32_t n;
    if (!value)
        return 0;
    if (!read_retries(value, &n))
        return wrong(path, name, "max_retries", "must be a number up to 254, or \"never\"");
    json_object_set_new(c->stage_retries, name, json_integer(n));
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

static int read_stages(struct cli_config *c, const char *path, const json_t *stages)
{
    int status = read_names(c->stages, c->stage_limits, path, "stages", stages);
    for (size_t i = 0; !status && i < json_array_size(stages); i++) {
        const json_t *one = json_array_get(stages, i);
        const char *name = json_string_value(json_object_get(one, "name"));
        if (name && strcmp(name, "dead-letter") != 0)
            status = read_stage_retries(c, path, name, one);
    }
    return status;
}

/* {"max": N, "delay_ms": N, "delay_cap_ms": N} */
static int read_all_retries(struct cli_config *c, const char *path, const json_t *object)
{
    if (!read_retries(json_object_get(object, "max"), &c->max_retries) ||
        !read_whole(json_object_get(object, "delay_ms"), &c->delay_ms) ||
        !read_whole(json_object_get(object, "delay_cap_ms"), &c->delay_cap_ms) || c->delay_cap_ms < c->delay_ms)
        return wrong(path, "", "retries",
                     "must have the numbers max (or \"never\"), delay_ms and delay_cap_ms, which is not below that");
    c->max_is_set = c->delay_is_set = true;
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
        return read_stages(c, path, value);
    if (!strcmp(key, "sources"))
        return read_names(c->sources, c->source_limits, path, key, value);
    if (!strcmp(key, "thresholds"))
        return read_thresholds(c, path, value);
    if (!strcmp(key, "retries"))
        return read_all_retries(c, path, value);
    if (!strcmp(key, "total"))
        return read_total(c, path, value);
    return is_state(key)
               ? 0
               : wrong(path, "", key, "is none of capacity, settings, thresholds, retries, stages and sources");
}

/* Removes the numbers that are `made`. */
static void forget(json_t *numbers, uint32_t made)
{
    const char *name;
    json_t *n;
    void *next;
    json_object_foreach_safe(numbers, next, name, n) if (json_integer_value(n) == made) json_object_del(numbers, name);
}

/* What stat shows as it was made is not set once more: an option may make it otherwise. */
static void forget_what_was_not_set(struct cli_config *c)
{
    struct cvb_settings *s = &c->settings, plain = *s;
    plain.class_count = 0;
    if (cvb_memory_needed(&plain) == cvb_memory_needed(s))
        s->class_count = 0; /* the default split */
    forget(c->stage_limits, s->max_per_stage);
    forget(c->source_limits, s->max_per_source);
    forget(c->stage_retries, c->max_is_set ? c->max_retries : s->max_retries);
    if (c->total_limit == s->max_total_records)
        c->total_limit = 0;
    if (c->backpressure == s->backpressure_threshold && c->resume == s->resume_threshold)
        c->backpressure = 0;
    c->max_is_set &= c->max_retries != s->max_retries;
    c->delay_is_set &= c->delay_ms != s->retry_delay_ms || c->delay_cap_ms != s->retry_delay_cap_ms;
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
    forget_what_was_not_set(c);
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
        if (n >= made_for)
            continue;
        int error = stages ? cvb_stage(handle, name, &id) : cvb_source(handle, name, &id);
        if (!error)
            error = cvb_set_limit(handle, stages ? id : CVB_NO_STAGE, stages ? CVB_NO_SOURCE : id, n);
        if (error)
            return error;
    }
    return 0;
}

/* 0 or an error. */
static int set_retries(const struct cli_config *c, struct cvb_handle *handle)
{
    const char *name;
    json_t *n;
    uint32_t id;
    int error = c->max_is_set ? cvb_set_max_retries(handle, CVB_NO_STAGE, c->max_retries) : 0;
    if (!error && c->delay_is_set)
        error = cvb_set_retry_delay(handle, c->delay_ms, c->delay_cap_ms);
    json_object_foreach(c->stage_retries, name, n)
    {
        if (!error)
            error = cvb_stage(handle, name, &id);
        if (!error)
            error = cvb_set_max_retries(handle, id, (uint32_t)json_integer_value(n));
    }
    return error;
}

int cli_config_limit(const struct cli_config *c, struct cvb_handle *handle)
{
    const struct cvb_settings *s = &c->settings;
    int error = set_limits(c->stage_limits, handle, true, s->max_per_stage);
    if (!error)
        error = set_limits(c->source_limits, handle, false, s->max_per_source);
    if (!error && c->total_limit && c->total_limit < s->max_total_records)
        error = cvb_set_limit(handle, CVB_NO_STAGE, CVB_NO_SOURCE, c->total_limit);
    if (!error && c->backpressure > 0)
        error = cvb_set_thresholds(handle, c->backpressure, c->resume);
    return error ? error : set_retries(c, handle);
}
