/* hook.h - included before every protocol file that the explorer runs.
 *
 * Each access says what it is and of what address (access.h), so that a trace can be read and the oracle need look only
 * at what was written. What a file asks of the system goes to the explorer as well: a simulated process has no pages,
 * no locks and no memory of its own.
 */
#ifndef EXPLORE_HOOK_H
#define EXPLORE_HOOK_H

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "access.h"

void *explore_calloc(size_t count, size_t size);
void explore_free(void *p);
void *explore_page(void);
#define calloc(n, size) explore_calloc(n, size)
#define free(p) explore_free(p)
#define mmap(...) explore_page()
#define madvise(...) (explore_page() ? 0 : -1)
#define munmap(p, size) ((void)(p))
#define getpid() 1

#endif
