/* segment.h - a segment as a file and as a mapping. */
#ifndef CVB_SHM_SEGMENT_H
#define CVB_SHM_SEGMENT_H

#include <stdbool.h>
#include <sys/types.h>

#include "layout.h"

#define CVB_SHM_DIRECTORY "/dev/shm"
#define CVB_SEGMENT_NAME_MAX 200u                 /* bytes of a segment's name */
#define CVB_UNFINISHED_PREFIX ".conveyor-making-" /* of files that become segments: create.c */

struct cvb_segment {
    char *base;
    struct cvb_settings settings; /* validated copies: never read from the segment again */
    struct cvb_geometry geometry;
    uint8_t id[CVB_SEGMENT_ID_BYTES];
};

/* Which file a descriptor shows. */
struct cvb_file {
    dev_t device;
    ino_t inode;
};

/* True if the bytes are UTF-8 without control characters. */
bool cvb_is_text(const char *bytes, size_t n);
/* The path of a segment's file. CVB_ENAME if the name is no good. */
int cvb_segment_path(const char *name, char *path, size_t size);
/* The error for what errno says after a call with a path in CVB_SHM_DIRECTORY; errno stays. */
int cvb_path_error(void);
/* close; errno stays. */
void cvb_close(int fd);
/* Opens and validates; returns a descriptor to be mapped, of an open file of its own. */
int cvb_segment_open(const char *name, bool read_only, struct cvb_segment *segment, struct cvb_file *file);
/* One more open file of the same segment: CVB_ENOENT if the name is of another one now. */
int cvb_segment_reopen(const char *name, bool read_only, const struct cvb_file *file);
/* 1 if the descriptor shows the file, and *size is then its size in bytes; 0 if it does not; an error if that cannot be
 * told. */
int cvb_shows_file(int fd, const struct cvb_file *file, uint64_t *size);
/* Validates only. */
int cvb_segment_look(const char *name, struct cvb_settings *settings, uint64_t *bytes);
int cvb_segment_map(struct cvb_segment *segment, int fd, bool read_only);
void cvb_segment_unmap(struct cvb_segment *segment);
/* Fills a new mapping: everything but the header, then the header. */
void cvb_segment_format(char *base, const struct cvb_settings *settings);
/* Takes the lock on byte `at` for the open file of fd, and for as long as *lock is mapped; fd may be closed then. 1 if
 * somebody else holds it. */
int cvb_lock_take(int fd, uint64_t at, void **lock);
void cvb_lock_drop(void *lock);
/* 1 if an open file other than that of fd holds the lock on byte `at`, 0 if none does. ECORRUPT: no file has such a
 * byte. */
int cvb_lock_held(int fd, uint64_t at);

#endif
