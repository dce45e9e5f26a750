/* memory.c - the memory of a handle: the handle itself, the tables that hang on it, and its pointers into the segment.
 */
#include <errno.h>
#include <sys/mman.h>

#include "seat/seat.h"
#include "system.h"

/* Memory that costs nothing until it is used: an attach that cleared its tables spent half of its time in page faults.
 */
static void *map_memory(size_t size)
{
    void *memory = cvb_system.map(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* A handle, behind a page that the kernel clears in every forked child. 0, or an error. */
int cvb_new_handle(struct cvb_handle **out)
{
    void *memory;
    int error = cvb_map_wiped(CVB_PAGE + sizeof(struct cvb_handle), &memory);
    if (error)
        return error;
    uint32_t *same_process = memory;
    *same_process = 1;
    *out = (void *)((char *)memory + CVB_PAGE);
    (*out)->same_process = same_process;
    return 0;
}

/* Lays out a table of so many bytes, behind those that are laid out already. Returns where it lies, or NULL as long as
 * there is no memory for the tables. */
static void *lay_out(struct cvb_handle *h, size_t bytes)
{
    size_t at = h->tables_size;
    h->tables_size += (bytes + CVB_LINE - 1) & ~(size_t)(CVB_LINE - 1);
    return h->tables ? (char *)h->tables + at : NULL;
}

/* Entries of the table of names: at least twice as many as there can be names, and a power of two. */
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
    h->rings = lay_out(h, s->max_stages * sizeof *h->rings);
    h->pending = lay_out(h, s->max_handles * sizeof *h->pending);
    h->counted = lay_out(h, h->segment.geometry.bitmap_words * sizeof *h->counted);
    h->pass.died_in = lay_out(h, s->max_handles * sizeof *h->pass.died_in);
    h->names_size = room_for_names(h);
    h->names = lay_out(h, h->names_size * sizeof *h->names);
    h->scan.from = lay_out(h, s->max_handles * sizeof *h->scan.from);
    h->next_position = lay_out(h, s->max_sources * sizeof *h->next_position);
    h->found = lay_out(h, s->max_sources * sizeof *h->found);
}

/* Gives the handle its tables. False if there is no memory. */
bool cvb_make_tables(struct cvb_handle *h)
{
    lay_out_all(h);
    h->tables = map_memory(h->tables_size);
    if (h->tables)
        lay_out_all(h);
    return h->tables;
}

void cvb_free_handle(struct cvb_handle *h)
{
    int kept = errno;
    if (h->tables)
        cvb_system.unmap(h->tables, h->tables_size);
    cvb_system.unmap((void *)(uintptr_t)h->same_process, CVB_PAGE + sizeof *h);
    errno = kept;
}

/* Binds the pointers of the handle to the segment's parts. */
void cvb_bind_places(struct cvb_handle *h)
{
    const struct cvb_geometry *g = &h->segment.geometry;
    char *base = h->segment.base;
    h->units = (void *)(base + g->units);
    h->extensions = (void *)(base + g->extensions);
    h->counters = (void *)(base + g->counters);
    h->thresholds = (void *)(base + g->thresholds);
    h->flags = (void *)(base + g->flags);
    h->of_sources = &h->flags[cvb_flag_of_source(h, 0)];
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
        struct cvb_ring_view *e = &h->rings[stage];
        e->hint = (struct cvb_hint *)(void *)(base + g->hints) + stage;
        e->data = &h->flags[cvb_flag_of_data(stage)];
        e->bits = stage ? g->ring_bits : g->dead_ring_bits;
        e->ring = ring;
        e->mask = (UINT64_C(1) << e->bits) - 1;
        ring += UINT64_C(1) << e->bits;
    }
}
