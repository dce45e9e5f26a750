/* handle.c - joining and leaving: a seat is taken by its OFD lock first, and only then does its word say active. */
#include <conveyor/crash.h>
#include <conveyor/segment.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

static atomic_uint serials;

/* A page that the kernel clears in every forked child, also after a raw clone. */
static const uint32_t *make_fork_page(void)
{
    uint32_t *page = mmap(NULL, CVB_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return NULL;
    if (madvise(page, CVB_PAGE, MADV_WIPEONFORK)) {
        munmap(page, CVB_PAGE);
        return NULL;
    }
    *page = 1;
    return page;
}

static void sit(struct cvb_handle *h, uint32_t s)
{
    h->seat = s;
    h->tallies = cvb_tally_at(h, s, 0);
    h->list = (void *)(h->idle + (uint64_t)s * h->idle_stride);
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

/* The class a cell is of; class_count if there is no such cell. */
uint32_t cvb_part_of_cell(const struct cvb_handle *h, uint32_t cell)
{
    const struct cvb_geometry *g = &h->segment.geometry;
    uint32_t p = 0;
    while (p < g->parts && cell - g->part[p].first_cell >= g->part[p].cell_count)
        p++;
    return p;
}

/* The class that the cell is of becomes h->cells; false if there is no such cell. */
CVB_RARE bool cvb_find_cells(struct cvb_handle *h, uint32_t cell)
{
    const struct cvb_geometry *g = &h->segment.geometry;
    uint32_t p = cvb_part_of_cell(h, cell), longest = h->segment.settings.payload_size;
    if (p == g->parts)
        return false;
    h->cells.base = h->segment.base + g->part[p].offset;
    h->cells.first = g->part[p].first_cell;
    h->cells.count = g->part[p].cell_count;
    h->cells.stride = g->part[p].stride;
    h->cells.most = g->part[p].stride < longest ? g->part[p].stride : longest;
    return true;
}

CVB_RARE void cvb_prefetch_others(struct cvb_handle *h, uint32_t u, unsigned records)
{
    const struct cvb_member *m = cvb_members_of(h, u);
    const unsigned room = cvb_unit_room(h, u);
    for (unsigned i = 1; i < records && i < room; i++)
        cvb_prefetch_payload(h, &m[i]);
}

/* Seat s is this handle's from now on; its word was `now` and its lock is held. */
static bool enter_seat(struct cvb_handle *h, uint32_t s, uint64_t now)
{
    uint64_t active = now + (now & 1 ? 2 : 1);
    if (!cvb_cas64(&cvb_seat_at(h, s)->state, now, active))
        return false;
    sit(h, s);
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
        if ((now & 1) != dead || cvb_lock_seat(h->lock_fd, s))
            continue;
        sit(h, h->segment.settings.max_handles);
        int error = dead ? cvb_recover_seat(h, s, now) : 0;
        if (error < 0)
            return error;
        if (enter_seat(h, s, now))
            return dead ? cvb_recover_reserved(h) : 0;
        cvb_unlock_seat(h->lock_fd, s);
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
    h->ends = calloc(s->max_stages, sizeof *h->ends);
    h->pending = calloc(s->max_handles, sizeof *h->pending);
    h->looked_from = calloc(CVB_LOOKS * (size_t)s->max_handles, sizeof *h->looked_from);
    for (unsigned i = 0; h->looked_from && i < CVB_LOOKS; i++)
        h->look[i].from = h->looked_from + i * (size_t)s->max_handles;
    h->counted = calloc(h->segment.geometry.bitmap_words, sizeof *h->counted);
    return h->ends && h->pending && h->looked_from && h->counted;
}

static void free_memory(struct cvb_handle *h)
{
    if (h->same_process)
        munmap((void *)(uintptr_t)h->same_process, CVB_PAGE);
    free(h->ends);
    free(h->looked_from);
    free(h->pending);
    free(h->counted);
    free(h);
}

static int attach(const char *name, bool recover, struct cvb_handle **out)
{
    if (!out)
        return CVB_EINVAL;
    struct cvb_handle *h = calloc(1, sizeof *h);
    if (!h)
        return CVB_ESYSTEM;
    int error = cvb_join_mapping(h, name);
    if (error) {
        free_memory(h);
        return error;
    }
    h->refused_class = CVB_NO_CLASS;
    cvb_marks_set(h);
    h->serial = atomic_fetch_add(&serials, 1) + 1;
    h->same_process = make_fork_page();
    error = h->same_process && allocate(h) ? 0 : CVB_ESYSTEM;
    if (!error) {
        bind_places(h);
        error = find_seat(h);
    }
    if (!error && recover)
        error = cvb_recover(h);
    if (error < 0) {
        cvb_leave_mapping(h);
        free_memory(h);
        return error;
    }
    *out = h;
    return 0;
}

int cvb_attach(const char *name, struct cvb_handle **out) { return attach(name, true, out); }
int cvb_observe(const char *name, struct cvb_handle **out) { return attach(name, false, out); }

int cvb_detach(struct cvb_handle *h)
{
    if (!h)
        return CVB_EINVAL;
    bool mine = !cvb_handle_check(h);
    if (mine)
        cvb_idle_leave(h);
    if (mine && !cvb_leave(h))
        cvb_cas64(&cvb_seat_at(h, h->seat)->state, cvb_load64_acq(&cvb_seat_at(h, h->seat)->state),
                  cvb_load64_acq(&cvb_seat_at(h, h->seat)->state) + 1);
    cvb_leave_mapping(h); /* what a corrupt segment did not let us settle is a dead seat's */
    free_memory(h);
    return mine ? 0 : CVB_EFORKED;
}

int cvb_settings_of(struct cvb_handle *h, struct cvb_settings *settings)
{
    if (!settings)
        return CVB_EINVAL;
    int error = cvb_handle_check(h);
    if (!error)
        *settings = h->segment.settings;
    return error;
}

const char *cvb_error_text(int error)
{
    static const char *const text[] = {"no error",
                                       "an argument is out of its range",
                                       "a system call failed",
                                       "no segment of that name",
                                       "a segment of that name is there already",
                                       "not enough shared memory for the segment",
                                       "no permission for the segment",
                                       "the segment's file is shorter than its header says",
                                       "not a conveyor segment",
                                       "the segment was made by another version",
                                       "the segment was made with another layout",
                                       "the segment is corrupt",
                                       "every handle's seat is taken",
                                       "not a name: 1 to 63 bytes of UTF-8 without control characters",
                                       "one name too many",
                                       "no such stage, source or pipeline",
                                       "the stage's limit is reached",
                                       "the source's limit is reached",
                                       "the limit of all records is reached",
                                       "no free cell that is large enough",
                                       "the record is longer than the payload size",
                                       "the lease was settled before",
                                       "the lease belongs to another handle",
                                       "the handle belongs to the parent process",
                                       "the time is over",
                                       "the handle has lost its seat",
                                       "the wait was interrupted",
                                       "the system refuses a call that is needed"};
    return error > 0 || error < CVB_EUNSUPPORTED ? "unknown error" : text[-error];
}
