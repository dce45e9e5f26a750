/* refuse.h - messages that cannot be a record: they become dead letters, or end the bridge, as --on-refused says. */
#ifndef CONVEYOR_BRIDGE_REFUSE_H
#define CONVEYOR_BRIDGE_REFUSE_H

#include "intake.h"

/* What becomes of the first record that was not put, if waiting does not help: one that is too long (`what`: "message 5
 * of stream 'A'") becomes a dead letter, cut off, or ends the bridge. 1 if it counts as put now, 0 if there is no room
 * yet, or an error. */
int bridge_refuse(struct bridge_intake *intake, int why, const char *what, size_t length);

/* Makes dead letters of what is in the stage of the refused, by one failure of each: a bridge that was killed may have
 * left some there. 0 or an error. */
int bridge_bury(const struct bridge *bridge);

#endif
