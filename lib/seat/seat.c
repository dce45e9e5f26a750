/* seat.c - joining and leaving: a seat is taken by its OFD lock first, and only then does its word say active. */
#include <conveyor/crash.h>
#include <conveyor/segment.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "credit/idle.h"
#include "seat/seat.h"
#include "sized.h"
#include "system.h"

/* A page that the kernel clears in every forked child, also after a raw clone. */
static int make_fork_page(struct cvb_handle *h)
{
    uint32_t *page = cvb_system.map(NULL, CVB_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return CVB_ESYSTEM;
    if (cvb_system.advise(page, CVB_PAGE, MADV_WIPEONFORK)) {
        int kept = errno;
        cvb_system.unmap(page, CVB_PAGE);
        errno = kept;
        return CVB_EUNSUPPORTED;
    }
    *page = 1;
    h->same_process = page;
    return 0;
}

/* What leases of this handle show: another handle's, of whichever process, is hardly ever the same. */
static uint32_t make_serial(const struct cvb_handle *h)
{
    static atomic_uint made;
    const uint64_t of[] = {(uint64_t)getpid(), cvb_monotonic_ns(), atomic_fetch_add(&made, 1), h->seat, h->entered};
    uint64_t hash = cvb_hash(of, sizeof of);
    return (uint32_t)(hash ^ hash >> 32);
}

static void sit(struct cvb_handle *h, uint32_t s)
{
    h->seat = s;
    h->seat_state = &cvb_seat_at(h, s)->state;
    h->tallies = cvb_tally_at(h, s, 0);
    h->list = list_of(h, s);
    h->reclaim = (struct cvb_reclaim){s, 0};
    for (uint32_t stage = 0; stage < h->segment.settings.max_stages; stage++)
        h->ends[stage].tally = &h->tallies[stage];
    h->parked.kind = 0;
}

static void bind_places(struct cvb_handle *h)
{
    const struct cvb_geometry *g = &h->segment.geometry;
    char *base = h->segment.base;
    h->units = (void *)(base + g->units);
    h->extensions = (void *)(base + g->extensions);
    h->counters = (void *)(base + g->counters);
    h->flags = (void *)(base + g->flags);
    h->lookout = (void *)(base + g->lookout);
    h->idle = base + g->idle;
    h->idle_mask = (UINT64_C(1) << g->idle_bits) - 1;
    h->idle_stride = cvb_idle_stride(g);
    uint64_t *ring = (void *)(base + g->rings);
    for (uint32_t stage = 0; stage < h->segment.settings.max_stages; stage++) {
        struct cvb_ends *e = &h->ends[stage];
        e->hint = (struct cvb_hint *)(void *)(base + g->hints) + stage;
        e->bits = stage ? g->ring_bits : g->dead_ring_bits;
        e->ring = ring;
        e->mask = (UINT64_C(1) << e->bits) - 1;
        ring += UINT64_C(1) << e->bits;
    }
}

/* Seat s is this handle's from now on; its word was `now` and its lock is held. */
static bool enter_seat(struct cvb_handle *h, uint32_t s, uint64_t now)
{
    uint64_t active = now + (now & 1 ? 2 : 1);
    if (!cvb_cas64(&cvb_seat_at(h, s)->state, now, active))
        return false;
    sit(h, s);
    h->entered = active;
    cvb_idle_enter(h);
    h->seq = cvb_head_seq(cvb_load64_acq(&cvb_seat_at(h, s)->journal.head));
    cvb_store32_rlx(&cvb_seat_at(h, s)->pid, (uint32_t)getpid());
    return true;
}

/* A free seat; with `dead`, one whose owner died: all that it left is completed first, but for its reservations, which
 * are given back when the seat is ours. */
static int take_seat(struct cvb_handle *h, bool dead)
{
    for (uint32_t s = 0; s < h->segment.settings.max_handles; s++) {
        uint64_t now = cvb_load64_acq(&cvb_seat_at(h, s)->state);
        if ((now & 1) != dead)
            continue;
        int taken = cvb_lock_seat(h, s);
        if (taken < 0)
            return taken;
        if (taken)
            continue;
        sit(h, h->segment.settings.max_handles);
        int error = dead ? cvb_recover_seat(h, s, now) : 0;
        if (error < 0)
            return error;
        if (enter_seat(h, s, now))
            return dead ? cvb_recover_reserved(h) : 0;
        cvb_unlock_seat(h);
    }
    return CVB_EHANDLES;
}

static int find_seat(struct cvb_handle *h)
{
    int error = take_seat(h, false);
    if (error == CVB_EHANDLES)
        error = take_seat(h, true);
    return error == CVB_EHANDLES ? take_seat(h, false) : error; /* others may have recovered one meanwhile */
}

static bool allocate(struct cvb_handle *h)
{
    const struct cvb_settings *s = &h->segment.settings;
    h->ends = cvb_system.allocate(s->max_stages, sizeof *h->ends);
    h->pending = cvb_system.allocate(s->max_handles, sizeof *h->pending);
    h->looked_from = cvb_system.allocate(CVB_LOOKS * (size_t)s->max_handles, sizeof *h->looked_from);
    for (unsigned i = 0; h->looked_from && i < CVB_LOOKS; i++)
        h->look[i].from = h->looked_from + i * (size_t)s->max_handles;
    h->counted = cvb_system.allocate(h->segment.geometry.bitmap_words, sizeof *h->counted);
    h->pass.died_in = cvb_system.allocate(s->max_handles, sizeof *h->pass.died_in);
    return h->ends && h->pending && h->looked_from && h->counted && h->pass.died_in;
}

static void free_memory(struct cvb_handle *h)
{
    int kept = errno;
    if (h->same_process)
        cvb_system.unmap((void *)(uintptr_t)h->same_process, CVB_PAGE);
    cvb_system.release(h->ends);
    cvb_system.release(h->looked_from);
    cvb_system.release(h->pending);
    cvb_system.release(h->counted);
    cvb_system.release(h->pass.died_in);
    cvb_system.release(h->names);
    cvb_system.release(h);
    errno = kept;
}

static int enter(struct cvb_handle *h, bool recover)
{
    if (!allocate(h))
        return CVB_ESYSTEM;
    h->refused_class = CVB_NO_CLASS;
    cvb_marks_set(h);
    bind_places(h);
    int error = find_seat(h);
    if (error < 0)
        return error;
    h->serial = make_serial(h);
    return recover ? cvb_recover_some(h) : 0;
}

/* Before a handle leaves: reservations are given up, leases released. */
static int settle_units(struct cvb_handle *h)
{
    int error = 0;
    for (uint32_t u = 0; !error && u < h->segment.geometry.unit_count; u++) {
        struct cvb_pair w = cvb_load_pair(&cvb_unit_at(h, u)->word);
        if (cvb_hi_seat(w.hi) != h->seat)
            continue;
        if (cvb_lo_state(w.lo) == CVB_RES)
            error = cvb_give(h, u);
        else if (cvb_lo_state(w.lo) == CVB_LEASED)
            error = cvb_release_unit(h, u, 0);
    }
    return error;
}

/* Open reservations are given back, leases too, then the seat. What a corrupt segment does not let us settle is a dead
 * seat's, for the others to recover. */
static void leave(struct cvb_handle *h)
{
    cvb_idle_leave(h);
    if (!settle_units(h))
        cvb_cas64(&cvb_seat_at(h, h->seat)->state, h->entered, h->entered + 1);
}

/* A handle that has joined and has not got as far as being used: a seat that it entered is given up. */
static void undo(struct cvb_handle *h)
{
    int kept = errno;
    if (h->entered && !cvb_handle_check(h))
        leave(h);
    cvb_leave_mapping(h);
    errno = kept;
}

static int make_handle(const char *name, bool recover, struct cvb_handle **out)
{
    struct cvb_handle *h = cvb_system.allocate(1, sizeof *h);
    if (!h)
        return CVB_ESYSTEM;
    int error = make_fork_page(h);
    if (!error)
        error = cvb_join_mapping(h, name);
    if (!error) {
        error = enter(h, recover);
        if (error < 0)
            undo(h);
    }
    if (error < 0)
        free_memory(h);
    else
        *out = h;
    return error < 0 ? error : 0;
}

static int attach(const char *name, bool recover, struct cvb_handle **out)
{
    if (!out)
        return CVB_EINVAL;
    int before = cvb_guard(), error = make_handle(name, recover, out);
    cvb_unguard(before);
    return error;
}

int cvb_attach(const char *name, struct cvb_handle **out) { return attach(name, true, out); }
int cvb_observe(const char *name, struct cvb_handle **out) { return attach(name, false, out); }

int cvb_detach(struct cvb_handle *h)
{
    if (!h)
        return CVB_EINVAL;
    int before = cvb_guard(), error = cvb_mapping_check(h);
    if (!error)
        leave(h);
    cvb_leave_mapping(h);
    free_memory(h);
    cvb_unguard(before);
    return error;
}

int cvb_settings_of_sized(struct cvb_handle *h, struct cvb_settings *settings, size_t size)
{
    if (!settings)
        return CVB_EINVAL;
    int error = cvb_handle_reads(h);
    if (!error)
        cvb_sized_give(settings, size, &h->segment.settings, sizeof h->segment.settings);
    return error;
}
