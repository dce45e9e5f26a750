/* model.c - each step of the sequential specification. */
#include "model.h"

#include <string.h>

int model_find(const struct model *m, uint32_t content)
{
    for (int i = 0; i < m->records; i++)
        if (m->record[i].content == content)
            return i;
    return -1;
}

int model_first(const struct model *m, uint32_t stage)
{
    for (int i = 0; i < m->records; i++)
        if (m->record[i].where == MODEL_QUEUED && m->record[i].stage == stage)
            return i;
    return -1;
}

static uint32_t limit_of(const struct model *m, const struct model_limits *l, enum model_limit which, unsigned stage,
                         unsigned source)
{
    const uint32_t set = which == MODEL_TOTAL    ? m->limit_total
                         : which == MODEL_SOURCE ? m->limit_source[source]
                                                 : m->limit_stage[stage];
    return set ? set : which == MODEL_TOTAL ? l->total : which == MODEL_SOURCE ? l->source : l->stage;
}

static bool set_limit(struct model *m, const struct model_step *s)
{
    uint8_t *limit = s->limit == MODEL_TOTAL    ? &m->limit_total
                     : s->limit == MODEL_SOURCE ? &m->limit_source[s->source]
                                                : &m->limit_stage[s->stage];
    *limit = (uint8_t)s->content;
    return true;
}

static bool is_full(const struct model *m, const struct model_limits *l, enum model_limit which, unsigned stage,
                    unsigned source)
{
    switch (which) {
    case MODEL_TOTAL:
        return m->total >= limit_of(m, l, which, stage, source);
    case MODEL_SOURCE:
        return m->source[source] >= limit_of(m, l, which, stage, source);
    default:
        return stage && m->stage[stage] >= limit_of(m, l, which, stage, source); /* dead letters have none */
    }
}

static bool has_room(const struct model *m, const struct model_limits *l, const struct model_step *s)
{
    if (s->lowered)
        return true;
    for (enum model_limit x = MODEL_TOTAL; x <= MODEL_STAGE; x++)
        if (is_full(m, l, x, s->stage, s->source))
            return false;
    return true;
}

/* A dead letter counts against the total alone. */
static void change_credits(struct model *m, unsigned stage, unsigned source, int by)
{
    m->total = (uint8_t)(m->total + by);
    m->source[source] = (uint8_t)(m->source[source] + (stage ? by : 0));
    m->stage[stage] = (uint8_t)(m->stage[stage] + by);
}

static struct model_record take_out(struct model *m, int i)
{
    struct model_record r = m->record[i];
    memmove(&m->record[i], &m->record[i + 1], sizeof r * (size_t)(--m->records - i));
    return r;
}

/* A record goes to the end of a stage. */
static void enter(struct model *m, struct model_record r, unsigned stage, unsigned retry)
{
    r.stage = (uint8_t)stage;
    r.retry = (uint8_t)retry;
    r.suspect &= retry > 0;
    r.where = MODEL_QUEUED;
    r.owner = MODEL_NO_PROCESS;
    r.entries++;
    m->record[m->records++] = r;
}

/* A record that has its source's and the total's credit goes to another stage, or to the end of its own. */
static void move(struct model *m, int i, unsigned stage, unsigned retry)
{
    struct model_record r = take_out(m, i);
    change_credits(m, r.stage, r.source, -1);
    change_credits(m, stage, r.source, 1);
    enter(m, r, stage, retry);
}

static void add_record(struct model *m, const struct model_step *s)
{
    change_credits(m, s->stage, s->source, 1);
    enter(m, (struct model_record){.content = s->content, .source = s->source}, s->stage, 0);
}

static bool put(struct model *m, const struct model_limits *l, const struct model_step *s)
{
    if (!has_room(m, l, s) || m->records == MODEL_RECORDS)
        return false;
    add_record(m, s);
    return true;
}

static bool reserve(struct model *m, const struct model_limits *l, int process, const struct model_step *s)
{
    if (!has_room(m, l, s))
        return false;
    change_credits(m, s->stage, s->source, 1);
    m->reserved[process][s->stage][s->source]++;
    return true;
}

static bool cancel(struct model *m, int process, const struct model_step *s)
{
    if (!m->reserved[process][s->stage][s->source])
        return false;
    m->reserved[process][s->stage][s->source]--;
    change_credits(m, s->stage, s->source, -1);
    return true;
}

/* Without a reservation only if the process is dead and it was given up: then there must be room, as for a put. */
static bool publish(struct model *m, const struct model_limits *l, int process, const struct model_step *s)
{
    if (m->records == MODEL_RECORDS || !cancel(m, process, s))
        return put(m, l, s);
    add_record(m, s);
    return true;
}

unsigned model_failures(const struct model_record *r) { return r->retry - (r->suspect && r->retry); }

static bool past_limit(const struct model_limits *l, const struct model_record *r)
{
    return model_failures(r) > l->retries && r->stage;
}

static bool get(struct model *m, const struct model_limits *l, int process, const struct model_step *s)
{
    int i = model_first(m, s->stage);
    if (i < 0 || past_limit(l, &m->record[i]))
        return false;
    struct model_record *r = &m->record[i];
    bool told = s->content != MODEL_ANY;
    if (told && (r->content != s->content || r->source != s->source || (s->retry >= 0 && r->retry != s->retry)))
        return false;
    if (told && s->kind == MODEL_TAKE) {
        change_credits(m, r->stage, r->source, -1);
        take_out(m, i);
        return true;
    }
    r->where = s->kind == MODEL_TAKE ? MODEL_TAKEN : MODEL_LEASED;
    r->owner = (uint8_t)process;
    r->company = s->many && !r->suspect;
    r->leases++;
    return true;
}

static bool uncover(struct model *m, const struct model_limits *l, int process, const struct model_step *s)
{
    int i = model_first(m, s->stage);
    if (i < 0 || !past_limit(l, &m->record[i]))
        return false;
    m->record[i].where = MODEL_UNCOVERED;
    m->record[i].owner = (uint8_t)process;
    m->record[i].leases++;
    return true;
}

/* May the step end what the process has in this way? */
static bool fits(enum model_kind kind, enum model_where where)
{
    switch (kind) {
    case MODEL_REDELIVER:
        return true;
    case MODEL_BURY:
        return where == MODEL_UNCOVERED;
    case MODEL_SETTLE:
        return where == MODEL_TAKEN;
    default:
        return where == MODEL_LEASED;
    }
}

bool model_buries(const struct model_limits *l, const struct model_record *r)
{
    return model_failures(r) >= l->retries && r->stage;
}

static bool forward(struct model *m, const struct model_limits *l, int i, const struct model_step *s)
{
    struct model_record *r = &m->record[i];
    if (!s->lowered && s->stage != r->stage && is_full(m, l, MODEL_STAGE, s->stage, r->source))
        return false;
    if (!s->lowered && !r->stage && is_full(m, l, MODEL_SOURCE, s->stage, r->source))
        return false;
    r->content = s->becomes;
    move(m, i, s->stage, 0);
    return true;
}

/* Of a take, or a get that had not delivered it, it is not known how many it asked for last. */
static bool redeliver(struct model *m, int i, bool company)
{
    struct model_record *r = &m->record[i];
    if (r->where == MODEL_LEASED && company != r->company)
        return false;
    r->suspect |= company;
    move(m, i, r->stage, r->retry < 255 ? r->retry + 1u : 255);
    return true;
}

/* It is nobody's, and no stage's queue has it. */
static void delay(struct model_record *r, const struct model_step *s)
{
    r->due = s->due;
    r->due_most = s->due_most;
    r->retry = r->retry < 255 ? r->retry + 1 : 255;
    r->where = MODEL_DELAYED;
    r->owner = MODEL_NO_PROCESS;
}

/* Does a record wait for the stage that was surely due before that time? */
static bool waits_since(const struct model *m, unsigned stage, long time)
{
    for (int i = 0; i < m->records; i++) {
        const struct model_record *r = &m->record[i];
        if (r->where == MODEL_DELAYED && r->stage == stage && r->due_most < time)
            return true;
    }
    return false;
}

static bool due(struct model *m, uint32_t content)
{
    int i = model_find(m, content);
    if (i < 0 || m->record[i].where != MODEL_DELAYED || waits_since(m, m->record[i].stage, m->record[i].due))
        return false;
    move(m, i, m->record[i].stage, m->record[i].retry);
    return true;
}

/* What the process has leased ends. */
static bool settle(struct model *m, const struct model_limits *l, int process, const struct model_step *s)
{
    int i = model_find(m, s->content);
    if (i < 0 || m->record[i].owner != process || !fits(s->kind, m->record[i].where))
        return false;
    struct model_record *r = &m->record[i];
    switch (s->kind) {
    case MODEL_FORWARD:
        return forward(m, l, i, s);
    case MODEL_ACK:
    case MODEL_SETTLE:
        change_credits(m, r->stage, r->source, -1);
        take_out(m, i);
        return true;
    default:
        if (s->kind == MODEL_BURY || ((s->kind == MODEL_RETURN || s->kind == MODEL_DELAY) && model_buries(l, r)))
            move(m, i, 0, 0);
        else if (s->kind == MODEL_DELAY)
            delay(r, s);
        else if (s->kind == MODEL_RELEASE)
            move(m, i, r->stage, r->retry);
        else if (s->kind == MODEL_REDELIVER)
            return redeliver(m, i, s->many);
        else
            move(m, i, r->stage, r->retry < 255 ? r->retry + 1u : 255);
        return true;
    }
}

static bool own_nothing(const struct model *m, uint32_t processes)
{
    for (int i = 0; i < m->records; i++)
        if (m->record[i].where != MODEL_QUEUED && m->record[i].where != MODEL_DELAYED &&
            (processes >> m->record[i].owner & 1))
            return false;
    return true;
}

static uint32_t credits_left(const struct model *m, const struct model_limits *l, unsigned source)
{
    int64_t own = (int64_t)limit_of(m, l, MODEL_SOURCE, 0, source) - m->source[source];
    int64_t all = (int64_t)limit_of(m, l, MODEL_TOTAL, 0, source) - m->total, least = own < all ? own : all;
    return least < 0 ? 0 : (uint32_t)least;
}

static bool open_source(struct model_claim *c, int process, const struct model_step *s)
{
    if (c->owner && c->owner != process + 1 && !s->gone)
        return false;
    *c = (struct model_claim){(uint8_t)(process + 1), (uint16_t)s->content};
    return true;
}

static bool is_busy(const struct model_claim *c, int process, const struct model_step *s)
{
    return c->owner && c->owner != process + 1 && !s->gone;
}

static bool close_source(struct model_claim *c, int process)
{
    if (c->owner == process + 1)
        *c = (struct model_claim){0, 0};
    return true;
}

bool model_do(struct model *m, const struct model_limits *l, int process, const struct model_step *s)
{
    switch (s->kind) {
    case MODEL_PUT:
        return put(m, l, s);
    case MODEL_RESERVE:
        return reserve(m, l, process, s);
    case MODEL_PUBLISH:
        return publish(m, l, process, s);
    case MODEL_CANCEL:
        return cancel(m, process, s);
    case MODEL_GET:
    case MODEL_TAKE:
        return get(m, l, process, s);
    case MODEL_UNCOVER:
        return uncover(m, l, process, s);
    case MODEL_LIMIT:
        return set_limit(m, s);
    case MODEL_REFUSED:
        return is_full(m, l, (enum model_limit)s->limit, s->stage, s->source);
    case MODEL_EMPTY:
        return model_first(m, s->stage) < 0 && !waits_since(m, s->stage, s->due);
    case MODEL_FOUND:
        return model_first(m, s->stage) >= 0;
    case MODEL_LEFT:
        return own_nothing(m, 1u << process);
    case MODEL_RECOVERED:
        return own_nothing(m, s->content);
    case MODEL_SIZE:
        return m->stage[s->stage] == s->content;
    case MODEL_SIZE_ALL:
        return m->total == s->content;
    case MODEL_CREDITS:
        return credits_left(m, l, s->source) == s->content;
    case MODEL_OPEN:
        return open_source(&m->claim[s->source], process, s);
    case MODEL_BUSY:
        return is_busy(&m->claim[s->source], process, s);
    case MODEL_CLOSE:
        return close_source(&m->claim[s->source], process);
    case MODEL_NOTHING:
        return true;
    case MODEL_DUE:
        return due(m, s->content);
    default:
        return settle(m, l, process, s);
    }
}

void model_give_up(struct model *m, int process)
{
    for (unsigned stage = 0; stage < MODEL_STAGES; stage++)
        for (unsigned source = 0; source < MODEL_SOURCES; source++)
            change_credits(m, stage, source, -m->reserved[process][stage][source]);
    memset(m->reserved[process], 0, sizeof m->reserved[process]);
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 31) * 0x9E3779B97F4A7C15u;
    return x ^ x >> 29;
}

/* The order of those that are queued in a stage counts; of those that are leased there is none. */
uint64_t model_hash(const struct model *m)
{
    uint64_t hash = 0, queue[MODEL_STAGES] = {0};
    for (int i = 0; i < m->records; i++) {
        const struct model_record *r = &m->record[i];
        uint64_t one = mix((uint64_t)r->content << 32 | (uint64_t)r->retry << 16 | (uint64_t)r->where << 8 | r->owner);
        one = mix(one + r->stage + (r->suspect ? 64u : 0) + (r->where == MODEL_LEASED && r->company ? 128u : 0));
        if (r->where == MODEL_DELAYED)
            one = mix(one + (uint64_t)r->due);
        if (r->where == MODEL_QUEUED)
            queue[r->stage] = mix(queue[r->stage] + one);
        else
            hash += one;
    }
    for (int stage = 0; stage < MODEL_STAGES; stage++)
        hash += mix(queue[stage] + (uint64_t)stage);
    hash += mix(m->limit_total);
    for (unsigned i = 0; i < MODEL_STAGES; i++)
        hash += mix((uint64_t)(256 + i) << 8 | m->limit_stage[i]);
    for (unsigned i = 0; i < MODEL_SOURCES; i++)
        hash += mix((uint64_t)(512 + i) << 8 | m->limit_source[i]);
    for (unsigned i = 0; i < MODEL_SOURCES; i++)
        hash += mix((uint64_t)(1024 + i) << 32 | (uint64_t)m->claim[i].owner << 16 | m->claim[i].step);
    const unsigned char *reserved = &m->reserved[0][0][0];
    for (size_t i = 0; i < sizeof m->reserved; i++)
        if (reserved[i])
            hash += mix((uint64_t)i << 8 | reserved[i]);
    return hash;
}
