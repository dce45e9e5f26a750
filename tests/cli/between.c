/* between.c - calloc of a command that is linked with it, so that others work between any two counts of an audit: each
 * count begins with an array of bytes, and before that a consumer (client.c: turns) is asked for a turn. The variables
 * ASK and ANSWER are the descriptors of the pipes to and from it. */
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

void *__real_calloc(size_t count, size_t size); // NOLINT(cert-dcl51-cpp): the linker's --wrap
void *__wrap_calloc(size_t count, size_t size); // NOLINT(cert-dcl51-cpp)

static int descriptor(const char *variable)
{
    const char *number = getenv(variable);
    return number ? atoi(number) : -1;
}

void *__wrap_calloc(size_t count, size_t size) // NOLINT(cert-dcl51-cpp)
{
    char turn = 0;
    if (size == 1 && (write(descriptor("ASK"), &turn, 1) != 1 || read(descriptor("ANSWER"), &turn, 1) != 1))
        return NULL; /* nobody is there: the audit says so */
    return __real_calloc(count, size);
}
