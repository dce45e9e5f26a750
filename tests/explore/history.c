/* history.c - calls become chains of the model's steps. */
#include "history.h"

#include <string.h>

void history_reset(struct history *h, const struct model_limits *limits)
{
    h->limits = *limits;
    for (int p = 0; p < MODEL_PROCESSES; p++) {
        h->program[p].steps = 0;
        h->program[p].died = HISTORY_NEVER;
        h->open[p].verb = HISTORY_NONE;
    }
    memset(h->hint, 0, sizeof h->hint[0] * h->hinted);
    h->calls = h->deaths = h->refusals = h->exact_refusals = 0;
    h->hinted = 0;
    h->too_long = h->drained = false;
}

void history_call(struct history *h, int process, enum history_verb verb, uint32_t stage, int n)
{
    struct history_open *o = &h->open[process];
    o->verb = verb;
    o->stage = stage;
    o->n = n;
    o->arguments = 0;
    o->seen = o->delay = 0;
    o->held = false;
    h->too_long |= n > HISTORY_BATCH;
}

void history_argument(struct history *h, int process, const struct model_step *argument)
{
    struct history_open *o = &h->open[process];
    if (o->arguments == HISTORY_BATCH)
        h->too_long = true;
    else
        o->argument[o->arguments++] = *argument;
}

void history_held(struct history *h, int process) { h->open[process].held = true; }
void history_delay(struct history *h, int process, long delay) { h->open[process].delay = delay; }

static void add(struct history *h, int process, const struct history_step *s)
{
    struct history_program *p = &h->program[process];
    if (p->steps == HISTORY_STEPS)
        h->too_long = true;
    else
        p->step[p->steps++] = *s;
}

static bool gets(enum history_verb verb) { return verb == HISTORY_GET || verb == HISTORY_TAKE; }

/* Is it a step for each record? */
static bool is_chain(enum history_verb verb) { return verb >= HISTORY_PUT && verb <= HISTORY_FORWARD; }

static enum model_kind kind_of(enum history_verb verb)
{
    static const enum model_kind kind[] = {
        [HISTORY_PUT] = MODEL_PUT,         [HISTORY_RESERVE] = MODEL_RESERVE, [HISTORY_PUBLISH] = MODEL_PUBLISH,
        [HISTORY_CANCEL] = MODEL_CANCEL,   [HISTORY_GET] = MODEL_GET,         [HISTORY_TAKE] = MODEL_TAKE,
        [HISTORY_ACK] = MODEL_ACK,         [HISTORY_RETURN] = MODEL_RETURN,   [HISTORY_DELAY] = MODEL_DELAY,
        [HISTORY_FORWARD] = MODEL_FORWARD, [HISTORY_RELEASE] = MODEL_RELEASE, [HISTORY_LIMIT] = MODEL_LIMIT};
    return kind[verb];
}

static void add_kind(struct history *h, int process, struct history_step s, enum model_kind kind)
{
    s.what.kind = kind;
    add(h, process, &s);
}

/* The stage was empty at a moment, and all had entered it that was due when the call began. */
static void add_empty(struct history *h, int process, struct history_step s)
{
    s.what.due = s.began;
    add_kind(h, process, s, MODEL_EMPTY);
}

/* The call's end, if it has one; false: none was made. */
static bool close_call(struct history *h, int process, long began, long ended)
{
    enum history_verb verb = h->open[process].verb;
    h->open[process].verb = HISTORY_NONE;
    if (h->calls == HISTORY_CALLS)
        h->too_long = true;
    else if (verb)
        h->call[h->calls++] = (struct history_call){process, verb, began, ended};
    return verb != HISTORY_NONE;
}

/* Those that were dead when it began. */
static void add_recovery(struct history *h, int process, struct history_step s)
{
    for (int p = 0; p < MODEL_PROCESSES; p++)
        s.what.content |= (uint32_t)(h->program[p].died < s.began) << p;
    if (s.what.content)
        add_kind(h, process, s, MODEL_RECOVERED);
}

/* done: which of the stages had a record, or negative. */
static void add_wait(struct history *h, int process, struct history_step s, int done)
{
    const struct history_open *o = &h->open[process];
    for (int i = 0; i < o->arguments; i++) {
        s.what.stage = o->argument[i].stage;
        if (done < 0)
            add_empty(h, process, s);
        else if (i == done)
            add_kind(h, process, s, MODEL_FOUND);
    }
}

/* Fewer than were asked for. It may also have found records that it did not deliver, if anybody has died. */
static void add_end_of_get(struct history *h, int process, struct history_step s, int done)
{
    const struct history_open *o = &h->open[process];
    s.what.stage = (uint8_t)o->stage;
    if (!done && !o->held)
        add_empty(h, process, s);
    if (s.gets)
        add_kind(h, process, s, MODEL_NOTHING);
}

/* The time that a delay ends at, which began at a moment of the call. */
static void set_due(const struct history_open *o, struct history_step *s)
{
    s->what.due = s->began + o->delay;
    s->what.due_most = s->pending ? HISTORY_NEVER : s->ended + o->delay;
}

/* One step for each record that the call did. */
static void add_chain(struct history *h, int process, struct history_step s, enum history_verb verb, int done)
{
    const struct history_open *o = &h->open[process];
    for (int i = 0; i < done && i < o->arguments; i++) {
        s.what = o->argument[i];
        if (gets(verb)) {
            s.what.stage = (uint8_t)o->stage;
            s.what.many = o->n > 1;
        }
        set_due(o, &s);
        add_kind(h, process, s, kind_of(verb));
    }
    if (gets(verb) && done < o->n)
        add_end_of_get(h, process, s, done);
}

static void add_refusal(struct history *h, int process, struct history_step s, int done, int why)
{
    const struct history_open *o = &h->open[process];
    if (why < 0 || done >= o->arguments)
        return;
    s.what = o->argument[done];
    s.what.limit = (uint8_t)why;
    add_kind(h, process, s, MODEL_REFUSED);
}

/* Of a source that is opened or closed. done: negative if it is another's. */
static void add_claim(struct history *h, int process, struct history_step s, enum history_verb verb, int done)
{
    s.what.source = h->open[process].argument[0].source;
    s.what.content = (uint32_t)h->program[process].steps;
    add_kind(h, process, s, verb == HISTORY_CLOSE ? MODEL_CLOSE : done < 0 ? MODEL_BUSY : MODEL_OPEN);
}

static bool claims(enum history_verb verb) { return verb == HISTORY_OPEN || verb == HISTORY_CLOSE; }

void history_ended(struct history *h, int process, long began, long ended, int done, int why)
{
    const struct history_open *o = &h->open[process];
    enum history_verb verb = o->verb;
    struct history_step s = {.gets = gets(verb) && h->deaths, .began = began, .ended = ended, .seen = o->seen};
    if (!close_call(h, process, began, ended))
        return;
    if (is_chain(verb)) {
        add_chain(h, process, s, verb, done);
        add_refusal(h, process, s, done, why);
    } else if (verb == HISTORY_LEAVE) {
        add_kind(h, process, s, MODEL_LEFT);
    } else if (verb == HISTORY_WAIT) {
        add_wait(h, process, s, done);
    } else if ((verb == HISTORY_RECOVER || verb == HISTORY_ATTACH) && done >= 0) {
        add_recovery(h, process, s);
    } else if (claims(verb)) {
        add_claim(h, process, s, verb, done);
    } else if (verb == HISTORY_LOOK) {
        for (int i = 0; i < o->arguments; i++) {
            s.what = o->argument[i];
            add(h, process, &s);
        }
    }
}

void history_killed(struct history *h, int process, long began)
{
    const struct history_open *o = &h->open[process];
    enum history_verb verb = o->verb;
    struct history_step s = {
        .pending = true, .gets = gets(verb), .began = began, .ended = HISTORY_NEVER, .seen = o->seen};
    if (!close_call(h, process, began, HISTORY_NEVER))
        return;
    if (verb == HISTORY_LEAVE)
        add_kind(h, process, s, MODEL_LEFT);
    if (claims(verb))
        add_claim(h, process, s, verb, 0);
    if (!is_chain(verb) || verb == HISTORY_RESERVE)
        return; /* what it had reserved is given up */
    for (int i = 0; i < (gets(verb) ? o->n : o->arguments); i++) {
        s.what = gets(verb) ? (struct model_step){.stage = (uint8_t)o->stage, .content = MODEL_ANY, .many = o->n > 1}
                            : o->argument[i];
        set_due(o, &s);
        add_kind(h, process, s, kind_of(verb));
    }
    if (gets(verb))
        add_kind(h, process, s, MODEL_NOTHING);
}

void history_died(struct history *h, int process, long at)
{
    h->program[process].died = at;
    h->deaths++;
}

static bool overlaps(const struct history_call *c, const struct history_step *s, int process, long end)
{
    return c->process != process && c->began < s->ended && end > s->began;
}

static bool somebody_attached(const struct history *h, const struct history_step *s, int process)
{
    for (int i = 0; i < h->calls; i++) {
        const struct history_call *c = &h->call[i];
        long died = h->program[c->process].died;
        if (c->verb == HISTORY_ATTACH && overlaps(c, s, process, c->ended < died ? c->ended : died))
            return true;
    }
    return false;
}

/* A dead process is at work until it is recovered. */
static bool was_alone(const struct history *h, const struct history_step *s, int process, const long *recovered)
{
    for (int p = 0; p < MODEL_PROCESSES; p++)
        if (h->program[p].died < s->ended && recovered[p] > s->began)
            return false;
    for (int i = 0; i < h->calls; i++) {
        const struct history_call *c = &h->call[i];
        if (overlaps(c, s, process, c->ended < HISTORY_NEVER ? c->ended : recovered[c->process]))
            return false;
    }
    return true;
}

/* Recoveries that hold; recovered[p]: when the first one of process p was over. */
static void close_recovery(const struct history *h, struct history_step *s, int process, long *recovered)
{
    if (s->what.kind != MODEL_RECOVERED)
        return;
    if (somebody_attached(h, s, process)) {
        s->what.kind = MODEL_NOTHING;
        return;
    }
    for (int p = 0; p < MODEL_PROCESSES; p++)
        if ((s->what.content >> p & 1) && recovered[p] > s->ended)
            recovered[p] = s->ended;
}

/* Did somebody set a limit while the step's call was at work? Until then it may have taken its credits, and enter after
 * that. */
static bool may_be_lowered(const struct history *h, const struct history_step *s, int process)
{
    for (int i = 0; i < h->calls; i++) {
        const struct history_call *c = &h->call[i];
        long died = h->program[c->process].died;
        if (c->verb == HISTORY_LIMIT && overlaps(c, s, process, c->ended < died ? c->ended : died))
            return true;
    }
    return false;
}

static void close_step(struct history *h, struct history_step *s, int process, const long *recovered)
{
    bool refused = s->what.kind == MODEL_REFUSED;
    s->what.lowered = may_be_lowered(h, s, process);
    if (!refused && s->what.kind != MODEL_SIZE && s->what.kind != MODEL_SIZE_ALL && s->what.kind != MODEL_CREDITS)
        return;
    bool alone = was_alone(h, s, process, recovered);
    h->refusals += refused;
    h->exact_refusals += refused && alone;
    if (!alone)
        s->what.kind = MODEL_NOTHING;
}

void history_close(struct history *h)
{
    long recovered[MODEL_PROCESSES];
    for (int p = 0; p < MODEL_PROCESSES; p++)
        recovered[p] = HISTORY_NEVER;
    for (int p = 0; p < MODEL_PROCESSES; p++)
        for (int i = 0; i < h->program[p].steps; i++)
            close_recovery(h, &h->program[p].step[i], p, recovered);
    for (int p = 0; p < MODEL_PROCESSES; p++)
        for (int i = 0; i < h->program[p].steps; i++)
            close_step(h, &h->program[p].step[i], p, recovered);
}

static struct history_hint *hint_of(struct history *h, uint32_t content)
{
    uint32_t record = history_record(content);
    if (record >= HISTORY_RECORDS)
        return NULL;
    if (record >= h->hinted)
        h->hinted = record + 1;
    return &h->hint[record];
}

void history_saw_entry(struct history *h, uint32_t content, uint32_t stage, long at)
{
    struct history_hint *hint = hint_of(h, content);
    if (hint && hint->entries < HISTORY_HINTS) {
        hint->entered[hint->entries].at = at;
        hint->entered[hint->entries].content = content;
        hint->entered[hint->entries++].stage = (uint8_t)stage;
    }
}

void history_saw_lease(struct history *h, uint32_t content, int process, long at)
{
    struct history_hint *hint = hint_of(h, content);
    if (hint && hint->leases < HISTORY_HINTS) {
        hint->leased[hint->leases].at = at;
        hint->leased[hint->leases++].process = (uint8_t)process;
    }
}

void history_saw_settled(struct history *h, uint32_t content, long at)
{
    struct history_hint *hint = hint_of(h, content);
    if (hint) {
        hint->settled = at;
        hint->settled_content = content;
    }
}
