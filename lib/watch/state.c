/* state.c - reading sizes, counts, names and peers. Nothing here writes to the segment. */
#include <conveyor/state.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "credit/idle.h"
#include "flow/flow.h"
#include "place/stay.h"
#include "sized.h"
#include "system.h"

static int check_stage(struct cvb_handle *h, uint32_t stage)
{
    int error = cvb_reader_check(h);
    return !error && !cvb_id_known(h, CVB_KIND_STAGE, stage) ? CVB_EUNKNOWN : error;
}

int64_t cvb_stage_size(struct cvb_handle *h, uint32_t stage)
{
    int error = check_stage(h, stage);
    if (error)
        return error;
    if (stage != CVB_STAGE_DEAD_LETTER)
        return cvb_live(h, cvb_counter_of_stage(stage));
    int64_t others = 0, total = cvb_counter_used(h, CVB_COUNTER_TOTAL); /* no dead letter is ever idle */
    for (uint32_t s = 1; cvb_id_known(h, CVB_KIND_STAGE, s); s++)
        others += cvb_counter_used(h, cvb_counter_of_stage(s));
    return total > others ? total - others : 0;
}

int64_t cvb_total_buffered(struct cvb_handle *h)
{
    int error = cvb_reader_check(h);
    return error ? error : cvb_live(h, CVB_COUNTER_TOTAL);
}

double cvb_stage_utilization(struct cvb_handle *h, uint32_t stage)
{
    int64_t size = cvb_stage_size(h, stage);
    if (size < 0)
        return (double)size;
    return (double)size / cvb_marks_of(h, stage ? cvb_counter_of_stage(stage) : CVB_COUNTER_TOTAL)->limit;
}

double cvb_global_utilization(struct cvb_handle *h)
{
    int64_t size = cvb_total_buffered(h);
    return size < 0 ? (double)size : (double)size / cvb_marks_of(h, CVB_COUNTER_TOTAL)->limit;
}

int cvb_stages_with_data(struct cvb_handle *h, uint32_t *stages, size_t count)
{
    int error = cvb_reader_check(h), found = 0;
    if (error || (count && !stages))
        return error ? error : CVB_EINVAL;
    for (uint32_t s = 0; cvb_id_known(h, CVB_KIND_STAGE, s); s++)
        if (cvb_stage_size(h, s) > 0) {
            if ((size_t)found < count)
                stages[found] = s;
            found++;
        }
    return found;
}

/* What was acked was parked, or given back at once. */
static void add_tally(struct cvb_counts *c, const struct cvb_tally *t)
{
    c->accepted += cvb_load64_rlx(&t->n[CVB_N_ACCEPTED]);
    c->delivered += cvb_load64_rlx(&t->n[CVB_N_DELIVERED]);
    c->acked += cvb_load64_rlx(&t->n[CVB_N_ACKED]) + row_count(cvb_load64_rlx(&t->n[CVB_N_PARKED]));
    c->returned += cvb_load64_rlx(&t->n[CVB_N_RETURNED]);
    c->released += cvb_load64_rlx(&t->n[CVB_N_RELEASED]);
    c->redelivered += cvb_load64_rlx(&t->n[CVB_N_REDELIVERED]);
    c->forwarded += cvb_load64_rlx(&t->n[CVB_N_FORWARDED]);
    c->dead_lettered += cvb_load64_rlx(&t->n[CVB_N_DEAD_LETTERED]);
    c->refused_stage += cvb_load64_rlx(&t->n[CVB_N_REFUSED_STAGE]);
    c->refused_source += cvb_load64_rlx(&t->n[CVB_N_REFUSED_SOURCE]);
    c->refused_total += cvb_load64_rlx(&t->n[CVB_N_REFUSED_TOTAL]);
    c->refused_memory += cvb_load64_rlx(&t->n[CVB_N_REFUSED_MEMORY]);
    c->stalled_ns += cvb_load64_rlx(&t->n[CVB_N_STALLED_NS]);
}

static int counts_of(struct cvb_handle *h, uint32_t index, struct cvb_counts *counts, size_t size)
{
    struct cvb_counts sum = {0};
    if (!counts)
        return CVB_EINVAL;
    const uint32_t seats = h->segment.settings.max_handles;
    for (uint32_t seat = 0; seat < seats; seat++)
        add_tally(&sum, cvb_tally_at(h, seat, index));
    /* who recovered without a seat; what is parked there was added by a repair */
    sum.redelivered += cvb_load64_rlx(&cvb_tally_at(h, seats, index)->n[CVB_N_REDELIVERED]);
    for (uint32_t seat = 0; index < h->segment.settings.max_stages && seat <= seats; seat++) {
        sum.dead_by_death += cvb_load64_rlx(&cvb_stay_at(h, seat, index)->died);
        sum.pauses += cvb_load64_rlx(&cvb_stay_at(h, seat, index)->pauses);
    }
    cvb_sized_give(counts, size, &sum, sizeof sum);
    return 0;
}

int cvb_stage_counts_sized(struct cvb_handle *h, uint32_t stage, struct cvb_counts *counts, size_t size)
{
    char name[CVB_NAME_MAX + 1];
    int error = cvb_stage_name(h, stage, name);
    return error ? error : counts_of(h, stage, counts, size);
}

int cvb_source_counts_sized(struct cvb_handle *h, uint32_t source, struct cvb_counts *counts, size_t size)
{
    char name[CVB_NAME_MAX + 1];
    int error = cvb_source_name(h, source, name);
    return error ? error : counts_of(h, h->segment.settings.max_stages + source, counts, size);
}

int cvb_peer_counts_sized(struct cvb_handle *h, uint32_t seat, struct cvb_counts *counts, size_t size)
{
    int error = cvb_reader_check(h);
    if (error || !counts || seat >= h->segment.settings.max_handles)
        return error ? error : CVB_EINVAL;
    struct cvb_counts sum = {0};
    for (uint32_t stage = 0; stage < h->segment.settings.max_stages; stage++)
        add_tally(&sum, cvb_tally_at(h, seat, stage));
    cvb_sized_give(counts, size, &sum, sizeof sum);
    return 0;
}

/* Counts n records of a state in element `index` of an array of the caller's, which may be NULL, and whose elements may
 * have fewer numbers than ours. */
static void count_in(struct cvb_census *array, size_t size, uint32_t index, unsigned state, uint32_t n)
{
    size_t at = state == CVB_QUEUED || state == CVB_DELAYED ? offsetof(struct cvb_census, queued)
                : state == CVB_LEASED                       ? offsetof(struct cvb_census, leased)
                : state == CVB_RES                          ? offsetof(struct cvb_census, reserved)
                                                            : SIZE_MAX;
    if (array && at < size)
        *(uint32_t *)(void *)((char *)array + index * size + at) += n;
    at = offsetof(struct cvb_census, delayed);
    if (array && at < size && state == CVB_DELAYED)
        *(uint32_t *)(void *)((char *)array + index * size + at) += n;
}

static void clear(struct cvb_census *array, size_t size, uint32_t count)
{
    if (array)
        memset((void *)array, 0, size * count);
}

int cvb_census_sized(struct cvb_handle *h, struct cvb_census *total, struct cvb_census *stages,
                     struct cvb_census *sources, struct cvb_census *handles, size_t size)
{
    int error = cvb_reader_check(h);
    if (error || !total || size % sizeof(uint32_t))
        return error ? error : CVB_EINVAL;
    const struct cvb_settings *s = &h->segment.settings;
    clear(total, size, 1);
    clear(stages, size, s->max_stages);
    clear(sources, size, s->max_sources);
    clear(handles, size, s->max_handles);
    uint32_t pending = cvb_pending_all(h);
    for (uint32_t u = 0; u < h->segment.geometry.unit_count; u++) {
        struct cvb_pair w = cvb_pending_word(h, u, pending);
        unsigned state = cvb_lo_state(w.lo), n = cvb_mask_count(cvb_hi_mask(w.hi));
        uint32_t source = cvb_load16_rlx(&cvb_unit_at(h, u)->source);
        count_in(total, size, 0, state, n);
        if (cvb_hi_stage(w.hi) < s->max_stages)
            count_in(stages, size, cvb_hi_stage(w.hi), state, n);
        if (source < s->max_sources && cvb_hi_stage(w.hi) != CVB_STAGE_DEAD_LETTER)
            count_in(sources, size, source, state, n);
        if (state != CVB_QUEUED && state != CVB_DELAYED && cvb_hi_seat(w.hi) < s->max_handles)
            count_in(handles, size, cvb_hi_seat(w.hi), state, n);
    }
    return 0;
}

int cvb_leased_by(struct cvb_handle *h, uint32_t stage, uint32_t *handles)
{
    int error = cvb_reader_check(h);
    if (error || !handles)
        return error ? error : CVB_EINVAL;
    if (!cvb_id_known(h, CVB_KIND_STAGE, stage))
        return CVB_EUNKNOWN;
    memset(handles, 0, sizeof *handles * h->segment.settings.max_handles);
    for (uint32_t u = 0; u < h->segment.geometry.unit_count; u++) {
        const struct cvb_pair w = cvb_load_pair(&cvb_unit_at(h, u)->word);
        const uint32_t seat = cvb_hi_seat(w.hi);
        if (cvb_lo_state(w.lo) == CVB_LEASED && cvb_hi_stage(w.hi) == stage && seat < h->segment.settings.max_handles)
            handles[seat] += cvb_mask_count(cvb_hi_mask(w.hi));
    }
    return 0;
}

/* T or t in /proc/PID/stat, after the name in brackets. */
static bool is_stopped(uint32_t pid)
{
    char path[32], text[256];
    snprintf(path, sizeof path, "/proc/%u/stat", pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    const char *end = strrchr(text, ')');
    return end && end[1] == ' ' && (end[2] == 'T' || end[2] == 't');
}

/* Not dead if that cannot be told: the descriptor to ask with may be lost. */
static int peer_state(struct cvb_handle *h, uint32_t seat, uint32_t pid)
{
    uint64_t number;
    const int dead = cvb_owner_dead(h, seat, &number);
    if (dead)
        return dead < 0 ? dead : CVB_PEER_DEAD;
    return is_stopped(pid) ? CVB_PEER_STOPPED : CVB_PEER_ALIVE;
}

int cvb_peer_sized(struct cvb_handle *h, uint32_t seat, struct cvb_peer *peer, size_t size)
{
    int error = cvb_handle_reads(h);
    if (error || !peer || seat >= h->segment.settings.max_handles)
        return error ? error : CVB_EINVAL;
    struct cvb_peer found = {0, CVB_PEER_NONE, 0};
    cvb_sized_give(peer, size, &found, sizeof found);
    if (!(cvb_load64_acq(&cvb_seat_at(h, seat)->state) & 1))
        return 0;
    uint32_t pid = cvb_load32_rlx(&cvb_seat_at(h, seat)->pid);
    const uint64_t active = cvb_load64_rlx(&cvb_seat_at(h, seat)->active_ns);
    int before = cvb_guard(), state = peer_state(h, seat, pid);
    cvb_unguard(before);
    if (state < 0)
        return state;
    found = (struct cvb_peer){(int32_t)pid, (uint32_t)state, cvb_age_ns(active, cvb_coarse_ns())};
    cvb_sized_give(peer, size, &found, sizeof found);
    return 0;
}

/* True if the system can open no file now, so that what cannot be seen may well be a segment. */
static bool is_short_of_files(int looked)
{
    return looked == CVB_ESYSTEM && (errno == EMFILE || errno == ENFILE || errno == ENOMEM);
}

/* What a visitor is shown: settings, and 0 for those that only a later version has. */
union shown {
    struct cvb_settings settings;
    char all[512];
};

static int list(DIR *d, int (*visit)(const char *, const struct cvb_settings *, uint64_t, void *), void *data)
{
    for (union shown shown = {.all = {0}};;) {
        uint64_t bytes;
        errno = 0;
        struct dirent *e = readdir(d);
        if (!e)
            return errno ? CVB_ESYSTEM : 0;
        if (!strncmp(e->d_name, CVB_UNFINISHED_PREFIX, strlen(CVB_UNFINISHED_PREFIX)))
            continue;
        int looked = cvb_segment_look(e->d_name, &shown.settings, &bytes);
        if (is_short_of_files(looked))
            return looked;
        int result = looked ? 0 : visit(e->d_name, &shown.settings, bytes, data);
        if (result)
            return result;
    }
}

int cvb_list_sized(int (*visit)(const char *, const struct cvb_settings *, uint64_t, void *), void *data, size_t size)
{
    if (!visit || size > sizeof(union shown))
        return CVB_EINVAL;
    int before = cvb_guard(), result;
    DIR *d = opendir(CVB_SHM_DIRECTORY);
    if (d) {
        result = list(d, visit, data);
        int kept = errno;
        closedir(d);
        errno = kept;
    } else {
        result = cvb_path_error();
    }
    cvb_unguard(before);
    return result;
}
