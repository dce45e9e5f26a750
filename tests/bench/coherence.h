/* coherence.h - which cache lines of a segment change hands, if each process has a cache of its own that nothing is
 * ever driven out of.
 *
 * A line is in the caches of those who have read it since it was written last, and of its last writer. Who reads it and
 * has it not, or writes it and is not the only one that has it, gets it from somewhere else: it changes hands. That
 * counts as `beside` if it comes beside other work: the code had asked for it by a prefetch in an earlier call, or it
 * is only stored to, for which a core does not wait. Else it counts as `waited`.
 */
#ifndef TESTS_BENCH_COHERENCE_H
#define TESTS_BENCH_COHERENCE_H

#include <stdbool.h>
#include <stddef.h>

enum { COHERENCE_PROCESSES = 192 };

/* What a call moved, by what the lines hold; by_class is of the caller's own classes. */
enum { COHERENCE_CLASSES = 16 };
struct coherence_moved {
    unsigned long waited[COHERENCE_CLASSES], beside[COHERENCE_CLASSES];
};

/* So many lines, which nobody has. False if there is no memory for them. */
bool coherence_begin(size_t lines);
void coherence_end(void);
/* What the process does from now on is one call, and is counted in *moved. */
void coherence_call(unsigned process, struct coherence_moved *moved);
enum coherence_access { COHERENCE_LOAD, COHERENCE_STORE, COHERENCE_LOCKED };
void coherence_access(size_t line, unsigned class, enum coherence_access how);
void coherence_prefetch(size_t line, unsigned class, bool write);

#endif
