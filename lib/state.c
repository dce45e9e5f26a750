/* state.c - reading sizes, counts, names and peers. Nothing here writes to the segment. */
#include <conveyor/state.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

/* Records that hold credits of a counter, without those that only wait for reuse. */
static int64_t size_of(struct cvb_handle *h, uint32_t counter)
{
    int64_t size = cvb_counter_used(h, counter) - cvb_idle_count(h, counter);
    return size < 0 ? 0 : size;
}

static int check_stage(struct cvb_handle *h, uint32_t stage)
{
    int error = cvb_handle_check(h);
    return !error && !cvb_id_known(h, CVB_KIND_STAGE, stage) ? CVB_EUNKNOWN : error;
}

int64_t cvb_stage_size(struct cvb_handle *h, uint32_t stage)
{
    int error = check_stage(h, stage);
    if (error)
        return error;
    if (stage != CVB_STAGE_DEAD_LETTER)
        return size_of(h, cvb_counter_of_stage(stage));
    int64_t others = 0, total = size_of(h, CVB_COUNTER_TOTAL);
    for (uint32_t s = 1; s < h->segment.settings.max_stages; s++)
        others += size_of(h, cvb_counter_of_stage(s));
    return total > others ? total - others : 0;
}

int64_t cvb_total_buffered(struct cvb_handle *h)
{
    int error = cvb_handle_check(h);
    return error ? error : size_of(h, CVB_COUNTER_TOTAL);
}

double cvb_stage_utilization(struct cvb_handle *h, uint32_t stage)
{
    int64_t size = cvb_stage_size(h, stage);
    if (size < 0)
        return (double)size;
    uint32_t limit = stage ? h->segment.settings.max_per_stage : h->segment.settings.max_total_records;
    return (double)size / limit;
}

double cvb_global_utilization(struct cvb_handle *h)
{
    int64_t size = cvb_total_buffered(h);
    return size < 0 ? (double)size : (double)size / h->segment.settings.max_total_records;
}

int cvb_stages_with_data(struct cvb_handle *h, uint32_t *stages, size_t count)
{
    int error = cvb_handle_check(h), found = 0;
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

static void add_tally(struct cvb_counts *c, const struct cvb_tally *t)
{
    c->accepted += cvb_load64_rlx(&t->n[CVB_N_ACCEPTED]);
    c->delivered += cvb_load64_rlx(&t->n[CVB_N_DELIVERED]);
    c->acked += cvb_load64_rlx(&t->n[CVB_N_ACKED]);
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

static int counts_of(struct cvb_handle *h, uint32_t index, struct cvb_counts *counts)
{
    if (!counts)
        return CVB_EINVAL;
    memset(counts, 0, sizeof *counts);
    for (uint32_t seat = 0; seat <= h->segment.settings.max_handles; seat++)
        add_tally(counts, cvb_tally_at(h, seat, index));
    return 0;
}

int cvb_stage_counts(struct cvb_handle *h, uint32_t stage, struct cvb_counts *counts)
{
    char name[CVB_NAME_MAX + 1];
    int error = cvb_stage_name(h, stage, name);
    return error ? error : counts_of(h, stage, counts);
}

int cvb_source_counts(struct cvb_handle *h, uint32_t source, struct cvb_counts *counts)
{
    char name[CVB_NAME_MAX + 1];
    int error = cvb_source_name(h, source, name);
    return error ? error : counts_of(h, h->segment.settings.max_stages + source, counts);
}

int cvb_peer_counts(struct cvb_handle *h, uint32_t seat, struct cvb_counts *counts)
{
    int error = cvb_handle_check(h);
    if (error || !counts || seat >= h->segment.settings.max_handles)
        return error ? error : CVB_EINVAL;
    memset(counts, 0, sizeof *counts);
    for (uint32_t stage = 0; stage < h->segment.settings.max_stages; stage++)
        add_tally(counts, cvb_tally_at(h, seat, stage));
    return 0;
}

static void add_to(struct cvb_census *c, unsigned state, uint32_t n)
{
    if (state == CVB_QUEUED)
        c->queued += n;
    else if (state == CVB_LEASED)
        c->leased += n;
    else if (state == CVB_RES)
        c->reserved += n;
}

int cvb_census(struct cvb_handle *h, struct cvb_census *total, struct cvb_census *stages, struct cvb_census *sources,
               struct cvb_census *handles)
{
    int error = cvb_handle_check(h);
    if (error || !total)
        return error ? error : CVB_EINVAL;
    const struct cvb_settings *s = &h->segment.settings;
    memset(total, 0, sizeof *total);
    if (stages)
        memset(stages, 0, sizeof *stages * s->max_stages);
    if (sources)
        memset(sources, 0, sizeof *sources * s->max_sources);
    if (handles)
        memset(handles, 0, sizeof *handles * s->max_handles);
    uint32_t pending = cvb_pending_all(h);
    for (uint32_t u = 0; u < h->segment.geometry.unit_count; u++) {
        struct cvb_pair w = cvb_pending_word(h, u, pending);
        unsigned state = cvb_lo_state(w.lo), n = cvb_mask_count(cvb_hi_mask(w.hi));
        uint32_t source = cvb_load16_rlx(&cvb_unit_at(h, u)->source);
        add_to(total, state, n);
        if (stages && cvb_hi_stage(w.hi) < s->max_stages)
            add_to(&stages[cvb_hi_stage(w.hi)], state, n);
        if (sources && source < s->max_sources)
            add_to(&sources[source], state, n);
        if (handles && state != CVB_QUEUED && cvb_hi_seat(w.hi) < s->max_handles)
            add_to(&handles[cvb_hi_seat(w.hi)], state, n);
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

int cvb_peer(struct cvb_handle *h, uint32_t seat, struct cvb_peer *peer)
{
    int error = cvb_handle_check(h);
    if (error || !peer || seat >= h->segment.settings.max_handles)
        return error ? error : CVB_EINVAL;
    *peer = (struct cvb_peer){0, CVB_PEER_NONE};
    uint64_t state = cvb_load64_acq(&cvb_seat_at(h, seat)->state);
    if (!(state & 1))
        return 0;
    uint32_t pid = cvb_load32_rlx(&cvb_seat_at(h, seat)->pid);
    peer->pid = (pid_t)pid;
    int locked = seat == h->seat ? 1 : cvb_seat_locked(h->lock_fd, seat);
    if (locked < 0)
        return locked;
    peer->state = !locked ? CVB_PEER_DEAD : is_stopped(pid) ? CVB_PEER_STOPPED : CVB_PEER_ALIVE;
    return 0;
}

int cvb_list(int (*visit)(const char *, const struct cvb_settings *, uint64_t, void *), void *data)
{
    if (!visit)
        return CVB_EINVAL;
    DIR *d = opendir(CVB_SHM_DIRECTORY);
    if (!d)
        return CVB_ESYSTEM;
    int result = 0;
    for (struct dirent *e; !result && (e = readdir(d));) {
        struct cvb_settings settings;
        uint64_t bytes;
        if (!cvb_segment_look(e->d_name, &settings, &bytes))
            result = visit(e->d_name, &settings, bytes, data);
    }
    closedir(d);
    return result;
}

int cvb_is_linked(struct cvb_handle *h)
{
    struct stat st;
    int error = cvb_handle_check(h);
    if (error)
        return error;
    return fstat(h->lock_fd, &st) ? CVB_ESYSTEM : st.st_nlink > 0;
}
