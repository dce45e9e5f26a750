/* state.h - reading what a segment holds. None of these changes anything; all are lock-free; each number is true of
 * some moment during the call, and exact when nobody else is at work. */
#ifndef CONVEYOR_STATE_H
#define CONVEYOR_STATE_H

#include <conveyor/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Records in a stage (queued, leased and reserved), and in all; or an error. A few loads for each handle, however old
 * the segment is. */
CVB_API int64_t cvb_stage_size(struct cvb_handle *handle, uint32_t stage);
CVB_API int64_t cvb_total_buffered(struct cvb_handle *handle);

/* cvb_stage_size and cvb_total_buffered as a part of the limit, 0 to 1; an error as a negative number. */
CVB_API double cvb_stage_utilization(struct cvb_handle *handle, uint32_t stage);
CVB_API double cvb_global_utilization(struct cvb_handle *handle);

/* The ids of up to count stages that hold records; returns how many there are. */
CVB_API int cvb_stages_with_data(struct cvb_handle *handle, uint32_t *stages, size_t count);

/* Monotonic counts since the segment was made, summed over all handles that ever were. A process that is killed may
 * leave its last operation uncounted; the records themselves are another thing (cvb_audit). */
struct cvb_counts {
    uint64_t accepted;  /* records put; into a stage: also those forwarded or dead-lettered to it */
    uint64_t delivered; /* leased */
    uint64_t acked;
    uint64_t returned;      /* failed: by cvb_return_to_buffer */
    uint64_t released;      /* given back untried: by cvb_release and cvb_detach */
    uint64_t redelivered;   /* leases of the dead that were queued again */
    uint64_t forwarded;     /* left for another stage (of a stage), or went on (of a source) */
    uint64_t dead_lettered; /* past max_retries */
    uint64_t refused_stage; /* puts, reservations and forwards that a limit cut short, by cause */
    uint64_t refused_source;
    uint64_t refused_total;
    uint64_t refused_memory;
    uint64_t stalled_ns;    /* slept in cvb_wait_credits */
    uint64_t dead_by_death; /* of a stage: those of dead_lettered whose consumers died; the others were returned */
    uint64_t pauses;        /* of a stage: how often its level began to pause */
};

/* EUNKNOWN if nobody has that name yet. */
CVB_API int cvb_stage_counts_sized(struct cvb_handle *handle, uint32_t stage, struct cvb_counts *counts, size_t size);
static inline int cvb_stage_counts(struct cvb_handle *handle, uint32_t stage, struct cvb_counts *counts)
{
    return cvb_stage_counts_sized(handle, stage, counts, sizeof *counts);
}
CVB_API int cvb_source_counts_sized(struct cvb_handle *handle, uint32_t source, struct cvb_counts *counts, size_t size);
static inline int cvb_source_counts(struct cvb_handle *handle, uint32_t source, struct cvb_counts *counts)
{
    return cvb_source_counts_sized(handle, source, counts, sizeof *counts);
}

/* The counts of seat number `seat`, 0 to max_handles - 1, over all its owners: the difference between two calls is what
 * the owner did between them. */
CVB_API int cvb_peer_counts_sized(struct cvb_handle *handle, uint32_t seat, struct cvb_counts *counts, size_t size);
static inline int cvb_peer_counts(struct cvb_handle *handle, uint32_t seat, struct cvb_counts *counts)
{
    return cvb_peer_counts_sized(handle, seat, counts, sizeof *counts);
}

/* Records by state; a source's without its dead letters, which hold no credit of it. One pass over the segment: a
 * matter of milliseconds. stages and sources may be NULL; otherwise they have max_stages and max_sources places, and
 * handles has max_handles. */
struct cvb_census {
    uint32_t queued, leased, reserved;
    uint32_t delayed; /* of those queued: they wait until their time has come (cvb_return_after) */
};
CVB_API int cvb_census_sized(struct cvb_handle *handle, struct cvb_census *total, struct cvb_census *stages,
                             struct cvb_census *sources, struct cvb_census *handles, size_t size);
static inline int cvb_census(struct cvb_handle *handle, struct cvb_census *total, struct cvb_census *stages,
                             struct cvb_census *sources, struct cvb_census *handles)
{
    return cvb_census_sized(handle, total, stages, sources, handles, sizeof *total);
}

/* How many records of a stage each handle has leased: handles has max_handles elements. Time and who may call it as
 * cvb_census. Errors: EINVAL, EUNKNOWN, EFORKED, ELOST. */
CVB_API int cvb_leased_by(struct cvb_handle *handle, uint32_t stage, uint32_t *handles);

/* How old the oldest is, in nanoseconds; 0 if there is none. By the wall clock, a few milliseconds coarse: a clock that
 * is set back makes them younger. */
struct cvb_age {
    uint64_t record_ns; /* since the put of the oldest record that is queued or leased */
    uint64_t lease_ns;  /* since the oldest lease began */
};
/* Of all, of each stage, of each source (without its dead letters), and of what each seat's owner has leased. Shape,
 * time and errors as cvb_census. */
CVB_API int cvb_ages_sized(struct cvb_handle *handle, struct cvb_age *total, struct cvb_age *stages,
                           struct cvb_age *sources, struct cvb_age *handles, size_t size);
static inline int cvb_ages(struct cvb_handle *handle, struct cvb_age *total, struct cvb_age *stages,
                           struct cvb_age *sources, struct cvb_age *handles)
{
    return cvb_ages_sized(handle, total, stages, sources, handles, sizeof *total);
}

/* How long records had been in a stage when they were taken, within the last one to two minutes: sampled, one of each
 * consumer's in a tick of the clock. From the put, or from the forward or return that brought the record; of one whose
 * consumer died, from when that one had leased it. p50 and p99 are known to about a fifth. */
struct cvb_waits {
    uint64_t samples; /* 0: the rest is 0 as well */
    uint64_t p50_ns, p99_ns, max_ns;
};
/* A few hundred loads for each handle. Errors: EINVAL, EUNKNOWN, EFORKED, ELOST. */
CVB_API int cvb_stage_waits_sized(struct cvb_handle *handle, uint32_t stage, struct cvb_waits *waits, size_t size);
static inline int cvb_stage_waits(struct cvb_handle *handle, uint32_t stage, struct cvb_waits *waits)
{
    return cvb_stage_waits_sized(handle, stage, waits, sizeof *waits);
}

/* Since the segment was made. */
struct cvb_totals {
    uint64_t deaths;     /* handles whose process ended without cvb_detach, as noticed */
    uint64_t recoveries; /* those whose seats were put in order */
    uint64_t pauses;     /* how often the level of a stage, a source or the total began to pause */
    uint64_t signals;    /* calls of cvb_signal */
};
/* Errors: EINVAL, EFORKED, ELOST. */
CVB_API int cvb_totals_sized(struct cvb_handle *handle, struct cvb_totals *totals, size_t size);
static inline int cvb_totals(struct cvb_handle *handle, struct cvb_totals *totals)
{
    return cvb_totals_sized(handle, totals, sizeof *totals);
}

/* How far a peek through a stage has come; begins as {0}. */
struct cvb_cursor {
    uint64_t position;
    uint32_t member;
};

/* Copies the next record that waits in a stage, from the cursor on, without taking it, and moves the cursor behind it:
 * at most `size` bytes of the payload into buffer, to which seen->payload then points; seen->length is its whole
 * length. Behind it goes the header, if there is room for both: else seen->header is NULL, and seen->header_length
 * tells its length all the same. Returns 1, or 0 if none is left. What is put or taken meanwhile may be seen or not,
 * and what goes to the stage's end meanwhile twice; a record is seen as a whole or not at all. `seen` is no lease:
 * settling it gives EFOREIGN. Ends after a bounded number of steps whatever others do. Errors: EINVAL, EUNKNOWN,
 * EFORKED, ECORRUPT. */
CVB_API int cvb_peek(struct cvb_handle *handle, uint32_t stage, struct cvb_cursor *cursor, struct cvb_lease *seen,
                     void *buffer, size_t size);

/* The name behind an id: of stages and pipelines for ids from 0 on until EUNKNOWN; cvb_source_at has those of sources.
 * It is UTF-8 without control characters, also if somebody has overwritten it. */
CVB_API int cvb_stage_name(struct cvb_handle *handle, uint32_t id, char name[CVB_NAME_MAX + 1]);
CVB_API int cvb_source_name(struct cvb_handle *handle, uint32_t id, char name[CVB_NAME_MAX + 1]);
CVB_API int cvb_pipeline_name(struct cvb_handle *handle, uint32_t id, char name[CVB_NAME_MAX + 1]);

/* Of a seat: nobody's, or how its owner fares. */
enum cvb_peer_state { CVB_PEER_NONE, CVB_PEER_ALIVE, CVB_PEER_STOPPED, CVB_PEER_DEAD };
/* The owner of a seat. One in a wait is seen at the end of each of its sleeps (a second, or 20 ms for each handle that
 * there can be). It looks at the clock where that costs nothing: idle_ns is a few milliseconds coarse, and one that was
 * quick and is slow now may be late by up to eight calls. */
struct cvb_peer {
    int32_t pid;      /* as its own pid namespace has it */
    uint32_t state;   /* an enum cvb_peer_state */
    uint64_t idle_ns; /* since it was seen in a call last */
};

/* The owner of seat number `seat`, 0 to max_handles - 1. STOPPED is told from /proc and only within this pid namespace.
 * Without a descriptor to ask with (cvb_recover says when) a dead one looks alive. Errors: EINVAL, EFORKED, ETRUNCATED,
 * EUNSUPPORTED. */
CVB_API int cvb_peer_sized(struct cvb_handle *handle, uint32_t seat, struct cvb_peer *peer, size_t size);
static inline int cvb_peer(struct cvb_handle *handle, uint32_t seat, struct cvb_peer *peer)
{
    return cvb_peer_sized(handle, seat, peer, sizeof *peer);
}

/* 1 if the segment still has a name, 0 if it was removed (cvb_unlink): those attached may go on, but nobody can join. A
 * segment that was made anew under the same name is another one. One system call; does not sleep. Errors: EFORKED,
 * ESYSTEM. */
CVB_API int cvb_is_linked(struct cvb_handle *handle);

/* Calls visit for each segment of this machine that this user may open, with its settings and its size in bytes; ends
 * early when visit returns other than 0, and returns that. Cancellation is off in visit. Errors: EINVAL, EPERM,
 * EUNSUPPORTED (no /dev/shm), ESYSTEM (also if there are no descriptors left: then not all were seen). */
CVB_API int cvb_list_sized(int (*visit)(const char *name, const struct cvb_settings *settings, uint64_t bytes,
                                        void *data),
                           void *data, size_t size);
static inline int
cvb_list(int (*visit)(const char *name, const struct cvb_settings *settings, uint64_t bytes, void *data), void *data)
{
    return cvb_list_sized(visit, data, sizeof(struct cvb_settings));
}

#ifdef __cplusplus
}
#endif
#endif
