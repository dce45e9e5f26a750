/* history.c - calls become chains of the model's steps. */
#include "history.h"

#include <string.h>

static struct open {
    bool is;
    enum history_verb verb;
    uint32_t stage;
    int n, arguments;
    struct model_step argument[HISTORY_BATCH];
} open_call[MODEL_PROCESSES];

void history_reset(struct history *h, const struct model_limits *limits)
{
    h->limits = *limits;
    for (int p = 0; p < MODEL_PROCESSES; p++) {
        h->program[p].steps = 0;
        h->program[p].died = HISTORY_NEVER;
        open_call[p].is = false;
    }
    memset(h->hint, 0, sizeof h->hint[0] * h->hinted);
    h->calls = h->deaths = 0;
    h->hinted = 0;
    h->too_long = h->drained = false;
}

bool history_is_open(const struct history *h, int process)
{
    (void)h;
    return open_call[process].is;
}

void history_call(struct history *h, int process, enum history_verb verb, uint32_t stage, int n)
{
    struct open *o = &open_call[process];
    o->is = true;
    o->verb = verb;
    o->stage = stage;
    o->n = n;
    o->arguments = 0;
    h->too_long |= n > HISTORY_BATCH;
}

void history_argument(struct history *h, int process, const struct model_step *argument)
{
    struct open *o = &open_call[process];
    if (o->arguments == HISTORY_BATCH)
        h->too_long = true;
    else
        o->argument[o->arguments++] = *argument;
}

static void add(struct history *h, int process, const struct history_step *s)
{
    struct history_program *p = &h->program[process];
    if (p->steps == HISTORY_STEPS)
        h->too_long = true;
    else
        p->step[p->steps++] = *s;
}

static enum model_kind kind_of(enum history_verb verb)
{
    static const enum model_kind kind[] = {
        [HISTORY_PUT] = MODEL_PUT,       [HISTORY_RESERVE] = MODEL_RESERVE, [HISTORY_PUBLISH] = MODEL_PUBLISH,
        [HISTORY_CANCEL] = MODEL_CANCEL, [HISTORY_GET] = MODEL_GET,         [HISTORY_TAKE] = MODEL_TAKE,
        [HISTORY_ACK] = MODEL_ACK,       [HISTORY_RETURN] = MODEL_RETURN,   [HISTORY_FORWARD] = MODEL_FORWARD};
    return kind[verb];
}

static void note_call(struct history *h, int process, long began, long ended)
{
    struct open *o = &open_call[process];
    o->is = false;
    if (h->calls == HISTORY_CALLS)
        h->too_long = true;
    else
        h->call[h->calls++] = (struct history_call){process, o->verb, o->stage, began, ended};
}

/* What a get says by giving fewer than were asked for; and it may have found others that it did not deliver. */
static void add_end_of_get(struct history *h, int process, struct history_step s, int done)
{
    s.what.kind = done ? MODEL_NOTHING : MODEL_EMPTY;
    add(h, process, &s);
    if (!done && h->deaths) {
        s.what.kind = MODEL_NOTHING;
        add(h, process, &s);
    }
}

void history_ended(struct history *h, int process, long began, long ended, int done, int why)
{
    const struct open *o = &open_call[process];
    struct history_step s = {.began = began, .ended = ended};
    bool gets = o->verb == HISTORY_GET || o->verb == HISTORY_TAKE;
    if (!o->is)
        return;
    note_call(h, process, began, ended);
    s.gets = gets && h->deaths;
    if (o->verb == HISTORY_LEAVE) {
        s.what.kind = MODEL_LEFT;
        add(h, process, &s);
    }
    if ((o->verb == HISTORY_RECOVER || o->verb == HISTORY_ATTACH) && done >= 0) {
        s.what.kind = MODEL_RECOVERED;
        for (int p = 0; p < MODEL_PROCESSES; p++)
            s.what.content |= (uint32_t)(h->program[p].died < began) << p;
        if (s.what.content)
            add(h, process, &s);
    }
    if (o->verb == HISTORY_WAIT) {
        s.what.kind = done >= 0 ? MODEL_FOUND : MODEL_EMPTY;
        for (int i = done >= 0 ? done : 0; i < (done >= 0 ? done + 1 : o->arguments); i++) {
            s.what.stage = o->argument[i].stage;
            add(h, process, &s);
        }
    }
    if (o->verb < HISTORY_PUT || o->verb > HISTORY_FORWARD)
        return;
    for (int i = 0; i < done && i < o->arguments; i++) {
        s.what = o->argument[i];
        s.what.kind = kind_of(o->verb);
        s.what.stage = gets ? (uint8_t)o->stage : s.what.stage;
        add(h, process, &s);
    }
    s.what.stage = (uint8_t)o->stage;
    if (gets && done < o->n && (!done || s.gets))
        add_end_of_get(h, process, s, done);
    if (why >= 0 && done < o->arguments) {
        s.what = o->argument[done];
        s.what.kind = MODEL_REFUSED;
        s.what.limit = (uint8_t)why;
        add(h, process, &s);
    }
}

void history_killed(struct history *h, int process, long began)
{
    const struct open *o = &open_call[process];
    struct history_step s = {.began = began, .ended = HISTORY_NEVER, .pending = true};
    bool gets = o->verb == HISTORY_GET || o->verb == HISTORY_TAKE;
    if (!o->is)
        return;
    note_call(h, process, began, HISTORY_NEVER);
    s.gets = gets;
    if (o->verb == HISTORY_LEAVE) {
        s.what.kind = MODEL_LEFT;
        add(h, process, &s);
    }
    if (o->verb < HISTORY_PUT || o->verb > HISTORY_FORWARD || o->verb == HISTORY_RESERVE)
        return; /* what it reserved is given up */
    for (int i = 0; i < (gets ? o->n : o->arguments); i++) {
        s.what = gets ? (struct model_step){.stage = (uint8_t)o->stage, .content = MODEL_ANY} : o->argument[i];
        s.what.kind = kind_of(o->verb);
        add(h, process, &s);
    }
    if (gets) {
        s.what.kind = MODEL_NOTHING;
        add(h, process, &s);
    }
}

void history_died(struct history *h, int process, long at)
{
    h->program[process].died = at;
    h->deaths++;
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
