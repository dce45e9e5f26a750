/* handle.c - joining and leaving: a seat is taken by its OFD lock first, and only then does its word say active. */
#include <conveyor/crash.h>
#include <conveyor/segment.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

static atomic_uint serials;

/* A page that the kernel clears in every forked child, also after a raw clone. */
static const uint32_t *make_fork_page(void)
{
    uint32_t *page = mmap(NULL, CVB_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return NULL;
    if (madvise(page, CVB_PAGE, MADV_WIPEONFORK)) {
        munmap(page, CVB_PAGE);
        return NULL;
    }
    *page = 1;
    return page;
}

static int take_seat(struct cvb_handle *h)
{
    for (uint32_t s = 0; s < h->segment.settings.max_handles; s++) {
        uint64_t *state = &cvb_seat_at(h, s)->state, now = cvb_load64_acq(state);
        if ((now & 1) || cvb_lock_seat(h->lock_fd, s))
            continue;
        if (cvb_cas64(state, now, now + 1)) {
            h->seat = s;
            h->seq = cvb_head_seq(cvb_load64_acq(&cvb_seat_at(h, s)->journal.head));
            cvb_store32_rlx(&cvb_seat_at(h, s)->pid, (uint32_t)getpid());
            return 0;
        }
        cvb_unlock_seat(h->lock_fd, s);
    }
    return CVB_EHANDLES;
}

/* A seat that a dead peer left counts as free once it was recovered; a scratch seat number serves until we have our
 * own. */
static int find_seat(struct cvb_handle *h)
{
    int error = take_seat(h);
    if (!error)
        return 0;
    h->seat = h->segment.settings.max_handles;
    return error;
}

static void free_memory(struct cvb_handle *h)
{
    if (h->same_process)
        munmap((void *)(uintptr_t)h->same_process, CVB_PAGE);
    free(h->ends);
    free(h->idle_seen);
    free(h);
}

int cvb_attach(const char *name, struct cvb_handle **out)
{
    if (!out)
        return CVB_EINVAL;
    struct cvb_handle *h = calloc(1, sizeof *h);
    if (!h)
        return CVB_ESYSTEM;
    int error = cvb_segment_open(name, &h->segment, &h->lock_fd);
    if (error) {
        free_memory(h);
        return error;
    }
    h->refused_class = CVB_NO_CLASS;
    for (uint32_t i = 0; i < 3; i++) {
        struct cvb_marks m;
        cvb_marks_of(h,
                     i == 0   ? cvb_counter_of_source(h, 0)
                     : i == 1 ? CVB_COUNTER_TOTAL
                              : cvb_counter_of_stage(1),
                     &m);
        h->high[i] = m.high;
    }
    h->serial = atomic_fetch_add(&serials, 1) + 1;
    h->same_process = make_fork_page();
    h->ends = calloc(h->segment.settings.max_stages, sizeof *h->ends);
    h->idle_seen = calloc(h->segment.settings.max_handles, sizeof *h->idle_seen);
    error = h->same_process && h->ends && h->idle_seen ? find_seat(h) : CVB_ESYSTEM;
    if (!error)
        error = cvb_recover(h);
    if (error < 0) {
        close(h->lock_fd);
        cvb_segment_close(&h->segment);
        free_memory(h);
        return error;
    }
    *out = h;
    return 0;
}

int cvb_detach(struct cvb_handle *h)
{
    if (!h)
        return CVB_EINVAL;
    bool mine = !cvb_handle_check(h);
    close(h->lock_fd); /* frees the seat's lock: whatever this handle still owns is a dead seat's, and recovered as such
                        */
    cvb_segment_close(&h->segment);
    free_memory(h);
    return mine ? 0 : CVB_EFORKED;
}

int cvb_settings_of(struct cvb_handle *h, struct cvb_settings *settings)
{
    if (!settings)
        return CVB_EINVAL;
    int error = cvb_handle_check(h);
    if (!error)
        *settings = h->segment.settings;
    return error;
}

const char *cvb_error_text(int error)
{
    static const char *const text[] = {"no error",
                                       "an argument is out of its range",
                                       "a system call failed",
                                       "no segment of that name",
                                       "a segment of that name is there already",
                                       "not enough shared memory for the segment",
                                       "no permission for the segment",
                                       "the segment's file is shorter than its header says",
                                       "not a conveyor segment",
                                       "the segment was made by another version",
                                       "the segment was made with another layout",
                                       "the segment is corrupt",
                                       "every handle's seat is taken",
                                       "not a name: 1 to 63 bytes of UTF-8 without control characters",
                                       "one name too many",
                                       "no such stage, source or pipeline",
                                       "the stage's limit is reached",
                                       "the source's limit is reached",
                                       "the limit of all records is reached",
                                       "no free cell that is large enough",
                                       "the record is longer than the payload size",
                                       "the lease was settled before",
                                       "the lease belongs to another handle",
                                       "the handle belongs to the parent process",
                                       "the time is over"};
    int i = -error;
    return i >= 0 && i < (int)(sizeof text / sizeof text[0]) ? text[i] : "unknown error";
}
