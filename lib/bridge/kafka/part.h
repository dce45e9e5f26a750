/* part.h - a partition that this bridge has been given. */
#ifndef CONVEYOR_BRIDGE_KAFKA_PART_H
#define CONVEYOR_BRIDGE_KAFKA_PART_H

#include <librdkafka/rdkafka.h>

#include "intake.h"

struct part {
    int32_t number;
    uint32_t source;                  /* NAME.NUMBER: a source of its own, because positions grow within a source */
    bool open;                        /* cvb_source_open has said where to go on */
    uint64_t accepted, settled, told; /* positions: offset + 1; what the group was told to go on behind */
    int64_t start;                    /* the offset that it begins with, or one of the library's names for it */
    bool ready;                       /* its queue brings all from there on: part_begin */
    rd_kafka_queue_t *queue;
    rd_kafka_message_t **waiting; /* `most` of them; from `first` on not put yet */
    size_t most, first, count;
};

/* Finds the source and its position; EBUSY: another process has it still, ask again later; BRIDGE_STOPPED after a
 * complaint: there is no name left for it. 0 or an error. */
int part_open(struct part *part, struct bridge *bridge);

/* Makes its messages come by its own queue, from where it goes on: asked again until the partition is ready. What came
 * by the group's queue, before or since, is passed over by that; else it would be missing. False: try again. */
bool part_begin(struct part *part, rd_kafka_t *consumer, const char *topic);

/* Reads what has come, if all that came before is put. */
void part_read(struct part *part);

/* Puts what waits, as much as there is room for: how many, or an error. */
int part_put(struct part *part, struct bridge_intake *intake);

/* How far the group may be told to go on: 0 or an error. */
int part_look(struct part *part, struct bridge *bridge);

/* How many messages of the partition are not in the segment, as far as the brokers have said. */
uint64_t part_lag(const struct part *part, rd_kafka_t *consumer, const char *topic);

/* What waits goes. */
void part_forget(struct part *part);

/* Another bridge has the partition now, of this segment perhaps. */
void part_close(struct part *part, struct bridge *bridge);

#endif
