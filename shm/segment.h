/* segment.h - a segment as a file and as a mapping. */
#ifndef CVB_SHM_SEGMENT_H
#define CVB_SHM_SEGMENT_H

#include "layout.h"

#define CVB_SHM_DIRECTORY "/dev/shm"

struct cvb_segment {
    char *base;
    struct cvb_settings settings; /* validated copies: never read from the segment again */
    struct cvb_geometry geometry;
};

/* The path of a segment's file. CVB_ENAME if the name is no good. */
int cvb_segment_path(const char *name, char *path, size_t size);
/* Opens and validates; returns the descriptor to be mapped. lock_fd gets an open file description of its own that never
 * is. */
int cvb_segment_open(const char *name, struct cvb_segment *segment, int *lock_fd);
/* Validates only. */
int cvb_segment_look(const char *name, struct cvb_settings *settings, uint64_t *bytes);
int cvb_segment_map(struct cvb_segment *segment, int fd);
void cvb_segment_unmap(struct cvb_segment *segment);
/* Fills a new mapping: everything but the header, then the header. */
void cvb_segment_format(char *base, const struct cvb_settings *settings);
/* Seats: the OFD lock on byte `seat`. */
int cvb_lock_seat(int fd, uint32_t seat);
int cvb_unlock_seat(int fd, uint32_t seat);
/* 1 if somebody holds it, 0 if nobody, negative error. */
int cvb_seat_locked(int fd, uint32_t seat);

#endif
