/* create.c - making and removing a segment.
 *
 * The file is made without a name, its space reserved, its content written, and only then linked under its name, which
 * is one atomic step: a creator killed before that leaves nothing; of two creators one gets EEXIST. A file system that
 * has no files without a name, or a system without /proc, through which such a file is linked, gets a file with a name
 * that nobody takes for a segment's, which is renamed; there a creator that is killed leaves that file.
 */
#include <conveyor/segment.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "segment.h"
#include "system.h"
#include "word.h"

#define RESERVE_PIECE UINT64_C(0x1000000) /* bytes reserved at a time: what a signal makes the kernel do again */
#define RESERVE_SECONDS 10                /* the longest that one piece is tried again because signals come */
#define NAMES_TRIED 100                   /* for a file that has to have a name before it is a segment */

int cvb_segment_path(const char *name, char *path, size_t size)
{
    if (!name)
        return CVB_ENAME;
    name += name[0] == '/';
    size_t n = strnlen(name, CVB_SEGMENT_NAME_MAX + 1);
    if (!n || n > CVB_SEGMENT_NAME_MAX || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, "..") ||
        !cvb_is_text(name, n))
        return CVB_ENAME;
    static const char directory[] = CVB_SHM_DIRECTORY "/";
    const size_t before = sizeof directory - 1;
    if (before + n >= size)
        return CVB_ENAME;
    memcpy(path, directory, before);
    memcpy(path + before, name, n + 1);
    return 0;
}

int cvb_path_error(void)
{
    int reason = errno;
    bool directory = !access(CVB_SHM_DIRECTORY, F_OK);
    errno = reason;
    switch (reason) {
    case ENOENT:
        return directory ? CVB_ENOENT : CVB_EUNSUPPORTED;
    case ENOTDIR:
        return CVB_EUNSUPPORTED;
    case EEXIST:
        return CVB_EEXIST;
    case EACCES:
    case EPERM:
    case EROFS:
        return CVB_EPERM;
    case ENOSPC:
    case EDQUOT:
        return CVB_ENOSPC;
    default:
        return CVB_ESYSTEM;
    }
}

void cvb_close(int fd)
{
    int kept = errno;
    cvb_system.close(fd);
    errno = kept;
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

/* Random bytes: the kernel's; where a sandbox refuses those, what no other segment of this machine has. */
static void make_id(uint8_t id[CVB_SEGMENT_ID_BYTES])
{
    static unsigned made;
    if (cvb_system.random(id, CVB_SEGMENT_ID_BYTES) == CVB_SEGMENT_ID_BYTES)
        return;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const uint64_t of[] = {(uint64_t)now.tv_sec, (uint64_t)now.tv_nsec, (uint64_t)getpid(), (uintptr_t)&now,
                           __atomic_add_fetch(&made, 1, __ATOMIC_RELAXED)};
    const uint64_t half[] = {cvb_hash(of, sizeof of), cvb_hash(of, sizeof of - 1)};
    memcpy(id, half, CVB_SEGMENT_ID_BYTES);
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

    struct cvb_retry *retry = (void *)(base + g.retry);
    retry->word = settings->retry_delay_ms | (uint64_t)settings->retry_delay_cap_ms << 32;

    struct cvb_header *header = (void *)base;
    header->magic = CVB_MAGIC;
    header->version = CVB_LAYOUT_VERSION;
    header->header_bytes = sizeof *header;
    header->fingerprint = cvb_fingerprint();
    header->size = g.size;
    header->settings = *settings;
    make_id(header->id);
    ((struct cvb_survey *)(void *)(base + g.survey))->number = 1; /* rows say 0: older than any survey */
    header->checksum = cvb_hash(header, offsetof(struct cvb_header, checksum));
}

/* Reserves a piece of the file's space; it is tried again after a signal. Returns an errno. */
static int reserve_piece(int fd, uint64_t offset, uint64_t bytes)
{
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    int reason;
    do {
        reason = cvb_system.reserve(fd, (off_t)offset, (off_t)bytes);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (reason == EINTR && now.tv_sec - start.tv_sec <= RESERVE_SECONDS);
    return reason;
}

/* The kernel sends SIGXFSZ, which kills by default, to a thread that goes beyond RLIMIT_FSIZE: that comes from here, so
 * it is taken away again. One that was pending before stays. Returns an errno. */
static int reserve(int fd, uint64_t size)
{
    const struct timespec at_once = {0, 0};
    sigset_t excess, before, pending;
    sigemptyset(&excess);
    sigaddset(&excess, SIGXFSZ);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &excess, &before);
    int reason = 0;
    for (uint64_t done = 0; !reason && done < size; done += RESERVE_PIECE)
        reason = reserve_piece(fd, done, size - done < RESERVE_PIECE ? size - done : RESERVE_PIECE);
    if (reason == EFBIG && !sigismember(&pending, SIGXFSZ))
        sigtimedwait(&excess, NULL, &at_once);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return reason;
}

static int fill_file(int fd, const struct cvb_settings *settings)
{
    struct cvb_geometry g;
    cvb_geometry_of(settings, &g);
    int reason = reserve(fd, g.size);
    if (reason) {
        errno = reason;
        return reason == ENOSPC || reason == EFBIG || reason == EDQUOT ? CVB_ENOSPC : CVB_ESYSTEM;
    }
    char *base = cvb_system.map(NULL, g.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED)
        return CVB_ESYSTEM;
    cvb_system.advise(base, g.size, MADV_HUGEPAGE);
    cvb_segment_format(base, settings);
    cvb_system.unmap(base, g.size);
    return cvb_system.set_mode(fd, settings->mode) ? CVB_ESYSTEM : 0;
}

/* 1: there can be no such file here, or it cannot be linked: one with a name is needed. */
static int create_unnamed(const char *path, const struct cvb_settings *settings)
{
    char self[64];
    int fd = cvb_system.open(CVB_SHM_DIRECTORY, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        int error = cvb_path_error();
        return error == CVB_ENOENT || errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL ? 1 : error;
    }
    int error = fill_file(fd, settings);
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    if (!error && cvb_system.link(self, path))
        error = errno == EEXIST || errno == ENOSPC || errno == EROFS ? cvb_path_error() : 1;
    cvb_close(fd);
    return error;
}

/* Gives the file its own name, if nobody has it. */
static int give_name(const char *from, const char *to)
{
    if (!cvb_system.rename_new(from, to))
        return 0;
    if (errno != EINVAL && errno != ENOSYS && errno != EPERM) /* these: it has no such call */
        return cvb_path_error();
    if (cvb_system.link(from, to))
        return cvb_path_error();
    return cvb_system.unlink(from) ? cvb_path_error() : 0;
}

static int open_unfinished(char *path, size_t size)
{
    static unsigned made;
    int fd = -1;
    for (unsigned i = 0; fd < 0 && i < NAMES_TRIED; i++) {
        unsigned n = __atomic_add_fetch(&made, 1, __ATOMIC_RELAXED);
        snprintf(path, size, "%s/%s%d-%u", CVB_SHM_DIRECTORY, CVB_UNFINISHED_PREFIX, (int)getpid(), n);
        fd = cvb_system.open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0 && errno != EEXIST)
            return cvb_path_error();
    }
    return fd < 0 ? CVB_ESYSTEM : fd;
}

static int create_named(const char *path, const struct cvb_settings *settings)
{
    char unfinished[96];
    int fd = open_unfinished(unfinished, sizeof unfinished);
    if (fd < 0)
        return fd;
    int error = fill_file(fd, settings);
    cvb_close(fd);
    if (!error)
        error = give_name(unfinished, path);
    if (error) {
        int kept = errno;
        cvb_system.unlink(unfinished);
        errno = kept;
    }
    return error;
}

static int create(const char *name, const struct cvb_settings *settings)
{
    char path[256];
    int error = cvb_segment_path(name, path, sizeof path);
    if (!error && !access(path, F_OK))
        return CVB_EEXIST;
    if (!error)
        error = create_unnamed(path, settings);
    if (error == 1)
        error = create_named(path, settings);
    return error == CVB_ENOENT ? CVB_ESYSTEM : error; /* that is what was asked for */
}

int64_t cvb_memory_needed_sized(const struct cvb_settings *given, size_t size)
{
    struct cvb_settings settings;
    struct cvb_geometry g;
    int error = cvb_settings_take(&settings, given, size, NULL, 0);
    if (error)
        return error;
    cvb_geometry_of(&settings, &g);
    return (int64_t)g.size;
}

int cvb_create_sized(const char *name, const struct cvb_settings *given, size_t size)
{
    struct cvb_settings settings;
    int error = cvb_settings_take(&settings, given, size, NULL, 0);
    if (error)
        return error;
    int before = cvb_guard();
    error = create(name, &settings);
    cvb_unguard(before);
    return error;
}

/* True if the file was a segment, whichever version of the library made it and whatever state it is in. A name may be
 * mistyped: other files stay. */
static bool was_segment(int looked)
{
    return !looked || looked == CVB_EVERSION || looked == CVB_ELAYOUT || looked == CVB_ECORRUPT ||
           looked == CVB_ETRUNCATED;
}

int cvb_unlink(const char *name)
{
    struct cvb_settings settings;
    uint64_t bytes;
    char path[256];
    int error = cvb_segment_path(name, path, sizeof path);
    if (error)
        return error;
    int before = cvb_guard();
    error = cvb_segment_look(name, &settings, &bytes);
    if (was_segment(error))
        error = cvb_system.unlink(path) ? cvb_path_error() : 0;
    cvb_unguard(before);
    return error;
}
