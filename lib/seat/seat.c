/* seat.c - joining and leaving: a handle has a number of its own and the OFD lock of that number first, and only then
 * does a seat's word say that number. */
#include <conveyor/crash.h>
#include <conveyor/segment.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "credit/idle.h"
#include "place/stay.h"
#include "seat/seat.h"
#include "sized.h"
#include "system.h"

#define NUMBER_MASK ((UINT64_C(1) << 37) - 1) /* as many bits as other words have room for: cvb_writer */
#define NUMBERS_TRIED 64u

/* Memory that costs nothing until it is used: an attach that cleared its tables spent half of its time in page faults.
 */
static void *map_memory(size_t size)
{
    void *memory = cvb_system.map(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* A handle, behind a page that the kernel clears in every forked child, also after a raw clone. 0, or an error. */
static int new_handle(struct cvb_handle **out)
{
    char *memory = map_memory(CVB_PAGE + sizeof(struct cvb_handle));
    if (!memory)
        return CVB_ESYSTEM;
    if (cvb_system.advise(memory, CVB_PAGE, MADV_WIPEONFORK)) {
        int kept = errno;
        cvb_system.unmap(memory, CVB_PAGE + sizeof(struct cvb_handle));
        errno = kept;
        return CVB_EUNSUPPORTED;
    }
    uint32_t *same_process = (void *)memory;
    *same_process = 1;
    *out = (void *)(memory + CVB_PAGE);
    (*out)->same_process = same_process;
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
    h->thresholds = (void *)(base + g->thresholds);
    h->flags = (void *)(base + g->flags);
    h->reasons = (void *)(base + g->reasons);
    h->events = (void *)(base + g->events);
    h->lookout = (void *)(base + g->lookout);
    h->survey = (void *)(base + g->survey);
    h->stands = (void *)(base + g->stands);
    h->cells.header_room = g->header_room;
    h->retry = (void *)(base + g->retry);
    h->due = (void *)(base + g->due);
    h->soonest = (void *)(base + g->soonest);
    h->root = h->soonest + g->due_first[g->due_levels - 1];
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

/* A number that no handle had before, and the lock that says that this handle lives: before any seat is entered. Others
 * have a number already only if the count is wrong. */
static int take_number(struct cvb_handle *h)
{
    for (unsigned tries = 0; tries < NUMBERS_TRIED; tries++) {
        const uint64_t number = (cvb_add64(&h->lookout->attaches, 1) << 1 | 1) & NUMBER_MASK;
        const int taken = cvb_lock_number(h, number);
        if (taken < 0)
            return taken;
        if (!taken) {
            h->number = number;
            return 0;
        }
    }
    return CVB_ECORRUPT;
}

/* Seat s is this handle's from now on, if its word is still `now`. */
static bool enter_seat(struct cvb_handle *h, uint32_t s, uint64_t now)
{
    if (!cvb_cas64(&cvb_seat_at(h, s)->state, now, h->number))
        return false;
    sit(h, s);
    h->entered = h->number;
    cvb_idle_enter(h);
    h->seq = cvb_head_seq(cvb_load64_acq(&cvb_seat_at(h, s)->journal.head));
    cvb_store32_rlx(&cvb_seat_at(h, s)->pid, (uint32_t)getpid());
    cvb_active_at(h, cvb_coarse_ns());
    return true;
}

/* This handle has the seat of a dead process, which died in `state`: what is left to do. */
static int take_over(struct cvb_handle *h, uint32_t s, uint64_t state, int32_t pid)
{
    if (cvb_load64_rlx(&cvb_seat_at(h, s)->told_dead) != state)
        cvb_event_gone(h, s, pid);
    cvb_event_recovery(h, s, pid);
    return cvb_recover_reserved(h);
}

/* Seat s, if it is free. 0, or CVB_EHANDLES. */
static int try_free(struct cvb_handle *h, uint32_t s)
{
    const uint64_t now = cvb_load64_acq(&cvb_seat_at(h, s)->state);
    if (now & 1)
        return CVB_EHANDLES;
    return enter_seat(h, s, now) ? 0 : CVB_EHANDLES;
}

/* Seat s, if its owner died: all that it left is completed first, but for its reservations, which are given back when
 * the seat is ours. 0, CVB_EHANDLES if it is somebody else's, or another error. */
static int try_dead(struct cvb_handle *h, uint32_t s)
{
    uint64_t state;
    const int dead = cvb_owner_dead(h, s, &state);
    if (dead != 1)
        return dead < 0 ? dead : CVB_EHANDLES;
    const int error = cvb_recover_seat(h, s, state);
    const int32_t pid = (int32_t)cvb_load32_rlx(&cvb_seat_at(h, s)->pid);
    if (error < 0)
        return error;
    return enter_seat(h, s, state) ? take_over(h, s, state, pid) : CVB_EHANDLES;
}

/* Begins where the last attach ended: a thousand that attach at once would ask for the first seats again and again. */
static int take_seat(struct cvb_handle *h, int (*try_seat)(struct cvb_handle *h, uint32_t s))
{
    const uint32_t seats = h->segment.settings.max_handles, first = cvb_load32_rlx(&h->lookout->seat) % seats;
    for (uint32_t i = 0; i < seats; i++) {
        uint32_t s = (first + i) % seats;
        cvb_store32_rlx(&h->lookout->seat, (s + 1) % seats); /* before it is ours: others need not try it as well */
        int error = try_seat(h, s);
        if (error != CVB_EHANDLES)
            return error;
    }
    return CVB_EHANDLES;
}

static int find_seat(struct cvb_handle *h)
{
    sit(h, h->segment.settings.max_handles);
    int error = take_number(h);
    if (!error)
        error = take_seat(h, try_free);
    if (error == CVB_EHANDLES)
        error = take_seat(h, try_dead);
    return error == CVB_EHANDLES ? take_seat(h, try_free) : error; /* others may have recovered one meanwhile */
}

/* A table of so many bytes after those that are laid out: its place, if there is memory already. */
static void *lay_out(struct cvb_handle *h, size_t bytes)
{
    size_t at = h->tables_size;
    h->tables_size += (bytes + CVB_LINE - 1) & ~(size_t)(CVB_LINE - 1);
    return h->tables ? (char *)h->tables + at : NULL;
}

/* Room for twice as many names as there can be, a power of two. */
static uint32_t room_for_names(const struct cvb_handle *h)
{
    const uint32_t *limit = h->segment.geometry.name_limit;
    uint32_t room = 64;
    while (room < 2 * (limit[CVB_KIND_STAGE] + limit[CVB_KIND_SOURCE] + limit[CVB_KIND_PIPELINE]))
        room *= 2;
    return room;
}

static void lay_out_all(struct cvb_handle *h)
{
    const struct cvb_settings *s = &h->segment.settings;
    h->tables_size = 0;
    h->ends = lay_out(h, s->max_stages * sizeof *h->ends);
    h->pending = lay_out(h, s->max_handles * sizeof *h->pending);
    h->counted = lay_out(h, h->segment.geometry.bitmap_words * sizeof *h->counted);
    h->pass.died_in = lay_out(h, s->max_handles * sizeof *h->pass.died_in);
    h->names_size = room_for_names(h);
    h->names = lay_out(h, h->names_size * sizeof *h->names);
    h->caches_from = lay_out(h, CVB_CLAIM_CACHES * s->max_handles * sizeof *h->caches_from);
    h->next_position = lay_out(h, s->max_sources * sizeof *h->next_position);
    h->found = lay_out(h, s->max_sources * sizeof *h->found);
}

static bool make_tables(struct cvb_handle *h)
{
    lay_out_all(h);
    h->tables = map_memory(h->tables_size);
    if (h->tables)
        lay_out_all(h);
    return h->tables;
}

static void free_memory(struct cvb_handle *h)
{
    int kept = errno;
    if (h->tables)
        cvb_system.unmap(h->tables, h->tables_size);
    cvb_system.unmap((void *)(uintptr_t)h->same_process, CVB_PAGE + sizeof *h);
    errno = kept;
}

/* An observer is nobody's seat, and its word says that it may change nothing: cvb_why_not. */
static void sit_beside(struct cvb_handle *h)
{
    static const uint64_t never = 1;
    sit(h, h->segment.settings.max_handles);
    h->seat_state = &never;
}

static int enter(struct cvb_handle *h)
{
    if (!make_tables(h))
        return CVB_ESYSTEM;
    h->refused_class = CVB_NO_CLASS;
    bind_places(h);
    int error = 0;
    if (h->observer)
        sit_beside(h);
    else
        error = find_seat(h);
    if (error < 0)
        return error;
    h->serial = make_serial(h);
    if (h->observer)
        return 0;
    cvb_event_seat(h, CVB_EVENT_ATTACH);
    h->told = true;
    return cvb_recover_some(h);
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
    if (settle_units(h))
        return;
    if (h->told)
        cvb_event_seat(h, CVB_EVENT_LEAVE);
    if (cvb_cas64(&cvb_seat_at(h, h->seat)->state, h->entered, h->entered + 1))
        cvb_seat_freed(h, h->seat);
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

static int make_handle(const char *name, bool observer, struct cvb_handle **out)
{
    struct cvb_handle *h;
    int error = new_handle(&h);
    if (error)
        return error;
    h->observer = observer;
    error = cvb_join_mapping(h, name);
    if (!error) {
        error = enter(h);
        if (error < 0)
            undo(h);
    }
    if (error < 0)
        free_memory(h);
    else
        *out = h;
    return error < 0 ? error : 0;
}

static int attach(const char *name, bool observer, struct cvb_handle **out)
{
    if (!out)
        return CVB_EINVAL;
    int before = cvb_guard(), error = make_handle(name, observer, out);
    cvb_unguard(before);
    return error;
}

int cvb_attach(const char *name, struct cvb_handle **out) { return attach(name, false, out); }
int cvb_observe(const char *name, struct cvb_handle **out) { return attach(name, true, out); }

int cvb_detach(struct cvb_handle *h)
{
    if (!h)
        return CVB_EINVAL;
    int before = cvb_guard(), error = h->observer ? cvb_handle_reads(h) : cvb_mapping_check(h);
    if (!error && !h->observer)
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

int cvb_segment_id(struct cvb_handle *h, uint8_t id[CVB_SEGMENT_ID_BYTES])
{
    if (!id)
        return CVB_EINVAL;
    int error = cvb_handle_reads(h);
    if (!error)
        memcpy(id, h->segment.id, CVB_SEGMENT_ID_BYTES);
    return error;
}
