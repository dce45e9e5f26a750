/* after.c - the aftermaths, played on a copy of the segment as it was at one instruction of the victim.
 *
 * In the copy nobody holds the lock of the victim's number, so it is dead there; while this process holds it, the
 * victim counts as alive, and is as good as stopped for ever. Seat 0 is that of the idle peer that built the starting
 * state; in the copies it is kept alive by a handle that does nothing else.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "crash.h"

/* The handle of this number lives. */
static void keep_alive(int fd, uint64_t number)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)number, .l_len = 1};
    fcntl(fd, F_OFD_SETLK, &l);
}

static void let_die(int fd)
{
    struct flock all = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    fcntl(fd, F_OFD_SETLK, &all);
}

static int open_for_locks(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    return open(path, O_RDWR | O_CLOEXEC);
}

static void counter_main(struct world *w, const void *unused);
static void recoverer_main(struct world *w, const void *unused);

static bool make_copy(const char *name, struct bytes *b, int *fd)
{
    struct cvb_settings s;
    struct cvb_handle *keeper; /* of seat 0 */
    settings_of_test(&s);
    cvb_unlink(name);
    if (cvb_create(name, &s) || !bytes_map(name, b) || cvb_attach(name, &keeper))
        return false;
    *fd = open_for_locks(name);
    return *fd >= 0;
}

const char *arena_open(struct arena *x, struct world *w)
{
    x->w = w;
    if (!make_copy(w->copy, &x->copy, &x->copy_fd) || !make_copy(w->second, &x->second, &x->second_fd))
        return say("no copies");
    x->recoverer = start_child(recoverer_main, w, NULL);
    x->counter = (x->each ? start_traced : start_child)(counter_main, w, x->each ? x : NULL);
    return x->recoverer && x->counter ? NULL : say("no helpers");
}

void arena_close(struct arena *x)
{
    end(x->recoverer);
    end(x->counter);
    cvb_unlink(x->w->copy);
    cvb_unlink(x->w->second);
}

/* No limit is exceeded by what the units say. */
static const char *limits_hold(struct cvb_handle *h)
{
    struct cvb_census all, stage[STAGES], source[PLACES];
    int error = cvb_census(h, &all, stage, source, NULL);
    if (error)
        return say("census: %s", cvb_error_text(error));
#define SUM(c) ((c).queued + (c).leased + (c).reserved)
    if (SUM(all) > TOTAL)
        return say("%u records in all", SUM(all));
    for (unsigned i = 1; i < STAGES; i++)
        if (SUM(stage[i]) > PER_STAGE)
            return say("%u records in stage %u", SUM(stage[i]), i);
    for (unsigned i = 0; i < SOURCES; i++)
        if (SUM(source[i]) > PER_SOURCE)
            return say("%u records of source %u", SUM(source[i]), i);
    return NULL;
}

static const char *audit_exact(struct cvb_handle *h, bool empty)
{
    struct cvb_audit a;
    int error = cvb_audit(h, &a);
    if (error)
        return say("audit: %s", cvb_error_text(error));
    if (!a.exact || a.problems)
        return say("audit: %u problems, %s", a.problems, a.first_problem);
    if (empty && (a.free != TOTAL || cvb_total_buffered(h)))
        return say("drained, but %u of %u are free, and %lld are counted", a.free, TOTAL,
                   (long long)cvb_total_buffered(h));
    return NULL;
}

static const char *no_dead_seats(struct cvb_handle *h)
{
    for (uint32_t s = 0; s < SEATS; s++) {
        struct cvb_peer p;
        int error = cvb_peer(h, s, &p);
        if (error || p.state == CVB_PEER_DEAD)
            return say("seat %u: %s", s, error ? cvb_error_text(error) : "still dead");
    }
    return NULL;
}

static const char *drain_stage(struct cvb_handle *h, unsigned stage, struct facts *f)
{
    struct cvb_lease l[5];
    int n;
    unsigned turns = 0;
    while ((n = cvb_get_batch(h, stage, l, 5)) > 0) {
        for (int i = 0; i < n; i++) {
            const char *wrong = f ? facts_got(f, &l[i], true) : NULL;
            if (wrong)
                return wrong;
        }
        int error = cvb_ack(h, l, (size_t)n);
        if (error || ++turns > 1000)
            return say("ack while draining: %s", cvb_error_text(error));
    }
    return n ? say("get while draining: %s", cvb_error_text(n)) : NULL;
}

static const char *drain_once(struct cvb_handle *h, struct facts *f)
{
    const char *wrong = NULL;
    for (unsigned s = 1; !wrong && s < STAGES_NAMED; s++)
        wrong = drain_stage(h, s, f);
    if (!wrong)
        wrong = drain_stage(h, DEAD_LETTERS, f);
    return wrong;
}

/* Also what is to be tried again in a moment; and what became due when its stage had been drained. */
static const char *drain_all(struct cvb_handle *h, struct facts *f)
{
    struct cvb_audit a = {0};
    const char *wrong = NULL;
    unsigned turns = 0;
    do {
        if (turns)
            usleep(500 * SOON_MS);
        wrong = drain_once(h, f);
        if (!wrong && cvb_audit(h, &a))
            wrong = say("no audit while draining");
    } while (!wrong && a.queued && ++turns < 1000);
    return wrong ? wrong : a.queued ? say("%u queued records do not come", a.queued) : NULL;
}

/* What is told of POSITIONED, by a survey of now. */
static const char *look_at_progress(const char *segment, struct cvb_handle *h, struct facts *f, struct cvb_progress *p)
{
    bytes_survey_due(segment);
    int error = cvb_source_progress(h, POSITIONED, p);
    if (error)
        return say("progress: %s", cvb_error_text(error));
    if (p->settled > p->accepted || p->settled < f->settled || p->accepted < f->accepted)
        return say("accepted %llu, settled %llu, after %llu and %llu", (unsigned long long)p->accepted,
                   (unsigned long long)p->settled, (unsigned long long)f->accepted, (unsigned long long)f->settled);
    f->settled = p->settled;
    f->accepted = p->accepted;
    return NULL;
}

/* The killed source starts again: where does it go on? */
static const char *open_again(struct cvb_handle *h, const char *segment, struct facts *f, uint64_t *accepted)
{
    struct cvb_progress p;
    const char *wrong = look_at_progress(segment, h, f, &p);
    int error = wrong ? 0 : cvb_source_open(h, POSITIONED, accepted);
    if (error)
        return say("the source cannot be opened: %s", cvb_error_text(error));
    return wrong || *accepted == p.accepted ? wrong
                                            : say("accepted is %llu, and %llu for the source",
                                                  (unsigned long long)p.accepted, (unsigned long long)*accepted);
}

/* All that was found is acked. It puts what was not accepted, and that is there once. */
static const char *put_again(struct cvb_handle *h, const struct facts *f, uint64_t accepted, uint64_t *last)
{
    struct facts again = {0};
    char bytes[RECORD_BYTES];
    *last = accepted;
    for (unsigned i = 0; i < f->count; i++) {
        if (!f->fact[i].put || !f->fact[i].position)
            continue;
        const struct cvb_record r = record_of(bytes, f->fact[i].id, POSITIONED);
        int error = cvb_buffer_for_stage(h, STAGE_A, &r);
        if (error != (r.position <= accepted ? CVB_EPOSITION : 0))
            return say("behind %llu the source puts %llu: %s", (unsigned long long)accepted,
                       (unsigned long long)r.position, cvb_error_text(error));
        if (!error)
            facts_put(&again, *last = r.position, STAGE_A, POSITIONED);
    }
    const char *wrong = drain_all(h, &again);
    return wrong ? wrong : facts_complete(&again);
}

/* No gap, none twice; when all is acked, all is settled. */
static const char *source_goes_on(struct cvb_handle *h, const char *segment, struct facts *f, uint64_t accepted)
{
    struct cvb_progress p;
    uint64_t last;
    const char *wrong = facts_accepted(f, accepted);
    if (!wrong)
        wrong = put_again(h, f, accepted, &last);
    if (!wrong)
        wrong = look_at_progress(segment, h, f, &p);
    if (!wrong && (p.accepted != last || p.settled != last || p.live))
        wrong = say("all is acked up to %llu, but accepted is %llu, settled %llu, live %llu", (unsigned long long)last,
                    (unsigned long long)p.accepted, (unsigned long long)p.settled, (unsigned long long)p.live);
    return wrong;
}

static const char *put_until(struct cvb_handle *h, unsigned stage, unsigned source, int fits, int refusal)
{
    struct cvb_record r[BATCH];
    int why;
    for (unsigned i = 0; i < BATCH; i++)
        r[i] = (struct cvb_record){.payload = "0123456789abcdef", .length = 16, .source = source};
    int n = cvb_buffer_batch_for_stage(h, stage, r, (unsigned)fits + 1, &why);
    return n == fits && why == refusal
               ? NULL
               : say("stage %u takes %d of source %u (%s), not %d", stage, n, source, cvb_error_text(why), fits);
}

/* The limit of STAGE_A is the one or the other, and holds; then it is again what the segment was made for. */
static const char *limit_sound(struct cvb_handle *h)
{
    const int64_t limit = cvb_limit_of(h, STAGE_A, CVB_NO_SOURCE);
    if (limit != PER_STAGE && limit != LOWERED)
        return say("the limit of stage %u is %lld", STAGE_A, (long long)limit);
    if (limit == LOWERED) {
        const char *wrong = put_until(h, STAGE_A, 3, LOWERED, CVB_ESTAGE_FULL);
        if (wrong)
            return wrong;
        wrong = drain_all(h, NULL);
        if (wrong)
            return wrong;
    }
    int error = cvb_set_limit(h, STAGE_A, CVB_NO_SOURCE, PER_STAGE);
    return error ? say("the limit cannot be set: %s", cvb_error_text(error)) : NULL;
}

static const char *fill_exactly(struct cvb_handle *h)
{
    const char *wrong = limit_sound(h);
    if (!wrong)
        wrong = put_until(h, STAGE_A, 0, PER_SOURCE, CVB_ESOURCE_FULL);
    if (!wrong)
        wrong = put_until(h, STAGE_A, 1, PER_STAGE - PER_SOURCE, CVB_ESTAGE_FULL);
    if (!wrong)
        wrong = put_until(h, STAGE_B, 1, 2 * PER_SOURCE - PER_STAGE, CVB_ESOURCE_FULL);
    if (!wrong)
        wrong = put_until(h, STAGE_B, 2, TOTAL - 2 * PER_SOURCE, CVB_ETOTAL_FULL);
    return wrong;
}

/* The new name is there or not, never in part, and has used up one place at most. */
static const char *names_sound(struct cvb_handle *h, bool must)
{
    static unsigned serial;
    char text[CVB_NAME_MAX + 1] = "", mine[32];
    uint32_t id = 0;
    bool there = !cvb_stage_name(h, STAGES_NAMED, text);
    if ((there && strcmp(text, NEW_NAME)) || (must && !there))
        return say("stage %u is called '%s'", STAGES_NAMED, text);
    snprintf(mine, sizeof mine, "mine %u", serial++);
    int error = cvb_stage(h, mine, &id);
    if (error != (there ? CVB_ENAMES : 0) || (!there && id != STAGES_NAMED))
        return say("another name: %s, id %u", cvb_error_text(error), id);
    if (!there && (cvb_stage_name(h, id, text) || strcmp(text, mine)))
        return say("stage %u is called '%s', not '%s'", id, text, mine);
    return NULL;
}

/* The id of SPARE's place, once it has a name; *first: that is its first id still. */
static const char *name_of_spare(struct cvb_handle *h, const struct world *w, uint32_t *id, bool *first)
{
    const bool over = w->phase == OVER && !w->result;
    char text[CVB_NAME_MAX + 1] = "";
    int error = cvb_source_name(h, SPARE, text);
    *first = !error;
    if ((error && error != CVB_EUNKNOWN) || (*first && strcmp(text, SPARE_NAME)))
        return say("source %u is called '%s': %s", SPARE, text, cvb_error_text(error));
    if (*first && (w->anew || over))
        return say("source %u was retired, and is there", SPARE);
    error = w->anew && over ? CVB_ENAMES : cvb_source(h, SPARE_NAME, id);
    if (error == CVB_ENAMES && w->anew)
        error = cvb_source(h, NEW_NAME, id); /* it has the place */
    if (error || *id != (*first ? SPARE : NEXT_ID))
        return say("the place has id %#x: %s", *id, cvb_error_text(error));
    return cvb_source_name(h, *id, text) ? say("id %#x has no name", *id) : NULL;
}

/* A source goes on where it was, or begins anew. One record of it goes through. */
static const char *spare_goes_on(struct cvb_handle *h, uint32_t id, bool first)
{
    struct cvb_record r = {.payload = "0123456789abcdef", .length = 16, .source = id};
    struct cvb_counts c, none = {0};
    struct cvb_lease l;
    int error = cvb_source_counts(h, id, &c);
    error = error ? error : cvb_source_open(h, id, &r.position);
    if (error || (!first && (r.position || memcmp(&c, &none, sizeof c))))
        return say("id %#x begins at %llu: %s", id, (unsigned long long)r.position, cvb_error_text(error));
    r.position++;
    error = cvb_buffer_for_stage(h, STAGE_C, &r);
    if (error || cvb_get_batch(h, STAGE_C, &l, 1) != 1 || l.source != id || l.position != r.position)
        return say("a record of id %#x: %s", id, cvb_error_text(error));
    error = cvb_ack(h, &l, 1);
    if (!error && cvb_source_retire(h, id) != CVB_EBUSY)
        return say("id %#x is retired though it is open", id);
    error = error ? error : cvb_source_close(h, id);
    return error ? say("id %#x: %s", id, cvb_error_text(error)) : NULL;
}

/* SPARE's name is there or it is retired, never in part. All records are gone. */
static const char *spare_sound(struct cvb_handle *h, const struct world *w)
{
    struct cvb_record stale = {.payload = "0123456789abcdef", .length = 16, .source = SPARE};
    uint32_t id = 0;
    bool first;
    const char *wrong = name_of_spare(h, w, &id, &first);
    if (!wrong && !first && cvb_buffer_for_stage(h, STAGE_C, &stale) != CVB_EUNKNOWN)
        wrong = say("a record is put under a name that is gone");
    if (!wrong)
        wrong = spare_goes_on(h, id, first);
    int error = wrong ? 0 : cvb_source_retire(h, id);
    if (!wrong && (error || cvb_source_retire(h, id) != CVB_EUNKNOWN))
        wrong = say("id %#x is retired: %s", id, cvb_error_text(error));
    return wrong;
}

/* Somebody asks for the name while the victim is stopped. */
static void ask_for_spare(struct cvb_handle *h, const struct world *w)
{
    uint32_t id;
    if (w->retires || w->anew)
        (void)cvb_source(h, SPARE_NAME, &id);
}

/* What was given by hand is there as a whole, or not at all; so is what is told of it; and another can be given. */
static const char *given_sound(struct cvb_handle *h)
{
    struct cvb_given given[2];
    struct cvb_event e;
    uint64_t cursor = 0;
    int error = cvb_signal_of(h, STAGE_A, CVB_NO_SOURCE, &given[0]);
    error = error ? error : cvb_hold_of(h, STAGE_C, &given[1]);
    for (unsigned i = 0; !error && i < 2; i++)
        if (given[i].signal != CVB_SIGNAL_NONE && strcmp(given[i].reason, REASON))
            return say("signal %u is given with the reason '%s'", given[i].signal, given[i].reason);
    while (!error && (error = cvb_event_next(h, &cursor, &e, NULL)) > 0) {
        if (*e.text && strcmp(e.text, REASON) && strcmp(e.text, "limit") && strcmp(e.text, "retired"))
            return say("event %u says '%s'", e.kind, e.text);
        error = 0;
    }
    error = error ? error : cvb_hold_stage(h, STAGE_C, 0, REASON);
    error = error ? error : cvb_signal(h, STAGE_A, CVB_NO_SOURCE, CVB_SIGNAL_PAUSE, 0, "another");
    error = error ? error : cvb_signal_of(h, STAGE_A, CVB_NO_SOURCE, &given[0]);
    if (!error && strcmp(given[0].reason, "another"))
        return say("another signal is given, and has the reason '%s'", given[0].reason);
    error = error ? error : cvb_signal(h, STAGE_A, CVB_NO_SOURCE, CVB_SIGNAL_NONE, 0, NULL);
    return error ? say("by hand: %s", cvb_error_text(error)) : NULL;
}

static const char *check_with(struct world *w, const char *segment, struct cvb_handle *h, struct facts *f)
{
    uint64_t accepted = 0;
    int again = cvb_recover(h);
    const char *wrong = again ? say("recovered again: %d", again) : no_dead_seats(h);
    if (!wrong)
        wrong = audit_exact(h, false);
    if (!wrong)
        wrong = limits_hold(h);
    if (!wrong && w->interns)
        wrong = names_sound(h, w->phase == OVER && !w->result);
    if (!wrong)
        wrong = given_sound(h);
    if (!wrong)
        wrong = open_again(h, segment, f, &accepted);
    if (!wrong)
        wrong = drain_all(h, f);
    if (!wrong)
        wrong = facts_complete(f);
    if (!wrong)
        wrong = source_goes_on(h, segment, f, accepted);
    if (!wrong)
        wrong = audit_exact(h, true);
    if (!wrong && (w->retires || w->anew))
        wrong = spare_sound(h, w);
    if (!wrong)
        wrong = fill_exactly(h);
    if (!wrong)
        wrong = drain_all(h, NULL);
    return wrong ? wrong : audit_exact(h, true);
}

static const char *attach(const char *segment, struct cvb_handle **h)
{
    int error = cvb_attach(segment, h);
    return error ? say("attach: %s", cvb_error_text(error)) : NULL;
}

/* Everybody but seat 0 is dead: a newcomer finds all as it should be. */
const char *check_all(struct world *w, const char *segment, struct facts *f)
{
    struct cvb_handle *h;
    const char *wrong = attach(segment, &h);
    if (wrong)
        return wrong;
    wrong = check_with(w, segment, h, f);
    int error = cvb_detach(h);
    return wrong ? wrong : error ? say("detach: %s", cvb_error_text(error)) : NULL;
}

/* b: killed, and recovered. */
const char *after_kill(struct arena *x, const char *packed, bool over)
{
    struct facts f;
    bytes_unpack(&x->copy, packed);
    if (x->wreck && bytes_seat_active(&x->copy, x->w->seat)) /* else nobody has anything to recover */
        bytes_wrong_hints(&x->copy, HINTS_NONE);
    facts_build(x->w, over, &f);
    return check_all(x->w, x->w->copy, &f);
}

static const char *survivor_put(struct world *w, struct cvb_handle *h, struct facts *f)
{
    char bytes[RECORD_BYTES];
    uint64_t id = w->next_id++;
    const struct cvb_record r = record_of(bytes, id, 0);
    int error = cvb_buffer_for_stage(h, STAGE_A, &r);
    if (!error)
        facts_put(f, id, STAGE_A, 0);
    return error && (error > CVB_ESTAGE_FULL || error < CVB_EMEMORY_FULL) ? say("put: %s", cvb_error_text(error))
                                                                          : NULL;
}

static const char *survivor_get(struct cvb_handle *h, unsigned stage, struct facts *f, struct cvb_lease *l, int *n)
{
    *n = cvb_get_batch(h, stage, l, 3);
    const char *wrong = *n < 0 ? say("get: %s", cvb_error_text(*n)) : NULL;
    for (int i = 0; i < *n && !wrong; i++)
        wrong = facts_got(f, &l[i], false);
    return wrong;
}

/* Of n leases the first is acked, the others are returned. */
static const char *survivor_settle(struct cvb_handle *h, struct facts *f, const struct cvb_lease *l, int n)
{
    for (int i = 0; i < n; i++)
        facts_settled(f, id_of(&l[i]), !i, &l[i]);
    int error = n ? cvb_ack(h, l, 1) : 0;
    if (error)
        return say("ack: %s", cvb_error_text(error));
    error = n ? cvb_return_to_buffer(h, l + 1, (size_t)n - 1) : 0;
    return error ? say("return: %s", cvb_error_text(error)) : NULL;
}

/* Others work beside a stopped victim. */
static const char *survive(struct world *w, struct cvb_handle *h, struct facts *f)
{
    struct cvb_lease l[3];
    struct cvb_progress p;
    const char *wrong = limits_hold(h);
    ask_for_spare(h, w);
    for (unsigned stage = STAGE_A; !wrong && stage <= STAGE_B; stage++) {
        int n = 0;
        wrong = survivor_put(w, h, f);
        if (!wrong)
            wrong = limits_hold(h);
        if (!wrong)
            wrong = survivor_get(h, stage, f, l, &n);
        if (!wrong)
            wrong = survivor_settle(h, f, l, n);
        if (!wrong)
            wrong = limits_hold(h);
        if (!wrong)
            wrong = look_at_progress(w->copy, h, f, &p);
    }
    return wrong;
}

/* a: killed, and nobody has recovered yet, which is the same as stopped; recovered in the end. */
const char *after_stop(struct arena *x, const char *packed, bool over)
{
    struct facts f;
    struct cvb_handle *h;
    bytes_unpack(&x->copy, packed);
    facts_build(x->w, over, &f);
    keep_alive(x->copy_fd, x->w->number);
    const char *wrong = attach(x->w->copy, &h);
    if (!wrong) {
        wrong = audit_exact(h, false); /* with what the stopped one holds in the middle of its operation */
        if (!wrong)
            wrong = survive(x->w, h, &f);
        if (!wrong)
            wrong = audit_exact(h, false);
        let_die(x->copy_fd);
        int n = cvb_recover(h);
        if (!wrong && n < 0)
            wrong = say("recover: %s", cvb_error_text(n));
        if (!wrong)
            wrong = check_with(x->w, x->w->copy, h, &f);
        cvb_detach(h);
    }
    let_die(x->copy_fd);
    return wrong;
}

static void count(struct world *w)
{
    w->accesses_of[w->progress++] = w->accesses;
    w->accesses = 0;
}

/* What is counted of a survivor. */
static void counted_work(struct world *w, struct cvb_handle *h)
{
    struct cvb_lease l[3];
    char bytes[RECORD_BYTES];
    const struct cvb_record r = record_of(bytes, 1, 0);
    cvb_buffer_for_stage(h, STAGE_A, &r);
    count(w);
    int n = cvb_get_batch(h, STAGE_A, l, 3);
    count(w);
    if (n > 0)
        cvb_ack(h, l, 1);
    count(w);
    if (n > 1)
        cvb_return_to_buffer(h, l + 1, (size_t)n - 1);
    count(w);
}

/* Stops at an access that would be one too many, if it is not stepped through by ptrace. */
static void counter_main(struct world *w, const void *each)
{
    for (;;) {
        struct cvb_handle *h;
        raise(SIGSTOP); /* for the next segment */
        if (cvb_attach(w->second, &h))
            _exit(3);
        raise(SIGSTOP); /* attached */
        w->stop_at = ACCESSES_BOUND;
        if (!each)
            faults_begin(w, w->second, FAULT_ALL);
        counted_work(w, h);
        if (!each)
            faults_end();
        cvb_detach(h);
    }
}

/* Stops at each of its writes. */
static void recoverer_main(struct world *w, const void *unused)
{
    (void)unused;
    for (;;) {
        struct cvb_handle *h;
        raise(SIGSTOP); /* for the next segment */
        if (cvb_attach(w->second, &h))
            _exit(3);
        raise(SIGSTOP); /* attached */
        w->helper_phase = RUNNING;
        faults_begin(w, w->second, FAULT_WRITES);
        cvb_recover(h);
        faults_end();
        w->helper_phase = OVER;
        raise(SIGSTOP);
        cvb_detach(h);
    }
}

/* The second copy is the victim's segment, and the recoverer has attached while the victim was alive. */
static const char *call_recoverer(struct arena *x, const char *packed)
{
    struct world *w = x->w;
    bytes_unpack(&x->second, packed);
    keep_alive(x->second_fd, w->number);
    w->helper_phase = PREPARING;
    bool ready = resume(x->recoverer);
    let_die(x->second_fd);
    return ready ? NULL : say("the recoverer could not attach");
}

/* It ends its recovery and detaches. */
static const char *dismiss_recoverer(struct arena *x)
{
    for (unsigned i = 0; x->w->helper_phase != OVER; i++)
        if (!resume(x->recoverer) || i > BOUND)
            return say("the recoverer ended, or does not end");
    return resume(x->recoverer) ? NULL : say("the recoverer ended");
}

static const char *after_two_kills(struct arena *x, const char *packed, bool over)
{
    struct facts f;
    bytes_unpack(&x->copy, packed);
    facts_build(x->w, over, &f);
    return check_all(x->w, x->w->copy, &f);
}

/* d: the recoverer is killed too, after each of its instructions that changes something; or some of those. */
const char *after_recoverer(struct arena *x, const char *packed, bool over, unsigned every)
{
    static char seen[1 << 17];
    const char *wrong = call_recoverer(x, packed);
    if (wrong)
        return wrong;
    bytes_pack(&x->second, seen);
    for (uint64_t states = 0; !wrong && x->w->helper_phase != OVER;) {
        if (!resume(x->recoverer) || states > BOUND)
            return say("the recoverer ended, or does not end");
        if (x->w->helper_phase == OVER || bytes_equal_but_told(&x->second, seen))
            continue; /* a kill in the middle of what is told is the victim's in "hold" and "recover" */
        bytes_pack(&x->second, seen);
        if (states++ % every == every - 1) {
            x->recoverer_states++;
            wrong = after_two_kills(x, seen, over);
        }
    }
    const char *bad = dismiss_recoverer(x);
    return wrong ? wrong : bad;
}

/* d: a recoverer stops after a number of writes, another one recovers all, and the first goes on. */
const char *after_two(struct arena *x, const char *packed, bool over, uint64_t writes)
{
    struct facts f;
    struct cvb_handle *h = NULL;
    facts_build(x->w, over, &f);
    const char *wrong = call_recoverer(x, packed);
    for (uint64_t i = 0; !wrong && i < writes && x->w->helper_phase != OVER; i++)
        if (!resume(x->recoverer))
            return say("the recoverer ended");
    if (!wrong)
        wrong = attach(x->w->second, &h);
    if (!wrong)
        wrong = drain_all(h, &f);
    if (!wrong)
        wrong = facts_complete(&f);
    if (h)
        cvb_detach(h);
    const char *bad = dismiss_recoverer(x);
    memset(&f, 0, sizeof f);
    wrong = wrong ? wrong : bad;
    return wrong ? wrong : check_all(x->w, x->w->second, &f);
}

static void note_most(struct arena *x, int operation, uint64_t steps)
{
    if (steps > x->steps_most[operation])
        x->steps_most[operation] = steps;
}

static const char *count_by_instructions(struct arena *x)
{
    struct world *w = x->w;
    uint64_t steps = 0;
    int progress = 0;
    while (progress < 4) {
        if (!step(x->counter) || ++steps > BOUND)
            return say("a survivor's operation %d does not end: %llu steps", progress, (unsigned long long)steps);
        if (w->progress == progress)
            continue;
        note_most(x, progress, steps);
        progress = w->progress;
        steps = 0;
    }
    return go_on(x->counter) ? NULL : say("the survivor ended");
}

static const char *count_by_accesses(struct arena *x)
{
    const struct world *w = x->w;
    if (!resume(x->counter))
        return say("the survivor ended");
    if (w->progress < 4)
        return say("a survivor's operation %d does not end: %d accesses", w->progress, ACCESSES_BOUND);
    for (int i = 0; i < 4; i++)
        note_most(x, i, w->accesses_of[i]);
    return NULL;
}

/* a: how many steps each of a survivor's operations takes: accesses to the segment, or instructions. */
const char *after_counted(struct arena *x, const char *packed)
{
    bytes_unpack(&x->second, packed);
    keep_alive(x->second_fd, x->w->number);
    x->w->progress = 0;
    if (!(x->each ? go_on : resume)(x->counter))
        return say("the survivor could not attach");
    const char *wrong = x->each ? count_by_instructions(x) : count_by_accesses(x);
    let_die(x->second_fd);
    return wrong;
}

static const char *lap_put(struct world *w, struct cvb_handle *h, unsigned stage, struct facts *f)
{
    char bytes[RECORD_BYTES];
    uint64_t id = w->next_id++;
    const struct cvb_record r = record_of(bytes, id, 4);
    int error = cvb_buffer_for_stage(h, stage, &r);
    if (!error)
        facts_put(f, id, stage, 4);
    return error && (error > CVB_ESTAGE_FULL || error < CVB_EMEMORY_FULL) ? say("put: %s", cvb_error_text(error))
                                                                          : NULL;
}

/* c: others take all there is and go round the rings twice and more; what they got is kept in `delivered`. */
const char *lap(struct world *w, struct facts *delivered)
{
    struct cvb_handle *h;
    struct cvb_lease l[4];
    struct cvb_progress p;
    const char *wrong = attach(w->segment, &h);
    if (wrong)
        return wrong;
    ask_for_spare(h, w);
    for (unsigned i = 0; !wrong && i < 150; i++)
        for (unsigned s = STAGE_A; !wrong && s <= STAGE_B; s++) {
            int n;
            wrong = survivor_get(h, s, delivered, l, &n);
            for (int k = 0; k < n; k++)
                facts_settled(delivered, id_of(&l[k]), true, &l[k]);
            int error = !wrong && n > 0 ? cvb_ack(h, l, (size_t)n) : 0;
            if (error)
                wrong = say("ack: %s", cvb_error_text(error));
            if (!wrong)
                wrong = lap_put(w, h, s, delivered);
            if (!wrong && i % 16 == 0)
                wrong = look_at_progress(w->segment, h, delivered, &p);
        }
    facts_leave(delivered, w);
    cvb_detach(h);
    return wrong;
}
