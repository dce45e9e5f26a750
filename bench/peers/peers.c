/* peers.c - which systems this build has, in the order in which they run and are shown. */
#include "peer.h"

const struct peer *const peers[] = {
    &peer_conveyor,    &peer_conveyor_reserve,
#ifdef HAVE_DPDK
    &peer_rte,         &peer_rte_hts,
    &peer_rte_rts,
#endif
#ifdef HAVE_CK
    &peer_ck_mpmc,
#endif
#ifdef HAVE_BOOST
    &peer_boost_queue, &peer_boost_messages,
#endif
    &peer_pipe,        &peer_mq,
    &peer_seqpacket,
#ifdef HAVE_ZMQ
    &peer_zmq,
#endif
#ifdef HAVE_CK
    &peer_ck_spsc,
#endif
    &peer_copy,        0,
};

const struct peer *const peers_waiting[] = {&peer_conveyor_wait, &peer_futex, 0};

const struct peer *const peers_asleep[] = {&peer_conveyor_wait, &peer_pipe_wait,
#ifdef HAVE_ZMQ
                                           &peer_zmq_wait,
#endif
                                           0};

const struct peer *const peers_brokers[] = {&peer_conveyor_sleep,
#ifdef HAVE_REDIS
                                            &peer_redis,
#endif
#ifdef HAVE_NATS
                                            &peer_nats,
#endif
                                            0};

bool peer_is_ours(const struct peer *peer)
{
    return peer == &peer_conveyor || peer == &peer_conveyor_reserve || peer == &peer_conveyor_wait ||
           peer == &peer_conveyor_sleep;
}

const char peers_left_out[] = ""
#ifndef HAVE_DPDK
                              "rte_ring (no libdpdk-dev at build time) "
#endif
#ifndef HAVE_CK
                              "ck_ring (no libck-dev at build time) "
#endif
#ifndef HAVE_BOOST
                              "boost queue, boost messages (no libboost-dev or no C++ compiler at build time) "
#endif
#ifndef HAVE_ZMQ
                              "ZeroMQ ipc (no libzmq3-dev at build time) "
#endif
    ;

const char peers_brokers_left_out[] = ""
#ifndef HAVE_REDIS
                                      "Redis streams (no libhiredis-dev at build time) "
#endif
#ifndef HAVE_NATS
                                      "NATS JetStream (no libnats-dev at build time) "
#endif
    ;

const char peers_versions[] = PEER_VERSIONS;
