/* intake.h - records on their way into a stage, and when a bridge that brings them in ends. */
#ifndef CONVEYOR_BRIDGE_INTAKE_H
#define CONVEYOR_BRIDGE_INTAKE_H

#include "bridge.h"
#include "envelope.h"

struct bridge_intake {
    struct bridge *bridge;
    struct cvb_record *records; /* bridge->batch of them: to be filled before they are put */
    uint8_t *headers;           /* of the records; NULL: the segment has no room for any */
    struct bridge_envelope envelope;
    uint64_t cut; /* headers that something was left out of */
    size_t put;   /* how many records the last bridge_intake_put took */
    uint64_t done;
    int64_t last_record_ns, next_look_ns;
    bool removed;
};

/* False without memory. */
bool bridge_intake_begin(struct bridge_intake *intake, struct bridge *bridge);
void bridge_intake_end(struct bridge_intake *intake);

/* How many of `count` that wait may be put at once. */
size_t bridge_intake_most(const struct bridge_intake *intake, size_t count);

/* Makes records[i] one of the source, of the bridge's pipeline. */
void bridge_intake_fill(struct bridge_intake *intake, size_t i, uint32_t source, uint64_t position, const void *payload,
                        size_t length);

/* The envelope, empty, to be filled for bridge_intake_seal; NULL if records have no headers. */
struct bridge_envelope *bridge_intake_envelope(struct bridge_intake *intake);

/* Makes the envelope the header of records[i]. What does not fit is left out, counted, and told once. */
void bridge_intake_seal(struct bridge_intake *intake, size_t i);

/* 1 if records of the source may be put now, 0 while it is told to pause, or an error. To be asked before messages are
 * made records: a held bridge asks some hundred times a second. */
int bridge_intake_opens(const struct bridge_intake *intake, uint32_t source);

/* Puts the first `count` records, as many as there is room for. How many, or an error. *why (0 before the call): what
 * was wrong with the first one that was not put, if waiting does not help. */
int bridge_intake_put(struct bridge_intake *intake, size_t count, int *why);

/* So many records more are in. */
void bridge_intake_note(struct bridge_intake *intake, size_t count);

/* True if the bridge should end; `waiting`: messages wait for room. */
bool bridge_intake_is_over(struct bridge_intake *intake, bool waiting, int64_t now);

#endif
