/* sized.h - structs of callers that were built with another version: as much of them as both sides know. */
#ifndef CVB_SHM_SIZED_H
#define CVB_SHM_SIZED_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Gives the caller a struct; what only the caller's version knows is 0. */
static inline void cvb_sized_give(void *to, size_t size, const void *from, size_t known)
{
    memcpy(to, from, size < known ? size : known);
    if (size > known)
        memset((char *)to + known, 0, size - known);
}

/* Clears the caller's array of `count` structs, if there is one. */
static inline void cvb_sized_clear(void *array, size_t size, size_t count)
{
    if (array)
        memset(array, 0, size * count);
}

/* Takes the caller's struct; what only this version knows stays as it was. False if the caller asks for something that
 * this version does not know. */
static inline bool cvb_sized_take(void *to, size_t known, const void *from, size_t size)
{
    const char *given = from;
    memcpy(to, from, size < known ? size : known);
    for (size_t at = known; at < size; at++)
        if (given[at])
            return false;
    return true;
}

#endif
