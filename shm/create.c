/* create.c - making a segment.
 *
 * The file is made without a name, its space reserved, its content written, and only then linked under its name, which
 * is one atomic step: a creator killed before that leaves nothing; of two creators one gets EEXIST.
 */
#include <conveyor/segment.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "segment.h"
#include "word.h"

int cvb_segment_path(const char *name, char *path, size_t size)
{
    if (!name)
        return CVB_ENAME;
    name += name[0] == '/';
    size_t n = strlen(name);
    if (!n || n > 200 || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
        return CVB_ENAME;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)name[i] < 32 || name[i] == 127)
            return CVB_ENAME;
    int length = snprintf(path, size, "%s/%s", CVB_SHM_DIRECTORY, name);
    return length > 0 && (size_t)length < size ? 0 : CVB_ENAME;
}

static void format_units(char *base, const struct cvb_geometry *g)
{
    struct cvb_unit *unit = (void *)(base + g->units);
    struct cvb_extension *extension = (void *)(base + g->extensions);
    uint64_t *bitmap = (void *)(base + g->bitmaps);
    uint32_t u = 0;
    for (uint32_t p = 0; p < g->parts; p++)
        for (uint32_t c = 0; c < g->part[p].cell_count; u++) {
            uint32_t left = g->part[p].cell_count - c;
            uint32_t room = u < g->large_count ? g->part[p].train : 1;
            uint32_t n = left < room ? left : room;
            struct cvb_member *member = u < g->large_count ? extension[u].member : unit[u].member;
            for (uint32_t i = 0; i < n; i++)
                member[i].cell = g->part[p].first_cell + c++;
            unit[u].class = (uint16_t)p;
            unit[u].word.hi = cvb_hi((uint32_t)((UINT64_C(1) << n) - 1), 0, 0, 0);
            uint32_t which = n > 1 ? CVB_BITMAP_TRAINS(g, p) : CVB_BITMAP_SINGLES(g, p);
            bitmap[(uint64_t)which * g->bitmap_words + u / 64] |= UINT64_C(1) << u % 64;
        }
    for (; u < g->unit_count; u++) {
        uint32_t which = u < g->large_count ? CVB_BITMAP_LARGE(g) : CVB_BITMAP_SMALL(g);
        bitmap[(uint64_t)which * g->bitmap_words + u / 64] |= UINT64_C(1) << u % 64;
    }
    for (u = 0; u < g->unit_count; u++) {
        unit[u].word.lo = cvb_lo_generation(CVB_FREE, 1);
        unit[u].generation = 1;
    }
}

/* The name of id 0, which is there from the start: reference 0 shows seat 0's slot, which seat 0 then gives up. */
static void name_first(char *base, const struct cvb_geometry *g, enum cvb_kind kind, const char *text)
{
    struct cvb_name *name = (struct cvb_name *)(void *)(base + g->names[kind]) + g->name_limit[kind];
    name->length = (uint8_t)strlen(text);
    memcpy(name->text, text, name->length);
    *(uint32_t *)(void *)(base + g->references[kind]) = g->name_limit[kind] + 1;
    ((struct cvb_seat *)(void *)(base + g->seats))->staged[kind] = 0;
}

void cvb_segment_format(char *base, const struct cvb_settings *settings)
{
    struct cvb_geometry g;
    cvb_geometry_of(settings, &g);
    format_units(base, &g);
    struct cvb_seat *seat = (void *)(base + g.seats);
    for (uint32_t s = 0; s <= settings->max_handles; s++)
        for (int k = 0; k < CVB_KINDS; k++)
            seat[s].staged[k] = g.name_limit[k] + s;
    name_first(base, &g, CVB_KIND_STAGE, "dead-letter");
    name_first(base, &g, CVB_KIND_PIPELINE, "default");

    struct cvb_header *header = (void *)base;
    header->magic = CVB_MAGIC;
    header->version = CVB_VERSION;
    header->header_bytes = sizeof *header;
    header->fingerprint = cvb_fingerprint();
    header->size = g.size;
    header->settings = *settings;
    header->checksum = cvb_hash(header, offsetof(struct cvb_header, checksum));
}

static int fill_file(int fd, const struct cvb_settings *settings)
{
    struct cvb_geometry g;
    cvb_geometry_of(settings, &g);
    int error = posix_fallocate(fd, 0, (off_t)g.size);
    if (error) {
        errno = error;
        return error == ENOSPC || error == EFBIG ? CVB_ENOSPC : CVB_ESYSTEM;
    }
    char *base = mmap(NULL, g.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED)
        return CVB_ESYSTEM;
    madvise(base, g.size, MADV_HUGEPAGE);
    cvb_segment_format(base, settings);
    munmap(base, g.size);
    return 0;
}

static int system_error(void)
{
    if (errno == EEXIST)
        return CVB_EEXIST;
    if (errno == ENOENT)
        return CVB_ENOENT;
    return errno == EACCES || errno == EPERM ? CVB_EPERM : CVB_ESYSTEM;
}

/* The settings that were given, or the defaults, with all that is left to the library filled in. 0 or EINVAL. */
static int complete_settings(struct cvb_settings *settings, const struct cvb_settings *given)
{
    memset(settings, 0, sizeof *settings);
    cvb_settings_init(settings);
    if (given)
        memcpy(settings, given, sizeof *settings);
    return cvb_settings_check(settings);
}

int64_t cvb_memory_needed(const struct cvb_settings *given)
{
    struct cvb_settings settings;
    struct cvb_geometry g;
    int error = complete_settings(&settings, given);
    if (error)
        return error;
    cvb_geometry_of(&settings, &g);
    return (int64_t)g.size;
}

int cvb_create(const char *name, const struct cvb_settings *given)
{
    struct cvb_settings settings;
    char path[256], self[64];
    int error = cvb_segment_path(name, path, sizeof path);
    if (!error)
        error = complete_settings(&settings, given);
    if (error)
        return error;
    if (!access(path, F_OK))
        return CVB_EEXIST;
    int fd = open(CVB_SHM_DIRECTORY, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return system_error();
    error = fill_file(fd, &settings);
    if (!error && fchmod(fd, settings.mode))
        error = CVB_ESYSTEM;
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    if (!error && linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW))
        error = system_error();
    int kept = errno;
    close(fd);
    errno = kept;
    return error;
}

int cvb_unlink(const char *name)
{
    char path[256];
    int error = cvb_segment_path(name, path, sizeof path);
    if (error)
        return error;
    return unlink(path) ? system_error() : 0;
}
