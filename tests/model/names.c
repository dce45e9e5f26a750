/* names.c - two processes intern names at the same time, the same one or (with OTHER) different ones; the shipped
 * name.c. Checked: one id for one name, two for two; a name is read only after it was written (or it is a race).
 */
#include "segment.h"

#define pid_t int
#include <conveyor/segment.h>
#include <conveyor/state.h>
#include <string.h>

static size_t model_length(const char *text, size_t most) { return (void)text, (void)most, 1; }
static int model_differ(const char *a, const char *b, size_t n) { return (void)n, *a != *b; }
static void model_copy(char *to, const char *from, size_t n) { (void)n, *to = *from; }
#define strnlen model_length
#define memcmp model_differ
#define memcpy model_copy
#define strlen(text) model_length(text, 0)
#include <name.c>

bool cvb_is_text(const char *bytes, size_t n) { return (void)bytes, (void)n, true; }

static uint32_t table[2];
static struct cvb_name slots[2 + SEATS + 1];
static uint32_t id[2] = {9, 9};

static void *name_it(void *argument)
{
    uintptr_t me = (uintptr_t)argument;
#ifdef OTHER
    static const char *const text[] = {"a", "b"};
#else
    static const char *const text[] = {"a", "a"};
#endif
    assert(!intern(&handles[me], CVB_KIND_PIPELINE, text[me], &id[me]));
    return NULL;
}

int main(void)
{
    pthread_t thread[2];
    model_handles();
    static const uint32_t here = 1;
    for (uint32_t s = 0; s < 2; s++) {
        struct cvb_geometry *g = &handles[s].segment.geometry;
        g->references[CVB_KIND_PIPELINE] = (uint64_t)((char *)table - (char *)seats);
        g->names[CVB_KIND_PIPELINE] = (uint64_t)((char *)slots - (char *)seats);
        g->name_limit[CVB_KIND_PIPELINE] = 2;
        handles[s].same_process = &here;
        seats[s].staged[CVB_KIND_PIPELINE] = 2 + s;
    }
    for (uintptr_t i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, name_it, (void *)i);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
#ifdef OTHER
    assert(id[0] != id[1] && id[0] < 2 && id[1] < 2);
#else
    assert(id[0] == id[1] && id[0] == 0);
#endif
    return 0;
}
