/* ghost.h - what must be true of every record, kept beside the segment and told only by what the operations were asked
 * and said, and, when a process dies, by which records it had leased.
 */
#ifndef EXPLORE_GHOST_H
#define EXPLORE_GHOST_H

#include "world.h"

enum { GHOST_RECORDS = 1024, GHOST_BATCH = 16, GHOST_PAYLOAD = 128, GHOST_HEADER = 8 };

#define GHOST_MS_NS UINT64_C(1000000)

enum ghost_fate { GHOST_ACK, GHOST_RETURN, GHOST_RELEASE, GHOST_FORWARD, GHOST_REPLACE, GHOST_DELAY };

void ghost_reset(void);
/* A record that process is about to put, in one call with record `first` if that is not negative. */
int ghost_new(int process, uint32_t stage, uint32_t source, int first);
/* It is put with this position. */
void ghost_position(int id, uint64_t position);
/* What the record's payload is, or will be when it has been replaced; its length. */
uint32_t ghost_write(int id, char *payload);
uint32_t ghost_rewrite(int id, char *payload);
/* Its header and that one's length, 0 where there are none; and, when it is about to be replaced, the one that it will
 * have: true if that is a new one. */
uint32_t ghost_header(int id, char *header);
bool ghost_new_header(int id, char *header, uint32_t *length);
/* The put of ids[0..n) ended: the first `in` of them are in. */
void ghost_put_ended(const int *ids, int n, int in);
/* The process of a get that began at `began` was given a lease; the record's id. */
int ghost_delivered(int process, const struct cvb_lease *lease, long began);
/* The process is about to take records of the stage, and settle them at once; UINT32_MAX: no more. */
void ghost_take(int process, uint32_t stage);
int ghost_taken(int process, const struct cvb_record *record, uint32_t stage, long began);
/* The get ended; it was given n leases of those asked for: `short_` if fewer. */
void ghost_get_ended(int process, uint32_t stage, const int *ids, int n, bool fewer, long began, uint64_t began_ns);
/* Leases are about to be settled, and the first `done` of them were. GHOST_DELAY: `stage` says for how many
 * milliseconds. */
void ghost_settle(int process, const struct cvb_lease *leases, const int *ids, int n, enum ghost_fate fate,
                  uint32_t stage);
void ghost_settled(int process, const int *ids, int n, int done, enum ghost_fate fate);
/* The process is dead or has left: what it had leased comes again. */
void ghost_death(int process);
/* After recovery and draining: every accepted record was delivered and settled. */
void ghost_check_end(void);
/* Records that are in the stage for certain. */
int ghost_queued(uint32_t stage);

#endif
