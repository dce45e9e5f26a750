/* segment.c - making a segment, and how large one is. */
#include "segment.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int segment_make(char name[CVB_NAME_MAX + 1], const struct cvb_settings *settings)
{
    static unsigned made;
    snprintf(name, CVB_NAME_MAX + 1, "conveyor-bench-%d-%u", (int)getpid(), made++);
    int error = cvb_create(name, settings);
    if (error)
        fprintf(stderr, "bench: no segment for %u records of %u bytes: %s\n", settings->max_total_records,
                settings->payload_size, cvb_error_text(error));
    return error;
}

struct search {
    const char *name;
    double bytes;
};

static int look(const char *name, const struct cvb_settings *settings, uint64_t bytes, void *data)
{
    struct search *s = data;
    (void)settings;
    if (!strcmp(name, s->name))
        s->bytes = (double)bytes;
    return 0;
}

double segment_bytes(const char *name)
{
    struct search s = {name, 0};
    cvb_list(look, &s);
    return s.bytes;
}
