/* notify.h - a descriptor that says when there are records, credits or room, for programs that wait in a loop of their
 * own.
 *
 * Waiting in wait.h would keep such a loop from its other descriptors. A notifier does it in a thread of its own, with
 * a handle of its own (a seat more), and makes an eventfd readable, which epoll, libuv, libevent or poll watch beside
 * the rest. One notifier serves any number of watches: records of a stage, credits of a source, room in a stage, and
 * how far a source is settled (which it looks at every 50 ms, while such a watch is armed).
 *
 *     cvb_notify_create("lines", &notifier);                 watch cvb_notify_fd(notifier) for being readable
 *     id = cvb_notify_watch(notifier, &(struct cvb_watch){.what = CVB_WATCH_RECORDS, .stage = stage});
 *
 *     while (epoll_wait(loop, &event, 1, -1) == 1)
 *         for (int n = cvb_notify_fired(notifier, fired, 16), i = 0; i < n; i++)
 *             serve(&fired[i]), cvb_notify_arm(notifier, fired[i].id);
 *
 * A watch tells once: it is armed by cvb_notify_watch, it fires, and until the loop arms it again it costs nothing,
 * however many records come. Nothing is missed in whichever order these come: arming makes the thread look first, and
 * sleep only if there is nothing. The descriptor is readable as long as a watch has fired that cvb_notify_fired has not
 * told yet, so epoll may be level- or edge-triggered (the latter: ask until it says 0).
 *
 * Records: serve some of the stage, then arm; if there are more, it fires again at once. Credits and room are there
 * most of the time: arm them when a put was refused, not before.
 */
#ifndef CONVEYOR_NOTIFY_H
#define CONVEYOR_NOTIFY_H

#include <conveyor/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cvb_notifier;

/* What a watch is for. */
enum cvb_watch_what {
    CVB_WATCH_RECORDS = 1, /* the stage has a record to lease: as cvb_wait_records */
    CVB_WATCH_CREDITS = 2, /* nothing says pause to the source in the stage: as cvb_wait_credits */
    CVB_WATCH_ROOM = 3,    /* the limits would let a record of the source into the stage: as cvb_wait_room */
    CVB_WATCH_SETTLED = 4  /* no record of the source up to the position is left: as cvb_wait_settled */
};

/* A watch. Name the members when you initialize one; those that are not named are 0 then. */
struct cvb_watch {
    uint32_t what;          /* an enum cvb_watch_what */
    uint32_t stage;         /* credits, room: or CVB_NO_STAGE */
    uint32_t source;        /* credits, room: or CVB_NO_SOURCE */
    uint32_t length;        /* credits, room: not 0: wait for a free cell for a record of that length, too */
    uint64_t position;      /* settled */
    void *data;             /* the caller's own: what has fired brings it back */
    int32_t id;             /* of what has fired; else 0 */
    uint32_t reserved_word; /* 0 */
    uint64_t reserved[3];   /* 0 */
};

/* Joins the segment as cvb_attach does. The thread starts; it blocks all signals. The notifier is of the process that
 * made it: in a forked child there is no such thread, and the child makes its own. The descriptor is closed by exec.
 * Errors: as cvb_attach, and EINVAL; ESYSTEM also if there can be no descriptor or thread. */
CVB_API int cvb_notify_create(const char *name, struct cvb_notifier **notifier);

/* Adds a watch, armed: it fires at once if what it is for is there. Returns its id, a small number of 0 or more that is
 * used again after cvb_notify_unwatch. Errors: EINVAL, EUNKNOWN, ETOOLONG, EFORKED, ESYSTEM (no memory).
 *
 * All functions that take a notifier but cvb_notify_close: any threads at the same time; they do not sleep. */
CVB_API int cvb_notify_watch(struct cvb_notifier *notifier, const struct cvb_watch *watch);

/* Which watches have fired since the last call, the longest ago first: up to count of them, 0 if none has. The
 * descriptor becomes unreadable when all are told. What is told is not armed any more. Errors: EINVAL, EFORKED, or what
 * ended the thread's waiting, such as ECORRUPT; then the descriptor stays readable. */
CVB_API int cvb_notify_fired(struct cvb_notifier *notifier, struct cvb_watch *fired, size_t count);

/* Gives a watch for what is settled another position and arms it, in whichever state it is. Errors: EINVAL, EFORKED. */
CVB_API int cvb_notify_position(struct cvb_notifier *notifier, int id, uint64_t position);

/* Arms a watch that was told: it fires if what it is for is there, now or later. One that is armed, or has fired and is
 * not told yet, stays as it is. Errors: EINVAL (no such watch), EFORKED. */
CVB_API int cvb_notify_arm(struct cvb_notifier *notifier, int id);

/* Removes a watch; what has fired and is not told yet is forgotten. Errors: EINVAL, EFORKED. */
CVB_API int cvb_notify_unwatch(struct cvb_notifier *notifier, int id);

/* A notifier for the records of up to 64 stages which does not say which of them has some: it tells once for all of
 * them until cvb_notify_rearm. Errors: as cvb_notify_create, and EUNKNOWN. */
CVB_API int cvb_notify_open(const char *name, const uint32_t *stages, size_t count, struct cvb_notifier **notifier);

/* The descriptor, until cvb_notify_close. It is readable while there is something to tell: what has fired, or an error.
 * Read it or not: cvb_notify_fired and cvb_notify_rearm do. If the program closes it, and gives its number to another
 * file, that file is left alone; cvb_notify_fired tells what has fired all the same. */
CVB_API int cvb_notify_fd(const struct cvb_notifier *notifier);

/* Makes the descriptor unreadable, and arms all watches. Errors: EFORKED, or as cvb_notify_fired. */
CVB_API int cvb_notify_rearm(struct cvb_notifier *notifier);

/* Ends the thread, leaves the segment and closes the descriptor: remove it from the loop before. Waits for the
 * thread, which is woken. In a forked child it frees the child's memory and descriptor only, and returns EFORKED. */
CVB_API int cvb_notify_close(struct cvb_notifier *notifier);

#ifdef __cplusplus
}
#endif
#endif
