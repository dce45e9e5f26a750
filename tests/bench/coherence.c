/* coherence.c - the caches of coherence.h. */
#include "coherence.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = COHERENCE_PROCESSES / 64 };

struct line {
    uint64_t holders[WORDS];
    uint64_t fetched_in; /* the call that has prefetched it and not used it yet; 0: none */
};

static struct line *lines;
static unsigned me;
static uint64_t call;
static struct coherence_moved *counts;

bool coherence_begin(size_t n)
{
    lines = calloc(n, sizeof *lines);
    call = 0;
    return lines;
}

void coherence_end(void)
{
    free(lines);
    lines = NULL;
}

void coherence_call(unsigned process, struct coherence_moved *moved)
{
    me = process;
    counts = moved;
    call++;
}

/* The line comes here, for reading or for writing. True if it changes hands. */
static bool moves(struct line *l, bool write)
{
    uint64_t others = 0, mine = UINT64_C(1) << me % 64;
    const bool here = l->holders[me / 64] & mine;
    for (unsigned i = 0; i < WORDS; i++)
        others |= l->holders[i] & ~(i == me / 64 ? mine : 0);
    if (write && others)
        memset(l->holders, 0, sizeof l->holders);
    l->holders[me / 64] |= mine;
    return !here || (write && others);
}

void coherence_access(size_t line, unsigned class, enum coherence_access how)
{
    struct line *l = &lines[line];
    const bool waits = how != COHERENCE_STORE;
    if (moves(l, how != COHERENCE_LOAD)) {
        counts->waited[class] += waits;
        counts->beside[class] += !waits;
    } else if (waits && l->fetched_in == call) { /* asked for too late to be here in time */
        counts->beside[class]--;
        counts->waited[class]++;
    }
    l->fetched_in = 0;
}

void coherence_prefetch(size_t line, unsigned class, bool write)
{
    struct line *l = &lines[line];
    if (!moves(l, write))
        return;
    counts->beside[class]++;
    l->fetched_in = call;
}
