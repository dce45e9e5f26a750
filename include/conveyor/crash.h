/* crash.h - dead peers and the audit. */
#ifndef CONVEYOR_CRASH_H
#define CONVEYOR_CRASH_H

#include <conveyor/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a segment holds: free + reserved + queued + leased = capacity. */
struct cvb_audit {
    uint32_t capacity; /* records: max_total_records */
    uint32_t free;
    uint32_t reserved;
    uint32_t queued;
    uint32_t leased;
    uint32_t problems; /* found while nobody changed anything; 0 if all is well */
    uint32_t exact;    /* 1, or 0: others were at work all the time, problems were not looked for */
    char first_problem[120];
    uint32_t delayed; /* of those queued: they wait until their time has come (cvb_return_after) */
};

/* Completes what dead peers left; returns how many seats were freed. Any number of processes may do this at once.
 * 0, too, if this process cannot ask who lives: its descriptor was closed and the segment has no name any more. Errors:
 * EFORKED, ELOST, ECORRUPT, ETRUNCATED (the file has become too short), EUNSUPPORTED (the system refuses the question).
 */
CVB_API int cvb_recover(struct cvb_handle *handle);

/* Counts every record, cell, credit and idle unit: each of the numbers above is counted, none is derived from the
 * others. Reads only. Errors: EFORKED, ELOST, ECORRUPT, ETRUNCATED, ESYSTEM. */
CVB_API int cvb_audit_sized(struct cvb_handle *handle, struct cvb_audit *audit, size_t size);
static inline int cvb_audit(struct cvb_handle *handle, struct cvb_audit *audit)
{
    return cvb_audit_sized(handle, audit, sizeof *audit);
}

/* Recovers, gives back what idle units hold that no list names, and, if the audit is exact, makes the counts of idle
 * records right: what bytes that were overwritten leave behind. Returns how many things it has mended. Does not take
 * the place of an audit: what is left is there. Errors: EFORKED, ECORRUPT, ESYSTEM. */
CVB_API int cvb_repair(struct cvb_handle *handle);

#ifdef __cplusplus
}
#endif
#endif
