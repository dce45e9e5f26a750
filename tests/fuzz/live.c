/* live.c - a live segment in which bytes are flipped between the public operations of two handles, and before any
 * access within them.
 *
 * The segment also holds what a dead peer left. Input: operations, each a byte; some of them damage the segment: a part
 * of it, a place in it, and what is written there.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "place/place.h"

enum { HANDLES = 2, MOST_OPERATIONS = 60 };

static char *image;
static size_t image_size;
static struct cvb_handle *handle[HANDLES];
static struct damage {
    uint64_t at, value;
    unsigned bytes;
    bool flip;
} damage;

static char *read_file(size_t *size)
{
    int fd = open(fuzz_path(), O_RDONLY | O_CLOEXEC);
    *size = (size_t)lseek(fd, 0, SEEK_END);
    char *bytes = malloc(*size);
    FUZZ_CHECK(bytes && pread(fd, bytes, *size, 0) == (ssize_t)*size, "the segment cannot be read");
    close(fd);
    return bytes;
}

static void write_file(void)
{
    int fd = open(fuzz_path(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    FUZZ_CHECK(pwrite(fd, image, image_size, 0) == (ssize_t)image_size, "the segment cannot be written");
    close(fd);
}

static void remove_file(void) { unlink(fuzz_path()); }

/* The image: records in each state, names, and a seat whose owner is gone. */
static void make_image(void)
{
    static const uint8_t script[] = {0,  1, 0, 0, 3, 30, 0, 0, 1, 1,  3, 1, 1, 3,
                                     90, 1, 1, 1, 2, 2,  0, 1, 3, 40, 0, 3, 2};
    struct fuzz_input in = {script, script + sizeof script};
    struct cvb_settings s = fuzz_settings();
    struct cvb_handle *h;
    uint32_t id;
    unlink(fuzz_path());
    atexit(remove_file);
    FUZZ_CHECK(!cvb_create(fuzz_segment(), &s) && !cvb_attach(fuzz_segment(), &h), "no segment");
    FUZZ_CHECK(!cvb_stage(h, "filter", &id) && !cvb_source(h, "kafka-1", &id), "no names");
    fuzz_name_all(h);
    while (in.at < in.end)
        fuzz_operation(h, fuzz_number(&in, 1), &in);
    image = read_file(&image_size); /* as of somebody killed now: active, and nobody holds the lock */
    cvb_detach(h);
    fuzz_forget();
}

static void do_damage(void)
{
    char *at = handle[0] ? handle[0]->segment.base + damage.at : NULL;
    uint64_t word = 0;
    if (!at)
        return;
    memcpy(&word, at, damage.bytes);
    word = damage.flip ? word ^ damage.value : damage.value;
    memcpy(at, &word, damage.bytes);
}

/* The parts are of very different sizes, so each has its turn; words are at multiples of their size. */
static void plan_damage(struct fuzz_input *in, unsigned delay)
{
    const struct cvb_geometry *g = &handle[0]->segment.geometry;
    const uint64_t bound[] = {g->counters, g->flags, g->hints,      g->seats,   g->idle,  g->tallies, g->references[0],
                              g->names[0], g->units, g->extensions, g->bitmaps, g->rings, g->cells};
    enum { PARTS = sizeof bound / sizeof bound[0] - 1 };
    uint32_t how = fuzz_number(in, 1), part = how % 16 < PARTS ? how % 16 : 8, place = fuzz_number(in, 2);
    damage.flip = how & 128;
    damage.bytes = how & 64 ? 8 : how & 32 ? 4 : 1;
    damage.at = bound[part] + place * damage.bytes % (bound[part + 1] - bound[part]);
    damage.value = fuzz_number(in, damage.bytes > 4 ? 4 : damage.bytes);
    if (damage.bytes > 4)
        damage.value |= (uint64_t)fuzz_number(in, 4) << 32;
    if (delay)
        fuzz_at_access(delay, do_damage);
    else
        do_damage();
}

static void attach(unsigned i)
{
    fuzz_begin("attach");
    int error = handle[i] ? 0 : cvb_attach(fuzz_segment(), &handle[i]);
    FUZZ_CHECK(!error || error == CVB_ECORRUPT || error == CVB_EHANDLES || error == CVB_ELAYOUT ||
                   error == CVB_EMAGIC || error == CVB_EVERSION,
               "it gave %d", error);
    if (error)
        handle[i] = NULL;
}

static void detach(unsigned i)
{
    fuzz_begin("detach");
    int error = handle[i] ? cvb_detach(handle[i]) : 0;
    FUZZ_CHECK(!error || error == CVB_ELOST || error == CVB_ECORRUPT, "it gave %d", error);
    handle[i] = NULL;
}

static void step(struct fuzz_input *in)
{
    uint32_t op = fuzz_number(in, 1), i = op >> 7;
    if ((op & 15) < 12 && handle[i])
        fuzz_operation(handle[i], op & 15, in);
    else if ((op & 15) == 12)
        detach(i);
    else if ((op & 15) == 13)
        attach(i);
    else if (handle[0])
        plan_damage(in, op & 1 ? 0 : 1 + fuzz_number(in, 2) % 512);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, data + size};
    if (!image)
        make_image();
    write_file();
    fuzz_forget();
    fuzz_clock_ns = 1;
    attach(0);
    attach(1);
    for (unsigned n = 0; n < MOST_OPERATIONS && in.at < in.end; n++)
        step(&in);
    for (unsigned i = HANDLES; i-- > 0;)
        detach(i);
    fuzz_at_access(0, NULL);
    return 0;
}
