/* linear.c - the search for a sequential order that explains a history.
 *
 * Overview: a node is how far each process has come in its chain of steps, and the model's state. From a node go on all
 * steps that began before every step that is still to be done has ended. They are tried in the order of their hints:
 * those say when each effect was seen, so that a history without fault is explained by the first way that is tried.
 * Only when that fails is anything remembered.
 *
 * Steps that can wait for nothing are made at once, and no other order is tried: those that only look (an empty stage,
 * a limit reached), and those that only give room (an ack, a reservation given up). Why that loses no order: take one
 * in which such a step comes later; moved to here, all between it and its old place is still possible. For nothing in
 * the model becomes impossible by more room, or by one lease less of another process, but a refusal and a size; and
 * those are kept only from calls that no other overlaps (history.h).
 */
#include "linear.h"

#include <stdio.h>
#include <string.h>

enum { CHOICES = 2 * MODEL_PROCESSES + 4 * MODEL_RECORDS, TRIED = 1 << 16, DEEPEST = 1500 /* of the stack */ };

struct node {
    struct model model;
    uint16_t at[MODEL_PROCESSES];
    bool gone[MODEL_PROCESSES]; /* dead, and its reservations given up */
    long end;                   /* of what is to be done, the earliest */
    uint32_t recovered;         /* a bit for each process of which nothing is left */
    long time;                  /* of what has been done, the latest begin */
};

struct choice {
    long hint;
    int process;
    bool own; /* the process's next step; else one that nobody asked for */
    struct model_step step;
};

static const struct history *now;
static long states, most;
static struct node farthest;
static unsigned farthest_steps;
static uint64_t tried[TRIED], salt;
static uint32_t tried_count;
static bool has_failed;

static const struct history_step *next_of(const struct node *n, int p)
{
    const struct history_program *program = &now->program[p];
    return n->at[p] < program->steps ? &program->step[n->at[p]] : NULL;
}

static void find_end(struct node *n)
{
    n->end = HISTORY_NEVER;
    for (int p = 0; p < MODEL_PROCESSES; p++) {
        const struct history_step *s = next_of(n, p);
        if (s && s->ended < n->end)
            n->end = s->ended;
    }
}

/* The first record that the process has found past its retry limit and not buried yet, or -1. */
static int uncovered_by(const struct model *m, int p)
{
    for (int i = 0; i < m->records; i++)
        if (m->record[i].where == MODEL_UNCOVERED && m->record[i].owner == p)
            return i;
    return -1;
}

static bool can_wait_for_nothing(const struct history_step *s)
{
    switch (s->what.kind) {
    case MODEL_NOTHING:
        return !s->gets && !s->pending;
    case MODEL_ACK:
    case MODEL_REFUSED:
    case MODEL_EMPTY:
    case MODEL_FOUND:
    case MODEL_LEFT:
    case MODEL_SIZE:
    case MODEL_SIZE_ALL:
    case MODEL_CREDITS:
        return !s->pending;
    default:
        return s->what.kind == MODEL_CANCEL;
    }
}

/* Makes all steps that can wait for nothing. */
static void go_ahead(struct node *n)
{
    for (bool again = true; again;) {
        again = false;
        find_end(n);
        for (int p = 0; p < MODEL_PROCESSES; p++) {
            if (now->program[p].died < n->end && !n->gone[p]) {
                model_give_up(&n->model, p);
                n->gone[p] = true;
            }
            const struct history_step *s = next_of(n, p);
            if (!s || s->began >= n->end)
                continue;
            if (s->what.kind == MODEL_LEFT)
                model_give_up(&n->model, p);
            if (can_wait_for_nothing(s) && uncovered_by(&n->model, p) < 0 &&
                model_do(&n->model, &now->limits, p, &s->what)) {
                n->at[p]++; /* in fact later, so that no time has passed */
                again = true;
            }
        }
    }
}

static long entry_hint(uint32_t content, unsigned entries, unsigned stage)
{
    if (history_record(content) >= HISTORY_RECORDS)
        return HISTORY_NEVER;
    const struct history_hint *hint = &now->hint[history_record(content)];
    if (entries >= (unsigned)hint->entries || hint->entered[entries].content != content ||
        hint->entered[entries].stage != stage)
        return HISTORY_NEVER;
    return hint->entered[entries].at;
}

static long lease_hint(const struct model_record *r, int process)
{
    const struct history_hint *hint = &now->hint[history_record(r->content)];
    if (history_record(r->content) >= HISTORY_RECORDS || r->leases >= hint->leases ||
        hint->leased[r->leases].process != process)
        return HISTORY_NEVER;
    return hint->leased[r->leases].at;
}

static long settle_hint(uint32_t content)
{
    const struct history_hint *hint = &now->hint[history_record(content) % HISTORY_RECORDS];
    return hint->settled_content == content && hint->settled ? hint->settled : HISTORY_NEVER;
}

/* When the explorer saw a step's effect. */
static long hint_of(const struct model *m, int p, const struct model_step *s, long otherwise)
{
    int i;
    switch (s->kind) {
    case MODEL_PUT:
    case MODEL_PUBLISH:
        return entry_hint(s->content, 0, s->stage);
    case MODEL_GET:
    case MODEL_TAKE:
    case MODEL_UNCOVER:
        i = model_first(m, s->stage);
        return i < 0 ? HISTORY_NEVER : lease_hint(&m->record[i], p);
    case MODEL_SETTLE:
    case MODEL_ACK:
        return settle_hint(s->content);
    case MODEL_RETURN:
    case MODEL_RELEASE:
    case MODEL_FORWARD:
    case MODEL_BURY:
    case MODEL_REDELIVER:
    case MODEL_DUE:
        i = model_find(m, s->content);
        if (i < 0)
            return HISTORY_NEVER;
        if (s->kind == MODEL_FORWARD)
            return entry_hint(s->becomes, m->record[i].entries, s->stage);
        bool buries = s->kind == MODEL_BURY || (s->kind == MODEL_RETURN && model_buries(&now->limits, &m->record[i]));
        return entry_hint(s->content, m->record[i].entries, buries ? 0 : m->record[i].stage);
    default:
        return otherwise;
    }
}

/* Kept in the order of the hints. */
static int add(struct choice *choice, int n, const struct choice *c)
{
    int i = n;
    for (; i > 0 && choice[i - 1].hint > c->hint; i--)
        choice[i] = choice[i - 1];
    choice[i] = *c;
    return n + 1;
}

static int add_hidden(const struct node *n, struct choice *choice, int count, int p, enum model_kind kind,
                      const struct model_record *r)
{
    struct choice c = {.process = p, .step = {.kind = kind, .stage = r->stage, .content = r->content, .due = r->due}};
    c.hint = hint_of(&n->model, p, &c.step, HISTORY_NEVER);
    return add(choice, count, &c);
}

static int add_redelivery(const struct node *n, struct choice *choice, int count, int p, const struct model_record *r,
                          bool company)
{
    struct choice c = {.process = p,
                       .step = {.kind = MODEL_REDELIVER, .stage = r->stage, .content = r->content, .many = company}};
    c.hint = hint_of(&n->model, p, &c.step, HISTORY_NEVER);
    return add(choice, count, &c);
}

/* What became of the records that dead or getting processes own. */
static int hidden_choices(const struct node *n, struct choice *choice)
{
    int count = 0;
    for (int i = 0; i < n->model.records; i++) {
        const struct model_record *r = &n->model.record[i];
        if (r->where == MODEL_QUEUED)
            continue;
        if (r->where == MODEL_DELAYED) {
            if (r->due < n->end)
                count = add_hidden(n, choice, count, 0, MODEL_DUE, r);
            continue;
        }
        int p = r->owner;
        const struct history_step *s = next_of(n, p);
        if (n->gone[p]) {
            count = add_redelivery(n, choice, count, p, r, r->company);
            if (r->where != MODEL_LEASED)
                count = add_redelivery(n, choice, count, p, r, !r->company);
        }
        if (r->where == MODEL_UNCOVERED && uncovered_by(&n->model, p) == i)
            count = add_hidden(n, choice, count, p, MODEL_BURY, r);
        if (r->where == MODEL_TAKEN)
            count = add_hidden(n, choice, count, p, MODEL_SETTLE, r);
        if (r->where == MODEL_LEASED && s && s->what.kind == MODEL_LEFT && s->began < n->end)
            count = add_hidden(n, choice, count, p, MODEL_RELEASE, r);
    }
    return count;
}

/* A dead process leases nothing more; but what it had begun to put may still come in. */
static bool must_live(const struct history_step *s)
{
    return s->what.kind == MODEL_GET || s->what.kind == MODEL_TAKE || s->what.kind == MODEL_NOTHING ||
           s->what.kind == MODEL_OPEN;
}

/* Between which times the owner of a source that is not closed is gone: while it leaves, or when it dies. */
static void going(const struct model_claim *c, long *from, long *to)
{
    const struct history_program *owner = &now->program[c->owner - 1];
    *from = *to = owner->died;
    for (int i = c->step + 1; i < owner->steps; i++) {
        const struct history_step *s = &owner->step[i];
        if (s->what.kind != MODEL_LEFT)
            continue;
        *from = s->began;
        *to = s->ended < owner->died ? s->ended : owner->died;
        return;
    }
}

/* A step that asks who has the source, with what its time says of that one. */
static struct model_step with_owner(const struct node *n, const struct history_step *s)
{
    struct model_step what = s->what;
    const struct model_claim *c = &n->model.claim[what.source];
    long from, to;
    if ((what.kind != MODEL_OPEN && what.kind != MODEL_BUSY) || !c->owner)
        return what;
    going(c, &from, &to);
    what.gone = what.kind == MODEL_OPEN ? from < n->end : to <= (n->time > s->began ? n->time : s->began);
    what.due = what.gone ? from : 0;
    return what;
}

static int choices(const struct node *n, struct choice *choice)
{
    int count = hidden_choices(n, choice);
    for (int p = 0; p < MODEL_PROCESSES; p++) {
        const struct history_step *s = next_of(n, p);
        if (!s || s->began >= n->end || (s->pending && (n->recovered >> p & 1)))
            continue;
        if (s->pending && must_live(s) && now->program[p].died < n->time)
            continue;
        int first = s->gets ? model_first(&n->model, s->what.stage) : -1;
        if (first >= 0 && model_failures(&n->model.record[first]) > now->limits.retries)
            count = add_hidden(n, choice, count, p, MODEL_UNCOVER, &n->model.record[first]);
        if (uncovered_by(&n->model, p) >= 0)
            continue; /* it delivers nothing before it has buried that */
        if (s->what.kind == MODEL_LEFT || (s->pending && s->what.kind == MODEL_NOTHING))
            continue; /* made when nothing is leased any more; never */
        struct choice c = {.process = p, .own = true, .step = with_owner(n, s)};
        c.hint = hint_of(&n->model, p, &s->what, s->seen ? s->seen : s->ended);
        count = add(choice, count, &c);
    }
    return count;
}

static uint64_t key_of(const struct node *n)
{
    uint64_t key = (model_hash(&n->model) + salt) ^ (uint64_t)n->time << 20;
    for (int p = 0; p < MODEL_PROCESSES; p++)
        key = (key ^ n->at[p]) * 0x9E3779B97F4A7C15u + (key >> 29);
    return key | 1;
}

static bool was_tried(uint64_t key)
{
    uint64_t i = key >> 32;
    for (; tried[i % TRIED]; i++)
        if (tried[i % TRIED] == key)
            return true;
    return false;
}

static void remember(uint64_t key)
{
    if (tried_count++ > TRIED / 2) { /* forgetting costs only time */
        memset(tried, 0, sizeof tried);
        tried_count = 0;
    }
    uint64_t i = key >> 32;
    while (tried[i % TRIED])
        i++;
    tried[i % TRIED] = key;
    has_failed = true;
}

static void note_farthest(const struct node *n)
{
    unsigned steps = 0;
    for (int p = 0; p < MODEL_PROCESSES; p++)
        steps += n->at[p];
    if (steps <= farthest_steps)
        return;
    farthest_steps = steps;
    farthest = *n;
}

/* The step was made: it is later than its begin, than the death of the process that had leased what is delivered
 * again, than the end of a delay, or than who had the source has gone. */
static void pass(struct node *n, const struct choice *c)
{
    long began = 0;
    if (c->step.kind == MODEL_RECOVERED)
        n->recovered |= c->step.content;
    if (c->own)
        began = now->program[c->process].step[n->at[c->process]++].began;
    else if (c->step.kind == MODEL_REDELIVER)
        began = now->program[c->process].died + 1;
    if ((c->step.kind == MODEL_DUE || c->step.kind == MODEL_OPEN) && began < c->step.due)
        began = c->step.due;
    if (n->time < began)
        n->time = began;
}

static enum linear_verdict search(struct node *n, int depth)
{
    struct choice choice[CHOICES];
    go_ahead(n);
    if (n->end == HISTORY_NEVER)
        return !now->drained || !n->model.records ? LINEAR_YES : LINEAR_NO;
    if (++states > most || depth == DEEPEST)
        return LINEAR_UNDECIDED;
    uint64_t key = has_failed ? key_of(n) : 0;
    if (has_failed && was_tried(key))
        return LINEAR_NO;
    int count = choices(n, choice);
    for (int i = 0; i < count; i++) {
        struct node next = *n;
        if (!model_do(&next.model, &now->limits, choice[i].process, &choice[i].step))
            continue;
        pass(&next, &choice[i]);
        enum linear_verdict v = search(&next, depth + 1);
        if (v != LINEAR_NO)
            return v;
    }
    note_farthest(n);
    remember(has_failed ? key : key_of(n));
    return LINEAR_NO;
}

enum linear_verdict linear_check(const struct history *h, long budget)
{
    static const struct node empty;
    struct node first = empty;
    if (h->too_long)
        return LINEAR_UNDECIDED;
    now = h;
    states = 0;
    most = budget;
    salt += 0x632BE59BD9B4E019u;
    has_failed = false;
    farthest = first;
    farthest_steps = 0;
    return search(&first, 0);
}

bool linear_went_back(void) { return has_failed; }

static const char *const kinds[] = {
    "put",     "reserve", "publish", "cancel", "get",     "take", "ack",       "return", "delay", "release",
    "forward", "limit",   "refused", "empty",  "found",   "left", "recovered", "size",   "all",   "credits",
    "open",    "busy",    "close",   "end",    "uncover", "bury", "redeliver", "due",    "settle"};

static void describe(char *line, size_t size, int p, const struct history_step *s, const char *mark)
{
    snprintf(line, size, "%s p%d %s %u.%u stage %u source %u retry %d limit %u [%ld, %ld]%s", mark, p,
             kinds[s->what.kind], history_record(s->what.content), s->what.content >> 16, s->what.stage, s->what.source,
             s->what.retry, s->what.limit, s->began >> 8, s->ended == HISTORY_NEVER ? -1 : s->ended >> 8,
             s->pending ? " killed" : "");
}

void linear_explain(const struct history *h, void (*print)(const char *line))
{
    static const char *const wheres[] = {"queued", "leased", "uncovered", "taken", "delayed"};
    char line[200];
    print("the history by process; * is where the longest order ends:");
    for (int p = 0; p < MODEL_PROCESSES; p++) {
        for (int i = 0; i < h->program[p].steps; i++) {
            describe(line, sizeof line, p, &h->program[p].step[i], i == farthest.at[p] ? "*" : " ");
            print(line);
        }
        snprintf(line, sizeof line, "  p%d died at %ld", p, h->program[p].died >> 8);
        if (h->program[p].died != HISTORY_NEVER)
            print(line);
    }
    for (int i = 0; i < farthest.model.records; i++) {
        const struct model_record *r = &farthest.model.record[i];
        snprintf(line, sizeof line, "there: record %u.%u in stage %u, retry %u, %s by %u", history_record(r->content),
                 r->content >> 16, r->stage, r->retry, wheres[r->where], r->owner);
        print(line);
    }
}
