/* attach.c - opening and validating a segment, and the locks that say who lives.
 *
 * Nothing in the file is trusted: the header's settings are checked as if a user had given them, the geometry is
 * computed from them anew, and the file must be as large as that. What is used later is the process's own copy.
 *
 * A handle's lock is an OFD lock: SIGKILL frees it, SIGSTOP does not, and it means the same in every pid namespace. It
 * belongs to an open file, which lives as long as a descriptor or a mapping refers to it. Each handle has an open file
 * of its own, of which one page is mapped and no descriptor is kept: a program that closes all descriptors cannot lose
 * the lock, and a forked child has neither the descriptor nor, by MADV_DONTFORK, the mapping. So the lock ends with
 * munmap, exec or the process's death, and nothing else. Who holds a lock is asked with F_OFD_GETLK, which needs no
 * right to write: an observer asks with a descriptor that is open for reading only. Who may read the file may put read
 * locks on it: those say nothing of who lives, but keep others from attaching.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "segment.h"
#include "system.h"

static int check_header(const struct cvb_header *h, ssize_t bytes, off_t size, struct cvb_segment *segment)
{
    const uint64_t magic = CVB_MAGIC;
    if (bytes < (ssize_t)sizeof h->magic)
        return memcmp(h, &magic, (size_t)bytes) ? CVB_EMAGIC : CVB_ETRUNCATED;
    if (h->magic != CVB_MAGIC)
        return CVB_EMAGIC;
    if (bytes < (ssize_t)sizeof *h)
        return CVB_ETRUNCATED;
    if (h->version != CVB_LAYOUT_VERSION)
        return CVB_EVERSION;
    if (h->header_bytes != sizeof *h || h->fingerprint != cvb_fingerprint())
        return CVB_ELAYOUT;
    if (h->checksum != cvb_hash(h, offsetof(struct cvb_header, checksum)))
        return CVB_ECORRUPT;
    segment->settings = h->settings;
    memcpy(segment->id, h->id, sizeof segment->id);
    if (!h->settings.class_count || cvb_settings_complete(&segment->settings, NULL, 0))
        return CVB_ECORRUPT;
    cvb_geometry_of(&segment->settings, &segment->geometry);
    if (h->size != segment->geometry.size)
        return CVB_ECORRUPT;
    return (uint64_t)size < segment->geometry.size ? CVB_ETRUNCATED : 0;
}

static int validate(int fd, struct cvb_segment *segment, struct cvb_file *file)
{
    struct cvb_header header;
    struct stat st;
    memset(&header, 0, sizeof header);
    if (cvb_system.status(fd, &st))
        return CVB_ESYSTEM;
    if (!S_ISREG(st.st_mode))
        return CVB_EMAGIC;
    *file = (struct cvb_file){st.st_dev, st.st_ino};
    ssize_t bytes = cvb_system.read_at(fd, &header, sizeof header, 0);
    return bytes < 0 ? CVB_ESYSTEM : check_header(&header, bytes, st.st_size, segment);
}

static int open_file(const char *name, int flags)
{
    char path[256];
    int error = cvb_segment_path(name, path, sizeof path);
    if (error)
        return error;
    int fd = cvb_system.open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd >= 0)
        return fd;
    return errno == EISDIR || errno == ENXIO || errno == ELOOP ? CVB_EMAGIC : cvb_path_error();
}

int cvb_segment_look(const char *name, struct cvb_settings *settings, uint64_t *bytes)
{
    struct cvb_segment segment;
    struct cvb_file file;
    int fd = open_file(name, O_RDONLY), error = fd < 0 ? fd : validate(fd, &segment, &file);
    if (fd >= 0)
        cvb_close(fd);
    if (error)
        return error;
    *settings = segment.settings;
    *bytes = segment.geometry.size;
    return 0;
}

int cvb_segment_open(const char *name, bool read_only, struct cvb_segment *segment, struct cvb_file *file)
{
    int fd = open_file(name, read_only ? O_RDONLY : O_RDWR), error = fd < 0 ? fd : validate(fd, segment, file);
    if (fd >= 0 && error)
        cvb_close(fd);
    return error ? error : fd;
}

int cvb_shows_file(int fd, const struct cvb_file *file, uint64_t *size)
{
    struct stat st;
    if (fd < 0)
        return 0;
    if (cvb_system.status(fd, &st))
        return errno == EBADF ? 0 : CVB_ESYSTEM;
    *size = (uint64_t)st.st_size;
    return st.st_dev == file->device && st.st_ino == file->inode;
}

int cvb_segment_reopen(const char *name, bool read_only, const struct cvb_file *file)
{
    uint64_t size;
    int fd = open_file(name, read_only ? O_RDONLY : O_RDWR), shows = fd < 0 ? 0 : cvb_shows_file(fd, file, &size);
    if (fd < 0 || shows == 1)
        return fd;
    cvb_close(fd);
    return shows < 0 ? shows : CVB_ENOENT;
}

int cvb_segment_map(struct cvb_segment *segment, int fd, bool read_only)
{
    const int protection = read_only ? PROT_READ : PROT_READ | PROT_WRITE;
    segment->base = cvb_system.map(NULL, segment->geometry.size, protection, MAP_SHARED, fd, 0);
    if (segment->base == MAP_FAILED)
        return CVB_ESYSTEM;
    cvb_system.advise(segment->base, segment->geometry.size, MADV_HUGEPAGE); /* without it, it is slower only */
    return 0;
}

void cvb_segment_unmap(struct cvb_segment *segment)
{
    cvb_system.unmap(segment->base, segment->geometry.size);
    segment->base = NULL;
}

/* What errno says of a lock that could be neither had nor asked for. */
static int lock_error(void) { return errno == EBADF || errno == ENOMEM ? CVB_ESYSTEM : CVB_EUNSUPPORTED; }

static struct flock lock_on(uint64_t at)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)at, .l_len = 1};
}

/* A lock was refused because of another one. 1 if that is a handle's, CVB_ESYSTEM (EAGAIN) if it is no handle's. */
static int why_locked(int fd, uint64_t at)
{
    struct flock other = lock_on(at);
    if (cvb_system.lock(fd, F_OFD_GETLK, &other))
        return lock_error();
    errno = EAGAIN;
    return other.l_type == F_RDLCK ? CVB_ESYSTEM : 1;
}

int cvb_lock_take(int fd, uint64_t at, void **lock)
{
    struct flock wanted = lock_on(at);
    if (cvb_system.lock(fd, F_OFD_SETLK, &wanted))
        return errno == EAGAIN ? why_locked(fd, at) : lock_error();
    void *page = cvb_system.map(NULL, CVB_PAGE, PROT_NONE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        return CVB_ESYSTEM;
    if (cvb_system.advise(page, CVB_PAGE, MADV_DONTFORK)) {
        cvb_lock_drop(page);
        return CVB_EUNSUPPORTED;
    }
    *lock = page;
    return 0;
}

void cvb_lock_drop(void *lock)
{
    int kept = errno;
    cvb_system.unmap(lock, CVB_PAGE);
    errno = kept;
}

int cvb_lock_held(int fd, uint64_t at)
{
    if (at > INT64_MAX)
        return CVB_ECORRUPT; /* no file is so long: the number was not a handle's */
    struct flock lock = lock_on(at);
    if (cvb_system.lock(fd, F_OFD_GETLK, &lock))
        return lock_error();
    return lock.l_type == F_WRLCK;
}
