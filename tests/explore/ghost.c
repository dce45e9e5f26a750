/* ghost.c - the sequential model of the records, and the order in which they may be delivered. */
#include "ghost.h"

#include <string.h>

enum state { PUTTING, MAYBE, IN, LEASED, ACKING, MAYBE_ACKED, RETURNING, FORWARDING, SETTLED, REFUSED };
static const char *const state_names[] = {
    "being put",      "perhaps put",     "in",      "leased", "being acked", "perhaps acked",
    "being returned", "being forwarded", "settled", "refused"};

static struct record {
    enum state state;
    int owner;
    uint32_t stage, source, retry; /* as it would be delivered now */
    uint32_t version, version2;    /* of the payload */
    uint64_t position;
    uint32_t header, header2;             /* which one it has, by its number */
    uint32_t stage2, retry2;              /* and if the settling at work took effect */
    bool suspect, suspect2, company;      /* a consumer died that had leased it in company; company: now */
    bool accepted, marked, perhaps_taken; /* perhaps_taken: by one that died while it took and settled */
    uint32_t leased_in;                   /* the stage, if marked */
    int batch, index;                     /* the put call, and its place in it */
    long entered_from, entered_to;        /* when it entered its stage; to: LONG_MAX while unknown */
    uint64_t due, due2, due_most; /* of the clock: not delivered before, 0: at once; if the settling at work took
                                     effect; due at that time certainly, 0: unknown */
    uint64_t delayed_ns;          /* when the call that delayed it began */
    long delayed_to;              /* when the call that delayed it had ended */
} record[GHOST_RECORDS];
static int records;

/* Deliveries, to check the order of each stage. */
static struct delivery {
    int id, batch, index, process;
    uint32_t stage, source;
    long entered_from, entered_to, ended;
    uint64_t due;
    bool first;
} delivery[4 * GHOST_RECORDS];
static int deliveries;
static const long never = 1L << 60;
#define VERSION_SHIFT 16
static uint32_t taking[SIM_FIBERS + 1]; /* the stage that a process takes from, or UINT32_MAX */

void ghost_reset(void)
{
    records = deliveries = 0;
    memset(taking, 0xff, sizeof taking);
}

static uint32_t mix(uint32_t word) { return (word * 2654435761u) ^ 0x5bd1e995u; }

static uint32_t length_of(uint32_t word)
{
    uint32_t room = world.settings.payload_size - 8;
    return 8 + (word + (word >> VERSION_SHIFT)) * 7 % (room + 1);
}

static uint32_t write_payload(uint32_t word, char *payload)
{
    uint32_t words[2] = {word, mix(word)}, length = length_of(word);
    memcpy(payload, words, sizeof words);
    for (uint32_t i = 8; i < length; i++)
        payload[i] = (char)(word + i);
    return length;
}

static uint32_t word_of(int id, uint32_t version) { return (uint32_t)id | version << VERSION_SHIFT; }

uint32_t ghost_write(int id, char *payload) { return write_payload(word_of(id, record[id].version), payload); }
uint32_t ghost_rewrite(int id, char *payload) { return write_payload(word_of(id, record[id].version2), payload); }

/* The record's number and version, if the payload is whole. */
static int read_payload(const void *payload, uint32_t length, uint32_t *version)
{
    uint32_t word[2];
    memcpy(word, payload, sizeof word);
    int id = (int)(word[0] & ((1u << VERSION_SHIFT) - 1));
    SIM_CHECK(word[1] == mix(word[0]) && id < records, "a payload is torn: %x %x", word[0], word[1]);
    SIM_CHECK_TOO(length == length_of(word[0]), "record %d came with length %u, not %u", id, length,
                  length_of(word[0]));
    for (uint32_t i = 8; i < length; i++)
        SIM_CHECK_TOO(((const unsigned char *)payload)[i] == (unsigned char)(word[0] + i), "record %d is torn", id);
    *version = word[0] >> VERSION_SHIFT;
    return id;
}

/* Header number n: 0, 4 or 8 bytes. */
static uint32_t write_header(uint32_t number, char *header)
{
    uint32_t words[2] = {number, mix(number)};
    memcpy(header, words, sizeof words);
    return world.settings.header_size ? number % 3 * 4 : 0;
}

uint32_t ghost_header(int id, char *header) { return write_header(record[id].header, header); }

bool ghost_new_header(int id, char *header, uint32_t *length)
{
    *length = write_header(record[id].header2, header);
    return record[id].header2 != record[id].header;
}

static void check_header(const struct record *r, int id, const void *header, uint32_t length)
{
    char should[GHOST_HEADER];
    uint32_t bytes = write_header(r->header, should);
    SIM_CHECK_TOO(length == bytes && (!bytes || !memcmp(header, should, bytes)),
                  "record %d came with another header than its own, of %u bytes", id, length);
}

int ghost_new(int process, uint32_t stage, uint32_t source, int first)
{
    SIM_CHECK(records < GHOST_RECORDS, "the explorer has no room for more records");
    int id = records++;
    record[id] = (struct record){.state = PUTTING,
                                 .owner = process,
                                 .stage = stage,
                                 .source = source,
                                 .version = (uint32_t)id % 5,
                                 .header = (uint32_t)id << 8,
                                 .entered_from = sim.total,
                                 .entered_to = never,
                                 .batch = first < 0 ? id : first,
                                 .index = id};
    return id;
}

void ghost_position(int id, uint64_t position) { record[id].position = position; }

void ghost_put_ended(const int *ids, int n, int in)
{
    for (int i = 0; i < n; i++) {
        struct record *r = &record[ids[i]];
        if (i < in) {
            r->accepted = true;
            if (r->state == PUTTING)
                r->state = r->perhaps_taken ? MAYBE_ACKED : IN;
            if (r->entered_to == never && r->batch >= 0 && r->state == IN)
                r->entered_to = sim.total;
        } else {
            SIM_CHECK_TOO(r->state == PUTTING, "record %d was refused and yet is %s", ids[i], state_names[r->state]);
            r->state = REFUSED;
        }
    }
}

/* d was delivered wholly before a get that began at `began`; r comes out of that get although it had entered before. */
static void check_order(const struct record *r, int id, long began)
{
    for (int i = 0; i < deliveries; i++) {
        const struct delivery *d = &delivery[i];
        if (d->stage != r->stage || d->ended >= began)
            continue;
        bool overtaken = d->entered_from > r->entered_to;
        if (d->batch == r->batch && d->batch >= 0 && d->source == r->source && d->index > r->index)
            overtaken = true;
        SIM_CHECK_TOO(!overtaken, "record %d was overtaken by %d", id, d->id);
    }
}

/* A settling at work took effect. */
static void take_effect(struct record *r)
{
    if (r->state != RETURNING && r->state != FORWARDING)
        return;
    r->stage = r->stage2;
    r->retry = r->retry2;
    r->suspect = r->suspect2;
    r->version = r->version2;
    r->header = r->header2;
    r->due = r->due2;
}

static uint32_t failures(const struct record *r) { return r->retry - (r->suspect && r->retry); }

/* A taker that finds a record past its retry limit moves it to the dead-letter stage. */
static void expect_dead_letter(struct record *r, int id, uint32_t stage)
{
    if (stage != CVB_STAGE_DEAD_LETTER || r->stage == CVB_STAGE_DEAD_LETTER)
        return;
    SIM_CHECK_TOO(failures(r) > world.settings.max_retries, "record %d became a dead letter after %u retries", id,
                  r->retry);
    r->stage = CVB_STAGE_DEAD_LETTER;
    r->retry = 0;
    r->suspect = false;
    r->entered_to = never;
    r->batch = -1;
}

/* What is leased must have had this stage and retry count: by its state, or because a settling at work took effect. */
static void expect(struct record *r, int id, const struct cvb_lease *l)
{
    take_effect(r);
    expect_dead_letter(r, id, l->stage);
    SIM_CHECK_TOO(l->stage == r->stage, "record %d came from stage %u, not %u", id, l->stage, r->stage);
    SIM_CHECK_TOO(l->retry_count == r->retry, "record %d came with retry count %u, not %u", id, l->retry_count,
                  r->retry);
    SIM_CHECK(l->position == r->position, "record %d came with position %llu, not %llu", id,
              (unsigned long long)l->position, (unsigned long long)r->position);
    SIM_CHECK_TOO(l->source == r->source, "record %d came with source %u, not %u", id, l->source, r->source);
}

/* What was delayed is not there before its time, nor after what was due later and has been delivered already. */
static void check_due(struct record *r, int id, long began)
{
    if (!r->due)
        return;
    SIM_CHECK_TOO(cvb_monotonic_ns() >= r->due, "record %d was delivered %llu ns before its time", id,
                  (unsigned long long)(r->due - cvb_monotonic_ns()));
    for (int i = 0; i < deliveries && r->due_most; i++)
        SIM_CHECK_TOO(delivery[i].stage != r->stage || delivery[i].ended >= began || delivery[i].due <= r->due_most,
                      "record %d was due before record %d, and came after it", id, delivery[i].id);
}

static struct record *deliverable(int id)
{
    struct record *r = &record[id];
    SIM_CHECK_TOO(r->state == PUTTING || r->state == MAYBE || r->state == IN || r->state == MAYBE_ACKED ||
                      r->state == RETURNING || r->state == FORWARDING,
                  "record %d was delivered while it is %s", id, state_names[r->state]);
    return r;
}

int ghost_delivered(int process, const struct cvb_lease *l, long began)
{
    uint32_t version;
    int id = read_payload(l->payload, l->length, &version);
    struct record *r = deliverable(id);
    expect(r, id, l);
    SIM_CHECK_TOO(version == r->version, "record %d came with version %u, not %u", id, version, r->version);
    check_header(r, id, l->header, l->header_length);
    SIM_CHECK_TOO(l->stage == CVB_STAGE_DEAD_LETTER || failures(r) <= world.settings.max_retries,
                  "record %d was delivered past its retry limit", id);
    check_order(r, id, began);
    check_due(r, id, began);
    r->perhaps_taken = false;
    r->state = LEASED;
    r->owner = process;
    return id;
}

void ghost_take(int process, uint32_t stage) { taking[process] = stage; }

int ghost_taken(int process, const struct cvb_record *taken, uint32_t stage, long began)
{
    uint32_t version;
    int id = read_payload(taken->payload, taken->length, &version);
    struct record *r = deliverable(id);
    take_effect(r);
    expect_dead_letter(r, id, stage);
    SIM_CHECK_TOO(r->stage == stage && version == r->version && taken->source == r->source,
                  "record %d of stage %u was taken from stage %u", id, r->stage, stage);
    SIM_CHECK(taken->position == r->position, "record %d was taken with position %llu, not %llu", id,
              (unsigned long long)taken->position, (unsigned long long)r->position);
    check_header(r, id, taken->header, taken->header_length);
    check_order(r, id, began);
    check_due(r, id, began);
    r->state = SETTLED;
    r->owner = process;
    return id;
}

/* A get that found nothing has ended the delay of all that was due when it began. */
static void check_all_due_came(uint32_t stage, long began, uint64_t began_ns)
{
    for (uint32_t u = 0; u < world.geometry.unit_count; u++) {
        struct cvb_pair w = world_unit(u)->word;
        if (cvb_lo_state(w.lo) != CVB_DELAYED || cvb_hi_stage(w.hi) != stage)
            continue;
        for (uint32_t mask = cvb_hi_mask(w.hi); mask; mask &= mask - 1) {
            int id = world_member_id(u, (unsigned)__builtin_ctz(mask)) & ((1 << VERSION_SHIFT) - 1);
            const struct record *r = &record[id];
            SIM_CHECK_TOO(r->state != IN || !r->due_most || r->delayed_to >= began || r->due_most > began_ns,
                          "a get found nothing although record %d was due", id);
        }
    }
}

void ghost_get_ended(int process, uint32_t stage, const int *ids, int n, bool fewer, long began, uint64_t began_ns)
{
    for (int i = 0; i < n; i++) {
        const struct record *r = &record[ids[i]];
        for (int k = 0; k < i; k++) {
            const struct record *before = &record[ids[k]];
            bool same = before->batch >= 0 && before->batch == r->batch && before->source == r->source;
            SIM_CHECK_TOO(before->entered_from <= r->entered_to && !(same && before->index > r->index),
                          "records %d and %d came in the wrong order", ids[k], ids[i]);
        }
        delivery[deliveries++] = (struct delivery){.id = ids[i],
                                                   .batch = r->batch,
                                                   .index = r->index,
                                                   .process = process,
                                                   .stage = r->stage,
                                                   .source = r->source,
                                                   .entered_from = r->entered_from,
                                                   .entered_to = r->entered_to,
                                                   .due = r->due,
                                                   .ended = sim.total};
    }
    if (!fewer || (n && record[ids[n - 1]].suspect))
        return; /* what is suspect comes alone */
    check_all_due_came(stage, began, began_ns);
    for (int id = 0; id < records; id++) {
        const struct record *r = &record[id];
        if (r->state != IN || r->stage != stage || r->entered_to >= began || (n && r->suspect))
            continue;
        for (uint32_t u = 0; u < world.geometry.unit_count; u++) {
            struct cvb_pair w = world_unit(u)->word;
            if (cvb_lo_state(w.lo) != CVB_QUEUED || cvb_hi_stage(w.hi) != stage)
                continue;
            for (uint32_t mask = cvb_hi_mask(w.hi); mask; mask &= mask - 1)
                SIM_CHECK_TOO((world_member_id(u, (unsigned)__builtin_ctz(mask)) & ((1 << VERSION_SHIFT) - 1)) != id,
                              "a get found no more although record %d was in all the time", id);
        }
    }
}

void ghost_settle(int process, const struct cvb_lease *leases, const int *ids, int n, enum ghost_fate fate,
                  uint32_t stage)
{
    for (int i = 0; i < n; i++) {
        struct record *r = &record[ids[i]];
        SIM_CHECK_TOO(r->state == LEASED && r->owner == process, "record %d is %s while it is leased", ids[i],
                      state_names[r->state]);
        uint32_t version;
        SIM_CHECK_TOO(read_payload(leases[i].payload, leases[i].length, &version) == ids[i] && version == r->version,
                      "record %d changed while it was leased", ids[i]);
        check_header(r, ids[i], leases[i].header, leases[i].header_length);
        r->stage2 = r->stage;
        r->retry2 = r->retry + (fate == GHOST_RETURN || fate == GHOST_DELAY);
        r->due2 = fate == GHOST_DELAY ? cvb_monotonic_ns() + stage * GHOST_MS_NS : 0;
        r->due_most = 0;
        r->delayed_ns = cvb_monotonic_ns();
        r->suspect2 = r->suspect;
        r->version2 = r->version + (fate == GHOST_REPLACE);
        r->header2 = r->header + (fate == GHOST_REPLACE && r->version % 2);
        bool moves = fate == GHOST_FORWARD || fate == GHOST_REPLACE;
        bool buries = (fate == GHOST_RETURN || fate == GHOST_DELAY) && failures(r) >= world.settings.max_retries;
        if (moves || (buries && r->stage != CVB_STAGE_DEAD_LETTER)) {
            r->stage2 = moves ? stage : CVB_STAGE_DEAD_LETTER;
            r->due2 = 0;
            r->retry2 = 0;
            r->suspect2 = false;
        }
        r->state = fate == GHOST_ACK ? ACKING : moves ? FORWARDING : RETURNING;
        if (fate != GHOST_ACK) {
            r->entered_from = sim.total;
            r->entered_to = never;
            r->batch = -1;
        }
    }
}

void ghost_settled(int process, const int *ids, int n, int done, enum ghost_fate fate)
{
    for (int i = 0; i < n; i++) {
        struct record *r = &record[ids[i]];
        bool mine = r->owner == process && (r->state == ACKING || r->state == RETURNING || r->state == FORWARDING);
        if (i >= done) {
            SIM_CHECK_TOO(mine, "record %d was not settled and yet is %s", ids[i], state_names[r->state]);
            r->state = LEASED;
        } else if (mine && fate == GHOST_ACK) {
            r->state = SETTLED;
        } else if (mine) {
            take_effect(r);
            r->state = r->perhaps_taken ? MAYBE_ACKED : IN;
            r->entered_to = r->due ? never : sim.total;
            r->due_most = r->due ? r->due + (cvb_monotonic_ns() - r->delayed_ns) : 0;
            r->delayed_to = sim.total;
        } else {
            SIM_CHECK_TOO(fate != GHOST_ACK, "record %d was acked and yet is %s", ids[i], state_names[r->state]);
        }
    }
}

static void mark(uint32_t id, uint32_t stage, bool company)
{
    id &= (1u << VERSION_SHIFT) - 1;
    SIM_CHECK(id < (uint32_t)records, "a leased unit holds what is no record");
    SIM_CHECK_TOO(!record[id].marked, "record %u is leased twice", id);
    record[id].marked = true;
    record[id].leased_in = stage;
    record[id].company = company;
}

/* A record that the dead had leased: it comes again, or its ack had begun and it may come again. */
static void leased_by_dead(struct record *r, int id, int process)
{
    bool own = r->owner == process && r->state != IN && r->state != MAYBE && r->state != MAYBE_ACKED;
    SIM_CHECK_TOO(r->state != SETTLED && r->state != REFUSED && (own || (r->state != LEASED && r->state != ACKING)),
                  "record %d is leased by the dead p%d while it is %s", id, process, state_names[r->state]);
    bool acking = r->state == ACKING || r->state == MAYBE_ACKED || (taking[process] != UINT32_MAX && !own);
    if (!own)
        take_effect(r);
    expect_dead_letter(r, id, r->leased_in);
    SIM_CHECK_TOO(r->leased_in == r->stage, "record %d was leased in stage %u, not %u", id, r->leased_in, r->stage);
    if (r->state == MAYBE_ACKED && !own && taking[process] == UINT32_MAX)
        acking = false; /* it was leased again, so it had not been acked */
    if (r->state == PUTTING && !own)
        r->perhaps_taken = acking;
    else
        r->state = acking ? MAYBE_ACKED : IN;
    r->retry = r->retry < 255 ? r->retry + 1 : r->retry;
    r->due = r->due_most = 0;
    SIM_CHECK_TOO(!(r->suspect && r->company), "record %d is suspect and was leased in company", id);
    r->suspect |= r->company;
    r->entered_from = sim.total;
    r->entered_to = never;
    r->batch = -1;
}

/* A record that the dead owned and had not leased any more. */
static void owned_by_dead(struct record *r, int id)
{
    SIM_CHECK_TOO(r->state != LEASED, "record %d was leased by the dead, and by its words is not", id);
    if (r->state == PUTTING)
        r->state = MAYBE;
    else if (r->state == ACKING)
        r->state = SETTLED;
    else if (r->state == RETURNING || r->state == FORWARDING) {
        take_effect(r);
        r->state = r->perhaps_taken ? MAYBE_ACKED : IN;
    }
}

/* It died while it took records and settled them at once: those that no unit holds are settled, or on their way. */
static void taken_by_dead(uint32_t stage)
{
    for (int id = 0; id < records; id++) {
        struct record *r = &record[id];
        bool here = r->stage == stage || stage == CVB_STAGE_DEAD_LETTER || r->stage2 == stage;
        if (!here || r->marked || world_holds((uint32_t)id))
            continue;
        if (r->state == IN || r->state == MAYBE)
            r->state = MAYBE_ACKED;
        r->perhaps_taken = r->state == PUTTING || r->state == RETURNING || r->state == FORWARDING;
    }
}

void ghost_death(int process)
{
    for (int id = 0; id < records; id++)
        record[id].marked = false;
    for (uint32_t s = 0; s < world.settings.max_handles; s++)
        if (world.seat_entered[s] == process + 1)
            world_leased_by(s, mark);
    for (int id = 0; id < records; id++) {
        struct record *r = &record[id];
        if (r->marked)
            leased_by_dead(r, id, process);
        else if (r->owner == process)
            owned_by_dead(r, id);
        if (r->marked)
            SIM_LOG("record %d was leased by the dead: now %s, retry %u", id, state_names[r->state], r->retry);
    }
    if (taking[process] != UINT32_MAX)
        taken_by_dead(taking[process]);
    taking[process] = UINT32_MAX;
    world_unlock_all(process);
}

int ghost_queued(uint32_t stage)
{
    int n = 0;
    for (int id = 0; id < records; id++)
        n += record[id].stage == stage && record[id].state == IN && record[id].entered_to != never;
    return n;
}

void ghost_check_end(void)
{
    for (int id = 0; id < records; id++) {
        const struct record *r = &record[id];
        bool over = r->state == SETTLED || r->state == REFUSED || r->state == MAYBE_ACKED || r->state == MAYBE;
        SIM_CHECK_TOO(over, "record %d is lost: it is %s in stage %u", id, state_names[r->state], r->stage);
    }
}
