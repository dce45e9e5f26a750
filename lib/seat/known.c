/* known.c - the names that a handle has looked up: the next use of one costs a probe instead of a search.
 *
 * Overview: a table of the handle's own, open addressing, at most half full. An entry holds the id alone, or a source's
 * place; the name's bytes are in the segment. Those of stages and pipelines never change once an id refers to them;
 * whether a place still has a source's name is looked at again (intern.c). A table belongs to one handle,
 * which one thread uses at a time, so there is nothing to lock.
 */
#include <string.h>

#include "seat/seat.h"

static_assert(CVB_KINDS < 4, "an entry: 1 | kind:2 | id:16, above a bit that says that there is one");
static uint32_t entry_of(int kind, uint32_t id) { return (id << 2 | (uint32_t)kind) << 1 | 1; }

static uint32_t start_of(int kind, const char *text, size_t n)
{
    uint64_t hash = cvb_hash(text, n) + (uint64_t)kind * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(hash ^ hash >> 32);
}

/* True if the number that an entry has is of this name: an id, or a source's place. */
static bool is_name(struct cvb_handle *h, int kind, uint32_t number, const char *text, size_t n, uint32_t *id)
{
    if (kind == CVB_KIND_SOURCE)
        return cvb_source_is(h, number, text, id);
    const struct cvb_name *name = cvb_name_of_id(h, kind, number);
    *id = number;
    return name && name->length == n && !memcmp(name->text, text, n);
}

bool cvb_name_known(struct cvb_handle *h, int kind, const char *text, size_t n, uint32_t *id)
{
    const uint32_t mask = h->names_size - 1;
    for (uint32_t i = start_of(kind, text, n);; i++) {
        uint32_t entry = h->names[i & mask];
        if (!entry)
            return false;
        if ((int)(entry >> 1 & 3) == kind && is_name(h, kind, entry >> 3, text, n, id))
            return true;
    }
}

/* If somebody has written over names, more may be remembered than there are: then the table is emptied. */
void cvb_name_remember(struct cvb_handle *h, int kind, const char *text, size_t n, uint32_t id)
{
    const uint32_t mask = h->names_size - 1;
    if (h->names_count >= h->names_size / 2) {
        memset(h->names, 0, h->names_size * sizeof *h->names);
        h->names_count = 0;
    }
    uint32_t i = start_of(kind, text, n);
    while (h->names[i & mask])
        i++;
    h->names[i & mask] = entry_of(kind, id);
    h->names_count++;
}
