/* server.h - a server that a system needs: started for one run in a folder of its own, and ended with it. */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include <sys/types.h>
#include <time.h>

#include "record.h"

enum { PEER_SERVER_PATH = 64, PEER_FULL_NS = 100000 };

struct peer_server {
    pid_t pid;
    char folder[PEER_SERVER_PATH * 3 / 4];
};

/* Makes the folder; 0, or it could not. */
int peer_server_open(struct peer_server *server);

/* Starts the program, NULL-terminated, and waits until answers(about) is true, for ten seconds at most; 0, or it does
 * not run: then it is closed. */
int peer_server_start(struct peer_server *server, const char *const *words, bool (*answers)(void *about), void *about);

/* A system's `end` and `server_s`, if the server comes first in what its processes share: ends it and removes the
 * folder with all that is in it; processor time that it has used so far, in seconds. */
void peer_server_close(void *server);
double peer_server_cpu_s(void *server);

/* True if such a program is installed; some are where only root looks. */
bool peer_server_is_there(const char *program);

/* Records that were put and not yet taken. */
static inline uint64_t peer_on_way(const struct peer_process *p)
{
    const struct peer_shape *shape = &p->shape;
    uint64_t on_way = 0;
    for (unsigned i = 0; i < shape->producers + shape->consumers; i++) {
        uint64_t n = atomic_load_explicit(&p->control->result[i].count, memory_order_relaxed);
        on_way += i < shape->producers ? n : 0 - n;
    }
    return on_way;
}

/* Servers take all that they are sent: a producer waits while the records on their way are as many as the run wants.
 * True if a batch more fits; else it has slept a while. */
static inline bool peer_has_room(const struct peer_process *p)
{
    static const struct timespec rest = {0, PEER_FULL_NS};
    bool room = peer_on_way(p) + p->shape.batch <= p->shape.capacity;
    if (!room)
        nanosleep(&rest, NULL);
    return room;
}

#endif
