/* access.h - included before every file of the library whose accesses to shared memory are to be seen one by one.
 *
 * Each access of shm/order.h calls cvb_explore_step(), if CVB_EXPLORE is defined; here that becomes a call that also
 * says which access it is, by the name of its function, and of what address.
 */
#ifndef EXPLORE_ACCESS_H
#define EXPLORE_ACCESS_H

#include <stdint.h>

#pragma GCC diagnostic ignored "-Wshadow"
enum { at = 0 }; /* for a step that is no access: cvb_pause */
void explore_access(const char *access, const void *at);
#define EXPLORE_STEP_void explore_step_declared(void)
#define EXPLORE_STEP_ explore_access(__func__, (const void *)(uintptr_t)(at))
#define cvb_explore_step(x) EXPLORE_STEP_##x

#endif
