/* fuzz.h - what the targets share: a bound on steps, a clock that only waiting moves, and the input byte by byte.
 *
 * Nothing here depends on time or chance: an input does the same each time.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <conveyor/buffer.h>
#include <stdbool.h>

struct fuzz_input {
    const uint8_t *at, *end;
};

/* The next bytes as a little-endian number; 0 from the end on. */
uint32_t fuzz_number(struct fuzz_input *in, unsigned bytes);

/* A public operation begins: from here on it may do so many accesses, or it counts as endless. */
void fuzz_begin(const char *operation);
/* Called once, before the access number `access` from now on; NULL: not at all. */
void fuzz_at_access(uint32_t access, void (*call)(void));
/* Says what is wrong, and ends the process. */
void fuzz_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
#define FUZZ_CHECK(condition, ...) ((condition) ? (void)0 : fuzz_fail(__VA_ARGS__))

/* The clock of all waits. */
extern uint64_t fuzz_clock_ns;
/* The name and the path of the target's segment. */
const char *fuzz_segment(void);
const char *fuzz_path(void);

enum { FUZZ_HEADER = 8 };
/* A tiny segment's settings: two classes, trains, three stages, two sources, four handles. */
struct cvb_settings fuzz_settings(void);
/* All ids that there can be get a name. */
void fuzz_name_all(struct cvb_handle *h);
/* Does a little of everything; leases must lie in the mapping. */
void fuzz_use(struct cvb_handle *h, struct fuzz_input *in, unsigned operations);
/* Calls the operation number `op` with arguments from the input. */
void fuzz_operation(struct cvb_handle *h, unsigned op, struct fuzz_input *in);
/* Leases and reservations of a handle are forgotten. */
void fuzz_forget(void);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
