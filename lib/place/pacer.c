/* pacer.c - the pacer: a process that has caught up with the other side lets it go ahead for a moment.
 *
 * Overview: a consumer that is faster than the producers follows them from slot to slot; a producer at its limit
 * follows the consumers from one unit that they ack to the next. Then each line that either side touches is on its way
 * between two cores, both take two to three times as long for a record, and as both are slowed down alike it stays so.
 * Nor is it enough to stay a line or two behind: the processors' own prefetchers run ahead of a reader, and take lines
 * that the other side is about to write (near.c, keep_behind). So a process that catches up rests for the time of some
 * hundred records, once, as a network driver moderates its interrupts; never when few records come at a time, nor where
 * limits are so small that no distance can be kept. A rest is no longer than the other side needs for a part of what
 * may be queued: where limits are small it would otherwise come to an end of all that there is, and then stand still
 * too. A rest that has not helped makes the next one later, twice as late each time, up to 1,024 occasions.
 *
 * A hint for speed alone: nothing depends on it, and it writes no shared memory.
 */
#include "place/place.h"

/* The longest and the shortest rest, and between them so much for each record that the sources may have queued in a
 * stage. Measured at a limit of 500: a rest of 10 us lets 21 million records a second through in batches of 32, one of
 * 1 us 50; with one of 0.3 us batches of 1 fall from 15 to 8. Four sources of 1,250 each: 2.5 us 34, 10 us 45. */
#ifndef CVB_REST_NS
#define CVB_REST_NS 10000
#endif
#define REST_NS_LEAST 1000
#define REST_NS_A_RECORD 2u
#ifndef CVB_REST_PAUSES
#define CVB_REST_PAUSES 8u /* between two looks at the clock */
#endif
#define SOURCES_COUNTED 16u /* from here on there are enough of them */
#define DOUBLINGS 10u

/* How many records all sources that have names may have in one stage. */
static uint64_t room_of_sources(struct cvb_handle *h)
{
    const struct cvb_settings *s = &h->segment.settings;
    const uint32_t limit = cvb_most_in_stage(s);
    uint32_t sources = 1;
    while (sources < SOURCES_COUNTED && cvb_id_named(h, CVB_KIND_SOURCE, sources))
        sources++;
    const uint64_t of_sources = (uint64_t)s->max_per_source * sources;
    return of_sources < limit ? of_sources : limit;
}

static uint64_t rest_ns(struct cvb_handle *h)
{
    const uint64_t ns = room_of_sources(h) * REST_NS_A_RECORD;
    return ns > CVB_REST_NS ? CVB_REST_NS : ns < REST_NS_LEAST ? REST_NS_LEAST : ns;
}

/* Called on each occasion for a rest. True if it has rested: the caller then says by cvb_pacer_rested whether that has
 * helped. */
CVB_RARE bool cvb_pacer_rest(struct cvb_handle *h, struct cvb_pacer *r)
{
    if (r->skip) {
        r->skip--;
        return false;
    }
    uint64_t end = cvb_monotonic_ns() + rest_ns(h);
    do
        for (unsigned i = 0; i < CVB_REST_PAUSES; i++)
            cvb_pause();
    while (cvb_monotonic_ns() < end);
    return true;
}

void cvb_pacer_rested(struct cvb_pacer *r, bool helped)
{
    r->in_vain = helped ? 0 : r->in_vain < DOUBLINGS ? r->in_vain + 1 : DOUBLINGS;
    r->skip = (1u << r->in_vain) - 1;
}
