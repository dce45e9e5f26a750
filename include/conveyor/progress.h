/* progress.h - positions of records within their sources: what was accepted, and what is settled.
 *
 * A record may have a position (cvb_record.position): a number from 1 on that its source gives and that grows, such as
 * an offset or the number of a line. It stays with the record through forwards, returns, deaths and dead letters, and
 * its lease shows it; so (source, position) is a key by which a sink can drop what comes twice.
 *
 * A connector that is killed and starts again opens its source, and goes on behind `accepted`: it neither loses nor
 * doubles a record. What it reads from may forget what is at or below `settled`: that has left the buffer for good.
 *
 *     cvb_source_open(handle, source, &accepted);        go to what comes after `accepted`, then put, with positions
 *     cvb_source_progress(handle, source, &progress);    now and then: tell the engine of progress.settled
 */
#ifndef CONVEYOR_PROGRESS_H
#define CONVEYOR_PROGRESS_H

#include <conveyor/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Makes the handle the one that puts records of the source with positions, until it closes it, is detached, or its
 * process dies; *accepted (may be NULL) is the position behind which it goes on, 0 if there is none yet. The first put
 * with a position does the same. Once it is open, each position must be above the last one: CVB_EPOSITION, and the
 * record is not put. Any handle may put records without positions meanwhile. Reads all units once: milliseconds.
 * Lock-free, does not sleep. Errors: EBUSY (another handle has it, which lives), EUNKNOWN, EFORKED, ELOST. */
CVB_API int cvb_source_open(struct cvb_handle *handle, uint32_t source, uint64_t *accepted);

/* Gives the source up, so that another handle may open it while this one lives. Slots that are reserved still open it
 * again when they are published. 0 too if the handle does not have it. Wait-free. Errors: EUNKNOWN, EFORKED, ELOST. */
CVB_API int cvb_source_close(struct cvb_handle *handle, uint32_t source);

/* How far a source has come, of its records with positions. */
struct cvb_progress {
    uint64_t accepted; /* the highest position that was ever accepted; 0: none */
    uint64_t settled;  /* no record at or below it is in the buffer any more: all were acked. Dead letters are in it */
    uint64_t live; /* how many are in the buffer, queued or leased; one that is just being forwarded may count twice */
};

/* `accepted` forgets nothing that was accepted before the call; `settled` never passes a record that is in the buffer,
 * whoever is killed or stopped wherever, and reaches `accepted` within 100 ms of the last ack if it is asked for. Both
 * only grow. Reads all units, at most once in 20 ms for `settled`, whoever asks: 1 to 3 ms for 100,000 records; in
 * segments of millions it takes longer, and `settled` comes later. Lock-free, does not sleep. Errors: EINVAL, EUNKNOWN,
 * EFORKED, ELOST, ECORRUPT. */
CVB_API int cvb_source_progress_sized(struct cvb_handle *handle, uint32_t source, struct cvb_progress *progress,
                                      size_t size);
static inline int cvb_source_progress(struct cvb_handle *handle, uint32_t source, struct cvb_progress *progress)
{
    return cvb_source_progress_sized(handle, source, progress, sizeof *progress);
}

/* How far all sources have come, by one walk over the units instead of one for each: progress[i] is of the source with
 * the id i, all 0 where no source has it. The array has max_sources elements of `size` bytes, which the inline function
 * gives. Each element is as cvb_source_progress tells it; they are not of one moment. Errors: EINVAL, EFORKED, ELOST,
 * ECORRUPT. */
CVB_API int cvb_progress_all_sized(struct cvb_handle *handle, struct cvb_progress *progress, size_t size);
static inline int cvb_progress_all(struct cvb_handle *handle, struct cvb_progress *progress)
{
    return cvb_progress_all_sized(handle, progress, sizeof *progress);
}

/* Sleeps until `settled` is at the position or above it, or for timeout_ns nanoseconds (negative: for ever). Looks at
 * what was acked every 50 ms. 0, ETIMEDOUT, EINTERRUPTED (cvb_wake, cvb_interruptible), EUNSUPPORTED, or an error as
 * above. May recover dead peers. */
CVB_API int cvb_wait_settled(struct cvb_handle *handle, uint32_t source, uint64_t position, int64_t timeout_ns);

#ifdef __cplusplus
}
#endif
#endif
