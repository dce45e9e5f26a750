/* peer.h - one small interface for ours and for the others: make it, put n, take n.
 *
 * The workload is a full record: 128 bytes, of which the producer writes 64 of payload and the consumer adds them up.
 * Other sizes of payload are records with the same 64 bytes in front, but for one: 8 bytes of payload are a message
 * that is nothing but its value, as a ring of pointers carries it.
 * A system that hands over references (the rings) takes a block from a free list, which is a second ring of its kind,
 * and gives it back there. A system that carries messages gets up to 32 records in one. Every system has room for the
 * same number of records, as far as it can have it, and the same back-off when it is full or empty. Each file in this
 * folder is one system.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#include <atomic>
#define _Atomic(T) std::atomic<T>
using std::atomic_fetch_add;
using std::atomic_load;
using std::atomic_load_explicit;
using std::atomic_store_explicit;
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;
extern "C" {
#else
#include <stdalign.h>
#include <stdatomic.h>
#endif

enum {
    PEER_BATCH_MAX = 256,
    PEER_WORDS = 8,       /* of a full record's payload */
    PEER_WORDS_MAX = 128, /* 1 KiB */
    PEER_ALIGN = 128,
    PEER_PROCESSES_MAX = 32
};

struct peer_shape {
    unsigned producers, consumers, batch;
    unsigned capacity; /* records that may be on their way at once */
    unsigned words;    /* payload in units of 8 bytes */
};

/* A record as the rings carry it. */
struct peer_block {
    alignas(PEER_ALIGN) uint32_t source;
    uint32_t pipeline, length, retry;
    char unused[48];
    uint64_t payload[PEER_WORDS]; /* or more, or less */
};

/* What a process has done so far. Written by it alone. */
struct peer_result {
    alignas(PEER_ALIGN) _Atomic(uint64_t) count;
    _Atomic(uint64_t) sum;
    _Atomic(uint64_t) loop_cpu_ns; /* processor time in the loop of an open loop */
    _Atomic(int) error;            /* not 0: the system failed, not only full or empty */
};

struct peer_control {
    alignas(PEER_ALIGN) _Atomic(unsigned) ready;
    alignas(PEER_ALIGN) _Atomic(int) go;
    _Atomic(int) stop;                /* producers end */
    _Atomic(unsigned) producers_done; /* consumers end when all are and nothing is left */
    struct peer_result result[PEER_PROCESSES_MAX];
};

/* An open loop: record i of a producer is due at start_ns + i * interval_ns, whatever became of those before it. */
struct histogram;
struct peer_pace {
    double interval_ns;          /* of each producer */
    uint64_t records;            /* of each producer */
    uint64_t skip;               /* the first ones are not counted */
    bool sleep;                  /* producers sleep until a record is due, and do not spin */
    _Atomic(uint64_t) *start_ns; /* set once all are ready */
    _Atomic(uint64_t) *put_ns;   /* when the put of record i of producer p began: [p * records + i] */
    struct histogram *response[PEER_PROCESSES_MAX]; /* since it was due, of each consumer */
    struct histogram *service[PEER_PROCESSES_MAX];  /* since its put began */
};

/* A round trip: the first process asks, the second answers; each time after a rest, so that the other has gone to
 * sleep, or at once. */
struct peer_trip {
    uint64_t rest_ns;
    struct histogram *time;
};

/* One process of a run: producers have the indices from 0, consumers follow. */
struct peer_process {
    struct peer_control *control;
    struct peer_shape shape;
    void *shared;
    void *back; /* of a round trip: the way back, made as shared */
    unsigned index;
    const struct peer_pace *pace; /* NULL: as fast as can be */
    const struct peer_trip *trip;
};

struct peer {
    const char *name;
    const char *about;
    bool reference; /* shown, but not one to compare with: it does less (one producer, one consumer) */
    size_t (*bytes)(const struct peer_shape *shape); /* shared memory it wants */
    int (*init)(void *shared, const struct peer_shape *shape);
    int (*produce)(struct peer_process *process); /* until stop */
    int (*consume)(struct peer_process *process); /* until nothing can come any more */
    int (*echo)(struct peer_process *process);    /* round trips until stop; NULL: it is not measured so */
    void (*end)(void *shared);                    /* may be NULL */
    const char *server;                           /* the program that it needs, or NULL */
    double (*server_s)(void *shared);             /* processor time that its server has used so far, or NULL */
};

/* NULL-terminated; and what this build leaves out, as text for the report ("" if nothing), and the versions. */
extern const struct peer *const peers[];
extern const struct peer *const peers_waiting[]; /* those that sleep when there is nothing: for latencies only */
extern const struct peer *const peers_asleep[];  /* those that sleep between two records: for the cost of a wake-up */
extern const struct peer *const peers_brokers[]; /* those that lease, acknowledge and deliver again */
extern const char peers_left_out[], peers_brokers_left_out[];
extern const char peers_versions[];

bool peer_is_ours(const struct peer *peer);

extern const struct peer peer_conveyor, peer_conveyor_reserve, peer_conveyor_wait, peer_conveyor_sleep, peer_copy,
    peer_ck_mpmc, peer_ck_spsc, peer_rte, peer_rte_hts, peer_rte_rts, peer_boost_queue, peer_boost_messages, peer_mq,
    peer_pipe, peer_seqpacket, peer_zmq, peer_futex, peer_pipe_wait, peer_zmq_wait, peer_redis, peer_nats;

#ifdef __cplusplus
}
#endif
#endif
