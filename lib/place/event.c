/* event.c - writing events: event.h has the picture. */
#include "place/event.h"

#include <string.h>
#include <unistd.h>

/* Ten seconds: of an event that may come again and again, one is recorded in each period of this length. */
#define TICK_NS UINT64_C(10000000000)

uint32_t cvb_event_tick(void) { return (uint32_t)(cvb_coarse_ns() / TICK_NS) + 1; }

void cvb_store_text(uint64_t words[CVB_REASON_WORDS], const char *text)
{
    uint64_t all[CVB_REASON_WORDS] = {0};
    memcpy(all, text, strnlen(text, CVB_REASON_MAX));
    for (unsigned i = 0; i < CVB_REASON_WORDS; i++)
        cvb_store64_rlx(&words[i], all[i]);
}

/* Gives an empty text if the bytes are no text, in a corrupt segment. */
size_t cvb_load_bytes(const uint64_t words[CVB_REASON_WORDS], char text[CVB_REASON_MAX + 1])
{
    for (unsigned i = 0; i < CVB_REASON_WORDS; i++) {
        uint64_t word = cvb_load64_rlx(&words[i]);
        memcpy(text + i * sizeof word, &word, sizeof word);
    }
    const size_t n = strnlen(text, CVB_REASON_MAX);
    memset(text + n, 0, CVB_REASON_MAX + 1 - n);
    return n;
}

void cvb_load_text(const uint64_t words[CVB_REASON_WORDS], char text[CVB_REASON_MAX + 1])
{
    const size_t n = cvb_load_bytes(words, text);
    if (!cvb_is_text(text, n))
        memset(text, 0, n);
}

static void write_slot(struct cvb_event_slot *slot, const struct cvb_event *e)
{
    cvb_fence_rel(); /* a reader that sees what is written from here on sees that the slot is being written (H2) */
    cvb_store64_rlx(&slot->at_ns, cvb_now_ns());
    cvb_store32_rlx(&slot->kind, e->kind);
    cvb_store32_rlx(&slot->code, e->code);
    cvb_store32_rlx(&slot->pid, (uint32_t)(e->pid ? e->pid : getpid()));
    cvb_store32_rlx(&slot->stage, e->stage);
    cvb_store32_rlx(&slot->source, e->source);
    cvb_store64_rlx(&slot->before, e->before);
    cvb_store64_rlx(&slot->after, e->after);
    cvb_store_text(slot->text, e->text);
}

/* The slot of event n becomes this handle's to write. False if a later event has it, or a writer that was stopped a lap
 * ago. */
static bool claim_slot(struct cvb_handle *h, struct cvb_event_slot *slot, uint64_t n, struct cvb_pair *mine)
{
    const struct cvb_pair w = cvb_load_pair(&slot->word);
    if ((w.lo && w.lo >> 2 >= n) || cvb_is_being_written(h, w))
        return false;
    *mine = (struct cvb_pair){cvb_written_lo(n, CVB_WRITTEN_NOW), cvb_writer(h->entered, h->seat, 0)};
    return cvb_cas_pair(&slot->word, w, *mine);
}

CVB_RARE void cvb_event(struct cvb_handle *h, const struct cvb_event *e)
{
    struct cvb_event_ring *ring = h->events;
    if (h->seat >= h->segment.settings.max_handles || !h->entered)
        return;
    for (unsigned tries = 0; tries < CVB_EVENTS; tries++) {
        const uint64_t n = cvb_add64(&ring->next, 1);
        struct cvb_event_slot *slot = &ring->slot[n % CVB_EVENTS];
        struct cvb_pair mine;
        if (!claim_slot(h, slot, n, &mine))
            continue;
        write_slot(slot, e);
        cvb_cas_pair(&slot->word, mine, (struct cvb_pair){cvb_written_lo(n, CVB_WRITTEN_DONE), mine.hi});
        return;
    }
}

/* Records an event of the process that has, or had, a seat; counts deaths and recoveries. */
static void tell_of_seat(struct cvb_handle *h, enum cvb_event_kind kind, int32_t pid, uint64_t before, uint64_t after)
{
    const struct cvb_event e = {
        .kind = kind, .pid = pid, .stage = CVB_NO_STAGE, .source = CVB_NO_SOURCE, .before = before, .after = after};
    struct cvb_seat *own = cvb_seat_at(h, h->seat);
    if (kind == CVB_EVENT_DEATH)
        cvb_own_add64(&own->deaths, 1);
    else if (kind == CVB_EVENT_RECOVERY)
        cvb_own_add64(&own->recoveries, 1);
    cvb_event(h, &e);
}

void cvb_event_death(struct cvb_handle *h, uint32_t dead, uint64_t state)
{
    struct cvb_seat *seat = cvb_seat_at(h, dead);
    const uint64_t told = cvb_load64_rlx(&seat->told_dead);
    if (h->seat < h->segment.settings.max_handles && told != state && cvb_cas64(&seat->told_dead, told, state))
        tell_of_seat(h, CVB_EVENT_DEATH, (int32_t)cvb_load32_rlx(&seat->pid), dead, (uint64_t)getpid());
}

void cvb_event_gone(struct cvb_handle *h, uint32_t dead, int32_t pid)
{
    tell_of_seat(h, CVB_EVENT_DEATH, pid, dead, (uint64_t)getpid());
}

void cvb_event_recovery(struct cvb_handle *h, uint32_t dead, int32_t pid)
{
    tell_of_seat(h, CVB_EVENT_RECOVERY, pid, dead, (uint64_t)getpid());
}

void cvb_event_seat(struct cvb_handle *h, enum cvb_event_kind kind) { tell_of_seat(h, kind, 0, 0, h->seat); }

void cvb_event_set(struct cvb_handle *h, uint32_t stage, uint32_t source, const char *setting, uint64_t before,
                   uint64_t after)
{
    struct cvb_event e = {.kind = CVB_EVENT_SET, .stage = stage, .source = source, .before = before, .after = after};
    memcpy(e.text, setting, strnlen(setting, CVB_REASON_MAX));
    cvb_event(h, &e);
}
