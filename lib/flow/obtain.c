/* obtain.c - a unit for a put: an idle one that has its credits still, or a free one that gets them anew. */
#include "flow/flow.h"

/* The smallest class that holds length bytes. */
uint32_t cvb_class_for(struct cvb_handle *h, uint32_t length)
{
    uint32_t p = 0;
    while (p < h->segment.settings.class_count && h->segment.settings.classes[p].bytes < length)
        p++;
    return p;
}

/* A free unit of the class *class, or of a larger one, becomes HELD, and *class is its class. `train`: a train rather
 * than a single cell; otherwise a single cell rather than a train. */
static int hold_any(struct cvb_handle *h, bool train, uint32_t *class, uint32_t *unit)
{
    const struct cvb_geometry *g = &h->segment.geometry;
    int error = CVB_EMEMORY_FULL;
    for (; *class < g->parts; ++*class) {
        uint32_t trains = CVB_BITMAP_TRAINS(g, *class), singles = CVB_BITMAP_SINGLES(g, *class);
        error = cvb_hold_either(h, train ? trains : singles, train ? singles : trains, unit);
        if (error != CVB_EMEMORY_FULL)
            break;
    }
    return error;
}

/* A HELD unit of at most n cells of the record's class, or of a larger one. */
int cvb_hold_cells(struct cvb_handle *h, uint32_t length, unsigned n, uint32_t *unit)
{
    uint32_t class;
    int error;
    do {
        class = cvb_class_for(h, length);
        error = hold_any(h, n > 1, &class, unit);
    } while (error == CVB_EMEMORY_FULL && cvb_search_anew(h));
    if (error)
        return error;
    error = cvb_gather(h, unit, class, n);
    return error ? error : cvb_shrink(h, unit, n);
}

/* A HELD unit of at most n cells gets credits for them: RES, with the word *w. */
static int refill(struct cvb_handle *h, uint32_t stage, const struct cvb_record *r, unsigned n, uint32_t *u,
                  struct cvb_pair *w)
{
    int error = cvb_hold_cells(h, r->length, n, u);
    if (error)
        return error;
    cvb_store16_rlx(&cvb_unit_at(h, *u)->source, (uint16_t)r->source);
    cvb_store16_rlx(&cvb_unit_at(h, *u)->pipeline, (uint16_t)r->pipeline);
    error = cvb_refill(h, *u, stage);
    if (error)
        cvb_unhold(h, *u);
    else
        *w = cvb_load_pair(&cvb_unit_at(h, *u)->word);
    return error;
}

/* At a limit all idle units may be those that consumers have acked a moment ago, near in their caches: after a rest
 * there may be others. Not where the limit is so low that no distance can be kept (`least` is 0). True if a unit was
 * claimed.
 */
static bool claim_after_rest(struct cvb_handle *h, const struct cvb_want *want, uint32_t *u, struct cvb_pair *w)
{
    if (!h->last_cache->least || !cvb_pacer_rest(h, &h->rest))
        return false;
    bool claimed = cvb_claim_idle(h, want, CVB_SCAN_FULL, u, w);
    cvb_pacer_rested(&h->rest, claimed);
    return claimed;
}

/* Looks for idle units more thoroughly than cvb_claim_idle has done. `refusal`: the limit that has no room for the put;
 * 0 if there is room, but new credits would lift a counter to its high watermark: then all that is idle would be given
 * back, and each of the next puts would move counters. True if a unit was claimed for the put, or if credits came back:
 * then *u is as before. */
static bool find_idle(struct cvb_handle *h, const struct cvb_want *want, int refusal, bool rest, uint32_t *u,
                      struct cvb_pair *w)
{
    if (!refusal)
        return cvb_claim_idle(h, want, CVB_SCAN_FULL, u, w);
    return (rest && claim_after_rest(h, want, u, w)) || cvb_claim_idle(h, want, CVB_SCAN_ALL, u, w) ||
           cvb_reclaim_for(h, refusal, want, u, w);
}

/* A unit was obtained for a source that has been retired. */
CVB_RARE static int give_up(struct cvb_handle *h, uint32_t u)
{
    const int error = cvb_give(h, u);
    return error ? error : CVB_EUNKNOWN;
}

/* As cvb_obtain, if no idle unit was found at once: counters move, and a free unit gets its credits anew. */
CVB_RARE static int obtain_new(struct cvb_handle *h, const struct cvb_want *want, const struct cvb_record *r,
                               uint32_t *u, struct cvb_pair *w)
{
    int error;
    unsigned n = want->count;
    *w = (struct cvb_pair){0, 0};
    cvb_refusal_begin(h);
    for (bool rested = false;; rested = true) {
        uint32_t below, room = cvb_room_at_limits(h, want->source, want->stage, &below, &error);
        *u = CVB_NO_UNIT;
        if (below < n && find_idle(h, want, room < n ? error : 0, !rested, u, w)) {
            if (*u == CVB_NO_UNIT)
                continue;
            error = 0;
            break;
        }
        if (!room)
            break;
        n = room < n ? room : n;
        error = refill(h, want->stage, r, n, u, w);
        if (!cvb_is_refusal(error) || (n == 1 && !cvb_reclaim_for(h, error, want, NULL, NULL)))
            break;
        n = n > 1 ? n / 2 : 1; /* others were quicker: fewer records may fit */
    }
    cvb_fence_after_cas(); /* E1: the credit was taken, and now the name is looked at */
    return error || cvb_source_stays(h, want->source) ? error : give_up(h, *u);
}

/* As cvb_obtain, for what is wanted of r's kind. */
int cvb_obtain_of(struct cvb_handle *h, struct cvb_claim_cache *cache, struct cvb_want want, const struct cvb_record *r,
                  uint32_t *u, struct cvb_pair *w)
{
    if (!cvb_claim_of(h, cache, &want, CVB_SCAN_FAR, u, w)) {
        const struct cvb_want copy = want; /* copies of all three: so the usual case keeps them in registers */
        uint32_t unit;
        struct cvb_pair word;
        int error = obtain_new(h, &copy, r, &unit, &word);
        if (error)
            return error;
        const uint32_t mask = cvb_hi_mask(word.hi);
        if (!mask || cvb_mask_count(mask) > want.count || word.hi != cvb_hi(mask, want.stage, h->seat, 0))
            return CVB_ECORRUPT; /* the caller has no more records than n, and uses the stage as an index */
        *u = unit;
        *w = word;
    }
    cvb_store16_rlx(&cvb_unit_at(h, *u)->pipeline, (uint16_t)r->pipeline);
    return 0;
}

/* A unit for up to n records of r's kind that holds their credits: RES, with the word *w. Idle ones serve first. */
int cvb_obtain(struct cvb_handle *h, uint32_t stage, const struct cvb_record *r, unsigned n, uint32_t *u,
               struct cvb_pair *w)
{
    const struct cvb_want want = {r->source, stage, n, cvb_class_for(h, r->length)};
    return cvb_obtain_of(h, cvb_cache_for(h, &want), want, r, u, w);
}
