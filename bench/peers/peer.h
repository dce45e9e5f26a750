/* peer.h - one small interface for ours and for the others: make it, put n, take n.
 *
 * The workload is a full record: 128 bytes, of which the producer writes 64 of payload and the consumer adds them up.
 * A system that hands over references (the rings) takes a block from a free list, which is a second ring of its kind,
 * and gives it back there. Every system has room for the same number of records, and the same back-off when it is
 * full or empty. Each file in this folder is one system.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PEER_BATCH_MAX = 128, PEER_WORDS = 8, PEER_ALIGN = 128, PEER_PROCESSES_MAX = 32 };

struct peer_shape {
    unsigned producers, consumers, batch;
    unsigned capacity; /* records that may be on their way at once */
};

/* A 128-byte record as the rings carry it. */
struct peer_block {
    _Alignas(PEER_ALIGN) uint32_t source;
    uint32_t pipeline, length, retry;
    char unused[48];
    uint64_t payload[PEER_WORDS];
};
_Static_assert(sizeof(struct peer_block) == 128, "a full record");

/* What a process has done so far. Written by it alone. */
struct peer_result {
    _Alignas(PEER_ALIGN) _Atomic uint64_t count;
    _Atomic uint64_t sum;
    _Atomic int error; /* not 0: the system failed, not only full or empty */
};

struct peer_control {
    _Alignas(PEER_ALIGN) _Atomic unsigned ready;
    _Alignas(PEER_ALIGN) _Atomic int go;
    _Atomic int stop;                /* producers end */
    _Atomic unsigned producers_done; /* consumers end when all are and nothing is left */
    struct peer_result result[PEER_PROCESSES_MAX];
};

/* One process of a run: producers have the indices from 0, consumers follow. */
struct peer_process {
    struct peer_control *control;
    struct peer_shape shape;
    void *shared;
    unsigned index;
};

struct peer {
    const char *name;
    const char *about;
    bool reference; /* shown, but not one to compare with: it does less (one producer, one consumer) */
    size_t (*bytes)(const struct peer_shape *shape); /* shared memory it wants */
    int (*init)(void *shared, const struct peer_shape *shape);
    int (*produce)(struct peer_process *process); /* until stop */
    int (*consume)(struct peer_process *process); /* until nothing can come any more */
    void (*end)(void *shared);                    /* may be NULL */
};

/* NULL-terminated; and what this build leaves out, as text for the report ("" if nothing). */
extern const struct peer *const peers[];
extern const char peers_left_out[];

bool peer_is_ours(const struct peer *peer);

extern const struct peer peer_conveyor, peer_conveyor_reserve, peer_copy, peer_ck_mpmc, peer_ck_spsc, peer_rte,
    peer_rte_hts, peer_rte_rts;

#endif
