/* intern.c - names of sources: interned one after the other, so that a place whose name was retired serves again.
 *
 * Overview: a word of the segment, `naming`, shows the last naming: its number, the id, and the slot that has the
 * name's bytes. Who looks a name up completes that naming first: the place of the id becomes LIVE, with the slot. If no
 * place has the name, it writes the bytes into a slot of its own, and announces the next naming by a CAS of `naming`
 * from what it had read before it looked at the places: the linearization point. So nobody named anything between look
 * and naming, and a name has one place at most.
 *
 * Why a late helper does no harm: it changes a place that is FREE with just the id that was announced, by a CAS from
 * the whole word; ids grow with each name of a place.
 *
 * A slot is taken as a reason is (wake/hand.c): one that no place refers to, and that no living process writes, by a
 * CAS of its writer's word. That its writer is dead is seen before the last naming is completed: so the dead writer's
 * own naming, if there was one, refers to it by then.
 */
#include <conveyor/segment.h>
#include <conveyor/state.h>
#include <string.h>

#include "seat/seat.h"

#define NAMING_SLOT_SHIFT 32
static_assert(sizeof(struct cvb_name) == sizeof(uint64_t[CVB_REASON_WORDS]) && CVB_NAME_MAX == CVB_REASON_MAX,
              "a name's slot is as large as a text");

static uint32_t slot_count(const struct cvb_handle *h)
{
    return h->segment.settings.max_sources + h->segment.settings.max_handles + 1;
}

static struct cvb_pair *writer_at(struct cvb_handle *h, uint32_t slot)
{
    return (struct cvb_pair *)(void *)(h->segment.base + h->segment.geometry.references[CVB_KIND_SOURCE]) + slot;
}

static uint64_t *words_at(struct cvb_handle *h, uint32_t slot)
{
    return (uint64_t *)(void *)(h->segment.base + h->segment.geometry.names[CVB_KIND_SOURCE]) +
           (uint64_t)slot * CVB_REASON_WORDS;
}

static bool has_name(struct cvb_pair named)
{
    const enum cvb_named state = cvb_named_state(named);
    return state == CVB_NAMED_LIVE || state == CVB_NAMED_RETIRING;
}

/* The place's word, and its name if it has one: the word is read before and after the bytes. */
static struct cvb_pair read_place(struct cvb_handle *h, uint32_t place, char text[CVB_NAME_MAX + 1])
{
    struct cvb_pair seen, w = cvb_load_pair(cvb_named_at(h, place));
    do {
        seen = w;
        text[0] = 0;
        if (!has_name(w) || cvb_named_slot(w.hi) >= slot_count(h))
            break;
        cvb_load_bytes(words_at(h, cvb_named_slot(w.hi)), text);
        cvb_fence_acq(); /* N2 */
        w = cvb_load_pair(cvb_named_at(h, place));
    } while (!cvb_pair_equal(seen, w));
    return w;
}

bool cvb_source_is(struct cvb_handle *h, uint32_t place, const char *text, uint32_t *id)
{
    char here[CVB_NAME_MAX + 1];
    if (place >= h->segment.settings.max_sources)
        return false;
    const struct cvb_pair w = read_place(h, place, here);
    *id = cvb_named_id(w.lo, place);
    return has_name(w) && !strcmp(here, text);
}

int cvb_source_text(struct cvb_handle *h, uint32_t id, char text[CVB_NAME_MAX + 1])
{
    if (cvb_place_of(id) >= h->segment.settings.max_sources)
        return CVB_EUNKNOWN;
    const struct cvb_pair w = read_place(h, cvb_place_of(id), text);
    if (!has_name(w) || (uint32_t)w.lo != id)
        return CVB_EUNKNOWN;
    cvb_show_as_text(text, strlen(text));
    if (!text[0])
        strcpy(text, "?"); /* somebody has overwritten it */
    return 0;
}

int cvb_source_at(struct cvb_handle *h, uint32_t place, uint32_t *id)
{
    int error = cvb_reader_check(h);
    if (error || !id)
        return error ? error : CVB_EINVAL;
    if (place >= h->segment.settings.max_sources)
        return CVB_EUNKNOWN;
    const struct cvb_pair w = cvb_load_pair(cvb_named_at(h, place));
    *id = cvb_named_id(w.lo, place);
    return has_name(w) ? 0 : CVB_EUNKNOWN;
}

/* Makes the place of the naming LIVE, if nobody has done so. */
static void complete(struct cvb_handle *h, struct cvb_pair naming)
{
    const uint32_t id = (uint32_t)naming.hi, slot = (uint32_t)(naming.hi >> NAMING_SLOT_SHIFT);
    const uint32_t place = cvb_place_of(id);
    if (!naming.lo || place >= h->segment.settings.max_sources || slot >= slot_count(h))
        return;
    const struct cvb_pair w = cvb_load_pair(cvb_named_at(h, place));
    if (cvb_named_state(w) != CVB_NAMED_FREE || cvb_named_id(w.lo, place) != id)
        return;
    const uint64_t changes = (w.hi / CVB_NAMED_CHANGE + 1) * CVB_NAMED_CHANGE;
    cvb_cas_pair(cvb_named_at(h, place), w, (struct cvb_pair){cvb_named_lo(CVB_NAMED_LIVE, id), changes | slot});
}

/* The last naming, which is complete. */
static struct cvb_pair last_naming(struct cvb_handle *h)
{
    const struct cvb_pair naming = cvb_load_pair(&h->lookout->naming);
    if (!h->observer)
        complete(h, naming);
    return naming;
}

/* True if the place for which the slot was written last has its name there. */
static bool slot_in_use(struct cvb_handle *h, uint32_t slot, struct cvb_pair writer)
{
    const uint32_t place = (uint32_t)(writer.hi & CVB_WRITER_PLACE);
    if (place >= h->segment.settings.max_sources)
        return false;
    const struct cvb_pair w = cvb_load_pair(cvb_named_at(h, place));
    return has_name(w) && cvb_named_slot(w.hi) == slot;
}

/* Takes a slot for the name of the place; the search begins where the place's last name was. */
static int take_slot(struct cvb_handle *h, uint32_t place, uint32_t first, uint32_t *slot, struct cvb_pair *mine)
{
    const uint32_t count = slot_count(h);
    for (uint32_t n = 0; n < 2 * count; n++) {
        const uint32_t i = (first + n) % count;
        const struct cvb_pair w = cvb_load_pair(writer_at(h, i));
        if (cvb_is_being_written(h, w))
            continue;
        last_naming(h);
        if (slot_in_use(h, i, w))
            continue;
        *mine =
            (struct cvb_pair){cvb_written_lo((w.lo >> 2) + 1, CVB_WRITTEN_NOW), cvb_writer(h->entered, h->seat, place)};
        *slot = i;
        if (cvb_cas_pair(writer_at(h, i), w, *mine))
            return 0;
    }
    return CVB_ECORRUPT; /* there are more than places and writers need */
}

/* What a look at all places has found. */
struct found {
    uint32_t place;     /* the first that is free; or max_sources */
    struct cvb_pair at; /* its word */
    uint32_t id;        /* of the name, if some place has it */
};

/* Looks at all places that ever had a name, and one more: places are given from the first on. True if one has it. */
static bool look_for(struct cvb_handle *h, const char *text, struct found *found)
{
    const uint32_t places = h->segment.settings.max_sources;
    found->place = places;
    for (uint32_t i = 0; i < places; i++) {
        char here[CVB_NAME_MAX + 1];
        struct cvb_pair w = read_place(h, i, here);
        if (cvb_named_state(w) == CVB_NAMED_CLEARING && !h->observer) {
            cvb_place_clear(h, i);
            w = read_place(h, i, here);
        }
        if (has_name(w) && !strcmp(here, text)) {
            found->id = cvb_named_id(w.lo, i);
            return true;
        }
        if (found->place == places && cvb_named_state(w) == CVB_NAMED_FREE) {
            found->place = i;
            found->at = w;
        }
        if (!w.hi)
            break;
    }
    return false;
}

/* Gives the free place the name, if nobody has named anything since `naming` was read. 1 if it did, 0, or an error. */
static int name_place(struct cvb_handle *h, const char *text, const struct found *found, struct cvb_pair naming)
{
    uint32_t slot;
    struct cvb_pair mine;
    const uint32_t first = found->at.hi ? cvb_named_slot(found->at.hi) : found->place;
    const int error = take_slot(h, found->place, first, &slot, &mine);
    if (error)
        return error;
    cvb_fence_rel(); /* N2: who reads what follows sees that no place refers to it */
    cvb_store_text(words_at(h, slot), text);
    const uint32_t id = cvb_named_id(found->at.lo, found->place);
    const struct cvb_pair next = {naming.lo + 1, (uint64_t)slot << NAMING_SLOT_SHIFT | id};
    const bool named = cvb_cas_pair(&h->lookout->naming, naming, next);
    if (named)
        complete(h, next);
    cvb_cas_pair(writer_at(h, slot), mine, (struct cvb_pair){cvb_written_lo(mine.lo >> 2, CVB_WRITTEN_DONE), mine.hi});
    if (named && found->at.hi)
        cvb_place_begin(h, found->place);
    return named;
}

/* The id of a name that is a good one. */
static int intern_source(struct cvb_handle *h, const char *text, uint32_t *id)
{
    for (;;) {
        const struct cvb_pair naming = last_naming(h);
        struct found found = {0};
        if (look_for(h, text, &found)) {
            *id = found.id;
            return 0;
        }
        if (h->observer)
            return CVB_EUNKNOWN;
        if (found.place == h->segment.settings.max_sources)
            return CVB_ENAMES;
        const int named = name_place(h, text, &found, naming);
        if (named < 0)
            return named;
    }
}

int cvb_source(struct cvb_handle *h, const char *name, uint32_t *id)
{
    CVB_ONE_USER(h);
    int error = cvb_reader_check(h);
    if (error)
        return error;
    size_t n = name ? strnlen(name, CVB_NAME_MAX + 1) : 0;
    if (!n || n > CVB_NAME_MAX || !id || !cvb_is_text(name, n))
        return CVB_ENAME;
    if (cvb_name_known(h, CVB_KIND_SOURCE, name, n, id))
        return 0;
    error = intern_source(h, name, id);
    if (!error)
        cvb_name_remember(h, CVB_KIND_SOURCE, name, n, cvb_place_of(*id));
    return error;
}
