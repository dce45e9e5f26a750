/* interned.c - two processes name a source at the same time, the same name or (with OTHER) another one, where one place
 * is left; its last name was retired, and its bytes are still in a slot. With REUSE one process retires the place's
 * name and names it anew, in the same slot, while another reads which name the place has. The shipped intern.c.
 *
 * Checked: one id for one name, and for one name only; a name is seen as it was written (N2).
 */
#include "segment.h"

#define pid_t int
#include <conveyor/segment.h>
#include <conveyor/state.h>
#include <string.h>

static size_t model_length(const char *text, size_t most) { return (void)text, (void)most, 1; }
static int model_differ(const char *a, const char *b) { return *a != *b; }
#define strnlen model_length
#define strcmp model_differ
#include <intern.c>

bool cvb_is_text(const char *bytes, size_t n) { return (void)bytes, (void)n, true; }

#ifdef REUSE
enum { WORDS = 2 }; /* of a name: the same in each */
#else
enum { WORDS = 1 };
#endif
void cvb_store_text(uint64_t words[CVB_REASON_WORDS], const char *text)
{
    for (int i = 0; i < WORDS; i++)
        cvb_store64_rlx(words + i, (uint64_t)*text);
}
size_t cvb_load_bytes(const uint64_t words[CVB_REASON_WORDS], char text[CVB_REASON_MAX + 1])
{
    for (int i = 0; i < WORDS; i++)
        text[i] = (char)cvb_load64_rlx(words + i);
    return 1;
}
void cvb_show_as_text(char *text, size_t length) { (void)text, (void)length; }
void cvb_place_clear(struct cvb_handle *h, uint32_t place) { (void)h, (void)place; }
void cvb_place_begin(struct cvb_handle *h, uint32_t place) { (void)h, (void)place; }

static uint64_t texts[SOURCES + SEATS + 1][CVB_REASON_WORDS];
#ifdef OTHER
static const char *const names[] = {"a", "b"};
#else
static const char *const names[] = {"a", "a"};
#endif
static int error[2];

static void *name_it(void *argument)
{
    const uintptr_t me = (uintptr_t)argument;
    char text[CVB_NAME_MAX + 1];
    uint32_t id = 9;
    error[me] = intern_source(&handles[me], names[me], &id);
    if (error[me])
        return NULL;
    assert(id == 1u << CVB_GENERATION_SHIFT);
    assert(!cvb_source_text(&handles[me], id, text) && text[0] == names[me][0]);
    return NULL;
}

#ifdef REUSE
static void *name_anew(void *argument)
{
    struct cvb_pair *named = cvb_named_at(&handles[0], 0), w = cvb_load_pair(named);
    const uint64_t next = cvb_named_lo(CVB_NAMED_FREE, 1u << CVB_GENERATION_SHIFT);
    cvb_cas_pair(named, w, (struct cvb_pair){next, w.hi + CVB_NAMED_CHANGE});
    return name_it(argument);
}

static void *read_it(void *argument)
{
    char text[CVB_NAME_MAX + 1];
    const struct cvb_pair w = read_place(&handles[1], 0, text);
    (void)argument;
    if (has_name(w))
        assert(text[0] == (w.lo ? 'a' : 'z') && text[1] == text[0]);
    return NULL;
}
#endif

int main(void)
{
    pthread_t thread[2];
    model_handles();
    struct cvb_pair *named = &flags[3 + 2 * STAGES].named;
#ifdef REUSE
    const uint64_t lo = 0;
    void *(*const run[])(void *) = {name_anew, read_it};
#else
    const uint64_t lo = cvb_named_lo(CVB_NAMED_FREE, 1u << CVB_GENERATION_SHIFT);
    void *(*const run[])(void *) = {name_it, name_it};
#endif
    *(uint64_t *)(void *)named = model_pack(named, (struct cvb_pair){lo, CVB_NAMED_CHANGE});
    for (uint32_t s = 0; s < 2; s++) {
        struct cvb_geometry *g = &handles[s].segment.geometry;
        g->references[CVB_KIND_SOURCE] = (uint64_t)((char *)model_writers - (char *)seats);
        g->names[CVB_KIND_SOURCE] = (uint64_t)((char *)texts - (char *)seats);
        handles[s].entered = seats[s].state = 1 + 2 * s;
    }
    texts[0][0] = texts[0][1] = 'z';
    for (uintptr_t i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, run[i], (void *)i);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
#if defined OTHER
    assert(!error[0] + !error[1] == 1 && error[0] + error[1] == CVB_ENAMES);
#else
    assert(!error[0] && !error[1]);
#endif
    return 0;
}
