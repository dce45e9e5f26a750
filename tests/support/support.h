/* support.h - what the tests share: names of segments, records that are numbers, children, bounded waits, random
 * numbers.
 *
 * It knows nothing of criterion, so that plain programs use it too: functions return their verdict, and the
 * caller asserts. A child made by spawn() dies with its parent and ends by _exit(), so it never runs the test's end.
 */
#ifndef CVB_TESTS_SUPPORT_H
#define CVB_TESTS_SUPPORT_H

#include <conveyor/buffer.h>
#include <stdbool.h>
#include <sys/types.h>

#define SIGNALED 1000 /* reap(): ended by signal n is SIGNALED + n */

/* Settings of a small segment: 64-byte payloads, 8 stages, 8 sources, 4 pipelines, 24 handles. */
struct cvb_settings small_settings(uint32_t total, uint32_t per_stage, uint32_t per_source);

/* A name that no other process of the tests uses; tag tells several of one process apart. */
const char *segment_name(const char *tag);

/* Makes the segment anew and joins it: NULL on any error. */
struct cvb_handle *make_segment(const char *name, const struct cvb_settings *settings);
/* Makes the segment anew and joins it, with a stage and a source that have names. */
struct cvb_handle *make_stage(const char *name, const struct cvb_settings *settings, uint32_t *stage, uint32_t *source);

/* All ids that have no name yet get one, so that a test may use numbers. */
bool name_everything(struct cvb_handle *h);

/* Puts n records that are the numbers from `from` on; as cvb_buffer_batch_for_stage. n is at most 128. */
int put_numbers(struct cvb_handle *h, uint32_t stage, uint32_t source, uint64_t from, unsigned n, int *why);
uint64_t number_of(const struct cvb_lease *lease);

/* Leases up to n records by as many gets as it takes: what a dead consumer had leased with others comes one by one. */
int get_all(struct cvb_handle *h, uint32_t stage, struct cvb_lease *leases, unsigned n);

/* Leases and acks until the stage is empty; returns how many records there were, or an error. */
int64_t drain(struct cvb_handle *h, uint32_t stage);

/* NULL if the audit is exact, without problems, and finds as many records as said; else what is wrong. */
const char *audit_says(struct cvb_handle *h, uint32_t queued, uint32_t leased);

/* True if a seat's owner is dead, and what it left is not recovered yet. */
bool has_dead(struct cvb_handle *h);

/* Zeroed memory that this process and all its children share. */
void *shared_memory(size_t bytes);

pid_t spawn(int (*run)(void *), void *argument);
int reap(pid_t child);
/* The state letter of a process in /proc, 0 if there is none. */
char process_state(pid_t pid);

/* Looks every millisecond; false if the condition was not seen to hold within milliseconds. */
bool wait_until(bool (*holds)(void *), void *argument, unsigned milliseconds);
uint64_t now_ms(void);

/* xorshift64*: the same numbers for the same seed. */
uint64_t random_next(uint64_t *state);
static inline uint32_t random_below(uint64_t *state, uint32_t n) { return (uint32_t)((random_next(state) >> 32) % n); }

#endif
