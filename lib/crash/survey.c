/* survey.c - what the buffer has accepted of a source, and what has left it for good (PROTOCOL.md, section 9).
 *
 * Overview: a walk over all units finds the positions that are live, and each seat's rows say what has left a unit
 * meanwhile. `accepted` is the greatest of all these. `settled` is below the lowest that is live, and not above what
 * had left before the walk began. A survey says it of all sources, and publishes it for who looks next.
 *
 * Why it is correct: PROTOCOL.md, section 9, has the steps by their numbers, and why nothing is missed. A survey that
 * is stopped anywhere publishes what was true when it began, and is true for ever: settled only grows.
 */
#include "crash/crash.h"

/* Nanoseconds between the beginnings of two surveys of all processes: what a survey finds is published for all. */
#ifndef CVB_SURVEY_REST_NS
#define CVB_SURVEY_REST_NS UINT64_C(20000000)
#endif
/* In a large segment, where a survey takes long, the time between two is longer by this many times what one takes; at
 * most TOOK_MOST_NS counts, so that a wrong number in the segment does not keep the next survey away. */
#ifndef CVB_SURVEY_REST_TIMES
#define CVB_SURVEY_REST_TIMES 4
#endif
#define TOOK_MOST_NS UINT64_C(500000000)

uint32_t cvb_named_sources(struct cvb_handle *h)
{
    uint32_t n = h->known[CVB_KIND_SOURCE];
    while (n < h->segment.settings.max_sources && cvb_id_known(h, CVB_KIND_SOURCE, n))
        n++;
    return n;
}

/* The highest position of a source that any seat has taken out of a unit. */
uint64_t cvb_highest_gone(struct cvb_handle *h, uint32_t source)
{
    uint64_t most = 0;
    for (uint32_t s = 0; s < h->segment.settings.max_handles; s++) {
        const struct cvb_tally *t = cvb_tally_at(h, s, h->segment.settings.max_stages + source);
        const uint64_t high = cvb_load64_acq(&t->n[CVB_N_HIGH]);
        most = high > most ? high : most;
    }
    return most;
}

static void count_low(struct cvb_found *f, uint64_t low)
{
    if (low < f->lowest)
        f->lowest = low;
}

/* Counts what is live in unit u. Its word is read before and after source and positions, so that these belong to it. */
static void look_at_unit(struct cvb_handle *h, uint32_t u, uint32_t sources)
{
    const struct cvb_unit *unit = cvb_unit_at(h, u);
    struct cvb_pair seen, w = cvb_load_pair(&unit->word);
    struct cvb_span span;
    do {
        if (!cvb_is_live(w))
            return;
        seen = w;
        span = cvb_span_of(h, u, cvb_hi_mask(w.hi));
        cvb_fence_acq();
        w = cvb_load_pair(&unit->word);
    } while (!cvb_pair_equal(w, seen));
    if (span.lowest == CVB_NO_POSITION || span.source >= sources)
        return;
    struct cvb_found *f = &h->found[span.source];
    count_low(f, span.lowest);
    f->highest = span.highest > f->highest ? span.highest : f->highest;
    f->live += cvb_mask_count(cvb_hi_mask(w.hi));
}

static void look_at_units(struct cvb_handle *h, uint32_t sources)
{
    for (uint32_t u = 0; u < h->segment.geometry.unit_count; u++)
        look_at_unit(h, u, sources);
}

/* What a seat moves from one unit to another at this moment counts as live. Returns 0 or an error. */
static int look_at_journal(struct cvb_handle *h, uint32_t seat, uint32_t sources)
{
    struct cvb_journal f = {0};
    uint64_t head = 0;
    const int open = cvb_journal_survey(h, seat, &head, &f);
    const unsigned op = cvb_head_op(head);
    if (open > 0 && (op == CVB_OP_MOVE || op == CVB_OP_REPLACE) && f.source < sources)
        count_low(&h->found[f.source], f.low);
    return open < 0 ? open : 0;
}

static int look_at_journals(struct cvb_handle *h, uint32_t sources)
{
    int error = 0;
    for (uint32_t s = 0; !error && s < h->segment.settings.max_handles; s++)
        error = look_at_journal(h, s, sources);
    return error;
}

/* What has moved since survey k began counts as live too (G8). Rows of other epochs are of moves that were over before,
 * or of moves during a later survey. */
static void look_at_rows(struct cvb_handle *h, uint32_t sources, uint64_t k)
{
    for (uint32_t s = 0; s < h->segment.settings.max_handles; s++)
        for (uint32_t source = 0; source < sources; source++) {
            const struct cvb_moved *row = cvb_moved_at(h, s, source);
            const uint64_t epoch = cvb_load64_acq(&row->epoch), low = cvb_load64_acq(&row->low);
            if (epoch == k)
                count_low(&h->found[source], low);
        }
}

static void publish(struct cvb_handle *h, uint32_t source)
{
    const struct cvb_found *f = &h->found[source];
    const uint64_t settled = f->lowest <= f->bound ? f->lowest - 1 : f->bound;
    uint64_t was, *word = &h->stands[source].settled;
    do
        was = cvb_load64_acq(word);
    while (was < settled && !cvb_cas64(word, was, settled));
}

static void publish_all(struct cvb_handle *h, uint32_t sources)
{
    for (uint32_t source = 0; source < sources; source++)
        publish(h, source);
}

/* True if no survey was begun lately. A hint. A time that is still to come can only be a wrong word: it counts as none.
 */
static bool is_due(struct cvb_handle *h)
{
    const uint64_t now = cvb_monotonic_ns(), begun = cvb_load64_rlx(&h->survey->begun_ns);
    const uint64_t took = cvb_load64_rlx(&h->survey->took_ns);
    const uint64_t rest = CVB_SURVEY_REST_NS + (took < TOOK_MOST_NS ? took : TOOK_MOST_NS) * CVB_SURVEY_REST_TIMES;
    return begun > now || now - begun >= rest;
}

/* Survey *k begins; false if another one began just now. */
static bool begin(struct cvb_handle *h, uint64_t *k)
{
    const uint64_t last = cvb_load64_acq(&h->survey->number);
    *k = last + 1;
    if (!cvb_cas64(&h->survey->number, last, *k))
        return false;
    cvb_fence_after_cas(); /* G7, with the one in cvb_row_low */
    cvb_store64_rlx(&h->survey->begun_ns, cvb_monotonic_ns());
    return true;
}

static void end(struct cvb_handle *h)
{
    const uint64_t now = cvb_monotonic_ns(), begun = cvb_load64_rlx(&h->survey->begun_ns);
    cvb_store64_rlx(&h->survey->took_ns, now > begun ? now - begun : 0);
}

static void clear_found(struct cvb_handle *h, uint32_t sources)
{
    for (uint32_t source = 0; source < sources; source++) {
        struct cvb_found *f = &h->found[source];
        f->bound = f->highest = f->live = 0;
        f->lowest = CVB_NO_POSITION;
    }
}

/* Survey k, which has begun: the words of all sources are raised, unless a later one has begun (G5). */
static int make_survey(struct cvb_handle *h, uint32_t sources, uint64_t k)
{
    for (uint32_t source = 0; source < sources; source++)
        h->found[source].bound = cvb_highest_gone(h, source);
    int error = look_at_journals(h, sources);
    if (error)
        return error;
    look_at_units(h, sources);
    look_at_rows(h, sources, k);
    const bool last = cvb_load64_acq(&h->survey->number) == k;
    if (last)
        publish_all(h, sources);
    end(h);
    return last;
}

/* Raises the published words of all sources, unless somebody has done so lately. 1 if this call did, 0, or an error. */
int cvb_survey(struct cvb_handle *h)
{
    uint64_t k;
    if (!is_due(h) || !begin(h, &k))
        return 0;
    const uint32_t sources = cvb_named_sources(h);
    clear_found(h, sources);
    return make_survey(h, sources, k);
}

/* Called after the walk over the units (G4): a record that had left its unit before the walk came there had raised
 * `high` before that. */
static void add_gone(struct cvb_handle *h, uint32_t source)
{
    const uint64_t gone = cvb_highest_gone(h, source);
    if (gone > h->found[source].highest)
        h->found[source].highest = gone;
}

static void look_for_accepted(struct cvb_handle *h, uint32_t sources)
{
    clear_found(h, sources);
    look_at_units(h, sources);
}

/* The highest position of a source that was ever accepted, and how many records with positions are live. */
uint64_t cvb_accepted(struct cvb_handle *h, uint32_t source, uint64_t *live)
{
    look_for_accepted(h, source + 1);
    add_gone(h, source);
    *live = h->found[source].live;
    return h->found[source].highest;
}

/* As cvb_accepted, for the first `sources` sources by one walk: h->found has `highest` and `live` of each. */
void cvb_accepted_all(struct cvb_handle *h, uint32_t sources)
{
    look_for_accepted(h, sources);
    for (uint32_t source = 0; source < sources; source++)
        add_gone(h, source);
}
