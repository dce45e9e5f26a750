/* sections.h - what stands on the page, part by part. */
#ifndef BENCH_SECTIONS_H
#define BENCH_SECTIONS_H

#include <jansson.h>
#include <stdio.h>

/* One list of results, and how it is written. */
struct section {
    const char *list, *title, *about;
    void (*write)(const json_t *results, const json_t *list, FILE *out);
};

/* In their order; the last one's list is NULL. */
extern const struct section sections[];

#endif
