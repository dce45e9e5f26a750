/* notify.h - a descriptor that says when stages have records, for programs that wait in a loop of their own.
 *
 * Waiting in cvb_wait_records would keep such a loop from its other descriptors. A notifier does it in a thread of its
 * own, with a handle of its own (a seat more), and makes an eventfd readable, which epoll, libuv, libevent or poll
 * watch beside the rest. It tells once: until the loop says with cvb_notify_rearm that it has seen it, the thread
 * sleeps and uses no CPU, however many records come.
 *
 *     cvb_notify_open("lines", stages, count, &notifier);   watch cvb_notify_fd(notifier) for being readable; when it
 * is: while (cvb_get_batch(...) > 0) ...                    some or all of the records of some or all of the stages
 *     cvb_notify_rearm(notifier);                           if there are more, it is readable again at once
 *
 * No record is missed in whichever order these two come: rearming makes the thread look at the stages first, and sleep
 * only if they are empty.
 */
#ifndef CONVEYOR_NOTIFY_H
#define CONVEYOR_NOTIFY_H

#include <conveyor/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cvb_notifier;

/* Joins the segment as cvb_attach does, and starts the thread for up to 64 stages. The thread blocks all signals. The
 * notifier is of the process that opened it: in a forked child there is no such thread, and the child opens its own.
 * The descriptor is closed by exec. Errors: as cvb_attach, and EINVAL, EUNKNOWN; ESYSTEM also if there can be no
 * descriptor or thread. */
CVB_API int cvb_notify_open(const char *name, const uint32_t *stages, size_t count, struct cvb_notifier **notifier);

/* The descriptor, until cvb_notify_close. It is readable while there is something to tell: records in one of the
 * stages, or an error, which cvb_notify_rearm returns. Read it or not: cvb_notify_rearm does. */
CVB_API int cvb_notify_fd(const struct cvb_notifier *notifier);

/* Makes the descriptor unreadable, and asks to be told again. Does not sleep. Any thread, one at a time. Errors:
 * EFORKED, or what ended the thread's waiting, such as ECORRUPT; then the descriptor stays readable. */
CVB_API int cvb_notify_rearm(struct cvb_notifier *notifier);

/* Ends the thread, leaves the segment and closes the descriptor: remove it from the loop before. Waits for the
 * thread, which is woken. In a forked child it frees the child's memory and descriptor only, and returns EFORKED. */
CVB_API int cvb_notify_close(struct cvb_notifier *notifier);

#ifdef __cplusplus
}
#endif
#endif
