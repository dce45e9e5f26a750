/* bare.h - what a bare client of an engine is told. It does what a bridge does, without a segment: the same messages,
 * batches, window and acknowledgements. */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <stdbool.h>
#include <stdlib.h>

#include "tally.h"

struct bare {
    bool out;
    const char *servers, *name; /* name: NATS: the subject, or STREAM/CONSUMER; Kafka: the topic */
    uint64_t count;
    uint32_t size, batch, window;
};
enum { BARE_LEAST_SIZE = sizeof(uint64_t), BARE_ID_MAX = 64 };

/* True if the command line is right; else complains. */
static inline bool bare_parse(struct bare *b, int argc, char **argv)
{
    if (argc == 8)
        *b = (struct bare){!strcmp(argv[1], "out"),
                           argv[2],
                           argv[3],
                           strtoull(argv[4], NULL, 10),
                           (uint32_t)atoi(argv[5]),
                           (uint32_t)atoi(argv[6]),
                           (uint32_t)atoi(argv[7])};
    bool right = argc == 8 && (b->out || !strcmp(argv[1], "in")) && b->count && b->size >= BARE_LEAST_SIZE &&
                 b->batch && b->window;
    if (!right)
        fprintf(stderr, "usage: %s in|out SERVERS NAME COUNT SIZE BATCH WINDOW\n", *argv);
    return right;
}

/* An id as bridges give to what they send: as long, and as different from all others. */
static inline void bare_id(char id[BARE_ID_MAX], const char *name, uint64_t number)
{
    snprintf(id, BARE_ID_MAX, "%-32.32s.0.%" PRIu64, name, number + 1);
    for (char *c = id; *c; c++)
        *c = *c == ' ' ? '-' : *c;
}

static inline int bare_failed(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    return 1;
}

#endif
