/* wait.h - backpressure, and waiting for room or for records.
 *
 * Each source, each stage's room, each stage's data, the total and the memory has a flag word in the segment. A call
 * that changes what a flag stands for corrects it; a wait sleeps on it by futex. A record wakes one of the processes
 * that wait for it, a level that is reached wakes all. No wait relies on a wake-up alone: one of all waiting processes
 * is the lookout. It looks for dead peers and for missed wake-ups every 100 ms, and is replaced when it dies.
 */
#ifndef CONVEYOR_WAIT_H
#define CONVEYOR_WAIT_H

#include <conveyor/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CVB_NO_STAGE UINT32_MAX  /* cvb_backpressure and cvb_wait_credits: look at source and total only */
#define CVB_NO_SOURCE UINT32_MAX /* and at the stage only, as one does who forwards */

/* What a source is told, from the mildest on. */
enum cvb_signal { CVB_SIGNAL_NONE, CVB_SIGNAL_SLOW_DOWN, CVB_SIGNAL_PAUSE };

/* A signal and what goes with it. */
struct cvb_backpressure {
    uint32_t signal;   /* an enum cvb_signal */
    uint32_t delay_ms; /* SLOW_DOWN: wait so long before the next put: 10 to 100 between the two thresholds */
};

/* What a source should do now: the strongest signal of its own limit, the total's and the stage's, and of those given
 * by hand (cvb_signal). By a limit PAUSE begins at backpressure_threshold and lasts until resume_threshold. Lock-free.
 * Errors: EINVAL, EUNKNOWN, EFORKED. */
CVB_API int cvb_backpressure_sized(struct cvb_handle *handle, uint32_t stage, uint32_t source,
                                   struct cvb_backpressure *backpressure, size_t size);
static inline int cvb_backpressure(struct cvb_handle *handle, uint32_t stage, uint32_t source,
                                   struct cvb_backpressure *backpressure)
{
    return cvb_backpressure_sized(handle, stage, source, backpressure, sizeof *backpressure);
}

#define CVB_DELAY_MOST_MS 60000 /* of a signal by hand */

/* Gives a signal by hand: to all sources (CVB_NO_STAGE, CVB_NO_SOURCE), to those that put into a stage, or to a source.
 * It holds until the next one of the same, SIGNAL_NONE lifts it, whoever gave it and whatever becomes of them. What
 * cvb_backpressure, cvb_should_backpressure and cvb_wait_credits go by is the stronger one of it and of what the limits
 * say. It is advice: no put is refused by it. One of all sources is not told to who asks for a stage alone, as a
 * forward does. delay_ms: of SLOW_DOWN, 1 to CVB_DELAY_MOST_MS, else 0. reason: UTF-8 without control characters, up to
 * CVB_REASON_MAX bytes, or NULL; it is kept with this process's pid and the time. A lifted pause wakes who sleeps in
 * cvb_wait_credits. A process that is killed in here has given the signal or not. Lock-free; does not sleep. Errors:
 * EINVAL (also for a stage and a source), EUNKNOWN (no such id; the dead-letter stage), EFORKED, ELOST, ECORRUPT. */
CVB_API int cvb_signal(struct cvb_handle *handle, uint32_t stage, uint32_t source, uint32_t signal, uint32_t delay_ms,
                       const char *reason);

/* With on other than 0 holds a stage (also the dead-letter stage): cvb_get_batch and cvb_take_batch return 0, and waits
 * for its records sleep, until it is let go with 0, by whichever process; the waits go on then. What is leased may be
 * settled, and puts go in. A get that began before this call returned may still deliver, also later if its process is
 * stopped meanwhile; a get that begins afterwards does not. reason, progress and errors as cvb_signal. */
CVB_API int cvb_hold_stage(struct cvb_handle *handle, uint32_t stage, int on, const char *reason);

/* What was given by hand. */
struct cvb_given {
    uint32_t signal;   /* an enum cvb_signal; of a hold: CVB_SIGNAL_PAUSE while the stage is held, else NONE */
    uint32_t delay_ms; /* of SLOW_DOWN */
    int32_t pid;       /* who gave it, as its own pid namespace has it; 0 if nothing is given */
    uint32_t reserved;
    uint64_t at_ns;  /* when: wall clock, a few milliseconds coarse */
    uint64_t age_ns; /* how long ago */
    char reason[CVB_REASON_MAX + 1];
};

/* The signal that was given by hand to a stage, a source, or all, as cvb_signal has them; and whether a stage is held.
 * One signal and its reason are read, never halves of two; if it is changed all the time the reason may be empty.
 * Bounded; changes nothing. Errors: EINVAL, EUNKNOWN, EFORKED, ELOST, ECORRUPT. */
CVB_API int cvb_signal_of_sized(struct cvb_handle *handle, uint32_t stage, uint32_t source, struct cvb_given *given,
                                size_t size);
static inline int cvb_signal_of(struct cvb_handle *handle, uint32_t stage, uint32_t source, struct cvb_given *given)
{
    return cvb_signal_of_sized(handle, stage, source, given, sizeof *given);
}
CVB_API int cvb_hold_of_sized(struct cvb_handle *handle, uint32_t stage, struct cvb_given *given, size_t size);
static inline int cvb_hold_of(struct cvb_handle *handle, uint32_t stage, struct cvb_given *given)
{
    return cvb_hold_of_sized(handle, stage, given, sizeof *given);
}

/* 1 if the source should pause, 0 if not, or an error. */
CVB_API int cvb_should_backpressure(struct cvb_handle *handle, uint32_t source);

/* How many records the source could put before its own limit or the total refuses; never more than is true when
 * nobody else puts. Lock-free. */
CVB_API int64_t cvb_available_credits(struct cvb_handle *handle, uint32_t source);

/* How many records a put of the source into the stage would be let in now: the least room that the limits of source,
 * total and stage leave; never more than is true when nobody else puts. With CVB_NO_SOURCE that of the stage alone, for
 * forwards; with CVB_NO_STAGE as cvb_available_credits. Memory is not looked at. Lock-free. Errors: EINVAL, EUNKNOWN
 * (also for the dead-letter stage), EFORKED. */
CVB_API int64_t cvb_room(struct cvb_handle *handle, uint32_t stage, uint32_t source);

/* Sleeps until neither source, total nor stage says pause, by its limit or by hand, or for timeout_ns nanoseconds
 * (negative: for ever). After a put of this handle that memory refused it also waits for a free cell of that size. 0,
 * ETIMEDOUT, EINTERRUPTED (cvb_wake, cvb_interruptible), EUNSUPPORTED if the system lets nobody sleep (errno says why),
 * or another error. May recover dead peers. */
CVB_API int cvb_wait_credits(struct cvb_handle *handle, uint32_t stage, uint32_t source, int64_t timeout_ns);

/* Sleeps until cvb_room would say 1 at least, whatever the thresholds say: for who must go on as soon as one record
 * fits. Each record that leaves wakes all who wait so; cvb_wait_credits, which waits until the level is low, is
 * cheaper. Memory, results and errors as there, and EUNKNOWN for the dead-letter stage. */
CVB_API int cvb_wait_room(struct cvb_handle *handle, uint32_t stage, uint32_t source, int64_t timeout_ns);

/* Sleeps until one of the stages (at most 64) that are not held has a record to lease; returns its index in the array,
 * ETIMEDOUT, or an error. timeout_ns as above. */
CVB_API int cvb_wait_records(struct cvb_handle *handle, const uint32_t *stages, size_t count, int64_t timeout_ns);

/* The calls of flow.h that wait by themselves, for timeout_ns at most (negative: for ever). A put or a forward that is
 * refused by a limit or for lack of memory sleeps as in cvb_wait_credits and goes on, until all of them are done; when
 * the time is over it tries once more. Each returns how many records it has done; *why (may be NULL) says what kept it
 * from the rest, or 0: ETIMEDOUT, EINTERRUPTED, EUNSUPPORTED, or an error as of the call without _wait. If none was
 * done that error is returned. What was done stays done, so go on with the rest. With timeout_ns 0 they do not sleep. A
 * forward waits for its stage's room; one of a dead letter, if that is what lacks, for credits of its source as well.
 */
CVB_API int cvb_put_wait(struct cvb_handle *handle, uint32_t stage, const struct cvb_record *records, size_t count,
                         int64_t timeout_ns, int *why);
CVB_API int cvb_forward_wait(struct cvb_handle *handle, uint32_t stage, const struct cvb_lease *leases, size_t count,
                             int64_t timeout_ns, int *why);
CVB_API int cvb_forward_records_wait(struct cvb_handle *handle, uint32_t stage, const struct cvb_lease *leases,
                                     const struct cvb_record *results, size_t count, int64_t timeout_ns, int *why);

/* cvb_get_batch, but sleeps while the stage is empty: how many were leased, at least 1 (0 if count is 0), ETIMEDOUT,
 * EINTERRUPTED, EUNSUPPORTED, or another error. */
CVB_API int cvb_get_wait(struct cvb_handle *handle, uint32_t stage, struct cvb_lease *leases, size_t count,
                         int64_t timeout_ns);

/* Ends the wait that the handle sleeps in, or if it sleeps in none the next one that would sleep: that returns
 * EINTERRUPTED. Several calls before such a wait count as one; a wait that finds what it waits for returns as always
 * and leaves the call for the next. Any thread, beside anything but cvb_detach of this handle; also from a signal
 * handler. Never sleeps. Errors: EINVAL, EFORKED. */
CVB_API int cvb_wake(struct cvb_handle *handle);

/* With on other than 0 a signal that is handled while a wait of this handle sleeps ends it: EINTERRUPTED. With 0, as at
 * first, the wait goes on. A signal that comes just before the sleep does not end it: a handler that must not miss
 * calls cvb_wake. Errors: EINVAL, EFORKED, ELOST. */
CVB_API int cvb_interruptible(struct cvb_handle *handle, int on);

#ifdef __cplusplus
}
#endif
#endif
