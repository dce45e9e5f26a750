/* flow.h - putting, taking and settling records. None of these functions sleeps; all are lock-free. A get that has
 * caught up with a stream, or a put at its limit, may spin for up to 10 us before it goes on, so that neither side
 * hinders the other.
 *
 * What may run at the same time, without a lock of the caller's ("+": yes, "-": no, one after the other):
 *
 *                                   on one handle              on two handles, in one process or in two
 *                            put  take settle state wait wake   put  take settle state wait wake detach
 *   put, reserve, publish     -    -     -      -     -    +     +    +     +      +     +    +     +
 *   take (get, take_batch)    -    -     -      -     -    +     +    +     +      +     +    +     +
 *   settle (ack, return,      -    -     -      -     -    +     +    +     +      +     +    +     +
 *     release, forward)
 *   state (state.h, audit)    -    -     -      -     -    +     +    +     +      +     +    +     +
 *   wait (wait.h), recover    -    -     -      -     -    +     +    +     +      +     +    +     +
 *   cvb_wake                  +    +     +      +     +    +     +    +     +      +     +    +     +
 *   cvb_detach                -    -     -      -     -    -     +    +     +      +     +    +     +
 *
 * One handle: any thread may use it, one at a time (debug builds tell a second one: EBUSY). Threads that work at the
 * same time have a handle each.
 * Two handles: a record is put, taken and settled at one moment each, between the call and the return, and all these
 * moments have one order; a batch may be several moments. A lease is settled, and a slot published, with the handle
 * that it came from: another one gets EFOREIGN.
 * Two processes: as two handles. A child of fork is another process, and its parent's handles give EFORKED there.
 * Payloads: those of a lease may be read by any thread of the process until it is settled, and those of a slot written
 * until it is published. */
#ifndef CONVEYOR_FLOW_H
#define CONVEYOR_FLOW_H

#include <conveyor/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Puts one record into a stage. 0, or why not: ESTAGE_FULL, ESOURCE_FULL, ETOTAL_FULL, EMEMORY_FULL, ETOOLONG,
 * EUNKNOWN, EINVAL, EFORKED, ECORRUPT. A record that is refused leaves no trace. Only the library puts into the
 * dead-letter stage: EUNKNOWN. If several limits refuse, the error names the limit with the least room. */
CVB_API int cvb_buffer_for_stage(struct cvb_handle *handle, uint32_t stage, const struct cvb_record *record);

/* Puts the longest prefix that fits and returns its length, 0 to count; *why (may be NULL) says what refused the next
 * one, or 0. Records of different sources may be mixed; each source's order is kept. If none was put and no limit is
 * the reason (EUNKNOWN, ETOOLONG, EINVAL), that error is returned; so it is by cvb_reserve and both forwards. */
CVB_API int cvb_buffer_batch_for_stage(struct cvb_handle *handle, uint32_t stage, const struct cvb_record *records,
                                       size_t count, int *why);

/* As cvb_buffer_batch_for_stage, with records of one source and pipeline that lie in one buffer, so that a binding
 * makes no array of records. EINVAL for the record whose length goes beyond the buffer. */
CVB_API int cvb_put_packed(struct cvb_handle *handle, uint32_t stage, const struct cvb_packed *packed, size_t count,
                           int *why);

/* Puts without a copy. Reserves room for up to count records of `shape`'s source and pipeline and of at most its length
 * and header_length (payload and header are not read); returns how many slots were made, and *why as above. Any number
 * may be open. */
CVB_API int cvb_reserve(struct cvb_handle *handle, uint32_t stage, const struct cvb_record *shape,
                        struct cvb_slot *slots, size_t count, int *why);

/* Publishes reserved slots with what was written into them, each with its two lengths, in the order of the array; or
 * gives them up. Any subset in any order; all or none: a bad one (ESETTLED, EFOREIGN, EINVAL, ETOOLONG: longer than was
 * asked for) leaves all as they are. Only one that is twice in the array is found out late, as by cvb_ack. */
CVB_API int cvb_publish(struct cvb_handle *handle, const struct cvb_slot *slots, size_t count);
CVB_API int cvb_cancel(struct cvb_handle *handle, const struct cvb_slot *slots, size_t count);

/* Leases up to count records of a stage in order; returns how many, 0 if it is empty or held (cvb_hold_stage). It may
 * be fewer than there are: what was put as one batch is taken apart only if it would not fit alone, and a record whose
 * consumer died while it had leased it together with others is delivered alone. A record past max_retries goes to the
 * dead-letter stage when a get finds it, so a get may return 0 after cvb_wait_records has said that there is one. */
CVB_API int cvb_get_batch(struct cvb_handle *handle, uint32_t stage, struct cvb_lease *leases, size_t count);

/* Settles leases: any subset in any order, of several stages. All or none: a bad one (ESETTLED, EFOREIGN, EINVAL)
 * leaves all as they are. Only one that is twice in the array is found out late: what stands before its second place is
 * settled, then ESETTLED. */
CVB_API int cvb_ack(struct cvb_handle *handle, const struct cvb_lease *leases, size_t count);

/* They failed: back into their stage, at its end, in any order, with retry_count + 1; never refused. Past max_retries
 * they go to the dead-letter stage, where their count begins anew. What counts as a failure: this call, and the death
 * of a consumer that had leased the record by a get for one record, or alone after an earlier death. A first death with
 * several leased is told by retry_count, but condemns nobody. Errors as cvb_ack. */
CVB_API int cvb_return_to_buffer(struct cvb_handle *handle, const struct cvb_lease *leases, size_t count);

/* They failed, and are to be tried again later: as cvb_return_to_buffer, but they enter the end of their stage when
 * delay_ms milliseconds are over, and not before; within 10 ms of that time if somebody gets or waits. Meanwhile they
 * count against all limits, as queued. Those of one call, and of several with the same delay, keep their order. 0: at
 * once, whatever retry_delay_ms says. The clock is CLOCK_MONOTONIC: nobody can set it, and it stands still while the
 * machine is suspended. All processes of a segment must be in one time namespace. Errors as cvb_ack. */
CVB_API int cvb_return_after(struct cvb_handle *handle, const struct cvb_lease *leases, size_t count,
                             uint32_t delay_ms);

/* Gives leases back untried: to the end of their stage, with their retry_count as it was; never refused. For a clean
 * leave, a worker that is told to stop, a sink that is full. The order of the array is not kept. Errors as cvb_ack. */
CVB_API int cvb_release(struct cvb_handle *handle, const struct cvb_lease *leases, size_t count);

/* Sends leased records on to another stage with payload and header: each is in the new stage and settled in the old
 * one, or neither, also across a crash. Forwards the longest prefix that fits and returns its length; *why (may be
 * NULL) says what refused the rest (ESTAGE_FULL; ESOURCE_FULL for a dead letter, which takes a credit of its source
 * again; or ESETTLED for one that is twice in the array). To the lease's own stage it needs room there like any other
 * forward. A record that was forwarded begins anew: its retry_count is 0, because the stages fail for reasons of their
 * own. Errors as cvb_ack, and EUNKNOWN. */
CVB_API int cvb_forward(struct cvb_handle *handle, uint32_t stage, const struct cvb_lease *leases, size_t count,
                        int *why);

/* As cvb_forward, with new payloads: results[i] takes the place of leases[i]. Source and pipeline stay those of the
 * lease. So does the header, if results[i].header is NULL; otherwise that is the new one, of header_length bytes, also
 * if that is 0. *why may also be EMEMORY_FULL, or ETOOLONG or EINVAL for a result that is no record: those before it
 * are sent on. */
CVB_API int cvb_forward_records(struct cvb_handle *handle, uint32_t stage, const struct cvb_lease *leases,
                                const struct cvb_record *results, size_t count, int *why);

/* Takes and settles at once: copies up to count records into buffer, one after the other, each header behind its
 * payload, and acks them. Takes no more than size / (payload_size + header_size) records, so that all fit;
 * taken[i].payload and header point into buffer. Returns how many, 0 if the stage is empty. EINVAL if size is less than
 * payload_size + header_size. */
CVB_API int cvb_take_batch(struct cvb_handle *handle, uint32_t stage, struct cvb_record *taken, size_t count,
                           void *buffer, size_t size);

#ifdef __cplusplus
}
#endif
#endif
