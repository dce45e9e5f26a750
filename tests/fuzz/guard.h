/* guard.h - included before every file of the library that is fuzzed: a shared mapping lies between wide stretches of
 * address space that nobody may touch, so that an access outside it is seen, however far off.
 */
#ifndef FUZZ_GUARD_H
#define FUZZ_GUARD_H

#include <sys/mman.h>

void *fuzz_map(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int fuzz_unmap(void *at, size_t size);
#define mmap(...) fuzz_map(__VA_ARGS__)
#define munmap(at, size) fuzz_unmap(at, size)

#endif
