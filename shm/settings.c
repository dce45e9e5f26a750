/* settings.c - the settings of a segment: their defaults, and what is wrong with them. */
#include <conveyor/segment.h>
#include <stdarg.h>
#include <stdio.h>

#include "layout.h"
#include "sized.h"

#define RECORDS_MOST 12000000u
#define CELLS_MOST 14000000u /* of all classes together: unit numbers have 24 bits */
#define BYTES_MOST (1u << 20)
#define HEADER_MOST (1u << 16)
#define RETRY_CAP_MS 60000u

static void defaults(struct cvb_settings *s)
{
    *s = (struct cvb_settings){.max_total_records = 100000,
                               .max_per_stage = 10000,
                               .max_per_source = 5000,
                               .backpressure_threshold = 0.8,
                               .resume_threshold = 0.5,
                               .payload_size = 1024,
                               .max_stages = 16,
                               .max_sources = 1024,
                               .max_pipelines = 64,
                               .max_handles = 64,
                               .max_retries = 3,
                               .mode = 0600};
}

void cvb_settings_init_sized(struct cvb_settings *settings, size_t size)
{
    struct cvb_settings s;
    defaults(&s);
    cvb_sized_give(settings, size, &s, sizeof s);
}

/* Where the sentence goes that says what is wrong. */
struct complaint {
    char *text;
    size_t size;
};

__attribute__((format(printf, 2, 3))) static int wrong(const struct complaint *c, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(c->text, c->size, format, arguments);
    va_end(arguments);
    return CVB_EINVAL;
}

static int check_numbers(const struct cvb_settings *s, const struct complaint *c)
{
    const struct {
        const char *name;
        uint32_t value, least, most;
    } number[] = {
        {"max_total_records", s->max_total_records, 1, RECORDS_MOST},
        {"max_per_stage", s->max_per_stage, 1, RECORDS_MOST},
        {"max_per_source", s->max_per_source, 1, RECORDS_MOST},
        {"payload_size", s->payload_size, 0, BYTES_MOST},
        {"max_stages", s->max_stages, 2, 4095},
        {"max_sources", s->max_sources, 1, 65535},
        {"max_pipelines", s->max_pipelines, 1, 65535},
        {"max_handles", s->max_handles, 1, 1023},
        {"max_retries", s->max_retries, 0, 254},
        {"class_count", s->class_count, 0, CVB_CLASSES_MAX},
        {"sealed_stages", s->sealed_stages, 0, s->max_stages},
        {"header_size", s->header_size, 0, HEADER_MOST},
        {"reserved", s->reserved, 0, 0},
    };
    for (size_t i = 0; i < sizeof number / sizeof number[0]; i++)
        if (number[i].value < number[i].least || number[i].value > number[i].most)
            return wrong(c, "%s is %u: it must be %u to %u", number[i].name, number[i].value, number[i].least,
                         number[i].most);
    return s->mode & ~0777u ? wrong(c, "mode is %#o: it must be 0 to 0777", s->mode) : 0;
}

/* Whatever is not a number fails each comparison. */
static int check_thresholds(const struct cvb_settings *s, const struct complaint *c)
{
    if (!(s->backpressure_threshold > 0 && s->backpressure_threshold <= 1))
        return wrong(c, "backpressure_threshold is %g: it must be above 0, and at most 1", s->backpressure_threshold);
    if (!(s->resume_threshold >= 0 && s->resume_threshold < s->backpressure_threshold))
        return wrong(c, "resume_threshold is %g: it must be 0 or more, and below backpressure_threshold (%g)",
                     s->resume_threshold, s->backpressure_threshold);
    return 0;
}

static int check_classes(const struct cvb_settings *s, const struct complaint *c)
{
    const struct cvb_class *k = s->classes;
    const uint32_t last = s->class_count - 1;
    uint64_t cells = 0;
    for (uint32_t i = 0; i <= last; i++) {
        if (!k[i].count)
            return wrong(c, "classes[%u].count is 0: it must be 1 at least", i);
        if (k[i].bytes > BYTES_MOST)
            return wrong(c, "classes[%u].bytes is %u: it must be 0 to %u", i, k[i].bytes, BYTES_MOST);
        if (i && k[i].bytes <= k[i - 1].bytes)
            return wrong(c, "classes[%u].bytes is %u: it must be more than that of the class before it (%u)", i,
                         k[i].bytes, k[i - 1].bytes);
        cells += k[i].count;
    }
    if (k[last].bytes < s->payload_size)
        return wrong(c, "classes[%u].bytes is %u: the last class must hold the longest record (payload_size %u)", last,
                     k[last].bytes, s->payload_size);
    if (cells > CELLS_MOST)
        return wrong(c, "classes have %llu records together: it must be %u at most", (unsigned long long)cells,
                     CELLS_MOST);
    return 0;
}

/* Small cells for all records; above 1 KiB a quarter of that memory again for each of two larger classes. */
static void default_classes(struct cvb_settings *s)
{
    uint32_t n = s->max_total_records, small = s->payload_size < 1024 ? s->payload_size : 1024;
    s->class_count = 1;
    s->classes[0] = (struct cvb_class){small, n};
    if (s->payload_size <= 1024)
        return;
    uint32_t middle = small;
    while ((uint64_t)middle * middle < (uint64_t)small * s->payload_size)
        middle += 64;
    uint64_t budget = (uint64_t)n * small / 4;
    uint32_t last = s->class_count;
    if (middle < s->payload_size)
        s->classes[last++] = (struct cvb_class){middle, (uint32_t)(budget / middle) + 4};
    s->classes[last++] = (struct cvb_class){s->payload_size, (uint32_t)(budget / s->payload_size) + 4};
    s->class_count = last;
}

int cvb_settings_complete(struct cvb_settings *s, char *text, size_t size)
{
    const struct complaint c = {text, size};
    int error = check_numbers(s, &c);
    if (!error)
        error = check_thresholds(s, &c);
    if (error)
        return error;
    if (!s->retry_delay_cap_ms)
        s->retry_delay_cap_ms = s->retry_delay_ms > RETRY_CAP_MS ? s->retry_delay_ms : RETRY_CAP_MS;
    if (s->retry_delay_cap_ms < s->retry_delay_ms)
        return wrong(&c, "retry_delay_cap_ms is %u: it must be retry_delay_ms (%u) at least", s->retry_delay_cap_ms,
                     s->retry_delay_ms);
    if (!s->class_count)
        default_classes(s);
    return check_classes(s, &c);
}

int cvb_settings_take(struct cvb_settings *s, const struct cvb_settings *given, size_t given_size, char *text,
                      size_t size)
{
    defaults(s);
    if (given && !cvb_sized_take(s, sizeof *s, given, given_size))
        return wrong(&(struct complaint){text, size},
                     "a setting is given that only a later version of the library has");
    return cvb_settings_complete(s, text, size);
}

int cvb_settings_check_sized(const struct cvb_settings *given, char *text, size_t text_size, size_t size)
{
    struct cvb_settings settings;
    if (text && text_size)
        text[0] = 0;
    return cvb_settings_take(&settings, given, size, text, text ? text_size : 0);
}
