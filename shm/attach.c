/* attach.c - opening and validating a segment, and the locks that say who lives.
 *
 * Nothing in the file is trusted: the header's settings are checked as if a user had given them, the geometry is
 * computed from them anew, and the file must be as large as that. What is used later is the process's own copy.
 *
 * A seat's lock is an OFD lock on an open file description that is never mapped, because a lock lives on while a
 * mapping of its description does; SIGKILL frees it, SIGSTOP does not, and it means the same in every pid namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "segment.h"

static int check_header(const struct cvb_header *h, ssize_t bytes, off_t size, struct cvb_segment *segment)
{
    if (bytes < (ssize_t)sizeof h->magic)
        return CVB_ETRUNCATED;
    if (h->magic != CVB_MAGIC)
        return CVB_EMAGIC;
    if (bytes < (ssize_t)sizeof *h)
        return CVB_ETRUNCATED;
    if (h->version != CVB_VERSION)
        return CVB_EVERSION;
    if (h->header_bytes != sizeof *h || h->fingerprint != cvb_fingerprint())
        return CVB_ELAYOUT;
    if (h->checksum != cvb_hash(h, offsetof(struct cvb_header, checksum)))
        return CVB_ECORRUPT;
    segment->settings = h->settings;
    if (!h->settings.class_count || cvb_settings_check(&segment->settings))
        return CVB_ECORRUPT;
    cvb_geometry_of(&segment->settings, &segment->geometry);
    if (h->size != segment->geometry.size)
        return CVB_ECORRUPT;
    return (uint64_t)size < segment->geometry.size ? CVB_ETRUNCATED : 0;
}

static int validate(int fd, struct cvb_segment *segment)
{
    struct cvb_header header;
    struct stat st;
    memset(&header, 0, sizeof header);
    if (fstat(fd, &st))
        return CVB_ESYSTEM;
    if (!S_ISREG(st.st_mode))
        return CVB_EMAGIC;
    ssize_t bytes = pread(fd, &header, sizeof header, 0);
    return bytes < 0 ? CVB_ESYSTEM : check_header(&header, bytes, st.st_size, segment);
}

static int open_file(const char *name, int flags)
{
    char path[256];
    int error = cvb_segment_path(name, path, sizeof path);
    if (error)
        return error;
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0)
        return fd;
    return errno == ENOENT                                       ? CVB_ENOENT
           : errno == EACCES || errno == EPERM                   ? CVB_EPERM
           : errno == EISDIR || errno == ENXIO || errno == ELOOP ? CVB_EMAGIC
                                                                 : CVB_ESYSTEM;
}

int cvb_segment_look(const char *name, struct cvb_settings *settings, uint64_t *bytes)
{
    struct cvb_segment segment;
    int fd = open_file(name, O_RDONLY), error = fd < 0 ? fd : validate(fd, &segment);
    if (fd >= 0)
        close(fd);
    if (error)
        return error;
    *settings = segment.settings;
    *bytes = segment.geometry.size;
    return 0;
}

int cvb_segment_open(const char *name, struct cvb_segment *segment, int *lock_fd)
{
    char self[64];
    int fd = open_file(name, O_RDWR);
    if (fd < 0)
        return fd;
    int error = validate(fd, segment);
    if (!error) {
        snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
        *lock_fd = open(self, O_RDWR | O_CLOEXEC);
        if (*lock_fd >= 0)
            return fd;
        error = CVB_ESYSTEM;
    }
    int kept = errno;
    close(fd);
    errno = kept;
    return error;
}

int cvb_segment_map(struct cvb_segment *segment, int fd)
{
    segment->base = mmap(NULL, segment->geometry.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (segment->base == MAP_FAILED)
        return CVB_ESYSTEM;
    madvise(segment->base, segment->geometry.size, MADV_HUGEPAGE);
    return 0;
}

void cvb_segment_unmap(struct cvb_segment *segment)
{
    munmap(segment->base, segment->geometry.size);
    segment->base = NULL;
}

static struct flock seat_lock(short type, uint32_t seat)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)seat, .l_len = 1};
}

int cvb_lock_seat(int fd, uint32_t seat)
{
    struct flock lock = seat_lock(F_WRLCK, seat);
    return fcntl(fd, F_OFD_SETLK, &lock) ? CVB_ESYSTEM : 0;
}

int cvb_unlock_seat(int fd, uint32_t seat)
{
    struct flock lock = seat_lock(F_UNLCK, seat);
    return fcntl(fd, F_OFD_SETLK, &lock) ? CVB_ESYSTEM : 0;
}

int cvb_seat_locked(int fd, uint32_t seat)
{
    struct flock lock = seat_lock(F_WRLCK, seat);
    if (fcntl(fd, F_OFD_GETLK, &lock))
        return CVB_ESYSTEM;
    return lock.l_type != F_UNLCK;
}
