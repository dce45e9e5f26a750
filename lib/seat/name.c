/* name.c - interning of stages and pipelines: a name's id is decided by one CAS. intern.c has the sources.
 *
 * A seat writes a name into a slot of its own and CASes the first empty reference to that slot. The seat that wins
 * reference i owns slot i from then on, which nobody used before; so slots never run out. A seat that died after its
 * CAS still shows the slot it has given away: its next owner sees that in the table (own_slot).
 */
#include <conveyor/segment.h>
#include <conveyor/state.h>
#include <string.h>

#include "seat/seat.h"

static struct cvb_name *name_slot(struct cvb_handle *h, int kind, uint32_t slot)
{
    return (struct cvb_name *)(void *)(h->segment.base + h->segment.geometry.names[kind]) + slot;
}

/* The most names of the kind: of a sealed segment's stages, those that it was sealed with. */
static uint32_t names_most(const struct cvb_handle *h, int kind)
{
    uint32_t sealed = kind == CVB_KIND_STAGE ? h->segment.settings.sealed_stages : 0;
    return sealed ? sealed : h->segment.geometry.name_limit[kind];
}

/* NULL if the id is nobody's yet, or its reference is out of its bounds. */
const struct cvb_name *cvb_name_of_id(struct cvb_handle *h, int kind, uint32_t id)
{
    uint32_t limit = h->segment.geometry.name_limit[kind];
    uint32_t reference = id < limit ? cvb_load32_acq(&cvb_references_at(h, kind)[id]) : 0;
    return reference && reference <= limit + h->segment.settings.max_handles + 1 ? name_slot(h, kind, reference - 1)
                                                                                 : NULL;
}

static uint32_t own_slot(struct cvb_handle *h, int kind)
{
    uint32_t *staged = &cvb_seat_at(h, h->seat)->staged[kind], limit = h->segment.geometry.name_limit[kind];
    for (uint32_t i = 0; i < limit; i++) {
        uint32_t reference = cvb_load32_acq(&cvb_references_at(h, kind)[i]);
        if (!reference)
            break;
        if (reference == cvb_load32_rlx(staged) + 1)
            cvb_store32_rlx(staged, i);
    }
    return cvb_load32_rlx(staged);
}

static int intern(struct cvb_handle *h, int kind, const char *text, uint32_t *id)
{
    CVB_ONE_USER(h);
    int error = cvb_reader_check(h);
    if (error)
        return error;
    size_t n = text ? strnlen(text, CVB_NAME_MAX + 1) : 0;
    if (!n || n > CVB_NAME_MAX || !id || !cvb_is_text(text, n))
        return CVB_ENAME;
    if (cvb_name_known(h, kind, text, n, id))
        return 0;
    uint32_t limit = h->segment.geometry.name_limit[kind], slots = limit + h->segment.settings.max_handles + 1;
    for (uint32_t i = 0; i < names_most(h, kind); i++) {
        uint32_t reference = cvb_load32_acq(&cvb_references_at(h, kind)[i]);
        if (!reference && h->observer)
            return CVB_EUNKNOWN;
        if (!reference) {
            uint32_t mine = own_slot(h, kind);
            if (mine >= slots)
                return CVB_ECORRUPT;
            struct cvb_name *name = name_slot(h, kind, mine);
            name->length = (uint8_t)n;
            memcpy(name->text, text, n);
            cvb_cas32(&cvb_references_at(h, kind)[i], 0, mine + 1);
            reference = cvb_load32_acq(&cvb_references_at(h, kind)[i]);
        }
        if (reference > slots)
            return CVB_ECORRUPT;
        const struct cvb_name *name = name_slot(h, kind, reference - 1);
        if (name->length == n && !memcmp(name->text, text, n)) {
            *id = i;
            cvb_name_remember(h, kind, text, n, i);
            return 0;
        }
    }
    if (h->observer)
        return CVB_EUNKNOWN;
    return kind == CVB_KIND_STAGE && h->segment.settings.sealed_stages ? CVB_ESEALED : CVB_ENAMES;
}

void cvb_show_as_text(char *text, size_t length)
{
    if (cvb_is_text(text, length))
        return;
    for (size_t i = 0; i < length; i++)
        if (text[i] < 32 || text[i] > 126)
            text[i] = '?';
}

static int name_of(struct cvb_handle *h, int kind, uint32_t id, char *text)
{
    int error = cvb_reader_check(h);
    if (error || !text)
        return error ? error : CVB_EINVAL;
    uint32_t limit = h->segment.geometry.name_limit[kind];
    uint32_t reference = id < limit ? cvb_load32_acq(&cvb_references_at(h, kind)[id]) : 0;
    if (!reference)
        return CVB_EUNKNOWN;
    if (reference > limit + h->segment.settings.max_handles + 1)
        return CVB_ECORRUPT;
    const struct cvb_name *name = name_slot(h, kind, reference - 1);
    uint8_t length = *(const volatile uint8_t *)&name->length; /* once: it may change after it was checked */
    if (length > CVB_NAME_MAX)
        return CVB_ECORRUPT;
    memcpy(text, name->text, length);
    text[length] = 0;
    cvb_show_as_text(text, length);
    return 0;
}

int cvb_stage_name(struct cvb_handle *h, uint32_t id, char text[CVB_NAME_MAX + 1])
{
    return name_of(h, CVB_KIND_STAGE, id, text);
}
int cvb_source_name(struct cvb_handle *h, uint32_t id, char text[CVB_NAME_MAX + 1])
{
    int error = cvb_reader_check(h);
    if (error || !text)
        return error ? error : CVB_EINVAL;
    return cvb_source_text(h, id, text);
}
int cvb_pipeline_name(struct cvb_handle *h, uint32_t id, char text[CVB_NAME_MAX + 1])
{
    return name_of(h, CVB_KIND_PIPELINE, id, text);
}

int cvb_stage(struct cvb_handle *h, const char *name, uint32_t *id) { return intern(h, CVB_KIND_STAGE, name, id); }
int cvb_pipeline(struct cvb_handle *h, const char *name, uint32_t *id)
{
    return intern(h, CVB_KIND_PIPELINE, name, id);
}
