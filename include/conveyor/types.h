/* types.h - settings, records, leases, errors.
 *
 * Structs grow: later versions have more members at the end of settings, counts, audit, census, peer and backpressure.
 * A function that reads or fills one has a second form, whose name ends with _sized and whose last argument is the size
 * that the caller's headers give the struct; the plain form is inline and passes it. Who calls without these headers,
 * from another language, calls the second form. What the caller's struct does not have is left out, or has its default;
 * what only the caller's has is filled with 0, or EINVAL if it is given and not 0. Records, leases and slots come in
 * arrays, and have reserved members instead. */
#ifndef CONVEYOR_TYPES_H
#define CONVEYOR_TYPES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CVB_API __attribute__((visibility("default")))
#define CVB_NAME_MAX 63          /* bytes of a name, without its end */
#define CVB_REASON_MAX 63        /* bytes of the reason of a signal, without its end */
#define CVB_CLASSES_MAX 4        /* size classes */
#define CVB_SEGMENT_ID_BYTES 16  /* cvb_segment_id */
#define CVB_STAGE_DEAD_LETTER 0u /* the id and ("dead-letter") the stage of records past their retry limit */

/* Functions return 0 or a count on success and one of these, negative, on failure. */
enum cvb_error {
    CVB_EINVAL = -1,        /* an argument is out of its range */
    CVB_ESYSTEM = -2,       /* a system call failed; errno says why */
    CVB_ENOENT = -3,        /* no segment of that name */
    CVB_EEXIST = -4,        /* a segment of that name is there already */
    CVB_ENOSPC = -5,        /* not enough shared memory for the segment */
    CVB_EPERM = -6,         /* the segment's mode does not let this user in, or /dev/shm is read-only: errno */
    CVB_ETRUNCATED = -7,    /* the file is shorter than its header says */
    CVB_EMAGIC = -8,        /* not a segment of this library */
    CVB_EVERSION = -9,      /* made by another version of the layout */
    CVB_ELAYOUT = -10,      /* same version, other structs: another build */
    CVB_ECORRUPT = -11,     /* a number in the segment is out of its bounds */
    CVB_EHANDLES = -12,     /* every seat is taken: max_handles */
    CVB_ENAME = -13,        /* empty, too long, not UTF-8, or with a control character */
    CVB_ENAMES = -14,       /* one name too many: max_stages, max_sources, max_pipelines */
    CVB_EUNKNOWN = -15,     /* no such stage, source or pipeline */
    CVB_ESTAGE_FULL = -16,  /* max_per_stage */
    CVB_ESOURCE_FULL = -17, /* max_per_source */
    CVB_ETOTAL_FULL = -18,  /* max_total_records */
    CVB_EMEMORY_FULL = -19, /* no free cell of a class that is large enough */
    CVB_ETOOLONG = -20,     /* the record is longer than payload_size, or its header longer than header_size */
    CVB_ESETTLED = -21,     /* the lease was settled before */
    CVB_EFOREIGN = -22,     /* the lease is of another handle */
    CVB_EFORKED = -23,      /* the handle belongs to the parent process */
    CVB_ETIMEDOUT = -24,    /* the wait's time is over */
    CVB_ELOST = -25,        /* the handle has lost its seat: detach it, and attach anew */
    CVB_EINTERRUPTED = -26, /* the wait was ended by cvb_wake, or by a signal */
    CVB_EUNSUPPORTED = -27, /* the system refuses what the library needs; errno says why */
    CVB_EBUSY = -28,     /* another handle puts records with positions of this source: cvb_source_open. Of debug builds
                            also: another thread is in a call with this handle */
    CVB_ESEALED = -29,   /* no stage of that name, and no other can be made: sealed_stages */
    CVB_EPOSITION = -30, /* the record's position is not above that of a record that was accepted before */
    CVB_EREADONLY = -31  /* the handle is an observer's (cvb_observe), and the call would change the segment */
};

/* A sentence for an error; never NULL. Safe from any thread. */
CVB_API const char *cvb_error_text(int error);

/* 1 if the error says that there is no room now, whichever limit it is: ESTAGE_FULL, ESOURCE_FULL, ETOTAL_FULL or
 * EMEMORY_FULL, and what later versions add to these. cvb_wait_credits sleeps until there is. Any thread. */
CVB_API int cvb_is_full(int error);

/* Cells of one size. */
struct cvb_class {
    uint32_t bytes; /* the longest payload of the class */
    uint32_t count; /* records it holds at least: a process may have some more cells at hand */
};

/* What a segment is made with; cvb_settings_init fills in the defaults that the comments give. */
struct cvb_settings {
    uint32_t max_total_records;                /* 100000 */
    uint32_t max_per_stage;                    /* 10000; above max_total_records it is never reached */
    uint32_t max_per_source;                   /* 5000; so is this. Dead letters do not count */
    uint32_t payload_size;                     /* 1024: bytes of the longest record, at most 1 MiB */
    double backpressure_threshold;             /* 0.8: pause at this part of a limit */
    double resume_threshold;                   /* 0.5: go on at this part of it */
    uint32_t max_stages;                       /* 16, the dead-letter stage among them; at most 4095 */
    uint32_t max_sources;                      /* 1024; at most 65535 */
    uint32_t max_pipelines;                    /* 64; at most 65535 */
    uint32_t max_handles;                      /* 64; at most 1023 */
    uint32_t max_retries;                      /* 3; at most 254 */
    uint32_t class_count;                      /* 0: the default split */
    struct cvb_class classes[CVB_CLASSES_MAX]; /* ascending by bytes; the last holds payload_size */
    uint32_t mode;                             /* 0600: permission bits of the segment */
    uint32_t sealed_stages;                    /* 0: no; else so many stages can be named, and then no other */
    uint32_t header_size;                      /* 0: none; bytes of the longest header, at most 64 KiB, in each cell */
    uint32_t retry_delay_ms;                   /* 0: what failed waits so long, twice as long each time */
    uint32_t retry_delay_cap_ms;               /* 0: a minute, or retry_delay_ms if that is more; no longer */
    uint32_t reserved;                         /* 0, for what later versions add */
};

/* A record to be put. Name the members when you initialize one, those that are not named are 0 then (C++: make it with
 * {}, and set what you need). EINVAL if what is reserved is not 0: it is of use in later versions. */
struct cvb_record {
    const void *payload;
    uint32_t length;
    uint32_t source;
    uint32_t pipeline;
    uint32_t header_length; /* 0 to header_size */
    uint64_t position;      /* within the source, 1 to INT64_MAX, growing; 0: it has none. progress.h */
    const void *header;     /* opaque bytes beside the payload, or NULL: flow.h says what NULL means to a forward */
    uint64_t reserved[1];   /* 0 */
};

/* Records of one source and one pipeline that lie one behind the other, without gaps, each header behind its payload:
 * for cvb_put_packed, and as cvb_take_batch leaves them. */
struct cvb_packed {
    const void *bytes;
    uint64_t size;                  /* of bytes: what all lengths add up to, or more */
    const uint32_t *lengths;        /* of each payload */
    const uint32_t *header_lengths; /* of each header, or NULL: there is none */
    const uint64_t *positions;      /* of each record, or NULL: they have none */
    uint32_t source;
    uint32_t pipeline;
    uint64_t reserved[2]; /* 0 */
};

/* Private: which record of which unit, and whose. */
struct cvb_place {
    uint64_t number;
    uint32_t unit, handle;
    uint16_t member, stage;
};

/* A record that was taken: a read-only view into the segment, its header too, valid until it is settled or the handle
 * detached. */
struct cvb_lease {
    const void *payload;
    uint64_t buffered_at_ns; /* wall clock when it was put; a few milliseconds coarse */
    uint32_t length;
    uint32_t source;
    uint32_t pipeline;
    uint32_t stage;
    uint32_t retry_count; /* up to max_retries, or one more after a death in company: cvb_return_to_buffer */
    uint32_t origin;      /* of a dead letter: the stage it came from; else its own */
    struct cvb_place place;
    uint64_t position;      /* as it was put; 0: it has none */
    const void *header;     /* NULL where header_size is 0 */
    uint32_t header_length; /* as it was put; 0: it has none */
    uint32_t reserved_word; /* 0 */
    uint64_t reserved[1];   /* 0 */
};

/* Room for a record inside the segment, to be written before cvb_publish. Set length and header_length if they are less
 * than asked for. What is reserved is 0 and stays so: EINVAL. */
struct cvb_slot {
    void *payload;
    uint32_t length;
    uint32_t header_length;
    struct cvb_place place;
    uint64_t position;    /* of the record that is published, as cvb_record has it */
    void *header;         /* NULL where header_size is 0 */
    uint64_t reserved[1]; /* 0 */
};

struct cvb_handle;

#ifdef __cplusplus
}
#endif
#endif
