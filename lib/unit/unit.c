/* unit.c - finding free units.
 *
 * The bitmaps are hints: a set bit whose unit is not free is cleared and the unit looked at again (B1); a unit that
 * became free has its bit set before and looked at after. What a stopped process can hide that way is bounded by one
 * unit, and the segment has spare cells and units for each handle.
 */
#include "unit/unit.h"

/* After a scan of a bitmap that found nothing, the next ones are skipped: one for each so many words of the bitmap. In
 * a large segment each scan would take longer than all the rest of a put. */
#ifndef CVB_WORDS_A_SKIP
#define CVB_WORDS_A_SKIP 16u
#endif

/* The bitmap that should name a free unit with these members; bitmap_count if the segment is corrupt. */
static uint32_t bitmap_of(struct cvb_handle *h, uint32_t u, uint32_t mask)
{
    const struct cvb_geometry *g = &h->segment.geometry;
    if (!mask)
        return u < g->large_count ? CVB_BITMAP_LARGE(g) : CVB_BITMAP_SMALL(g);
    uint32_t part = cvb_class_of_cell(h, cvb_load32_rlx(&cvb_member_at(h, u, (unsigned)__builtin_ctz(mask))->cell));
    if (part == g->parts)
        return g->bitmap_count;
    return mask & (mask - 1) ? CVB_BITMAP_TRAINS(g, part) : CVB_BITMAP_SINGLES(g, part);
}

static bool is_free(struct cvb_handle *h, uint32_t u, uint32_t bitmap, struct cvb_pair *w)
{
    *w = cvb_load_pair(&cvb_unit_at(h, u)->word);
    return cvb_lo_state(w->lo) == CVB_FREE && bitmap_of(h, u, cvb_hi_mask(w->hi)) == bitmap;
}

static bool try_hold(struct cvb_handle *h, uint32_t u, uint32_t bitmap)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    struct cvb_pair w;
    if (!is_free(h, u, bitmap, &w))
        return false;
    uint64_t g = cvb_lo_number(w.lo);
    struct cvb_pair held = {cvb_lo_generation(CVB_HELD, g), cvb_hi(cvb_hi_mask(w.hi), 0, h->seat, 0)};
    if (!cvb_cas_pair(&unit->word, w, held))
        return false;
    cvb_store64_rlx(&unit->generation, g);
    return true;
}

static bool looks_free(struct cvb_handle *h, uint32_t u, uint32_t bitmap)
{
    struct cvb_pair w;
    return is_free(h, u, bitmap, &w);
}

/* Takes a free unit that the bitmap names. CVB_EMEMORY_FULL if there is none, and also if the last scan found none and
 * this one is skipped: a caller that must know calls cvb_search_anew, and tries again. */
int cvb_hold(struct cvb_handle *h, uint32_t bitmap, uint32_t *found)
{
    const struct cvb_geometry *g = &h->segment.geometry;
    uint64_t *bits = cvb_bitmap_at(h, bitmap);
    struct cvb_search *search = &h->search[bitmap];
    uint32_t start = search->word < g->bitmap_words ? search->word : 0;
    if (search->skip_scans) {
        search->skip_scans--;
        h->scan_skipped = true;
        return CVB_EMEMORY_FULL;
    }
    for (uint32_t i = 0; i < g->bitmap_words; i++) {
        uint32_t word = start + i < g->bitmap_words ? start + i : start + i - g->bitmap_words;
        uint64_t seen = cvb_load64_acq(&bits[word]);
        for (; seen; seen &= seen - 1) {
            uint32_t u = word * 64 + (uint32_t)__builtin_ctzll(seen);
            uint64_t bit = seen & -seen;
            if (u >= g->unit_count)
                return CVB_ECORRUPT;
            if (try_hold(h, u, bitmap)) {
                search->word = word;
                *found = u;
                return 0;
            }
            cvb_and64(&bits[word], ~bit);
            cvb_fence_after_cas(); /* with the one in cvb_set_free_hint: one of the two sees the other */
            if (looks_free(h, u, bitmap))
                cvb_or64(&bits[word], bit);
        }
    }
    search->skip_scans = g->bitmap_words / CVB_WORDS_A_SKIP;
    return CVB_EMEMORY_FULL;
}

/* As cvb_hold, from the first bitmap, or from the second if the first has none. */
int cvb_hold_either(struct cvb_handle *h, uint32_t first, uint32_t second, uint32_t *unit)
{
    int error = cvb_hold(h, first, unit);
    return error == CVB_EMEMORY_FULL ? cvb_hold(h, second, unit) : error;
}

/* True if the scan of a bitmap was skipped since the last call. The next scans are not skipped. */
bool cvb_search_anew(struct cvb_handle *h)
{
    if (!h->scan_skipped)
        return false;
    h->scan_skipped = false;
    for (uint32_t i = 0; i < h->segment.geometry.bitmap_count; i++)
        h->search[i].skip_scans = 0;
    return true;
}

/* Takes an empty unit, of the size that suits so many members if there is one; the segment has enough empty units that
 * there is always one of the two sizes. */
int cvb_hold_empty(struct cvb_handle *h, unsigned members, uint32_t *unit)
{
    const struct cvb_geometry *g = &h->segment.geometry;
    bool small = members <= CVB_INLINE_MEMBERS;
    uint32_t suits = small ? CVB_BITMAP_SMALL(g) : CVB_BITMAP_LARGE(g);
    uint32_t other = small ? CVB_BITMAP_LARGE(g) : CVB_BITMAP_SMALL(g);
    int error;
    do
        error = cvb_hold_either(h, suits, other, unit);
    while (error == CVB_EMEMORY_FULL && cvb_search_anew(h));
    return error;
}

/* 1 if there is a free unit of this class or a larger one, else 0. */
int cvb_memory_left(struct cvb_handle *h, uint32_t class)
{
    const struct cvb_geometry *g = &h->segment.geometry;
    for (uint32_t p = CVB_BITMAP_TRAINS(g, class); p < CVB_BITMAP_LARGE(g); p++)
        for (uint32_t i = 0; i < g->bitmap_words; i++)
            for (uint64_t seen = cvb_load64_acq(&cvb_bitmap_at(h, p)[i]); seen; seen &= seen - 1) {
                uint32_t u = i * 64 + (uint32_t)__builtin_ctzll(seen);
                if (u < g->unit_count && looks_free(h, u, p))
                    return 1;
            }
    return 0;
}

/* Sets the bit of a unit that is FREE, and wakes those who wait for memory if it has cells. */
void cvb_set_free_hint(struct cvb_handle *h, uint32_t u)
{
    const struct cvb_geometry *g = &h->segment.geometry;
    uint32_t mask = cvb_hi_mask(cvb_load64_acq(&cvb_unit_at(h, u)->word.hi));
    uint32_t which = bitmap_of(h, u, mask);
    if (which == g->bitmap_count)
        return; /* corrupt: the next use of the unit says so */
    uint64_t *word = &cvb_bitmap_at(h, which)[u / 64], bit = UINT64_C(1) << u % 64;
    cvb_fence_after_cas();
    if (!(cvb_load64_acq(word) & bit))
        cvb_or64(word, bit);
    h->search[which].word = u / 64; /* what was used last is nearest, and few pages serve */
    if (mask)
        cvb_flag_wake(h, CVB_FLAG_MEMORY, CVB_WAKE_ALL);
}

/* HELD by this seat -> FREE under the next generation. */
void cvb_unhold(struct cvb_handle *h, uint32_t u)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    uint64_t next = cvb_lo_number(cvb_load64_acq(&unit->word.lo)) + 1;
    cvb_store64_seq(&unit->word.lo, cvb_lo_generation(CVB_FREE, next));
    cvb_set_free_hint(h, u);
}

/* A unit without members, whose word is w, becomes free. False if its word has changed. */
bool cvb_free_empty(struct cvb_handle *h, uint32_t u, struct cvb_pair w)
{
    struct cvb_unit *unit = cvb_unit_at(h, u);
    struct cvb_pair freed = {cvb_lo_generation(CVB_FREE, cvb_load64_rlx(&unit->generation) + 1), 0};
    if (!cvb_cas_pair(&unit->word, w, freed))
        return false;
    cvb_set_free_hint(h, u);
    return true;
}
