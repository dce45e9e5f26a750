/* between.c - two functions of a command that is linked with it, so that others act at these moments: between any two
 * counts of an audit, each of which begins with an array of bytes; and before evict opens the process that it has
 * chosen. Somebody is asked for a turn, a consumer (client.c: turns) or the test. The variables ASK and ANSWER are the
 * descriptors of the pipes to and from them. */
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

void *__real_calloc(size_t count, size_t size); // NOLINT(cert-dcl51-cpp): the linker's --wrap
void *__wrap_calloc(size_t count, size_t size); // NOLINT(cert-dcl51-cpp)
int __real_cli_process_open(pid_t pid);         // NOLINT(cert-dcl51-cpp)
int __wrap_cli_process_open(pid_t pid);         // NOLINT(cert-dcl51-cpp)

static int descriptor(const char *variable)
{
    const char *number = getenv(variable);
    return number ? atoi(number) : -1;
}

/* False if nobody is there. */
static bool give_a_turn(void)
{
    char turn = 0;
    return write(descriptor("ASK"), &turn, 1) == 1 && read(descriptor("ANSWER"), &turn, 1) == 1;
}

void *__wrap_calloc(size_t count, size_t size) // NOLINT(cert-dcl51-cpp)
{
    return size != 1 || give_a_turn() ? __real_calloc(count, size) : NULL; /* the audit says so */
}

int __wrap_cli_process_open(pid_t pid) // NOLINT(cert-dcl51-cpp)
{
    return give_a_turn() ? __real_cli_process_open(pid) : -1;
}
