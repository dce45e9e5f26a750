/* races.c - a hostile process that waits for its moment: each kind of damage, to all units, names or journals at once,
 * before each access of each operation. Whatever was checked before may be otherwise when it is used.
 *
 * The caller's arrays are as long as he said and no longer, so the address sanitizer sees what is read or written
 * beyond.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "place/named.h"

static struct cvb_handle *h;
static char *image;
static size_t image_size;
static bool struck;

static void each_unit(void (*change)(struct cvb_unit *unit, uint32_t u))
{
    for (uint32_t u = 0; u < h->segment.geometry.unit_count; u++)
        change(cvb_unit_at(h, u), u);
}

static void fill_mask(struct cvb_unit *unit, uint32_t u) { (void)u, unit->word.hi |= UINT64_C(0xffffffff); }
static void add_members(struct cvb_unit *unit, uint32_t u) { (void)u, unit->word.hi |= 7; }
static void empty_mask(struct cvb_unit *unit, uint32_t u) { (void)u, unit->word.hi &= ~UINT64_C(0xffffffff); }
static void wrong_stage(struct cvb_unit *unit, uint32_t u) { (void)u, unit->word.hi |= UINT64_C(0xfff) << 32; }
static void wrong_seat(struct cvb_unit *unit, uint32_t u) { (void)u, unit->word.hi |= UINT64_C(0x3ff) << 44; }
static void wrong_source(struct cvb_unit *unit, uint32_t u) { (void)u, unit->source = unit->class = 0xffff; }
static void lease_all(struct cvb_unit *unit, uint32_t u)
{
    (void)u;
    unit->word.lo = (unit->word.lo & ~(UINT64_C(15) << 60)) | (uint64_t)CVB_LEASED << 60;
}
static void lengthen(struct cvb_unit *unit, uint32_t u)
{
    (void)unit;
    for (unsigned i = 0; i < cvb_unit_room(h, u); i++)
        cvb_member_at(h, u, i)->extent = 128;
}
static void wrong_cells(struct cvb_unit *unit, uint32_t u)
{
    (void)unit;
    for (unsigned i = 0; i < cvb_unit_room(h, u); i++)
        cvb_member_at(h, u, i)->cell = UINT32_MAX - i;
}

static void damage_masks(void) { each_unit(fill_mask); }
static void damage_counts(void) { each_unit(add_members); }
static void damage_members(void) { each_unit(empty_mask); }
static void damage_stages(void) { each_unit(wrong_stage); }
static void damage_seats(void) { each_unit(wrong_seat); }
static void damage_sources(void) { each_unit(wrong_source); }
static void damage_states(void) { each_unit(lease_all); }
static void damage_lengths(void) { each_unit(lengthen); }
static void damage_cells(void) { each_unit(wrong_cells); }
static void damage_part(uint64_t from, uint64_t to, int byte) { memset(h->segment.base + from, byte, to - from); }
static void damage_names(void)
{
    damage_part(h->segment.geometry.names[0], h->segment.geometry.references[1], 0xff);
    damage_part(h->segment.geometry.names[1], h->segment.geometry.references[2], 0xff);
}
static void damage_delays(void)
{
    for (uint64_t at = h->segment.geometry.due; at < h->segment.geometry.rings; at += 8)
        *(uint64_t *)(void *)(h->segment.base + at) = 1; /* was due long ago */
}
static void damage_given(void) { damage_part(h->segment.geometry.flags, h->segment.geometry.lookout, 0xff); }
static void damage_progress(void) { damage_part(h->segment.geometry.moved, h->segment.geometry.references[0], 0xff); }
static void damage_headers(void) { damage_part(h->segment.geometry.cells, h->segment.geometry.size, 0xff); }
static void damage_rings(void) { damage_part(h->segment.geometry.rings, h->segment.geometry.cells, 0xff); }
static void damage_idle(void) { damage_part(h->segment.geometry.idle, h->segment.geometry.tallies, 0xff); }
static void damage_hints(void) { damage_part(h->segment.geometry.hints, h->segment.geometry.seats, 0x7f); }
static void damage_counters(void) { damage_part(h->segment.geometry.counters, h->segment.geometry.flags, 0x5a); }
static void damage_journals(void)
{
    for (uint32_t s = 0; s <= h->segment.settings.max_handles; s++)
        memset((char *)&cvb_seat_at(h, s)->journal + 8, 0xff, sizeof(struct cvb_journal) - 8);
}

static const struct {
    const char *what;
    void (*now)(void);
} damages[] = {{"full masks", damage_masks},    {"masks of three", damage_counts}, {"empty masks", damage_members},
               {"stages", damage_stages},       {"seats", damage_seats},           {"sources", damage_sources},
               {"leased units", damage_states}, {"lengths", damage_lengths},       {"cells", damage_cells},
               {"names", damage_names},         {"rings", damage_rings},           {"idle lists", damage_idle},
               {"hints", damage_hints},         {"counters", damage_counters},     {"journals", damage_journals},
               {"delays", damage_delays},       {"what is given", damage_given},   {"progress", damage_progress},
               {"headers", damage_headers}};
enum { DAMAGES = sizeof damages / sizeof damages[0] };

static const char text[100] = "what a record holds";

static void put_two(void)
{
    static uint64_t at;
    at += 2;
    const struct cvb_record r[2] = {{.payload = text, .length = 100, .position = at - 1},
                                    {.payload = text, .length = 90, .position = at}};
    int why;
    cvb_buffer_batch_for_stage(h, 1, r, 2, &why);
}
static void put_four(void)
{
    const struct cvb_record r[4] = {{.payload = text, .length = 40},
                                    {.payload = text, .length = 40},
                                    {.payload = text, .length = 30},
                                    {.payload = text, .length = 40}};
    int why;
    cvb_buffer_batch_for_stage(h, 1, r, 4, &why);
}
static void put_one(void)
{
    const struct cvb_record r = {.payload = text, .length = 30, .source = 1, .header = text, .header_length = 5};
    cvb_buffer_for_stage(h, 2, &r);
}
static void reserve_two(void)
{
    struct cvb_slot slot[2];
    const struct cvb_record shape = {.length = 100};
    int why, got = cvb_reserve(h, 1, &shape, slot, 2, &why);
    for (int i = 0; i < got; i++)
        memset(slot[i].payload, 1, slot[i].length);
    if (got > 0)
        cvb_publish(h, slot, (size_t)got);
}
static void get_one_and(int (*settle)(const struct cvb_lease *lease, size_t n))
{
    struct cvb_lease lease[1];
    int got = cvb_get_batch(h, 1, lease, 1);
    if (got > 0)
        settle(lease, (size_t)got);
}
static int ack(const struct cvb_lease *l, size_t n) { return cvb_ack(h, l, n); }
static int give_back(const struct cvb_lease *l, size_t n) { return cvb_return_to_buffer(h, l, n); }
static int forward(const struct cvb_lease *l, size_t n) { return cvb_forward(h, 2, l, n, NULL); }
static int replace(const struct cvb_lease *l, size_t n)
{
    const struct cvb_record r[1] = {{.payload = text, .length = 60}};
    return cvb_forward_records(h, 2, l, r, n, NULL);
}
static void get_ack(void) { get_one_and(ack); }
static void get_all_ack(void)
{
    struct cvb_lease lease[6];
    int got = cvb_get_batch(h, 1, lease, 3); /* takes a part of the second train */
    int more = got > 0 ? cvb_get_batch(h, 1, lease + got, 3) : 0;
    got += more > 0 ? more : 0;
    for (int i = 0; i < got; i++)
        FUZZ_CHECK(lease[i].stage < h->segment.settings.max_stages &&
                       cvb_place_of(lease[i].source) < h->segment.settings.max_sources,
                   "a lease of what does not exist");
    if (got > 0)
        cvb_ack(h, lease, (size_t)got);
}
static int put_off(const struct cvb_lease *l, size_t n) { return cvb_return_after(h, l, n, 1); }
static void get_put_off(void)
{
    get_one_and(put_off);
    fuzz_clock_ns += 8000000;
    get_one_and(ack);
}
static void get_return(void) { get_one_and(give_back); }
static void get_forward(void) { get_one_and(forward); }
static void get_replace(void) { get_one_and(replace); }
static void take_two(void)
{
    struct cvb_record taken[2];
    const size_t size = 2 * (100 + FUZZ_HEADER);
    char *buffer = malloc(size);
    cvb_take_batch(h, 1, taken, 2, buffer, size);
    free(buffer);
}
static void read_names(void)
{
    char name[CVB_NAME_MAX + 1];
    for (uint32_t id = 0; id < 3; id++)
        if (!cvb_stage_name(h, id, name) || !cvb_source_name(h, id, name))
            FUZZ_CHECK(memchr(name, 0, sizeof name), "a name has no end");
}
static void new_name(void)
{
    uint32_t id;
    cvb_source(h, "kafka-2", &id);
}
static void set_limits(void)
{
    cvb_set_limit(h, 1, CVB_NO_SOURCE, 3);
    cvb_set_thresholds(h, 0.5, 0.25);
}
static void give_by_hand(void)
{
    struct cvb_given given;
    cvb_signal(h, 1, CVB_NO_SOURCE, CVB_SIGNAL_PAUSE, 0, "a reason");
    cvb_hold_stage(h, 2, 1, "a reason");
    if (!cvb_signal_of(h, 1, CVB_NO_SOURCE, &given) || !cvb_hold_of(h, 2, &given))
        FUZZ_CHECK(memchr(given.reason, 0, sizeof given.reason), "a reason has no end");
}
static void read_events(void)
{
    uint64_t cursor = 0, missed;
    struct cvb_event e;
    for (unsigned i = 0; i < 2 * CVB_EVENTS && cvb_event_next(h, &cursor, &e, &missed) > 0; i++)
        FUZZ_CHECK(memchr(e.text, 0, sizeof e.text), "an event's text has no end");
}
static void go_on(void)
{
    struct cvb_progress p, all[64];
    struct cvb_settings s;
    uint64_t accepted;
    cvb_source_open(h, 0, &accepted);
    cvb_source_close(h, 0);
    cvb_source_progress(h, 0, &p);
    if (!cvb_settings_of(h, &s) && s.max_sources <= 64)
        cvb_progress_all(h, all);
}
static void recover(void) { cvb_recover(h); }
static void audit(void)
{
    struct cvb_audit a;
    cvb_audit(h, &a);
}

static const struct {
    const char *name;
    void (*run)(void);
} operations[] = {{"put of two", put_two},
                  {"put of one", put_one},
                  {"reserve and publish", reserve_two},
                  {"put of four", put_four},
                  {"get and ack", get_ack},
                  {"get and ack all", get_all_ack},
                  {"get and return", get_return},
                  {"get and forward", get_forward},
                  {"get and replace", get_replace},
                  {"take", take_two},
                  {"names", read_names},
                  {"a new name", new_name},
                  {"recover", recover},
                  {"audit", audit},
                  {"get and put off", get_put_off},
                  {"limits", set_limits},
                  {"by hand", give_by_hand},
                  {"events", read_events},
                  {"source and progress", go_on}};
enum { OPERATIONS = sizeof operations / sizeof operations[0] };

/* A batch of two in stage 1, another of four behind it, a single, and what a dead peer had leased, reserved and put. */
static void make_image(void)
{
    struct cvb_settings s = fuzz_settings();
    s.max_per_stage = s.max_per_source = 12; /* room for what the operations put */
    struct cvb_lease lease[1];
    struct cvb_slot slot[1];
    const struct cvb_record shape = {.length = 20};
    uint32_t id;
    int why;
    unlink(fuzz_path());
    FUZZ_CHECK(!cvb_create(fuzz_segment(), &s) && !cvb_attach(fuzz_segment(), &h), "no segment");
    FUZZ_CHECK(!cvb_stage(h, "filter", &id) && !cvb_stage(h, "sink", &id) && !cvb_source(h, "kafka-1", &id),
               "no names");
    fuzz_name_all(h);
    put_one();
    FUZZ_CHECK(cvb_get_batch(h, 2, lease, 1) == 1 && cvb_reserve(h, 2, &shape, slot, 1, &why) == 1, "no lease");
    put_two();
    put_four();
    int fd = open(fuzz_path(), O_RDONLY | O_CLOEXEC);
    image_size = h->segment.geometry.size;
    image = malloc(image_size);
    FUZZ_CHECK(image && pread(fd, image, image_size, 0) == (ssize_t)image_size, "no image");
    close(fd);
    cvb_detach(h);
}

static const char *doing, *harming;
static uint32_t before;
static void strike(void)
{
    struck = true;
    for (int i = 0; i < DAMAGES; i++)
        if (damages[i].what == harming)
            damages[i].now();
}

/* One operation, struck before access number `access`; false if it has not so many. */
static bool play(int op, int damage, uint32_t access)
{
    int fd = open(fuzz_path(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    FUZZ_CHECK(pwrite(fd, image, image_size, 0) == (ssize_t)image_size, "the segment cannot be written");
    close(fd);
    fuzz_clock_ns = 1;
    FUZZ_CHECK(!cvb_attach(fuzz_segment(), &h), "no handle");
    doing = operations[op].name;
    harming = damages[damage].what;
    before = access;
    struck = false;
    fuzz_begin(doing);
    fuzz_at_access(access, strike);
    operations[op].run();
    fuzz_at_access(0, NULL);
    fuzz_begin("detach");
    cvb_detach(h);
    return struck;
}

void __asan_on_error(void);
void __asan_on_error(void) { fprintf(stderr, "in %s, %s damaged before access %u\n", doing, harming, before); }

static bool is_wanted(int op, char **names)
{
    bool wanted = !*names;
    for (; *names; names++)
        wanted |= !strcmp(*names, operations[op].name);
    return wanted;
}

/* The arguments name operations; none: all. */
int main(int argc, char **argv)
{
    (void)argc;
    long cases = 0;
    make_image();
    for (int op = 0; op < OPERATIONS; op++)
        for (int damage = 0; damage < DAMAGES && is_wanted(op, argv + 1); damage++)
            for (uint32_t access = 0; play(op, damage, access); access++)
                cases++;
    unlink(fuzz_path());
    printf("races    %ld cases: %d operations, %d kinds of damage, before each access: no finding\n", cases, OPERATIONS,
           DAMAGES);
    return 0;
}
