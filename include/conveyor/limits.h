/* limits.h - the limits of a live segment: changed by any process that is attached, heeded by all at once.
 *
 * A limit may be anything from 1 to what the segment was made for. Records that are above a lowered one stay, and all
 * puts and forwards that need its credit are refused until enough have left; returns, releases and redeliveries keep
 * their credits, so nothing that is in is refused. Two calls at once act one after the other. A process that dies in
 * the middle of one leaves the old value or the new one.
 *
 * All are lock-free, and never sleep. */
#ifndef CONVEYOR_LIMITS_H
#define CONVEYOR_LIMITS_H

#include <conveyor/wait.h> /* CVB_NO_STAGE, CVB_NO_SOURCE */

#ifdef __cplusplus
extern "C" {
#endif

/* Sets the limit of a stage (source: CVB_NO_SOURCE), of a source (stage: CVB_NO_STAGE), or of the total (both), in
 * records: 1 to what the segment was made for (cvb_settings_of). Once this has returned, no put is accepted and nothing
 * is reserved that makes records exceed it, also by a process that was stopped in the middle of a put. Watermarks
 * follow at once and backpressure begins anew: a pause ends, and its sleepers are woken, unless records are at the new
 * high watermark. Errors: EINVAL (out of range, both a stage and a source, or the dead-letter stage, which the total
 * limits alone), EUNKNOWN, EFORKED, ELOST, EREADONLY. */
CVB_API int cvb_set_limit(struct cvb_handle *handle, uint32_t stage, uint32_t source, uint32_t limit);

/* The limit in force. Errors: EINVAL, EUNKNOWN, EFORKED. */
CVB_API int64_t cvb_limit_of(struct cvb_handle *handle, uint32_t stage, uint32_t source);

/* Sets the parts of all limits at which a pause begins and ends, as in the settings: backpressure above 0 and at most
 * 1, resume 0 or more and below it; exact to nine decimals. As with a limit, backpressure begins anew. Takes a few
 * microseconds for each stage and source that has a name. Errors: EINVAL, EFORKED, ELOST. */
CVB_API int cvb_set_thresholds(struct cvb_handle *handle, double backpressure, double resume);

/* The thresholds in force. Errors: EINVAL, EFORKED. */
CVB_API int cvb_thresholds_of(struct cvb_handle *handle, double *backpressure, double *resume);

#define CVB_RETRIES_NEVER UINT32_MAX         /* no record becomes a dead letter, however often it fails */
#define CVB_RETRIES_DEFAULT (UINT32_MAX - 1) /* of a stage: the segment's again */

/* Sets how often a record of a stage may fail before it becomes a dead letter: 0 to 254, or CVB_RETRIES_NEVER, as for a
 * stage that a bridge serves, whose failures are those of a network. CVB_NO_STAGE: for all stages that have none of
 * their own. Holds for all records that fail from now on. Errors: EINVAL, EUNKNOWN, EFORKED, ELOST. */
CVB_API int cvb_set_max_retries(struct cvb_handle *handle, uint32_t stage, uint32_t max_retries);

/* What holds for a stage, or for those that have none of their own. Errors: EINVAL, EUNKNOWN, EFORKED. */
CVB_API int64_t cvb_max_retries_of(struct cvb_handle *handle, uint32_t stage);

/* Sets how long a record waits that cvb_return_to_buffer returns, in milliseconds, as in the settings: delay_ms the
 * first time (0: it is there again at once), then twice as long each time, up to cap_ms. Holds for all that is returned
 * from now on; what waits already keeps its time. Errors: EINVAL (cap_ms below delay_ms), EFORKED, ELOST. */
CVB_API int cvb_set_retry_delay(struct cvb_handle *handle, uint32_t delay_ms, uint32_t cap_ms);

/* The delay in force. Errors: EINVAL, EFORKED. */
CVB_API int cvb_retry_delay_of(struct cvb_handle *handle, uint32_t *delay_ms, uint32_t *cap_ms);

#ifdef __cplusplus
}
#endif
#endif
