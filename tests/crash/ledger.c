/* ledger.c - what is known of every record, and what must therefore be found after a crash. */
#include <stdarg.h>
#include <string.h>

#include "crash.h"

const char *say(const char *format, ...)
{
    static char text[256];
    va_list a;
    va_start(a, format);
    vsnprintf(text, sizeof text, format, a);
    va_end(a);
    return text;
}

/* A bit for each stage and retry count; past the limit a record is delivered as a dead letter only. */
uint64_t place(unsigned stage, unsigned retry)
{
    if (stage != DEAD_LETTERS && retry > RETRIES)
        stage = retry = 0;
    return UINT64_C(1) << (stage * 8 + (retry < 8 ? retry : 7));
}

uint32_t length_of(uint64_t id) { return 16 + (uint32_t)(id % 48); }

void fill_payload(char *to, uint64_t id)
{
    memcpy(to, &id, sizeof id);
    for (uint32_t i = sizeof id; i < length_of(id); i++)
        to[i] = (char)(id * 31 + i);
}

uint32_t header_length_of(uint64_t id) { return header_size ? (uint32_t)(id % (HEADER_MOST + 1)) : 0; }

void fill_header(char *to, uint64_t id)
{
    for (uint32_t i = 0; i < header_length_of(id); i++)
        to[i] = (char)(id * 37 + i);
}

/* With payload, header and position as the id and the source say. */
struct cvb_record record_of(char bytes[RECORD_BYTES], uint64_t id, unsigned source)
{
    char *header = bytes + RECORD_BYTES - HEADER_MOST;
    fill_payload(bytes, id);
    fill_header(header, id);
    return (struct cvb_record){.payload = bytes,
                               .length = length_of(id),
                               .source = source,
                               .position = source == POSITIONED ? id : 0,
                               .header = header_size ? header : NULL,
                               .header_length = header_length_of(id)};
}

uint64_t id_of(const struct cvb_lease *l)
{
    uint64_t id;
    memcpy(&id, l->payload, sizeof id);
    return id;
}

struct known *ledger_add(struct world *w, uint64_t id, unsigned stage, unsigned source)
{
    struct known *k = &w->known[w->known_count++];
    *k = (struct known){.id = id, .stage = (uint8_t)stage, .source = (uint8_t)source, .owner = QUEUED};
    return k;
}

struct known *ledger_find(struct world *w, uint64_t id)
{
    for (unsigned i = 0; i < w->known_count; i++)
        if (w->known[i].id == id)
            return &w->known[i];
    return NULL;
}

static struct fact *find(struct facts *f, uint64_t id)
{
    for (unsigned i = 0; i < f->count; i++)
        if (f->fact[i].id == id)
            return &f->fact[i];
    return NULL;
}

/* After a failure: past the limit a record may be in its stage still, if the first of its consumers that died had
 * leased it with others. */
static uint64_t failed_place(unsigned stage, unsigned retry)
{
    return place(stage, retry) | UINT64_C(1) << (stage * 8 + (retry < 8 ? retry : 7));
}

static struct fact *add(struct facts *f, uint64_t id, unsigned source)
{
    struct fact *a = &f->fact[f->count++];
    *a = (struct fact){.id = id,
                       .position = source == POSITIONED ? id : 0,
                       .header = id,
                       .partner = -1,
                       .before = -1,
                       .source = (uint8_t)source};
    return a;
}

static bool was_taken(const struct world *w, uint64_t id)
{
    for (unsigned i = 0; i < w->taken_count; i++)
        if (w->taken[i] == id)
            return true;
    return false;
}

/* A record that nothing is meant to be done with, unless the operation leases whatever comes. */
static void plain(const struct world *w, bool over, const struct known *k, struct fact *a)
{
    bool queued = k->owner != OF_VICTIM, may = queued && w->takes && k->stage == STAGE_A && !over;
    bool taken = queued && over && was_taken(w, k->id);
    unsigned retry = k->retry + (k->owner == OF_DEAD);
    a->where =
        failed_place(k->stage, retry + (queued && !taken ? 0 : 1)) | (may ? failed_place(k->stage, retry + 1) : 0);
    a->absent = may && w->acks;
    a->seen = queued && !taken ? failed_place(k->stage, retry) : 0;
    a->ordered = k->owner == QUEUED && !w->takes;
    if (taken && w->acks)
        a->where = 0;
}

/* The results of some replaced records have no header of their own. */
bool header_is_kept(uint64_t result) { return result % 2; }

static void meant_put(struct facts *f, const struct intent *in, bool over, bool done, int16_t before)
{
    struct fact *a = add(f, in->id, in->source);
    a->where = a->seen = over && !done ? 0 : place(STAGE_A, 0);
    a->absent = !over;
    a->before = before;
    a->put = true;
}

static void meant_settle(struct facts *f, struct fact *a, const struct known *k, const struct intent *in, bool over,
                         bool done)
{
    uint64_t back = failed_place(k->stage, k->retry + 1u), on = place(STAGE_B, 0);
    bool maybe = !over || done; /* the new place is possible */
    bool old = !over || !done;  /* the old place is */
    if (in->kind == RETURN) {
        a->where = back;
        a->seen = maybe ? back : 0;
    } else if (in->kind == RELEASE) {
        uint64_t as_it_was = failed_place(k->stage, k->retry);
        a->where = (old ? back : 0) | (maybe ? as_it_was : 0);
        a->seen = maybe ? as_it_was : 0;
    } else if (in->kind == ACK) {
        a->where = old ? back : 0;
        a->absent = !over;
    } else if (in->kind == FORWARD) {
        a->where = (old ? back : 0) | (maybe ? on : 0);
        a->seen = maybe ? on : 0;
    } else {
        struct fact *b = add(f, in->result, k->source);
        b->position = a->position;
        b->header = header_is_kept(in->result) ? in->id : in->result;
        a->where = old ? back : 0;
        b->where = b->seen = maybe ? on : 0;
        a->absent = b->absent = !over;
        if (!over) {
            a->partner = (int16_t)(b - f->fact);
            b->partner = (int16_t)(a - f->fact);
        }
    }
}

/* `over`: the operation has come back, so its result is binding; else it may have happened or not. */
void facts_build(const struct world *w, bool over, struct facts *f)
{
    memset(f, 0, sizeof *f);
    for (unsigned i = 0; i < w->known_count; i++) {
        const struct known *k = &w->known[i];
        if (k->source == POSITIONED && k->id > f->accepted)
            f->accepted = k->id;
        if (k->owner != GONE)
            plain(w, over, k, add(f, k->id, k->source));
    }
    int16_t before = -1;
    for (unsigned i = 0; i < w->intent_count; i++) {
        const struct intent *in = &w->intent[i];
        if (in->kind == PUT) {
            meant_put(f, in, over, i < w->done, before);
            before = (int16_t)(f->count - 1);
        } else {
            const struct known *k = ledger_find((struct world *)(uintptr_t)w, in->id);
            struct fact *a = find(f, in->id);
            a->ordered = false;
            meant_settle(f, a, k, in, over, i < w->done);
        }
    }
}

static const char *torn(const struct cvb_lease *l, uint64_t id, uint64_t header)
{
    char should[64];
    fill_header(should, header);
    if (l->header_length != header_length_of(header) || (header_size && memcmp(should, l->header, l->header_length)))
        return say("record %llu has another header", (unsigned long long)id);
    if (l->length != length_of(id))
        return say("record %llu: %u bytes", (unsigned long long)id, l->length);
    fill_payload(should, id);
    return memcmp(should, l->payload, l->length) ? say("record %llu is torn", (unsigned long long)id) : NULL;
}

/* A record was got; `recovered`: after the victim's seat was. */
const char *facts_got(struct facts *f, const struct cvb_lease *l, bool recovered)
{
    if (l->length < 16)
        return say("a record of %u bytes", l->length);
    uint64_t id = id_of(l), at = place(l->stage, l->retry_count);
    struct fact *a = find(f, id);
    if (!a)
        return say("record %#llx that nobody put", (unsigned long long)id);
    if (a->source != l->source)
        return say("record %llu: source %u", (unsigned long long)id, l->source);
    if (a->found)
        return say("record %llu comes twice", (unsigned long long)id);
    if (a->position != l->position)
        return say("record %llu at position %llu", (unsigned long long)id, (unsigned long long)l->position);
    if (a->position && a->position <= f->settled)
        return say("record %llu is there, but settled was %llu", (unsigned long long)id,
                   (unsigned long long)f->settled);
    if (!((recovered ? a->where : a->seen) & at))
        return say("record %llu in stage %u with retry count %u, allowed %#llx%s", (unsigned long long)id, l->stage,
                   l->retry_count, (unsigned long long)(recovered ? a->where : a->seen),
                   recovered ? "" : " before recovery");
    if (a->ordered && !l->retry_count) {
        if (f->last[l->stage][l->source] > id)
            return say("record %llu after %llu", (unsigned long long)id,
                       (unsigned long long)f->last[l->stage][l->source]);
        f->last[l->stage][l->source] = id;
    }
    a->found = true;
    a->at = at;
    return torn(l, id, a->header);
}

/* What was got before recovery was acked or returned. */
void facts_settled(struct facts *f, uint64_t id, bool acked, const struct cvb_lease *l)
{
    struct fact *a = find(f, id);
    if (acked && a->extra) { /* it was the last one's who put it; extra ones are behind all others */
        *a = f->fact[--f->count];
        return;
    }
    a->ordered = false;
    a->absent = acked;
    a->found = acked;
    if (!acked)
        a->where = a->seen = failed_place(l->stage, l->retry_count + 1);
}

void facts_put(struct facts *f, uint64_t id, unsigned stage, unsigned source)
{
    struct fact *a = add(f, id, source);
    a->where = a->seen = place(stage, 0);
    a->extra = true;
}

/* The extra records that are still there become part of what is known. */
void facts_leave(struct facts *f, struct world *w)
{
    for (unsigned i = 0; i < f->count; i++)
        if (f->fact[i].extra)
            ledger_add(w, f->fact[i].id, f->fact[i].where == place(STAGE_A, 0) ? STAGE_A : STAGE_B, f->fact[i].source);
}

/* What was got while the victim was stopped, seen in the light of its result. */
const char *facts_after(struct facts *f, const struct facts *before)
{
    f->settled = before->settled;
    for (unsigned i = 0; i < before->count; i++) {
        const struct fact *b = &before->fact[i];
        struct fact *a = find(f, b->id);
        if (b->extra || !b->found)
            continue;
        if (!a || !(a->where & b->at))
            return say("record %llu was got at %#llx while the victim was stopped; by its result it was at %#llx",
                       (unsigned long long)b->id, (unsigned long long)b->at, (unsigned long long)(a ? a->where : 0));
        a->found = true;
    }
    return NULL;
}

/* All was got that there is: is anything missing? */
const char *facts_complete(const struct facts *f)
{
    for (unsigned i = 0; i < f->count; i++) {
        const struct fact *a = &f->fact[i];
        unsigned long long id = a->id;
        if (!a->found && a->where && !a->absent)
            return say("record %llu is lost", id);
        if (a->partner >= 0 && a->found == f->fact[a->partner].found)
            return say("records %llu and its result: %s", id, a->found ? "both are there" : "both are lost");
        if (a->found && a->before >= 0 && !f->fact[a->before].found)
            return say("record %llu without the one before it", id);
    }
    return NULL;
}

/* A source that goes on behind `accepted` leaves out nothing, and puts nothing twice. */
const char *facts_accepted(const struct facts *f, uint64_t accepted)
{
    if (accepted < f->accepted)
        return say("accepted is %llu, and %llu was", (unsigned long long)accepted, (unsigned long long)f->accepted);
    for (unsigned i = 0; i < f->count; i++) {
        const struct fact *a = &f->fact[i];
        if (a->put && a->position && a->found != (a->position <= accepted))
            return say("accepted is %llu, and record %llu is %s", (unsigned long long)accepted,
                       (unsigned long long)a->id, a->found ? "there" : "not there");
    }
    return NULL;
}
